package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// Many is [Paging] for lists of which only so much is looked at for a page.
type Many struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most. A page may hold fewer, even none, although there are more."`
	Cursor string `query:"cursor" maxLength:"64" doc:"Where to go on: next_cursor of the page before, with the same filters. From the newest, if not given."`
}

type notificationsRequest struct {
	Many
	State         string    `query:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled,recalled" doc:"Those in this state."`
	Conversation  string    `query:"conversation" maxLength:"2048" doc:"Those to this conversation, by its id on the channel. When several channels use the id, it is the one that was seen last."`
	Topic         string    `query:"topic" maxLength:"255" doc:"Those of this topic."`
	CreatedAfter  time.Time `query:"created_after" doc:"Those accepted at this time or later."`
	CreatedBefore time.Time `query:"created_before" doc:"Those accepted before this time."`
}

type notificationsAnswer struct {
	Body api.Notifications
}

type rescheduleRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The notification's id."`
	Body api.RescheduleRequest
}

type editRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The notification's id."`
	Body api.EditRequest
}

// changes registers what can be done with notifications together and later.
func (s *service) changes(a huma.API) {
	tags := []string{"notifications"}
	s.registry = a.OpenAPI().Components.Schemas
	register(s, a, huma.Operation{
		OperationID: "list-notifications", Method: http.MethodGet, Path: "/v1/notifications",
		Security: needs(access.Read),
		Summary:  "See what was said",
		Description: "Lists notifications, newest first, a page at a time. Filters may be combined. Only so many are looked at for one " +
			"page, so a page may hold fewer than the limit, even none, although there are more: the last page is the one without " +
			"next_cursor.",
		Tags:   tags,
		Errors: []int{422, 503},
	}, s.listNotifications)
	register(s, a, huma.Operation{
		OperationID: "create-notifications", Method: http.MethodPost, Path: "/v1/notifications/batch",
		Security: needs(access.Send),
		Summary:  "Say many things",
		Description: "Accepts up to 1,000 notifications in one request of up to 2 MiB, with at most 10,000 deliveries together. Each is accepted or " +
			"refused by itself, and the results are in their order: 202 when all were accepted, 207 when some were refused. All that " +
			"are accepted are stored durably, in one step, before the answer leaves.",
		Tags:          tags,
		DefaultStatus: http.StatusAccepted,
		MaxBodyBytes:  maxBatchBody,
		Errors:        []int{400, 413, 415, 422, 503},
	}, s.createBatch)
	describeBatch(a)
	register(s, a, huma.Operation{
		OperationID: "reschedule-notification", Method: http.MethodPost, Path: "/v1/notifications/{id}/reschedule",
		Security: needs(access.Manage),
		Summary:  "Say it at another time",
		Description: "Moves what is not being sent yet to another time, and returns what became of each delivery: one that is being " +
			"sent, or that has its outcome, stays as it is. When there are very many, changing is true in the answer until all are " +
			"moved.",
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 413, 415, 422, 503},
	}, s.reschedule)
	register(s, a, huma.Operation{
		OperationID: "edit-notification", Method: http.MethodPost, Path: "/v1/notifications/{id}/edit",
		Security: needs(access.Manage),
		Summary:  "Say something else",
		Description: "Changes what a notification says. Deliveries that are not being sent yet say the new content; where the old one " +
			"was said, a delivery with the verb update changes it. On a channel that cannot do that it fails with reason not_supported. " +
			"When there are very many, changing is true in the answer until all are made.",
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 409, 413, 415, 422, 503},
	}, s.edit)
	register(s, a, huma.Operation{
		OperationID: "recall-notification", Method: http.MethodPost, Path: "/v1/notifications/{id}/recall",
		Security: needs(access.Manage),
		Summary:  "Unsay it",
		Description: "Takes a notification back. Deliveries that are not being sent yet are cancelled; where it was said, a delivery with " +
			"the verb delete removes it. On a channel that cannot do that it fails with reason not_supported. What may have arrived, " +
			"since the channel's answer was lost, is unknown: a channel that recognises a repeat finds it, so that it is removed as " +
			"well; elsewhere its removal fails with reason no_activity_id, and may be replayed when the delivery was settled with the " +
			"id. It may be repeated.",
		Tags:   tags,
		Errors: []int{404, 415, 503},
	}, s.recall)
}

func (s *service) listNotifications(ctx context.Context, r *notificationsRequest) (*notificationsAnswer, error) {
	before, err := listNotifications.after(r.Cursor)
	if err != nil {
		return nil, err
	}
	page, err := s.engine(ctx).Notifications(ctx, proactive.NotificationFilter{
		State: outbox.State(r.State), Topic: r.Topic, Conversation: activity.ConversationID(r.Conversation),
		CreatedAfter: r.CreatedAfter, CreatedBefore: r.CreatedBefore, Before: before, Limit: r.Limit,
	})
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	out := api.Notifications{Notifications: make([]api.NotificationSummary, 0, len(page.Notifications))}
	for _, n := range page.Notifications {
		out.Notifications = append(out.Notifications, renderSummary(n))
	}
	if page.Next != 0 {
		out.NextCursor = listNotifications.cursor(page.Next)
	}
	return &notificationsAnswer{Body: out}, nil
}

func (s *service) reschedule(ctx context.Context, r *rescheduleRequest) (*answer, error) {
	in, err := decodeDuration(r.Body.In)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	var at time.Time
	switch {
	case r.Body.At != nil:
		at = *r.Body.At
	case in == 0 && r.Body.In != "": // after no time at all
		at = time.Now()
	}
	return s.answerWith(ctx)(s.engine(ctx).Reschedule(ctx, headsup.NotificationID(r.ID), at, in))
}

func (s *service) edit(ctx context.Context, r *editRequest) (*answer, error) {
	b := r.Body
	said, err := content{
		text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
	}.decode()
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return s.answerWith(ctx)(s.engine(ctx).Edit(ctx, headsup.NotificationID(r.ID), said))
}

func (s *service) recall(ctx context.Context, r *one) (*answer, error) {
	return s.answerWith(ctx)(s.engine(ctx).Recall(ctx, headsup.NotificationID(r.ID)))
}

// answerWith answers with a notification, or with what went wrong.
func (s *service) answerWith(ctx context.Context) func(proactive.Status, error) (*answer, error) {
	return func(status proactive.Status, err error) (*answer, error) {
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &answer{Body: render(status)}, nil
	}
}
