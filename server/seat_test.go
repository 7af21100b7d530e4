package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// page is a server as the playground's page uses it.
type page struct {
	*testing.T
	url string
}

// do sends a request and decodes the answer's body, unless it is not the status that is wanted.
func (p page) do(method, path, body string, status int, into any) {
	p.Helper()
	resp, answer := request(p.T, method, p.url+path, body)
	if resp.StatusCode != status {
		p.Fatalf("%s %s: %s %s, want %d", method, path, resp.Status, answer, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), into, json.MatchCaseInsensitiveNames(true)); err != nil {
		p.Fatalf("%s %s: %s: %v", method, path, answer, err)
	}
}

type chat struct {
	ID, Kind, Name string
	Members        []struct{ ID, Name string }
	CreatedBy      string `json:"createdBy"`
	Installed      bool   `json:"installed"`
}

func (c chat) names() string {
	var names []string
	for _, m := range c.Members {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

// seat is one person's client of one conversation.
type seat struct {
	page
	conversation, token string
}

func (p page) enter(user, conversation string) seat {
	p.Helper()
	var t struct {
		ConversationID string `json:"conversationId"`
		Token          string `json:"token"`
	}
	p.do("POST", "/playground/api/token", fmt.Sprintf(`{"user":{"id":%q},"conversationId":%q}`, user, conversation), 200, &t)
	c := seat{p, t.ConversationID, t.Token}
	c.call("POST", "/v3/directline/conversations", "{}", nil)
	return c
}

func (c seat) call(method, path, body string, into any) int {
	c.Helper()
	resp, answer := request(c.T, method, c.url+path, body, "Authorization", "Bearer "+c.token)
	if into != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal([]byte(answer), into, json.MatchCaseInsensitiveNames(true)); err != nil {
			c.Fatal(err)
		}
	}
	return resp.StatusCode
}

func (c seat) post(activity string) string {
	c.Helper()
	var sent struct{ ID string }
	if status := c.call("POST", "/v3/directline/conversations/"+c.conversation+"/activities", activity, &sent); status != 200 {
		c.Fatalf("post %s: %d", activity, status)
	}
	return sent.ID
}

func (c seat) say(text string) string {
	c.Helper()
	return c.post(fmt.Sprintf(`{"type":"message","text":%q}`, text))
}

func (c seat) history() []*activity.Activity {
	c.Helper()
	var set struct{ Activities []*activity.Activity }
	if status := c.call("GET", "/v3/directline/conversations/"+c.conversation+"/activities", "", &set); status != 200 {
		c.Fatalf("the history: %d", status)
	}
	return set.Activities
}

// sees waits for messages with texts, as often as they are given.
func (c seat) sees(texts ...string) {
	c.Helper()
	var got []string
	eventually(c.T, func() string { return fmt.Sprintf("%q, have %q", texts, got) }, func() bool {
		got = nil
		for _, a := range c.history() {
			got = append(got, a.Text)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(texts))
		return slices.Equal(got, want)
	})
}

func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
