package api

import "time"

// Pause is something that is left alone for a while, because the channel asked for it or does not answer.
type Pause struct {
	ID           string    `json:"id" doc:"Names what is paused." example:"pau_5f2b0c9a71d3e864"`
	Level        string    `json:"level" enum:"conversation,tenant,bot,host" doc:"How far it reaches: one conversation, all of a tenant's, all of the channel's, or everything that calls a host."`
	Channel      string    `json:"channel,omitempty" doc:"The channel; not given for a host." example:"msteams"`
	Tenant       string    `json:"tenant,omitempty" doc:"The tenant, of a conversation or a tenant."`
	Conversation string    `json:"conversation,omitempty" doc:"The conversation's id on the channel."`
	Host         string    `json:"host,omitempty" doc:"The host." example:"smba.trafficmanager.net"`
	State        string    `json:"state" enum:"paused,trying" doc:"paused until then; trying: one call at a time is made, until one succeeds."`
	Until        time.Time `json:"until" doc:"When the first call is made again."`
	Reason       string    `json:"reason,omitempty" doc:"Why: throttled, unreachable, unauthorized, no_token and so on." example:"throttled"`
	Times        int       `json:"times" doc:"How often it was paused without a success in between."`
}

// Pauses are what is paused now.
type Pauses struct {
	Pauses []Pause `json:"pauses" doc:"Those that reach furthest first, then in the order of their ends."`
	Total  int     `json:"total" doc:"How many there are, those that are not listed included."`
}
