package proactive

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// errTenantless is what a view for one tenant says to what only the engine itself does, for all tenants.
var errTenantless = errors.New("proactive: this is not done for one tenant")

// What follows is no tenant's: the work of delivery, and of schedules. See [schedule.Store], [outbox.Store] and [book.Store].

func (tenantStore) SpreadMessages(context.Context, int, time.Time, func() outbox.DeliveryID) (int, bool, error) {
	return 0, false, errTenantless
}

func (tenantStore) SweepMessages(context.Context, int, func() outbox.DeliveryID) ([]outbox.MessageID, bool, error) {
	return nil, false, errTenantless
}

func (tenantStore) Claim(context.Context, int, time.Time) (outbox.Claimed, error) {
	return outbox.Claimed{}, errTenantless
}

func (tenantStore) RecordOutcome(context.Context, outbox.Outcome) error { return errTenantless }

func (tenantStore) Resume(context.Context, []book.Row, time.Time) (int, error) {
	return 0, errTenantless
}

func (tenantStore) Count(context.Context, outbox.Counting) (bool, error) { return false, errTenantless }

func (tenantStore) Uncount(context.Context, outbox.DeliveryID, book.Row) error { return errTenantless }

func (tenantStore) RecordSend(context.Context, outbox.Send) error { return errTenantless }

func (tenantStore) Behind(context.Context, outbox.DeliveryID, int) ([]outbox.Part, error) {
	return nil, errTenantless
}

func (tenantStore) Join(context.Context, outbox.Joining) error { return errTenantless }

func (tenantStore) Joined(context.Context, outbox.DeliveryID) ([]outbox.Part, error) {
	return nil, errTenantless
}

func (tenantStore) Extend(context.Context, []outbox.Attempt, time.Time) ([]outbox.DeliveryID, error) {
	return nil, errTenantless
}

func (tenantStore) ReclaimExpired(context.Context, time.Time) (int, error) { return 0, errTenantless }

func (tenantStore) Park(context.Context, time.Time) (int, error) { return 0, errTenantless }

func (tenantStore) Purge(context.Context, outbox.Purge) (outbox.Purged, error) {
	return outbox.Purged{}, errTenantless
}

func (tenantStore) Fallbacks(context.Context, outbox.MessageID, int) ([]outbox.MessageID, outbox.MessageID, error) {
	return nil, 0, errTenantless
}

func (tenantStore) Counts(context.Context) (map[outbox.State]int64, error) { return nil, errTenantless }

func (tenantStore) OldestDue(context.Context, time.Time) (time.Time, error) {
	return time.Time{}, errTenantless
}

func (tenantStore) Observe(outbox.Observer) {}

func (tenantStore) Wakeups() <-chan struct{} { return nil }

func (tenantStore) StrikeOut(context.Context, headsup.ConversationKey, book.Standing) error {
	return errTenantless
}

func (tenantStore) Change(context.Context, book.Change) (int, error) { return 0, errTenantless }

func (tenantStore) Reopen(context.Context, time.Time, int) (int, error) { return 0, errTenantless }

func (tenantStore) AddClocks(context.Context, schedule.ID, int64, []schedule.Clock) error {
	return errTenantless
}

func (tenantStore) DueClocks(context.Context, int, time.Time) (schedule.Due, error) {
	return schedule.Due{}, errTenantless
}

func (tenantStore) Fire(context.Context, []schedule.Firing) ([]error, error) {
	return nil, errTenantless
}

func (tenantStore) ScheduleNews() <-chan struct{} { return nil }

func (tenantStore) PurgeTemplates(context.Context, string, time.Time, int) (int, error) {
	return 0, errTenantless
}
