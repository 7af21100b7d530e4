package proactive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// Errors of Notify.
var (
	// ErrNoTarget: the book knows no conversation for the target that can be written to.
	ErrNoTarget = errors.New("proactive: nobody to notify: the target is not in the reference book or cannot be reached")
	// ErrNobody is the ErrNoTarget of a notification to everyone: nobody has ever talked to the bot, or can be reached.
	ErrNobody = fmt.Errorf("%w: nobody has talked to the bot yet", ErrNoTarget)
	// ErrKeyReused: the idempotency key was used for a notification with other content.
	ErrKeyReused = outbox.ErrKeyReused
	// ErrNotFound: there is no such notification.
	ErrNotFound = outbox.ErrNotFound
)

// FieldError says which field of a notification is wrong, by its name in the HTTP API.
type FieldError struct {
	Field  string
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Limits of a notification.
const (
	// MaxText is the largest text in bytes, MaxBody the largest encoded activity.
	MaxText = 64 << 10
	MaxBody = 256 << 10
	// MaxCard is the largest Adaptive Card in bytes; Teams takes messages of about that size.
	MaxCard = 100 << 10
	// MaxSummary is the longest summary in bytes.
	MaxSummary = 1024
	// MaxName bounds keys, topics and external ids, in bytes.
	MaxName = 255
	// MaxActivityID is the longest id of an activity in bytes.
	MaxActivityID = 1024
	// MaxAhead is how far ahead a notification may be scheduled.
	MaxAhead = 5 * 365 * 24 * time.Hour
)

// Accepted answers [Engine.Notify].
type Accepted struct {
	ID headsup.NotificationID
	// Deliveries is how many conversations it goes to; 0 when Replayed.
	Deliveries int
	// Replayed: the same notification had been accepted before under its key, and ID is that one's.
	Replayed bool
	// Status is what became of it as it was accepted, if that goes to a single conversation; else nil, and [Engine.Status]
	// tells it.
	Status *Status
}

// Notify accepts a notification. It is stored durably when Notify returns, and will be delivered as long as some engine
// runs on the store. A notification that is wrong gives a [*FieldError]; a target that nobody answers to [ErrNoTarget].
func (e *Engine) Notify(ctx context.Context, n headsup.Notification) (Accepted, error) {
	accepted, err := e.notify(ctx, n, e.remembered)
	if errors.Is(err, book.ErrNotFound) { // one was forgotten after the target was looked up, or remembered
		accepted, err = e.notify(ctx, n, e.resolve)
	}
	return accepted, err
}

// resolver finds the conversations of a target.
type resolver func(context.Context, headsup.Target) ([]book.Conversation, error)

func (e *Engine) notify(ctx context.Context, n headsup.Notification, find resolver) (Accepted, error) {
	sub, to, err := e.addressed(ctx, n, find)
	if err != nil {
		if id, found, keyErr := e.earlier(ctx, sub.Message); found || keyErr != nil {
			return Accepted{ID: id, Replayed: found}, keyErr
		}
		return Accepted{}, err
	}
	take := len(sub.Deliveries) == 1 && sub.Deliveries[0].DueAt.IsZero() && e.worker.Reserve()
	receipt, err := e.cfg.Store.SubmitMessage(ctx, sub, take)
	switch {
	case take && err == nil && receipt.Attempt != nil:
		e.worker.Hand(receipt.Attempt)
	case take:
		e.worker.Cancel()
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("proactive: notify: %w", err)
	}
	accepted := Accepted{ID: notificationID(receipt.Message), Replayed: receipt.Replayed}
	if !receipt.Replayed {
		accepted.Deliveries = sub.Recipients()
		if len(to) == 1 {
			accepted.Status = new(fresh(&sub, to[0].Key, receipt.Attempt != nil))
		}
	}
	if sub.Spread != nil {
		e.spreadSoon()
	}
	return accepted, nil
}

// Prepare implements [headsup.Notifier]: the op accepts the notification when the turn commits. One that was accepted
// under its key before has the earlier id and an op that does nothing.
func (e *Engine) Prepare(ctx context.Context, n headsup.Notification) (headsup.NotificationID, headsup.Op, error) {
	sub, err := e.submission(ctx, n)
	if id, found, keyErr := e.earlier(ctx, sub.Message); found || keyErr != nil {
		return id, outbox.Submit{}, keyErr
	}
	if err != nil {
		return "", nil, err
	}
	if sub.Spread != nil {
		e.spreadSoon() // and again within a second, if the turn commits later
	}
	return notificationID(sub.Message.ID), outbox.Submit{Submissions: []outbox.Submission{sub}}, nil
}

// earlier finds the notification that was accepted under m's key.
func (e *Engine) earlier(ctx context.Context, m outbox.Message) (id headsup.NotificationID, found bool, err error) {
	if m.Key == "" {
		return "", false, nil
	}
	first, mark, err := e.cfg.Store.MessageByKey(ctx, m.AppID, m.Tenant, m.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("proactive: look for the key: %w", err)
	case !bytes.Equal(mark, m.Fingerprint):
		return "", false, ErrKeyReused
	}
	return notificationID(first), true, nil
}

// submission checks a notification and makes it what the outbox stores. When it is the time or the book that is against
// it, the submission's message is returned all the same: it may be a repeat of one that was accepted.
func (e *Engine) submission(ctx context.Context, n headsup.Notification) (outbox.Submission, error) {
	sub, _, err := e.addressed(ctx, n, e.resolve)
	return sub, err
}

// addressed is submission that also tells the conversations of the deliveries.
func (e *Engine) addressed(
	ctx context.Context, n headsup.Notification, find resolver,
) (outbox.Submission, []book.Conversation, error) {
	sub, due, err := e.draft(ctx, n)
	if err != nil {
		return sub, nil, err
	}
	if n.To.Everyone || n.To.Tag != "" {
		audit.FromContext(ctx).Made(string(notificationID(sub.Message.ID)))
	}
	if sub.Spread, err = e.spreadTo(ctx, n.To, due); sub.Spread != nil || err != nil {
		return sub, nil, err
	}
	if besides, _ := e.waysBesides(n); len(besides) > 0 {
		conversations, err := e.fallsBack(ctx, &sub, n, due, find)
		return sub, conversations, err
	}
	conversations, err := find(ctx, n.To)
	if err != nil {
		return sub, nil, err
	}
	deliver(&sub, conversations, due)
	return sub, conversations, nil
}

// draft is a submission that goes to nobody yet, and when it is due.
func (e *Engine) draft(ctx context.Context, n headsup.Notification) (sub outbox.Submission, due time.Time, err error) {
	now := e.cfg.Now().Truncate(time.Microsecond) // as stores keep times
	if err := check(n); err != nil {
		return sub, due, err
	}
	if err := e.checkHandler(n); err != nil {
		return sub, due, err
	}
	said, err := e.templated(ctx, n)
	if err != nil {
		return e.forgone(n), due, err
	}
	body, err := encode(said)
	if err != nil {
		return sub, due, err
	}
	mark, err := fingerprint(n, body)
	if err != nil {
		return sub, due, err
	}
	target, err := describe(n.To)
	if err != nil {
		return sub, due, err
	}
	sub = outbox.Submission{At: now, Message: outbox.Message{
		ID: outbox.MessageID(ident.New()), AppID: e.cfg.AppID, Key: n.Key, Fingerprint: mark, Body: body, Value: n.Value,
		Topic: n.Topic, CollapseKey: n.CollapseKey, Lane: e.laneOf(n), OnUnknown: n.OnUnknown, Window: n.Window,
		Handler: n.Handler, Policy: e.policyOf(n),
		Target: target, ExpiresAt: n.ExpiresAt.Truncate(time.Microsecond), CreatedAt: now, Trace: outbox.TraceOf(ctx),
	}}
	due, err = checkTimes(n, now)
	return sub, due.Truncate(time.Microsecond), err
}

// deliver adds a delivery to each of some conversations.
func deliver(sub *outbox.Submission, to []book.Conversation, due time.Time) {
	sub.Deliveries = make([]outbox.NewDelivery, 0, len(to))
	for _, c := range to {
		sub.Deliveries = append(sub.Deliveries, outbox.NewDelivery{
			ID: outbox.DeliveryID(ident.New()), Conversation: c.Row, DueAt: due,
		})
	}
}

// check finds what is wrong whenever it is asked for.
func check(n headsup.Notification) error {
	switch {
	case targets(n.To) != 1:
		return &FieldError{"to", "name exactly one target"}
	case n.To.Room != "" && n.To.Team == "":
		return &FieldError{"to.channel", "is of a team: give to.team"}
	case n.To.Thread != "" && n.To.Team == "":
		return &FieldError{"to.thread", "is in a channel of a team: give to.team"}
	case n.Lane != "" && n.Lane != headsup.LaneUrgent && n.Lane != headsup.LaneNormal && n.Lane != headsup.LaneBulk:
		return &FieldError{"lane", "is none of urgent, normal, bulk"}
	case n.OnUnknown != "" && n.OnUnknown != headsup.OnUnknownRetry && n.OnUnknown != headsup.OnUnknownHold:
		return &FieldError{"on_unknown", "is none of retry, hold"}
	case n.Window != "" && n.Window != headsup.WindowExisting && n.Window != headsup.WindowNew:
		return &FieldError{"conversation", "is none of existing, new"}
	case len(n.Value) > MaxBody:
		return &FieldError{"value", fmt.Sprintf("is larger than %d bytes", MaxBody)}
	}
	if n.To.Address != "" {
		if _, _, err := checkAddress(n.To.Address); err != nil {
			return err
		}
	}
	if n.Handler == "" && !silent(n) {
		if err := contentOf(n).Check(); err != nil {
			return err
		}
	}
	if err := checkJSON("value", n.Value); err != nil {
		return err
	}
	if err := checkFallback(n); err != nil {
		return err
	}
	for _, name := range [...]struct{ field, value string }{{"idempotency_key", n.Key}, {"topic", n.Topic}, {"collapse_key", n.CollapseKey}, {"locale", n.Locale}} {
		if err := checkName(name.field, name.value); err != nil {
			return err
		}
	}
	return nil
}

// targets counts the members that are set.
func targets(to headsup.Target) int {
	set := 0
	for _, given := range []bool{
		to.Reference != nil, to.Conversation != "", to.User != "", to.ExternalID != "", to.Tag != "", to.Everyone,
		to.ObjectID != "", to.UPN != "", to.Email != "", to.Team != "", to.ReplyTo != "", to.Address != "",
	} {
		if given {
			set++
		}
	}
	return set
}

// checkJSON holds a member to the rules of activities: depth, NUL, lone surrogates, duplicate members.
func checkJSON(field string, v jsontext.Value) error {
	if len(v) == 0 {
		return nil
	}
	_, err := activity.Decode(slices.Concat([]byte(`{"type":"event","value":`), v, []byte("}")))
	if err == nil {
		return nil
	}
	if bad, ok := errors.AsType[*activity.DecodeError](err); ok {
		return &FieldError{field, bad.Reason}
	}
	return &FieldError{field, err.Error()}
}

// checkName refuses what cannot be a name: too long, or with characters that nobody can see.
func checkName(field, name string) error {
	if len(name) > MaxName {
		return &FieldError{field, fmt.Sprintf("is longer than %d bytes", MaxName)}
	}
	if !utf8.ValidString(name) {
		return &FieldError{field, "is not valid UTF-8"}
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			return &FieldError{field, "contains a control character"}
		}
	}
	return nil
}

