package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// goesOn is a bot that says what it is told when it is to continue a conversation.
func goesOn(*proactive.Engine) (headsup.Handler, error) {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if t.Activity().Name != activity.EventContinueConversation {
			return nil
		}
		_, err := t.Send(ctx, &activity.Activity{Type: activity.TypeMessage, Text: "I go on with " + string(t.Activity().Value)})
		return err
	}), nil
}

// outside is a channel somewhere else, which takes what is said and answers as it is told to.
type outside struct {
	url string

	mu     sync.Mutex
	calls  []string
	status int
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body activity.Activity
		_ = json.UnmarshalRead(r.Body, &body) // a creation has another
		o.mu.Lock()
		defer o.mu.Unlock()
		o.calls = append(o.calls, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+body.Text))
		w.Header().Set("Content-Type", "application/json")
		if o.status != 0 {
			w.WriteHeader(o.status)
			_, _ = fmt.Fprint(w, `{"error":{"code":"ConversationBlockedByUser","message":"no"}}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":"made-%d"}`, len(o.calls))
	}))
	t.Cleanup(s.Close)
	o.url = s.URL + "/"
	return o
}

func (o *outside) heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

// TestProgramsOfTheAgentsSDKNeedAnotherAddressOnly: its routes, with the SDK's bodies and answers, over our queue.
func TestProgramsOfTheAgentsSDKNeedAnotherAddressOnly(t *testing.T) {
	t.Parallel()
	ann := page{t, running(t, server.Config{Bot: goesOn})}.enter("dl_ann", "")
	there := newOutside(t)
	at := func(path string) string { return ann.url + "/proactive/" + path }
	record := func(id string) string {
		return `{"Reference":{"channelId":"slack","serviceUrl":"` + there.url + `","bot":{"id":"B:T"},"user":{"id":"U:T"},"conversation":{"id":"` + id + `"}},"Claims":{"aud":"x"}}`
	}
	asks := func(path, body string, status int, want string) string {
		t.Helper()
		resp, answer := request(t, "POST", at(path), body)
		if resp.StatusCode != status || !strings.Contains(answer, want) {
			t.Errorf("%s: %s %s, want %d with %s", path, resp.Status, answer, status, want)
		}
		return answer
	}

	asks("sendactivity/"+ann.conversation, `{"type":"message","text":"one"}`, 200, `{"id":"`+ann.conversation+`|`)
	asks("continue/"+ann.conversation+"?job=7", "", 200, "")
	asks("continue/survey/"+ann.conversation, "", 200, "")
	ann.sees("one", `I go on with {"job":"7"}`, `I go on with {"route":"survey"}`)

	asks("sendactivity", `{"conversation":`+record("B:T:D")+`,"activity":{"type":"message","text":"two"}}`, 200, `{"id":"made-1"}`)
	asks("continue?why=now", record("B:T:D"), 200, "")
	asks("sendactivity/"+url.PathEscape("B:T:D"), `{"type":"message","text":"three"}`, 200, `{"id":"made-3"}`) // the book has it now
	answer := asks("create", `{"channelId":"slack","user":{"id":"U2:T"},"activity":{"type":"message","text":"four"},"continueConversation":true}`, 200, `"made-4"`)
	var made struct {
		Reference activity.Reference
		Claims    map[string]string
	}
	if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil || made.Reference.Conversation.ID != "made-4" ||
		made.Reference.User == nil || made.Reference.User.ID != "U2:T" || made.Reference.ServiceURL != there.url || made.Claims["aud"] == "" {
		t.Errorf("created %s: %v", answer, err)
	}
	want := []string{
		"POST /v3/conversations/B:T:D/activities two", `POST /v3/conversations/B:T:D/activities I go on with {"why":"now"}`,
		"POST /v3/conversations/B:T:D/activities three", "POST /v3/conversations", "POST /v3/conversations/made-4/activities four",
		"POST /v3/conversations/made-4/activities I go on with null",
	}
	if got := there.heard(); !slices.Equal(got, want) {
		t.Errorf("the channel heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"sendactivity/nowhere", `{"type":"message","text":"x"}`, 404, `"code":"ConversationNotFound"`},
		{"continue/nowhere", "", 404, `"code":"ConversationNotFound"`},
		{"sendactivity/" + ann.conversation, ``, 400, "BadArgument"},
		{"sendactivity/" + ann.conversation, `{"text":"x"}`, 400, "BadArgument"},
		{"sendactivity/" + ann.conversation, `[]`, 400, "BadArgument"},
		{"sendactivity", `{"activity":{"type":"message"}}`, 400, "conversation"},
		{"sendactivity", `{"conversation":{},"activity":{"type":"message","text":"x"}}`, 400, "conversation"},
		{"sendactivity", `{"conversation":` + strings.ReplaceAll(record("y"), there.url, "http://169.254.169.254/") + `,"activity":{"type":"message","text":"x"}}`, 400, "serviceUrl"},
		{"create", `{"user":{"id":"u"}}`, 400, "channelId"},
		{"create", `{"channelId":"slack"}`, 400, "user"},
		{"create", `{"channelId":"sms","user":{"id":"u"}}`, 400, "nobody has written"},
		{"create", `{"channelId":"slack","user":{"id":"u"},"agentClientId":"another"}`, 400, "agentClientId"},
		{"create", `{"channelId":"slack","teamsChannelId":"19:x"}`, 400, "activity"},
	} {
		asks(c.path, c.body, c.status, c.want)
	}
	there.mu.Lock()
	there.status = http.StatusForbidden
	there.mu.Unlock()
	asks("sendactivity/"+url.PathEscape("B:T:D"), `{"type":"message","text":"x"}`, 403, "blocked")
	asks("create", `{"channelId":"slack","user":{"id":"u"}}`, 403, "blocked")
	if resp, _ := request(t, "POST", at("sendactivity/"+ann.conversation), `{"type":"message","text":"x"}`, "Content-Type", "text/plain"); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("plain text: %s", resp.Status)
	}
	if resp, _ := request(t, "GET", at("continue/"+ann.conversation), ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", resp.Status)
	}
	ann.sees("one", `I go on with {"job":"7"}`, `I go on with {"route":"survey"}`)
}
