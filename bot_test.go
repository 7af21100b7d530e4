package headsup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

type fixture struct {
	bot     *headsup.Bot
	channel *bottest.Recorder
	store   *memory.Store
}

func newBot(t *testing.T, h headsup.HandlerFunc, middleware ...headsup.Middleware) fixture {
	t.Helper()
	f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Verifier: auth.Development{}, Channel: f.channel, Turns: f.store,
		Middleware: append(middleware, state.Middleware(f.store)),
	}, h)
	if err != nil {
		t.Fatal(err)
	}
	f.bot = bot
	return f
}

// inbound is an activity as a channel sends it.
func inbound(id, conversation, text string) *activity.Activity {
	return &activity.Activity{
		Type: activity.TypeMessage, ID: activity.ID(id), ChannelID: "test", ServiceURL: "https://c.example.net",
		From: &activity.ChannelAccount{ID: "u"}, Recipient: &activity.ChannelAccount{ID: "b"},
		Conversation: &activity.ConversationAccount{ID: activity.ConversationID(conversation)}, Text: text,
	}
}

var developer = auth.Identity{Kind: auth.KindDevelopment}

func (f fixture) post(t *testing.T, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/messages", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	f.bot.ServeHTTP(w, r)
	return w
}

func encode(t *testing.T, a *activity.Activity) string {
	t.Helper()
	raw, err := activity.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestMessagingEndpoint runs the protocol's own cases against the endpoint.
func TestMessagingEndpoint(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/inbound/http.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Name    string            `json:"name"`
			Method  string            `json:"method"`
			Headers map[string]string `json:"headers"`
			Body    string            `json:"body"`
			Want    struct {
				Status  []int          `json:"status"`
				Body    map[string]any `json:"body"`
				BodyHas string         `json:"bodyHas"`
			} `json:"want"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) != 22 {
		t.Fatalf("%d cases, want 22", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			mux := headsup.NewMux()
			mux.Message(func(ctx context.Context, t *headsup.Turn) error {
				_, err := t.Send(ctx, activity.Message("one"), activity.Message("two"))
				return err
			})
			f := newBot(t, mux.HandleTurn)
			if c.Body == "$deep:100000" {
				c.Body = `{"type":"message","channelData":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
			}
			r := httptest.NewRequestWithContext(t.Context(), c.Method, "/api/messages", strings.NewReader(c.Body))
			for name, value := range c.Headers {
				r.Header.Set(name, strings.ReplaceAll(value, "$valid", "a.b.c"))
			}
			w := httptest.NewRecorder()
			f.bot.ServeHTTP(w, r)
			if !slices.Contains(c.Want.Status, w.Code) {
				t.Fatalf("status %d, want one of %v; body %s", w.Code, c.Want.Status, w.Body)
			}
			if w.Code >= 400 && len(f.channel.Sent()) > 0 {
				t.Error("a refused request made the bot speak")
			}
			var body map[string]any
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
					t.Fatalf("the answer is not JSON: %v", err)
				}
			}
			for member, want := range c.Want.Body {
				if body[member] != want {
					t.Errorf("%s is %v, want %v", member, body[member], want)
				}
			}
			if c.Want.BodyHas == "activities" {
				replies, _ := body["activities"].([]any)
				if len(replies) != 2 || len(f.channel.Sent()) != 0 {
					t.Errorf("%d replies in the answer and %d through the channel, want 2 and 0", len(replies), len(f.channel.Sent()))
				}
			}
		})
	}
}

