package api

import (
	"encoding/json"
	"time"
)

// PersonKey says who somebody is. Exactly one of User, ExternalID, ObjectID, UPN and Email is set.
type PersonKey struct {
	User       string `json:"user,omitempty" maxLength:"2048" doc:"A person by channel user id. The same id on several channels is several people: channel says which." example:"dl_ann"`
	ExternalID string `json:"external_id,omitempty" maxLength:"255" doc:"A person by the id that they have in your own system, on all channels." example:"employee-4711"`
	ObjectID   string `json:"object_id,omitempty" maxLength:"255" doc:"A person by their object id in Microsoft Entra."`
	UPN        string `json:"upn,omitempty" maxLength:"1024" doc:"A person by their user principal name, as the channel has told it."`
	Email      string `json:"email,omitempty" maxLength:"1024" doc:"A person by their e-mail address, as the channel has told it."`
	Channel    string `json:"channel,omitempty" maxLength:"255" doc:"Only on this channel. Any, if not given." example:"directline"`
	Tenant     string `json:"tenant,omitempty" maxLength:"255" doc:"Only in this tenant of the channel. Any, if not given."`
}

// KnownPerson is somebody on a channel.
type KnownPerson struct {
	ID         string `json:"id,omitempty" doc:"Names the person's entry in the reference book, if there is one." example:"per_0000000000007"`
	Channel    string `json:"channel" doc:"The channel."`
	Tenant     string `json:"tenant,omitempty" doc:"The tenant of the channel, where it has tenants."`
	User       string `json:"user" doc:"The person's id on the channel."`
	Name       string `json:"name,omitempty" doc:"As the channel has told it."`
	ObjectID   string `json:"object_id,omitempty" doc:"Object id in Microsoft Entra, as the channel has told it."`
	UPN        string `json:"upn,omitempty" doc:"User principal name, as the channel has told it."`
	Email      string `json:"email,omitempty" doc:"E-mail address, as the channel has told it."`
	ExternalID string `json:"external_id,omitempty" doc:"The id that you have given the person."`
	TimeZone   string `json:"time_zone,omitempty" doc:"The time zone that the channel told last, an IANA name."`
	Locale     string `json:"locale,omitempty" doc:"The language that the channel told last, BCP 47."`
	Country    string `json:"country,omitempty" doc:"The country that the channel told last."`
	Merged     bool   `json:"merged,omitzero" doc:"Whether the person was merged with others into one human."`
}

// KnownPeople are those whom a key means: one human may be several of them, one on each channel.
type KnownPeople struct {
	People []KnownPerson `json:"people" doc:"In the order in which the book first knew of them."`
}

// PersonRecord is one line of an export.
type PersonRecord struct {
	Type string          `json:"type" doc:"What it is. The first line is of type export, the last of type end, which tells how many came between."`
	Data json.RawMessage `json:"data" doc:"An object whose members go by the type."`
}

// Erasure is what became of a request to erase a person.
type Erasure struct {
	ID        string           `json:"id" doc:"Names the erasure." example:"era_0zk3v9q2m7r4x"`
	State     string           `json:"state" enum:"begun,silent,done" doc:"begun: something that is being said to the person is waited for. silent: nothing is said to them any more. done: nothing is left."`
	Entries   int              `json:"entries" doc:"On how many channels and tenants the person is known; 0 once it is done, when that is forgotten too."`
	StartedAt time.Time        `json:"started_at" doc:"When it was asked for."`
	SilentAt  *time.Time       `json:"silent_at,omitempty" doc:"Since when nothing is said to the person any more."`
	DoneAt    *time.Time       `json:"done_at,omitempty" doc:"When nothing was left."`
	Erased    map[string]int64 `json:"erased" doc:"How much was erased so far, by type, as in an export."`
}
