package proactive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/template"
)

func written(t *testing.T, languages string) template.Source {
	t.Helper()
	var src template.Source
	if err := json.Unmarshal([]byte(`{"default_language":"en","parameters":[{"name":"deal","type":"string","required":true},`+
		`{"name":"n","type":"integer"}],"languages":`+languages+`}`), &src); err != nil {
		t.Fatal(err)
	}
	return src
}

func (f fixture) put(t *testing.T, name, languages string) proactive.Template {
	t.Helper()
	got, _, err := f.engine.PutTemplate(t.Context(), name, written(t, languages))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// meets has somebody say hi in a language.
func (f fixture) meets(t *testing.T, conversation, user, locale string) {
	t.Helper()
	a := inbound("hi-"+conversation, conversation, user, "hi")
	a.Locale, a.From.Name = locale, strings.ToUpper(user)
	f.hear(t, a)
}

// said is what every conversation was told, as text or as the content of the only attachment.
func (f fixture) said() map[activity.ConversationID]string {
	all := make(map[activity.ConversationID]string)
	for _, out := range f.channel.Sent() {
		says := out.Activity.Text
		for _, a := range out.Activity.Attachments {
			says += a.ContentType + " " + string(a.Content)
		}
		if was := all[out.Activity.Conversation.ID]; was != "" {
			says = was + " | " + says
		}
		all[out.Activity.Conversation.ID] = says
	}
	return all
}

func deal(data string) *headsup.Templated {
	return &headsup.Templated{Name: "deal", Data: jsontext.Value(data)}
}

func TestTemplateIsSaidToEachInTheirLanguage(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.put(t, "deal", `{"en":{"text":"${recipient.name}: ${data.deal} won"},"de":{"markdown":"**${data.deal}** gewonnen","summary":"${data.deal}!"}}`)
		f.meets(t, "c1", "ann", "en-GB")
		f.meets(t, "c2", "ben", "de-AT")
		f.meets(t, "c3", "eve", "fr-FR")
		f.notify(t, headsup.Notification{To: headsup.Target{Everyone: true}, Template: &headsup.Templated{
			Name: "deal", Data: []byte(`{"deal":"*Big*"}`), Each: []byte(`{"eve":{"deal":"Small"},"nobody":{"deal":"x"}}`),
		}})
		synctest.Wait()
		time.Sleep(time.Minute)
		for id, want := range map[activity.ConversationID]string{"c1": "ANN: *Big* won", "c2": `**\*Big\*** gewonnen`, "c3": "EVE: Small won"} {
			if got := f.said()[id]; got != want {
				t.Errorf("%s was told %q, want %q", id, got, want)
			}
		}
		for _, out := range f.channel.Sent() {
			want := map[activity.ConversationID][3]string{"c1": {"plain", "en", ""}, "c2": {"markdown", "de", "*Big*!"}, "c3": {"plain", "en", ""}}[out.Activity.Conversation.ID]
			if got := [3]string{string(out.Activity.TextFormat), out.Activity.Locale, out.Activity.Summary}; got != want {
				t.Errorf("%s was told as %q, want %q", out.Activity.Conversation.ID, got, want)
			}
		}
	})
}

func TestValuesOfOneAreFoundByEveryName(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.put(t, "deal", `{"en":{"text":"${data.deal} ${recipient.external_id}"}}`)
		for i, who := range []string{"ann", "ben", "eve", "joe"} {
			a := inbound("1", fmt.Sprint("c", i), who, "hi")
			if who == "eve" {
				a.From.Extra = []byte(`{"email":"Eve@Example.com"}`)
			}
			f.hear(t, a)
		}
		key := headsup.KeyOf("app", inbound("", "c1", "ben", "").Reference())
		if err := f.engine.Label(t.Context(), key, book.Labels{ExternalID: new("4711")}); err != nil {
			t.Fatal(err)
		}
		if err := f.engine.NoteMembers(t.Context(), inbound("", "c2", "eve", "").Reference(),
			[]activity.ChannelAccount{{ID: "eve", Extra: []byte(`{"email":"Eve@Example.com"}`)}}); err != nil {
			t.Fatal(err)
		}
		f.notify(t, headsup.Notification{To: headsup.Target{Everyone: true}, Template: &headsup.Templated{
			Name: "deal", Data: []byte(`{"deal":"all"}`),
			Each: []byte(`{"ann":{"deal":"by id"},"4711":{"deal":"by external id"},"EVE@example.com":{"deal":"by mail"}}`),
		}})
		synctest.Wait()
		time.Sleep(time.Minute)
		for id, want := range map[activity.ConversationID]string{"c0": "by id ", "c1": "by external id 4711", "c2": "by mail ", "c3": "all "} {
			if got := f.said()[id]; got != want {
				t.Errorf("%s was told %q, want %q", id, got, want)
			}
		}
	})
}

