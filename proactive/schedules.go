package proactive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// Errors of schedules.
var (
	// ErrNoSchedule: there is no such schedule.
	ErrNoSchedule = schedule.ErrNotFound
	// ErrTooManySchedules: there are as many as there may be.
	ErrTooManySchedules = schedule.ErrTooMany
	// ErrScheduleChanged: others have changed the schedule at the same time.
	ErrScheduleChanged = schedule.ErrChanged
)

// NewSchedule is something that is to be told at times.
type NewSchedule struct {
	// Name is for people. May be empty; at most 255 bytes.
	Name string
	// Rule says when. In is instead of it: once, after a while.
	Rule schedule.Rule
	In   time.Duration
	// Notification is what is told. Who its target means is looked up every time. It has no Key, At, In and ExpiresAt.
	Notification headsup.Notification
	// ExpiresIn ends attempts so long after each occurrence. Zero means no end.
	ExpiresIn time.Duration
	// Missed says what becomes of occurrences that were missed because nothing ran; empty means [schedule.FireLate].
	Missed schedule.Missed
	// Grace is how late an occurrence may be without having been missed. Zero means [schedule.DefaultGrace]; at most
	// [schedule.MaxGrace].
	Grace time.Duration
	// Key makes it idempotent: the same key with the same content is accepted once, as long as the schedule is there; with
	// other content it is refused. Empty means no key. At most 255 bytes.
	Key string
}

// Schedule is a schedule and what it tells.
type Schedule struct {
	schedule.Schedule
	Notification headsup.Notification
	ExpiresIn    time.Duration
	// Replayed: it had been accepted before under its key.
	Replayed bool
}

// Schedule keeps a schedule, which tells its notification from then on as long as some engine runs on the store. It is
// stored durably when Schedule returns. What is wrong gives a [*FieldError]; [ErrKeyReused], [ErrTooManySchedules].
func (e *Engine) Schedule(ctx context.Context, n NewSchedule) (Schedule, error) {
	s, err := e.newSchedule(ctx, n)
	if err != nil {
		return Schedule{}, err
	}
	kept, replayed, err := e.cfg.Store.CreateSchedule(ctx, s, e.cfg.MaxSchedules)
	switch {
	case errors.Is(err, schedule.ErrKeyReused):
		return Schedule{}, ErrKeyReused
	case err != nil:
		return Schedule{}, fmt.Errorf("proactive: schedule: %w", err)
	}
	out, err := readSchedule(kept)
	out.Replayed = replayed
	return out, err
}

// ScheduleInTurn keeps a schedule when the turn commits, together with everything else that it does. Without a key of its
// own it has one of the turn's: a turn that runs again for the same activity keeps no second schedule with the same
// content.
func (e *Engine) ScheduleInTurn(ctx context.Context, t *headsup.Turn, n NewSchedule) (Schedule, error) {
	if n.Key == "" {
		told, err := templateOf(n.Notification, n.ExpiresIn)
		if err != nil {
			return Schedule{}, err
		}
		content, err := n.content(told)
		if err != nil {
			return Schedule{}, err
		}
		n.Key = fmt.Sprintf("turn: %x", sha256.Sum256(fmt.Appendf(nil, "%+v\n%s\n%s", t.Key(), t.Activity().ID, content)))
	}
	s, err := e.newSchedule(ctx, n)
	if err != nil {
		return Schedule{}, err
	}
	t.Stage(schedule.Create{Schedule: s, Most: e.cfg.MaxSchedules})
	return readSchedule(s)
}

