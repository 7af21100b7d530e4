package directline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

func asCloseError(err error, e *websocket.CloseError) bool { return errors.As(err, e) }

func echo(ctx context.Context, t *headsup.Turn) error {
	if t.Activity().Type != activity.TypeMessage {
		return nil
	}
	_, err := t.Say(ctx, "echo: "+t.Activity().Text)
	return err
}

func TestStartTwiceWithOneTokenIsOneConversation(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	token := r.token("dl_ann")
	var got []opened
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		a := r.do("POST", "/v3/directline/conversations", token.Token, `{"user":{}}`)
		if a.status != want {
			t.Fatalf("start answered %d %s, want %d", a.status, a.body, want)
		}
		got = append(got, decode[opened](t, a))
	}
	for _, o := range got {
		if o.ConversationID != token.ConversationID || o.ExpiresIn != 1800 || o.Token == "" || o.StreamURL == "" {
			t.Errorf("start answered %+v, want conversation %s for 1800 s", o, token.ConversationID)
		}
	}
	if n := len(r.told()); n != 2 {
		t.Errorf("the bot heard %d activities, want that it and the user joined", n)
	}
}

func TestSecretStartsANewConversationEachTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	seen := map[activity.ConversationID]bool{}
	for range 3 {
		a := r.do("POST", "/v3/directline/conversations", siteSecret, `{"user":{"id":"u1"}}`)
		if a.status != http.StatusCreated {
			t.Fatalf("start: %d %s", a.status, a.body)
		}
		seen[decode[opened](t, a).ConversationID] = true
	}
	if len(seen) != 3 {
		t.Errorf("three starts made %d conversations", len(seen))
	}
}

func TestConversationIDsAreSafeInURLs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := string(r.token("").ConversationID)
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		t.Errorf("conversation id %q needs escaping", id)
	}
	if !r.ch.Takes(activity.ChannelDirectLine, activity.ConversationID(id)) {
		t.Errorf("the channel does not recognise its own id %q", id)
	}
	for _, other := range []activity.ConversationID{"Kq3TzPd8aLx5mWn0-eu", "19:abc@thread.v2", "-hu"} {
		if r.ch.Takes(activity.ChannelDirectLine, other) {
			t.Errorf("the channel takes %q", other)
		}
	}
	if r.ch.Takes(activity.ChannelTeams, activity.ConversationID(id)) || !r.ch.Takes(activity.ChannelDirectLine, "") {
		t.Error("the channel is to take directline, also for a new conversation, and nothing else")
	}
}

// flip changes one character in the middle of a signature.

func TestMalformedPosts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	big := `{"type":"message","text":"` + strings.Repeat("ä", 300<<10) + `"}`
	fits := `{"type":"message","text":"` + strings.Repeat("ä", 250<<10) + `"}`
	for _, tt := range []struct {
		name, body, code string
		status           int
	}{
		{"not JSON", `hello`, "BadSyntax", 400},
		{"empty", ``, "BadSyntax", 400},
		{"a list", `[]`, "BadSyntax", 400},
		{"no type", `{"text":"x"}`, "MissingProperty", 400},
		{"duplicate member", `{"type":"message","type":"event"}`, "BadSyntax", 400},
		{"wrong type of member", `{"type":"message","text":7}`, "BadSyntax", 400},
		{"300 K characters", big, "MessageSizeTooBig", 413},
		{"more bytes than any activity", strings.Repeat("x", 2<<20), "MessageSizeTooBig", 413},
		{"250 K characters of two bytes each", fits, "", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := r.do("POST", o.path()+"/activities", o.Token, tt.body)
			if a.status != tt.status || tt.code != "" && a.code(t) != tt.code {
				t.Errorf("answered %d %.200s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
		})
	}
}

func TestPostIsEchoedBeforeTheBotAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	o := r.join("dl_ann")
	id := r.post(o, `{"type":"message","text":"hi","id":"mine","timestamp":"1999-01-01T00:00:00Z","unknown":{"a":[1]},
		"channelData":{"clientActivityID":"c1"}}`)
	if want := activity.ID(o.ConversationID) + "|0000001"; id != want {
		t.Errorf("id %q, want %q", id, want)
	}
	set := r.poll(o, "")
	if got := texts(set.Activities); !slices.Equal(got, []string{"hi", "echo: hi"}) || *set.Watermark != "2" {
		t.Fatalf("history is %q up to %s", got, *set.Watermark)
	}
	first, second := set.Activities[0], set.Activities[1]
	if first.ID != id || string(first.ChannelData) != `{"clientActivityID":"c1"}` || string(first.Extra) != `{"unknown":{"a":[1]}}` {
		t.Errorf("the echo is %+v", first)
	}
	if age := time.Since(first.Timestamp.Time()); age > time.Minute {
		t.Errorf("the echo is dated %s", first.Timestamp)
	}
	if second.ID != activity.ID(o.ConversationID)+"|0000002" || second.From.ID != "bot" || second.ReplyToID != id ||
		second.ServiceURL != "" || second.From.Role != activity.RoleBot {
		t.Errorf("the answer is %+v", second)
	}
}

func TestPollSemantics(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	for i := range 5 {
		r.say(o, fmt.Sprint(i), "")
	}
	for _, tt := range []struct {
		watermark string
		count     int
		next      string
	}{
		{"", 5, "5"}, {"null", 5, "5"}, {"undefined", 5, "5"}, {"-1", 5, "5"}, {"+2", 5, "5"}, {"1e3", 5, "5"},
		{"99999999999999999999", 5, "5"}, {"0", 5, "5"}, {"3", 2, "5"}, {"5", 0, "5"}, {"77", 0, "77"},
	} {
		set := r.poll(o, tt.watermark)
		if len(set.Activities) != tt.count || set.Activities == nil || set.Watermark == nil || *set.Watermark != tt.next {
			t.Errorf("watermark %q: %d activities, then %v; want %d, then %s",
				tt.watermark, len(set.Activities), set.Watermark, tt.count, tt.next)
		}
	}
	a := r.do("GET", o.path()+"/activities", o.Token, nil)
	if got := decode[activitySet](t, a); len(got.Activities) != 5 {
		t.Errorf("a poll without a watermark returned %d activities", len(got.Activities))
	}
}

func TestPollNeverShowsTypingNorUpdates(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(ctx context.Context, turn *headsup.Turn) error {
		if turn.Activity().Type != activity.TypeMessage {
			return nil
		}
		for _, kind := range []activity.Type{
			activity.TypeTyping, activity.TypeTrace, activity.TypeInvoke, activity.TypeConversationUpdate, activity.TypeEvent,
		} {
			if _, err := turn.Send(ctx, &activity.Activity{Type: kind, Name: "n"}); err != nil {
				return err
			}
		}
		return nil
	})
	o := r.join("dl_ann")
	r.post(o, `{"type":"typing"}`)
	r.post(o, message("hi"))
	var kinds []activity.Type
	for _, a := range r.poll(o, "").Activities {
		kinds = append(kinds, a.Type)
	}
	if want := []activity.Type{activity.TypeMessage, activity.TypeEvent}; !slices.Equal(kinds, want) {
		t.Errorf("a poll shows %q, want %q", kinds, want)
	}
}

// endpoint makes a function a bot.

func TestEverythingSurvivesARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, echo)
	o := r.join("dl_ann")
	r.post(o, message("before"))
	r.stop()
	r.start(echo)
	if got := texts(r.poll(o, "1").Activities); !slices.Equal(got, []string{"echo: before"}) {
		t.Errorf("after a restart a poll shows %q", got)
	}
	if id := r.post(o, message("after")); id != activity.ID(o.ConversationID)+"|0000003" {
		t.Errorf("after a restart the next id is %q", id)
	}
	s := r.connect(r.reconnect(o, "?watermark=1").StreamURL)
	if got := texts(s.read(3)); !slices.Equal(got, []string{"echo: before", "after", "echo: after"}) {
		t.Errorf("after a restart the stream shows %q", got)
	}
	if a := r.do("POST", "/v3/directline/conversations", o.Token, nil); a.status != http.StatusOK {
		t.Errorf("start after a restart: %d", a.status)
	}
}
