package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// say runs a turn in which a person says something in a conversation.
func say(t *testing.T, store *memory.Store, user, conversation string, h headsup.HandlerFunc) error {
	t.Helper()
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: &bottest.Recorder{}, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)},
	}, h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = bot.Process(t.Context(), auth.Identity{Kind: auth.KindDevelopment}, &activity.Activity{
		Type: activity.TypeMessage, Text: "hello", ChannelID: "test", ServiceURL: "https://c.example.net",
		From: &activity.ChannelAccount{ID: activity.AccountID(user)}, Recipient: &activity.ChannelAccount{ID: "bot"},
		Conversation: &activity.ConversationAccount{ID: activity.ConversationID(conversation)},
	})
	return err
}

func stored(t *testing.T, store *memory.Store, path string) string {
	t.Helper()
	key := state.Key{AppID: "app", Path: path}
	found, err := store.ReadState(t.Context(), []state.Key{key})
	if err != nil {
		t.Fatal(err)
	}
	return string(found[key].Value)
}

func TestScopesAreShared(t *testing.T) {
	t.Parallel()
	cases := map[state.Scope]struct {
		path string
		want map[[2]string]int // after a visit of Ann in c1: what others see
	}{
		state.Conversation: {"test/conversations/c1/", map[[2]string]int{{"ann", "c1"}: 1, {"ben", "c1"}: 1, {"ann", "c2"}: 0}},
		state.User:         {"test/users/ann/", map[[2]string]int{{"ann", "c1"}: 1, {"ben", "c1"}: 0, {"ann", "c2"}: 1}},
		state.Private:      {"test/conversations/c1/users/ann/", map[[2]string]int{{"ann", "c1"}: 1, {"ben", "c1"}: 0, {"ann", "c2"}: 0}},
	}
	for scope, c := range cases {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			visits, store := state.NewProperty[int](scope, "visits"), memory.New()
			err := say(t, store, "ann", "c1", func(ctx context.Context, t *headsup.Turn) error { return visits.Set(ctx, t, 1) })
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(t, store, c.path); got != `{"visits":1}` {
				t.Errorf("stored %s", got)
			}
			for who, want := range c.want {
				err := say(t, store, who[0], who[1], func(ctx context.Context, turn *headsup.Turn) error {
					got, err := visits.Load(ctx, turn)
					if got != want {
						t.Errorf("%s in %s sees %d, want %d", who[0], who[1], got, want)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestClearedPropertyIsGone(t *testing.T) {
	t.Parallel()
	a, b := state.NewProperty[string](state.Conversation, "a"), state.NewProperty[[]int](state.Conversation, "b")
	store := memory.New()
	steps := []struct {
		h    headsup.HandlerFunc
		want string
	}{
		{func(ctx context.Context, t *headsup.Turn) error {
			return errors.Join(a.Set(ctx, t, "x"), b.Set(ctx, t, []int{1}))
		}, `{"a":"x","b":[1]}`},
		{func(ctx context.Context, t *headsup.Turn) error { return a.Clear(ctx, t) }, `{"b":[1]}`},
		{func(ctx context.Context, t *headsup.Turn) error { return b.Clear(ctx, t) }, ``},
		{func(ctx context.Context, t *headsup.Turn) error {
			return errors.Join(a.Set(ctx, t, "y"), a.Clear(ctx, t))
		}, ``},
		{func(ctx context.Context, t *headsup.Turn) error { return a.Set(ctx, t, "z") }, `{"a":"z"}`},
	}
	for i, step := range steps {
		if err := say(t, store, "ann", "c", step.h); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if got := stored(t, store, "test/conversations/c/"); got != step.want {
			t.Errorf("step %d: stored %s, want %s", i, got, step.want)
		}
	}
}

// meanwhile lets Ann say something in another conversation, which counts a visit.
func meanwhile(t *testing.T, store *memory.Store, visits state.Property[int]) error {
	return say(t, store, "ann", "c2", func(ctx context.Context, turn *headsup.Turn) error {
		return visits.Update(ctx, turn, func(n *int) error { *n++; return nil })
	})
}

func TestChangeBehindATurnRunsItAgain(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	var texts []string
	err := say(t, store, "ann", "c1", func(ctx context.Context, turn *headsup.Turn) error {
		texts = append(texts, turn.Activity().Text)
		turn.Activity().Text = "changed"
		n, err := visits.Load(ctx, turn)
		if err != nil {
			return err
		}
		if len(texts) < 4 {
			err = meanwhile(t, store, visits)
		}
		return errors.Join(err, visits.Set(ctx, turn, n+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := stored(t, store, "test/users/ann/"); got != `{"visits":4}` {
		t.Errorf("stored %s", got)
	}
	if got := strings.Join(texts, " "); got != "hello hello hello hello" {
		t.Errorf("the turn was run with %q", got)
	}
}

func TestChangeBehindATurnThatHasSpokenFailsIt(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	runs := 0
	err := say(t, store, "ann", "c1", func(ctx context.Context, turn *headsup.Turn) error {
		runs++
		if _, err := visits.Load(ctx, turn); err != nil {
			return err
		}
		_, err := turn.Say(ctx, "Welcome back!")
		return errors.Join(err, meanwhile(t, store, visits), visits.Set(ctx, turn, 1000))
	})
	if !errors.Is(err, state.ErrConflict) || runs != 1 {
		t.Errorf("error %v after %d runs, want ErrConflict after one", err, runs)
	}
	if got := stored(t, store, "test/users/ann/"); got != `{"visits":1}` {
		t.Errorf("stored %s", got)
	}
}

func TestTurnThatConflictsForEverEnds(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	runs := 0
	err := say(t, store, "ann", "c1", func(ctx context.Context, turn *headsup.Turn) error {
		runs++
		_, err := visits.Load(ctx, turn)
		return errors.Join(err, meanwhile(t, store, visits), visits.Set(ctx, turn, 1000))
	})
	if !errors.Is(err, headsup.ErrConflict) || runs < 2 || runs > 20 {
		t.Errorf("error %v after %d runs", err, runs)
	}
}

// TestCountTogether: many conversations change one document at the same time, and none is lost.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	log, store := state.NewProperty[map[string]int](state.Named("jobs"), "log"), memory.New()
	const people, rounds = 8, 10
	var wg sync.WaitGroup
	for i := range people {
		who := fmt.Sprint("p", i)
		wg.Go(func() {
			for done := 0; done < rounds; {
				err := say(t, store, who, who, func(ctx context.Context, turn *headsup.Turn) error {
					return log.Update(ctx, turn, func(m *map[string]int) error {
						if *m == nil {
							*m = make(map[string]int)
						}
						(*m)[who]++
						return nil
					})
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, state.ErrConflict): // who lost too often is told, and asks again
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var m struct {
		Log map[string]int `json:"log"`
	}
	got := stored(t, store, "jobs")
	if err := json.Unmarshal([]byte(got), &m); err != nil {
		t.Fatal(err)
	}
	for i := range people {
		if n := m.Log[fmt.Sprint("p", i)]; n != rounds {
			t.Errorf("p%d counted %d of %d; stored %s", i, n, rounds, got)
		}
	}
}

func TestNamedScopeIsEverybodys(t *testing.T) {
	t.Parallel()
	jobs, store := state.NewProperty[int](state.Named("ProactiveBot.JobState"), "jobs"), memory.New()
	for i, who := range [][2]string{{"ann", "c1"}, {"ben", "c2"}} {
		err := say(t, store, who[0], who[1], func(ctx context.Context, turn *headsup.Turn) error {
			return jobs.Update(ctx, turn, func(n *int) error { *n++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := stored(t, store, "ProactiveBot.JobState"), fmt.Sprintf(`{"jobs":%d}`, i+1); got != want {
			t.Errorf("stored %s, want %s", got, want)
		}
	}
	for _, bad := range []string{"", "test/users/ann/"} {
		p := state.NewProperty[int](state.Named(bad), "n")
		err := say(t, store, "ann", "c1", func(ctx context.Context, turn *headsup.Turn) error { return p.Set(ctx, turn, 1) })
		if err == nil {
			t.Errorf("a scope may be named %q", bad)
		}
	}
}

func TestForgottenScopeIsEmpty(t *testing.T) {
	t.Parallel()
	a, store := state.NewProperty[int](state.Private, "a"), memory.New()
	for _, h := range []headsup.HandlerFunc{
		func(ctx context.Context, t *headsup.Turn) error { return a.Set(ctx, t, 1) },
		func(ctx context.Context, t *headsup.Turn) error { return state.Forget(ctx, t, state.Private) },
	} {
		if err := say(t, store, "ann", "c", h); err != nil {
			t.Fatal(err)
		}
	}
	if got := stored(t, store, "test/conversations/c/users/ann/"); got != "" {
		t.Errorf("stored %s", got)
	}
}

func TestDocumentThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	small, big := state.NewProperty[string](state.User, "small"), state.NewProperty[string](state.User, "history")
	store := memory.New()
	err := say(t, store, "ann", "c", func(ctx context.Context, t *headsup.Turn) error {
		return errors.Join(small.Set(ctx, t, "x"), big.Set(ctx, t, strings.Repeat("x", state.MaxDocument)))
	})
	var size *state.SizeError
	if !errors.As(err, &size) || size.Largest != "history" || size.Path != "test/users/ann/" || size.Size <= state.MaxDocument {
		t.Errorf("error %v, want a SizeError because of history", err)
	}
	if got := stored(t, store, "test/users/ann/"); got != "" {
		t.Errorf("stored %d bytes", len(got))
	}
}

func TestWhatIsUnchangedIsNotWritten(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	key, etag := state.Key{AppID: "app", Path: "test/users/ann/"}, ""
	for range 2 {
		err := say(t, store, "ann", "c", func(ctx context.Context, t *headsup.Turn) error { return visits.Set(ctx, t, 1) })
		if err != nil {
			t.Fatal(err)
		}
		found, err := store.ReadState(t.Context(), []state.Key{key})
		if err != nil {
			t.Fatal(err)
		}
		if etag != "" && found[key].ETag != etag {
			t.Error("the document was written again")
		}
		etag = found[key].ETag
	}
}

func TestWhatAPropertyNeeds(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	bot, err := headsup.New(headsup.Config{Channel: &bottest.Recorder{}, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)}}, headsup.NewMux())
	if err != nil {
		t.Fatal(err)
	}
	set := headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error { return visits.Set(ctx, t, 1) })
	nobody := activity.Reference{ChannelID: "test", Conversation: activity.ConversationAccount{ID: "c"}}
	if err := bot.Continue(t.Context(), nobody, set); !errors.Is(err, state.ErrMissingID) {
		t.Errorf("without a user: error %v, want ErrMissingID", err)
	}
	bare, err := headsup.New(headsup.Config{Channel: &bottest.Recorder{}, Turns: store}, headsup.NewMux())
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.Continue(t.Context(), nobody, set); err == nil {
		t.Error("without the middleware: no error")
	}
}
