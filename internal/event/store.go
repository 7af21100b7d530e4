package event

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
)

// WebhookID names a webhook.
type WebhookID int64

// String is the id as people see it.
func (id WebhookID) String() string { return ident.Text("whk", int64(id)) }

// ParseWebhookID reads what [WebhookID.String] wrote.
func ParseWebhookID(text string) (WebhookID, error) {
	n, err := ident.Parse("whk", text)
	return WebhookID(n), err
}

// Reasons for which a webhook is disabled.
const (
	Requested = "requested"
	Gone      = "gone"
	Failing   = "failing"
)

// Webhook is an address that events are posted to, and how that goes.
type Webhook struct {
	ID    WebhookID
	AppID string
	// Tenant is the tenant of a channel that the webhook is bound to: it is told what happens there only. It never changes.
	// Empty binds it to none.
	Tenant      activity.TenantID
	URL         string
	Types       []Type
	Description string
	// Secrets sign, the newest first.
	Secrets   []Secret
	CreatedAt time.Time

	// Disabled is why nothing is posted; empty when it is enabled.
	Disabled   string
	DisabledAt time.Time

	// Cursor: every event up to it was posted, or has a [Post], or is none of the webhook's types.
	Cursor ID
	// Away counts the failures since the last success that tell that nobody is there, and NotBefore is when to try
	// again. Until something gets through, one post is tried at a time.
	Away      int
	NotBefore time.Time
	// FailingSince is the first failure since something got through; zero for none.
	FailingSince time.Time
	// Dropped counts events that became too old before they got through.
	Dropped int64
}

// Wants reports whether the webhook is enabled and wants events of a type.
func (w *Webhook) Wants(t Type) bool { return w.Disabled == "" && slices.Contains(w.Types, t) }

// Covers reports whether an event is for the webhook: of its app, its tenant if it is bound to one, and its types. Whether
// it is enabled is not asked. Of the event it reads no more than that.
func (w *Webhook) Covers(e *Event) bool {
	return e.AppID == w.AppID && (w.Tenant == "" || w.Tenant == e.Tenant) && slices.Contains(w.Types, e.Type)
}

// Secret is a signing key in its text form, and until when it is used; zero for no end.
type Secret struct {
	Text  string    `json:"text"`
	Until time.Time `json:"until,omitzero"`
}

// Post is one event on its way to one webhook, after its first attempt or when it was asked for again.
type Post struct {
	Event Event
	// Delivered: the webhook has taken it. Otherwise NextAt is when it is tried next.
	Delivered bool
	NextAt    time.Time
	// Tries counts attempts; Attempts are the last [KeepAttempts] of them, oldest first.
	Tries    int
	Attempts []Attempt
}

// Outage is how many failures in a row tell that the webhook was away, and not that it cannot cope with one event.
const Outage = 3

// KeepAttempts is how many attempts of a post are remembered.
const KeepAttempts = 20

// Attempt is one attempt at a post. What the other side said is not kept.
type Attempt struct {
	At        time.Time `json:"at"`
	Status    int       `json:"status,omitzero"`
	LatencyMS int64     `json:"latency_ms,omitzero"`
	// Error is a stable word; empty when it went well.
	Error string `json:"error,omitzero"`
}

// Outcome is what became of an attempt.
type Outcome struct {
	Webhook WebhookID
	Event   ID
	Attempt Attempt
	// NextAt is when the post is tried next; zero when it was delivered.
	NextAt time.Time
	// Away: it seems that nobody is there.
	Away bool
	// NotBefore is when to try the webhook again, with whatever there is; zero for at once.
	NotBefore time.Time
	// Disable, if not empty, is why the webhook is disabled from now on.
	Disable string
}

// Work is what there is to post to a webhook.
type Work struct {
	// Again are posts that are due, the earliest first.
	Again []Post
	// Fresh are events after the cursor, in order, that the webhook covers and that have no post. Through is how far the cursor may
	// move when they all have one; it may be beyond the cursor though there are none.
	Fresh   []Event
	Through ID
	// Next is when the next post is due that now is not; zero for none.
	Next time.Time
}

