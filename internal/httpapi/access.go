package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

// scheme is the name of the API's security scheme in its document.
const scheme = "key"

// needs is what an operation says in its Security about the scope that its callers must have.
func needs(scope access.Scope) []map[string][]string {
	return []map[string][]string{{scheme: {string(scope)}}}
}

// needed reads what needs wrote. An operation that says nothing is for admins.
func needed(op *huma.Operation) access.Scope {
	if len(op.Security) == 1 && len(op.Security[0][scheme]) == 1 {
		return access.Scope(op.Security[0][scheme][0])
	}
	return access.Admin
}

// describeAccess writes into the document what keys are, and what every operation answers to those who may not.
func describeAccess(doc *huma.OpenAPI) {
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{scheme: {
		Type: "http", Scheme: "bearer", BearerFormat: "hup_<id>_<secret>",
		Description: "An API key, sent as Authorization: Bearer hup_…. The role beside an operation is the scope that the key must have: " +
			"send, read, broadcast (which includes send), manage (which includes read), admin (which includes all). " +
			"A server in development mode lets callers without a key do everything.",
	}}
	refusals := map[int]string{
		http.StatusUnauthorized:    "No key, or not a good one.",
		http.StatusForbidden:       "The key lacks the scope.",
		http.StatusTooManyRequests: "Too many requests with this key, or too many wrong keys from this address.",
	}
	doc.OnAddOperation = append(doc.OnAddOperation, func(_ *huma.OpenAPI, op *huma.Operation) {
		for status, description := range refusals {
			answer := &huma.Response{Description: description, Content: op.Responses["500"].Content}
			if status == http.StatusTooManyRequests {
				answer.Headers = map[string]*huma.Param{"Retry-After": {
					Description: "How many seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger},
				}}
			}
			op.Responses[strconv.Itoa(status)] = answer
		}
	})
}

// authorise lets callers in whose key has the scope that the operation needs.
func (s *service) authorise(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	who, ok := enter(w, r, s.cfg.Keys, needed(ctx.Operation()), s.cfg.Logger)
	if ok {
		next(huma.WithContext(ctx, access.NewContext(ctx.Context(), who)))
	}
}

// Require lets callers in whose key has a scope, for handlers that are not operations of the API. Others are answered as the
// API answers them. A nil keyring lets nobody in.
func Require(keys *access.Keyring, scope access.Scope, logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := enter(w, r, keys, scope, logger); ok {
			next.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), who)))
		}
	})
}

// enter finds out who calls. It answers those who may not go on. An empty scope is had by everybody who is somebody.
func enter(w http.ResponseWriter, r *http.Request, keys *access.Keyring, scope access.Scope, logger *slog.Logger) (access.Identity, bool) {
	w.Header().Set("Cache-Control", "no-store")
	who, err := keys.Enter(r)
	refused, isRefused := errors.AsType[*access.Refusal](err)
	switch {
	case err == nil && (scope == "" || who.Scopes.Has(scope)):
		return who, true
	case err == nil:
		w.Header().Set("WWW-Authenticate", insufficient(scope))
		writeProblem(w, lacks(scope, "header.Authorization"))
	case !isRefused:
		logger.ErrorContext(r.Context(), "caller could not be checked", "error", err.Error())
		w.Header().Set("Retry-After", "1")
		writeProblem(w, unavailable())
	case refused.Limited():
		w.Header().Set("Retry-After", seconds(refused.RetryAfter))
		writeProblem(w, newProblem(http.StatusTooManyRequests, api.CodeRateLimited, refused.Reason))
	default:
		w.Header().Set("WWW-Authenticate", challenge(refused))
		writeProblem(w, newProblem(http.StatusUnauthorized, api.CodeUnauthorized, refused.Reason))
	}
	return access.Identity{}, false
}

// challenge tells programs what is missing (RFC 6750, section 3).
func challenge(refused *access.Refusal) string {
	if refused.Invalid {
		return `Bearer realm="headsup", error="invalid_token"`
	}
	return `Bearer realm="headsup"`
}

// lacks is the answer to a key without a scope. field is what makes it necessary.
func lacks(scope access.Scope, field string) *problem {
	return newProblem(http.StatusForbidden, api.CodeMissingScope, "this needs a key with the scope "+string(scope),
		api.ProblemField{Field: field, Message: "needs the scope " + string(scope)})
}

// missingScope is a caller without a scope that only the request's body makes necessary, at the field that does.
type missingScope struct {
	scope access.Scope
	field string
}

func (e *missingScope) Error() string { return "the caller lacks the scope " + string(e.scope) }

func (e *missingScope) problem() error {
	return huma.ErrorWithHeaders(lacks(e.scope, e.field), http.Header{"Www-Authenticate": {insufficient(e.scope)}})
}

// permit refuses callers without a scope, with a [missingScope].
func permit(ctx context.Context, scope access.Scope, field string) error {
	if access.FromContext(ctx).Scopes.Has(scope) {
		return nil
	}
	return &missingScope{scope, field}
}

func insufficient(scope access.Scope) string {
	return fmt.Sprintf(`Bearer realm="headsup", error="insufficient_scope", scope=%q`, scope)
}

// seconds is a wait as Retry-After has it, not too short.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func unavailable() *problem {
	return newProblem(http.StatusServiceUnavailable, api.CodeUnavailable, "the store is not available at the moment; try again")
}
