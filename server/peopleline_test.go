package server_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// TestErasedPersonDoesNotComeBackByTheirToken: with an erasure, the streams of a person's conversations are closed, at whatever node
// they are, and the tokens that they hold open nothing any more: neither those that name them nor those by which they named
// themselves. Others do not notice.
func TestErasedPersonDoesNotComeBackByTheirToken(t *testing.T) {
	t.Parallel()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		erasedByToken(t, startNode(t, server.Config{DirectLineSecret: nodesSecret}).url)
	})
	t.Run("two nodes", func(t *testing.T) {
		t.Parallel()
		erasedByToken(t, newNodes(t, 2, server.Config{}).URL)
	})
}

func erasedByToken(t *testing.T, url string) {
	t.Helper()
	var gone []*chatter
	for range 4 { // so that each of two nodes has streams
		gone = append(gone, openChat(t, url, "dl_ann"))
	}
	gone = append(gone, openAnonymously(t, url, "ann"))
	stays := openChat(t, url, "dl_ben")
	for _, c := range append(gone, stays) {
		c.connect()
	}
	var erasures []string
	for _, user := range []string{"dl_ann", "ann"} {
		resp, body := request(t, http.MethodPost, url+"/v1/people/erasures", `{"user":"`+user+`"}`)
		var x api.Erasure
		if err := json.Unmarshal([]byte(body), &x); err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s %s %v", resp.Status, body, err)
		}
		erasures = append(erasures, x.ID)
	}
	for _, c := range gone {
		c.isClosed()
	}
	for _, id := range erasures {
		awaitErased(t, url, id)
	}
	for _, c := range gone {
		for _, try := range []struct{ method, url string }{
			{http.MethodPost, url + "/v3/directline/tokens/refresh"},
			{http.MethodPost, url + "/v3/directline/conversations"},
			{http.MethodGet, c.path()},
			{http.MethodGet, c.path() + "/activities"},
			{http.MethodPost, c.path() + "/activities"},
		} {
			resp, body := request(t, try.method, try.url, `{"type":"message","from":{"id":"dl_ann"},"text":"back"}`, "Authorization", "Bearer "+c.token)
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: %s %s", try.method, try.url, resp.Status, body)
			}
		}
	}
	for _, user := range []string{"dl_ann", "ann"} {
		if resp, body := request(t, http.MethodPost, url+"/v1/people/search", `{"user":"`+user+`"}`); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s is known: %s %s", user, resp.Status, body)
		}
	}
	stays.says("still here")
	stays.shows("still here")
	openChat(t, url, "dl_ann") // with a new token they are somebody new
}

// openAnonymously starts a conversation with a token for nobody; who starts it says who they are.
func openAnonymously(t *testing.T, url, user string) *chatter {
	t.Helper()
	_, token := request(t, http.MethodPost, url+"/v3/directline/tokens/generate", "", "Authorization", "Bearer "+nodesSecret)
	c := &chatter{t: t, url: url, token: between(t, token, `"token":"`, `"`), conversation: between(t, token, `"conversationId":"`, `"`)}
	if resp, body := request(t, http.MethodPost, url+"/v3/directline/tokens/refresh", "", "Authorization", "Bearer "+c.token); resp.StatusCode != http.StatusOK {
		t.Fatalf("refresh before the start: %s %s", resp.Status, body)
	}
	resp, body := request(t, http.MethodPost, url+"/v3/directline/conversations", `{"user":{"id":"`+user+`","name":"Ann"}}`, "Authorization", "Bearer "+c.token)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("start: %s %s", resp.Status, body)
	}
	return c
}

// isClosed reads the stream until the server closes it, as it does when a conversation ends.
func (p *chatter) isClosed() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		_, _, err := p.stream.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			p.t.Errorf("the stream ended with %v", err)
		}
		return
	}
}

func awaitErased(t *testing.T, url, id string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		_, body := request(t, http.MethodGet, url+"/v1/people/erasures/"+id, "")
		var x api.Erasure
		if err := json.Unmarshal([]byte(body), &x); err == nil && x.State == "done" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not erased: %s", body)
		}
	}
}