// checkTimes returns when the notification is due; zero for now.
func checkTimes(n headsup.Notification, now time.Time) (due time.Time, err error) {
	switch {
	case !n.At.IsZero() && n.In != 0:
		return due, &FieldError{"at", "give at or in, not both"}
	case n.In < 0:
		return due, &FieldError{"in", "is negative"}
	case n.In > 0:
		due = now.Add(n.In)
	case n.At.After(now):
		due = n.At
	}
	switch {
	case due.Sub(now) > MaxAhead && !due.IsZero():
		return due, &FieldError{"at", "is more than five years ahead"}
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now):
		return due, &FieldError{"expires_at", "is past"}
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(due):
		return due, &FieldError{"expires_at", "is not after the time of delivery"}
	}
	return due, nil
}

func laneOf(l headsup.Lane) outbox.Lane {
	switch l {
	case headsup.LaneUrgent:
		return outbox.LaneUrgent
	case headsup.LaneBulk:
		return outbox.LaneBulk
	case headsup.LaneNormal:
	}
	return outbox.LaneNormal
}

func notificationID(id outbox.MessageID) headsup.NotificationID {
	return headsup.NotificationID(ident.Text("ntf", int64(id)))
}

func messageID(id headsup.NotificationID) (outbox.MessageID, error) {
	n, err := ident.Parse("ntf", string(id))
	if err != nil {
		return 0, ErrNotFound
	}
	return outbox.MessageID(n), nil
}

