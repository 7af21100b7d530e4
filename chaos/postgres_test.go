//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/internal/pgtest"
)

// leaseTime is how long the work of a node that has died belongs to it.
const leaseTime = 15 * time.Second

// nodes makes servers over one database. They are not started.
func nodes(t *testing.T, n int, database string) []*node {
	t.Helper()
	to, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := to.User.Password()
	to.User = url.User(to.User.Username())
	all := make([]*node, n)
	for i := range all {
		all[i] = newNode(t)
		all[i].env = []string{"HEADSUP_DATABASE=" + to.String(), "HEADSUP_DATABASE_PASSWORD=" + password}
	}
	return all
}

// between is a network between nodes and a database that can be disturbed.
type between struct {
	*toxiproxy.Proxy
	t *testing.T
}

func through(t *testing.T, to string) *between {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, "database", "127.0.0.1:0", to)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &between{p, t}
}

// disturb has a toxic work for a time.
func (b *between) disturb(toxic string, d time.Duration) {
	b.t.Helper()
	if _, err := b.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(d)
	b.Toxics.ResetToxics(context.Background())
}

// TestPostgresKillStorm is TestKillStorm over PostgreSQL.
func TestPostgresKillStorm(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	ch, server := channel(t, "--delay", "2ms"), nodes(t, 1, cluster.NetworkURL(nameOf(t, cluster)))[0]
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		server.kill()
		server.start()
	}
	close(stop)
	wait()
	patience := 3*time.Minute + time.Duration(kills)*300*time.Millisecond
	l.judge(patience, kills*people)
}

// nameOf makes a database and returns its name.
func nameOf(t *testing.T, c *pgtest.Cluster) string {
	t.Helper()
	return pgtest.Name(c.Database(t))
}

// TestPostgresDies stops, kills and restarts the database under two nodes (F26, F27): what is acknowledged is kept, nothing is
// acknowledged meanwhile, and the nodes go on by themselves.
func TestPostgresDies(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	ch, servers := channel(t, "--delay", "2ms"), nodes(t, 2, cluster.NetworkURL(nameOf(t, cluster)))
	for _, s := range servers {
		s.start()
	}
	l := newLoad(t, ch, people, servers...)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for round := range restarts {
		time.Sleep(time.Second)
		cluster.Stop(t, []pgtest.Mode{pgtest.Immediate, pgtest.Killed, pgtest.Fast}[round%3])
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
		cluster.Run(t)
	}
	time.Sleep(time.Second)
	close(stop)
	wait()
	l.judge(3*time.Minute, restarts*people)
	t.Logf("%d deaths of the database; answers by status: %v", restarts, l.statuses)
}

// restarts is how often the database dies.
const restarts = 20

// TestPostgresFailsOver has a synchronous standby take over while two nodes are at work (F28).
func TestPostgresFailsOver(t *testing.T) {
	t.Parallel()
	first := pgtest.Start(t)
	name := nameOf(t, first)
	second := first.Standby(t)
	ch, servers := channel(t, "--delay", "2ms"), nodes(t, 2, first.NetworkURL(name, first.Addr(), second.Addr()))
	for _, s := range servers {
		s.start()
	}
	l := newLoad(t, ch, people, servers...)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	time.Sleep(2 * time.Second)
	first.Stop(t, pgtest.Killed)
	second.Promote(t)
	gone := time.Now()
	before, err := ch.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, ch, before.Distinct+10)
	t.Logf("people were told again %v after the standby was promoted", time.Since(gone).Round(time.Millisecond))
	time.Sleep(2 * time.Second)
	close(stop)
	wait()
	l.judge(3*time.Minute, people)
}

