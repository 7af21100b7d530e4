package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/proactive"
)

// approve does what the button of the approval stands for.
func (f *fixture) approve(_ context.Context, _ *headsup.Turn, p proactive.Press) (string, error) {
	if f.pressed != nil {
		*f.pressed = append(*f.pressed, p)
	}
	return "It is approved.", nil
}

// offered sends ann a notification, and returns the tickets of its buttons by what they do.
func (f fixture) offered(t *testing.T, n headsup.Notification) map[string]string {
	t.Helper()
	f.notify(t, n)
	synctest.Wait()
	sent := f.channel.Sent()
	found := make(map[string]string)
	for _, part := range strings.Split(cardIn(t, sent[len(sent)-1].Activity), `"ticket":"`)[1:] {
		text, _, _ := strings.Cut(part, `"`)
		signed, err := tickets.Verify(text, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		found[signed.Do] = text
	}
	return found
}

// presses is somebody pressing a button, as Web Chat tells it.
func presses(id, conversation, user, ticket string) *activity.Activity {
	a := inbound(id, conversation, user, "")
	a.Value = jsontext.Value(`{"headsup":{"ticket":"` + ticket + `"},"note":"typed beside it"}`)
	return a
}

// toldLast is what the person was told last.
func (f fixture) toldLast(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	sent := f.channel.Sent()
	return sent[len(sent)-1].Activity.Text
}

func acting(t *testing.T, test func(t *testing.T, f fixture)) {
	var pressed []proactive.Press
	var refused []string
	conversingWith(t, fixture{channel: &bottest.Recorder{}, pressed: &pressed, refused: &refused}, test)
}

// TestATopicIsCalledByItsTitle: on the button that mutes it, and in the answer, as in the settings.
func TestATopicIsCalledByItsTitle(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		n := approval()
		n.Topic = "trips"
		button := f.offered(t, n)["mute"]
		sent := f.channel.Sent()
		if text := cardIn(t, sent[len(sent)-1].Activity); !strings.Contains(text, "Mute “Business trips”") {
			t.Errorf("the card is %s", text)
		}
		f.hear(t, presses("1", "c", "ann", button))
		if got := f.toldLast(t); got != "“Business trips” is muted." || f.wants(t).Topics["trips"] || len(f.wants(t).Topics) != 1 {
			t.Errorf("told %q, wanted is %+v", got, f.wants(t))
		}
	})
}

func TestAButtonIsDoneByItsHandlerOnce(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		id := f.channel.Sent()
		button := f.offered(t, approval())["do"]
		f.hear(t, presses("1", "c", "ann", button))
		if got := f.toldLast(t); got != "It is approved." || len(*f.pressed) != 1 {
			t.Fatalf("told %q, done %+v", got, *f.pressed)
		}
		if p := (*f.pressed)[0]; p.Name != "approve" || string(p.Value) != `{"invoice":2041}` || p.Topic != "invoices" || p.Notification == "" || p.Delivery == "" {
			t.Errorf("done is %+v", p)
		}
		if text := cardIn(t, f.channel.Sent()[len(id)].Activity); strings.Contains(text, "ticket") || !strings.Contains(text, "It is approved.") {
			t.Errorf("the card is %s", text)
		}
		f.hear(t, presses("2", "c", "ann", button))
		if got := f.toldLast(t); got != "That was done before." || len(*f.pressed) != 1 || !slices.Equal(*f.refused, []string{"used"}) {
			t.Errorf("again: told %q, done %+v, refused %v", got, *f.pressed, *f.refused)
		}
	})
}

// TestAButtonPressedTwiceAtOnceIsDoneOnce: the turns of a conversation come one after the other, and what one has used commits
// with it.
func TestAButtonPressedTwiceAtOnceIsDoneOnce(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		button := f.offered(t, approval())["do"]
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() { f.hear(t, presses(fmt.Sprint("twice-", i), "c", "ann", button)) })
		}
		all.Wait()
		if len(*f.pressed) != 1 || len(*f.refused) != 9 {
			t.Errorf("done %d times, refused %v", len(*f.pressed), *f.refused)
		}
	})
}

