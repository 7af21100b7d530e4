package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/book"
)

// touches are times of sightings that told nothing else. They are written together, and nobody waits for that but who
// reads or changes conversations of this node.
type touches struct {
	more chan struct{} // has a token when some are pending

	mu      sync.Mutex
	closed  bool              // guarded by mu
	pending map[book.Row]seen // guarded by mu
	next    chan struct{}     // closed when what is pending is written; nil while nothing is; guarded by mu
	writing chan struct{}     // closed when what is being written is; guarded by mu
}

type seen struct{ verifiedAt, at time.Time }

func newTouches() *touches { return &touches{more: make(chan struct{}, 1)} }

// add notes a sighting.
func (t *touches) add(c book.Conversation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.next == nil {
		t.pending, t.next = make(map[book.Row]seen), make(chan struct{})
	}
	t.pending[c.Row] = seen{c.VerifiedAt, c.UpdatedAt}
	select {
	case t.more <- struct{}{}:
	default:
	}
	return nil
}

// take hands over what is pending. The caller calls done when it is written.
func (t *touches) take() (pending map[book.Row]seen, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		return nil, func() {}
	}
	written := t.next
	pending, t.pending, t.next, t.writing = t.pending, nil, nil, written
	return pending, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.writing = nil
		close(written)
	}
}

// last is closed when everything is written that was added before; nil when it is.
func (t *touches) last() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		return t.next
	}
	return t.writing
}

// settle waits for the sightings that were noted before.
func (s *Store) settle(ctx context.Context) error {
	written := s.touches.last()
	if written == nil {
		return nil
	}
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// writeTouches writes what is noted until the store closes, and then the rest.
func (s *Store) writeTouches(ctx context.Context) {
	for {
		select {
		case <-s.touches.more:
			s.writeSeen(ctx)
		case <-ctx.Done():
			s.touches.mu.Lock()
			s.touches.closed = true
			s.touches.mu.Unlock()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
			s.writeSeen(last)
			cancel()
			return
		}
	}
}

func (s *Store) writeSeen(ctx context.Context) {
	pending, done := s.touches.take()
	defer done()
	if len(pending) == 0 {
		return
	}
	rows := make([]book.Row, 0, len(pending))
	for r := range pending {
		rows = append(rows, r)
	}
	slices.Sort(rows)
	verified, at := make([]optionalTime, len(rows)), make([]time.Time, len(rows))
	for i, r := range rows {
		verified[i], at[i] = optionalTime(pending[r].verifiedAt), pending[r].at
	}
	if err := s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, "SELECT id FROM conversations WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", rows); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `UPDATE conversations c SET verified_at = coalesce(greatest(c.verified_at, u.verified), u.verified),
				seen_at = greatest(c.seen_at, u.at), updated_at = greatest(c.updated_at, u.at)
			FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) u (id, verified, at) WHERE c.id = u.id`,
			rows, verified, at)
		return err
	}); err != nil {
		s.cfg.Logger.WarnContext(ctx, "sightings not noted", "conversations", len(rows), "error", err.Error())
	}
}
