package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/proactive"
)

// groupTime is how long the members of a group are gone through for one request.
const groupTime = 40 * time.Second

type groupRequest struct {
	ID             string `path:"id" maxLength:"64" doc:"The group's object id in Microsoft Entra; a team's is that of its group."`
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"218" doc:"Required. With the same key and body the request may be repeated: whoever was told is not told again."`
	Body           api.GroupRequest
}

type groupAnswer struct {
	Body api.GroupResult
}

func (s *service) groups(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "notify-group", Method: http.MethodPost, Path: "/v1/groups/{id}/notifications",
		Summary: "Tell a whole group",
		Description: "Asks Microsoft Graph who is in a group of Microsoft Entra, those in groups within it included, and accepts a notification for each of them, " +
			"by object id: people whom the bot has not met are looked for as with any other. Guests of the tenant are left out. It asks before it " +
			"accepts, so that it may fail on the way, or not come to an end in the time of one request (complete is false): repeat it with the same key.",
		Security:      needs(access.Broadcast),
		Tags:          []string{"notifications"},
		DefaultStatus: http.StatusAccepted,
		MaxBodyBytes:  maxBody,
		Errors:        []int{400, 404, 409, 413, 415, 422, 502, 503, 507},
	}, s.notifyGroup)
}

func (s *service) notifyGroup(ctx context.Context, r *groupRequest) (*groupAnswer, error) {
	b := r.Body
	n, err := notification(ctx, &createRequest{IdempotencyKey: r.IdempotencyKey, Body: api.NotificationRequest{
		Text: b.Text, Markdown: b.Markdown, Activity: b.Activity, Card: b.Card, Notice: b.Notice, Summary: b.Summary, Template: b.Template, At: b.At, In: b.In, ExpiresAt: b.ExpiresAt,
		Lane: b.Lane, Topic: b.Topic, Value: b.Value,
	}})
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	audit.FromContext(ctx).Want()
	note(ctx, "to", "group")
	within, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	told, err := s.engine(ctx).NotifyGroup(within, r.ID, n)
	if err != nil && (within.Err() == nil || ctx.Err() != nil) {
		return nil, s.groupProblem(ctx, err)
	}
	if told.Accepted == 0 {
		audit.FromContext(ctx).Drop()
	}
	return &groupAnswer{Body: api.GroupResult{
		Group: r.ID, Accepted: told.Accepted, Replayed: told.Replayed, Guests: told.Guests, Refused: told.Refused, Complete: err == nil,
	}}, nil
}

// groupProblem is the answer where not all could be told.
func (s *service) groupProblem(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, proactive.ErrNoGroups):
		return newProblem(http.StatusNotFound, api.CodeNoGroups, "the server reads no groups of Microsoft Entra")
	case errors.Is(err, graph.ErrNoGroup):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "the tenant has no such group")
	}
	if refused, ok := errors.AsType[*graph.Error](err); ok {
		return newProblem(http.StatusBadGateway, api.CodeGraphRefused, refused.Error())
	}
	return s.problemOf(ctx, err)
}