// TestButtonsOfATemplate do what those of any other notice do.
func TestButtonsOfATemplate(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		f.put(t, "deal", `{"en":{"notice":{"what":"${data.deal} was won","actions":[{"do":"snooze"},{"do":"do","title":"Approve","name":"approve"}]}}}`)
		n := headsup.Notification{To: toAnnAlone(), Template: deal(`{"deal":"*A*","n":3}`)}
		before := len(f.channel.Sent())
		buttons := f.offered(t, n)
		f.hear(t, presses("1", "c", "ann", buttons["do"]))
		if text := cardIn(t, f.channel.Sent()[before].Activity); strings.Contains(text, "ticket") || !strings.Contains(text, "It is approved.") {
			t.Errorf("the card is %s", text)
		}
		f.hear(t, presses("2", "c", "ann", buttons["snooze"]))
		if got := f.toldLast(t); !strings.HasPrefix(got, "You will be reminded") {
			t.Errorf("told %q, refused %v", got, *f.refused)
		}
		before = len(f.channel.Sent())
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		if sent := f.channel.Sent(); len(sent) != before+1 || !strings.Contains(cardIn(t, sent[before].Activity), "*A* was won") {
			t.Errorf("sent %d messages after the snooze", len(sent)-before)
		}
	})
}

func TestButtonsThatNobodyOfOursTakes(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		n := approval()
		n.Notice.Actions = []card.Action{{Do: card.Call, Title: "Take", Name: "taken"}}
		f.hear(t, presses("1", "c", "ann", f.offered(t, n)["do"]))
		if got := f.toldLast(t); got != "Done." {
			t.Errorf("what others take: %q", got)
		}
		n.Notice.Actions = []card.Action{{Do: card.Call, Title: "Leave", Name: "left"}}
		f.hear(t, presses("2", "c", "ann", f.offered(t, n)["do"]))
		if got := f.toldLast(t); got != "heard " {
			t.Errorf("what nobody takes does not come to the bot: %q", got)
		}
		plain := inbound("3", "c", "ann", "")
		plain.Value = jsontext.Value(`{"answer":"of another card"}`)
		f.hear(t, plain)
		if got := f.toldLast(t); got != "heard " || len(*f.refused) != 0 {
			t.Errorf("another card's: %q, refused %v", got, *f.refused)
		}
	})
}

// TestWaysOutAreTaken: by a button, and the next notification of the topic is not said.
func TestWaysOutAreTaken(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		key := headsup.KeyOf("app", inbound("", "c", "ann", "").Reference())
		f.hear(t, presses("1", "c", "ann", f.offered(t, approval())["mute"]))
		if got := f.toldLast(t); got != "“invoices” is muted." {
			t.Errorf("told %q", got)
		}
		if p, err := f.engine.Preferences(t.Context(), key); err != nil || p.Topics["invoices"] || len(p.Topics) != 1 {
			t.Errorf("%+v, %v", p, err)
		}
		n := approval()
		n.Topic = ""
		out := f.offered(t, n)["opt_out"]
		f.hear(t, presses("2", "c", "ann", out))
		f.hear(t, presses("3", "c", "ann", out)) // which may be said twice
		if got := f.toldLast(t); got != "You will not get these messages any more." || len(*f.refused) != 0 {
			t.Errorf("told %q, refused %v", got, *f.refused)
		}
		if p, err := f.engine.Preferences(t.Context(), key); err != nil || !p.OptedOut {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestASnoozedNoticeIsSaidAgainOnce(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		button := f.offered(t, approval())["snooze"]
		f.hear(t, presses("1", "c", "ann", button))
		if got := f.toldLast(t); !strings.HasPrefix(got, "You will be reminded at ") {
			t.Errorf("told %q", got)
		}
		f.hear(t, presses("2", "c", "ann", button))
		said := len(f.channel.Sent())
		time.Sleep(59 * time.Minute)
		if got := len(f.channel.Sent()); got != said {
			t.Errorf("%d more after 59 minutes", got-said)
		}
		time.Sleep(2 * time.Minute)
		sent := f.channel.Sent()
		if len(sent) != said+1 || !strings.Contains(cardIn(t, sent[said].Activity), "The invoice needs your approval") {
			t.Fatalf("%d more after an hour", len(sent)-said)
		}
		if found := ticketsIn(t, cardIn(t, sent[said].Activity), time.Now()); found["mute"].Topic != "invoices" || found["snooze"].Do == "" {
			t.Errorf("it has %+v", found)
		}
	})
}