func TestRefusalNamesTheMember(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(context.Context, *headsup.Turn) error { return nil })
	w := f.post(t, `{"type":"message","id":"1","channelId":"test","serviceUrl":"https://c","from":{"id":7},"conversation":{"id":"c"}}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "/from/id") {
		t.Errorf("answer %d %s, want 400 naming /from/id", w.Code, w.Body)
	}
}

func TestOutgoingActivityIsAddressedAndHasNoID(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		rs, err := t.Send(ctx, &activity.Activity{
			ID: "mine", Text: "x", Timestamp: activity.TimeOf(time.Now()), DeliveryMode: activity.DeliveryExpectReplies,
		}, activity.Message("y"))
		if err == nil && (len(rs) != 2 || rs[0].ID == "" || rs[0].ID == rs[1].ID) {
			err = errors.New("the ids that the channel gave are missing")
		}
		return err
	})
	if w := f.post(t, encode(t, inbound("7", "c", "hi"))); w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	got := f.channel.Sent()[0].Activity
	if got.ID != "" || got.Type != activity.TypeMessage || got.ReplyToID != "7" || got.From.ID != "b" || got.Recipient.ID != "u" ||
		got.Conversation.ID != "c" || got.ServiceURL != "https://c.example.net" || !got.Timestamp.IsZero() || got.DeliveryMode != "" {
		t.Errorf("sent %s", encode(t, got))
	}
}

func TestPanicFailsTheTurnAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		if t.Activity().Text == "boom" {
			panic("boom")
		}
		_, err := t.Say(ctx, "fine")
		return err
	})
	if w := f.post(t, encode(t, inbound("1", "c", "boom"))); w.Code != http.StatusInternalServerError {
		t.Errorf("a panic answers %d, want 500", w.Code)
	}
	if w := f.post(t, encode(t, inbound("2", "c", "hello"))); w.Code != http.StatusOK {
		t.Errorf("the turn after a panic answers %d, want 200", w.Code)
	}
}

func TestActivityThatArrivesTwiceRunsOnce(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	f := newBot(t, func(_ context.Context, t *headsup.Turn) error {
		runs.Add(1)
		t.Respond(headsup.InvokeResponse{Status: 207, Body: map[string]int{"run": int(runs.Load())}})
		return nil
	})
	a := inbound("1", "c", "")
	a.Type, a.Name = activity.TypeInvoke, "do"
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			answer, err := f.bot.Process(context.Background(), developer, a.Clone())
			if err != nil || answer.Status != 207 || string(answer.Body) != `{"run":1}` {
				t.Errorf("answer %d %s, %v", answer.Status, answer.Body, err)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Errorf("the handler ran %d times", n)
	}
	other := a.Clone()
	other.Conversation.ID = "other"
	if _, err := f.bot.Process(t.Context(), developer, other); err != nil || runs.Load() != 2 {
		t.Errorf("the same id in another conversation did not run: %v", err)
	}
}

func TestFailedTurnIsRunAgainAndCommitsNothing(t *testing.T) {
	t.Parallel()
	count := state.NewProperty[int](state.Conversation, "count")
	fail := true
	seen := -1
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		n, err := count.Load(ctx, t)
		if err != nil {
			return err
		}
		seen = n
		if err := count.Set(ctx, t, n+1); err != nil {
			return err
		}
		if fail {
			return errors.New("no")
		}
		return nil
	})
	a := inbound("1", "c", "x")
	if _, err := f.bot.Process(t.Context(), developer, a); err == nil {
		t.Fatal("the handler's error is lost")
	}
	fail = false
	if _, err := f.bot.Process(t.Context(), developer, a); err != nil {
		t.Fatal(err)
	}
	if seen != 0 {
		t.Errorf("the second run saw count %d, want 0: the failed turn was committed", seen)
	}
	if _, err := f.bot.Process(t.Context(), developer, inbound("2", "c", "x")); err != nil || seen != 1 {
		t.Errorf("the third run saw count %d (%v), want 1", seen, err)
	}
}

func TestUnverifiedIdentityIsRefused(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(context.Context, *headsup.Turn) error { t.Error("the handler ran"); return nil })
	_, err := f.bot.Process(t.Context(), auth.Identity{}, inbound("1", "c", "x"))
	if refused, ok := errors.AsType[*auth.Error](err); !ok || refused.Status != http.StatusUnauthorized {
		t.Errorf("error %v, want a 401", err)
	}
}

// refusing is a verifier that lets nobody in.
type refusing struct{ err error }

func (v refusing) Verify(context.Context, []string, *activity.Activity) (auth.Identity, error) {
	return auth.Identity{Kind: auth.KindChannel}, v.err
}

// TestWhoeverIsRefusedIsToldLittle: the status and the same few words, whatever was wrong, and nothing is stored.
func TestWhoeverIsRefusedIsToldLittle(t *testing.T) {
	t.Parallel()
	const secret = "why_it_was_refused"
	for name, c := range map[string]struct {
		err    error
		status int
		header string
		value  string
	}{
		"not proven":       {&auth.Error{Status: http.StatusUnauthorized, Reason: secret}, 401, "WWW-Authenticate", "Bearer"},
		"not allowed":      {&auth.Error{Status: http.StatusForbidden, Reason: secret}, 403, "WWW-Authenticate", ""},
		"nothing to check": {&auth.Error{Status: http.StatusBadRequest, Reason: secret}, 400, "WWW-Authenticate", ""},
		"nobody knows":     {fmt.Errorf("%w: %s", auth.ErrKeysUnavailable, secret), 503, "Retry-After", "1"},
	} {
		f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
		bot, err := headsup.New(headsup.Config{
			AppID: "app", Verifier: refusing{c.err}, Channel: f.channel, Turns: f.store,
		}, headsup.HandlerFunc(func(context.Context, *headsup.Turn) error { t.Error("the handler ran"); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		f.bot = bot
		w := f.post(t, encode(t, inbound("1", "c", "x")))
		if w.Code != c.status || w.Header().Get(c.header) != c.value || w.Body.Len() > 200 || strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
}

func TestBotWithoutVerifierRefusesEverybody(t *testing.T) {
	t.Parallel()
	bot, err := headsup.New(headsup.Config{Channel: &bottest.Recorder{}, Turns: memory.New()}, headsup.NewMux())
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{bot: bot}
	if w := f.post(t, encode(t, inbound("1", "c", "x"))); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("answer %d, want 401 with WWW-Authenticate", w.Code)
	}
}

// unread is a body that nobody may look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, errors.New("not to be read")
}

func TestWhoIsNotLetInIsNotReadEither(t *testing.T) {
	t.Parallel()
	tokens, err := auth.New(auth.Config{AppID: "app"})
	if err != nil {
		t.Fatal(err)
	}
	two := []string{"Bearer a.b.c", "Bearer a.b.c"}
	for name, c := range map[string]struct {
		verifier      auth.Verifier
		authorization []string
		reason        string
	}{
		"nobody is let in":            {nil, []string{"Bearer a.b.c"}, "no_verifier"},
		"no token":                    {tokens, nil, "token_missing"},
		"no bearer token":             {tokens, []string{"Basic eA=="}, "not_a_bearer_token"},
		"two tokens":                  {tokens, two, "several_authorization_headers"},
		"no proof":                    {tokens, []string{"Bearer e30.e30.eA"}, "algorithm_not_allowed"},
		"two headers, in development": {auth.Development{}, two, "several_authorization_headers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, log := new(notes), &bytes.Buffer{}
			bot, err := headsup.New(headsup.Config{
				Verifier: c.verifier, Channel: &bottest.Recorder{}, Turns: memory.New(), Observer: n,
				Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}, headsup.NewMux())
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/messages", unread{t})
				r.Header["Authorization"] = c.authorization
				w := httptest.NewRecorder()
				bot.ServeHTTP(w, r)
				if want := `{"error":{"code":"Unauthorized","message":"Unauthorized"}}`; w.Code != http.StatusUnauthorized || w.Body.String() != want {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			if want := slices.Repeat([]string{"refused: " + c.reason}, 3); !slices.Equal(n.lines, want) {
				t.Errorf("observed %q, want %q", n.lines, want)
			}
			if info, debug := strings.Count(log.String(), "level=INFO"), strings.Count(log.String(), "level=DEBUG"); info != 1 || debug != 2 {
				t.Errorf("%d lines at info and %d at debug, want 1 and 2:\n%s", info, debug, log)
			}
		})
	}
}

func TestRefusalsAreLoggedOnceAMinuteForEachReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		bot, err := headsup.New(headsup.Config{
			Verifier: auth.Development{}, Channel: &bottest.Recorder{}, Turns: memory.New(), Logger: slog.New(slog.NewTextHandler(log, nil)),
		}, headsup.NewMux())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for range 10 {
				for _, authorization := range [][]string{{"Basic x"}, {"Bearer x", "Bearer y"}} {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/messages", unread{t})
					r.Header["Authorization"] = authorization
					bot.ServeHTTP(httptest.NewRecorder(), r)
				}
			}
			time.Sleep(time.Minute)
		}
		if n := strings.Count(log.String(), "activity refused"); n != 6 {
			t.Errorf("%d lines of two reasons in three minutes, want 6", n)
		}
	})
}

func TestConversationDoesOneThingAtATime(t *testing.T) {
	t.Parallel()
	var inside atomic.Int32
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		if inside.Add(1) > 1 {
			return errors.New("two turns at once")
		}
		defer inside.Add(-1)
		_, err := t.Say(ctx, "x")
		return err
	})
	ref := inbound("0", "c", "").Reference()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				err = f.bot.Continue(context.Background(), ref, nil)
			} else {
				_, err = f.bot.Process(context.Background(), developer, inbound(string(rune('a'+i)), "c", "x"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestTurnThatTakesTooLongAnswers503(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newBot(t, func(ctx context.Context, _ *headsup.Turn) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		start := time.Now()
		w := f.post(t, encode(t, inbound("1", "c", "x")))
		if w.Code != http.StatusServiceUnavailable || time.Since(start) != 13*time.Second {
			t.Errorf("answer %d after %v, want 503 after 13s", w.Code, time.Since(start))
		}
	})
}

func TestInvokeResponse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		respond func(context.Context, *headsup.Turn) error
		status  int
		body    string
	}{
		"without status": {func(_ context.Context, t *headsup.Turn) error {
			t.Respond(headsup.InvokeResponse{Body: "yes"})
			return nil
		}, 200, `"yes"`},
		"that is no HTTP status": {func(_ context.Context, t *headsup.Turn) error {
			t.Respond(headsup.InvokeResponse{Status: 7})
			return nil
		}, 500, ""},
		"sent as an activity, as other SDKs do": {func(ctx context.Context, t *headsup.Turn) error {
			_, err := t.Send(ctx, &activity.Activity{Type: activity.TypeInvokeResponse, Value: []byte(`{"status":412,"body":{"a":1}}`)})
			return err
		}, 412, `{"a":1}`},
		"without body": {func(ctx context.Context, t *headsup.Turn) error {
			_, err := t.Send(ctx, &activity.Activity{Type: activity.TypeInvokeResponse, Value: []byte(`{"status":202}`)})
			return err
		}, 202, ""},
		"unreadable": {func(ctx context.Context, t *headsup.Turn) error {
			_, err := t.Send(ctx, &activity.Activity{Type: activity.TypeInvokeResponse, Value: []byte(`"ok"`)})
			return err
		}, 500, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newBot(t, c.respond)
			a := inbound("1", "c", "")
			a.Type, a.Name = activity.TypeInvoke, "do"
			w := f.post(t, encode(t, a))
			if w.Code != c.status || c.status < 500 && w.Body.String() != c.body {
				t.Errorf("answer %d %s, want %d %s", w.Code, w.Body, c.status, c.body)
			}
			if len(f.channel.Sent()) > 0 {
				t.Error("it was posted to the channel")
			}
		})
	}
}

func TestHandlersErrorsAreNotTheSendersFault(t *testing.T) {
	t.Parallel()
	_, unreadable := activity.Decode([]byte(`{}`))
	for name, err := range map[string]error{
		"of decoding": unreadable, "of somebody else's check": &auth.Error{Status: http.StatusForbidden, Reason: "x"},
	} {
		f := newBot(t, func(context.Context, *headsup.Turn) error { return err })
		if w := f.post(t, encode(t, inbound("1", "c", "x"))); w.Code != http.StatusInternalServerError {
			t.Errorf("an error %s answers %d, want 500", name, w.Code)
		}
	}
}

func TestHandlerMayChangeTheActivity(t *testing.T) {
	t.Parallel()
	runs := 0
	f := newBot(t, func(_ context.Context, t *headsup.Turn) error {
		runs++
		t.Activity().ID, t.Activity().Type = "", activity.TypeMessage
		t.Respond(headsup.InvokeResponse{Status: 207})
		return nil
	})
	a := inbound("1", "c", "")
	a.Type, a.Name = activity.TypeInvoke, "do"
	for range 2 {
		if w := f.post(t, encode(t, a)); w.Code != 207 {
			t.Errorf("answer %d, want the invoke's", w.Code)
		}
	}
	if runs != 1 {
		t.Errorf("the activity ran %d times", runs)
	}
}

func TestBadConfigNamesItsField(t *testing.T) {
	t.Parallel()
	good := headsup.Config{Channel: &bottest.Recorder{}, Turns: memory.New()}
	for field, spoil := range map[string]func(*headsup.Config){
		"Channel":     func(c *headsup.Config) { c.Channel = nil },
		"Turns":       func(c *headsup.Config) { c.Turns = nil },
		"TurnTimeout": func(c *headsup.Config) { c.TurnTimeout = headsup.LeaseTime },
		"MaxBody":     func(c *headsup.Config) { c.MaxBody = -1 },
	} {
		bad := good
		spoil(&bad)
		if _, err := headsup.New(bad, headsup.NewMux()); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error %v, want one that names %s", err, field)
		}
	}
	if _, err := headsup.New(good, nil); err == nil {
		t.Error("a bot without handler was made")
	}
}

func TestTurnThatRunsAgainSaysNothingTwiceWhereTheChannelCanTell(t *testing.T) {
	t.Parallel()
	runs := 0
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		runs++
		if _, err := t.Send(ctx, activity.Message("working on it"), activity.Message("working on it")); err != nil {
			return err
		}
		if runs == 1 {
			return errors.New("no")
		}
		_, err := t.Say(ctx, "done")
		return err
	})
	f.channel.Once = true
	a := inbound("1", "c", "x")
	if _, err := f.bot.Process(t.Context(), developer, a); err == nil {
		t.Fatal("no error")
	}
	if _, err := f.bot.Process(t.Context(), developer, a); err != nil {
		t.Fatal(err)
	}
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{"working on it", "working on it", "done"}) {
		t.Errorf("said %q", got)
	}
}
