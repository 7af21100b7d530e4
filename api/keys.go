package api

import "time"

// KeyRequest asks for an API key.
type KeyRequest struct {
	Name          string     `json:"name" minLength:"1" maxLength:"100" doc:"What the key is for, in your words." example:"nightly builds"`
	Scopes        []string   `json:"scopes,omitempty" maxItems:"5" enum:"send,read,broadcast,manage,admin" doc:"What its holder may do; send, if not given. broadcast includes send, manage includes read, admin includes all."`
	Tenant        string     `json:"tenant,omitempty" maxLength:"255" doc:"Binds the key to this tenant of a channel: of others it sees and does nothing. Not together with the scope admin." example:"72f988bf-86f1-41af-91ab-2d7cd011db47"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty" doc:"When it ends by itself. Never, if not given, or when the key ends that asks for it." example:"2027-01-01T00:00:00Z"`
	RatePerMinute int        `json:"rate_per_minute,omitzero" minimum:"0" maximum:"1000000" doc:"How many requests it is good for in a minute. 0 is as many as come."`
}

// Key is an API key without its secret, which nobody keeps.
type Key struct {
	ID            string     `json:"id" doc:"Names the key. It is the middle part of the key, hup_<id>_…, and no secret." example:"3v9q2m7r4xab"`
	Name          string     `json:"name" doc:"As it was given."`
	Scopes        []string   `json:"scopes" enum:"send,read,broadcast,manage,admin" doc:"What its holder may do."`
	Tenant        string     `json:"tenant,omitempty" doc:"The tenant that it is bound to, if it is."`
	State         string     `json:"state" enum:"active,expired,revoked" doc:"Whether it is good."`
	RatePerMinute int        `json:"rate_per_minute,omitzero" doc:"How many requests it is good for in a minute; not given for as many as come."`
	CreatedAt     time.Time  `json:"created_at" doc:"When it was made."`
	CreatedBy     string     `json:"created_by,omitempty" doc:"The id of the key that it was made with; local, if that was done on the server's machine without one; development, where development mode asked for none."`
	ExpiresAt     *time.Time `json:"expires_at,omitempty" doc:"When it ends by itself."`
	RevokedAt     *time.Time `json:"revoked_at,omitempty" doc:"When it was revoked."`
	LastUsedAt    *time.Time `json:"last_used_at,omitempty" doc:"When it was used last, to the minute after a crash of the server."`
}

// CreatedKey is a key that was made this moment, with its secret.
type CreatedKey struct {
	Key
	Secret string `json:"secret" doc:"The key itself, to be sent as Authorization: Bearer hup_…. It is told here and never again."`
}

// Keys is one page of keys.
type Keys struct {
	Keys       []Key  `json:"keys" doc:"In the order in which they were made, revoked and expired ones too."`
	NextCursor string `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}
