package proactive_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/outbox"
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
	turns   map[activity.ConversationID]int
	overlap atomic.Int64
}

func (a *tally) enter(id activity.ConversationID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inside[id] {
		a.overlap.Add(1)
	}
	a.inside[id] = true
}

func (a *tally) leave(id activity.ConversationID, failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside[id] = false
	if !failed {
		a.turns[id]++
	}
}

var counted = state.NewProperty[int](state.Conversation, "turns")

type raceStore interface {
	proactive.Store
	headsup.Turns
	state.Store
}

type insideKey struct{}

// count is the middleware that counts turns, in the state of their conversation, and has each continue all conversations.
func (r *racer) count(a *tally, rivals []activity.Reference) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) (err error) {
			if t.Value(insideKey{}) != nil { // it nests
				return next.HandleTurn(ctx, t)
			}
			t.SetValue(insideKey{}, true)
			id := t.Key().Conversation
			a.enter(id)
			defer func() { a.leave(id, err != nil) }()
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
			return next.HandleTurn(ctx, t)
		})
	}
}

// heard is what the bot does when a person says something, and with answers: it begins or ends to be busy, and may tell the
// other person, in the step that ends the turn.
func heard(rivals []activity.Reference) headsup.HandlerFunc {
	return func(ctx context.Context, t *headsup.Turn) error {
		what, n, _ := strings.Cut(t.Activity().Text, " ")
		switch what {
		case "begin":
			return t.Busy(headsup.Busy{Reason: "a race"})
		case "end":
			return t.Free("")
		case "pass":
			for _, ref := range rivals {
				if ref.Conversation.ID == t.Key().Conversation {
					continue
				}
				if _, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(ref), Text: "passed " + n}); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// says has the bot say a notification's value, which may come with a [proactive.Notice].
func says(ctx context.Context, t *headsup.Turn) error {
	value := t.Activity().Value
	if value.Kind() == '{' {
		var n proactive.Notice
		if err := json.Unmarshal(value, &n); err != nil {
			return err
		}
		value = n.Value
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return err
	}
	_, err := t.Say(ctx, text)
	return err
}

func newRacer(t *testing.T, store raceStore, ch headsup.Channel, a *tally, refs []activity.Reference) *racer {
	t.Helper()
	r := new(racer)
	var err error
	if r.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: ch}); err != nil {
		t.Fatal(err)
	}
	if r.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: ch, Turns: store, Notifier: r.engine,
		Middleware: []headsup.Middleware{r.engine.Middleware(), state.Middleware(store), r.count(a, refs), r.engine.Replies()},
	}, heard(refs)); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Converse(r.bot, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Handle("says", r.bot, headsup.HandlerFunc(says)); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Handle("takes", r.bot, heard(refs)); err != nil {
		t.Fatal(err)
	}
	return r
}

// raced is the i-th notification to somebody: every way in which one can take part in a conversation in turn.
func raced(ref activity.Reference, i int) headsup.Notification {
	kinds := []headsup.Notification{
		{Handler: "says"},
		{Handler: "says", Policy: headsup.Policy{Name: headsup.PolicyWait}},
		{Policy: headsup.Policy{Name: headsup.PolicyInterrupt, With: "says"}},
		{},
		{Policy: headsup.Policy{Name: headsup.PolicyCancel}},
		{Policy: headsup.Policy{Expects: headsup.Reply{Wanted: true, To: "takes"}}},
	}
	n := kinds[i%len(kinds)]
	n.To = headsup.ToConversation(ref)
	if n.Handler == "" && n.Policy.With == "" {
		n.Text = textOf(i)
	} else {
		n.Value = jsontext.Value(strconv.Quote(textOf(i)))
	}
	return n
}

// textOf is what the i-th notification says.
func textOf(i int) string { return fmt.Sprint("told ", i) }

// answer is what the person says in the moment of the i-th notification.
func answer(i int) string {
	return []string{"begin", "end", "pass", "nothing"}[i%4] + fmt.Sprintf(" %d", i)
}

