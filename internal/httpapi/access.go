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
	"github.com/headsup-bot/headsup/internal/audit"
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
			"A key may be bound to a tenant: then it sees only what is of that tenant, and what cannot be told apart by tenants is " +
			"refused with 403 and the code tenant_bound. " +
			"A server in development mode lets callers without a key do everything.",
	}}
	refusals := map[int]string{
		http.StatusUnauthorized:    "No key, or not a good one.",
		http.StatusForbidden:       "The key lacks the scope, or is bound to a tenant and this is for all of them.",
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
	who, ok := s.door().enter(w, r, needed(ctx.Operation()), boundOperations[ctx.Operation().OperationID])
	if ok {
		known := heard(access.NewContext(ctx.Context(), who), s.cfg.Audit, s.cfg.Keys, r)
		next(huma.WithContext(ctx, known))
	}
}

// Door lets callers in whose keys are good, and counts the others.
type Door struct {
	// Keys says who calls. Nil lets nobody in.
	Keys *access.Keyring
	// Audit counts who is not let in. Nil does not.
	Audit *audit.Log
	// Logger receives internal errors. Required.
	Logger *slog.Logger
}

func (s *service) door() Door { return Door{s.cfg.Keys, s.cfg.Audit, s.cfg.Logger} }

// Require lets callers in whose key has a scope, for handlers that are not operations of the API. Others are answered as the
// API answers them, and so are those whose keys are bound to a tenant.
func (d Door) Require(scope access.Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := d.enter(w, r, scope, false); ok {
			next.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), who)))
		}
	})
}

// enter finds out who calls. It answers those who may not go on. An empty scope is had by everybody who is somebody. Callers
// whose keys are bound to a tenant go on only where bound says that they stay within it.
func (d Door) enter(w http.ResponseWriter, r *http.Request, scope access.Scope, bound bool) (access.Identity, bool) {
	w.Header().Set("Cache-Control", "no-store")
	who, err := d.Keys.Enter(r)
	refused, isRefused := errors.AsType[*access.Refusal](err)
	if isRefused {
		refusedCaller(d.Audit, d.Keys.From(r), refused)
	}
	has := scope == "" || who.Scopes.Has(scope)
	switch {
	case err == nil && has && (who.Tenant == "" || bound):
		return who, true
	case err == nil && has:
		d.Audit.Refused(audit.ScopeDenied, "tenant", actorOf(who), d.Keys.From(r))
		writeProblem(w, tenantBound())
	case err == nil:
		d.Audit.Refused(audit.ScopeDenied, string(scope), actorOf(who), d.Keys.From(r))
		w.Header().Set("WWW-Authenticate", insufficient(scope))
		writeProblem(w, lacks(scope, "header.Authorization"))
	case !isRefused:
		d.Logger.ErrorContext(r.Context(), "caller could not be checked", "error", err.Error())
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
	c := callOf(ctx)
	c.log.Refused(audit.ScopeDenied, string(scope), actorOf(access.FromContext(ctx)), c.from)
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