// describe writes a target down for readers of the record.
func describe(to headsup.Target) (string, error) {
	if raw, ok := describeConversation(to); ok {
		return raw, nil
	}
	var d struct {
		Conversation activity.ConversationID `json:"conversation,omitzero"`
		User         activity.AccountID      `json:"user,omitzero"`
		ExternalID   string                  `json:"external_id,omitzero"`
		ObjectID     string                  `json:"object_id,omitzero"`
		UPN          string                  `json:"upn,omitzero"`
		Email        string                  `json:"email,omitzero"`
		Team         string                  `json:"team,omitzero"`
		Room         string                  `json:"channel,omitzero"`
		Thread       activity.ID             `json:"thread,omitzero"`
		ReplyTo      string                  `json:"reply_to,omitzero"`
		Address      string                  `json:"address,omitzero"`
		Tag          string                  `json:"tag,omitzero"`
		Everyone     bool                    `json:"everyone,omitzero"`
	}
	d.Conversation, d.User, d.Everyone = to.Conversation, to.User, to.Everyone
	d.ExternalID, d.Tag = to.ExternalID, to.Tag
	d.ObjectID, d.UPN, d.Email = to.ObjectID, to.UPN, to.Email
	d.Team, d.Room, d.Thread, d.ReplyTo, d.Address = to.Team, to.Room, to.Thread, to.ReplyTo, to.Address
	if to.Reference != nil {
		d.Conversation = to.Reference.Conversation.ID
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return "", &FieldError{"to", err.Error()}
	}
	return string(raw), nil
}

