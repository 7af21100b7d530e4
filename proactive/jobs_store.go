package proactive

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// Errors of jobs.
var (
	// ErrNoJob: there is no job with that number.
	ErrNoJob = errors.New("proactive: no such job")
	// ErrJobCompleted: the job was completed before.
	ErrJobCompleted = errors.New("proactive: the job is already completed")
)

// JobNumber names a job of a bot. It is positive and counts up.
type JobNumber int64

// Job is long work that was started in a conversation and whose end is told there.
type Job struct {
	Number JobNumber
	AppID  string
	// Name says what kind of work it is. May be empty.
	Name string
	// Key is the conversation, Reference where to continue it.
	Key       headsup.ConversationKey
	Reference activity.Reference
	// Value is the starter's own data. Any JSON, or empty.
	Value       jsontext.Value
	StartedAt   time.Time
	CompletedAt time.Time // zero while it runs
	// Message is the notification of its completion, the earlier one when its key was used before; 0 when there is none.
	Message outbox.MessageID
	// Progress is what was told of it last while it ran.
	Progress JobReport
}

// JobReport is what was told of a job's progress.
type JobReport struct {
	// Message is the notification that tells it; 0 when nothing was told yet.
	Message outbox.MessageID
	// Text is what was told, and Percent how much is done; nil when that was not said.
	Text    string
	Percent *int
	At      time.Time
}

// Notification names the notification that tells the progress; empty when nothing was told.
func (r JobReport) Notification() headsup.NotificationID {
	if r.Message == 0 {
		return ""
	}
	return notificationID(r.Message)
}

// Completed reports whether the job has ended.
func (j Job) Completed() bool { return !j.CompletedAt.IsZero() }

// Notification names the notification of the job's completion; empty when there is none.
func (j Job) Notification() headsup.NotificationID {
	if j.Message == 0 {
		return ""
	}
	return notificationID(j.Message)
}

// JobStart asks for a new job. Number is left for the store to set.
type JobStart struct {
	Job Job
	// Once makes starting idempotent: a second start with the same Once in the same conversation returns the first job.
	// Empty for never.
	Once string
}

// JobEnd completes a job.
type JobEnd struct {
	AppID  string
	Number JobNumber
	At     time.Time
	// Once makes completing idempotent: the completion that carried it may be repeated.
	Once string
	// Tell, when set, is accepted in the same commit.
	Tell *outbox.Submission
}

// JobProgress tells how far a job has come.
type JobProgress struct {
	AppID  string
	Number JobNumber
	At     time.Time
	// Text and Percent are kept with the job.
	Text    string
	Percent *int
	// Tell says it in a message of its own, to one conversation and without a key.
	Tell outbox.Submission
	// Edit: a message that was sent may be edited. Otherwise, or when there is none, messages are at least Every apart.
	Edit  bool
	Every time.Duration
	// NextID is as in [outbox.Revision].
	NextID func() outbox.DeliveryID
}

// JobStore keeps jobs. Methods are atomic and durable when they return, and safe for concurrent use.
type JobStore interface {
	// StartJob adds a job with the next number of its app, which is one more than the highest there ever was.
	StartJob(ctx context.Context, s JobStart) (Job, error)
	// CompleteJob marks the job completed and accepts the notification in one commit. ErrNoJob; ErrJobCompleted with
	// the job, unless it was completed with the same Once, in which case the job is returned without error and nothing
	// changes. What of its progress is scheduled is cancelled.
	CompleteJob(ctx context.Context, e JobEnd) (Job, error)
	// ProgressJob tells a job's progress, in one commit with what is kept of it. While the message that told it last is not
	// handed out yet, its body is replaced by that of p.Tell. Else, with p.Edit, and if that message is being sent or was
	// delivered with an id and none of its edits has failed or is unknown, it is edited as ReviseMessage does. Else p.Tell is accepted,
	// and due at p.At, or p.Every after the last one was due, whichever is later. ErrNoJob, ErrJobCompleted.
	ProgressJob(ctx context.Context, p JobProgress) (Job, error)
	// Job returns a job, or ErrNoJob.
	Job(ctx context.Context, appID string, n JobNumber) (Job, error)
	// Jobs lists jobs, those with the highest numbers first, at most limit: all, or, unless it is 0, those before a number,
	// and, unless it is empty, those in conversations of a tenant.
	Jobs(ctx context.Context, appID string, tenant activity.TenantID, before JobNumber, limit int) ([]Job, error)
}