// race has people answer in the moment in which notifications come, so many times in all, on nodes over one store.
func race(t *testing.T, times int, stores ...raceStore) {
	t.Helper()
	const people = 2
	times /= people
	ch := &bottest.Recorder{}
	a := &tally{inside: make(map[activity.ConversationID]bool), turns: make(map[activity.ConversationID]int)}
	refs := make([]activity.Reference, people)
	for p := range refs {
		refs[p] = inbound("", fmt.Sprint("c", p), fmt.Sprint("person", p), "").Reference()
	}
	var nodes []*racer
	ctx, stop := context.WithCancel(context.Background())
	var running, playing sync.WaitGroup
	for _, s := range stores {
		r := newRacer(t, s, ch, a, refs)
		nodes = append(nodes, r)
		running.Go(func() {
			if err := r.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	released := make([]map[int]time.Time, people)
	for p, ref := range refs {
		who := &racing{t: t, nodes: nodes, ref: ref, ch: ch}
		playing.Go(func() {
			who.hear(ctx, 0, "hello", "nothing")
			for i := range times {
				who.both(ctx, i)
			}
			released[p] = who.finish(ctx, stores[0])
		})
	}
	playing.Wait()
	deadline, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	// What people have passed on has no id here.
	if !ch.Await(deadline, func(sent []headsup.Outgoing) bool { return len(sent) >= people*(times+passes(times)) }) {
		t.Errorf("people were told %d things, want %d", len(ch.Sent()), people*(times+passes(times)))
	}
	stop()
	running.Wait()
	if n := a.overlap.Load(); n > 0 {
		t.Errorf("%d turns have run in the middle of another", n)
	}
	for p, ref := range refs {
		key := state.Key{AppID: "app", Path: state.ConversationPath(headsup.KeyOf("app", ref))}
		docs, err := stores[0].ReadState(t.Context(), []state.Key{key})
		if want := fmt.Sprintf(`"turns":%d`, a.turns[ref.Conversation.ID]); err != nil || !strings.Contains(string(docs[key].Value), want) {
			t.Errorf("the state is %s, want %s: %v", docs[key].Value, want, err)
		}
		checkTold(t, p, times, ch.Texts(ref.Conversation.ID), released[p])
	}
}

// racing is a person, to whom something is said by one node in the moment in which another one hears them.
type racing struct {
	t     *testing.T
	nodes []*racer
	ref   activity.Reference
	ch    *bottest.Recorder
	ids   []headsup.NotificationID
}

func (r *racing) hear(ctx context.Context, node int, id, text string) {
	said := inbound(id, string(r.ref.Conversation.ID), string(r.ref.User.ID), text)
	if _, err := r.nodes[node%len(r.nodes)].bot.Process(ctx, developer, said); err != nil {
		r.t.Errorf("%s: %v", id, err)
	}
}

// both has the i-th of both happen at once, and returns when what waits for nothing was said: the next answer then meets its
// commit.
func (r *racing) both(ctx context.Context, i int) {
	begin := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() {
		<-begin
		r.hear(ctx, i, fmt.Sprint("said-", i), answer(i))
	})
	both.Go(func() {
		<-begin
		accepted, err := r.nodes[(i+1)%len(r.nodes)].engine.Notify(ctx, raced(r.ref, i))
		if err != nil {
			r.t.Error(err)
		}
		r.ids = append(r.ids, accepted.ID)
	})
	close(begin)
	both.Wait()
	n := raced(r.ref, i)
	if n.Policy.Name == headsup.PolicyWait || r.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if !r.ch.Await(ctx, func(sent []headsup.Outgoing) bool {
		return slices.ContainsFunc(sent[max(0, len(sent)-recent):], func(o headsup.Outgoing) bool {
			return o.Reference.Conversation.ID == r.ref.Conversation.ID && o.Activity.Text == textOf(i)
		})
	}) {
		r.t.Errorf("notification %d to %s was not said", i, r.ref.Conversation.ID)
	}
}

// recent is how many are said at most while somebody waits for one.
const recent = 1000

// finish answers what is asked and ends what has begun until everything was said, and returns when what was held was
// released, the last time.
func (r *racing) finish(ctx context.Context, store raceStore) map[int]time.Time {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	released := make(map[int]time.Time)
	for i, n := 0, 0; i < len(r.ids) && !r.t.Failed(); {
		c, err := store.Conversation(ctx, headsup.KeyOf("app", r.ref))
		if err != nil {
			r.t.Error(err)
			return released
		}
		if len(headsup.StillBusy(c.Busy, time.Now())) > 0 {
			r.hear(ctx, n, fmt.Sprint("last-", n), "end")
			n++
		}
		soon, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		s, err := r.nodes[0].engine.Wait(soon, r.ids[i])
		stop()
		switch {
		case err != nil || ctx.Err() != nil || s.Settled() && s.State() != outbox.StateDelivered:
			r.t.Errorf("notification %d to %s is %v: %v", i, r.ref.Conversation.ID, s.State(), err)
		case s.Settled():
			for n, c := range s.Deliveries[0].History[1:] { // n is the one before
				if s.Deliveries[0].History[n].State == outbox.StateHeld {
					released[i] = c.At
				}
			}
			i++
		}
	}
	return released
}

// passes is how often the other person passes something on.
func passes(times int) int { return (times + 1) / 4 }

// checkTold checks that somebody was told everything once, and in its order: what was never held in that of its acceptance,
// what was released together in that in which it was wanted, and what the other person has passed on in that of the turns.
func checkTold(t *testing.T, p, times int, texts []string, released map[int]time.Time) {
	t.Helper()
	seen := make(map[string]bool)
	told := make(map[string][]int)
	for _, text := range texts {
		if seen[text] {
			t.Errorf("person %d was told twice: %s", p, text)
		}
		seen[text] = true
		kind, number, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("person %d was told %q", p, text)
		}
		at, held := released[n]
		switch {
		case kind == "passed":
		case held:
			kind = "released at " + at.String()
		default:
			kind = "never held"
		}
		told[kind] = append(told[kind], n)
	}
	if len(texts) != times+passes(times) {
		t.Errorf("person %d was told %d things, want %d and %d", p, len(texts), times, passes(times))
	}
	for kind, in := range told {
		if !slices.IsSorted(in) {
			t.Errorf("person %d was told out of order (%s): %v", p, kind, unsorted(in))
		}
	}
}

// unsorted are the places where an order is broken.
func unsorted(in []int) (pairs [][2]int) {
	for i := 1; i < len(in); i++ {
		if in[i] < in[i-1] {
			pairs = append(pairs, [2]int{in[i-1], in[i]})
		}
	}
	return pairs
}

// TestAnswerInTheMomentOfANotification: no state is lost, no turn runs in another, the order is kept, and nobody waits for
// ever.
func TestAnswerInTheMomentOfANotification(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		race(t, 1000, memory.New())
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
		race(t, raceTimesOfNodes, stores...)
	})
}
