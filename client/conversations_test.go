package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// answering answers each call, method and URL, with a body, and keeps what it was asked.
func answering(t *testing.T, answers map[string]string) (*client.Client, *journal) {
	t.Helper()
	asked := new(journal)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := r.Method + " " + r.URL.RequestURI()
		asked.add(call + " " + string(body))
		if hasBody := len(body) > 0; hasBody != (r.Header.Get("Content-Type") == "application/json") {
			t.Errorf("%s has the content type %q", call, r.Header.Get("Content-Type"))
		}
		answer, known := answers[call]
		switch {
		case !known:
			says(404, problem, `{"code":"not_found","detail":"d"}`)(w, r)
		case answer == "":
			w.WriteHeader(http.StatusNoContent)
		default:
			says(200, "application/json", answer)(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestConversationByAnOddID(t *testing.T) {
	t.Parallel()
	const path = "/v1/conversations/19:abc%2F%2E%2E%2Fx%3Bmessageid=1"
	c, asked := answering(t, map[string]string{
		"GET " + path + "?channel=msteams":                             `{"id":"x","tags":["a"]}`,
		"PATCH " + path:                                                `{"id":"x"}`,
		"DELETE " + path + "?channel=msteams":                          ``,
		"GET " + path + "/activities?channel=msteams&cursor=c&limit=7": `{"activities":[{"number":3,"activity":{}}]}`,
	})
	const id = "19:abc/../x;messageid=1"
	got, err := c.Conversation(t.Context(), "msteams", id)
	if err != nil || got.ID != "x" || !slices.Equal(got.Tags, []string{"a"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, u := range []api.ConversationUpdate{{Tags: []string{}}, {ExternalID: new("")}, {Tags: []string{"a"}, ExternalID: new("7")}} {
		if _, err := c.UpdateConversation(t.Context(), "", id, u); err != nil {
			t.Error(err)
		}
	}
	if err := c.ForgetConversation(t.Context(), "msteams", id); err != nil {
		t.Error(err)
	}
	said, err := c.TranscriptPage(t.Context(), "msteams", id, "c", 7)
	if err != nil || len(said.Activities) != 1 || said.Activities[0].Number != 3 {
		t.Errorf("said %+v, %v", said, err)
	}
	want := []string{`PATCH ` + path + ` {"tags":[]}`, `PATCH ` + path + ` {"external_id":""}`, `PATCH ` + path + ` {"tags":["a"],"external_id":"7"}`}
	if !slices.Equal(asked.all()[1:4], want) {
		t.Errorf("asked %q, want %q", asked.all()[1:4], want)
	}
}

func TestConversationsAreGoneOverPageByPage(t *testing.T) {
	t.Parallel()
	c, asked := answering(t, map[string]string{
		"GET /v1/conversations?limit=200&tag=a+%26+b":            `{"conversations":[{"id":"1"},{"id":"2"}],"next_cursor":"x"}`,
		"GET /v1/conversations?cursor=x&limit=200&tag=a+%26+b":   `{"conversations":[{"id":"3"}]}`,
		"GET /v1/conversations?external_id=e&kind=group&reach=r": `{"conversations":[]}`,
	})
	var ids []string
	for one, err := range c.Conversations(t.Context(), client.Filter{Tag: "a & b"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, one.ID)
	}
	if !slices.Equal(ids, []string{"1", "2", "3"}) {
		t.Errorf("went over %q", ids)
	}
	for _, err := range c.Conversations(t.Context(), client.Filter{Tag: "a & b"}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if len(asked.all()) != 3 {
		t.Errorf("asked %q: whoever has seen enough needs no other page", asked.all())
	}
	if page, err := c.ConversationsPage(t.Context(), client.Filter{ExternalID: "e", Kind: "group", Reach: "r"}, "", 0); err != nil || page.NextCursor != "" {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestConversationThatIsNotThere(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, nil)
	_, getErr := c.Conversation(t.Context(), "", "x")
	_, updateErr := c.UpdateConversation(t.Context(), "", "x", api.ConversationUpdate{})
	_, readErr := c.TranscriptPage(t.Context(), "", "x", "", 0)
	var listErr error
	for _, err := range c.Conversations(t.Context(), client.Filter{}) {
		listErr = err
	}
	for what, err := range map[string]error{
		"get": getErr, "update": updateErr, "read": readErr, "forget": c.ForgetConversation(t.Context(), "", "x"), "list": listErr,
	} {
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Problem.Code != api.CodeNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Conversation(t.Context(), "", ""); err == nil {
		t.Error("a conversation without id was asked for")
	}
}
