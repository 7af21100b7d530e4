package proactive_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

func actionKeys() []proactive.ActionKey {
	return []proactive.ActionKey{{ID: "sgn_1", Secret: []byte("a secret of the tests")}}
}

var tickets = ticket.NewSigner(func() []ticket.Key { return []ticket.Key{ticket.Key(actionKeys()[0])} })

// approval is a notification in its parts.
func approval() headsup.Notification {
	return headsup.Notification{
		To: toAnnAlone(), Topic: "invoices", Notice: &card.Notice{
			What: "The invoice needs your approval", Severity: card.Critical, Item: &card.Item{Title: "INV-2041", URL: "https://erp.example.com/2041"},
			Actor: &card.Actor{Name: "Ben *B*"}, Actions: []card.Action{
				{Do: card.Call, Title: "Approve", Name: "approve", Value: jsontext.Value(`{"invoice":2041}`)}, {Do: card.Snooze},
			},
		},
	}
}

// cardIn is the Adaptive Card of an activity, as text.
func cardIn(t *testing.T, a *activity.Activity) string {
	t.Helper()
	if len(a.Attachments) != 1 || a.Attachments[0].ContentType != activity.ContentAdaptiveCard || a.Text != "" {
		t.Fatalf("there is no card, or more than one, in %+v", a)
	}
	return string(a.Attachments[0].Content)
}

// ticketsIn are what stands behind the buttons of a card, by what they do.
func ticketsIn(t *testing.T, text string, at time.Time) map[string]ticket.Ticket {
	t.Helper()
	found := make(map[string]ticket.Ticket)
	for _, part := range strings.Split(text, `"ticket":"`)[1:] {
		signed, _, _ := strings.Cut(part, `"`)
		got, err := tickets.Verify(signed, at)
		if err != nil {
			t.Fatalf("%s: %v", signed, err)
		}
		found[got.Do] = got
	}
	return found
}

// TestANoticeIsWhatEachChannelTakes.
func TestANoticeIsWhatEachChannelTakes(t *testing.T) {
	for channel, check := range map[activity.ChannelID]func(t *testing.T, a *activity.Activity){
		"directline": func(t *testing.T, a *activity.Activity) {
			if text := cardIn(t, a); !strings.Contains(text, `"Action.Submit"`) || strings.Contains(text, "Action.Execute") || a.Importance != activity.ImportanceHigh {
				t.Errorf("%s", text)
			}
		},
		"msteams": func(t *testing.T, a *activity.Activity) {
			if text := cardIn(t, a); strings.Count(text, `"Action.Execute"`) == 0 || strings.Count(text, `"Action.Execute"`) != strings.Count(text, `"fallback":{"`) {
				t.Errorf("%s", text)
			}
			if a.Summary != "🛑 The invoice needs your approval: INV-2041 (Ben *B*)" {
				t.Errorf("the summary is %q", a.Summary)
			}
		},
		"slack": func(t *testing.T, a *activity.Activity) {
			if a.TextFormat != activity.TextMarkdown || !strings.Contains(a.Text, "[INV-2041](<https://erp.example.com/2041>)") || !strings.Contains(a.Text, `Ben \*B\*`) {
				t.Errorf("%+v", a)
			}
		},
		"facebook": func(t *testing.T, a *activity.Activity) {
			if a.TextFormat != activity.TextPlain || !strings.Contains(a.Text, "INV-2041: https://erp.example.com/2041\nby Ben *B*") {
				t.Errorf("%+v", a)
			}
		},
		"sms": func(t *testing.T, a *activity.Activity) {
			if a.Text != "Critical: The invoice needs your approval - INV-2041 (Ben *B*) https://erp.example.com/2041 Reply STOP to stop" || len(a.Attachments) > 0 {
				t.Errorf("%+v", a)
			}
		},
		"email": func(t *testing.T, a *activity.Activity) {
			var data struct{ Subject, HTMLBody, Importance, ListUnsubscribe string }
			if err := json.Unmarshal(a.ChannelData, &data, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatal(err)
			}
			text, isOurs := strings.CutPrefix(data.ListUnsubscribe, "https://bot.example.com/actions/")
			got, err := tickets.Verify(text, time.Now().Add(89*24*time.Hour))
			if !isOurs || err != nil || got.Do != "mute" || got.Topic != "invoices" {
				t.Errorf("to unsubscribe: %q, %+v, %v", data.ListUnsubscribe, got, err)
			}
			if data.Subject != "Critical: The invoice needs your approval – INV-2041" || data.Importance != "high" ||
				strings.Count(data.HTMLBody, "https://bot.example.com/actions/") != 2 || a.TextFormat != activity.TextPlain || !strings.Contains(a.Text, "INV-2041") {
				t.Errorf("%+v\n%s", data, a.Text)
			}
		},
	} {
		t.Run(string(channel), func(t *testing.T) {
			conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
				hi := inbound("1", "k", "kim", "hi")
				hi.ChannelID = channel
				f.hear(t, hi)
				n := approval()
				n.To = headsup.Target{User: "kim"}
				accepted := f.notify(t, n)
				synctest.Wait()
				if s := f.status(t, accepted.ID); s.State() != outbox.StateDelivered {
					t.Fatalf("it is %s: %+v", s.State(), s.Deliveries)
				}
				sent := f.channel.Sent()
				check(t, sent[len(sent)-1].Activity)
			})
		})
	}
}

