package api

import "encoding/json"

// PreviewRequest asks how something would be shown. Exactly one of Text, Markdown, Activity, Card, Notice, Template and Draft
// is set; beside Draft, Template may have data.
type PreviewRequest struct {
	Text      string            `json:"text,omitempty" maxLength:"65536" doc:"A plain text. Exactly one of text, markdown, activity, card, notice, template and draft." example:"Your build is done."`
	Markdown  string            `json:"markdown,omitempty" maxLength:"65536" doc:"A text in Markdown."`
	Activity  json.RawMessage   `json:"activity,omitzero" doc:"An activity of the Bot Framework protocol."`
	Card      json.RawMessage   `json:"card,omitzero" doc:"An Adaptive Card of up to 100 kB."`
	Notice    *Notice           `json:"notice,omitempty" doc:"A notification in its parts."`
	Summary   string            `json:"summary,omitempty" maxLength:"1024" doc:"The same in a few words. Not with activity and template, which have their own."`
	Template  *TemplateUse      `json:"template,omitempty" doc:"A template and its data; without data, the examples of its parameters."`
	Draft     *TemplateRequest  `json:"draft,omitempty" doc:"A template that is not kept. Data for it may stand in template, without a name."`
	Topic     string            `json:"topic,omitempty" maxLength:"255" doc:"The notification's topic." example:"invoices"`
	Locale    string            `json:"locale,omitempty" maxLength:"64" doc:"The recipient's language, BCP 47." example:"de-CH"`
	Recipient *PreviewRecipient `json:"recipient,omitempty" doc:"Whom it is shown for."`
}

// PreviewRecipient is whom a preview is for.
type PreviewRecipient struct {
	Name       string `json:"name,omitempty" maxLength:"255" doc:"Their name." example:"Ann Example"`
	TimeZone   string `json:"time_zone,omitempty" maxLength:"64" doc:"Their IANA time zone; UTC, if not given." example:"Europe/Zurich"`
	ExternalID string `json:"external_id,omitempty" maxLength:"255" doc:"Their id in your own system." example:"employee-4711"`
}

// Preview is how something would be shown.
type Preview struct {
	Language string        `json:"language,omitempty" doc:"The one of the template's languages that the recipient is spoken to in." example:"de"`
	Summary  string        `json:"summary" doc:"What a pop-up or the list of activities shows." example:"The invoice needs your approval"`
	Forms    []PreviewForm `json:"forms" doc:"One for each form: teams, webchat, markdown, plain, email, sms."`
}

// PreviewForm is how something would be shown in one form.
type PreviewForm struct {
	Form     string          `json:"form" enum:"teams,webchat,markdown,plain,email,sms" doc:"Which form."`
	Activity json.RawMessage `json:"activity,omitzero" doc:"What the channel is sent, for teams and webchat."`
	Text     string          `json:"text,omitempty" doc:"What is read; for email, by those who read no HTML."`
	Subject  string          `json:"subject,omitempty" doc:"The mail's subject."`
	HTML     string          `json:"html,omitempty" doc:"The mail's page."`
	Segments int             `json:"segments,omitzero" doc:"How many messages the SMS takes."`
	Encoding string          `json:"encoding,omitempty" enum:"gsm7,ucs2" doc:"What the SMS is written in: 160 characters of GSM's alphabet in a message, or 70 of any other."`
	Size     int             `json:"size" doc:"How large it is: in bytes; for sms, in characters."`
	Limit    int             `json:"limit" doc:"How large it may be there."`
	TooLarge bool            `json:"too_large,omitzero" doc:"It is larger than that."`
}
