package httpapi

import (
	"cmp"
	"context"
	stdjson "encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
)

// Schedules is what the API needs of the engine for schedules.
type Schedules interface {
	Schedule(ctx context.Context, n proactive.NewSchedule) (proactive.Schedule, error)
	FindSchedule(ctx context.Context, id schedule.ID) (proactive.Schedule, error)
	Schedules(ctx context.Context, f schedule.Filter, before schedule.ID, limit int) ([]proactive.Schedule, error)
	ChangeSchedule(ctx context.Context, id schedule.ID, c proactive.ScheduleChange) (proactive.Schedule, error)
	PauseSchedule(ctx context.Context, id schedule.ID) (proactive.Schedule, error)
	ResumeSchedule(ctx context.Context, id schedule.ID) (proactive.Schedule, error)
	DeleteSchedule(ctx context.Context, id schedule.ID, cancel bool) ([]headsup.NotificationID, error)
	Occurrences(ctx context.Context, id schedule.ID, before int64, limit int) ([]proactive.Occurrence, error)
	PreviewRule(r schedule.Rule, in time.Duration, n int) (schedule.Rule, []time.Time, error)
}

type createScheduleRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same body makes one schedule, as long as that is there; with another body it is refused."`
	Body           api.ScheduleRequest
}

type createdSchedule struct {
	Location string `header:"Location" doc:"Where to ask for the schedule."`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the key had been accepted before."`
	Body     api.Schedule
}

type schedulesRequest struct {
	Paging
	State string `query:"state" enum:"active,paused,ended" doc:"Those in this state."`
	Name  string `query:"name" maxLength:"255" doc:"Those with this name."`
}

type scheduleID struct {
	ID string `path:"id" maxLength:"64" doc:"The schedule's id."`
}

type changeScheduleRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The schedule's id."`
	Body api.ScheduleChange
}

type deleteScheduleRequest struct {
	ID     string `path:"id" maxLength:"64" doc:"The schedule's id."`
	Cancel bool   `query:"cancel" doc:"Cancel what it has told and is not being sent yet."`
}

type nextRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The schedule's id."`
	N    int    `query:"n" minimum:"1" maximum:"100" default:"10" doc:"How many."`
	Zone string `query:"zone" maxLength:"64" doc:"On the clock of this zone, if the rule goes by its recipients'. The fallback zone, if not given."`
}

type occurrencesRequest struct {
	ID string `path:"id" maxLength:"64" doc:"The schedule's id."`
	Paging
}

type previewRequest struct{ Body api.SchedulePreviewRequest }

type scheduleAnswer struct{ Body api.Schedule }

type schedulesAnswer struct{ Body api.Schedules }

type previewAnswer struct{ Body api.SchedulePreview }

type occurrencesAnswer struct{ Body api.Occurrences }

type scheduleDeleted struct{ Body api.ScheduleDeleted }

func (s *service) schedules(a huma.API) {
	op := func(id, method, path string, scope access.Scope, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/v1/schedules" + path, Summary: summary, Description: description,
			Tags: []string{"schedules"}, Security: needs(scope), MaxBodyBytes: maxBody, Errors: errors,
		}
	}
	create := op("create-schedule", http.MethodPost, "", access.Send, "Say something at times",
		"Keeps a schedule: what is told, to whom, and when, once or again and again. Each occurrence is accepted as a notification, once, "+
			"by whichever server comes first. A local time that is left out when clocks go forward is reached at the first instant after "+
			"the gap, and one that is shown twice the first time only; intervals go by the time that passes. "+
			"Speaking to everyone or to a tag needs the scope broadcast, a raw reference or address the scope admin.",
		400, 409, 413, 415, 422, 503)
	create.DefaultStatus = http.StatusCreated
	register(s, a, create, s.createSchedule)
	register(s, a, op("list-schedules", http.MethodGet, "", access.Read, "See the schedules",
		"Lists schedules, newest first, a page at a time. Filters may be combined.", 422, 503), s.listSchedules)
	preview := op("preview-schedule", http.MethodPost, "", access.Read, "See when a rule is due",
		"Lists the next occurrences of a rule, which is not kept. A rule that goes by its recipients' clocks is shown on that of the fallback zone.",
		400, 413, 415, 422, 503)
	preview.Path = "/v1/schedule-preview"
	register(s, a, preview, s.previewSchedule)
	register(s, a, op("get-schedule", http.MethodGet, "/{id}", access.Read, "See one schedule",
		"Returns a schedule, and when it is due next.", 404, 422, 503), s.getSchedule)
	register(s, a, op("change-schedule", http.MethodPatch, "/{id}", access.Manage, "Change a schedule",
		"Changes what is given. Another rule holds from now on. What is told anew needs the scope send, and those that its target needs.",
		400, 404, 409, 413, 415, 422, 503), s.changeSchedule)
	register(s, a, op("delete-schedule", http.MethodDelete, "/{id}", access.Manage, "Delete a schedule",
		"Forgets a schedule and its occurrences. What it has told stays, unless what is not being sent yet is to be cancelled.",
		404, 409, 422, 503), s.deleteSchedule)
	register(s, a, op("pause-schedule", http.MethodPost, "/{id}/pause", access.Manage, "Pause a schedule",
		"Keeps a schedule from telling anything until it is resumed. It may be repeated.", 404, 409, 415, 422, 503), s.pauseSchedule)
	register(s, a, op("resume-schedule", http.MethodPost, "/{id}/resume", access.Manage, "Resume a schedule",
		"Has a paused schedule go on from now. What it would have told meanwhile is not made up for. It may be repeated.",
		404, 409, 415, 422, 503), s.resumeSchedule)
	register(s, a, op("next-occurrences", http.MethodGet, "/{id}/next", access.Read, "See when a schedule is due",
		"Lists the next occurrences of a schedule's rule, whether it is paused or not.", 404, 422, 503), s.nextOccurrences)
	register(s, a, op("list-occurrences", http.MethodGet, "/{id}/occurrences", access.Read, "See what a schedule has told",
		"Lists the occurrences that a schedule has had, newest first, with their notifications and how late they were.",
		404, 422, 503), s.listOccurrences)
}