// TestButtonsAreSignedForTheirReader.
func TestButtonsAreSignedForTheirReader(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c2", "ben", "hello"))
		all := approval()
		all.To = headsup.Target{Everyone: true}
		f.notify(t, all)
		synctest.Wait()
		seen := make(map[string]bool)
		for _, out := range f.channel.Sent() {
			if len(out.Activity.Attachments) == 0 {
				continue
			}
			found := ticketsIn(t, cardIn(t, out.Activity), time.Now().Add(29*24*time.Hour))
			approve, snooze, mute := found["do"], found["snooze"], found["mute"]
			if approve.Name != "approve" || string(approve.Value) != `{"invoice":2041}` || snooze.For != time.Hour || mute.Topic != "invoices" {
				t.Errorf("%+v", found)
			}
			if approve.Person != string(out.Reference.User.ID) || approve.Conversation == "" || approve.Delivery == "" || seen[approve.Conversation] {
				t.Errorf("%s has %+v", out.Reference.User.ID, approve)
			}
			seen[approve.Conversation] = true
		}
		if len(seen) != 2 {
			t.Errorf("%d were told", len(seen))
		}
	})
}

// TestTheWayOut: of a topic or of everything, and none in groups.
func TestTheWayOut(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		group := inbound("1", "g", "ben", "hello")
		group.Conversation.IsGroup = new(true)
		f.hear(t, group)
		for _, c := range []struct {
			to    headsup.Target
			topic string
			want  string
		}{{toAnnAlone(), "invoices", "mute"}, {toAnnAlone(), "", "opt_out"}, {headsup.Target{Conversation: "g"}, "invoices", ""}} {
			n := approval()
			n.To, n.Topic, n.Notice.Actions = c.to, c.topic, nil
			f.notify(t, n)
			synctest.Wait()
			sent := f.channel.Sent()
			found := ticketsIn(t, cardIn(t, sent[len(sent)-1].Activity), time.Now())
			if _, ok := found[c.want]; c.want != "" && !ok || c.want == "" && len(found) > 0 {
				t.Errorf("%+v has %+v", c, found)
			}
		}
	})
}

// TestANoticeIsEditedAndRecalled.
func TestANoticeIsEditedAndRecalled(t *testing.T) {
	conversing(t, &bottest.Recorder{Once: true}, func(t *testing.T, f fixture) {
		id := f.notify(t, approval()).ID
		synctest.Wait()
		first := ticketsIn(t, cardIn(t, f.channel.Sent()[1].Activity), time.Now())
		edited := approval().Notice
		edited.What = "It was paid"
		if _, err := f.engine.Edit(t.Context(), id, proactive.Content{Notice: edited}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		text := cardIn(t, f.channel.Sent()[1].Activity)
		if again := ticketsIn(t, text, time.Now()); !strings.Contains(text, "It was paid") || again["do"].ID() != first["do"].ID() {
			t.Errorf("edited it is %s", text)
		}
		if _, err := f.engine.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if left := f.channel.Sent()[1].Activity; len(left.Attachments) != 0 {
			t.Errorf("recalled it is %+v", left)
		}
	})
}

// TestNoticesInADigest are lines among the others; one that is alone is whole.
func TestNoticesInADigest(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		one := approval()
		one.Policy, one.Topic = digests, "prices"
		ids := f.hold(t, digest("Las Vegas is *cheaper*"), one)
		f.release(t)
		f.saidAll(t, "- Las Vegas is \\*cheaper\\*\n- 🛑 **The invoice needs your approval** – [INV-2041](<https://erp.example.com/2041>) (Ben \\*B\\*)")
		f.saidAs(t, "sent-2", ids...)
		if _, err := f.engine.Recall(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if text := cardIn(t, f.channel.Sent()[1].Activity); !strings.Contains(text, "Approve") {
			t.Errorf("alone it is %s", text)
		}
	})
}

// TestWithoutKeysThereAreNoButtonsThatComeBack.
func TestWithoutKeysThereAreNoButtonsThatComeBack(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		n := approval()
		n.Notice.Actions = append(n.Notice.Actions, card.Action{Do: card.Open, Title: "Look", URL: "https://erp.example.com"})
		f.notify(t, n)
		synctest.Wait()
		if text := cardIn(t, f.channel.Sent()[0].Activity); strings.Contains(text, "Submit") || !strings.Contains(text, `"Look"`) {
			t.Errorf("%s", text)
		}
	})
}

func TestWrongNoticesAreRefused(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		raw := func(content string) *activity.Activity {
			return &activity.Activity{Attachments: []activity.Attachment{{ContentType: card.ContentType, Content: jsontext.Value(content)}}}
		}
		beside := raw(`{"what":"x"}`)
		beside.Text = "and more"
		for field, n := range map[string]headsup.Notification{
			"notice.what":          {Notice: &card.Notice{}},
			"notice":               {Notice: &card.Notice{What: "x"}, Text: "y"},
			"notice.color":         {Activity: raw(`{"what":"x","color":"red"}`)},
			"activity.attachments": {Activity: beside},
		} {
			n.To = toAnnAlone()
			_, err := f.engine.Notify(t.Context(), n)
			if bad, ok := errors.AsType[*proactive.FieldError](err); !ok || bad.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		f.notify(t, headsup.Notification{To: toAnnAlone(), Activity: raw(`{"what":"as an activity"}`)})
		synctest.Wait()
		if text := cardIn(t, f.channel.Sent()[0].Activity); !strings.Contains(text, "as an activity") {
			t.Errorf("%s", text)
		}
	})
}
