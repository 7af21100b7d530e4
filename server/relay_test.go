package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/proactive"
)

// tell accepts a notification to whoever sits there.
func (c seat) tell(rest string) (id string) {
	c.Helper()
	var n api.Notification
	c.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},%s}`, c.conversation, rest), http.StatusAccepted, &n)
	return n.ID
}

// ends waits until a notification has come to its end, and returns its delivery.
func (c seat) ends(id string) api.Delivery {
	c.Helper()
	var n api.Notification
	c.stands(id, &n, func() bool { return n.State != "ready" && n.State != "sending" && n.State != "held" })
	return n.Deliveries[0]
}

func (c seat) stands(id string, n *api.Notification, ok func() bool) {
	c.Helper()
	eventually(c.T, func() string { return fmt.Sprintf("%+v", n) }, func() bool {
		*n = api.Notification{}
		c.do("GET", "/v1/notifications/"+id, "", http.StatusOK, n)
		return ok()
	})
}

// continued reports whether an activity is what a bot hears of a notification that is left to it, and returns that.
func continued(t *testing.T, a *activity.Activity) (n proactive.Notice, is bool) {
	t.Helper()
	if a.Type != activity.TypeEvent || a.Name != activity.EventContinueConversation {
		return n, false
	}
	if a.DeliveryMode != activity.DeliveryExpectReplies || a.RelatesTo == nil || a.ServiceURL == "" || a.From.ID != "dl_ann" {
		t.Errorf("the event is %+v", a)
	}
	if err := json.Unmarshal(a.Value, &n); err != nil {
		t.Errorf("its value is %s: %v", a.Value, err)
	}
	return n, true
}

const leftToTheBot = `"policy":"interrupt","with":"bot","topic":"prices","value":{"hotel":7}`

// TestBotElsewhereDecides: the event reaches its endpoint with the notification, and what it answers is said by that.
func TestBotElsewhereDecides(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	ann := p.enter("dl_ann", "")
	ann.say("book")
	ann.do("PUT", "/v1/conversations/"+ann.conversation+"/busy", `{"reason":"booking"}`, http.StatusOK, nil)
	failures := 0
	bot.answers(func(a *activity.Activity) (int, string, bool) {
		n, is := continued(t, a)
		if !is {
			return 0, "", false
		}
		if failures++; failures == 1 {
			return http.StatusInternalServerError, "", true // it gets the event again
		}
		if n.Notification == "" || n.Delivery == "" || n.Topic != "prices" || string(n.Value) != `{"hotel":7}` ||
			!strings.Contains(string(n.Activity), "Las Vegas is cheaper.") || len(n.Busy) != 1 || n.Busy[0].Reason != "booking" {
			t.Errorf("the bot is told %+v", n)
		}
		return http.StatusOK, `{"activities":[{"type":"message","text":"By the way: cheaper."},{"type":"message","text":"Where to?"}]}`, true
	})
	id := ann.tell(`"text":"Las Vegas is cheaper.",` + leftToTheBot)
	ann.sees("book", "By the way: cheaper.", "Where to?")
	if d := ann.ends(id); d.State != "delivered" || d.ActivityID == "" || d.Attempts != 2 {
		t.Errorf("it ends as %+v", d)
	}
	bot.answers(func(a *activity.Activity) (int, string, bool) {
		_, is := continued(t, a)
		return http.StatusOK, `{"activities":[]}`, is
	})
	if d := ann.ends(ann.tell(leftToTheBot)); d.State != "suppressed" || d.Reason != "nothing_said" {
		t.Errorf("of which the bot says nothing ends as %s, %s", d.State, d.Reason)
	}
	p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"policy":"interrupt","with":"nobody"}`, ann.conversation),
		http.StatusUnprocessableEntity, nil)
}

// TestBotElsewhereSpeaksByItself: one that calls the channel, and leaves its answer empty.
func TestBotElsewhereSpeaksByItself(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	ann := p.enter("dl_ann", "")
	ann.say("book")
	bot.answers(func(a *activity.Activity) (int, string, bool) {
		if _, is := continued(t, a); !is {
			return 0, "", false
		}
		for _, body := range []string{`{"type":"typing"}`, `{"type":"message","text":"By myself."}`} {
			request(t, "POST", a.ServiceURL+"/v3/conversations/"+string(a.Conversation.ID)+"/activities", body)
		}
		return http.StatusAccepted, "", true
	})
	d := ann.ends(ann.tell(leftToTheBot))
	ann.sees("book", "By myself.")
	if said := ann.history(); d.State != "delivered" || d.ActivityID != string(said[len(said)-1].ID) {
		t.Errorf("it ends as %+v", d)
	}
}

// TestBotElsewhereDoesOneThingAtATime: what the person says while the bot has the event reaches it afterwards.
func TestBotElsewhereDoesOneThingAtATime(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	ann := p.enter("dl_ann", "")
	ann.say("book")
	has, answer := make(chan struct{}), make(chan struct{})
	bot.answers(func(a *activity.Activity) (int, string, bool) {
		if _, is := continued(t, a); !is {
			return 0, "", false
		}
		close(has)
		<-answer
		if last := bot.last(t, activity.TypeMessage).Text; last != "book" {
			t.Errorf("in between the bot has heard %q", last)
		}
		return http.StatusOK, `{"activities":[{"type":"message","text":"first"}]}`, true
	})
	id := ann.tell(leftToTheBot)
	<-has
	said := make(chan struct{})
	go func() {
		defer close(said)
		ann.say("second")
	}()
	ann.sees("book", "second") // it has been taken in, and waits for the bot
	close(answer)
	<-said
	ann.sees("book", "second", "first")
	if d := ann.ends(id); d.State != "delivered" {
		t.Errorf("it ends as %+v", d)
	}
	if last := bot.last(t, activity.TypeMessage).Text; last != "second" {
		t.Errorf("then the bot has heard %q", last)
	}
}

// TestBotElsewhereSaysThatItIsBusy: what waits is held for its flag, and what cancels takes it down.
func TestBotElsewhereSaysThatItIsBusy(t *testing.T) {
	t.Parallel()
	p, bot := playing(t)
	ann := p.enter("dl_ann", "")
	path := "/v1/conversations/" + ann.conversation + "/busy"
	bot.answers(func(a *activity.Activity) (int, string, bool) { // in its turn, while it has the conversation
		switch a.Text {
		case "book":
			p.do("PUT", path, `{"reason":"booking"}`, http.StatusOK, nil)
		case "done":
			p.do("DELETE", path, "", http.StatusOK, nil)
		}
		return 0, "", false
	})
	ann.say("book")
	first := ann.tell(`"text":"first","policy":"wait"`)
	var n api.Notification
	ann.stands(first, &n, func() bool { return n.State == "held" })
	ann.say("done")
	ann.sees("book", "done", "first")
	ann.say("book")
	second := ann.tell(`"text":"second","policy":"wait"`)
	ann.stands(second, &n, func() bool { return n.State == "held" })
	ann.tell(`"text":"third","policy":"cancel"`)
	ann.sees("book", "done", "first", "book", "third", "second")
	var c api.Conversation
	p.do("GET", "/v1/conversations/"+ann.conversation, "", http.StatusOK, &c)
	if len(c.Busy) > 0 {
		t.Errorf("it is still busy: %+v", c.Busy)
	}
}