func TestWhatIsAcceptedStaysWithItsVersion(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"text":"one ${data.deal}"}}`)
		to := headsup.Target{Conversation: "c1"}
		later := f.notify(t, headsup.Notification{To: to, In: time.Hour, Key: "k", Template: deal(`{"deal":"A"}`)})
		if again := f.put(t, "deal", `{"en":{"text":"two ${data.deal}"}}`); again.Number != 2 {
			t.Errorf("it is version %d", again.Number)
		}
		f.notify(t, headsup.Notification{To: to, In: 2 * time.Hour, Template: deal(`{"deal":"B"}`)})
		old := deal(`{"deal":"C"}`)
		old.Version = 1
		f.notify(t, headsup.Notification{To: to, In: 3 * time.Hour, Template: old})
		if again := f.notify(t, headsup.Notification{To: to, In: time.Hour, Key: "k", Template: deal(`{"deal":"A"}`)}); again.ID != later.ID || !again.Replayed {
			t.Errorf("under its key it is %+v", again)
		}
		if err := f.engine.DeleteTemplate(t.Context(), "deal"); err != nil {
			t.Fatal(err)
		}
		if again := f.notify(t, headsup.Notification{To: to, In: time.Hour, Key: "k", Template: deal(`{"deal":"A"}`)}); again.ID != later.ID || !again.Replayed {
			t.Errorf("after the template was deleted it is %+v", again)
		}
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: to, In: time.Hour, Key: "k", Template: deal(`{"deal":"X"}`)})
		if !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("other data under its key: %v", err)
		}
		time.Sleep(4 * time.Hour)
		if got := f.said()["c1"]; got != "one A | two B | one C" {
			t.Errorf("it was told %q", got)
		}
	})
}

func TestEditChangesTheData(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"text":"one ${data.deal}"}}`)
		id := f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c1"}, In: time.Hour, Template: deal(`{"deal":"A"}`)}).ID
		f.put(t, "deal", `{"en":{"text":"two ${data.deal}"}}`)
		if _, err := f.engine.Edit(t.Context(), id, proactive.Content{Template: &headsup.Templated{Data: []byte(`{"deal":"B"}`)}}); err != nil {
			t.Fatal(err)
		}
		for data, field := range map[string]string{`{}`: "template.data.deal", `{"deal":5}`: "template.data.deal"} {
			_, err := f.engine.Edit(t.Context(), id, proactive.Content{Template: &headsup.Templated{Data: []byte(data)}})
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != field {
				t.Errorf("%s is answered %v", data, err)
			}
		}
		time.Sleep(2 * time.Hour)
		if got := f.said()["c1"]; got != "one B" {
			t.Errorf("it was told %q", got)
		}
		if _, err := f.engine.Edit(t.Context(), id, proactive.Content{Template: deal(`{"deal":"C"}`)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := f.said()["c1"]; got != "two C" {
			t.Errorf("it was changed to %q", got)
		}
		text := f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c1"}, In: time.Hour, Text: "x"}).ID
		_, err := f.engine.Edit(t.Context(), text, proactive.Content{Template: &headsup.Templated{Data: []byte(`{}`)}})
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != "template.name" {
			t.Errorf("without a name it is answered %v", err)
		}
	})
}

func TestSchedulesSayTheCurrentVersion(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		n := headsup.Notification{To: headsup.Target{Conversation: "c1"}, Template: deal(`{"deal":"A"}`)}
		_, err := f.engine.Schedule(t.Context(), proactive.NewSchedule{Rule: schedule.Rule{Cron: "@hourly"}, Notification: n})
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != "notification.template.name" {
			t.Errorf("without a template it is answered %v", err)
		}
		f.put(t, "deal", `{"en":{"text":"one ${data.deal}"}}`)
		s, err := f.engine.Schedule(t.Context(), proactive.NewSchedule{Rule: schedule.Rule{Cron: "@hourly"}, Notification: n})
		if err != nil || s.Notification.Template == nil || s.Notification.Template.Name != "deal" {
			t.Fatal(s.Notification.Template, err)
		}
		time.Sleep(90 * time.Minute)
		f.put(t, "deal", `{"en":{"text":"two ${data.deal}"}}`)
		time.Sleep(time.Hour)
		if err := f.engine.DeleteTemplate(t.Context(), "deal"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := f.said()["c1"]; got != "one A | two A" {
			t.Errorf("it was told %q", got)
		}
		told, err := f.engine.Occurrences(t.Context(), s.ID, 0, 1)
		if err != nil || len(told) != 1 || told[0].Reason != schedule.ReasonInvalid {
			t.Errorf("the last is %+v, %v", told, err)
		}
	})
}