// schedID reads a schedule's id. What is none names none.
func schedID(text string) schedule.ID {
	id, err := schedule.ParseID(text)
	if err != nil {
		return 0
	}
	return id
}

func (s *service) createSchedule(ctx context.Context, r *createScheduleRequest) (*createdSchedule, error) {
	b := r.Body
	n := proactive.NewSchedule{Name: b.Name, Missed: schedule.Missed(b.Missed), Key: r.IdempotencyKey}
	var err error
	if n.Rule, n.In, err = ruleOf(b.Rule); err == nil {
		n.Notification, n.ExpiresIn, err = scheduled(ctx, b.Notification)
	}
	if err == nil {
		n.Grace, err = durationOf("grace", b.Grace)
	}
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	auditTargets(ctx, n.Notification.To)
	kept, err := s.engine(ctx).Schedule(ctx, n)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	out := &createdSchedule{Location: "/v1/schedules/" + kept.ID.String(), Body: renderSchedule(kept)}
	if kept.Replayed {
		audit.FromContext(ctx).Drop()
		out.Replayed = "true"
	}
	return out, nil
}

func (s *service) listSchedules(ctx context.Context, r *schedulesRequest) (*schedulesAnswer, error) {
	f := schedule.Filter{State: schedule.State(r.State), Name: r.Name}
	found, next, err := page(ctx, s, listSchedules, r.Paging, func(before int64, limit int) ([]proactive.Schedule, error) {
		return s.engine(ctx).Schedules(ctx, f, schedule.ID(before), limit)
	}, func(one proactive.Schedule) int64 { return int64(one.ID) })
	if err != nil {
		return nil, err
	}
	return &schedulesAnswer{Body: api.Schedules{Schedules: each(found, renderSchedule), NextCursor: next}}, nil
}

func (s *service) previewSchedule(ctx context.Context, r *previewRequest) (*previewAnswer, error) {
	rule, in, err := ruleOf(r.Body.Rule)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	rule, next, err := s.engine(ctx).PreviewRule(rule, in, cmp.Or(r.Body.N, 10))
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	kept := renderRule(rule)
	return &previewAnswer{Body: api.SchedulePreview{Rule: &kept, Next: timesIn(next, rule.BaseZone())}}, nil
}

func (s *service) getSchedule(ctx context.Context, r *scheduleID) (*scheduleAnswer, error) {
	return s.scheduleAnswer(ctx)(s.engine(ctx).FindSchedule(ctx, schedID(r.ID)))
}

func (s *service) changeSchedule(ctx context.Context, r *changeScheduleRequest) (*scheduleAnswer, error) {
	c, err := changeOf(ctx, r.Body)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	noteGiven(ctx, map[string]bool{
		"name": c.Name != nil, "missed": c.Missed != nil, "grace": c.Grace != nil, "rule": c.Rule != nil, "notification": c.Notification != nil,
	})
	return s.scheduleAnswer(ctx)(s.engine(ctx).ChangeSchedule(ctx, schedID(r.ID), c))
}

