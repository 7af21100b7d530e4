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
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/directline"
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

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a, b := r.join("dl_ann"), r.join("dl_bob")
	activities := a.path() + "/activities"
	tests := []struct {
		name, method, path, header string
		want                       int
		code                       string
	}{
		{"no header", "GET", activities, "", 401, "Unauthorized"},
		{"no scheme", "GET", activities, a.Token, 401, "Unauthorized"},
		{"other scheme", "GET", activities, "Basic " + a.Token, 401, "Unauthorized"},
		{"empty", "GET", activities, "Bearer ", 401, "Unauthorized"},
		{"two", "GET", activities, "Bearer " + a.Token + " " + a.Token, 401, "Unauthorized"},
		{"lower case scheme", "GET", activities, "bearer " + a.Token, 200, ""},
		{"token of another conversation", "GET", activities, "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation posts", "POST", activities, "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation reconnects", "GET", a.path(), "Bearer " + b.Token, 403, "BadArgument"},
		{"token of another conversation uploads", "POST", a.path() + "/upload", "Bearer " + b.Token, 403, "BadArgument"},
		{"garbage", "GET", activities, "Bearer x.y.z", 403, "BadArgument"},
		{"changed signature", "GET", activities, "Bearer " + flip(a.Token), 403, "BadArgument"},
		{"no signature", "GET", activities, "Bearer " + a.Token[:strings.LastIndex(a.Token, ".")+1], 403, "BadArgument"},
		{"algorithm none", "GET", activities, "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" +
			a.Token[strings.Index(a.Token, "."):], 403, "BadArgument"},
		{"signature with a line break", "GET", activities, "Bearer " + a.Token + "=", 403, "BadArgument"},
		{"huge", "GET", activities, "Bearer " + a.Token + strings.Repeat("A", 9000), 403, "BadArgument"},
		{"wrong secret", "POST", "/v3/directline/tokens/generate", "Bearer other", 403, "BadArgument"},
		{"token makes tokens", "POST", "/v3/directline/tokens/generate", "Bearer " + a.Token, 403, "BadArgument"},
		{"unknown conversation", "GET", "/v3/directline/conversations/AAAAAAAAAAAAAAAAAAAAAAAAAA-hu/activities",
			"Bearer " + siteSecret, 404, "ConversationNotFound"},
		{"secret reads", "GET", activities, "Bearer " + siteSecret, 200, ""},
		{"unknown path", "GET", "/v3/directline/other", "Bearer " + a.Token, 404, "NotFound"},
		{"wrong method", "DELETE", activities, "Bearer " + a.Token, 405, "MethodNotAllowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.do(tt.method, tt.path, "", nil, "Authorization", tt.header)
			if got.status != tt.want {
				t.Fatalf("answered %d %s, want %d", got.status, got.body, tt.want)
			}
			if tt.code != "" && got.code(t) != tt.code {
				t.Errorf("code %q, want %q", got.code(t), tt.code)
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v lack nosniff or no-store", got.header)
			}
			if tt.want == 401 && got.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate")
			}
		})
	}
}

// flip changes one character in the middle of a signature.
func flip(token string) string {
	at := strings.LastIndex(token, ".") + 10
	c := byte('A')
	if token[at] == c {
		c = 'B'
	}
	return token[:at] + string(c) + token[at+1:]
}

func TestTokensExpireAndAreRefreshedWhileGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.clock.forward(29 * time.Minute)
	a := r.do("POST", "/v3/directline/tokens/refresh", o.Token, nil)
	if a.status != http.StatusOK {
		t.Fatalf("refresh: %d %s", a.status, a.body)
	}
	fresh := decode[opened](t, a)
	if fresh.ConversationID != o.ConversationID || fresh.Token == o.Token {
		t.Errorf("refresh answered %+v", fresh)
	}
	r.clock.forward(2 * time.Minute)
	for _, path := range []string{"/v3/directline/tokens/refresh", "/v3/directline/conversations"} {
		if a := r.do("POST", path, o.Token, nil); a.status != 403 || a.code(t) != "TokenExpired" {
			t.Errorf("%s with an expired token: %d %s", path, a.status, a.body)
		}
	}
	if a := r.do("GET", o.path()+"/activities?watermark=", o.Token, nil); a.status != 403 || a.code(t) != "TokenExpired" {
		t.Errorf("poll with an expired token: %d %s", a.status, a.body)
	}
	r.poll(fresh, "")
	if a := r.do("POST", "/v3/directline/tokens/refresh", siteSecret, nil); a.status != 400 {
		t.Errorf("refresh of the secret: %d %s", a.status, a.body)
	}
}

