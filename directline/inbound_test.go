package directline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/directline"
)

func TestBotHearsWhoJoins(t *testing.T) {
	t.Parallel()
	joined := func(as []*activity.Activity) (out []string) {
		for _, a := range as {
			text := string(a.Type)
			for _, m := range a.MembersAdded {
				text += " " + string(m.ID)
			}
			out = append(out, text)
		}
		return out
	}
	t.Run("known user at once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		o := r.join("dl_ann")
		r.post(o, message("hi"))
		want := []string{"conversationUpdate bot", "conversationUpdate dl_ann", "message"}
		if got := joined(r.told()); !slices.Equal(got, want) {
			t.Errorf("the bot heard %q, want %q", got, want)
		}
		for _, a := range r.told() {
			if err := a.CheckInbound(); err != nil || a.From.ID != "dl_ann" || a.Recipient.ID != "bot" {
				t.Errorf("%s: %v, from %+v to %+v", a.Type, err, a.From, a.Recipient)
			}
		}
	})
	t.Run("user of the start request at once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.do("POST", "/v3/directline/conversations", r.token("").Token, `{"user":{"id":"u1"},"locale":"de-AT"}`)
		want := []string{"conversationUpdate bot", "conversationUpdate u1"}
		if got := joined(r.told()); !slices.Equal(got, want) {
			t.Errorf("the bot heard %q, want %q", got, want)
		}
		if got := r.told()[0].Locale; got != "de-AT" {
			t.Errorf("locale %q", got)
		}
	})
	t.Run("unknown user after the first content", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		o := r.join("")
		r.post(o, `{"type":"typing","from":{"id":"u1"}}`)
		r.post(o, `{"type":"message","text":"one","from":{"id":"u1"}}`)
		eventually(t, "the bot hears that u1 joined", func() bool { return len(r.told()) == 4 })
		// Another process over the same store knows who has joined.
		r.stop()
		before := len(r.told())
		r.start(nil)
		o.Token = r.token2(o)
		r.post(o, `{"type":"message","text":"two","from":{"id":"u1"}}`)
		r.post(o, `{"type":"message","text":"three","from":{"id":"u2"}}`)
		r.post(o, `{"type":"message","text":"four","from":{"id":"u2"}}`)
		eventually(t, "the bot hears that u2 joined", func() bool { return len(r.told()) == before+4 })
		want := []string{"conversationUpdate bot", "typing", "message", "conversationUpdate u1",
			"message", "message", "conversationUpdate u2", "message"}
		if got := joined(r.told()); !slices.Equal(got, want) {
			t.Errorf("the bot heard %q, want %q", got, want)
		}
	})
	t.Run("unknown user though the bot fails to take the first content", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(_ context.Context, turn *headsup.Turn) error {
			if turn.Activity().Text == "one" {
				return errors.New("no")
			}
			return nil
		})
		o := r.join("")
		one := r.do("POST", o.path()+"/activities", o.Token, `{"type":"message","text":"one","from":{"id":"u1"}}`)
		if one.status != http.StatusBadGateway {
			t.Errorf("answered %d %s", one.status, one.body)
		}
		r.post(o, `{"type":"message","text":"two","from":{"id":"u1"}}`)
		want := []string{"conversationUpdate bot", "message", "conversationUpdate u1", "message"}
		if got := joined(r.told()); !slices.Equal(got, want) {
			t.Errorf("the bot heard %q, want %q", got, want)
		}
	})
	t.Run("a bot that fails keeps nobody out", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(context.Context, *headsup.Turn) error { return errors.New("no") })
		r.join("dl_ann")
	})
}

// token2 is a good token for a conversation that another process has started.

func (r *rig) token2(o opened) string { return r.reconnect(o, "").Token }

func TestSlowGreetingDoesNotKeepTheClientWaiting(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := newRig(t, func(ctx context.Context, turn *headsup.Turn) error {
		if turn.Activity().Type == activity.TypeConversationUpdate {
			<-release
		}
		_, err := turn.Say(ctx, string(turn.Activity().Type)+" "+turn.Activity().Text)
		return err
	})
	o := r.join("dl_ann") // returns while the bot still greets
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	r.post(o, message("hi"))
	want := []string{"hi", "conversationUpdate ", "conversationUpdate ", "message hi"}
	if got := texts(r.poll(o, "").Activities); !slices.Equal(got, want) {
		t.Errorf("history is %q, want %q: the greeting comes before the answer", got, want)
	}
}