func TestButtonsAreRefused(t *testing.T) {
	sign := func(change func(*ticket.Ticket)) func(string) string {
		return func(text string) string {
			of, err := tickets.Verify(text, time.Now())
			if err != nil {
				return err.Error()
			}
			change(&of)
			signed, err := tickets.Sign(of)
			return signed + fmt.Sprint(err)[len("<nil>"):]
		}
	}
	same := func(text string) string { return text }
	for name, c := range map[string]struct {
		id, conversation, user string
		make                   func(string) string
		reason, told           string
	}{
		"forged":      {"1", "c", "ann", func(s string) string { return strings.Replace(s, ".ey", ".ez", 1) }, "forged", "This button is not valid."},
		"malformed":   {"1", "c", "ann", func(string) string { return "x" }, "malformed", "This button is not valid."},
		"cut off":     {"1", "c", "ann", func(s string) string { return s[:len(s)-2] }, "malformed", "This button is not valid."},
		"empty":       {"1", "c", "ann", func(string) string { return "" }, "malformed", "This button is not valid."},
		"too long":    {"1", "c", "ann", func(s string) string { return s + strings.Repeat("x", ticket.MaxText) }, "malformed", "This button is not valid."},
		"expired":     {"1", "c", "ann", sign(func(o *ticket.Ticket) { o.Expires = time.Now() }), "expired", "This button cannot be used any more."},
		"elsewhere":   {"1", "d", "ann", same, "other_conversation", "This button was meant for somebody else."},
		"by another":  {"1", "c", "eve", same, "other_person", "This button was meant for somebody else."},
		"another use": {"1", "c", "ann", sign(func(o *ticket.Ticket) { o.Do = "unsubscribe" }), "other_purpose", "This button is not valid."},
		"mandatory": {
			"1", "c", "ann", sign(func(o *ticket.Ticket) { o.Do, o.Topic = "mute", "duties" }), "mandatory", "“duties” cannot be muted.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			acting(t, func(t *testing.T, f fixture) {
				f.hear(t, inbound("0", "d", "ann", "hello"))
				button := c.make(f.offered(t, approval())["do"])
				f.hear(t, presses(c.id, c.conversation, c.user, button))
				if got := f.toldLast(t); got != c.told || !slices.Equal(*f.refused, []string{c.reason}) || len(*f.pressed) != 0 {
					t.Errorf("told %q, refused for %v, done %+v", got, *f.refused, *f.pressed)
				}
			})
		})
	}
}

// TestTeamsIsAnsweredInTheCard: an Action.Execute is an invoke, which is answered with the card that is shown then, or with a word.
func TestTeamsIsAnsweredInTheCard(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		hi := inbound("1", "k", "kim", "hi")
		hi.ChannelID = activity.ChannelTeams
		f.hear(t, hi)
		n := approval()
		n.To = headsup.Target{User: "kim"}
		button := f.offered(t, n)["do"]
		execute := func(id, ticket string) string {
			a := inbound(id, "k", "kim", "")
			a.Type, a.Name, a.ChannelID = activity.TypeInvoke, "adaptiveCard/action", activity.ChannelTeams
			a.Value = jsontext.Value(`{"action":{"type":"Action.Execute","verb":"headsup","data":{"headsup":{"ticket":"` + ticket + `"}}},"trigger":"manual"}`)
			answer, err := f.bot.Process(t.Context(), developer, a)
			if err != nil || answer.Status != 200 {
				t.Fatalf("%+v, %v", answer, err)
			}
			return string(answer.Body)
		}
		said := len(f.channel.Sent())
		if got := execute("2", button); !strings.Contains(got, "application/vnd.microsoft.card.adaptive") || !strings.Contains(got, "It is approved.") || strings.Contains(got, "ticket") {
			t.Errorf("answered %s", got)
		}
		if got := execute("3", button); got != `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"That was done before."}` {
			t.Errorf("again: answered %s", got)
		}
		if len(f.channel.Sent()) != said || len(*f.pressed) != 1 {
			t.Errorf("%d were said besides, done %+v", len(f.channel.Sent())-said, *f.pressed)
		}
		old := inbound("4", "k", "kim", "") // a client that shows the fallback, which is a message
		old.ChannelID = activity.ChannelTeams
		old.Value = jsontext.Value(`{"headsup":{"ticket":"` + f.offered(t, n)["do"] + `"}}`)
		f.hear(t, old)
		if len(*f.pressed) != 2 {
			t.Errorf("done by a message %+v", *f.pressed)
		}
	})
}

