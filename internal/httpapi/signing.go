package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/rotation"
)

type rotateKeyRequest struct {
	Purpose string `path:"purpose" enum:"directline,bot,actions" doc:"Which: directline signs tokens of the embedded channel, bot those that a bot in another process is shown, actions what comes back from buttons and links."`
	Body    *api.SigningKeyRotation
}

type signingKeysAnswer struct{ Body api.SigningKeys }

func (s *service) signingKeys(a huma.API) {
	tags := []string{"keys"}
	register(s, a, huma.Operation{
		OperationID: "list-signing-keys", Method: http.MethodGet, Path: "/v1/signing-keys",
		Summary: "See what tokens are signed with",
		Description: "Lists the keys that tokens are signed with, without the keys: the one that signs, those before it until the last of their tokens " +
			"has ended, and one that will sign.",
		Tags:     tags,
		Security: needs(access.Admin),
		Errors:   []int{422, 503},
	}, s.listSigningKeys)
	register(s, a, huma.Operation{
		OperationID: "rotate-signing-key", Method: http.MethodPost, Path: "/v1/signing-keys/{purpose}/rotate",
		Summary: "Replace what tokens are signed with",
		Description: "Makes a new key on all servers over the database. It signs once all of them, and bots who read published keys, can know it: after two " +
			"minutes, 65 for bot. What the old one has signed stays good, so no token is refused. With at_once the new one signs now and all " +
			"else is refused, on other servers within 5 s: for a key that others may have.",
		Tags:         tags,
		Security:     needs(access.Admin),
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 409, 413, 415, 422, 503},
	}, s.rotateSigningKey)
}

func (s *service) listSigningKeys(context.Context, *struct{}) (*signingKeysAnswer, error) {
	return &signingKeysAnswer{s.renderSigningKeys()}, nil
}

func (s *service) rotateSigningKey(ctx context.Context, r *rotateKeyRequest) (*signingKeysAnswer, error) {
	ring := s.cfg.SigningKeys[r.Purpose]
	if ring == nil {
		return nil, newProblem(http.StatusNotFound, api.CodeNotFound, "this server signs no such tokens")
	}
	atOnce := r.Body != nil && r.Body.AtOnce
	note(ctx, "purpose", r.Purpose)
	note(ctx, "at_once", atOnce)
	_, err := ring.Rotate(ctx, atOnce)
	switch {
	case errors.Is(err, rotation.ErrUnderWay):
		return nil, newProblem(http.StatusConflict, api.CodeRotationUnderWay, "a new key was made a while ago and does not sign yet; wait, or have it replaced at once")
	case err != nil:
		return nil, s.problemOf(ctx, err)
	}
	return &signingKeysAnswer{s.renderSigningKeys()}, nil
}

func (s *service) renderSigningKeys() api.SigningKeys {
	out := api.SigningKeys{Keys: []api.SigningKey{}}
	for _, purpose := range slices.Sorted(maps.Keys(s.cfg.SigningKeys)) {
		for _, k := range s.cfg.SigningKeys[purpose].States() {
			one := api.SigningKey{ID: k.ID, Purpose: purpose, State: "next", SignsFrom: optional(k.From), GoodUntil: optional(k.Until)}
			switch {
			case k.Signs:
				one.State = "signing"
			case !k.Until.IsZero():
				one.State = "retired"
			}
			out.Keys = append(out.Keys, one)
		}
	}
	return out
}
