package httpapi

import (
	"context"
	stdjson "encoding/json"

	"github.com/go-json-experiment/json/jsontext"

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
		{given(to.Address) && !isURI(to.Address), need{access.Admin, "address"}},
		{to.Tag != "", need{access.Broadcast, "tag"}},
		{to.Everyone, need{access.Broadcast, "everyone"}},
	} {
		if n.given {
			needs = append(needs, n.need)
		}
	}
	return needs
}

// isURI reports whether an address is one of a channel that this server has, and not where a channel is.
func isURI(address stdjson.RawMessage) bool {
	return jsontext.Value(address).Kind() == jsontext.KindString
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
