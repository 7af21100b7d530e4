package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/internal/event"
)

// Where several processes use a store, one posts to a webhook at a time: the one that has its lease.

const (
	// leaseTime is how long a webhook's lease is good. Its holder extends it three times as often.
	leaseTime = 15 * time.Second
	// leaseLate is how long after the end of another's lease to ask for it.
	leaseLate = 100 * time.Millisecond
	// idleLease is how long at most the holder of a lease waits when there is nothing to post. It looks again before the lease
	// runs out, which would else wander from node to node, and leave the connection to the receiver behind.
	idleLease = leaseTime * 2 / 3
	// lookForOthers is how often to look for webhooks that were made at another process.
	lookForOthers = 5 * time.Second
	// leaveTimeout bounds giving a lease back.
	leaveTimeout = 5 * time.Second
)

// otherNodes has a value when it is time to look for what other processes have made; it is nil when there are none.
func (s *Service) otherNodes() <-chan time.Time {
	if _, shared := s.cfg.Store.(event.Leasing); shared {
		return time.After(lookForOthers)
	}
	return nil
}

// turn is round, if it is this process that posts to the webhook. It ends early when the lease is lost: then another
// process may be at it.
func (s *Service) turn(ctx context.Context, id event.WebhookID) (wait time.Duration, err error) {
	shared, ok := s.cfg.Store.(event.Leasing)
	if !ok {
		return s.round(ctx, id)
	}
	mine, left, err := shared.LeaseWebhook(ctx, id, leaseTime)
	switch {
	case err != nil:
		return 0, err
	case !mine:
		return left + leaseLate, nil
	}
	work, lost := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { s.keep(work, lost, shared, id, left) })
	wait, err = s.round(work, id)
	if errors.Is(context.Cause(work), errLeaseLost) {
		s.cfg.Logger.WarnContext(ctx, "webhook left to another node", "webhook_id", id.String())
		wait, err = leaseLate, nil
	}
	lost(nil)
	keeping.Wait()
	return min(wait, idleLease), err
}

// errLeaseLost: another process may post to the webhook.
var errLeaseLost = errors.New("webhook: the lease was lost")

// keep extends a lease that is good for a while until ctx ends, and calls lost when another has it, or could.
func (s *Service) keep(ctx context.Context, lost func(error), shared event.Leasing, id event.WebhookID, left time.Duration) {
	tick := time.NewTicker(leaseTime / 3)
	defer tick.Stop()
	end := time.NewTimer(left)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			lost(errLeaseLost)
			return
		case <-tick.C:
		}
		asked := time.Now()
		asking, cancel := context.WithTimeout(ctx, leaseTime/6)
		mine, left, err := shared.LeaseWebhook(asking, id, leaseTime)
		cancel()
		switch {
		case err != nil: // perhaps it goes well the next time
		case !mine:
			lost(errLeaseLost)
			return
		default:
			end.Reset(left - time.Since(asked))
		}
	}
}

// leave gives the lease to whoever wants it.
func (s *Service) leave(ctx context.Context, id event.WebhookID) {
	shared, ok := s.cfg.Store.(event.Leasing)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := shared.ReleaseWebhook(ctx, id); err != nil { // then it runs out
		s.cfg.Logger.DebugContext(ctx, "webhook not released", "webhook_id", id.String(), "error", err.Error())
	}
}
