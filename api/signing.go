package api

import "time"

// SigningKeyRotation asks for a new signing key.
type SigningKeyRotation struct {
	AtOnce bool `json:"at_once,omitempty" doc:"Have it sign now, and refuse what any other has signed. For a key that others may have."`
}

// SigningKey is a key that tokens are signed with, without the key.
type SigningKey struct {
	ID        string     `json:"id" doc:"Names the key." example:"sgn_0zk3v9q2m7r4x"`
	Purpose   string     `json:"purpose" enum:"directline,bot,actions" doc:"What it signs: tokens of the embedded Direct Line channel, those that a bot in another process is shown, or what comes back from buttons and links of notifications."`
	State     string     `json:"state" enum:"next,signing,retired" doc:"next will sign, signing does, retired did: what it has signed is good until it ends."`
	SignsFrom *time.Time `json:"signs_from,omitempty" doc:"Since when it signs, or from when; not given for one that did from the start, or at once."`
	GoodUntil *time.Time `json:"good_until,omitempty" doc:"Until when what a retired one has signed is good."`
}

// SigningKeys are all of them.
type SigningKeys struct {
	Keys []SigningKey `json:"keys" doc:"By what they sign, the newest first."`
}