func changeOf(ctx context.Context, b api.ScheduleChange) (c proactive.ScheduleChange, err error) {
	c.Name = b.Name
	if b.Missed != "" {
		c.Missed = new(schedule.Missed(b.Missed))
	}
	if b.Grace != "" {
		grace, err := durationOf("grace", b.Grace)
		if err != nil {
			return c, err
		}
		c.Grace = &grace
	}
	if b.Rule != nil {
		rule, in, err := ruleOf(*b.Rule)
		if err != nil {
			return c, err
		}
		c.Rule, c.In = &rule, in
	}
	if b.Notification != nil {
		if err := permit(ctx, access.Send, "body.notification"); err != nil {
			return c, err
		}
		n, expires, err := scheduled(ctx, *b.Notification)
		if err != nil {
			return c, err
		}
		c.Notification, c.ExpiresIn = &n, &expires
	}
	return c, nil
}

func (s *service) deleteSchedule(ctx context.Context, r *deleteScheduleRequest) (*scheduleDeleted, error) {
	cancelled, err := s.engine(ctx).DeleteSchedule(ctx, schedID(r.ID), r.Cancel)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &scheduleDeleted{Body: api.ScheduleDeleted{
		Cancelled: each(cancelled, func(id headsup.NotificationID) string { return string(id) }),
	}}, nil
}

func (s *service) pauseSchedule(ctx context.Context, r *scheduleID) (*scheduleAnswer, error) {
	return s.scheduleAnswer(ctx)(s.engine(ctx).PauseSchedule(ctx, schedID(r.ID)))
}

func (s *service) resumeSchedule(ctx context.Context, r *scheduleID) (*scheduleAnswer, error) {
	return s.scheduleAnswer(ctx)(s.engine(ctx).ResumeSchedule(ctx, schedID(r.ID)))
}

// scheduleAnswer answers with a schedule, or with what went wrong.
func (s *service) scheduleAnswer(ctx context.Context) func(proactive.Schedule, error) (*scheduleAnswer, error) {
	return func(one proactive.Schedule, err error) (*scheduleAnswer, error) {
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &scheduleAnswer{Body: renderSchedule(one)}, nil
	}
}

func (s *service) nextOccurrences(ctx context.Context, r *nextRequest) (*previewAnswer, error) {
	one, err := s.engine(ctx).FindSchedule(ctx, schedID(r.ID))
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	zone := one.Rule.BaseZone()
	if r.Zone != "" {
		switch {
		case !schedule.Known(r.Zone):
			return nil, invalid("query.zone", "is not a time zone of the IANA database such as Europe/Berlin")
		case r.Zone != zone && !one.Rule.PerRecipient():
			return nil, invalid("query.zone", "is not that of the rule, which does not go by its recipients' clocks")
		}
		zone = r.Zone
	}
	next, err := one.Rule.Next(time.Now(), zone, r.N)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &previewAnswer{Body: api.SchedulePreview{Next: timesIn(next, zone)}}, nil
}

func (s *service) listOccurrences(ctx context.Context, r *occurrencesRequest) (*occurrencesAnswer, error) {
	id := schedID(r.ID)
	found, next, err := page(ctx, s, listOccurrences, r.Paging, func(before int64, limit int) ([]proactive.Occurrence, error) {
		return s.engine(ctx).Occurrences(ctx, id, before, limit)
	}, func(o proactive.Occurrence) int64 { return o.Number })
	if err != nil {
		return nil, err
	}
	return &occurrencesAnswer{Body: api.Occurrences{Occurrences: each(found, renderOccurrence), NextCursor: next}}, nil
}

// ruleOf reads a rule.
func ruleOf(r api.ScheduleRule) (schedule.Rule, time.Duration, error) {
	in, err := durationOf("rule.in", r.In)
	if err == nil && r.In != "" && in == 0 {
		err = &proactive.FieldError{Field: "rule.in", Reason: "is no time at all"}
	}
	return schedule.Rule{
		At: r.At, Cron: r.Cron, RRule: r.RRule, Start: r.Start, Until: r.Until, Except: r.Except, Zone: r.Zone,
		FallbackZone: r.FallbackZone,
	}, in, err
}

// durationOf reads a duration, which may be left out.
func durationOf(field, text string) (time.Duration, error) {
	d, err := decodeDuration(text)
	if wrong, ok := errors.AsType[*proactive.FieldError](err); ok {
		wrong.Field = field
	}
	return d, err
}

