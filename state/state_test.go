package state_test

import (
	"context"
	"errors"
	"testing"

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
		Type: activity.TypeMessage, ChannelID: "test", ServiceURL: "https://c.example.net",
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

func TestChangeBehindATurnFailsIt(t *testing.T) {
	t.Parallel()
	visits, store := state.NewProperty[int](state.User, "visits"), memory.New()
	err := say(t, store, "ann", "c1", func(ctx context.Context, turn *headsup.Turn) error {
		if _, err := visits.Load(ctx, turn); err != nil {
			return err
		}
		// Ann says something in another conversation meanwhile.
		err := say(t, store, "ann", "c2", func(ctx context.Context, t *headsup.Turn) error { return visits.Set(ctx, t, 2) })
		return errors.Join(err, visits.Set(ctx, turn, 1))
	})
	if !errors.Is(err, state.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
	if got := stored(t, store, "test/users/ann/"); got != `{"visits":2}` {
		t.Errorf("stored %s", got)
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
