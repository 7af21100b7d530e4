package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/internal/recur"
)

// SkipDue tells nothing of what is due at a time: it is for a store that was restored from a backup, where nobody knows
// which occurrences were told since. Each clock that is due gets one occurrence that says so, with [ReasonRestored], and
// goes on with the first after that time. It returns how many clocks there were.
func SkipDue(ctx context.Context, store Store, at time.Time) (clocks int, err error) {
	for {
		due, err := store.DueClocks(ctx, pageSize, at)
		if err != nil || len(due.Clocks) == 0 {
			return clocks, err
		}
		firings := make([]Firing, len(due.Clocks))
		for i, d := range due.Clocks {
			firings[i] = d.skip(at)
		}
		results, err := store.Fire(ctx, firings)
		if err != nil {
			return clocks, err
		}
		for i, err := range results {
			if err != nil && !errors.Is(err, ErrChanged) {
				return clocks, fmt.Errorf("schedule %s: %w", due.Clocks[i].Schedule.ID, err)
			}
		}
		clocks += len(firings)
	}
}

// skip moves a clock on to the first occurrence after a time.
func (d DueClock) skip(at time.Time) Firing {
	f := Firing{Schedule: d.Schedule.ID, Revision: d.Schedule.Revision, Clock: d.Clock, Occurrences: []Occurrence{{
		Zone: d.Clock.Zone, At: d.Clock.NextAt, Result: Skipped, Reason: ReasonRestored, FiredAt: at,
	}}}
	rule, err := d.Schedule.Rule.parse()
	loc, zoneErr := recur.Zone(d.Clock.Zone)
	if err != nil || zoneErr != nil { // it was read before; a zone may be gone from the database
		return f
	}
	l := line{rule, loc}
	f.Occurrences[0].Others = max(0, len(l.upTo(d.Clock.NextAt, at, maxCounted))-1)
	f.Next = l.after(at)
	return f
}
