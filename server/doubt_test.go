package server_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// shown are the texts that a client shows in the end.
func (c seat) shown() []string {
	c.Helper()
	var ids []activity.ID
	texts := make(map[activity.ID]string)
	for _, a := range c.history() {
		switch a.Type {
		case activity.TypeMessage:
			if !slices.Contains(ids, a.ID) { // an update leaves its text in both places
				ids = append(ids, a.ID)
			}
			texts[a.ID] = a.Text
		case activity.TypeMessageUpdate:
			texts[a.ID] = a.Text
		case activity.TypeMessageDelete:
			delete(texts, a.ID)
		}
	}
	var shown []string
	for _, id := range ids {
		if text, ok := texts[id]; ok {
			shown = append(shown, text)
		}
	}
	return shown
}

// TestLostAnswerIsNotForgotten: a person has the message, and nobody knows. What is done to the notification then must
// neither say that they have not, nor be lost.
func TestLostAnswerIsNotForgotten(t *testing.T) {
	t.Parallel()
	p := page{t, running(t, server.Config{})}
	for _, tt := range []struct {
		action, body  string
		before, after string // the first delivery's state and reason, before and after the channel works again
		state         string // the notification's in the end
		shown         []string
	}{
		{"cancel", "", "unknown cancelled", "unknown cancelled", "unknown", []string{"old"}},
		{"recall", "", "unknown recalled", "delivered settled", "recalled", nil},
		{"edit", `{"text":"new"}`, "ready", "delivered", "delivered", []string{"new"}},
	} {
		ann := p.enter("dl_ann", "")
		eventually(t, func() string { return "welcome" }, func() bool { return len(ann.history()) > 0 })
		welcome := ann.shown()
		p.fault(fmt.Sprintf(`{"on":["send"],"conversation":%q,"kind":"lost_answer","remaining":1},{"on":["send"],"conversation":%[1]q,"kind":"status","status":503}`, ann.conversation))
		var n api.Notification
		p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"old"}`, ann.conversation), 202, &n)
		get := func() { p.do("GET", "/v1/notifications/"+n.ID, "", 200, &n) }
		eventually(t, func() string { return "lost: " + n.State }, func() bool {
			get()
			d := n.Deliveries[0]
			return d.State == "ready" && d.MayHaveArrived && d.Attempts > 0
		})
		stands := func() string {
			d := n.Deliveries[0]
			switch {
			case d.State == "ready" || d.State == "sending":
				return "ready"
			case d.Reason == "":
				return d.State
			}
			return d.State + " " + d.Reason
		}
		p.do("POST", "/v1/notifications/"+n.ID+"/"+tt.action, tt.body, 200, &n)
		eventually(t, func() string { return tt.action + ": " + stands() }, func() bool {
			get()
			return stands() == tt.before
		})
		p.do("DELETE", "/playground/api/faults", "", 200, nil)
		eventually(t, func() string { return fmt.Sprintf("%s: %s, %s", tt.action, n.State, stands()) }, func() bool {
			get()
			return n.State == tt.state && stands() == tt.after
		})
		if got, want := ann.shown(), append(welcome, tt.shown...); !slices.Equal(got, want) {
			t.Errorf("%s: shown is %q, want %q", tt.action, got, want)
		}
	}
}
