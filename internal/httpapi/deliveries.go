package httpapi

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

type deliveriesRequest struct {
	Many
	State        string `query:"state" enum:"scheduled,ready,held,sending,delivered,failed,unknown,expired,suppressed,cancelled" doc:"Those in this state."`
	Reason       string `query:"reason" maxLength:"64" doc:"Those with this reason."`
	Conversation string `query:"conversation" maxLength:"2048" doc:"Those to this conversation, by its id on the channel. When several channels use the id, it is the one that was seen last."`
	Notification string `query:"notification" maxLength:"64" doc:"Those of this notification."`
}

type deliveriesAnswer struct {
	Body api.Deliveries
}

type oneDelivery struct {
	ID string `path:"id" maxLength:"64" doc:"The delivery's id."`
}

type deliveryAnswer struct {
	Body api.Delivery
}

type replayRequest struct {
	Body api.ReplayRequest
}

type replayAnswer struct {
	Body api.ReplayResult
}

type settleRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The delivery's id."`
	Body api.SettleRequest
}

func (s *service) deliveries(a huma.API) {
	tags := []string{"deliveries"}
	register(s, a, huma.Operation{
		OperationID: "list-deliveries", Method: http.MethodGet, Path: "/v1/deliveries",
		Security: needs(access.Read),
		Summary:  "See the deliveries",
		Description: "Lists deliveries, newest first, a page at a time. Filters may be combined. Only so many are looked at for one page, " +
			"so a page may hold fewer than the limit, even none, although there are more: the last page is the one without next_cursor.",
		Tags:   tags,
		Errors: []int{422, 503},
	}, s.listDeliveries)
	register(s, a, huma.Operation{
		OperationID: "get-delivery", Method: http.MethodGet, Path: "/v1/deliveries/{id}",
		Security:    needs(access.Read),
		Summary:     "See one delivery",
		Description: "Returns a delivery with every change of it.",
		Tags:        tags,
		Errors:      []int{404, 503},
	}, s.getDelivery)
	register(s, a, huma.Operation{
		OperationID: "replay-deliveries", Method: http.MethodPost, Path: "/v1/deliveries/replay",
		Security: needs(access.Manage),
		Summary:  "Try many again",
		Description: "Tries deliveries again that have ended without success and match all that the body gives, oldest first: failed, " +
			"unknown, expired, suppressed and cancelled ones. What is unknown may be delivered twice.",
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 413, 415, 422, 503},
	}, s.replayAll)
	register(s, a, huma.Operation{
		OperationID: "replay-delivery", Method: http.MethodPost, Path: "/v1/deliveries/{id}/replay",
		Security: needs(access.Manage),
		Summary:  "Try it again",
		Description: "Makes a delivery that has ended without success ready again, as if it were new: it does not expire, and may fail as " +
			"often as a new one. Its history goes on. What is unknown may be delivered twice. If the channel has forbidden its " +
			"conversation, that is tried once more: another refusal forbids it again.",
		Tags:   tags,
		Errors: []int{404, 409, 415, 503},
	}, s.replay)
	register(s, a, huma.Operation{
		OperationID: "settle-delivery", Method: http.MethodPost, Path: "/v1/deliveries/{id}/settle",
		Security: needs(access.Manage),
		Summary:  "Say what became of it",
		Description: "Makes a delivery whose outcome is unknown delivered or failed, because you know. With the id that the channel gave " +
			"the message it can be edited and recalled.",
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 409, 413, 415, 422, 503},
	}, s.settle)
}

func (s *service) listDeliveries(ctx context.Context, r *deliveriesRequest) (*deliveriesAnswer, error) {
	before, err := listDeliveries.after(r.Cursor)
	if err != nil {
		return nil, err
	}
	page, err := s.engine(ctx).Deliveries(ctx, proactive.DeliveryFilter{
		State: outbox.State(r.State), Reason: r.Reason, Conversation: activity.ConversationID(r.Conversation),
		Notification: headsup.NotificationID(r.Notification), Before: outbox.DeliveryID(before), Limit: r.Limit,
	})
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	out := api.Deliveries{Deliveries: make([]api.Delivery, 0, len(page.Deliveries))}
	for _, d := range page.Deliveries {
		out.Deliveries = append(out.Deliveries, renderDelivery(d))
	}
	if page.Next != 0 {
		out.NextCursor = listDeliveries.cursor(int64(page.Next))
	}
	return &deliveriesAnswer{Body: out}, nil
}

func (s *service) getDelivery(ctx context.Context, r *oneDelivery) (*deliveryAnswer, error) {
	return s.deliveryWith(ctx)(s.engine(ctx).Delivery(ctx, r.ID))
}

func (s *service) replay(ctx context.Context, r *oneDelivery) (*deliveryAnswer, error) {
	return s.deliveryWith(ctx)(s.engine(ctx).Replay(ctx, r.ID))
}

func (s *service) settle(ctx context.Context, r *settleRequest) (*deliveryAnswer, error) {
	note(ctx, "state", r.Body.State)
	return s.deliveryWith(ctx)(s.engine(ctx).Settle(ctx, r.ID, outbox.State(r.Body.State), activity.ID(r.Body.ActivityID)))
}

const defaultReplay = 1000

func (s *service) replayAll(ctx context.Context, r *replayRequest) (*replayAnswer, error) {
	noteReplay(ctx, s, r.Body)
	n, err := s.engine(ctx).ReplayAll(ctx, proactive.DeliveryFilter{
		State: outbox.State(r.Body.State), Reason: r.Body.Reason, Conversation: activity.ConversationID(r.Body.Conversation),
		Notification: headsup.NotificationID(r.Body.Notification), Limit: cmp.Or(r.Body.Limit, defaultReplay),
	}, r.Body.TryForbidden)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &replayAnswer{Body: api.ReplayResult{Replayed: n}}, nil
}

// deliveryWith answers with a delivery, or with what went wrong.
func (s *service) deliveryWith(ctx context.Context) func(outbox.Delivery, error) (*deliveryAnswer, error) {
	return func(d outbox.Delivery, err error) (*deliveryAnswer, error) {
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &deliveryAnswer{Body: renderDelivery(d)}, nil
	}
}

// noteReplay tells the audit log which deliveries are tried again.
func noteReplay(ctx context.Context, s *service, b api.ReplayRequest) {
	for name, value := range map[string]string{"state": b.State, "reason": b.Reason, "notification": b.Notification} {
		if value != "" {
			note(ctx, name, value)
		}
	}
	if b.Conversation != "" {
		note(ctx, "conversation", s.personal(b.Conversation))
	}
	note(ctx, "limit", cmp.Or(b.Limit, defaultReplay))
	if b.TryForbidden {
		note(ctx, "try_forbidden", true)
	}
}