// describeConversation is describe, in the same bytes, for a target that most notifications have.
func describeConversation(to headsup.Target) (string, bool) {
	id := to.Conversation
	if to.Reference != nil {
		id = to.Reference.Conversation.ID
	}
	if id == "" || to.User != "" || to.ExternalID != "" || to.ObjectID != "" || to.UPN != "" || to.Email != "" || to.Tag != "" || to.Everyone || to.Team != "" || to.ReplyTo != "" || to.Address != "" {
		return "", false
	}
	raw, err := jsontext.AppendQuote([]byte(`{"conversation":`), id)
	return string(append(raw, '}')), err == nil
}

// resolve finds the conversations of a target.
func (e *Engine) resolve(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	return e.resolveBy(ctx, to, e.lookUp)
}

// resolveBy is resolve with somebody who looks names up.
func (e *Engine) resolveBy(ctx context.Context, to headsup.Target, look lookUp) ([]book.Conversation, error) {
	switch {
	case to.Reference != nil:
		c, err := e.known(ctx, *to.Reference)
		return []book.Conversation{c}, err
	case to.Conversation != "":
		found, err := look(ctx, nameOf(to))
		if err == nil && len(found) == 0 {
			return e.newThread(ctx, to)
		}
		return e.first(ctx, to, found, err, func(book.Conversation) bool { return true })
	case to.Team != "":
		return e.inTeam(ctx, to)
	case to.ReplyTo != "":
		return e.inThreadOf(ctx, to)
	case to.Address != "":
		return e.atAddress(ctx, to)
	case to.User != "":
		found, err := look(ctx, nameOf(to))
		return e.first(ctx, to, found, err, func(c book.Conversation) bool { return c.Kind == book.KindPersonal })
	}
	if keyOfPerson(to) != (book.PersonKey{}) {
		found, err := look(ctx, nameOf(to))
		return e.first(ctx, to, found, err, func(book.Conversation) bool { return true })
	}
	filter, _ := filterOf(to)
	found, err := e.cfg.Store.Conversations(ctx, e.cfg.AppID, filter, 0, namedAtOnce)
	switch {
	case err != nil:
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	case len(found) == 0 && to.Everyone:
		return nil, ErrNobody
	case len(found) == 0:
		return nil, ErrNoTarget
	}
	return found, nil
}