// scheduled reads what a schedule tells, and refuses it where the caller may not speak to its target.
func scheduled(ctx context.Context, b api.ScheduledNotification) (n headsup.Notification, expires time.Duration, err error) {
	if err := permitTarget(ctx, "body.notification.to", b.To); err != nil {
		return n, 0, err
	}
	n = headsup.Notification{
		Topic: b.Topic, Locale: b.Locale, Lane: headsup.Lane(b.Lane), OnUnknown: headsup.OnUnknown(b.OnUnknown),
		Window: headsup.Window(b.Conversation), CollapseKey: b.CollapseKey,
	}
	if given(b.Value) {
		n.Value = []byte(b.Value)
	}
	said := proactive.Content{}
	n.To, err = targetOf(b.To)
	noteURL(ctx, err)
	if err == nil {
		said, err = content{
			text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
		}.decode()
	}
	if err == nil {
		n.Policy, err = policyOf(b.Manners)
	}
	if err == nil {
		expires, err = durationOf("expires_in", b.ExpiresIn)
	}
	if wrong, ok := errors.AsType[*proactive.FieldError](err); ok {
		err = &proactive.FieldError{Field: "notification." + wrong.Field, Reason: wrong.Reason}
	}
	n.Text, n.Markdown, n.Summary, n.Activity, n.Card, n.Notice = said.Text, said.Markdown, said.Summary, said.Activity, said.Card, said.Notice
	n.Template = said.Template
	return n, expires, err
}

func renderSchedule(s proactive.Schedule) api.Schedule {
	out := api.Schedule{
		ID: s.ID.String(), Name: s.Name, Tenant: string(s.Tenant), State: string(s.State()), Rule: renderRule(s.Rule), Notification: renderScheduled(s),
		Missed: string(s.Missed), Grace: s.Grace.String(), Zones: len(s.Clocks), Occurrences: s.Occurrences,
		PausedAt: optional(s.PausedAt), CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	if len(s.Clocks) > 0 {
		next := timeIn(s.Clocks[0].NextAt, s.Clocks[0].Zone)
		out.Next = &next
	}
	return out
}

func renderRule(r schedule.Rule) api.ScheduleRule {
	return api.ScheduleRule{
		At: r.At, Cron: r.Cron, RRule: r.RRule, Start: r.Start, Until: r.Until, Except: r.Except, Zone: cmp.Or(r.Zone, "UTC"),
		FallbackZone: r.FallbackZone,
	}
}

// renderAddress is a URI as JSON; nil for none.
func renderAddress(uri string) stdjson.RawMessage {
	if uri == "" {
		return nil
	}
	raw, _ := stdjson.Marshal(uri) // texts always encode
	return raw
}

func renderScheduled(s proactive.Schedule) api.ScheduledNotification {
	n := s.Notification
	out := api.ScheduledNotification{
		To: api.Target{
			Conversation: string(n.To.Conversation), User: string(n.To.User), ExternalID: n.To.ExternalID, Tag: n.To.Tag,
			Everyone: n.To.Everyone, ObjectID: n.To.ObjectID, UPN: n.To.UPN, Email: n.To.Email,
			Team: n.To.Team, Channel: n.To.Room, Thread: string(n.To.Thread), ReplyTo: n.To.ReplyTo,
			Address: renderAddress(n.To.Address),
		},
		Text: n.Text, Markdown: n.Markdown, Card: raw(n.Card), Notice: renderNotice(n.Notice), Summary: n.Summary, Template: renderTemplated(n.Template), Lane: string(n.Lane),
		OnUnknown: string(n.OnUnknown), Conversation: string(n.Window), Topic: n.Topic, CollapseKey: n.CollapseKey, Locale: n.Locale, Value: raw(n.Value),
		Manners: mannersOf(n.Policy),
	}
	if s.ExpiresIn > 0 {
		out.ExpiresIn = s.ExpiresIn.String()
	}
	if n.Activity != nil {
		if said, err := activity.Encode(n.Activity); err == nil { // it was encoded before
			out.Activity = stdjson.RawMessage(said)
		}
	}
	if n.To.Reference != nil {
		out.To.Conversation = string(n.To.Reference.Conversation.ID)
	}
	return out
}

func renderOccurrence(o proactive.Occurrence) api.Occurrence {
	at := timeIn(o.At, o.Zone)
	return api.Occurrence{
		Number: o.Number, At: at.At, Zone: at.Zone, Local: at.Local, State: string(o.Result), Reason: o.Reason, Others: o.Others,
		Notification: string(o.Notification), FiredAt: o.FiredAt.UTC(), LateMS: max(0, o.FiredAt.Sub(o.At).Milliseconds()),
	}
}

// timeIn is a time on a zone's clock.
func timeIn(t time.Time, zone string) api.OccurrenceTime {
	return api.OccurrenceTime{At: t.UTC(), Zone: zone, Local: schedule.Local(t, zone).Format(time.RFC3339)}
}

func timesIn(all []time.Time, zone string) []api.OccurrenceTime {
	return each(all, func(t time.Time) api.OccurrenceTime { return timeIn(t, zone) })
}
