package httpapi

import (
	"cmp"
	"context"
	stdjson "encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

type createRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same body is accepted once and answered the same for at least 24 hours; with another body it is refused."`
	Body           api.NotificationRequest
}

type created struct {
	Location string `header:"Location" doc:"Where to ask for the notification."`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the key had been accepted before."`
	Body     api.Notification
}

type one struct {
	ID string `path:"id" maxLength:"64" doc:"The notification's id."`
}

type shown struct {
	ID         string `path:"id" maxLength:"64" doc:"The notification's id."`
	Deliveries int    `query:"deliveries" default:"100" minimum:"0" maximum:"100" doc:"How many deliveries to show at most. To follow a notification to very many, 0 is enough: counts are of all."`
}

type answer struct {
	Body api.Notification
}

func (s *service) notifications(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "create-notification", Method: http.MethodPost, Path: "/v1/notifications",
		Summary: "Say something",
		Description: "Accepts a notification. It is stored durably before the answer leaves, and delivered at least once. " +
			"Speaking to everyone or to a tag needs the scope broadcast, a raw reference or address the scope admin.",
		Security:      needs(access.Send),
		Tags:          []string{"notifications"},
		DefaultStatus: http.StatusAccepted,
		MaxBodyBytes:  maxBody,
		Errors:        []int{400, 409, 413, 415, 422, 503, 507},
	}, s.create)
	register(s, a, huma.Operation{
		OperationID: "get-notification", Method: http.MethodGet, Path: "/v1/notifications/{id}",
		Summary: "See what became of it",
		Description: "Returns a notification, how many of its deliveries are in each state, and the first 100 of them with every change of " +
			"each. GET /v1/deliveries lists all of them.",
		Security: needs(access.Read),
		Tags:     []string{"notifications"},
		Errors:   []int{404, 503},
	}, s.get)
	register(s, a, huma.Operation{
		OperationID: "cancel-notification", Method: http.MethodPost, Path: "/v1/notifications/{id}/cancel",
		Summary: "Take it back",
		Description: "Stops what is not being sent yet, and returns what became of each delivery: one that is being sent, or that " +
			"has its outcome, stays as it is. One whose earlier attempt may have arrived ends as unknown, with reason cancelled. It " +
			"may be repeated. When there are very many, changing is true in the answer until all are cancelled; none of them is sent " +
			"any more.",
		Security: needs(access.Manage),
		Tags:     []string{"notifications"},
		Errors:   []int{404, 415, 503},
	}, s.cancel)
}

func (s *service) create(ctx context.Context, r *createRequest) (*created, error) {
	n, err := notification(ctx, r)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	auditTargets(ctx, n.To)
	accepted, err := s.engine(ctx).Notify(ctx, n)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	c := &created{Location: "/v1/notifications/" + string(accepted.ID)}
	if accepted.Status != nil {
		c.Body = render(*accepted.Status)
	} else if status, err := s.engine(ctx).StatusWith(ctx, accepted.ID, proactive.MaxShown); err == nil {
		c.Body = render(status)
	} else { // an error would make the caller ask again for what will be delivered
		s.cfg.Logger.ErrorContext(ctx, "accepted notification not readable", "notification_id", string(accepted.ID), "error", err.Error())
		c.Body = unread(accepted.ID, n, r.Body)
	}
	if accepted.Replayed {
		audit.FromContext(ctx).Drop()
		c.Replayed = "true"
	}
	return c, nil
}

func (s *service) get(ctx context.Context, r *shown) (*answer, error) {
	status, err := s.engine(ctx).StatusWith(ctx, headsup.NotificationID(r.ID), r.Deliveries)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &answer{Body: render(status)}, nil
}

func (s *service) cancel(ctx context.Context, r *one) (*answer, error) {
	status, err := s.engine(ctx).Cancel(ctx, headsup.NotificationID(r.ID))
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &answer{Body: render(status)}, nil
}

// notification reads a request, and refuses it where the caller may not speak to its target.
func notification(ctx context.Context, r *createRequest) (headsup.Notification, error) {
	b := r.Body
	if err := permitTarget(ctx, "body.to", b.To); err != nil {
		return headsup.Notification{}, err
	}
	n := headsup.Notification{
		Key: r.IdempotencyKey, Topic: b.Topic, Locale: b.Locale, Lane: headsup.Lane(b.Lane),
		OnUnknown: headsup.OnUnknown(b.OnUnknown), CollapseKey: b.CollapseKey, Window: headsup.Window(b.Conversation), Value: []byte(b.Value),
	}
	var err error
	if n.To, err = targetOf(b.To); err != nil {
		noteURL(ctx, err)
		return n, err
	}
	said, err := content{
		text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
	}.decode()
	if err != nil {
		return n, err
	}
	n.Text, n.Markdown, n.Summary, n.Activity, n.Card, n.Notice = said.Text, said.Markdown, said.Summary, said.Activity, said.Card, said.Notice
	n.Template = said.Template
	if b.At != nil {
		n.At = *b.At
	}
	if b.ExpiresAt != nil {
		n.ExpiresAt = *b.ExpiresAt
	}
	if n.Policy, err = policyOf(b.Manners); err != nil {
		return n, err
	}
	if n.Fallback, err = fallbackOf(ctx, b.Fallback); err != nil {
		return n, err
	}
	n.In, err = decodeDuration(b.In)
	return n, err
}

// decodeDuration reads a member "in".
func decodeDuration(in string) (time.Duration, error) {
	if in == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(in)
	if err != nil {
		return 0, &proactive.FieldError{Field: "in", Reason: "is not a duration such as 90s or 1h30m"}
	}
	return d, nil
}

