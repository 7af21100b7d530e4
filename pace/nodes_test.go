package pace_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/pace"
)

// cluster is several nodes that share the windows of a scope in a row of a database, and what the channel sees of them.
type cluster struct {
	profile  pace.Profile
	scope    pace.Scope
	row      []byte
	now      time.Time
	clock    time.Duration // by how much the database's clock is ahead
	nodes    []*clusterNode
	runs     int
	arrivals arrivals
}

type clusterNode struct {
	name   string
	limits *pace.Limiter
	began  time.Time // by the database
	calls  []clusterCall
	looks  int
}

type clusterCall struct {
	permit *pace.Permit
	taken  time.Time
}

func newCluster(p pace.Profile) *cluster {
	return &cluster{profile: p, scope: route("t").OfTenant(), now: t0, clock: 7 * time.Hour}
}

func (c *cluster) database() time.Time { return c.now.Add(c.clock) }

// start starts a process of a node.
func (c *cluster) start(t interface{ Fatal(...any) }, name string) *clusterNode {
	l, err := pace.New(pace.Config{Profiles: pace.Profiles{"msteams": c.profile}, Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	c.runs++
	n := &clusterNode{name: name, limits: l, began: c.database()}
	l.Join(pace.Node{Name: name, Run: fmt.Sprint("run-", c.runs), Look: func() { n.looks++ }})
	c.nodes = append(c.nodes, n)
	return n
}

// fate is what becomes of what a node has asked for.
type fate int

const (
	stored fate = iota
	lost        // nothing is stored
	unsure      // it is, and the node does not hear of it
)

// ask has a node ask for what is due, some time after it has begun to do so.
func (c *cluster) ask(t interface{ Fatal(...any) }, n *clusterNode, took time.Duration, f fate) {
	sent := c.now.Add(-took)
	scopes, _ := n.limits.Asking(c.now)
	if len(scopes) == 0 {
		return
	}
	if !slices.Equal(scopes, []pace.Scope{c.scope}) {
		t.Fatal("asks for ", scopes)
	}
	var shares pace.Shares
	if c.row != nil {
		if err := json.Unmarshal(c.row, &shares); err != nil {
			t.Fatal(err)
		}
	}
	tell := n.limits.Ask(c.scope, &shares, sent, c.database(), n.began)
	if f != lost {
		row, err := json.Marshal(shares)
		if err != nil {
			t.Fatal(err)
		}
		c.row = row
	}
	if f != stored {
		n.limits.NotStored(scopes, c.now)
		return
	}
	n.limits.Stored(scopes, sent)
	if tell {
		for _, other := range c.nodes {
			if other != n {
				other.limits.Look(c.scope)
			}
		}
	}
}

// take has a node make calls until there is no room or there are as many as it wants.
func (c *cluster) take(n *clusterNode, most int) (took int) {
	for took < most {
		p, ok := n.limits.Take(route("t"), "", pace.Delivery, c.now)
		if !ok {
			break
		}
		n.calls = append(n.calls, clusterCall{p, c.now})
		took++
	}
	return took
}

// answer ends a call. It has arrived at some time since it was taken.
func (c *cluster) answer(n *clusterNode, i int, arrived time.Time) {
	k := n.calls[i]
	n.calls = slices.Delete(n.calls, i, i+1)
	if !k.permit.Use() {
		k.permit.Cancel()
		return
	}
	k.permit.Done(c.now)
	c.arrivals = append(c.arrivals, arrived)
}

// TestNodesTogetherPassNoWindow: whatever happens to nodes and to what they store, no window sees more calls than it allows.
func TestNodesTogetherPassNoWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		windows := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) pace.Window {
			return pace.Window{
				Limit: rapid.IntRange(1, 60).Draw(r, "limit"), Per: time.Duration(rapid.IntRange(100, 40_000).Draw(r, "per")) * time.Millisecond,
			}
		}), 1, 3).Draw(r, "windows")
		c := newCluster(pace.Profile{PerTenant: windows})
		for i := range rapid.IntRange(1, 4).Draw(r, "nodes") {
			c.start(r, fmt.Sprint("node-", i))
		}
		for range rapid.IntRange(10, 200).Draw(r, "steps") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(0, 400).Draw(r, "pause")) * time.Millisecond)
			i := rapid.IntRange(0, len(c.nodes)-1).Draw(r, "node")
			n := c.nodes[i]
			switch what := rapid.IntRange(0, 19).Draw(r, "what"); {
			case what < 7:
				c.ask(r, n, time.Duration(rapid.IntRange(0, 300).Draw(r, "took"))*time.Millisecond, fate(max(0, rapid.IntRange(-8, 2).Draw(r, "fate"))))
			case what < 13:
				c.take(n, rapid.IntRange(1, 30).Draw(r, "calls"))
			case what < 17:
				for range rapid.IntRange(1, 20).Draw(r, "answers") {
					if len(n.calls) == 0 {
						break
					}
					k := rapid.IntRange(0, len(n.calls)-1).Draw(r, "which")
					on := min(c.now.Sub(n.calls[k].taken), pace.LongestCall)
					c.answer(n, k, n.calls[k].taken.Add(time.Duration(rapid.Int64Range(0, int64(on)).Draw(r, "on"))))
				}
			case what < 18: // it dies, and its calls are under way for some time still; or it starts again, and they are not
				longest := pace.LongestCall
				again := rapid.Bool().Draw(r, "again")
				if again {
					longest = 0
				}
				for _, k := range n.calls {
					if !k.permit.Use() {
						continue
					}
					c.arrivals = append(c.arrivals, k.taken.Add(time.Duration(rapid.Int64Range(0, int64(min(longest, pace.LongestCall)+min(c.now.Sub(k.taken), pace.LongestCall))).Draw(r, "on"))))
				}
				c.nodes = slices.Delete(c.nodes, i, i+1)
				name := fmt.Sprint("other-", c.runs)
				if again {
					name = n.name
				}
				c.start(r, name)
			case what < 19:
				n.calls = slices.DeleteFunc(n.calls, func(k clusterCall) bool { k.permit.Cancel(); return true })
			default:
				c.now = c.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(r, "long")) * time.Second)
			}
		}
		for _, w := range windows {
			if most := c.arrivals.most(w.Per); most > w.Limit {
				r.Fatalf("%d calls in a window of %v", most, w)
			}
		}
	})
}
