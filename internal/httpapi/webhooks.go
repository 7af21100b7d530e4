package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
)

type createWebhookRequest struct {
	Body api.WebhookRequest
}

type createdWebhook struct {
	Location string `header:"Location" doc:"Where to ask for the webhook."`
	Body     api.CreatedWebhook
}

type webhookRequest struct {
	ID string `path:"id" maxLength:"64" doc:"The webhook's id."`
}

type changeWebhookRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The webhook's id."`
	Body api.WebhookChange
}

type rotateRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The webhook's id."`
	Body *api.SecretRotation
}

type replayEventsRequest struct {
	ID   string `path:"id" maxLength:"64" doc:"The webhook's id."`
	Body api.WebhookReplay
}

type postsRequest struct {
	ID     string `path:"id" maxLength:"64" doc:"The webhook's id."`
	Cursor string `query:"cursor" maxLength:"64" doc:"Where the page starts: next_cursor of the one before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

type webhookAnswer struct{ Body api.Webhook }

type webhooksAnswer struct{ Body api.Webhooks }

type testAnswer struct{ Body api.WebhookTest }

type rotateAnswer struct{ Body api.RotatedSecret }

type replayEventsAnswer struct{ Body api.WebhookReplayed }

type postsAnswer struct{ Body api.WebhookDeliveries }

func (s *service) webhooks(a huma.API) {
	op := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/v1/webhooks" + path, Summary: summary, Description: description,
			Tags: []string{"webhooks"}, Security: needs(access.Manage), MaxBodyBytes: maxBody, Errors: errors,
		}
	}
	create := op("create-webhook", http.MethodPost, "", "Make a webhook",
		"Has events posted to an address from now on, signed as Standard Webhooks says. The secret is told in the answer and never again.",
		400, 409, 413, 415, 422, 503)
	create.DefaultStatus = http.StatusCreated
	register(s, a, create, s.createWebhook)
	register(s, a, op("list-webhooks", http.MethodGet, "", "See the webhooks",
		"Lists all webhooks, of which there are at most 100.", 422, 503), s.listWebhooks)
	register(s, a, op("get-webhook", http.MethodGet, "/{id}", "See one webhook",
		"Returns a webhook, and whether it works.", 404, 422, 503), s.getWebhook)
	register(s, a, op("change-webhook", http.MethodPatch, "/{id}", "Change a webhook",
		"Changes what is given. One that is enabled again begins with what is still kept for it.",
		400, 404, 413, 415, 422, 503), s.changeWebhook)
	remove := op("delete-webhook", http.MethodDelete, "/{id}", "Delete a webhook",
		"Forgets a webhook and what is on its way to it.", 404, 422, 503)
	remove.DefaultStatus = http.StatusNoContent
	register(s, a, remove, s.deleteWebhook)
	register(s, a, op("test-webhook", http.MethodPost, "/{id}/test", "Test a webhook",
		"Posts an event of type webhook.test at once, and tells status and latency. What was answered is not shown.",
		404, 413, 415, 422, 503), s.testWebhook)
	register(s, a, op("rotate-webhook-secret", http.MethodPost, "/{id}/rotate", "Give a webhook a new secret",
		"Signs with a new secret from now on, and for a while with the old one too, so that receivers can change over.",
		400, 404, 413, 415, 422, 503), s.rotateWebhook)
	register(s, a, op("list-webhook-deliveries", http.MethodGet, "/{id}/deliveries", "See what was posted to a webhook",
		"Lists the events that were posted, newest first, with status and latency of each attempt, as long as the events are kept.",
		404, 422, 503), s.listPosts)
	register(s, a, op("replay-webhook", http.MethodPost, "/{id}/replay", "Post events again",
		"Posts one event again, or everything since a time, whatever became of it before, as long as the events are kept.",
		400, 404, 413, 415, 422, 503), s.replayWebhook)
}

// webhookProblem turns an error of the service into an answer.
func (s *service) webhookProblem(ctx context.Context, err error) error {
	if wrong, ok := errors.AsType[*webhook.FieldError](err); ok {
		return invalid("body."+wrong.Field, wrong.Reason)
	}
	switch {
	case errors.Is(err, event.ErrNotFound):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such webhook or event, or it is not kept any more")
	case errors.Is(err, webhook.ErrTooMany):
		return newProblem(http.StatusConflict, api.CodeTooMany, "there are as many webhooks as there may be; delete one first")
	}
	return s.problemOf(ctx, err)
}

// invalid is the problem of one wrong field.
func invalid(field, reason string) error {
	f := api.ProblemField{Field: field, Message: reason}
	return newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
}

// hookID reads a webhook's id. What is none names none.
func hookID(text string) event.WebhookID {
	id, err := event.ParseWebhookID(text)
	if err != nil {
		return 0
	}
	return id
}

func (s *service) createWebhook(ctx context.Context, r *createWebhookRequest) (*createdWebhook, error) {
	types, err := event.ParseTypes(r.Body.Events)
	if err != nil {
		return nil, invalid("body.events", err.Error())
	}
	note(ctx, "host", hostOf(r.Body.URL))
	w, err := s.hooks(ctx).Create(ctx, webhook.Request{
		URL: r.Body.URL, Types: types, Description: r.Body.Description, Secret: r.Body.Secret,
	})
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return &createdWebhook{
		Location: "/v1/webhooks/" + w.ID.String(),
		Body:     api.CreatedWebhook{Webhook: renderWebhook(w), Secret: w.Secrets[0].Text},
	}, nil
}

func (s *service) listWebhooks(ctx context.Context, _ *struct{}) (*webhooksAnswer, error) {
	all, err := s.hooks(ctx).Webhooks(ctx)
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	out := api.Webhooks{Webhooks: make([]api.Webhook, 0, len(all))}
	for _, w := range all {
		out.Webhooks = append(out.Webhooks, renderWebhook(w))
	}
	return &webhooksAnswer{out}, nil
}

func (s *service) getWebhook(ctx context.Context, r *webhookRequest) (*webhookAnswer, error) {
	w, err := s.hooks(ctx).Webhook(ctx, hookID(r.ID))
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return &webhookAnswer{renderWebhook(w)}, nil
}

func (s *service) changeWebhook(ctx context.Context, r *changeWebhookRequest) (*webhookAnswer, error) {
	noteGiven(ctx, map[string]bool{
		"url": r.Body.URL != nil, "description": r.Body.Description != nil, "enabled": r.Body.Enabled != nil, "events": r.Body.Events != nil,
	})
	if r.Body.URL != nil {
		note(ctx, "host", hostOf(*r.Body.URL))
	}
	if r.Body.Enabled != nil {
		note(ctx, "enabled", *r.Body.Enabled)
	}
	c := webhook.Change{URL: r.Body.URL, Description: r.Body.Description, Enabled: r.Body.Enabled}
	if r.Body.Events != nil {
		var err error
		if c.Types, err = event.ParseTypes(r.Body.Events); err != nil {
			return nil, invalid("body.events", err.Error())
		}
	}
	w, err := s.hooks(ctx).Change(ctx, hookID(r.ID), c)
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return &webhookAnswer{renderWebhook(w)}, nil
}

func (s *service) deleteWebhook(ctx context.Context, r *webhookRequest) (*struct{}, error) {
	if err := s.hooks(ctx).Delete(ctx, hookID(r.ID)); err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return nil, nil
}

func (s *service) testWebhook(ctx context.Context, r *webhookRequest) (*testAnswer, error) {
	a, err := s.hooks(ctx).Test(ctx, hookID(r.ID))
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return &testAnswer{renderTest(a)}, nil
}

// defaultKeep is how long an old secret is used when the request does not say.
const defaultKeep = 24 * time.Hour

func (s *service) rotateWebhook(ctx context.Context, r *rotateRequest) (*rotateAnswer, error) {
	keep := defaultKeep
	if r.Body != nil && r.Body.Keep != "" {
		var err error
		if keep, err = time.ParseDuration(r.Body.Keep); err != nil {
			return nil, invalid("body.keep", "is not a duration")
		}
	}
	secret, w, err := s.hooks(ctx).Rotate(ctx, hookID(r.ID), keep)
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	out := api.RotatedSecret{Secret: secret}
	if len(w.Secrets) > 1 {
		out.PreviousUntil = instant(w.Secrets[1].Until)
	}
	return &rotateAnswer{out}, nil
}

func (s *service) listPosts(ctx context.Context, r *postsRequest) (*postsAnswer, error) {
	var before event.ID
	if r.Cursor != "" {
		var err error
		if before, err = event.ParseID(r.Cursor); err != nil {
			return nil, invalid("query.cursor", "is not a cursor of this list")
		}
	}
	found, err := s.hooks(ctx).Posts(ctx, hookID(r.ID), before, r.Limit+1)
	if err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	out := api.WebhookDeliveries{Deliveries: make([]api.WebhookDelivery, 0, len(found))}
	if len(found) > r.Limit {
		found = found[:r.Limit]
		out.NextCursor = found[r.Limit-1].Event.ID.String()
	}
	for _, p := range found {
		out.Deliveries = append(out.Deliveries, renderPost(p))
	}
	return &postsAnswer{out}, nil
}

func (s *service) replayWebhook(ctx context.Context, r *replayEventsRequest) (*replayEventsAnswer, error) {
	switch {
	case (r.Body.Event == "") == (r.Body.Since == nil):
		return nil, invalid("body", "must have exactly one of event and since")
	case r.Body.Since != nil:
		note(ctx, "since", r.Body.Since.UTC().Format(time.RFC3339))
		n, err := s.hooks(ctx).ReplaySince(ctx, hookID(r.ID), *r.Body.Since)
		if err != nil {
			return nil, s.webhookProblem(ctx, err)
		}
		return &replayEventsAnswer{api.WebhookReplayed{Events: n}}, nil
	}
	id, err := event.ParseID(r.Body.Event)
	if err != nil {
		return nil, invalid("body.event", "is not an id of an event")
	}
	note(ctx, "event", id.String())
	if err := s.hooks(ctx).ReplayEvent(ctx, hookID(r.ID), id); err != nil {
		return nil, s.webhookProblem(ctx, err)
	}
	return &replayEventsAnswer{api.WebhookReplayed{Events: 1}}, nil
}

func renderWebhook(w event.Webhook) api.Webhook {
	out := api.Webhook{
		ID: w.ID.String(), URL: w.URL, Events: make([]string, len(w.Types)), Description: w.Description,
		Tenant: string(w.Tenant), Enabled: w.Disabled == "", DisabledReason: w.Disabled, DisabledAt: instant(w.DisabledAt),
		FailingSince: instant(w.FailingSince), PausedUntil: instant(w.NotBefore), Dropped: w.Dropped, CreatedAt: w.CreatedAt.UTC(),
	}
	for i, typ := range w.Types {
		out.Events[i] = string(typ)
	}
	return out
}

func renderTest(a event.Attempt) api.WebhookTest {
	return api.WebhookTest{Status: a.Status, LatencyMS: a.LatencyMS, Error: a.Error}
}

func renderPost(p event.Post) api.WebhookDelivery {
	out := api.WebhookDelivery{
		Event: p.Event.ID.String(), Type: string(p.Event.Type), State: "pending", NextAt: instant(p.NextAt),
		Attempts: make([]api.WebhookAttempt, 0, len(p.Attempts)),
	}
	if p.Delivered {
		out.State = "delivered"
	}
	for _, a := range p.Attempts {
		out.Attempts = append(out.Attempts, api.WebhookAttempt{At: a.At.UTC(), WebhookTest: renderTest(a)})
	}
	return out
}

// hostOf is what the audit log tells of a webhook's address: the rest of it may be a secret.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// instant is a time that may be missing.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
