package outbox

import (
	"net/url"
	"strings"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/pace"
)

// RouteOf is the way to a conversation: what shares a channel's limits, and takes turns with other routes.
func RouteOf(c book.Conversation) pace.Route {
	return pace.Route{
		App: c.Key.AppID, Channel: string(c.Key.Channel), Tenant: string(c.Key.Tenant), Host: hostOf(c.Reference.ServiceURL),
	}
}

// hostOf is the host of a service URL, with its port if it names one; empty if it has none.
func hostOf(serviceURL string) string {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