// Store keeps events and webhooks. Methods are safe for concurrent use; those that change something return after the
// change is synced to disk. With a wrong id they return [ErrNotFound].
//
// Beside what is asked of it here, a store writes events by itself: those of [Heard] when a turn commits, and one of type
// [OfState] whenever a delivery comes into a final state, in the same step.
type Store interface {
	Wanting

	// Want makes types wanted until a time, for a reader of Events. Repeated, the later time counts for each type.
	Want(ctx context.Context, appID string, types []Type, until time.Time) error

	// LastEvent is the id of the newest event there was, or one as good for reading what comes after it.
	LastEvent(ctx context.Context) (ID, error)

	// Events lists up to limit of an app's events after an id, in order.
	Events(ctx context.Context, appID string, after ID, limit int) ([]Event, error)

	// EventNews is signalled when there are events that there were not before. Signals are joined.
	EventNews() <-chan struct{}

	// DropEvents forgets events that happened before a time, with their posts, and answers that can come no more; what
	// a webhook has not taken by then is added to its Dropped. It takes a bounded step, and reports whether there may be
	// more to do.
	DropEvents(ctx context.Context, before, now time.Time) (more bool, err error)

	// CreateWebhook keeps a webhook under the id that it has. Its cursor is set to the last event.
	CreateWebhook(ctx context.Context, w Webhook) (Webhook, error)

	// Webhook returns one; Webhooks all of an app, in the order of their ids.
	Webhook(ctx context.Context, appID string, id WebhookID) (Webhook, error)
	Webhooks(ctx context.Context, appID string) ([]Webhook, error)

	// ChangeWebhook lets change have its way with all but the webhook's ids, tenant, cursor and Dropped. An error of change is
	// returned as it is, and nothing has changed. It may be called several times.
	ChangeWebhook(ctx context.Context, appID string, id WebhookID, change func(*Webhook) error) (Webhook, error)

	// DeleteWebhook forgets a webhook and its posts.
	DeleteWebhook(ctx context.Context, appID string, id WebhookID) error

	// Work tells what there is to post, up to limit of Again and Fresh together.
	Work(ctx context.Context, id WebhookID, now time.Time, limit int) (Work, error)

	// RecordPost adds an attempt to the post of an event, which it makes if there is none. The first success after
	// [Outage] failures in a row that were Away, or more, makes posts due at once whose last failure was Away.
	RecordPost(ctx context.Context, o Outcome) error

	// Advance moves the cursor forward, never back.
	Advance(ctx context.Context, id WebhookID, through ID) error

	// Posts lists up to limit posts of a webhook whose events are before an id, the newest first; 0 is no bound.
	Posts(ctx context.Context, appID string, id WebhookID, before ID, limit int) ([]Post, error)

	// ReplayEvent makes a post due at now, whether the event was posted or not, as long as it is kept. One of another tenant
	// than the webhook is bound to is not found.
	ReplayEvent(ctx context.Context, appID string, id WebhookID, e ID, now time.Time) error

	// ReplaySince does so for every event that the webhook covers and that happened at since or later, and returns how many
	// there are. It may take several steps; events that are written meanwhile are not among them.
	ReplaySince(ctx context.Context, appID string, id WebhookID, since, now time.Time) (int, error)
}

// Leasing is a [Store] that several processes use at once. One of them posts to a webhook at a time.
type Leasing interface {
	Store

	// LeaseWebhook takes a webhook's lease, unless another process has it, or extends it. It reports whether the lease is
	// this process's, and for how long from now it is that, or another's.
	LeaseWebhook(ctx context.Context, id WebhookID, lease time.Duration) (mine bool, left time.Duration, err error)

	// ReleaseWebhook gives the lease back, if this process has it.
	ReleaseWebhook(ctx context.Context, id WebhookID) error
}
