package proactive_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Tests(m).Run()) }

// racer is a node: an engine with its bot, whose turns, the person's own and those that nobody asked for, count in the
// conversation's state and never run at the same time.
type racer struct {
	engine *proactive.Engine
	bot    *headsup.Bot
}

// tally is what all nodes of a race see.
type tally struct {
	mu      sync.Mutex
	inside  map[activity.ConversationID]bool
	overlap atomic.Int64
	turns   atomic.Int64
}

func (a *tally) enter(id activity.ConversationID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inside[id] {
		a.overlap.Add(1)
	}
	a.inside[id] = true
}

func (a *tally) leave(id activity.ConversationID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside[id] = false
}

var counted = state.NewProperty[int](state.Conversation, "turns")

type raceStore interface {
	proactive.Store
	headsup.Turns
	state.Store
}

func newRacer(t *testing.T, store raceStore, ch headsup.Channel, a *tally, rivals []activity.Reference) racer {
	t.Helper()
	var r racer
	var err error
	if r.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: ch}); err != nil {
		t.Fatal(err)
	}
	turn := func(ctx context.Context, t *headsup.Turn) error {
		id := t.Key().Conversation
		a.enter(id)
		defer a.leave(id)
		n, err := counted.Load(ctx, t)
		if err != nil {
			return err
		}
		if err := counted.Set(ctx, t, n+1); err != nil {
			return err
		}
		for _, ref := range rivals { // their own conversation nests, each other's is refused and does not wait
			err := r.bot.Continue(ctx, ref, headsup.HandlerFunc(func(context.Context, *headsup.Turn) error { return nil }))
			if own := ref.Conversation.ID == id; own != (err == nil) {
				return fmt.Errorf("continue %s from %s: %w", ref.Conversation.ID, id, err)
			}
		}
		a.turns.Add(1)
		if t.Proactive() {
			_, err = t.Say(ctx, string(t.Activity().Value))
		}
		return err
	}
	if r.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: ch, Turns: store, Notifier: r.engine,
		Middleware: []headsup.Middleware{r.engine.Middleware(), state.Middleware(store), r.engine.Replies()},
	}, headsup.HandlerFunc(turn)); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Converse(r.bot, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Handle("bot", r.bot, headsup.HandlerFunc(turn)); err != nil {
		t.Fatal(err)
	}
	return r
}

// race has people answer in the moment in which notifications come, so many times, on nodes over one store.
func race(t *testing.T, times int, stores ...raceStore) {
	t.Helper()
	const people = 2
	ch, a := &bottest.Recorder{}, &tally{inside: make(map[activity.ConversationID]bool)}
	refs := make([]activity.Reference, people)
	for p := range refs {
		refs[p] = inbound("", fmt.Sprint("c", p), fmt.Sprint("person", p), "").Reference()
	}
	var nodes []racer
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, s := range stores {
		r := newRacer(t, s, ch, a, refs)
		nodes = append(nodes, r)
		running.Go(func() {
			if err := r.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	last := make([]headsup.NotificationID, people)
	for p, ref := range refs {
		for i := range times {
			speak, tell := nodes[i%len(nodes)], nodes[(i+1)%len(nodes)]
			begin := make(chan struct{})
			var both sync.WaitGroup
			both.Go(func() {
				<-begin
				said := inbound(fmt.Sprint("said-", i), string(ref.Conversation.ID), string(ref.User.ID), "x")
				if _, err := speak.bot.Process(ctx, developer, said); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				<-begin
				accepted, err := tell.engine.Notify(ctx, headsup.Notification{
					To: headsup.ToConversation(ref), Handler: "bot", Value: fmt.Appendf(nil, "%d", i),
				})
				if err != nil {
					t.Error(err)
				}
				last[p] = accepted.ID
			})
			close(begin)
			both.Wait()
		}
	}
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, id := range last {
		if s, err := nodes[0].engine.Wait(deadline, id); err != nil || !s.Settled() {
			t.Errorf("not done: %v, %v", s.State(), err)
		}
	}
	if n := a.overlap.Load(); n > 0 {
		t.Errorf("%d turns have run in the middle of another", n)
	}
	for p, ref := range refs {
		key := state.Key{AppID: "app", Path: state.ConversationPath(headsup.KeyOf("app", ref))}
		docs, err := stores[0].ReadState(ctx, []state.Key{key})
		if want := fmt.Sprintf(`"turns":%d`, 2*times); err != nil || !strings.Contains(string(docs[key].Value), want) {
			t.Errorf("the state is %s, want %s: %v", docs[key].Value, want, err)
		}
		want := make([]string, times)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		if got := ch.Texts(ref.Conversation.ID); !slices.Equal(got, want) {
			t.Errorf("person %d was told %d things, not the %d in their order", p, len(got), times)
		}
	}
	stop()
	running.Wait()
}

// TestAnswerInTheMomentOfANotification: no state is lost, no turn runs in another, the order is kept, and nobody waits for
// ever.
func TestAnswerInTheMomentOfANotification(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		race(t, 500, memory.New())
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		race(t, raceTimes, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("three nodes", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Shared(t).Database(t)
		var stores []raceStore
		for range 3 {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			stores = append(stores, s)
		}
		race(t, 50, stores...)
	})
}