func TestWhatIsSaidReachesTheBotInOrder(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	r := newRig(t, func(_ context.Context, turn *headsup.Turn) error {
		if turn.Activity().Text == "0" {
			<-gate
		}
		return nil
	})
	o := r.join("dl_ann")
	done := make(chan struct{})
	const n = 20
	for i := range n {
		go func() {
			r.do("POST", o.path()+"/activities", o.Token, message(fmt.Sprint(i)))
			done <- struct{}{}
		}()
		eventually(t, "it is echoed", func() bool { return len(r.poll(o, "").Activities) == i+1 })
	}
	close(gate)
	for range n {
		<-done
	}
	for i, a := range r.told()[2:] {
		if a.Text != fmt.Sprint(i) {
			t.Fatalf("message %q came at place %d", a.Text, i)
		}
	}
}

type endpoint func(ctx context.Context, a *activity.Activity) (headsup.Answer, error)

func (e endpoint) Process(ctx context.Context, _ auth.Identity, a *activity.Activity) (headsup.Answer, error) {
	return e(ctx, a)
}

func TestBotThatFails(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	for name, bot := range map[string]endpoint{
		"error": func(context.Context, *activity.Activity) (headsup.Answer, error) {
			return headsup.Answer{}, errors.New("no")
		},
		"500": func(context.Context, *activity.Activity) (headsup.Answer, error) {
			return headsup.Answer{Status: 500}, nil
		},
		"panics": func(context.Context, *activity.Activity) (headsup.Answer, error) { panic("ouch") },
		"never": func(context.Context, *activity.Activity) (headsup.Answer, error) {
			<-hang
			return headsup.Answer{Status: 200}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, func(c *directline.Config) { c.BotTimeout = 50 * time.Millisecond })
			o := r.join("dl_ann")
			r.ch.Serve(bot)
			a := r.do("POST", o.path()+"/activities", o.Token, message("hi"))
			if a.status != http.StatusBadGateway || a.code(t) != "BotRejectedActivity" {
				t.Errorf("answered %d %s", a.status, a.body)
			}
			if name == "never" {
				close(hang)
			}
		})
	}
	t.Run("an invoke that it refuses", func(t *testing.T) {
		r := newRig(t, func(_ context.Context, turn *headsup.Turn) error {
			turn.Respond(headsup.InvokeResponse{Status: 412})
			return nil
		})
		o := r.join("dl_ann")
		a := r.do("POST", o.path()+"/activities", o.Token, `{"type":"invoke","name":"signin/tokenExchange","value":{}}`)
		if a.status != http.StatusBadGateway {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	})
}

func TestExpectedRepliesJoinTheHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	o := r.join("dl_ann")
	r.post(o, `{"type":"message","text":"hi","deliveryMode":"expectReplies"}`)
	if got := texts(r.poll(o, "").Activities); !slices.Equal(got, []string{"hi", "echo: hi"}) {
		t.Errorf("history is %q", got)
	}
}

func TestEndOfConversation(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"bot", "user"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			o := r.join("dl_ann")
			s := r.connect(o.StreamURL)
			r.say(o, "bye", "")
			end := &activity.Activity{Type: activity.TypeEndOfConversation}
			if who == "user" {
				r.post(o, end)
			} else if _, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, end, "")); err != nil {
				t.Fatal(err)
			}
			if got := s.read(2); got[1].Type != activity.TypeEndOfConversation {
				t.Errorf("the stream ends with %s", got[1].Type)
			}
			if e := s.closed(); e.Reason != "ended" {
				t.Errorf("the stream was closed with %+v", e)
			}
			if got := r.poll(o, "1"); len(got.Activities) != 1 {
				t.Errorf("a poll cannot see the end: %+v", got)
			}
			for _, path := range []string{o.path() + "/activities?watermark=2", o.path()} {
				if a := r.do("GET", path, o.Token, nil); a.status != 404 {
					t.Errorf("GET %s after the end: %d %s", path, a.status, a.body)
				}
			}
			for _, path := range []string{o.path() + "/activities", "/v3/directline/conversations", "/v3/directline/tokens/refresh"} {
				if a := r.do("POST", path, o.Token, message("more")); a.status != 404 {
					t.Errorf("POST %s after the end: %d %s", path, a.status, a.body)
				}
			}
			_, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, activity.Message("more"), "k"))
			if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent || e.Reason != "ended" {
				t.Errorf("send after the end: %v", err)
			}
		})
	}
}
