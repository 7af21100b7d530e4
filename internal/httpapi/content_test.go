package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
)

// says sends a notification to Ann and returns the activity that the channel was given.
func (f fixture) says(t *testing.T, members string) *activity.Activity {
	t.Helper()
	before := len(f.channel.Sent())
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},`+members+`}`)
	if w.Code != http.StatusAccepted {
		t.Fatalf("%s: %d %s", members, w.Code, w.Body)
	}
	f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) > before })
	return f.channel.Sent()[before].Activity
}

func TestFormsOfContent(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	if a := f.says(t, `"text":"2 * 3 * 4","summary":"sums"`); a.Text != "2 * 3 * 4" || a.TextFormat != activity.TextPlain || a.Summary != "sums" {
		t.Errorf("text: %+v", a)
	}
	if a := f.says(t, `"markdown":"**hi**","locale":"de"`); a.Text != "**hi**" || a.TextFormat != activity.TextMarkdown || a.Locale != "de" {
		t.Errorf("markdown: %+v", a)
	}
	const card = `{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"hi"}],"future":9007199254740993}`
	a := f.says(t, `"card":`+card+`,"summary":"a card"`)
	if a.Type != "message" || a.Text != "" || a.TextFormat != "" || a.Summary != "a card" || len(a.Attachments) != 1 ||
		a.Attachments[0].ContentType != activity.ContentAdaptiveCard || string(a.Attachments[0].Content) != card {
		t.Errorf("card: %+v", a)
	}
	a = f.says(t, `"notice":`+notice+`,"summary":"a notice"`)
	if a.Text != "" || a.Summary != "a notice" || len(a.Attachments) != 1 || a.Attachments[0].ContentType != activity.ContentAdaptiveCard ||
		!strings.Contains(string(a.Attachments[0].Content), "INV-2041") {
		t.Errorf("notice: %+v", a)
	}
	if a := f.says(t, `"activity":{"text":"x"}`); a.Text != "x" || a.TextFormat != "" {
		t.Errorf("activity: %+v: want it as it was given", a)
	}
}

const notice = `{"what":"It was approved","item":{"title":"INV-2041","url":"https://erp.example.com/2041"},"actor":{"name":"Ann"},` +
	`"when":"2026-03-04T16:30:00Z","severity":"good","picture":{"url":"https://erp.example.com/x.png","alt":"it"},` +
	`"facts":[{"title":"Amount","value":"12"}],"actions":[{"do":"do","title":"Undo","name":"undo","value":{"id":9007199254740993}},{"do":"snooze","for":"2h0m0s"}]}`

// TestNoticesAreKeptAsTheyWereGiven: by notifications, which show them as an activity, edits and schedules.
func TestNoticesAreKeptAsTheyWereGiven(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	same := func(got jsontext.Value, want string) {
		t.Helper()
		wanted := jsontext.Value(want)
		if err := errors.Join(got.Canonicalize(), wanted.Canonicalize()); err != nil || string(got) != string(wanted) {
			t.Errorf("it is kept as %s, %v", got, err)
		}
	}
	kept := func(w *httptest.ResponseRecorder, want string) {
		t.Helper()
		var n struct {
			ID       string
			Activity struct {
				Attachments []struct {
					ContentType string
					Content     jsontext.Value
				}
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &n, json.MatchCaseInsensitiveNames(true)); err != nil || len(n.Activity.Attachments) != 1 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		same(n.Activity.Attachments[0].Content, want)
	}
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"in":"1h","notice":`+notice+`}`)
	kept(w, notice)
	id := decode[api.Notification](t, w).ID
	kept(f.call(t, "POST", "/v1/notifications/"+id+"/edit", `{"notice":{"what":"It was not"}}`), `{"what":"It was not"}`)
	made := f.scheduled(t, `{"rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"},"notice":`+notice+`}}`)
	got, err := json.Marshal(made.Notification.Notice)
	if err != nil {
		t.Fatal(err)
	}
	same(jsontext.Value(got), notice)
}