func TestUserOfATokenStartsWithPrefix(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.do("POST", "/v3/directline/tokens/generate", siteSecret, `{"user":{"id":"ann"}}`)
	if a.status != 400 || a.code(t) != "BadArgument" {
		t.Errorf("a token for a user without prefix: %d %s", a.status, a.body)
	}
	if _, err := r.ch.MintToken(t.Context(), directline.MintRequest{User: activity.ChannelAccount{ID: "ann"}}); err == nil {
		t.Error("minted a token for a user without prefix")
	}
	// Only a server gives out such ids: a client without a token for it cannot choose one.
	o := r.join("")
	for _, from := range []string{"dl_ann", "bot", "", strings.Repeat("x", 300), "a\u0007b"} {
		a := r.do("POST", o.path()+"/activities", o.Token,
			map[string]any{"type": "message", "text": "hi", "from": map[string]string{"id": from}})
		if a.status != 400 {
			t.Errorf("posted as %q: %d %s", from, a.status, a.body)
		}
	}
	a = r.do("POST", "/v3/directline/conversations", r.token("").Token, `{"user":{"id":"dl_ann"}}`)
	if a.status != 400 {
		t.Errorf("started as dl_ann without a token for it: %d %s", a.status, a.body)
	}
}

func TestSenderIsTheUserOfTheToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.post(o, `{"type":"message","text":"hi","from":{"id":"dl_bob","name":"Bob","role":"bot",
		"aadObjectId":"11111111-1111-1111-1111-111111111111","tenantId":"t","email":"bob@example.com"},
		"channelData":{"tenant":{"id":"other"},"keep":{"n":9007199254740993}},
		"conversation":{"id":"elsewhere","tenantId":"other"},"recipient":{"id":"x"},
		"serviceUrl":"https://evil.example","channelId":"msteams","membersAdded":[{"id":"victim"}]}`)
	told := r.told()
	got := told[len(told)-1]
	if got.From.ID != "dl_ann" || got.From.Name != "DL_ANN" || got.From.AADObjectID != "" || got.From.TenantID != "" ||
		got.From.Role != activity.RoleUser || len(got.From.Extra) > 0 {
		t.Errorf("the bot heard it from %+v", got.From)
	}
	if got.TenantID() != "" || got.Conversation.ID != o.ConversationID || got.ChannelID != activity.ChannelDirectLine ||
		got.ServiceURL != r.srv.URL || got.Recipient.ID != "bot" || len(got.MembersAdded) > 0 {
		t.Errorf("the bot heard tenant %q, %+v", got.TenantID(), got)
	}
	if string(got.ChannelData) != `{"keep":{"n":9007199254740993}}` {
		t.Errorf("channel data became %s", got.ChannelData)
	}
	if echoed := r.poll(o, "").Activities[0]; echoed.From.ID != "dl_ann" || echoed.From.AADObjectID != "" {
		t.Errorf("the echo is from %+v", echoed.From)
	}
	if id := r.ids[len(r.ids)-1]; id.Kind != auth.KindEmbedded || id.ServiceURL != r.srv.URL {
		t.Errorf("the identity is %+v", id)
	}
}

func TestClientsCannotSayWhatOnlyAChannelSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	before := len(r.told())
	for _, body := range []string{
		`{"type":"conversationUpdate","membersAdded":[{"id":"victim"}]}`,
		`{"type":"installationUpdate","action":"remove"}`,
		`{"type":"contactRelationUpdate","action":"add"}`,
		`{"type":"deleteUserData"}`, `{"type":"trace"}`, `{"type":"whatever"}`,
		`{"type":"event","name":"ContinueConversation"}`, `{"type":"event","name":"CreateConversation"}`,
	} {
		if a := r.do("POST", o.path()+"/activities", o.Token, body); a.status != 400 || a.code(t) != "BadArgument" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if n := len(r.told()); n != before {
		t.Errorf("the bot heard %d of them", n-before)
	}
}

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

// endpoint makes a function a bot.
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

func TestMintToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := activity.ChannelAccount{ID: "dl_ann", Name: "Ann"}
	mint := func(user activity.ChannelAccount, id activity.ConversationID) (directline.Token, error) {
		return r.ch.MintToken(t.Context(), directline.MintRequest{User: user, ConversationID: id})
	}
	first, err := mint(ann, "")
	if err != nil || first.User.ID != "dl_ann" || first.ExpiresIn != 30*time.Minute {
		t.Fatalf("minted %+v, %v", first, err)
	}
	again, err := mint(ann, first.ConversationID) // a page that was loaded again before it started
	if err != nil || again.ConversationID != first.ConversationID || again.Token == first.Token {
		t.Fatalf("resumed %+v, %v", again, err)
	}
	o := opened{ConversationID: again.ConversationID, Token: again.Token}
	s := r.connect(r.reconnect(o, "?watermark=0").StreamURL)
	r.post(o, message("hi"))
	if got := s.read(1); got[0].From.Name != "Ann" {
		t.Errorf("said by %+v", got[0].From)
	}
	if n := len(r.told()); n != 3 {
		t.Errorf("the bot heard %d activities, want two joins and a message", n)
	}
	for _, id := range []activity.ConversationID{first.ConversationID, "AAAAAAAAAAAAAAAAAAAAAAAAAA-hu", "other"} {
		if _, err := mint(activity.ChannelAccount{ID: "dl_bob"}, id); !errors.Is(err, directline.ErrNotFound) {
			t.Errorf("Bob resumes %s: %v", id, err)
		}
	}
}

func TestSessionID(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	get := func(token string) string {
		a := r.do("GET", "/v3/directline/session/getsessionid", token, nil, "Cookie", "sessionId=forged")
		return decode[map[string]string](t, a)["sessionId"]
	}
	id := get(o.Token)
	if id == "" || id != get(r.reconnect(o, "").Token) || id == get(r.join("dl_ann").Token) {
		t.Errorf("session id %q is not that of the client", id)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	preflight := func(path, origin string) http.Header {
		a := r.do("OPTIONS", path, "", nil, "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type,x-ms-bot-agent")
		if a.status != http.StatusNoContent {
			t.Errorf("preflight of %s from %s: %d", path, origin, a.status)
		}
		return a.header
	}
	paths := []string{"/v3/directline/tokens/generate", "/v3/directline/conversations", o.path() + "/activities",
		o.path() + "/upload", o.path(), "/v3/directline/session/getsessionid"}
	for _, path := range paths {
		h := preflight(path, pageOrigin)
		if h.Get("Access-Control-Allow-Origin") != pageOrigin || h.Get("Access-Control-Max-Age") != "600" ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-ms-bot-agent") ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || h.Get("Vary") != "Origin" {
			t.Errorf("preflight of %s: %v", path, h)
		}
		wantCookies := ""
		if strings.HasSuffix(path, "getsessionid") {
			wantCookies = "true"
		}
		if got := h.Get("Access-Control-Allow-Credentials"); got != wantCookies {
			t.Errorf("preflight of %s allows credentials: %q", path, got)
		}
		for _, origin := range []string{"null", "https://evil.example", "http://www.example.com", "https://www.example.com:8443",
			"https://www.example.com.evil.example", "https://evil-www.example.com", "*", "https://WWW.example.com"} {
			if h := preflight(path, origin); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "Origin" {
				t.Errorf("preflight of %s from %s: %v", path, origin, h)
			}
		}
	}
	a := r.do("GET", o.path()+"/activities", o.Token, nil, "Origin", r.srv.URL)
	if a.header.Get("Access-Control-Allow-Origin") != r.srv.URL || a.header.Get("Access-Control-Expose-Headers") != "Retry-After" {
		t.Errorf("own origin: %v", a.header)
	}
	a = r.do("GET", o.path()+"/activities", "bad", nil, "Origin", pageOrigin)
	if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != pageOrigin {
		t.Errorf("a page cannot read why it was refused: %d %v", a.status, a.header)
	}
	if h := preflight("/v3/conversations", pageOrigin); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("pages may call the bots' side: %v", h)
	}
}

func TestSecretIsNotForPages(t *testing.T) {
	t.Parallel()
	for _, development := range []bool{false, true} {
		r := newRig(t, nil, func(c *directline.Config) { c.Development = development })
		a := r.do("POST", "/v3/directline/conversations", siteSecret, nil, "Origin", pageOrigin)
		if want := map[bool]int{false: 403, true: 201}[development]; a.status != want {
			t.Errorf("development %v: %d %s", development, a.status, a.body)
		}
	}
}
