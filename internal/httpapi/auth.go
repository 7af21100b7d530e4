package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

type refreshAnswer struct{ Body api.AuthRefresh }

func (s *service) auth(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "refresh-auth", Method: http.MethodPost, Path: "/v1/auth/refresh",
		Summary: "Fetch the keys of tokens anew",
		Description: "Fetches the keys by which the tokens of channels, agents and bots are checked, however fresh those that are known are. A key " +
			"that its issuer has withdrawn is refused from then on: by this server when it answers, by other nodes over the same database " +
			"within 5 seconds. Keys that cannot be fetched stay as they were, which their error says, and it is tried again by itself. " +
			"Without this, keys are fetched once an hour, and when a token names one that is not known.",
		Tags:     []string{"auth"},
		Security: needs(access.Admin),
		Errors:   []int{422, 503},
	}, s.refreshAuth)
}

func (s *service) refreshAuth(ctx context.Context, _ *struct{}) (*refreshAnswer, error) {
	answer := api.AuthRefresh{Sets: []api.AuthKeys{}}
	if s.cfg.RefreshAuth != nil {
		var err error
		if answer.Sets, err = s.cfg.RefreshAuth(ctx); err != nil {
			return nil, s.problemOf(ctx, err)
		}
	}
	return &refreshAnswer{Body: answer}, nil
}
