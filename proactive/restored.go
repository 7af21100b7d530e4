package proactive

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// RestoredStore is what [HoldRestored] needs of a store.
type RestoredStore interface {
	outbox.Store
	schedule.Store
}

// HoldRestored is for a store that was restored from a backup and has not been used since: what could be said at a time,
// and may have been said after the backup was made, becomes unknown with [outbox.ReasonRestored], for people to look at.
// That is also what broadcasts would say that had not come to their end. Occurrences of schedules that are due are skipped
// with [schedule.ReasonRestored]. It returns how many deliveries are held.
func HoldRestored(ctx context.Context, store RestoredStore, at time.Time) (int, error) {
	if _, err := schedule.SkipDue(ctx, store, at); err != nil {
		return 0, fmt.Errorf("proactive: hold what was restored: %w", err)
	}
	for more := true; more; { // what was being taken back is not to be looked at by anybody
		var err error
		if _, more, err = store.SweepMessages(ctx, spreadAtOnce, nextDelivery); err != nil {
			return 0, fmt.Errorf("proactive: hold what was restored: %w", err)
		}
	}
	for more := true; more; {
		var err error
		if _, more, err = store.SpreadMessages(ctx, spreadAtOnce, at, nextDelivery); err != nil {
			return 0, fmt.Errorf("proactive: hold what was restored: %w", err)
		}
	}
	n, err := store.Park(ctx, at)
	if err != nil {
		return n, fmt.Errorf("proactive: hold what was restored: %w", err)
	}
	return n, nil
}
