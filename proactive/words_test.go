package proactive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// wants is what ann wants.
func (f fixture) wants(t *testing.T) book.Preferences {
	t.Helper()
	p, err := f.engine.Preferences(t.Context(), headsup.KeyOf("app", inbound("1", "c", "ann", "").Reference()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWordsInTheChat is what each word does, and which are the bot's.
func TestWordsInTheChat(t *testing.T) {
	for _, c := range []struct {
		locale, says, answer string // an answer of "heard" is the bot's
		want                 func(p book.Preferences) bool
	}{
		{"", "stop", "You will get no more", func(p book.Preferences) bool { return p.OptedOut }},
		{"de_CH", " STOPP! ", "Sie erhalten keine", func(p book.Preferences) bool { return p.OptedOut }},
		{"fr", "Arrêter.", "Vous ne recevrez plus", func(p book.Preferences) bool { return p.OptedOut }},
		{"es", "parar", "No recibirá más", func(p book.Preferences) bool { return p.OptedOut }},
		{"", "mute News", "You will hear no more of “news”", func(p book.Preferences) bool { return !p.Topics["news"] && len(p.Topics) == 1 }},
		{"de", "stumm news", "Sie hören nichts mehr", func(p book.Preferences) bool { return len(p.Topics) == 1 }},
		{"", "unmute news", "You will hear of “news” again", func(p book.Preferences) bool { return p.Topics["news"] }},
		{"", "stop it", "heard", book.Preferences.IsZero},
		{"", "please stop", "heard", book.Preferences.IsZero},
		{"", "mute my phone", "heard", book.Preferences.IsZero},
		{"", "mute", "heard", book.Preferences.IsZero},
		{"", "start", "heard", book.Preferences.IsZero},
	} {
		t.Run(c.says, func(t *testing.T) {
			conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
				a := inbound("1", "c", "ann", c.says)
				a.Locale = c.locale
				f.hear(t, a)
				if got := f.toldLast(t); !strings.HasPrefix(got, c.answer) {
					t.Errorf("told %q, want %q", got, c.answer)
				}
				if p := f.wants(t); !c.want(p) {
					t.Errorf("wanted is %+v", p)
				}
			})
		})
	}
}

// TestWordsAsClientsSendThem: Microsoft Teams has the text once more as HTML with every message, and some write null for nothing.
func TestWordsAsClientsSendThem(t *testing.T) {
	for name, c := range map[string]struct {
		rest  string
		stops bool
	}{
		"teams":  {`{"attachments":[{"contentType":"text/html","content":"<p>stop</p>"}]}`, true},
		"nulls":  {`{"value":null,"attachments":null,"entities":null}`, true},
		"a page": {`{"attachments":[{"contentType":"text/html","contentUrl":"https://files.example/stop.html"}]}`, false},
		"a file": {`{"attachments":[{"contentType":"image/png","contentUrl":"https://files.example/stop.png"}]}`, false},
		"a card": {`{"value":{"answer":1}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
				a := inbound("1", "c", "ann", "stop")
				if err := json.Unmarshal([]byte(c.rest), a); err != nil {
					t.Fatal(err)
				}
				f.hear(t, a)
				if got := f.wants(t).OptedOut; got != c.stops {
					t.Errorf("opted out: %v, told %q", got, f.toldLast(t))
				}
			})
		})
	}
}

func TestStartTakesStopBack(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "stop"))
		id := f.tell(t, headsup.Policy{}, "not wanted")
		if d := f.one(t, id); d.State != outbox.StateSuppressed {
			t.Errorf("it is %s", d.State)
		}
		f.hear(t, inbound("2", "c", "ann", "Start"))
		if got := f.toldLast(t); !strings.HasPrefix(got, "You will get notifications again") || f.wants(t).OptedOut {
			t.Errorf("told %q, wanted is %+v", got, f.wants(t))
		}
	})
}

// TestInADialogOnlyStopIsUnderstood: every other word may be an answer.
func TestInADialogOnlyStopIsUnderstood(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "book"))
		f.hear(t, inbound("2", "c", "ann", "settings"))
		f.hear(t, inbound("3", "c", "ann", "mute news"))
		if got := f.says(); !slices.Equal(got, []string{"heard settings", "heard mute news"}) || !f.wants(t).IsZero() {
			t.Errorf("said %q, wanted is %+v", got, f.wants(t))
		}
		f.hear(t, inbound("4", "c", "ann", "stop"))
		if !f.wants(t).OptedOut {
			t.Error("stop was not understood")
		}
	})
}

func TestInAGroupWordsAreTheBots(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		a := inbound("1", "group", "ann", "stop")
		a.Conversation.IsGroup, a.Conversation.ConversationType = new(true), "groupChat"
		f.hear(t, a)
		if got := f.toldLast(t); got != "heard stop" {
			t.Errorf("told %q", got)
		}
	})
}

// shown is the settings' card that ann has asked for.
func (f fixture) shown(t *testing.T, id string) (card string, ticket string) {
	t.Helper()
	f.hear(t, inbound(id, "c", "ann", "settings"))
	synctest.Wait()
	sent := f.channel.Sent()
	card = cardIn(t, sent[len(sent)-1].Activity)
	_, rest, _ := strings.Cut(card, `"ticket":"`)
	ticket, _, _ = strings.Cut(rest, `"`)
	return card, ticket
}

// submits is what the card brings back, as Web Chat tells it.
func submits(id, user, ticket string, inputs map[string]string) *activity.Activity {
	value := map[string]any{"headsup": map[string]string{"ticket": ticket}}
	for name, v := range inputs {
		value[name] = v
	}
	raw, _ := json.Marshal(value)
	a := inbound(id, "c", user, "")
	a.Value = jsontext.Value(raw)
	return a
}

func TestSettingsAreShownAndSaved(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		card, ticket := f.shown(t, "1")
		for _, want := range []string{`"Input.Toggle"`, `"title":"news"`, `"title":"alarm"`, `"Together, every day at 09:00"`, `"version":"1.5"`} {
			if !strings.Contains(card, want) {
				t.Errorf("the card has no %s: %s", want, card)
			}
		}
		inputs := map[string]string{
			"headsup_all": "true", "headsup_topic_0": "true", "headsup_topic_1": "false", "headsup_quiet": "22:00-07:00", "headsup_digest": "daily",
		}
		f.hear(t, submits("2", "ann", ticket, inputs))
		if got := f.toldLast(t); got != "Your settings are saved." {
			t.Errorf("told %q", got)
		}
		p := f.wants(t)
		if p.OptedOut || p.Topics["news"] || len(p.Topics) != 1 || len(p.Quiet) != 1 || p.Quiet[0].From != 22*60 || p.Digest == nil || p.Digest.At != 9*60 {
			t.Errorf("wanted is %+v", p)
		}
		card, ticket = f.shown(t, "3")
		if !strings.Contains(card, `"title":"news","type":"Input.Toggle","value":"false"`) || !strings.Contains(card, `"value":"22:00-07:00"`) {
			t.Errorf("it does not show how it is: %s", card)
		}
		f.hear(t, submits("4", "ann", ticket, map[string]string{
			"headsup_all": "false", "headsup_topic_1": "false", "headsup_quiet": "default", "headsup_digest": "default",
		}))
		if p := f.wants(t); !p.OptedOut || p.Quiet != nil || p.Digest != nil || len(p.Topics) != 1 {
			t.Errorf("wanted is %+v", p)
		}
	})
}

// TestSettingsShowWhatWasMutedByAButton: topics that are not configured are shown once somebody has muted them, so that they can take
// that back.
func TestSettingsShowWhatWasMutedByAButton(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		if card, _ := f.shown(t, "1"); strings.Contains(card, "invoices") {
			t.Errorf("shown before anybody spoke of it: %s", card)
		}
		f.prefer(t, proactive.PreferenceChange{Topics: map[string]*bool{"invoices": new(false)}})
		card, ticket := f.shown(t, "2")
		if !strings.Contains(card, `"id":"headsup_topic_1","title":"invoices","type":"Input.Toggle","value":"false"`) {
			t.Errorf("the card is %s", card)
		}
		f.hear(t, submits("3", "ann", ticket, map[string]string{"headsup_topic_1": "true"}))
		if p := f.wants(t); !p.Topics["invoices"] {
			t.Errorf("wanted is %+v", p)
		}
	})
}

