package httpapi

import (
	"context"
	"net/http"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

// boundOperations are those that a key which is bound to a tenant may be used for: what they answer and change comes from the
// engine, of which such a key has a view, or is nobody's data. Every other operation is closed to it, a new one too.
var boundOperations = map[string]bool{
	"create-notification":     true,
	"create-notifications":    true,
	"list-notifications":      true,
	"get-notification":        true,
	"cancel-notification":     true,
	"reschedule-notification": true,
	"edit-notification":       true,
	"recall-notification":     true,
	"list-deliveries":         true,
	"get-delivery":            true,
	"replay-deliveries":       true,
	"replay-delivery":         true,
	"settle-delivery":         true,
	"list-conversations":      true,
	"get-conversation":        true,
	"update-conversation":     true,
	"delete-conversation":     true,
	"get-transcript":          true, // of a conversation that the view knows
	"set-busy":                true,
	"clear-busy":              true,
	"create-job":              true,
	"list-jobs":               true,
	"get-job":                 true,
	"report-job-progress":     true,
	"complete-job":            true,
	"list-topics":             true, // the configuration
}

// engine is what the caller may see of the engine: all of it, or the view of the tenant that the caller's key is bound to.
// Nobody asks for it in another way, and nothing in a request says for which tenant.
func (s *service) engine(ctx context.Context) Engine {
	if tenant := access.FromContext(ctx).Tenant; tenant != "" {
		return s.whole.Bound(activity.TenantID(tenant))
	}
	return s.whole
}

// tenantBound is the answer to a key that is bound to a tenant where that would not bind it.
func tenantBound() *problem {
	return newProblem(http.StatusForbidden, api.CodeTenantBound, "this is for keys that are bound to no tenant",
		api.ProblemField{Field: "header.Authorization", Message: "is a key that is bound to a tenant"})
}
