package httpapi_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

func (f fixture) update(t *testing.T, id, body string) api.Conversation {
	t.Helper()
	w := f.call(t, "PATCH", "/v1/conversations/"+id, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.Conversation](t, w)
}

func TestTellSomebodyByExternalID(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "test", "d", func(s *book.Sighting) { s.At = time.Now().Add(time.Minute) })
	f.update(t, "c", `{"external_id":"4711"}`)
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"external_id":"4711"},"text":"hi"}`)
	if n := decode[api.Notification](t, w); w.Code != http.StatusAccepted || n.To.ExternalID != "4711" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == 1 })
	if got := f.channel.Texts("c"); len(got) != 1 {
		t.Errorf("said %q in Ann's conversation", got)
	}
	if w := f.call(t, "POST", "/v1/jobs", `{"to":{"external_id":"4711"}}`); decode[api.Job](t, w).Conversation != "c" {
		t.Errorf("a job for the person: %d %s", w.Code, w.Body)
	}
}

func TestTellEverybodyWithATag(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for _, id := range []string{"d", "e", "gone"} {
		f.sees(t, "test", id, func(*book.Sighting) {})
	}
	for _, id := range []string{"c", "e", "gone"} {
		f.update(t, id, `{"tags":["on-call"]}`)
	}
	gone := decode[api.Conversation](t, f.call(t, "GET", "/v1/conversations/gone", ""))
	key := headsup.ConversationKey{AppID: "app", Tenant: "tenant", Channel: "test", Bot: "b", Conversation: "gone"}
	if err := f.store.StrikeOut(t.Context(), key, book.Standing{Reach: book.ReachBlocked, Cause: "", At: time.Now()}); err != nil || gone.ID == "" {
		t.Fatal(err)
	}
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"tag":"on-call"},"text":"hi"}`)
	n := decode[api.Notification](t, w)
	if w.Code != http.StatusAccepted || len(n.Deliveries) != 2 || n.To.Tag != "on-call" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == 2 })
	if len(f.channel.Texts("c")) != 1 || len(f.channel.Texts("e")) != 1 {
		t.Errorf("said %+v", f.channel.Sent())
	}
}

// TestReferencesOfOtherSDKsAreTargets: the book learns the place as one that was imported, which receives no token.
func TestReferencesOfOtherSDKsAreTargets(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../activity/testdata/foreign/references.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name      string         `json:"name"`
			Format    string         `json:"format"`
			Input     jsontext.Value `json:"input"`
			Reference jsontext.Value `json:"reference"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f := newAPI(t)
			member := "reference"
			if c.Format == "node-v3" || c.Format == "resumption-cookie" {
				member = "address"
			}
			w := f.call(t, "POST", "/v1/notifications", `{"to":{"`+member+`":`+string(c.Input)+`},"text":"hi"}`)
			if c.Reference == nil {
				p := decode[api.Problem](t, w)
				if w.Code != http.StatusUnprocessableEntity || len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Field, "body.to."+member) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			n := decode[api.Notification](t, w)
			if w.Code != http.StatusAccepted || n.To.Conversation == "" || n.To.Reference != nil || n.To.Address != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == 1 })
			out := f.channel.Sent()[0]
			key := headsup.KeyOf("app", out.Reference)
			entry, err := f.store.Conversation(t.Context(), key)
			if err != nil || entry.Source != book.SourceImport || !entry.VerifiedAt.IsZero() {
				t.Errorf("the book has %+v, %v", entry, err)
			}
			if out.Activity.ReplyToID != "" {
				t.Errorf("it answers %s: a proactive message answers nothing", out.Activity.ReplyToID)
			}
		})
	}
}

// TestReferenceDoesNotMoveAKnownConversation: whoever may send a reference cannot draw messages to another place.
func TestReferenceDoesNotMoveAKnownConversation(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.says(t, `"text":"hi"`)
	w := f.call(t, "POST", "/v1/notifications", `{"text":"hi","to":{"reference":{"channelId":"test","conversation":{"id":"c"},`+
		`"bot":{"id":"b"},"serviceUrl":"https://elsewhere.example.org"}}}`)
	if w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == 2 })
	if url := f.channel.Sent()[1].Reference.ServiceURL; url != "https://c.example.net" {
		t.Errorf("sent to %s", url)
	}
}

func TestWrongTargets(t *testing.T) {
	t.Parallel()
	refused := func(to, code, field string) wrong {
		return wrong{"POST", "/v1/notifications", `{"to":` + to + `,"text":"x"}`, nil, 422, code, field}
	}
	at := func(url string) string {
		return `{"reference":{"channelId":"x","conversation":{"id":"y"},"bot":{"id":"b"},"serviceUrl":"` + url + `"}}`
	}
	bad, none := api.CodeInvalidField, api.CodeNoTarget
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"unknown external id":     refused(`{"external_id":"x"}`, none, "body.to"),
		"unknown tag":             refused(`{"tag":"x"}`, none, "body.to"),
		"long tag":                refused(`{"tag":"`+strings.Repeat("x", 65)+`"}`, bad, "body.to.tag"),
		"two names":               refused(`{"tag":"x","external_id":"x"}`, bad, "body.to"),
		"reference and user":      refused(`{"user":"ann","reference":{"channelId":"x","conversation":{"id":"y"},"bot":{"id":"b"},"serviceUrl":"https://x.example"}}`, bad, "body.to"),
		"reference and address":   refused(`{"reference":{},"address":{}}`, bad, "body.to"),
		"reference of a text":     refused(`{"reference":"x"}`, bad, "body.to.reference"),
		"nothing but null":        refused(`{"reference":null,"address":null,"user":null}`, bad, "body.to"),
		"address of a number":     refused(`{"address":7}`, bad, "body.to.address"),
		"compressed cookie":       refused(`{"address":"H4sIAAAAAAAEAO29B2"}`, bad, "body.to.address"),
		"no conversation":         refused(`{"reference":{"channelId":"x"}}`, bad, "body.to.reference.conversation.id"),
		"id of a number":          refused(`{"reference":{"channelId":"x","conversation":{"id":7}}}`, bad, "body.to.reference.conversation.id"),
		"no bot":                  refused(`{"reference":{"channelId":"x","conversation":{"id":"y"},"serviceUrl":"https://x.example"}}`, bad, "body.to.reference.bot"),
		"no service URL":          refused(at(""), bad, "body.to.reference.serviceUrl"),
		"metadata service":        refused(at("http://169.254.169.254/metadata/"), bad, "body.to.reference.serviceUrl"),
		"metadata service, https": refused(at("https://169.254.169.254/"), bad, "body.to.reference.serviceUrl"),
		"private address":         refused(at("https://10.0.0.1/"), bad, "body.to.reference.serviceUrl"),
		"not https":               refused(at("http://x.example/"), bad, "body.to.reference.serviceUrl"),
		"not a URL":               refused(at("::"), bad, "body.to.reference.serviceUrl"),
		"file":                    refused(at("file:///etc/passwd"), bad, "body.to.reference.serviceUrl"),
		"credentials":             refused(at("https://a:b@x.example/"), bad, "body.to.reference.serviceUrl"),
	}, func(f fixture) {
		if all := decode[api.Conversations](t, f.call(t, "GET", "/v1/conversations", "")); len(all.Conversations) != 1 {
			t.Errorf("a refused request added to the book: %+v", all)
		}
	})
}
