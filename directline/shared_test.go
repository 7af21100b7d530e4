package directline_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/store/memory"
)

// cluster is the memory store as several nodes share it.
type cluster struct {
	*memory.Store
	deaf bool // hints get lost

	mu      sync.Mutex
	nodes   []*node             // guarded by mu
	streams []directline.Stream // in the order of their numbers; guarded by mu
	spent   map[string]bool     // guarded by mu
}

// node is the store of one of them; it implements [directline.Shared].
type node struct {
	*cluster
	told chan []byte
}

func (n *node) Tell(message []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, other := range n.nodes {
		if other != n && !n.deaf {
			other.told <- message
		}
	}
}

func (n *node) Told() <-chan []byte { return n.told }

func (n *node) TakeStream(
	_ context.Context, id activity.ConversationID, session, credential string, _ time.Time,
) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spent[credential] {
		return 0, directline.ErrSpent
	}
	n.spent[credential] = true
	number := int64(len(n.streams) + 1)
	n.streams = append(n.streams, directline.Stream{Number: number, Conversation: id, Session: session})
	return number, nil
}

func (n *node) Standings(ctx context.Context, of []directline.Stream) (map[int64]directline.Standing, error) {
	found := make(map[int64]directline.Standing)
	for _, s := range of {
		conv, err := n.DirectLineConversation(ctx, s.Conversation)
		if err != nil {
			return nil, err
		}
		history, err := n.History(ctx, s.Conversation, 0, 1<<30)
		if err != nil {
			return nil, err
		}
		st := directline.Standing{Last: int64(len(history)), Ended: conv.Ended}
		if conv.Kind == directline.KindGroup || conv.Kind == directline.KindChannel {
			st.Removed = !slices.ContainsFunc(conv.Members, func(m activity.ChannelAccount) bool { return m.ID == s.User })
		}
		n.mu.Lock()
		st.Replaced = slices.ContainsFunc(n.streams, func(o directline.Stream) bool {
			return o.Conversation == s.Conversation && o.Session == s.Session && o.Number > s.Number
		})
		n.mu.Unlock()
		found[s.Number] = st
	}
	return found, nil
}

// newNodes starts channels that share a store, and their Run.
func newNodes(t *testing.T, n int, deaf bool, h headsup.HandlerFunc) []*rig {
	t.Helper()
	c := &cluster{Store: memory.New(), deaf: deaf, spent: make(map[string]bool)}
	var rigs []*rig
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range n {
		own := &node{cluster: c, told: make(chan []byte, 1000)}
		c.nodes = append(c.nodes, own)
		r := &rig{t: t, store: c.Store, clock: new(clock)}
		r.start(h, func(cfg *directline.Config) { cfg.Store = own })
		running.Go(func() {
			if err := r.ch.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		rigs = append(rigs, r)
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return rigs
}

// TestNodes: what happens at one node is seen at the others, whether or not they hear of it at once.
func TestNodes(t *testing.T) {
	t.Parallel()
	for name, deaf := range map[string]bool{"WithHints": false, "WithoutHints": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("BotSpeaksFromAnother", func(t *testing.T) {
				t.Parallel()
				r := newNodes(t, 2, deaf, echo)
				o := r[0].join("dl_ann")
				s := r[0].connect(o.StreamURL)
				r[1].say(o, "from the other", "key")
				if got := texts(s.read(1)); got[0] != "from the other" {
					t.Errorf("the stream shows %q", got)
				}
				r[0].say(o, "from the other", "key") // which repeats it
				r[1].post(o, message("hi"))
				if got := texts(s.read(2)); !slices.Equal(got, []string{"hi", "echo: hi"}) {
					t.Errorf("then it shows %q", got)
				}
				if set := r[0].poll(o, "0"); len(set.Activities) != 3 || *set.Watermark != "3" {
					t.Errorf("a poll shows %q up to %v", texts(set.Activities), *set.Watermark)
				}
			})
			t.Run("TwoPagesOfOneConversationAtTwo", func(t *testing.T) {
				t.Parallel()
				r := newNodes(t, 2, deaf, nil)
				_, tokens := r[0].open(directline.KindGroup, "Ann", "Bob")
				ann, bob := r[0].connect(tokens[0].StreamURL), r[1].connect(tokens[1].StreamURL)
				r[0].say(tokens[0], "to all", "")
				for _, s := range []*socket{ann, bob} {
					if got := texts(s.read(1)); got[0] != "to all" {
						t.Errorf("a page shows %q", got)
					}
				}
				if _, err := r[0].ch.RemoveMember(t.Context(), tokens[0].ConversationID, "dl_bob"); err != nil {
					t.Fatal(err)
				}
				if e := bob.closed(); e.Reason != "removed" {
					t.Errorf("who was removed is told %+v", e)
				}
			})
			t.Run("SecondSocketOfOneClientClosesTheFirst", func(t *testing.T) {
				t.Parallel()
				r := newNodes(t, 2, deaf, nil)
				o := r[0].join("dl_ann")
				first := r[0].connect(o.StreamURL)
				o.StreamURL = r[1].reconnect(o, "?watermark=").StreamURL
				second := r[1].connect(o.StreamURL)
				if e := first.closed(); e.Reason != "collision" {
					t.Errorf("the first socket was closed with %+v", e)
				}
				r[0].say(o, "hi", "")
				second.read(1)
			})
			t.Run("EndIsSeen", func(t *testing.T) {
				t.Parallel()
				r := newNodes(t, 2, deaf, nil)
				o := r[0].join("dl_ann")
				s := r[0].connect(o.StreamURL)
				if _, err := r[1].ch.Send(t.Context(), outgoing(o.ConversationID, &activity.Activity{Type: activity.TypeEndOfConversation}, "")); err != nil {
					t.Fatal(err)
				}
				s.read(1)
				if e := s.closed(); e.Reason != "ended" {
					t.Errorf("closed with %+v", e)
				}
			})
		})
	}
}

func TestStreamURLIsGoodOnceOnAllNodes(t *testing.T) {
	t.Parallel()
	r := newNodes(t, 2, false, nil)
	o := r[0].join("dl_ann")
	r[0].connect(o.StreamURL)
	_, resp, err := r[1].dial("ws" + r[1].srv.URL[len("http"):] + o.StreamURL[len("ws"+r[0].srv.URL[len("http"):]):])
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("the second use is answered %v, %v", resp, err)
	}
}

func TestTypingIsSeenOnAllNodes(t *testing.T) {
	t.Parallel()
	r := newNodes(t, 2, false, nil)
	o := r[0].join("dl_ann")
	s := r[0].connect(o.StreamURL)
	if _, err := r[1].ch.Send(t.Context(), outgoing(o.ConversationID, &activity.Activity{Type: activity.TypeTyping}, "")); err != nil {
		t.Fatal(err)
	}
	if set, err := s.frame(); err != nil || len(set.Activities) != 1 || set.Activities[0].Type != activity.TypeTyping {
		t.Errorf("the stream shows %+v, %v", set, err)
	}
}
