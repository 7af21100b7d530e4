package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/client"
)

type simulate struct {
	Recipients int           `default:"1000" placeholder:"N" help:"How many people are told (${default})."`
	Tenants    int           `default:"1" placeholder:"M" help:"How many tenants they are spread over (${default})."`
	Urgent     time.Duration `default:"250ms" placeholder:"DURATION" help:"How often somebody is sent an urgent message meanwhile; 0s for never (${default})."`
	Timeout    time.Duration `default:"10m" placeholder:"DURATION" help:"How long to wait for the last message (${default})."`
	Channel    string        `placeholder:"URL" help:"Use the channel of a running \"headsup fake-channel\", which decides about distance, limits and faults then. Its ledger is cleared."`
	Database   string        `placeholder:"URL" help:"Keep everything on this PostgreSQL, as postgres://user@host/name, in place of a file: in a database that is made beside that one and dropped at the end. PGPASSWORD may have the password."`
	Teams      bool          `help:"Tell people of a tenant of Microsoft Teams who have never met the bot, by their object ids: it makes the conversation with each of them first. Teams' limits hold."`
	WithoutApp int           `name:"without-app" placeholder:"N" help:"With --teams, for how many of them the app has to be installed first, by Microsoft Graph (0)."`
	Nodes      int           `default:"1" placeholder:"N" help:"How many servers share the work; more than one need --database (${default})."`
	JSON       bool          `name:"json" help:"Print the result as JSON."`
	misbehaviour
}

// Help shows examples.
func (simulate) Help() string {
	return `Examples:

    headsup simulate
    headsup simulate --recipients 10000 --tenants 4 --limits teams --delay 4ms
    headsup simulate --recipients 2000 --fault 1%:503 --fault 0.5%:reset_after --seed 7
    headsup simulate --recipients 10000 --limits teams --nodes 3 --database postgres://localhost/postgres
    headsup simulate --teams --recipients 500 --without-app 50

It starts a server with a store of its own in a temporary directory, or several that share a database, and a channel that only
pretends, tells everybody something, and prints what people would have seen, as the channel's ledger has it: the servers' own
figures are not asked. All of it runs in this process, except a channel that --channel names and PostgreSQL. The exit code is 1 when not everybody was told in time.`
}

// Run runs the simulation and prints what came of it.
func (c simulate) Run(ctx context.Context, s streams) (err error) {
	switch {
	case c.Recipients < 1:
		return usageError{errors.New("--recipients: must be positive")}
	case c.Tenants < 1 || c.Tenants > c.Recipients:
		return usageError{errors.New("--tenants: must be from 1 to the number of recipients")}
	case c.Urgent < 0:
		return usageError{errors.New("--urgent: must not be negative")}
	}
	if err := c.checkDatabase(); err != nil {
		return usageError{err}
	}
	if c.Teams || c.WithoutApp != 0 {
		return c.teams(ctx, s)
	}
	channel, stop, err := c.channel(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	nodes, err := c.start(ctx, s.err, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.stop(context.WithoutCancel(ctx))) }()
	sim := &simulation{simulate: c, channel: channel, urls: nodes.urls, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: introducers}, Timeout: 30 * time.Second,
	}}
	defer sim.http.CloseIdleConnections()
	result, err := sim.run(ctx, s)
	if err != nil {
		return err
	}
	return c.show(s, result)
}

// show prints what came of it.
func (c simulate) show(s streams, result *simulated) (err error) {
	if c.JSON {
		err = printJSON(s.out, result)
	} else {
		err = result.print(s.out)
	}
	if missing := result.Recipients - result.Delivered; err == nil && missing > 0 {
		err = fmt.Errorf("%s not told within %s", count(missing, "recipient"), c.Timeout)
	}
	return err
}

