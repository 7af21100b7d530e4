package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/pace"
)

// Limits is what the API needs of the limiter; *pace.Limiter implements it.
type Limits interface {
	Pauses() []pace.Pause
	Resume(s pace.Scope) bool
}

type pausesRequest struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most."`
}

type pauseRequest struct {
	ID string `path:"id" maxLength:"40" doc:"The pause's id."`
}

type pausesAnswer struct {
	Body api.Pauses
}

type pauseAnswer struct {
	Body api.Pause
}

func (s *service) pauses(a huma.API) {
	tags := []string{"pauses"}
	register(s, a, huma.Operation{
		OperationID: "list-pauses", Method: http.MethodGet, Path: "/v1/pauses",
		Summary: "See what is paused",
		Description: "Lists what this server leaves alone for a while: conversations and tenants that the channel has throttled, bots whose token is " +
			"refused, hosts that do not answer. What waits for them is delivered afterwards.",
		Tags:     tags,
		Security: needs(access.Read),
		Errors:   []int{422},
	}, s.listPauses)
	register(s, a, huma.Operation{
		OperationID: "end-pause", Method: http.MethodDelete, Path: "/v1/pauses/{id}",
		Summary: "End a pause",
		Description: "Lets everything through again at once, because you know that what led to the pause is put right. A channel that is called " +
			"before the time it asked for may ask for more.",
		Tags:     tags,
		Security: needs(access.Manage),
		Errors:   []int{404, 422},
	}, s.endPause)
}

func (s *service) listPauses(ctx context.Context, r *pausesRequest) (*pausesAnswer, error) {
	found := s.pausesOf(ctx)
	slices.SortStableFunc(found, func(a, b pace.Pause) int { return cmp.Compare(reach(a.Scope.Level), reach(b.Scope.Level)) })
	total := len(found)
	now := time.Now()
	return &pausesAnswer{Body: api.Pauses{
		Pauses: each(found[:min(total, r.Limit)], func(p pace.Pause) api.Pause { return renderPause(p, now) }), Total: total,
	}}, nil
}

func (s *service) endPause(ctx context.Context, r *pauseRequest) (*pauseAnswer, error) {
	for _, p := range s.pausesOf(ctx) {
		if pauseID(p.Scope) != r.ID {
			continue
		}
		note(ctx, "level", string(p.Scope.Level))
		note(ctx, "reason", p.Reason)
		if err := s.before(ctx); err != nil {
			return nil, err
		}
		if s.cfg.Limits.Resume(p.Scope) {
			return &pauseAnswer{Body: renderPause(p, time.Now())}, nil
		}
	}
	return nil, newProblem(http.StatusNotFound, api.CodeNotFound, "there is no such pause; it may be over")
}

// reach orders levels, the widest first.
func reach(l pace.Level) int {
	return slices.Index([]pace.Level{pace.LevelHost, pace.LevelBot, pace.LevelTenant, pace.LevelConversation}, l)
}

// pauseID names a scope without telling it.
func pauseID(s pace.Scope) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(s.Level), s.App, s.Channel, s.Tenant, s.Conversation, s.Host}, "\x00")))
	return "pau_" + hex.EncodeToString(sum[:8])
}

func renderPause(p pace.Pause, now time.Time) api.Pause {
	out := api.Pause{
		ID: pauseID(p.Scope), Level: string(p.Scope.Level), Channel: p.Scope.Channel, Tenant: p.Scope.Tenant,
		Conversation: p.Scope.Conversation, Host: p.Scope.Host, State: "paused", Until: p.Until.UTC(), Reason: p.Reason, Times: p.Trips,
	}
	if !now.Before(p.Until) {
		out.State = "trying"
	}
	return out
}
