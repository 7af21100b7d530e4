//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/postgres"
)

// pacedNode is an engine on a database that others share, within the limits that Teams publishes.
type pacedNode struct {
	engine *proactive.Engine
	store  *postgres.Store
	limits *pace.Limiter
	way    headsup.Channel
	stop   func() // ends it well; several times do no harm
}

func newPacedNode(t *testing.T, url, name string) *pacedNode {
	t.Helper()
	limits, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := postgres.Open(t.Context(), postgres.Config{URL: url, Conns: 8, Pace: limits, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	n := &pacedNode{store: store, limits: limits, way: headsup.NewPacedChannel(headsup.NewConnectorChannel(client), limits, "app")}
	if n.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: n.way}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- n.engine.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		err := <-ran
		client.CloseIdleConnections()
		if err := errors.Join(err, store.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// pacedNodes are some of them, with the channel that they write to.
type pacedNodes struct {
	each  []*pacedNode
	teams *fakechannel.Server
	url   string
}

func newPacedNodes(t *testing.T, n int) *pacedNodes {
	t.Helper()
	teams, err := fakechannel.New(fakechannel.Config{Limits: fakechannel.TeamsLimits(), Delay: 4 * time.Millisecond, Jitter: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = teams.Close() })
	p := &pacedNodes{teams: teams, url: database(t)}
	for i := range n {
		p.each = append(p.each, newPacedNode(t, p.url, fmt.Sprint("node-", i)))
	}
	return p
}

func (p *pacedNodes) reference(tenant, id string) activity.Reference {
	return activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: p.teams.ServiceURL(tenant), Bot: &activity.ChannelAccount{ID: "28:app"},
		User: &activity.ChannelAccount{ID: activity.AccountID("29:" + id)}, Conversation: activity.ConversationAccount{
			ID: activity.ConversationID("a:" + id), TenantID: activity.TenantID(tenant), ConversationType: activity.ConversationPersonal,
		},
	}
}

// knows puts conversations into the book and returns where they are.
func (p *pacedNodes) knows(t *testing.T, tenant string, n int) []activity.Reference {
	t.Helper()
	refs := make([]activity.Reference, n)
	var all sync.WaitGroup
	const atOnce = 16
	for k := range atOnce {
		all.Go(func() {
			for i := k; i < n; i += atOnce {
				refs[i] = p.reference(tenant, fmt.Sprint(tenant, "-", i))
				if _, err := p.each[i%len(p.each)].store.Sight(t.Context(), book.Sighting{
					Key: headsup.KeyOf("app", refs[i]), Reference: refs[i], Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return refs
}

func (p *pacedNodes) notify(t *testing.T, node int, ref activity.Reference, lane headsup.Lane, text string) {
	t.Helper()
	if _, err := p.each[node%len(p.each)].engine.Notify(t.Context(), headsup.Notification{
		To: headsup.ToConversation(ref), Text: text, Lane: lane,
	}); err != nil {
		t.Error(err)
	}
}

// seconds is how long the nodes are to write, as an environment variable says, for figures.
func seconds(t *testing.T, or int) int {
	text := os.Getenv("HEADSUP_PACED_SECONDS")
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNodesShareTheWindowsOfTeams has three nodes write to the people of one tenant, and a few to those of another, while
// somebody is answered at each node and something urgent happens, and one node is stopped and started again. The channel counts
// what arrives: it never has to refuse.
func TestNodesShareTheWindowsOfTeams(t *testing.T) {
	t.Parallel()
	p := newPacedNodes(t, 3)
	many := 50 * seconds(t, 10)
	const few, often = 40, 20
	large, small := p.knows(t, "large", many), p.knows(t, "small", few)
	said := 0
	for i, ref := range large {
		p.notify(t, i, ref, headsup.LaneBulk, "news")
		said++
		if i < few {
			p.notify(t, i, small[i], headsup.LaneBulk, "news")
			said++
		}
	}
	for i := range often { // more than a conversation takes at once
		p.notify(t, i, small[0], headsup.LaneNormal, fmt.Sprint("more ", i))
		said++
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(many/50+300)*time.Second)
	defer cancel()
	slowest := time.Duration(0)
	for round := range many / 250 {
		if err := p.teams.Ledger().Await(ctx, min(said, 200+200*round)); err != nil {
			t.Fatal(err)
		}
		for i, n := range p.each {
			began := time.Now()
			if _, err := n.way.Send(ctx, headsup.Outgoing{
				Reference: p.reference("large", fmt.Sprint("asks-", i)), Activity: activity.Message(fmt.Sprint("answer ", round)),
			}); err != nil {
				t.Error(err)
			}
			said++
			slowest = max(slowest, time.Since(began))
		}
		urgent := p.reference("large", fmt.Sprint("urgent-", round))
		if _, err := p.each[0].store.Sight(ctx, book.Sighting{
			Key: headsup.KeyOf("app", urgent), Reference: urgent, Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
		}); err != nil {
			t.Error(err)
		}
		began := time.Now()
		p.notify(t, round, urgent, headsup.LaneUrgent, "fire")
		said++
		for len(p.teams.Ledger().Conversation(string(urgent.Conversation.ID)).Messages) == 0 {
			if err := p.teams.Ledger().Await(ctx, p.teams.Report().Messages+1); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("urgent: %v; answers: at most %v", time.Since(began), slowest)
	}
	p.each[2].stop()
	p.each[2] = newPacedNode(t, p.url, "node-2")
	if err := p.teams.Ledger().Await(ctx, said); err != nil {
		t.Fatalf("%v: %d of %d were said", err, p.teams.Report().Messages, said)
	}
	r := p.teams.Report()
	if r.Refused != 0 || r.Duplicates != 0 || r.Messages != said {
		t.Errorf("%d were refused, %d said twice, %d of %d said; peaks %v", r.Refused, r.Duplicates, r.Messages, said, r.Peaks)
	}
	rate := func(from, until time.Duration) float64 {
		n := 0
		for _, c := range p.teams.Ledger().Conversations() {
			for _, m := range c.Messages {
				if at := m.At.Sub(r.First); c.Tenant == "large" && at >= from && at < until {
					n++
				}
			}
		}
		return float64(n) / (until - from).Seconds()
	}
	end := r.Last.Sub(r.First)
	t.Logf("%.2f messages per second to the large tenant in %v, %.2f after the first 3 s; peaks %v", rate(0, end), end, rate(3*time.Second, end-2*time.Second), r.Peaks)
}
