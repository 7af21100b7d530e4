package schedule

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// Store keeps schedules, their clocks and their occurrences. Every method is one atomic step; those that change something
// return after the change is synced to disk. Methods are safe for concurrent use, also by several nodes. Times are kept to
// the millisecond at least.
//
// What is indexed by time is the next occurrence of every clock, nothing more: a million schedules cost disk, not memory.
type Store interface {
	// CreateSchedule keeps a schedule with its clocks, under the id that it has. If its key was used by its app and tenant,
	// the schedule that it was used for is returned as it is now, and replayed; [ErrKeyReused] if that had another
	// fingerprint. [ErrTooMany] when the app has most schedules already.
	CreateSchedule(ctx context.Context, s Schedule, most int) (_ Schedule, replayed bool, err error)

	// Schedule returns one of an app's, or [ErrNotFound].
	Schedule(ctx context.Context, appID string, id ID) (Schedule, error)

	// Schedules lists an app's schedules that the filter lets through, newest first, those before an id (0 is no bound),
	// at most limit.
	Schedules(ctx context.Context, appID string, f Filter, before ID, limit int) ([]Schedule, error)

	// ChangeSchedule replaces name, rule, missed, grace, template, pause and all clocks of the schedule with that id, if
	// its revision is that of s, and returns it. [ErrNotFound]; [ErrChanged] when it has another revision.
	ChangeSchedule(ctx context.Context, s Schedule) (Schedule, error)

	// DeleteSchedule forgets a schedule and its occurrences, and frees its key; what was told of it stays. [ErrNotFound].
	DeleteSchedule(ctx context.Context, appID string, id ID) error

	// AddClocks adds those clocks whose zones have none to a schedule that is not paused, if it has that revision;
	// otherwise it does nothing.
	AddClocks(ctx context.Context, id ID, revision int64, clocks []Clock) error

	// DueClocks lists up to n clocks that are due at now, those that have waited longest first, and tells when the next
	// one is due that now is not. It reserves nothing that Fire would mind: what it lists may be listed again, to anybody.
	// A store of several nodes may keep what it lists to itself for some seconds, so that they do not all do the same work
	// (on PostgreSQL: FOR UPDATE SKIP LOCKED, and a column until when).
	DueClocks(ctx context.Context, n int, now time.Time) (Due, error)

	// Fire moves clocks on, each by itself, and makes their occurrences rows together with what is told of them. The
	// results are in the order of the firings. [ErrChanged] means that the clock is not due at that time any more, or the
	// schedule not of that revision: nothing happened, and there is nothing to do. Other errors are those of
	// [outbox.Store.SubmitMessage], and nothing happened either. An occurrence that the schedule had before, with the same
	// zone and time, is left out, and if it is the last of a firing, so is what that tells.
	//
	// Of a schedule's occurrences the newest [KeepOccurrences] are kept, or some more.
	Fire(ctx context.Context, firings []Firing) ([]error, error)

	// Occurrences lists a schedule's occurrences, newest first, those before a number (0 is no bound), at most limit.
	// [ErrNotFound].
	Occurrences(ctx context.Context, appID string, id ID, before int64, limit int) ([]Occurrence, error)

	// RecipientZones lists the time zones of an app's conversations that can be reached and, if a tenant or a tag is given,
	// are of it and have it, in the order of their names; an empty one when that of some is not known.
	RecipientZones(ctx context.Context, appID string, tenant activity.TenantID, tag string) ([]string, error)

	// ScheduleNews is signalled when a clock may be due earlier than DueClocks has told. Signals are joined.
	ScheduleNews() <-chan struct{}
}

// Filter chooses schedules: those that fit all members that are set.
type Filter struct {
	State State
	Name  string
	// Tenant chooses those that are bound to it.
	Tenant activity.TenantID
	// PerRecipient chooses those that go by their recipients' clocks.
	PerRecipient bool
}

// Due is what [Store.DueClocks] lists.
type Due struct {
	Clocks []DueClock
	// Next is when the next clock is due; zero for none. While there may be more that are due, it is not told.
	Next time.Time
}

// DueClock is a clock that is due, with its schedule, whose own Clocks are not filled in.
type DueClock struct {
	Schedule Schedule
	Clock    Clock
}

// Firing moves a clock on.
type Firing struct {
	Schedule ID
	Revision int64
	// Clock is as it was listed.
	Clock Clock
	// Next is when the clock is due next; zero removes it.
	Next time.Time
	// Occurrences are added in their order; there may be none.
	Occurrences []Occurrence
	// Tell, if set, is accepted, and becomes the Message of the last occurrence.
	Tell *outbox.Submission
}

// Create is the op that keeps a schedule when a turn commits. One whose key was used before is left out; with other
// content it fails the commit with [ErrKeyReused].
type Create struct {
	Schedule Schedule
	Most     int
}

// TurnOp implements headsup.Op.
func (Create) TurnOp() {}
