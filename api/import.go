package api

import "encoding/json"

// ImportRequest brings references of other programs into the reference book.
type ImportRequest struct {
	References []ImportItem `json:"references" minItems:"1" maxItems:"1000" doc:"What to import."`
	Tenant     string       `json:"tenant,omitempty" maxLength:"64" doc:"The tenant of those references on Microsoft Teams that name none." example:"5f0f6b0e-2f6a-4c61-9d63-0a3b7c1d9e20"`
	Check      bool         `json:"check,omitzero" doc:"Only say what would become of each."`
}

// ImportItem is one reference, and what is known of its conversation.
type ImportItem struct {
	Reference  json.RawMessage `json:"reference" doc:"The object as the other program has stored it: a ConversationReference of any of the Microsoft SDKs, with the names of .NET, JavaScript or Python; the Agents SDK's record of reference and claims; an activity that the bot received; or what bots of Bot Builder 3 stored: Node's address, C#'s ResumptionCookie as JSON, a ConversationStarter row."`
	ExternalID string          `json:"external_id,omitempty" maxLength:"255" doc:"Which id the conversation's person has in your own system." example:"employee-4711"`
	TimeZone   string          `json:"time_zone,omitempty" maxLength:"64" doc:"The person's time zone, by its IANA name." example:"Europe/Vienna"`
	Tags       []string        `json:"tags,omitempty" maxItems:"50" doc:"Tags to add."`
}

// ImportResult tells what became of an import.
type ImportResult struct {
	Added   int                `json:"added" doc:"How many the book did not have."`
	Known   int                `json:"known" doc:"How many it had: their references stay, since whoever wrote from there has told a newer one; tags and external ids are noted."`
	Refused int                `json:"refused" doc:"How many were refused."`
	Results []ImportItemResult `json:"results" doc:"One for each reference, in their order."`
}

// ImportItemResult tells what became of one reference: ID and Channel, or Problem.
type ImportItemResult struct {
	ID      string   `json:"id,omitempty" doc:"The conversation's id on the channel." example:"a:1kL-x_Y"`
	Channel string   `json:"channel,omitempty" doc:"The channel." example:"msteams"`
	Known   bool     `json:"known,omitzero" doc:"The book had it."`
	Problem *Problem `json:"problem,omitempty" doc:"Why it was refused."`
}
