package postgres

import (
	"context"
	"time"
)

// Wakeups implements [outbox.Store].
func (s *Store) Wakeups() <-chan struct{} { return s.wakeups }

// wake tells the workers of this node, and soon those of the others, that there may be something to claim.
func (s *Store) wake() {
	s.wakeHere()
	s.bus.tell(topicClaim, "")
}

// wakeHere tells the workers of this node.
func (s *Store) wakeHere() {
	select {
	case s.wakeups <- struct{}{}:
	default: // they are told already
	}
}

// tellNews has this node give ids to events that it has written, and then tell everybody who reads them.
func (s *Store) tellNews() { s.events.look() }

// keepHouse takes back, every second, what nodes that are gone were sending, warns of what
// hinders the database, and forgets every minute what nobody needs.
func (s *Store) keepHouse(ctx context.Context) {
	hindrance := int64(0)
	for n := 0; rest(ctx, nil, lookEvery) == nil; n++ {
		err := s.takeBack(ctx)
		if err == nil {
			err = s.keepClocks(ctx)
		}
		if err == nil && n%int(hindranceEvery/lookEvery) == 0 {
			err = s.warnOfHindrance(ctx, longSnapshot, &hindrance)
		}
		if err == nil && n%int(forgetEvery/lookEvery) == 0 {
			err = s.forgetOld(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "the store's background work has failed", "error", err.Error())
		}
	}
}

// forgetEvery is how often old rows are deleted.
const forgetEvery = time.Minute

// takeBack takes back what nodes that are gone were sending.
func (s *Store) takeBack(ctx context.Context) error {
	if s.callersTime {
		return nil
	}
	_, err := s.ReclaimExpired(ctx, s.cfg.Now())
	return err
}
