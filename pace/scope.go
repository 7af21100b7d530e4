package pace

import (
	"strings"
	"time"
)

// Route is the way that calls to one tenant take. Calls with the same route share the windows of their tenant, their bot
// and the health of their host. Compare routes with ==.
type Route struct {
	// App is the bot's application id, Channel the channel's id.
	App, Channel string
	// Tenant is empty on channels without tenants.
	Tenant string
	// Host is where the calls go, as host or host:port; empty for what is not called over the network.
	Host string
}

// Level is how far a scope reaches.
type Level string

const (
	LevelConversation Level = "conversation"
	LevelTenant       Level = "tenant"
	LevelBot          Level = "bot"
	LevelHost         Level = "host"
)

// Scope is what a pause is for. Make it with the methods of [Route]. Compare scopes with ==.
type Scope struct {
	Level Level `json:"level"`
	// App and Channel are empty for a host.
	App     string `json:"app,omitzero"`
	Channel string `json:"channel,omitzero"`
	// Tenant is set for conversations and tenants, Conversation for conversations, and Host for hosts.
	Tenant       string `json:"tenant,omitzero"`
	Conversation string `json:"conversation,omitzero"`
	Host         string `json:"host,omitzero"`
}

// OfConversation is the scope of one conversation.
func (r Route) OfConversation(id string) Scope {
	return Scope{Level: LevelConversation, App: r.App, Channel: r.Channel, Tenant: r.Tenant, Conversation: id}
}

// OfTenant is the scope of all that an app does with one tenant of the channel.
func (r Route) OfTenant() Scope {
	return Scope{Level: LevelTenant, App: r.App, Channel: r.Channel, Tenant: r.Tenant}
}

// OfBot is the scope of all that an app does on the channel.
func (r Route) OfBot() Scope { return Scope{Level: LevelBot, App: r.App, Channel: r.Channel} }

// OfHost is the scope of everything that calls the host.
func (r Route) OfHost() Scope { return Scope{Level: LevelHost, Host: r.Host} }

// String names the scope in one line, for people.
func (s Scope) String() string {
	parts := []string{string(s.Level)}
	for _, p := range []string{s.Channel, s.Tenant, s.Conversation, s.Host} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " ")
}

// Pause is a scope that is to be left alone.
type Pause struct {
	Scope Scope `json:"scope"`
	// Until is when the next call may be made; from then on there is one at a time until one succeeds.
	Until time.Time `json:"until"`
	// Reason is a snake_case word: "throttled", "unreachable".
	Reason string `json:"reason,omitzero"`
	// Trips counts how often the scope was paused without a success in between.
	Trips int `json:"trips,omitzero"`
	// Version names the pause where several nodes share it: a later one is greater. It is 0 while it is not stored.
	Version int64 `json:"-"`
}