// newSchedule checks a schedule and makes it what the store keeps.
func (e *Engine) newSchedule(ctx context.Context, n NewSchedule) (s schedule.Schedule, err error) {
	now := e.cfg.Now()
	s = schedule.Schedule{
		ID: schedule.ID(ident.New()), AppID: e.cfg.AppID, Name: n.Name, Key: n.Key, Missed: n.Missed, Grace: n.Grace,
		Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	audit.FromContext(ctx).About(s.ID.String())
	if err := checkName("idempotency_key", n.Key); err != nil {
		return s, err
	}
	if s.Template, err = templateOf(n.Notification, n.ExpiresIn); err != nil {
		return s, err
	}
	if field, ok := errors.AsType[*FieldError](e.checkHandler(n.Notification)); ok {
		return s, &FieldError{"notification." + field.Field, field.Reason}
	}
	if err := e.tryScheduled(ctx, n.Notification); err != nil {
		return s, err
	}
	content, err := n.content(s.Template)
	if err != nil {
		return s, err
	}
	if n.Key != "" {
		sum := sha256.Sum256(content)
		s.Fingerprint = sum[:]
	}
	if s.Rule, err = e.ruleOf(n.Rule, n.In, now); err != nil {
		return s, err
	}
	if err := settleSchedule(&s); err != nil {
		return s, err
	}
	return s, e.setClocks(ctx, &s, now)
}

// content is what makes it this schedule and no other.
func (n *NewSchedule) content(template jsontext.Value) ([]byte, error) {
	content, err := json.Marshal(struct {
		Name, Missed string
		Rule         schedule.Rule
		In, Grace    int64
		Template     jsontext.Value
	}{n.Name, string(n.Missed), n.Rule, int64(n.In), int64(n.Grace), template}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("proactive: fingerprint: %w", err)
	}
	return content, nil
}

// ruleOf is a rule with everything that it leaves open settled.
func (e *Engine) ruleOf(r schedule.Rule, in time.Duration, now time.Time) (schedule.Rule, error) {
	switch {
	case in < 0:
		return r, &FieldError{"rule.in", "is negative"}
	case in > MaxAhead:
		return r, &FieldError{"rule.in", "is more than five years"}
	case in > 0 && (r.At != "" || r.Cron != "" || r.RRule != ""):
		return r, &FieldError{"rule.in", "give only one of at, in, cron and rrule"}
	case in > 0:
		r.At = now.Add(in).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	r, err := r.Complete(now, e.cfg.MinInterval)
	return r, ruleError(err)
}

// ruleError is a rule's error as one of a field.
func ruleError(err error) error {
	if wrong, ok := errors.AsType[*schedule.RuleError](err); ok {
		return &FieldError{"rule." + wrong.Field, wrong.Reason}
	}
	return err
}

// tryScheduled tries whether what a schedule tells can be said with the template as it is now. Each occurrence is told with
// the version that is current then, unless one is named.
func (e *Engine) tryScheduled(ctx context.Context, n headsup.Notification) error {
	_, err := e.templated(ctx, n)
	if field, ok := errors.AsType[*FieldError](err); ok {
		return &FieldError{"notification." + field.Field, field.Reason}
	}
	return err
}

// settleSchedule checks the rest of a schedule and fills in what was left out.
func settleSchedule(s *schedule.Schedule) error {
	if err := checkName("name", s.Name); err != nil {
		return err
	}
	if s.Grace == 0 {
		s.Grace = schedule.DefaultGrace
	}
	switch s.Missed {
	case "":
		s.Missed = schedule.FireLate
	case schedule.FireLate, schedule.Skip, schedule.Coalesce:
	default:
		return &FieldError{"missed", "is none of fire_late, skip, coalesce"}
	}
	if s.Grace < time.Second || s.Grace > schedule.MaxGrace {
		return &FieldError{"grace", fmt.Sprintf("is not between 1s and %v", schedule.MaxGrace)}
	}
	return nil
}

// setClocks has a schedule go on from a time.
func (e *Engine) setClocks(ctx context.Context, s *schedule.Schedule, now time.Time) (err error) {
	var zones []string
	if s.Rule.PerRecipient() {
		if zones, err = (*teller)(e).Zones(ctx, *s); err != nil {
			return err
		}
	}
	if s.Clocks, err = s.Rule.Clocks(now, zones); err != nil {
		return ruleError(err)
	}
	if len(s.Clocks) == 0 {
		return &FieldError{"rule", "has no occurrence ahead, or only after more than eight years"}
	}
	return nil
}

// FindSchedule returns a schedule, or [ErrNoSchedule].
func (e *Engine) FindSchedule(ctx context.Context, id schedule.ID) (Schedule, error) {
	s, err := e.cfg.Store.Schedule(ctx, e.cfg.AppID, id)
	if err != nil {
		return Schedule{}, err
	}
	return readSchedule(s)
}

// Schedules lists schedules, newest first, those before an id (0 is no bound), at most limit.
func (e *Engine) Schedules(ctx context.Context, f schedule.Filter, before schedule.ID, limit int) ([]Schedule, error) {
	found, err := e.cfg.Store.Schedules(ctx, e.cfg.AppID, f, before, limit)
	if err != nil {
		return nil, fmt.Errorf("proactive: schedules: %w", err)
	}
	all := make([]Schedule, len(found))
	for i := range found {
		if all[i], err = readSchedule(found[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ScheduleChange is a change of a schedule. A nil member stays as it is.
type ScheduleChange struct {
	Name *string
	// Rule replaces the whole rule; the schedule goes by it from now on. In is as in [NewSchedule], instead of it.
	Rule *schedule.Rule
	In   time.Duration
	// Notification and ExpiresIn replace what is told from now on.
	Notification *headsup.Notification
	ExpiresIn    *time.Duration
	Missed       *schedule.Missed
	Grace        *time.Duration
}

// ChangeSchedule changes a schedule, durably. [ErrNoSchedule], and a [*FieldError] for what is wrong.
func (e *Engine) ChangeSchedule(ctx context.Context, id schedule.ID, c ScheduleChange) (Schedule, error) {
	return e.changeSchedule(ctx, id, func(s *schedule.Schedule, now time.Time) error { return e.applyChange(ctx, s, c, now) })
}

func (e *Engine) applyChange(ctx context.Context, s *schedule.Schedule, c ScheduleChange, now time.Time) (err error) {
	if c.Name != nil {
		s.Name = *c.Name
	}
	if c.Missed != nil {
		s.Missed = *c.Missed
	}
	if c.Grace != nil {
		s.Grace = *c.Grace
	}
	if err := settleSchedule(s); err != nil {
		return err
	}
	if c.Notification != nil || c.ExpiresIn != nil {
		was, err := readSchedule(*s)
		if err != nil {
			return err
		}
		if c.Notification != nil {
			was.Notification = *c.Notification
		}
		if c.ExpiresIn != nil {
			was.ExpiresIn = *c.ExpiresIn
		}
		if s.Template, err = templateOf(was.Notification, was.ExpiresIn); err != nil {
			return err
		}
		if err := e.tryScheduled(ctx, was.Notification); err != nil {
			return err
		}
	}
	if c.Rule == nil && c.In == 0 {
		return nil // its clocks go on as they are
	}
	var rule schedule.Rule
	if c.Rule != nil {
		rule = *c.Rule
	}
	if s.Rule, err = e.ruleOf(rule, c.In, now); err != nil {
		return err
	}
	if err := e.setClocks(ctx, s, now); err != nil {
		return err
	}
	if !s.PausedAt.IsZero() {
		s.Clocks = nil
	}
	return nil
}

// PauseSchedule keeps a schedule from telling anything until it is resumed. It may be repeated. [ErrNoSchedule].
func (e *Engine) PauseSchedule(ctx context.Context, id schedule.ID) (Schedule, error) {
	return e.changeSchedule(ctx, id, func(s *schedule.Schedule, now time.Time) error {
		if s.PausedAt.IsZero() {
			s.PausedAt, s.Clocks = now, nil
		}
		return nil
	})
}

// ResumeSchedule has a paused schedule go on from now; what it would have told meanwhile is not made up for. It may be
// repeated. [ErrNoSchedule].
func (e *Engine) ResumeSchedule(ctx context.Context, id schedule.ID) (Schedule, error) {
	return e.changeSchedule(ctx, id, func(s *schedule.Schedule, now time.Time) error {
		if s.PausedAt.IsZero() {
			return nil
		}
		s.PausedAt = time.Time{}
		err := e.setClocks(ctx, s, now)
		if _, over := errors.AsType[*FieldError](err); over { // nothing is left of it: it has ended
			s.Clocks, err = nil, nil
		}
		return err
	})
}

// changeSchedule has f change a schedule, again when somebody else was faster.
func (e *Engine) changeSchedule(ctx context.Context, id schedule.ID, f func(s *schedule.Schedule, now time.Time) error) (Schedule, error) {
	for range 10 {
		s, err := e.cfg.Store.Schedule(ctx, e.cfg.AppID, id)
		if err != nil {
			return Schedule{}, err
		}
		now := e.cfg.Now()
		if err := f(&s, now); err != nil {
			return Schedule{}, err
		}
		s.UpdatedAt = now
		if s, err = e.cfg.Store.ChangeSchedule(ctx, s); err == nil {
			return readSchedule(s)
		}
		if !errors.Is(err, schedule.ErrChanged) {
			return Schedule{}, fmt.Errorf("proactive: change schedule: %w", err)
		}
	}
	return Schedule{}, ErrScheduleChanged
}

// DeleteSchedule forgets a schedule, and returns what it told and is not delivered yet if that is to be cancelled too:
// then all deliveries that are not handed out are. It may be repeated until it returns [ErrNoSchedule].
func (e *Engine) DeleteSchedule(ctx context.Context, id schedule.ID, cancel bool) (cancelled []headsup.NotificationID, err error) {
	if cancel {
		if _, err := e.PauseSchedule(ctx, id); err != nil { // so that nothing is told after what is cancelled
			return nil, err
		}
		if cancelled, err = e.cancelTold(ctx, id); err != nil {
			return nil, err
		}
	}
	if err := e.cfg.Store.DeleteSchedule(ctx, e.cfg.AppID, id); err != nil {
		return nil, err
	}
	return cancelled, nil
}

func (e *Engine) cancelTold(ctx context.Context, id schedule.ID) (cancelled []headsup.NotificationID, err error) {
	told, err := e.cfg.Store.Occurrences(ctx, e.cfg.AppID, id, 0, schedule.KeepOccurrences)
	if err != nil {
		return nil, err
	}
	for _, o := range told {
		if o.Message == 0 {
			continue
		}
		status, err := e.Status(ctx, notificationID(o.Message))
		if errors.Is(err, ErrNotFound) || err == nil && status.State().Final() {
			continue
		}
		if err == nil {
			_, err = e.Cancel(ctx, notificationID(o.Message))
		}
		if err != nil {
			return nil, err
		}
		cancelled = append(cancelled, notificationID(o.Message))
	}
	return cancelled, nil
}

// Occurrence is an occurrence and the notification that was made of it.
type Occurrence struct {
	schedule.Occurrence
	// Notification is empty when there is none.
	Notification headsup.NotificationID
}

// Occurrences lists a schedule's occurrences, newest first, those before a number (0 is no bound), at most limit.
// [ErrNoSchedule].
func (e *Engine) Occurrences(ctx context.Context, id schedule.ID, before int64, limit int) ([]Occurrence, error) {
	found, err := e.cfg.Store.Occurrences(ctx, e.cfg.AppID, id, before, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Occurrence, len(found))
	for i, o := range found {
		all[i].Occurrence = o
		if o.Message != 0 {
			all[i].Notification = notificationID(o.Message)
		}
	}
	return all, nil
}

// PreviewRule lists the next n occurrences of a rule that need not be scheduled, on its own clock, and returns the rule as
// it would be kept. In is instead of it, as in [NewSchedule]. What is wrong gives a [*FieldError].
func (e *Engine) PreviewRule(r schedule.Rule, in time.Duration, n int) (schedule.Rule, []time.Time, error) {
	now := e.cfg.Now()
	r, err := e.ruleOf(r, in, now)
	if err != nil {
		return r, nil, err
	}
	next, err := r.Next(now, "", n)
	return r, next, ruleError(err)
}

// scheduleTemplate is what a schedule tells, as the store keeps it.
type scheduleTemplate struct {
	To           templateTarget     `json:"to"`
	Text         string             `json:"text,omitzero"`
	Markdown     string             `json:"markdown,omitzero"`
	Activity     jsontext.Value     `json:"activity,omitzero"`
	Card         jsontext.Value     `json:"card,omitzero"`
	Notice       *card.Notice       `json:"notice,omitzero"`
	Summary      string             `json:"summary,omitzero"`
	Template     *headsup.Templated `json:"template,omitzero"`
	Lane         headsup.Lane       `json:"lane,omitzero"`
	OnUnknown    headsup.OnUnknown  `json:"on_unknown,omitzero"`
	Conversation headsup.Window     `json:"conversation,omitzero"`
	Topic        string             `json:"topic,omitzero"`
	CollapseKey  string             `json:"collapse_key,omitzero"`
	Handler      string             `json:"handler,omitzero"`
	Policy       string             `json:"policy,omitzero"`
	Locale       string             `json:"locale,omitzero"`
	Value        jsontext.Value     `json:"value,omitzero"`
	ExpiresIn    int64              `json:"expires_in_ms,omitzero"`
}

type templateTarget struct {
	Reference    *activity.Reference     `json:"reference,omitzero"`
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

// templateOf checks a notification and makes it a template.
func templateOf(n headsup.Notification, expiresIn time.Duration) (jsontext.Value, error) {
	raw, err := encodeTemplate(n, expiresIn)
	if field, ok := errors.AsType[*FieldError](err); ok && field.Field != "expires_in" {
		return nil, &FieldError{"notification." + field.Field, field.Reason}
	}
	return raw, err
}

func encodeTemplate(n headsup.Notification, expiresIn time.Duration) (jsontext.Value, error) {
	switch {
	case n.Key != "":
		return nil, &FieldError{"idempotency_key", "is for the schedule"}
	case !n.At.IsZero() || n.In != 0:
		return nil, &FieldError{"at", "is for the rule to say"}
	case len(n.Fallback) > 0:
		return nil, &FieldError{"fallback", "is not for a schedule"}
	case !n.ExpiresAt.IsZero():
		return nil, &FieldError{"expires_at", "is one moment: give expires_in"}
	case expiresIn < 0 || expiresIn > MaxAhead:
		return nil, &FieldError{"expires_in", "is negative, or more than five years"}
	}
	if err := check(n); err != nil {
		return nil, err
	}
	if n.Template == nil {
		if _, err := encode(n); err != nil {
			return nil, err
		}
	}
	if n.To.Reference != nil {
		if err := n.To.Reference.Validate(); err != nil {
			return nil, &FieldError{"to.reference", err.Error()}
		}
	}
	t := scheduleTemplate{
		To:   templateTarget(n.To),
		Text: n.Text, Markdown: n.Markdown, Card: n.Card, Notice: n.Notice, Summary: n.Summary, Template: n.Template, Lane: n.Lane, OnUnknown: n.OnUnknown,
		Conversation: n.Window, Topic: n.Topic, CollapseKey: n.CollapseKey, Handler: n.Handler, Locale: n.Locale, Value: n.Value,
		ExpiresIn: expiresIn.Milliseconds(),
	}
	if n.Activity != nil {
		raw, err := activity.Encode(n.Activity)
		if err != nil {
			return nil, &FieldError{"activity", err.Error()}
		}
		t.Activity = raw
	}
	var err error
	if t.Policy, err = outbox.EncodePolicy(n.Policy); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(&t)
	if err != nil {
		return nil, fmt.Errorf("proactive: encode a schedule: %w", err)
	}
	return raw, nil
}

// readSchedule makes a schedule of what the store keeps.
func readSchedule(s schedule.Schedule) (Schedule, error) {
	var t scheduleTemplate
	if err := json.Unmarshal(s.Template, &t); err != nil {
		return Schedule{}, fmt.Errorf("proactive: schedule %s: %w", s.ID, err)
	}
	out := Schedule{
		Schedule: s, ExpiresIn: time.Duration(t.ExpiresIn) * time.Millisecond,
		Notification: headsup.Notification{
			To:   headsup.Target(t.To),
			Text: t.Text, Markdown: t.Markdown, Card: t.Card, Notice: t.Notice, Summary: t.Summary, Template: t.Template, Lane: t.Lane, OnUnknown: t.OnUnknown,
			Window: t.Conversation, Topic: t.Topic, CollapseKey: t.CollapseKey, Handler: t.Handler, Locale: t.Locale, Value: t.Value,
		},
	}
	var err error
	if out.Notification.Policy, err = outbox.DecodePolicy(t.Policy); err != nil {
		return Schedule{}, fmt.Errorf("proactive: schedule %s: %w", s.ID, err)
	}
	if len(t.Activity) > 0 {
		a, err := activity.Decode(t.Activity)
		if err != nil {
			return Schedule{}, fmt.Errorf("proactive: schedule %s: %w", s.ID, err)
		}
		out.Notification.Activity = a
	}
	return out, nil
}
