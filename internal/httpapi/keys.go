package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

type createKeyRequest struct {
	Body api.KeyRequest
}

type keyRequest struct {
	ID string `path:"id" maxLength:"12" doc:"The key's id: its middle part, not the whole key."`
}

type createdKey struct {
	Location string `header:"Location" doc:"Where to ask for the key, without its secret."`
	Body     api.CreatedKey
}

type keyAnswer struct {
	Body api.Key
}

type keysAnswer struct {
	Body api.Keys
}

func (s *service) keys(a huma.API) {
	tags := []string{"keys"}
	register(s, a, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: "/v1/keys",
		Summary: "Make a key",
		Description: "Makes an API key and tells its secret, here and never again: only a hash is kept. A key cannot give scopes that it does " +
			"not have, nor last longer than the key that it is made with. A key with a tenant is bound to that tenant of a channel: it " +
			"finds nothing of others, and everyone is everyone there. If the answer is lost, revoke the key and make another.",
		Tags:          tags,
		Security:      needs(access.Admin),
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  maxBody,
		Errors:        []int{400, 413, 415, 422, 503},
	}, s.createKey)
	register(s, a, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: "/v1/keys",
		Summary:     "See the keys",
		Description: "Lists the keys in the order in which they were made, a page at a time, revoked and expired ones too.",
		Tags:        tags,
		Security:    needs(access.Admin),
		Errors:      []int{422, 503},
	}, s.listKeys)
	register(s, a, huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: "/v1/keys/{id}",
		Summary:     "See one key",
		Description: "Returns a key without its secret.",
		Tags:        tags,
		Security:    needs(access.Admin),
		Errors:      []int{404, 422, 503},
	}, s.getKey)
	register(s, a, huma.Operation{
		OperationID: "revoke-key", Method: http.MethodDelete, Path: "/v1/keys/{id}",
		Summary: "Revoke a key",
		Description: "Ends a key for good, at once on this server and within 5 s on others over the same database. It may be repeated. " +
			"The key stays in the list.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{404, 422, 503},
	}, s.revokeKey)
}

func (s *service) createKey(ctx context.Context, r *createKeyRequest) (*createdKey, error) {
	scopes, err := access.ParseScopes(r.Body.Scopes)
	if err != nil {
		return nil, s.problemOfKey(ctx, &access.FieldError{Field: "scopes", Reason: err.Error()})
	}
	want := access.NewKey{Name: r.Body.Name, Scopes: scopes, Tenant: r.Body.Tenant, RatePerMinute: r.Body.RatePerMinute}
	if r.Body.ExpiresAt != nil {
		want.ExpiresAt = *r.Body.ExpiresAt
	}
	note(ctx, "scopes", scopes.Names())
	if want.Tenant != "" {
		note(ctx, "tenant", want.Tenant)
	}
	key, secret, err := s.cfg.Keys.Create(ctx, access.FromContext(ctx), want)
	if err != nil {
		return nil, s.problemOfKey(ctx, err)
	}
	return &createdKey{
		Location: "/v1/keys/" + key.ID, Body: api.CreatedKey{Key: renderKey(key, s.cfg.Keys.Now()), Secret: secret.Reveal()},
	}, nil
}

func (s *service) listKeys(ctx context.Context, r *Paging) (*keysAnswer, error) {
	found, next, err := page(ctx, s, listKeys, *r, func(after int64, limit int) ([]access.Key, error) {
		return s.cfg.Keys.Keys(ctx, after, limit)
	}, func(k access.Key) int64 { return k.Row })
	if err != nil {
		return nil, err
	}
	now := s.cfg.Keys.Now()
	return &keysAnswer{Body: api.Keys{
		Keys: each(found, func(k access.Key) api.Key { return renderKey(k, now) }), NextCursor: next,
	}}, nil
}

func (s *service) getKey(ctx context.Context, r *keyRequest) (*keyAnswer, error) {
	key, err := s.cfg.Keys.Key(ctx, r.ID)
	if err != nil {
		return nil, s.problemOfKey(ctx, err)
	}
	return &keyAnswer{Body: renderKey(key, s.cfg.Keys.Now())}, nil
}

func (s *service) revokeKey(ctx context.Context, r *keyRequest) (*keyAnswer, error) {
	key, err := s.cfg.Keys.Revoke(ctx, access.FromContext(ctx), r.ID)
	if err != nil {
		return nil, s.problemOfKey(ctx, err)
	}
	return &keyAnswer{Body: renderKey(key, s.cfg.Keys.Now())}, nil
}

// problemOfKey turns an error of the keyring into an answer.
func (s *service) problemOfKey(ctx context.Context, err error) error {
	invalid := func(field, reason string) error {
		f := api.ProblemField{Field: "body." + field, Message: reason}
		return newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
	}
	if wrong, ok := errors.AsType[*access.FieldError](err); ok {
		return invalid(wrong.Field, wrong.Reason)
	}
	if e, ok := errors.AsType[*access.EscalationError](err); ok {
		if e.Missing == "" {
			return invalid("expires_at", e.Error())
		}
		return lacks(e.Missing, "body.scopes")
	}
	if errors.Is(err, access.ErrNotFound) {
		return newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such key")
	}
	return s.problemOf(ctx, err)
}

func renderKey(k access.Key, now time.Time) api.Key {
	out := api.Key{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes.Names(), Tenant: k.Tenant, State: "active", RatePerMinute: k.RatePerMinute,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy, ExpiresAt: optional(k.ExpiresAt),
		RevokedAt: optional(k.RevokedAt), LastUsedAt: optional(k.LastUsedAt),
	}
	switch {
	case !k.RevokedAt.IsZero():
		out.State = "revoked"
	case k.Expired(now):
		out.State = "expired"
	}
	return out
}
