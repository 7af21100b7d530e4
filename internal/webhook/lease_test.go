package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/store/memory"
)

// leases are those of webhooks, for several nodes on one memory store.
type leases struct {
	mu    sync.Mutex
	owner map[event.WebhookID]*node     // guarded by mu
	until map[event.WebhookID]time.Time // guarded by mu
}

// node is the store of one node; it implements [event.Leasing].
type node struct {
	*memory.Store
	*leases
	news chan struct{}
	cut  bool // it does not reach the database; guarded by leases.mu
}

func (n *node) EventNews() <-chan struct{} { return n.news }

func (n *node) LeaseWebhook(_ context.Context, id event.WebhookID, lease time.Duration) (bool, time.Duration, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	switch {
	case n.cut:
		return false, 0, fmt.Errorf("the database is away")
	case n.owner[id] != n && now.Before(n.until[id]):
		return false, n.until[id].Sub(now), nil
	}
	n.owner[id], n.until[id] = n, now.Add(lease)
	return true, lease, nil
}

func (n *node) ReleaseWebhook(_ context.Context, id event.WebhookID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.owner[id] == n {
		n.until[id] = time.Time{}
	}
	return nil
}

// nodes are services that share a store. Each is a world; their visits are those of all.
type nodes struct {
	*world
	each []*node
	stop []func() // ends a node
}

func newNodes(t *testing.T, n int) *nodes {
	t.Helper()
	ns := &nodes{world: newWorld(t, nil)}
	table := &leases{owner: make(map[event.WebhookID]*node), until: make(map[event.WebhookID]time.Time)}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range n {
		own := &node{Store: ns.store, leases: table, news: make(chan struct{}, 1)}
		s, err := webhook.New(webhook.Config{AppID: "app", Store: own, Transport: ns.world})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(ctx)
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		ns.each, ns.stop = append(ns.each, own), append(ns.stop, stop)
	}
	running.Go(func() { // as each node's store hears of news
		for {
			select {
			case <-ns.store.EventNews():
				for _, own := range ns.each {
					select {
					case own.news <- struct{}{}:
					default:
					}
				}
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		end()
		running.Wait()
	})
	return ns
}

func TestNodesPostEveryEventOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, 3)
		ns.hook(hookURL)
		ns.hook("https://b.example/hook")
		ns.answers(func(visit) (int, http.Header, error) {
			time.Sleep(time.Second) // longer than a lease in sum
			return 200, nil, nil
		})
		var want []string
		for i := range 40 {
			ns.says("c", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		for _, host := range []string{"a.example", "b.example"} {
			got := []string{}
			for _, v := range ns.visits() {
				if v.host == host {
					got = append(got, v.text)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s was told %q", host, got)
			}
		}
	})
}

// holder is the node that has the lease of the only webhook.
func (ns *nodes) holder() int {
	first := ns.each[0]
	first.mu.Lock()
	defer first.mu.Unlock()
	for _, owner := range first.owner {
		return slices.Index(ns.each, owner)
	}
	ns.t.Fatal("nobody posts")
	return 0
}

func TestWebhookGoesToAnotherNode(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		how    func(ns *nodes, i int)
		within time.Duration
	}{
		"WhenOneStops":               {func(ns *nodes, i int) { ns.stop[i]() }, 6 * time.Second},
		"WhenOneIsCutOffTheDatabase": {func(ns *nodes, i int) { n := ns.each[i]; n.mu.Lock(); n.cut = true; n.mu.Unlock() }, 17 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t, 2)
				time.Sleep(time.Second)
				ns.hook(hookURL)
				ns.says("c", "first")
				time.Sleep(10 * time.Second)
				end.how(ns, ns.holder())
				synctest.Wait()
				ns.says("c", "second")
				time.Sleep(end.within)
				synctest.Wait()
				if got := ns.texts(); !slices.Equal(got, []string{"first", "second"}) {
					t.Errorf("it was told %q", got)
				}
			})
		})
	}
}

// TestWebhookStaysWithItsNode: while nothing happens the lease does not wander.
func TestWebhookStaysWithItsNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, 3)
		ns.hook(hookURL)
		ns.says("c", "first")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for i, holder := 0, ns.holder(); i < 30; i++ {
			time.Sleep(21 * time.Second)
			synctest.Wait()
			if now := ns.holder(); now != holder {
				t.Fatalf("node %d has it, after node %d", now, holder)
			}
		}
	})
}

// TestLeaseThatIsLostEndsTheRound: what was not posted yet is left to the other node.
func TestLeaseThatIsLostEndsTheRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, 2)
		ns.hook(hookURL)
		for i := range 60 {
			ns.says("c", fmt.Sprint(i))
		}
		ns.answers(func(visit) (int, http.Header, error) {
			time.Sleep(time.Second)
			return 200, nil, nil
		})
		time.Sleep(5500 * time.Millisecond)
		n := ns.each[ns.holder()]
		n.mu.Lock()
		n.cut = true
		n.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		texts := ns.texts()
		if twice := len(texts) - len(slices.Compact(slices.Sorted(slices.Values(texts)))); len(texts) < 60 || twice > 1 {
			t.Errorf("%d posts, %d of them twice: %q", len(texts), twice, texts)
		}
	})
}