func render(s proactive.Status) api.Notification {
	m := s.Message
	n := api.Notification{
		ID: string(s.ID), State: string(s.State()), To: askedFor(m), Activity: stdjson.RawMessage(m.Body), Lane: laneName(m.Lane),
		OnUnknown: string(cmp.Or(m.OnUnknown, headsup.OnUnknownRetry)), Topic: m.Topic, CollapseKey: m.CollapseKey, Value: raw(m.Value),
		CreatedAt: m.CreatedAt.UTC(), ExpiresAt: optional(m.ExpiresAt), EditedAt: optional(m.EditedAt),
		RecalledAt: optional(m.RecalledAt), Recipients: m.Recipients, Changing: m.Changing, Counts: countsOf(s.Counts), Receipts: receiptCounts(s.Receipts),
		Deliveries: make([]api.Delivery, 0, len(s.Deliveries)), More: s.Counted() > int64(len(s.Deliveries)), Manners: mannersOf(m.Policy),
	}
	n.Fallback = waysOf(s)
	for _, d := range s.Deliveries {
		n.Deliveries = append(n.Deliveries, renderDelivery(d))
	}
	return n
}

func renderSummary(s proactive.Summary) api.NotificationSummary {
	m := s.Message
	n := api.NotificationSummary{
		ID: string(s.ID), State: string(s.State()), To: askedFor(m), Activity: stdjson.RawMessage(m.Body), Lane: laneName(m.Lane),
		OnUnknown: string(cmp.Or(m.OnUnknown, headsup.OnUnknownRetry)), Topic: m.Topic, CollapseKey: m.CollapseKey, Value: raw(m.Value),
		CreatedAt: m.CreatedAt.UTC(), ExpiresAt: optional(m.ExpiresAt), EditedAt: optional(m.EditedAt),
		RecalledAt: optional(m.RecalledAt), Recipients: m.Recipients, Changing: m.Changing, Counts: countsOf(s.Counts), Receipts: receiptCounts(s.Receipts),
	}
	return n
}

func countsOf(counts map[outbox.State]int64) map[string]int {
	out := make(map[string]int, len(counts))
	for state, n := range counts {
		out[string(state)] = int(n)
	}
	return out
}

func receiptCounts(counts map[outbox.ReceiptKind]int64) map[string]int {
	if len(counts) == 0 {
		return nil
	}
	out := make(map[string]int, len(counts))
	for kind, n := range counts {
		out[string(kind)] = int(n)
	}
	return out
}

func askedFor(m outbox.Message) (to api.Target) {
	_ = json.Unmarshal([]byte(m.Target), &to) // the engine wrote it
	return to
}

func renderDelivery(d outbox.Delivery) api.Delivery {
	out := api.Delivery{
		ID: proactive.DeliveryText(d.ID), Notification: string(proactive.NotificationText(d.Message)), Verb: cmp.Or(string(d.Verb), "send"),
		State: string(d.State), Reason: d.Reason, Channel: string(d.Key.Channel), Conversation: string(d.Key.Conversation),
		ActivityID: string(d.Activity), Attempts: d.Claims, MayHaveArrived: d.MayHaveArrived, DueAt: optional(d.DueAt), CreatedAt: d.CreatedAt.UTC(),
		UpdatedAt: d.UpdatedAt.UTC(), History: make([]api.Change, 0, len(d.History)),
	}
	if d.Revises != 0 {
		out.Revises = proactive.DeliveryText(d.Revises)
	}
	for _, c := range d.History {
		out.History = append(out.History, api.Change{
			At: c.At.UTC(), State: string(c.State), Attempt: c.Attempt, Reason: c.Reason, Status: c.Status,
			Detail: c.Detail, RetryAt: optional(c.RetryAt),
		})
	}
	for _, r := range d.Receipts {
		out.Receipts = append(out.Receipts, api.Receipt{Kind: string(r.Kind), At: r.At.UTC(), Person: string(r.By), Detail: r.Detail})
	}
	return out
}

// unread is what is known of a notification that was accepted and cannot be read at the moment.
func unread(id headsup.NotificationID, n headsup.Notification, b api.NotificationRequest) api.Notification {
	now := time.Now().UTC()
	out := api.Notification{
		ID: string(id), State: string(outbox.StateReady), To: b.To,
		Lane: cmp.Or(b.Lane, string(headsup.LaneNormal)), OnUnknown: cmp.Or(b.OnUnknown, string(headsup.OnUnknownRetry)),
		Topic: b.Topic, CollapseKey: b.CollapseKey, Value: b.Value, CreatedAt: now, ExpiresAt: b.ExpiresAt, Counts: map[string]int{}, Deliveries: []api.Delivery{}, Manners: b.Manners,
	}
	if n.In > 0 || n.At.After(now) {
		out.State = string(outbox.StateScheduled)
	}
	said := proactive.Content{Text: n.Text, Markdown: n.Markdown, Summary: n.Summary, Activity: n.Activity, Card: n.Card, Notice: n.Notice}
	if a, err := said.Message(); err == nil { // it was said before
		out.Activity, _ = activity.Encode(a)
	}
	return out
}

func laneName(l outbox.Lane) string {
	switch l {
	case outbox.LaneUrgent:
		return string(headsup.LaneUrgent)
	case outbox.LaneBulk:
		return string(headsup.LaneBulk)
	case outbox.LaneNormal:
	}
	return string(headsup.LaneNormal)
}

// raw is a member that is left out when there is nothing in it.
func raw(v jsontext.Value) stdjson.RawMessage {
	if len(v) == 0 {
		return nil
	}
	return stdjson.RawMessage(v)
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