// channel opens the channel, or finds the one that runs.
func (c simulate) channel(ctx context.Context) (*fakechannel.Remote, func() error, error) {
	if c.Channel != "" {
		r := fakechannel.Connect(c.Channel, nil)
		return r, func() error { return nil }, r.Clear(ctx)
	}
	cfg, err := c.config()
	if err != nil {
		return nil, nil, err
	}
	channel, err := fakechannel.New(cfg)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return fakechannel.Connect(channel.URL(), nil), channel.Close, nil
}

// introducers is how many conversations are made known at once.
const introducers = 32

// simulation is one run.
type simulation struct {
	simulate
	channel *fakechannel.Remote
	urls    []string // of the nodes
	http    *http.Client
}

func (m *simulation) tenant(i int) string       { return fmt.Sprintf("tenant-%d", i%m.Tenants+1) }
func (m *simulation) conversation(i int) string { return fmt.Sprintf("a:person-%d", i+1) }

// news is what everybody is told, urgentPrefix begins what some are told meanwhile.
const (
	news         = "The canteen is closed today."
	urgentPrefix = "urgent "
)

// urgentMessage is one that was sent meanwhile.
type urgentMessage struct {
	conversation, text string
	sent               time.Time
}

func (m *simulation) run(ctx context.Context, s streams) (*simulated, error) {
	began := time.Now()
	if err := m.introduce(ctx); err != nil {
		return nil, fmt.Errorf("make the conversations known: %w", err)
	}
	introduced := time.Since(began)
	nodes, err := m.clients()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if _, err := nodes[0].CreateNotification(ctx, everyone()); err != nil {
		return nil, err
	}
	accepted := time.Since(start)

	patience, enough := context.WithTimeout(ctx, m.Timeout)
	defer enough()
	urgentUntil, stopUrgent := context.WithCancel(patience)
	var urgent []urgentMessage
	var sender sync.WaitGroup
	var sending error
	sender.Go(func() { urgent, sending = m.urgent(urgentUntil, nodes) })
	bar := newProgress(s.err, "delivered")
	_, waiting := m.channel.Await(patience, func(r fakechannel.Report) bool {
		bar.show(r.Distinct, 0, m.Recipients)
		return r.Distinct >= m.Recipients // urgent ones included: close to the end
	})
	stopUrgent()
	sender.Wait()
	if waiting == nil {
		_, waiting = m.channel.Await(patience, func(r fakechannel.Report) bool { return r.Distinct >= m.Recipients+len(urgent) })
	}
	bar.clear()
	if waiting != nil && !errors.Is(waiting, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil, errors.Join(waiting, ctx.Err())
	}
	if sending != nil {
		return nil, fmt.Errorf("urgent message: %w", sending)
	}
	result, err := m.result(context.WithoutCancel(ctx), start, urgent)
	if err != nil {
		return nil, err
	}
	result.Introduced, result.Accepted = seconds(introduced), seconds(accepted)
	return result, nil
}

