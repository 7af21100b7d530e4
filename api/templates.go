package api

import (
	"encoding/json"
	"time"
)

// TemplateUse is data for a template.
type TemplateUse struct {
	Name    string          `json:"name,omitempty" maxLength:"64" doc:"The template's name. In a change of what a notification says it may be left out: then only the data changes." example:"deal-won"`
	Version int             `json:"version,omitzero" minimum:"1" doc:"The number of a version; the one that is current when it is accepted, if not given."`
	Data    json.RawMessage `json:"data,omitzero" doc:"An object with the template's parameters, of up to 64 kB."`
	Each    json.RawMessage `json:"each,omitzero" doc:"Values for some recipients in place of those in data: an object of objects, by external id, channel user id or e-mail address. Up to 1,000 recipients and 192 kB."`
}

// TemplateParameter is a member that the data of a template may have.
type TemplateParameter struct {
	Name        string          `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" doc:"As expressions name it: data.<name>." example:"deal"`
	Type        string          `json:"type" enum:"string,integer,number,boolean,time,object,array,any" doc:"What it has to be. A time is a string such as 2026-12-24T18:00:00Z, or a day such as 2026-12-24."`
	Description string          `json:"description,omitempty" maxLength:"1000" doc:"For people."`
	Required    bool            `json:"required,omitzero" doc:"What is asked for without it is refused."`
	Example     json.RawMessage `json:"example,omitzero" doc:"What previews show."`
}

// TemplateContent is what a template says in one language. Exactly one of Text, Markdown, Card and Notice is set.
type TemplateContent struct {
	Text     json.RawMessage `json:"text,omitzero" doc:"A plain text: a string, or a list of lines, which are strings or objects with the member line. Exactly one of text, markdown, card and notice."`
	Markdown json.RawMessage `json:"markdown,omitzero" doc:"The same as Markdown."`
	Card     json.RawMessage `json:"card,omitzero" doc:"An Adaptive Card."`
	Notice   json.RawMessage `json:"notice,omitzero" doc:"A structured notification."`
	Summary  string          `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words, for where the message itself cannot be shown."`
}

// TemplateRequest is a template as it is written.
type TemplateRequest struct {
	Description     string                     `json:"description,omitempty" maxLength:"1000" doc:"For people."`
	DefaultLanguage string                     `json:"default_language" minLength:"1" maxLength:"64" doc:"What is said to recipients in whose languages there is nothing. BCP 47; one of languages." example:"en"`
	Parameters      []TemplateParameter        `json:"parameters,omitempty" maxItems:"100" doc:"The members that the data may have."`
	Languages       map[string]TemplateContent `json:"languages" minProperties:"1" maxProperties:"50" doc:"What is said, by language (BCP 47). Expressions stand in strings, as ${data.deal.name}."`
}

// Template is one version of a template.
type Template struct {
	Name            string                     `json:"name" doc:"Its name." example:"deal-won"`
	Version         int                        `json:"version" minimum:"1" doc:"Counts up with every change."`
	Tenant          string                     `json:"tenant,omitempty" doc:"The tenant that it is bound to, because the key was that it was made with."`
	Description     string                     `json:"description,omitempty" doc:"For people."`
	DefaultLanguage string                     `json:"default_language" doc:"What is said to recipients in whose languages there is nothing." example:"en"`
	Parameters      []TemplateParameter        `json:"parameters" doc:"The members that the data may have."`
	Languages       map[string]TemplateContent `json:"languages" doc:"What is said, by language."`
	CreatedAt       time.Time                  `json:"created_at" doc:"When the version was made."`
	EndedAt         *time.Time                 `json:"ended_at,omitempty" doc:"When another version took its place; not given for the current one."`
}

// TemplateSummary is a template in a list.
type TemplateSummary struct {
	Name            string              `json:"name" doc:"Its name." example:"deal-won"`
	Version         int                 `json:"version" minimum:"1" doc:"Counts up with every change."`
	Tenant          string              `json:"tenant,omitempty" doc:"The tenant that it is bound to."`
	Description     string              `json:"description,omitempty" doc:"For people."`
	DefaultLanguage string              `json:"default_language" doc:"What is said to recipients in whose languages there is nothing." example:"en"`
	Parameters      []TemplateParameter `json:"parameters" doc:"The members that the data may have."`
	Languages       []string            `json:"languages" doc:"The languages that there is something in." example:"[\"en\",\"de\"]"`
	CreatedAt       time.Time           `json:"created_at" doc:"When the version was made."`
	EndedAt         *time.Time          `json:"ended_at,omitempty" doc:"When another version took its place; not given for the current one."`
}

// Templates is one page of templates, or of the versions of one.
type Templates struct {
	Templates  []TemplateSummary `json:"templates" doc:"Those that were changed last first."`
	NextCursor string            `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}
