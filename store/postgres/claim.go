package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/outbox"
)

// Bounds of one step of a claim, so that its locks are not held for long.
const (
	promoteAtOnce = 1000
	dropHeads     = 1000
	pageAtOnce    = 256
)

// ClaimAtLeast implements [outbox.Gatherer]: a claim is four round trips and a commit.
func (s *Store) ClaimAtLeast() int { return 64 }

// Claim implements [outbox.Store]. It takes several steps when very many deliveries have become due or expired. Leases are
// the database's clock's business; what is due, and what has expired, is the caller's. LeaseUntil is by the caller's
// clock, and so not after the lease has ended by the database's.
func (s *Store) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	var claimed outbox.Claimed
	if err := s.releases.settle(ctx); err != nil {
		return claimed, err
	}
	s.routes.claiming.Lock()
	defer s.routes.claiming.Unlock()
	for {
		var step claimStep
		err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			step, err = t.claim(ctx, n-len(claimed.Attempts), now)
			return err
		})
		switch {
		case err != nil && len(claimed.Attempts) == 0:
			return outbox.Claimed{}, err
		case err != nil: // what is handed out must be delivered
			s.wake()
			return claimed, nil
		}
		claimed.Attempts = append(claimed.Attempts, step.attempts...)
		claimed.NextDue = step.nextDue
		if !step.unfinished {
			return claimed, nil
		}
	}
}

// claimStep is what one transaction of a claim has handed out.
type claimStep struct {
	attempts   []outbox.Attempt
	nextDue    time.Time
	unfinished bool // there may be more now
}

func (t *tx) claim(ctx context.Context, n int, now time.Time) (step claimStep, err error) {
	rs := t.store.routes
	t.otherwise(rs.forgetLows)
	if err := t.discover(ctx); err != nil {
		return step, err
	}
	rs.mu.Lock()
	if t.store.loosened.Swap(false) {
		rs.loosen()
	}
	rs.reopen(now)
	rs.mu.Unlock()
	t.idle = true // as nearly every claim is whose worker was only told to look
	var due time.Time
	for dropped := 0; ; {
		p := &page{now: now, n: min(n-len(step.attempts), pageAtOnce)}
		if err := t.look(ctx, p); err != nil {
			return step, err
		}
		if due = p.due; !due.IsZero() && !due.After(now) {
			t.idle = false
			promoted, err := t.promoteDue(ctx, now)
			if err != nil || promoted == promoteAtOnce {
				step.unfinished = true // the most pressing may be among those that follow
				return step, err
			}
			t.tellRoutes() // this claim is the first to look there
			continue
		}
		if p.called, err = t.calledThere(ctx, p); err != nil {
			return step, err
		}
		t.choose(p)
		t.idle = t.idle && len(p.chosen)+len(p.late) == 0
		late, err := t.putOff(ctx, p.late)
		if err != nil {
			return step, err
		}
		attempts, over, err := t.takeChosen(ctx, p.chosen, now)
		if err != nil {
			return step, err
		}
		step.attempts = append(step.attempts, attempts...)
		t.tellRoutes() // of successors of those that were dropped
		dropped += over + late
		switch {
		case p.hasty && t.store.wary(): // those that are not free are passed over now
			continue
		case dropped >= dropHeads:
			step.unfinished = true
			return step, nil
		case len(step.attempts) == n || !p.more && over == 0 && late == 0, 2*(len(attempts)+over+late) < len(p.chosen)+len(p.late):
			// Where others have locked the conversations of most of those who were chosen last, they may wait for those that
			// this claim has taken. So it ends, and there is another one soon.
			step.nextDue, err = t.nextDue(ctx, due, late > 0 || dropped > 0)
			return step, err
		}
	}
}

// nextDue is when the next delivery becomes due, or the next gate may open that one waits for; zero for never. due is
// when the next delivery was, unless that has changed since.
func (t *tx) nextDue(ctx context.Context, due time.Time, changed bool) (time.Time, error) {
	rs := t.store.routes
	if changed {
		var b pgx.Batch
		t.lookForDue(&b, &due)
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			return due, err
		}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if opens := rs.opens(); due.IsZero() || !opens.IsZero() && opens.Before(due) {
		due = opens
	}
	return due, nil
}