// TestPostgresOutOfReach disturbs the network between one of two nodes and the database (F27, F44).
func TestPostgresOutOfReach(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	name := nameOf(t, cluster)
	proxy := through(t, cluster.Addr())
	near, far := nodes(t, 1, cluster.NetworkURL(name))[0], nodes(t, 1, cluster.NetworkURL(name, proxy.Listen))[0]
	near.start()
	far.start()
	ch := channel(t, "--delay", "2ms")
	l := newLoad(t, ch, people, near, far)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for _, toxic := range []string{
		`{"type":"timeout","attributes":{"timeout":0}}`,                     // answers do not come
		`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, // questions do not arrive
		`{"type":"reset_peer","attributes":{"timeout":100}}`,                // connections are reset
		`{"type":"limit_data","attributes":{"bytes":5000}}`,                 // and closed after so many bytes
		`{"type":"latency","attributes":{"latency":300,"jitter":200}}`,      // slow
		`{"type":"slicer","attributes":{"average_size":50,"delay":1000}}`,   // in small pieces
		`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`,
	} {
		proxy.disturb(toxic, 3*time.Second)
		time.Sleep(time.Second)
	}
	proxy.disturb(`{"type":"timeout","attributes":{"timeout":0}}`, leaseTime+5*time.Second) // longer than a lease
	close(stop)
	wait()
	l.judge(3*time.Minute, 8*people)
	t.Logf("answers by status: %v", l.statuses)
}

// TestNodeDies kills one of three nodes while a slow channel has not taken what it sends (F42): the others deliver that within its lease and 2 s.
func TestNodeDies(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	ch, servers := channel(t), nodes(t, 3, cluster.NetworkURL(nameOf(t, cluster)))
	for _, s := range servers {
		s.start()
	}
	l := newLoad(t, ch, people, servers...)
	l.introduce()
	for round := range rounds {
		dies := servers[round%len(servers)]
		set(t, ch, fakechannel.Rule{Text: "stuck", Delay: 8 * time.Second}) // other nodes take some of them, and wait
		before, err := ch.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		only := newLoad(t, ch, people, dies)
		const stuck = 10
		for i := range stuck { // handed to the node that takes them
			if status, answer := only.post(t.Context(), "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"stuck %d %d"}`, i, round, i)); status != 202 {
				t.Fatalf("status %d: %s", status, answer)
			}
		}
		if _, err := ch.Await(t.Context(), func(r fakechannel.Report) bool { return r.Requests >= before.Requests+stuck }); err != nil {
			t.Fatal(err)
		}
		dies.kill()
		died := time.Now()
		set(t, ch)
		await(t, ch, before.Distinct+stuck)
		took := time.Since(died)
		if took > leaseTime+2*time.Second {
			t.Errorf("its work was done %v after it died", took)
		}
		t.Logf("done by others after %v", took.Round(time.Millisecond))
		dies.start()
	}
	if r, err := ch.Report(t.Context()); err != nil || r.Duplicates != 0 {
		t.Errorf("%d duplicates, %v", r.Duplicates, err)
	}
}

// rounds is how many nodes die, one after another.
const rounds = 3

// TestThreeNodesInAStorm kills and pauses nodes under load, one at a time, by chance (F42, F43).
func TestThreeNodesInAStorm(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t)
	ch, servers := channel(t, "--delay", "5ms"), nodes(t, 3, cluster.NetworkURL(nameOf(t, cluster)))
	for _, s := range servers {
		s.start()
	}
	l := newLoad(t, ch, people, servers...)
	l.http.Timeout = 3 * time.Second // a paused node answers nobody
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	const blows = 60
	for i := range blows {
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		s := servers[rand.IntN(len(servers))]
		if i%20 == 19 {
			s.signal(syscall.SIGSTOP)
			time.Sleep(leaseTime + 5*time.Second)
			s.signal(syscall.SIGCONT)
			continue
		}
		s.kill()
		s.start()
	}
	close(stop)
	wait()
	l.judge(3*time.Minute, blows*people)
	t.Logf("%d blows; answers by status: %v", blows, l.statuses)
}
