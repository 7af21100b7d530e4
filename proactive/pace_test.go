package proactive_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// paced is an engine over SQLite that writes to a fake Teams, within the limits that Teams publishes.
type paced struct {
	engine *proactive.Engine
	store  *sqlite.Store
	limits *pace.Limiter
	way    headsup.Channel
	teams  *fakechannel.Server
}

func newPaced(t *testing.T, cfg fakechannel.Config) paced {
	t.Helper()
	teams, err := fakechannel.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = teams.Close() })
	limits, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir(), Pace: limits})
	if err != nil {
		t.Fatal(err)
	}
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	p := paced{store: store, limits: limits, teams: teams}
	p.way = headsup.NewPacedChannel(headsup.NewConnectorChannel(client), limits, "app")
	if p.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: p.way}); err != nil {
		t.Fatal(err)
	}
	runUntilCleanup(t, p.engine, store, client)
	return p
}

// runUntilCleanup runs an engine until the test ends, and closes what it works with.
func runUntilCleanup(t *testing.T, e *proactive.Engine, store *sqlite.Store, client *connector.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (p paced) reference(tenant, id string) activity.Reference {
	return activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: p.teams.ServiceURL(tenant), Bot: &activity.ChannelAccount{ID: "28:app"},
		User: &activity.ChannelAccount{ID: activity.AccountID("29:" + id)}, Conversation: activity.ConversationAccount{
			ID: activity.ConversationID("a:" + id), TenantID: activity.TenantID(tenant), ConversationType: activity.ConversationPersonal,
		},
	}
}