// keyOfPerson is by what a target names a human, wherever they are; none for other targets.
func keyOfPerson(to headsup.Target) book.PersonKey {
	return book.PersonKey{ExternalID: to.ExternalID, ObjectID: to.ObjectID, UPN: to.UPN, Email: to.Email}
}

// remembered is resolve that may trust the store's memory for where the conversation of a reference is in the book: if it is
// there no more, nothing is accepted.
func (e *Engine) remembered(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	if s, ok := e.cfg.Store.(book.Recaller); ok && to.Reference != nil && to.Reference.Validate() == nil {
		key := headsup.KeyOf(e.cfg.AppID, *to.Reference)
		if row, ok := s.Recall(key); ok {
			return []book.Conversation{{Row: row, Key: key}}, nil
		}
	}
	return e.resolve(ctx, to)
}

// first picks the first of found that can be written to and fits; for somebody whom the bot has not met, the entry that stands
// for them.
func (e *Engine) first(
	ctx context.Context, to headsup.Target, found []book.Conversation, err error, fits func(book.Conversation) bool,
) ([]book.Conversation, error) {
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	now, closed := e.cfg.Now(), error(nil)
	var prospects []book.Conversation
	for _, c := range found {
		switch {
		case !fits(c):
		case c.Reach == book.ReachProspective && keyOfPerson(to) != (book.PersonKey{}):
			prospects = append(prospects, c)
		case c.Reachable(now):
			return []book.Conversation{c}, nil
		case closed == nil:
			closed = &NoTargetError{Channel: c.Key.Channel, Standing: book.Standing{Reach: c.Reach, Cause: c.Cause, At: c.ReachAt, Until: c.Until}}
		}
	}
	switch {
	case keyOfPerson(to) == (book.PersonKey{}), closed != nil && !e.comesBack(found):
	case len(prospects) > 0 && e.prospects():
		if id := prospectOf(prospects[0]).objectID; id != "" && to.ObjectID == "" { // who they are was found out before
			return e.resolve(ctx, headsup.Target{ObjectID: id})
		}
		return prospects[:1], nil
	default:
		if prospects, err = e.prospect(ctx, to); len(prospects) > 0 || err != nil {
			return prospects, err
		}
	}
	return nil, cmp.Or(closed, e.stranger(to), ErrNoTarget)
}

// known returns the book's entry for a reference, which it makes if the caller is the first to know of it.
func (e *Engine) known(ctx context.Context, ref activity.Reference) (book.Conversation, error) {
	if err := ref.Validate(); err != nil {
		return book.Conversation{}, &FieldError{"to.reference", err.Error()}
	}
	key := headsup.KeyOf(e.cfg.AppID, ref)
	c, err := e.cfg.Store.Conversation(ctx, key)
	if errors.Is(err, book.ErrNotFound) {
		if rule := e.cfg.Profiles.ToldFirstContact(string(ref.ChannelID)); rule == pace.FirstContactNever {
			return c, &NoTargetError{Rule: rule, Channel: ref.ChannelID}
		}
		ref.ActivityID = ""
		c, err = e.cfg.Store.Sight(ctx, book.Sighting{
			Key: key, Reference: ref, Kind: book.KindOf(ref.Conversation), Source: book.SourceImport, At: e.cfg.Now(),
		})
	}
	if err != nil {
		return c, fmt.Errorf("proactive: look in the book: %w", err)
	}
	return c, nil
}
