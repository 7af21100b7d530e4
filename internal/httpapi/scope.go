package httpapi

import (
	"context"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

// need is a scope that only the body of a request makes necessary, and the member that does.
type need struct {
	scope access.Scope
	field string
}

// targetNeeds lists what a target needs beside the right to send: to say itself where messages are sent, instead of the
// reference book, is for admins; what may be many conversations is a broadcast.
func targetNeeds(to api.Target) (needs []need) {
	for _, n := range []struct {
		given bool
		need  need
	}{
		{given(to.Reference), need{access.Admin, "reference"}},
		{given(to.Address), need{access.Admin, "address"}},
		{to.Tag != "", need{access.Broadcast, "tag"}},
		{to.Everyone, need{access.Broadcast, "everyone"}},
	} {
		if n.given {
			needs = append(needs, n.need)
		}
	}
	return needs
}

// permitTarget refuses callers who may not speak to a target, which is at a path in the request such as body.to.
func permitTarget(ctx context.Context, path string, to api.Target) error {
	for _, n := range targetNeeds(to) {
		if err := permit(ctx, n.scope, path+"."+n.field); err != nil {
			return err
		}
	}
	return nil
}