func TestJobsAndTurnsSayTemplates(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"text":"${data.deal} ${data.n ?? 0}"}}`)
		job, err := f.engine.StartJobIn(t.Context(), headsup.Target{Conversation: "c1"}, proactive.NewJob{Name: "build"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.engine.Progress(t.Context(), job.Number, proactive.Progress{Template: deal(`{"deal":"half"}`)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, _, err := f.engine.CompleteJob(t.Context(), job.Number, proactive.Completion{Template: deal(`{"deal":"all","n":2}`)}); err != nil {
			t.Fatal(err)
		}
		results, err := f.engine.NotifyAll(t.Context(), []headsup.Notification{
			{To: headsup.Target{Conversation: "c1"}, Template: deal(`{"deal":"batch"}`)},
			{To: headsup.Target{Conversation: "c1"}, Template: deal(`{}`)},
		})
		if err != nil || results[0].Err != nil || results[1].Err == nil {
			t.Fatal(results, err)
		}
		time.Sleep(time.Minute)
		if got := f.said()["c1"]; got != "half 0 | all 2 | batch 0" {
			t.Errorf("it was told %q", got)
		}
	})
}

func TestWrongTemplateUse(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"text":"${data.deal}"},"de":{"card":{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"${data.deal[0:2]} ${100 / (data.n ?? 1)}"}]}}}`)
		to := headsup.Target{Conversation: "c1"}
		for field, n := range map[string]headsup.Notification{
			"template.name":                           {Template: &headsup.Templated{Name: "nothing", Data: []byte(`{}`)}},
			"template.version":                        {Template: &headsup.Templated{Name: "deal", Version: 7, Data: []byte(`{"deal":"x"}`)}},
			"template.data.deal":                      {Template: deal(`{}`)},
			"template.data.x":                         {Template: deal(`{"deal":"x","x":1}`)},
			"template.data":                           {Template: deal(`{"deal":"\u0000"}`)},
			"template.languages.de.card.body[0].text": {Template: deal(`{"deal":"x","n":0}`)},
			"template.each.ann.n":                     {Template: &headsup.Templated{Name: "deal", Data: []byte(`{"deal":"xx"}`), Each: []byte(`{"ann":{"n":"x"}}`)}},
			"template":                                {Text: "x", Template: deal(`{"deal":"x"}`)},
			"summary":                                 {Summary: "x", Template: deal(`{"deal":"x"}`)},
			"activity.attachments": {Activity: &activity.Activity{Type: "message", Attachments: []activity.Attachment{
				{ContentType: "application/vnd.headsup.template+json", Content: []byte(`{"id":"tpl_0000000000001"}`)},
			}}},
		} {
			n.To = to
			_, err := f.engine.Notify(t.Context(), n)
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != field {
				t.Errorf("%s is answered %v", field, err)
			}
		}
		for name, want := range map[string]string{"": "name", "a b": "name", strings.Repeat("x", 65): "name", "-a": "name"} {
			_, _, err := f.engine.PutTemplate(t.Context(), name, written(t, `{"en":{"text":"x"}}`))
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != want {
				t.Errorf("the name %q is answered %v", name, err)
			}
		}
		src := written(t, `{"en":{"card":{"type":"TextBlock"}}}`)
		src.Parameters[0].Example = []byte(`"x"`)
		_, _, err := f.engine.PutTemplate(t.Context(), "deal", src)
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != "languages.en.card.type" {
			t.Errorf("a card that is none is answered %v", err)
		}
	})
}

func TestTemplateOfANotice(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"notice":{"what":"${data.deal} was won","severity":"good","facts":[{"title":"n","value":"${data.n}"}]}}}`)
		to := headsup.Target{Conversation: "c1"}
		f.notify(t, headsup.Notification{To: to, Template: deal(`{"deal":"*A*","n":3}`)})
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: to, Template: deal(`{"deal":"` + strings.Repeat("x", card.MaxWhat) + `","n":3}`)})
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != "template.languages.en.notice.what" {
			t.Errorf("one that is too long is answered %v", err)
		}
		synctest.Wait()
		if got := f.said()["c1"]; !strings.Contains(got, `*A* was won`) {
			t.Errorf("it was told %q", got)
		}
	})
}

func TestDeliveryFailsWhereNothingCanBeSaid(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meets(t, "c1", "ann", "en")
		f.put(t, "deal", `{"en":{"text":"${recipient.name == 'ANN' ? data.n + 1 : 'x'} ${data.deal}"}}`)
		id := f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c1"}, Template: deal(`{"deal":"x"}`)}).ID
		synctest.Wait()
		s := f.status(t, id)
		if d := s.Deliveries[0]; d.State != outbox.StateFailed || d.Reason != proactive.ReasonTemplate {
			t.Errorf("it is %s (%s)", d.State, d.Reason)
		}
	})
}