// clients are those of the nodes.
func (m *simulation) clients() ([]*client.Client, error) {
	all := make([]*client.Client, len(m.urls))
	for i, url := range m.urls {
		var err error
		if all[i], err = client.New(client.Config{BaseURL: url, HTTPClient: m.http}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// everyone is the broadcast.
func everyone() api.NotificationRequest {
	return api.NotificationRequest{To: api.Target{Everyone: true}, Text: news, Lane: "bulk"}
}

// introduce makes the conversations known, as a channel does it: by an activity from each.
func (m *simulation) introduce(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	todo := make(chan int)
	var workers sync.WaitGroup
	for range introducers {
		workers.Go(func() {
			for i := range todo {
				if err := m.appear(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := range m.Recipients {
		if ctx.Err() != nil {
			break
		}
		todo <- i
	}
	close(todo)
	workers.Wait()
	return context.Cause(ctx)
}

// appear posts an activity that nobody answers.
func (m *simulation) appear(ctx context.Context, i int) error {
	body, err := json.Marshal(map[string]any{
		"type": "event", "name": "simulated", "id": "1", "channelId": "msteams", "serviceUrl": m.channel.ServiceURL(m.tenant(i)),
		"from": map[string]any{"id": fmt.Sprintf("29:%d", i+1)}, "recipient": map[string]any{"id": "28:simulated"},
		"conversation": map[string]any{"id": m.conversation(i), "conversationType": "personal", "tenantId": m.tenant(i)},
		"channelData":  map[string]any{"tenant": map[string]any{"id": m.tenant(i)}},
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.urls[i%len(m.urls)]+"/api/messages", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := m.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, said)
	}
	return err
}

// urgent sends urgent messages to one person after another until ctx ends, and returns those that were accepted.
func (m *simulation) urgent(ctx context.Context, nodes []*client.Client) (sent []urgentMessage, err error) {
	if m.Urgent == 0 {
		return nil, nil
	}
	tick := time.NewTicker(m.Urgent)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		u := urgentMessage{conversation: m.conversation(n * 7919 % m.Recipients), text: fmt.Sprint(urgentPrefix, n), sent: time.Now()}
		_, err := nodes[n%len(nodes)].CreateNotification(context.WithoutCancel(ctx), api.NotificationRequest{
			To: api.Target{Conversation: u.conversation}, Text: u.text, Lane: "urgent",
		})
		if err != nil {
			return sent, err
		}
		sent = append(sent, u)
	}
}

// result reads the ledger.
func (m *simulation) result(ctx context.Context, start time.Time, urgent []urgentMessage) (*simulated, error) {
	report, err := m.channel.Report(ctx)
	if err != nil {
		return nil, err
	}
	all, err := m.channel.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	r := &simulated{
		Recipients: m.Recipients, Duplicates: report.Duplicates, Refused: report.Refused, Early: report.Early,
		Requests: report.Requests, Ops: report.Ops, Statuses: report.Statuses, Faults: report.Faults, Peaks: report.Peaks,
	}
	if took := report.LastRequest.Sub(report.FirstRequest).Seconds(); took > 0 {
		r.RequestsPerSecond = float64(report.Requests-1) / took
	}
	tenants := make(map[string]*simulatedTenant)
	seen := make(map[string]map[string]time.Time, len(all)) // by conversation and text: the first time
	last := start
	for _, c := range all {
		texts := make(map[string]time.Time, len(c.Messages))
		t := tenants[c.Tenant]
		if t == nil {
			t = &simulatedTenant{Tenant: c.Tenant, Refused: report.Tenants[c.Tenant].Refused}
			tenants[c.Tenant] = t
		}
		for _, said := range c.Messages {
			if _, again := texts[said.Text]; again {
				continue
			}
			texts[said.Text] = said.At
			t.tell(said.At)
			if said.Text == news {
				r.Delivered++
				if said.At.After(last) {
					last = said.At
				}
			}
		}
		seen[c.ID] = texts
	}
	r.Took = seconds(last.Sub(start))
	if r.Took > 0 {
		r.PerSecond = float64(r.Delivered) / r.Took
	}
	for _, t := range tenants {
		t.rate()
		r.Tenants = append(r.Tenants, *t)
	}
	slices.SortFunc(r.Tenants, func(a, b simulatedTenant) int {
		return strings.Compare(fmt.Sprintf("%9d%s", len(a.Tenant), a.Tenant), fmt.Sprintf("%9d%s", len(b.Tenant), b.Tenant))
	})
	var late []time.Duration
	for _, u := range urgent {
		at, told := seen[u.conversation][u.text]
		if !told {
			r.UrgentLost++
			continue
		}
		late = append(late, at.Sub(u.sent))
	}
	slices.Sort(late)
	r.Urgent = len(urgent)
	if len(late) > 0 {
		r.UrgentP50, r.UrgentP99 = seconds(late[len(late)/2]), seconds(late[(len(late)-1)*99/100])
	}
	return r, nil
}

func seconds(d time.Duration) float64 { return d.Round(100 * time.Microsecond).Seconds() }
