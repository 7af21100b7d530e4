// Package audit keeps the record of who did what, when and from where: a chain of entries that only grows.
//
// An [Act] is what somebody does. It travels in the context of the request, as a [Pending], and the store writes it in the
// transaction of the first change that is made under that context: neither is on disk without the other. What changes
// nothing in the store is written by [Log.Finish], before the answer leaves. An [Entry] is an act as it stands in the log:
// numbered without gaps, and sealed with a hash over itself and the entry before it, so that [Verifier] finds what was
// changed, removed or put in later.
//
//	ctx, act := log.Begin(ctx, audit.Act{Action: audit.KeyRevoke, Actor: "key:4f…", From: "192.0.2.7", Object: id})
//	if err := revoke(ctx, id); err != nil {
//		return err
//	}
//	return log.Finish(ctx, act)
//
// Entries hold no text of messages, no secrets and no names of people. A person is named by [Log.Person], a keyed hash, so
// that the log need not change when the person is erased.
package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Action says what was done. The vocabulary is closed: docs/audit.md lists it, and a test holds both to each other.
type Action string

// What operators do.
const (
	KeyCreate Action = "key.create"
	KeyRevoke Action = "key.revoke"
	// SigningKeyRotate: a secret that tokens are signed with was replaced.
	SigningKeyRotate Action = "signing_key.rotate"

	WebhookCreate Action = "webhook.create"
	WebhookChange Action = "webhook.change"
	WebhookDelete Action = "webhook.delete"
	WebhookRotate Action = "webhook.rotate_secret"
	WebhookReplay Action = "webhook.replay"

	ScheduleCreate Action = "schedule.create"
	ScheduleChange Action = "schedule.change"
	SchedulePause  Action = "schedule.pause"
	ScheduleResume Action = "schedule.resume"
	ScheduleDelete Action = "schedule.delete"

	TemplatePut    Action = "template.put"
	TemplateDelete Action = "template.delete"

	BroadcastSend          Action = "broadcast.send"
	NotificationCancel     Action = "notification.cancel"
	NotificationRecall     Action = "notification.recall"
	NotificationEdit       Action = "notification.edit"
	NotificationReschedule Action = "notification.reschedule"

	DeliveryReplay Action = "delivery.replay"
	DeliverySettle Action = "delivery.settle"

	PauseEnd Action = "pause.end"

	ConversationChange Action = "conversation.change"
	ConversationForget Action = "conversation.forget"
	ConversationImport Action = "conversation.import"

	PersonExport Action = "person.export"
	PersonErase  Action = "person.erase"
	PersonMerge  Action = "person.merge"
	PersonSplit  Action = "person.split"

	PreferencesChange Action = "preferences.change"

	AuthRefresh Action = "auth.refresh"

	BackupMake    Action = "backup.make"
	BackupRestore Action = "backup.restore"
)

// What the server does, and what it notes of itself.
const (
	ServerStart Action = "server.start"
	ServerStop  Action = "server.stop"
	LogCut      Action = "audit.cut"
	LogDamaged  Action = "audit.damaged"
)

// What was refused. These are counted, and written once a minute for each reason and address; see [Log.Refused].
const (
	TokenRefused  Action = "refused.token"
	KeyRefused    Action = "refused.key"
	ScopeDenied   Action = "refused.scope"
	RateLimited   Action = "refused.rate"
	URLRefused    Action = "refused.service_url"
	ButtonRefused Action = "refused.button"
)

// Actions lists the vocabulary.
func Actions() []Action {
	return []Action{
		KeyCreate, KeyRevoke, SigningKeyRotate, WebhookCreate, WebhookChange, WebhookDelete, WebhookRotate, WebhookReplay, ScheduleCreate,
		ScheduleChange, SchedulePause, ScheduleResume, ScheduleDelete, TemplatePut, TemplateDelete, BroadcastSend, NotificationCancel,
		NotificationRecall, NotificationEdit, NotificationReschedule, DeliveryReplay, DeliverySettle, PauseEnd,
		ConversationChange, ConversationForget, ConversationImport, PersonExport, PersonErase, PersonMerge, PersonSplit, PreferencesChange,
		AuthRefresh, BackupMake,
		BackupRestore, ServerStart, ServerStop, LogCut, LogDamaged, TokenRefused, KeyRefused, ScopeDenied, RateLimited,
		URLRefused, ButtonRefused,
	}
}

// Who acts without a key.
const (
	// Local is an operator on the server's machine, who can read the secret in its data directory.
	Local = "local"
	// Development is a caller whom development mode lets in without a key.
	Development = "development"
	// Server is the server itself.
	Server = "server"
	// Nobody is a caller who was not let in.
	Nobody = ""
)

// KeyActor is a caller with an API key.
func KeyActor(id string) string { return "key:" + id }

// Act is what somebody does.
type Act struct {
	// AppID is whose log it goes to. [Log] fills it in.
	AppID  string
	Action Action
	// Actor is who does it: key:<id>, app:<id>, or one of the words of this package.
	Actor string
	// From is the address that the request came from; empty when there is none.
	From string
	// Object is what it is done to: the id of a key, webhook, schedule, notification, delivery, or a keyed hash.
	Object string
	// Detail says more: a small JSON object, or nothing.
	Detail Detail
	// Trace is the id of the request's trace, if it has one.
	Trace string
	// Key seals the entry; nil is the plain chain. [Log] fills it in.
	Key *Key
}

// Detail is the members of an entry's JSON object. Values are numbers, booleans, short texts and lists of these.
type Detail map[string]any

// maxDetail bounds an entry's detail in bytes, maxAlso how many things are named that were made together with the first.
const (
	maxDetail = 2 << 10
	maxAlso   = 64
)

