package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/webhook"
	"github.com/headsup-bot/headsup/pace"
)

// boundOperations are those that a key which is bound to a tenant may be used for: what they answer and change comes from the
// engine or the webhooks' service, of which such a key has views, or is nobody's data. Every other operation is closed to it,
// a new one too.
var boundOperations = map[string]bool{
	"create-notification":             true,
	"create-notifications":            true,
	"notify-group":                    true, // of the tenant's own Graph
	"list-notifications":              true,
	"get-notification":                true,
	"cancel-notification":             true,
	"reschedule-notification":         true,
	"edit-notification":               true,
	"recall-notification":             true,
	"list-deliveries":                 true,
	"get-delivery":                    true,
	"replay-deliveries":               true,
	"replay-delivery":                 true,
	"settle-delivery":                 true,
	"list-conversations":              true,
	"get-conversation":                true,
	"update-conversation":             true,
	"delete-conversation":             true,
	"get-transcript":                  true, // of a conversation that the view knows
	"set-busy":                        true,
	"clear-busy":                      true,
	"create-job":                      true,
	"list-jobs":                       true,
	"get-job":                         true,
	"report-job-progress":             true,
	"complete-job":                    true,
	"list-topics":                     true, // the configuration
	"create-schedule":                 true,
	"list-schedules":                  true,
	"preview-schedule":                true, // nothing is kept
	"get-schedule":                    true,
	"change-schedule":                 true,
	"delete-schedule":                 true,
	"pause-schedule":                  true,
	"resume-schedule":                 true,
	"next-occurrences":                true,
	"list-occurrences":                true,
	"put-template":                    true,
	"list-templates":                  true,
	"get-template":                    true,
	"list-template-versions":          true,
	"delete-template":                 true,
	"create-preview":                  true, // nothing is kept
	"create-webhook":                  true,
	"list-webhooks":                   true,
	"get-webhook":                     true,
	"change-webhook":                  true,
	"delete-webhook":                  true,
	"test-webhook":                    true,
	"rotate-webhook-secret":           true,
	"list-webhook-deliveries":         true,
	"replay-webhook":                  true,
	"stream-events":                   true,
	"note-roster":                     true,
	"list-people":                     true,
	"get-person":                      true, // with whom of the tenant they were merged
	"merge-people":                    true,
	"split-person":                    true,
	"get-preferences":                 true,
	"change-preferences":              true,
	"get-conversation-preferences":    true,
	"change-conversation-preferences": true,
	"list-pauses":                     true, // of the tenant and its conversations
	"end-pause":                       true,
}

// engine is what the caller may see of the engine: all of it, or the view of the tenant that the caller's key is bound to.
// Nobody asks for it in another way, and nothing in a request says for which tenant.
func (s *service) engine(ctx context.Context) Engine {
	if tenant := access.FromContext(ctx).Tenant; tenant != "" {
		return s.whole.Bound(activity.TenantID(tenant))
	}
	return s.whole
}

// hooks is what the caller may see of webhooks and events, as [service.engine] says.
func (s *service) hooks(ctx context.Context) *webhook.Service {
	if tenant := access.FromContext(ctx).Tenant; tenant != "" {
		return s.cfg.Webhooks.Bound(activity.TenantID(tenant))
	}
	return s.cfg.Webhooks
}

// pausesOf are the pauses that the caller may see: all of them, or those of the caller's tenant and of its conversations, and
// none of what it shares with others.
func (s *service) pausesOf(ctx context.Context) []pace.Pause {
	if s.cfg.Limits == nil {
		return nil
	}
	found := s.cfg.Limits.Pauses()
	if tenant := access.FromContext(ctx).Tenant; tenant != "" {
		found = slices.DeleteFunc(found, func(p pace.Pause) bool { return p.Scope.Tenant != tenant })
	}
	return found
}

// tenantBound is the answer to a key that is bound to a tenant where that would not bind it.
func tenantBound() *problem {
	return newProblem(http.StatusForbidden, api.CodeTenantBound, "this is for keys that are bound to no tenant",
		api.ProblemField{Field: "header.Authorization", Message: "is a key that is bound to a tenant"})
}
