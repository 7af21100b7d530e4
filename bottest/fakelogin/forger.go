package fakelogin

import (
	"maps"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Forger makes tokens for one bot, good ones and bad ones, with keys that take long to make and may be shared by tests. Make it
// with [NewForger]; it does not change.
type Forger struct {
	// AppID is the bot's, Tenant the one that its conversations are in, and Service the service URL of the channel.
	AppID, Tenant, Service string

	// Channel signs the channel's tokens, and Barren some without endorsements. Entra signs those of Microsoft Entra. Stranger
	// has the id of Channel, and is nobody's.
	Channel, Barren, Entra, Stranger *Key
}

// Agent is the app id of an agent that [Forger.EntraClaims] are about.
const Agent = "7e57ab1e-0000-4000-8000-00000000a9e7"

// NewForger makes the keys.
func NewForger(appID, tenant, service string) *Forger {
	return &Forger{
		AppID: appID, Tenant: tenant, Service: service,
		Channel: NewKey("channel-1", "msteams", "webchat"), Barren: NewKey("barren"), Entra: NewKey("entra-1"),
		Stranger: NewKey("channel-1", "msteams", "webchat"),
	}
}

// At is the same for another service URL.
func (f *Forger) At(service string) *Forger {
	other := *f
	other.Service = service
	return &other
}

// Publish has a server publish the keys, but for the stranger's.
func (f *Forger) Publish(s *Server) {
	s.Channel.Publish(f.Channel, f.Barren)
	s.Entra.Publish(f.Entra)
}

// Claims are those of a good token of the channel, with some replaced; a nil one is left out.
func (f *Forger) Claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	return with(map[string]any{
		"iss": "https://api.botframework.com", "aud": f.AppID, "serviceurl": f.Service, "nbf": now, "iat": now, "exp": now + 3600,
	}, changes)
}

// EntraClaims are those of a good token of version 2.0 that [Agent] has got from Entra.
func (f *Forger) EntraClaims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	return with(map[string]any{
		"iss": "https://login.microsoftonline.com/" + f.Tenant + "/v2.0", "aud": f.AppID, "tid": f.Tenant, "ver": "2.0", "azp": Agent,
		"nbf": now, "iat": now, "exp": now + 3600,
	}, changes)
}

// Header is that of the channel's tokens.
func (f *Forger) Header(changes map[string]any) map[string]any {
	return with(map[string]any{"alg": "RS256", "typ": "JWT", "kid": f.Channel.ID}, changes)
}

// Good is a token of the channel with which everybody lets it in.
func (f *Forger) Good() string { return f.Channel.Sign(f.Claims(nil)) }

// Activity is a message as Teams sends it, about the service URL.
func (f *Forger) Activity(change func(*activity.Activity)) *activity.Activity {
	a := activity.Message("hi")
	a.ChannelID, a.ServiceURL = activity.ChannelTeams, f.Service
	a.Conversation = &activity.ConversationAccount{ID: "a:1", TenantID: activity.TenantID(f.Tenant)}
	a.ChannelData = []byte(`{"tenant":{"id":"` + f.Tenant + `"}}`)
	if change != nil {
		change(a)
	}
	return a
}

func with(m, changes map[string]any) map[string]any {
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// Bearer is the Authorization header of a token.
func Bearer(token string) []string { return []string{"Bearer " + token} }
