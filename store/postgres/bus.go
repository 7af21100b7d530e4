package postgres

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// bus carries hints between the nodes, with NOTIFY. Nothing depends on them: every node also looks for itself, once a
// second. So a hint that gets lost, because the database restarts or a pooler stands between, costs at most that.
type bus struct {
	node string // this one's name
	more chan struct{}

	mu      sync.Mutex
	pending []string        // payloads to send; guarded by mu
	queued  map[string]bool // those of them that have no body; guarded by mu
	claims  *claimable      // what there is to claim; nil when there is nothing to tell; guarded by mu
}

// topic is what a hint is about.
type topic string

const (
	topicClaim  topic = "claim"  // there may be something to claim; the body is a claimable, or empty
	topicEvents topic = "events" // there are events, or webhooks or what is wanted has changed
	topicLine   topic = "line"   // of the embedded channel; has a body
	topicShares topic = "shares" // another node wants a share, or has given one back; the body is the scope
	topicPauses topic = "pauses" // there are new pauses, or some have ended
)

const (
	// busName is what nodes listen to. Other installations in the database may do so, too: their hints do no harm.
	busName = "headsup"

	// mostPending bounds what waits to be sent, and longest how long a payload may be: PostgreSQL takes less than 8000 bytes.
	mostPending = 1000
	longest     = 7900

	// lookEvery is how often a node looks for itself.
	lookEvery = time.Second
	// listenPause is how long to wait before listening again.
	listenPause = time.Second
	// listenCheck is how long a connection may be silent before it is asked whether it is there.
	listenCheck = 30 * time.Second
)

func newBus() *bus {
	return &bus{node: rand.Text()[:16], more: make(chan struct{}, 1), queued: make(map[string]bool)}
}

// tell queues a hint for the other nodes. Without a body, several that wait are one. It reports whether there was room.
func (b *bus) tell(about topic, body string) bool {
	payload := b.node + " " + string(about) + " " + body
	b.mu.Lock()
	defer b.mu.Unlock()
	if body == "" {
		if b.queued[payload] {
			return true
		}
		b.queued[payload] = true
	} else if len(b.pending) >= mostPending || len(payload) > longest {
		return false
	}
	b.pending = append(b.pending, payload)
	select {
	case b.more <- struct{}{}:
	default:
	}
	return true
}

func (b *bus) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	pending := b.pending
	if b.claims != nil {
		pending = append(pending, b.node+" "+string(topicClaim)+" "+b.claims.String())
	}
	b.pending, b.claims = nil, nil
	clear(b.queued)
	return pending
}

// send tells the other nodes what is queued, until the store closes.
func (s *Store) send(ctx context.Context) {
	for {
		select {
		case <-s.bus.more:
		case <-ctx.Done():
			return
		}
		pending := s.bus.take()
		if len(pending) == 0 {
			continue
		}
		if err := s.notify(ctx, pending); err != nil && ctx.Err() == nil {
			s.cfg.Logger.DebugContext(ctx, "other nodes not told", "hints", len(pending), "error", err.Error())
		}
	}
}

// notify sends payloads. PostgreSQL lets one transaction that notifies commit at a time, so this is one of its own, which
// does not wait for the disk.
func (s *Store) notify(ctx context.Context, payloads []string) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	var b pgx.Batch
	queueBegin(&b, c.Conn())
	b.Queue("SET LOCAL synchronous_commit = off")
	b.Queue("SELECT pg_notify($1, p) FROM unnest($2::text[]) p", busName, payloads)
	b.Queue("COMMIT")
	err = c.SendBatch(ctx, &b).Close()
	if err != nil {
		rollback(ctx, c)
	}
	return err
}

// listen hears the other nodes until the store closes, on a connection of its own.
func (s *Store) listen(ctx context.Context, cc *pgx.ConnConfig) {
	for warned := false; ctx.Err() == nil; {
		err := s.hearOn(ctx, cc, func() { warned = false })
		if ctx.Err() != nil {
			return
		}
		if !warned {
			warned = true
			s.cfg.Logger.WarnContext(ctx, "other nodes not heard; looking once a second", "error", err.Error())
		}
		t := time.NewTimer(listenPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

func (s *Store) hearOn(ctx context.Context, cc *pgx.ConnConfig, listening func()) error {
	c, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = c.Close(ctx) // there is nothing that could be lost
	}()
	if _, err := c.Exec(ctx, "LISTEN "+busName); err != nil {
		return err
	}
	listening()
	for {
		quiet, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := c.WaitForNotification(quiet)
		silent := quiet.Err() != nil
		cancel()
		switch {
		case err == nil:
			s.heard(n.Payload)
		case silent && ctx.Err() == nil && !c.IsClosed():
			asking, cancel := context.WithTimeout(ctx, connectTimeout)
			err := c.Ping(asking)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// heard acts on a hint of another node.
func (s *Store) heard(payload string) {
	node, rest, _ := strings.Cut(payload, " ")
	if node == s.bus.node {
		return
	}
	about, body, _ := strings.Cut(rest, " ")
	switch topic(about) {
	case topicClaim:
		s.heardOfClaims(body)
	case topicEvents:
		s.events.look()
		s.events.signal()
	case topicLine:
		s.lines.heard(body)
	case topicShares:
		s.hearOfShares(body)
	case topicPauses:
		if s.cfg.Pace.Shared() {
			s.lookAtPauses()
		}
	default: // of a newer version
	}
}

// lookAround has this node look for itself once a second, until the store closes.
func (s *Store) lookAround(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.routes.lookAgain()
			s.wakeHere()
			s.events.look()
			s.planHere()
		case <-ctx.Done():
			return
		}
	}
}