// TestACardThatIsOldTakesNothingBack: what was left as it was shown stays as it has become, and what was saved can be undone there.
func TestACardThatIsOldTakesNothingBack(t *testing.T) {
	conversingWith(t, fixture{channel: &bottest.Recorder{}}, func(t *testing.T, f fixture) {
		_, ticket := f.shown(t, "1")
		left := map[string]string{
			"headsup_all": "true", "headsup_topic_0": "true", "headsup_topic_1": "true", "headsup_quiet": "default", "headsup_digest": "hourly",
		}
		f.hear(t, inbound("2", "c", "ann", "mute news"))
		f.hear(t, inbound("3", "c", "ann", "stop"))
		f.hear(t, submits("4", "ann", ticket, left))
		if p := f.wants(t); !p.OptedOut || p.Topics["news"] || len(p.Topics) != 1 || p.Digest == nil {
			t.Errorf("after an old card was saved, wanted is %+v", p)
		}
		f.hear(t, inbound("5", "c", "ann", "start"))
		for i, on := range []string{"false", "true"} {
			left["headsup_topic_0"], left["headsup_digest"] = on, map[string]string{"false": "off", "true": "default"}[on]
			f.hear(t, submits(fmt.Sprint("again-", i), "ann", ticket, left))
			if p := f.wants(t); p.Topics["alarm"] != (on == "true") || len(p.Topics) != 2 || (p.Digest == nil) != (on == "true") {
				t.Errorf("saved again with %s, wanted is %+v", on, p)
			}
		}
	})
}

func TestForgedSettingsAreRefused(t *testing.T) {
	var refused []string
	conversingWith(t, fixture{channel: &bottest.Recorder{}, refused: &refused}, func(t *testing.T, f fixture) {
		_, ticket := f.shown(t, "1")
		out := map[string]string{"headsup_all": "false"}
		f.hear(t, submits("2", "ann", ticket[:len(ticket)-2]+"xx", out))
		f.hear(t, submits("3", "eve", ticket, out))
		f.hear(t, submits("4", "ann", ticket, map[string]string{"headsup_all": "true", "headsup_digest": "weekly"}))
		if !f.wants(t).IsZero() || !slices.Equal(refused, []string{"malformed", "other_person", "malformed"}) {
			t.Errorf("wanted is %+v, refused %v", f.wants(t), refused)
		}
	})
}
