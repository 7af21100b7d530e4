package outbox

import (
	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/pace"
)

// RouteOf is the way to a conversation: what shares a channel's limits, and takes turns with other routes.
func RouteOf(c book.Conversation) pace.Route { return headsup.RouteOf(c.Key, c.Reference.ServiceURL) }