// knows puts conversations into the book and returns where they are.
func (p paced) knows(t *testing.T, tenant string, n int) []activity.Reference {
	t.Helper()
	refs := make([]activity.Reference, n)
	for i := range refs {
		refs[i] = p.reference(tenant, fmt.Sprint(tenant, "-", i))
		if _, err := p.store.Sight(t.Context(), book.Sighting{
			Key: headsup.KeyOf("app", refs[i]), Reference: refs[i], Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	return refs
}

func (p paced) notify(t *testing.T, ref activity.Reference, lane headsup.Lane, text string) {
	t.Helper()
	if _, err := p.engine.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(ref), Text: text, Lane: lane}); err != nil {
		t.Fatal(err)
	}
}

// TestTeamsNeverHasToRefuse writes to many people at once, of whom one tenant has more than its share, and has the channel
// count what arrives.
func TestTeamsNeverHasToRefuse(t *testing.T) {
	t.Parallel()
	p := newPaced(t, fakechannel.Config{Limits: fakechannel.TeamsLimits(), Delay: 4 * time.Millisecond, Jitter: time.Millisecond})
	const many, few = 400, 60
	large, small := p.knows(t, "large", many), p.knows(t, "small", few)
	for i := range many {
		p.notify(t, large[i], headsup.LaneBulk, "news")
		if i < few {
			p.notify(t, small[i], headsup.LaneBulk, "news")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := p.teams.Ledger().Await(ctx, 200); err != nil {
		t.Fatal(err)
	}

	// Meanwhile somebody asks something, and something urgent happens.
	if _, err := p.way.Send(ctx, headsup.Outgoing{Reference: p.reference("large", "asks"), Activity: activity.Message("answer")}); err != nil {
		t.Error(err)
	}
	if p.teams.Report().Messages >= many+few+1 {
		t.Error("a reply waited until everything else was said")
	}
	urgent := p.knows(t, "large", many+1)[many]
	p.notify(t, urgent, headsup.LaneUrgent, "fire")
	for said := 0; said == 0; said = len(p.teams.Ledger().Conversation(string(urgent.Conversation.ID)).Messages) {
		if err := p.teams.Ledger().Await(ctx, p.teams.Report().Messages+1); err != nil {
			t.Fatal(err)
		}
	}
	if p.teams.Report().Messages >= many+few+2 {
		t.Error("what was urgent waited until everything else was said")
	}

	if err := p.teams.Ledger().Await(ctx, many+few+2); err != nil {
		t.Fatal(err)
	}
	r := p.teams.Report()
	if r.Refused != 0 || r.Duplicates != 0 || r.Messages != many+few+2 {
		t.Errorf("%d were refused, %d said twice, %d said", r.Refused, r.Duplicates, r.Messages)
	}
	// The first second is a burst, and the last one is not whole.
	const from, until = time.Second, 7 * time.Second
	sustained := 0
	for _, c := range p.teams.Ledger().Conversations() {
		if at := c.Messages[0].At.Sub(r.First); c.Tenant == "large" && at >= from && at < until {
			sustained++
		}
	}
	rate := float64(sustained) / (until - from).Seconds()
	t.Logf("%.2f messages per second to the large tenant, of 50 that it takes; peaks %v", rate, r.Peaks) // judged by the bench
}

func TestManyMessagesToOneConversation(t *testing.T) {
	t.Parallel()
	p := newPaced(t, fakechannel.Config{Limits: fakechannel.TeamsLimits(), Delay: 2 * time.Millisecond})
	ref := p.knows(t, "t", 1)[0]
	for i := range 25 {
		p.notify(t, ref, headsup.LaneNormal, fmt.Sprint(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := p.teams.Ledger().Await(ctx, 25); err != nil {
		t.Fatal(err)
	}
	r := p.teams.Report()
	if r.Refused != 0 {
		t.Errorf("%d were refused", r.Refused)
	}
	for i, text := range p.teams.Ledger().Conversation(string(ref.Conversation.ID)).Texts() {
		if text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
}

// TestAThrottledConversationHoldsUpNobodyElse: the channel refuses one conversation for reasons of its own.
func TestAThrottledConversationHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	p := newPaced(t, fakechannel.Config{Rules: []fakechannel.Rule{{Conversation: "a:t-0", Times: 1, Do: fakechannel.Answer, Status: 429, RetryAfter: "20"}}})
	refs := p.knows(t, "t", 30)
	for i := range refs {
		p.notify(t, refs[i], headsup.LaneNormal, "one")
		p.notify(t, refs[i], headsup.LaneNormal, "two")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := p.teams.Ledger().Await(ctx, 58); err != nil {
		t.Fatal(err)
	}
	if said := len(p.teams.Ledger().Conversation("a:t-0").Messages); said != 0 {
		t.Errorf("%d were said to the one that is to wait before the others had theirs", said)
	}
	if err := p.teams.Ledger().Await(ctx, 60); err != nil {
		t.Fatal(err)
	}
	if r := p.teams.Report(); r.Early != 0 {
		t.Errorf("%d requests came although the channel had asked to wait", r.Early)
	}
	if ps := p.limits.Pauses(); len(ps) != 0 {
		t.Errorf("paused still: %v", ps)
	}
}

// TestAnOutageIsWaitedFor is F12 in small: the host is out of order for a while, and much waits.
func TestAnOutageIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPaced(t, fakechannel.Config{
		Limits: fakechannel.TeamsLimits(), Rules: []fakechannel.Rule{{Do: fakechannel.Answer, Status: 503}},
	})
	const many = 120
	for _, ref := range p.knows(t, "t", many) {
		p.notify(t, ref, headsup.LaneNormal, "news")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for len(p.limits.Pauses()) == 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("the host was never paused: %+v", p.teams.Report().Statuses)
		case <-time.After(10 * time.Millisecond):
		}
	}
	began := p.teams.Report().Requests
	if began > 60 { // those that were under way when the tenth failed
		t.Errorf("%d requests before the host was paused", began)
	}
	paused := time.Now()
	<-time.After(4 * time.Second)
	before := p.teams.Report().Requests
	if tries, outage := before-began, time.Since(paused); tries > 50+int(outage/time.Second) {
		t.Errorf("%d requests in %v of the outage", tries, outage)
	}
	if err := p.teams.SetRules(); err != nil {
		t.Fatal(err)
	}
	if err := p.teams.Ledger().Await(ctx, many); err != nil {
		t.Fatalf("%v: %d of %d were said", err, p.teams.Report().Distinct, many)
	}
	r := p.teams.Report()
	if r.Refused != 0 || r.Duplicates != 0 || r.Requests-before > many*11/10 {
		t.Errorf("after the outage: %d requests for %d messages, %d refused, %d said twice", r.Requests-before, many, r.Refused, r.Duplicates)
	}
	if ps := p.limits.Pauses(); len(ps) != 0 {
		t.Errorf("paused still: %v", ps)
	}
}