// text is the detail as it is kept and hashed.
func (d Detail) text() string {
	if len(d) == 0 {
		return ""
	}
	raw, err := json.Marshal(map[string]any(d), json.Deterministic(true))
	if err != nil || len(raw) > maxDetail {
		return `{"left_out":true}`
	}
	return string(raw)
}

// Pending is an act that is under way. A store writes it once, with the first change. The zero value, and nil, want
// nothing to be written. Safe for concurrent use.
type Pending struct {
	mu   sync.Mutex
	act  Act
	open bool // it is to be written, and was not
}

// About sets what the act is done to, for what has no id before it is made.
func (p *Pending) About(object string) {
	p.change(func(a *Act) { a.Object = object })
}

// Made adds one of the things that the act makes: the first is its object, and more of them stand in the detail as also.
func (p *Pending) Made(id string) {
	p.change(func(a *Act) {
		if a.Object == "" {
			a.Object = id
			return
		}
		if a.Detail == nil {
			a.Detail = Detail{}
		}
		also, _ := a.Detail["also"].([]string)
		if len(also) < maxAlso {
			a.Detail["also"] = append(also, id)
		}
	})
}

// Note adds a member to the detail.
func (p *Pending) Note(name string, value any) {
	p.change(func(a *Act) {
		if a.Detail == nil {
			a.Detail = Detail{}
		}
		a.Detail[name] = value
	})
}

func (p *Pending) change(f func(*Act)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.act)
}

// Want has an act written that may be one only on a second look, such as a notification that goes to more than one person.
func (p *Pending) Want() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = p.act.Action != ""
}

// Drop has nothing written any more: it was done before, and this is a repetition.
func (p *Pending) Drop() { p.Written() }

// Written tells that the act is in the log.
func (p *Pending) Written() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

// Act returns what a store has to write, and whether there is anything.
func (p *Pending) Act() (Act, bool) {
	if p == nil {
		return Act{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.act, p.open
}

// Open reports whether the act is to be written.
func (p *Pending) Open() bool {
	_, open := p.Act()
	return open
}

type contextKey struct{}

// NewContext returns a context under which p is done.
func NewContext(ctx context.Context, p *Pending) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the act that is done under a context, or nil, whose methods do nothing.
func FromContext(ctx context.Context) *Pending {
	p, _ := ctx.Value(contextKey{}).(*Pending)
	return p
}

// Store keeps the log of each app: a chain of entries, and where it begins and ends. Its methods are safe for concurrent
// use. Entries are never changed, and are removed from the old end only.
//
// Beside what is asked of it here, a durable store writes the act that is open in a context (FromContext) in the
// transaction of the first change that is made under that context, and tells it that it is [Pending.Written] when that is
// committed: where the change does not happen, the act stays open. An entry's time is the store's clock, never before that
// of the entry that it follows. Several nodes that write at once make one chain. Where there are entries beyond the end that
// the store knows, the chain goes on from the last of them, with the act that [Act.Damaged] makes before the one at hand.
type Store interface {
	// WriteAudit puts acts at the end of their app's log, in their order and in one step.
	WriteAudit(ctx context.Context, acts ...Act) error

	// AuditEntries returns up to limit entries that match, in the order that the filter asks for.
	AuditEntries(ctx context.Context, f Filter) ([]Entry, error)

	// AuditEnds returns where an app's log begins and ends; both are zero before the first entry.
	AuditEnds(ctx context.Context, appID string) (Ends, error)

	// CutAudit removes up to limit of the oldest entries that are from before a time, but never the last one, moves the
	// log's foot to the last that was removed, and writes the act that note makes of that, all in one step. It returns how
	// many were removed; when there are none, nothing is written.
	CutAudit(ctx context.Context, appID string, before time.Time, limit int, note func(foot Mark) Act) (int, error)
}

// Filter says which entries are wanted.
type Filter struct {
	AppID string
	// Action, Actor and Object, if not empty, are what entries must have. An action that ends with a dot is all that begin
	// with it.
	Action, Actor, Object string
	// Since and Until, if not zero, are between which times entries are: at Since or later, before Until.
	Since, Until time.Time
	// Oldest lists from the old end; otherwise the newest come first.
	Oldest bool
	// After is the number of the entry after which, in that order, to go on. 0 is the beginning.
	After int64
	Limit int
}

// Matches reports whether an entry is one of those that are wanted, wherever it stands.
func (f Filter) Matches(e Entry) bool {
	group := len(f.Action) > 0 && f.Action[len(f.Action)-1] == '.' && len(e.Action) > len(f.Action) && string(e.Action[:len(f.Action)]) == f.Action
	switch {
	case e.AppID != f.AppID, f.Action != "" && f.Action != string(e.Action) && !group,
		f.Actor != "" && f.Actor != e.Actor, f.Object != "" && f.Object != e.Object,
		!f.Since.IsZero() && e.At.Before(f.Since), !f.Until.IsZero() && !e.At.Before(f.Until):
		return false
	case f.After == 0:
		return true
	case f.Oldest:
		return e.Number > f.After
	}
	return e.Number < f.After
}

// Mark names a place in the log: an entry's number and hash. The zero value is before the first entry.
type Mark struct {
	Number int64
	Hash   Hash
}

func (m Mark) String() string { return fmt.Sprintf("%d %s", m.Number, m.Hash) }

// Ends is where a log begins and ends.
type Ends struct {
	// Foot is the last entry that was cut off; zero when none was.
	Foot Mark
	// Head is the newest entry, and HeadAt its time.
	Head   Mark
	HeadAt time.Time
}