func TestCompletionTakesEveryContent(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for i, c := range []struct{ body, text, format string }{
		{`{"text":"a"}`, "a", "plain"}, {`{"markdown":"b"}`, "b", "markdown"}, {`{"activity":{"text":"c"}}`, "c", ""},
		{`{"card":{"type":"AdaptiveCard","version":"1.4"},"summary":"s"}`, "", ""},
		{`{"notice":{"what":"d"}}`, "", ""},
	} {
		job := decode[api.Job](t, f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`))
		if w := f.call(t, "POST", fmt.Sprintf("/v1/jobs/%d/complete", job.Number), c.body); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", c.body, w.Code, w.Body)
		}
		f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) > i })
		if a := f.channel.Sent()[i].Activity; a.Text != c.text || string(a.TextFormat) != c.format {
			t.Errorf("%s: said %+v", c.body, a)
		}
	}
}

func TestWrongContent(t *testing.T) {
	t.Parallel()
	const path, one = "/v1/notifications", `"type":"AdaptiveCard","version":"1.5"`
	says := func(members string) string { return `{"to":{"user":"ann"},` + members + `}` }
	refused := func(members, field string) wrong {
		return wrong{"POST", path, says(members), nil, 422, api.CodeInvalidField, field}
	}
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"text and Markdown":     refused(`"text":"x","markdown":"y"`, "body.markdown"),
		"text and card":         refused(`"text":"x","card":{`+one+`}`, "body.card"),
		"activity and card":     refused(`"activity":{"text":"x"},"card":{`+one+`}`, "body.card"),
		"summary alone":         refused(`"summary":"x"`, "body.text"),
		"summary with activity": refused(`"summary":"x","activity":{"text":"x"}`, "body.summary"),
		"long summary":          refused(`"text":"x","summary":"`+strings.Repeat("x", 1025)+`"`, "body.summary"),
		"NUL in the Markdown":   refused(`"markdown":"a\u0000b"`, "body.markdown"),
		"card of another type":  refused(`"card":{"type":"HeroCard","version":"1.5"}`, "body.card.type"),
		"card without type":     refused(`"card":{"version":"1.5"}`, "body.card.type"),
		"card without version":  refused(`"card":{"type":"AdaptiveCard"}`, "body.card.version"),
		"version of a number":   refused(`"card":{"type":"AdaptiveCard","version":1.5}`, "body.card.version"),
		"version of a word":     refused(`"card":{"type":"AdaptiveCard","version":"new"}`, "body.card.version"),
		"card of a list":        refused(`"card":[]`, "body.card"),
		"text and notice":       refused(`"text":"x","notice":{"what":"x"}`, "body.notice"),
		"notice of nothing":     refused(`"notice":{}`, "body.notice.what"),
		"member of no notice":   refused(`"notice":{"what":"x","facts":[{"title":"a","value":"b","color":"red"}]}`, "body.notice.facts[0].color"),
		"fact without value":    refused(`"notice":{"what":"x","facts":[{"title":"a","value":"b"},{"title":"a","value":" "}]}`, "body.notice.facts[1].value"),
		"script to open":        refused(`"notice":{"what":"x","actions":[{"do":"open","title":"a","url":"javascript:alert(1)"}]}`, "body.notice.actions[0].url"),
		"reminder in a second":  refused(`"notice":{"what":"x","actions":[{"do":"snooze","for":"1s"}]}`, "body.notice.actions[0].for"),
		"NUL in an action":      refused(`"notice":{"what":"x","actions":[{"do":"do","title":"a","name":"b","value":"\u0000"}]}`, "body.notice.actions[0].value"),
		"nothing but null":      refused(`"card":null,"activity":null,"text":null`, "body.text"),
		"card of text":          refused(`"card":"{}"`, "body.card"),
		"NUL in the card":       refused(`"card":{`+one+`,"x":"\u0000"}`, "body.card"),
		"deep card":             refused(`"card":{`+one+`,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`, "body.card"),
		"large card":            refused(`"card":{`+one+`,"x":"`+strings.Repeat("x", 100<<10)+`"}`, "body.card"),
	}, func(fixture) {})
}