// TestLinksOfMails do what buttons do elsewhere, and only when they are followed.
func TestLinksOfMails(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		hi := inbound("1", "k", "kim", "hi")
		hi.ChannelID = activity.ChannelEmail
		hi.Locale = "de-DE"
		f.hear(t, hi)
		n := approval()
		n.To = headsup.Target{User: "kim"}
		f.notify(t, n)
		synctest.Wait()
		sent := f.channel.Sent()
		links := make(map[card.Do]string)
		for _, part := range strings.Split(string(sent[len(sent)-1].Activity.ChannelData), "https://bot.example.com/actions/")[1:] {
			text := part[:strings.IndexFunc(part, func(r rune) bool { return r == '"' || r == '\\' || r == '&' })]
			l, err := f.engine.Look(t.Context(), text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			links[l.Do] = text
		}
		key := headsup.KeyOf("app", hi.Reference())
		if p, err := f.engine.Preferences(t.Context(), key); err != nil || !p.IsZero() {
			t.Errorf("looked at, they have changed %+v, %v", p, err)
		}
		l, err := f.engine.Follow(t.Context(), links[card.Mute])
		if err != nil || l.Said != "„invoices“ ist stummgeschaltet." || l.Topic != "invoices" {
			t.Errorf("%+v, %v", l, err)
		}
		if p, err := f.engine.Preferences(t.Context(), key); err != nil || len(p.Topics) != 1 || p.Topics["invoices"] {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := f.engine.Follow(t.Context(), links[card.Snooze]); err != nil {
			t.Error(err)
		}
		for text, want := range map[string]string{"x": "malformed", strings.Replace(links[card.Mute], ".ey", ".ez", 1): "forged"} {
			_, err := f.engine.Follow(t.Context(), text)
			if dead, ok := errors.AsType[*proactive.LinkError](err); !ok || dead.Reason != want || dead.Said == "" {
				t.Errorf("%s: %v", text, err)
			}
		}
		if err := f.store.Forget(t.Context(), key, time.Now()); err != nil {
			t.Fatal(err)
		}
		_, err = f.engine.Follow(t.Context(), links[card.Mute])
		if dead, ok := errors.AsType[*proactive.LinkError](err); !ok || dead.Reason != "other_conversation" {
			t.Errorf("of a conversation that is forgotten: %v", err)
		}
	})
}

// TestALinkIsFollowedTwice: what was put off is put off once, though it was edited meanwhile.
func TestALinkIsFollowedTwice(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		n := approval()
		n.In = time.Second
		id := f.notify(t, n).ID
		time.Sleep(2 * time.Second)
		synctest.Wait()
		signed, err := tickets.Sign(ticket.Ticket{
			Do: "snooze", Conversation: "cnv_0000000000001", Delivery: proactive.DeliveryText(f.one(t, id).ID), For: time.Hour, Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.engine.Follow(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
		edited := *n.Notice
		edited.What = "Never mind"
		if _, err := f.engine.Edit(t.Context(), id, proactive.Content{Notice: &edited}); err != nil {
			t.Fatal(err)
		}
		if l, err := f.engine.Follow(t.Context(), signed); err != nil || l.Said == "" {
			t.Errorf("followed again: %+v, %v", l, err)
		}
	})
}
