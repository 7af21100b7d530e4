// Package card says a notification well, wherever it is shown.
//
// A [Notice] is what a good notification tells: what happened, to what, who did it, when, and what can be done about it. It is
// data: every text in it is shown as it is, and never read as Markdown, HTML or a template. [View] says for whom it is shown;
// with it a notice becomes an Adaptive Card, Markdown, plain text, an e-mail's HTML, a text message, or one line for a list.
//
//	n := card.Notice{
//		What: "The invoice was approved", Item: &card.Item{Title: "INV-2041", URL: "https://erp.example/inv/2041"},
//		Actor: &card.Actor{Name: "Ann"}, Actions: []card.Action{{Do: card.Snooze, For: time.Hour}},
//	}
//	if err := n.Validate(); err != nil { … }
//	text := n.Plain(card.View{Locale: "de"})
package card

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ContentType is of an attachment whose content is a [Notice].
const ContentType = "application/vnd.headsup.notice+json"

// Severity is how bad, or good, it is.
type Severity string

// The severities. Default is also the zero value's meaning.
const (
	Default  Severity = "default"
	Info     Severity = "info"
	Good     Severity = "good"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Notice is a notification in its parts. Only What is required.
type Notice struct {
	// What happened, in one line.
	What string `json:"what"`
	// Text tells more, in several lines if need be.
	Text string `json:"text,omitzero"`
	// Item is what it happened to, Actor who did it, When at what time.
	Item  *Item     `json:"item,omitzero"`
	Actor *Actor    `json:"actor,omitzero"`
	When  time.Time `json:"when,omitzero"`
	// Severity is shown as a colour and, so that nobody need see it, as a word.
	Severity Severity `json:"severity,omitzero"`
	Picture  *Picture `json:"picture,omitzero"`
	// Facts are shown as a table.
	Facts []Fact `json:"facts,omitempty"`
	// Actions are what can be done. A way out is offered besides: see [View.OptOut].
	Actions []Action `json:"actions,omitempty"`
}

// Item is what a notice is about. One of its members may be empty.
type Item struct {
	Title string `json:"title,omitzero"`
	URL   string `json:"url,omitzero"`
}

// Actor is who did it.
type Actor struct {
	Name string `json:"name"`
	URL  string `json:"url,omitzero"`
}

// Picture is shown with a notice; Alt tells those who do not see it what is on it.
type Picture struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

// Fact is a line of the table.
type Fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// Do says what an action does.
type Do string

// What actions do.
const (
	// Open opens a page.
	Open Do = "open"
	// Call has the bot do something: Name says what, Value with what.
	Call Do = "do"
	// Snooze says the notification again after a while.
	Snooze Do = "snooze"
	// Mute stops its topic for the person, OptOut everything.
	Mute   Do = "mute"
	OptOut Do = "opt_out"
)

// Action is something that can be done about a notice: a button, or a link.
type Action struct {
	Do Do
	// Title is what stands on it. It may be empty where there are words for it: snooze, mute and opt_out.
	Title string
	// URL is what is opened: https, http, mailto or tel.
	URL string
	// Name and Value are for do.
	Name  string
	Value jsontext.Value
	// For is for snooze: after how long it is said again. Zero is an hour.
	For time.Duration
}

// wireAction is an action as JSON has it.
type wireAction struct {
	Do    Do             `json:"do"`
	Title string         `json:"title,omitzero"`
	URL   string         `json:"url,omitzero"`
	Name  string         `json:"name,omitzero"`
	Value jsontext.Value `json:"value,omitzero"`
	For   span           `json:"for,omitzero"`
}

// span is a duration as text, such as 90s or 1h30m.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return errSpan
	}
	*s = span(d)
	return nil
}

// MarshalJSONTo implements [json.MarshalerTo].
func (a Action) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, wireAction{a.Do, a.Title, a.URL, a.Name, a.Value, span(a.For)})
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (a *Action) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var w wireAction
	if err := json.UnmarshalDecode(dec, &w); err != nil {
		return err
	}
	*a = Action{w.Do, w.Title, w.URL, w.Name, w.Value, time.Duration(w.For)}
	return nil
}

// Encode writes a notice.
func (n *Notice) Encode() (jsontext.Value, error) {
	raw, err := json.Marshal(n, json.Deterministic(true))
	return raw, err
}

// Clone returns a copy that shares nothing with n.
func (n *Notice) Clone() *Notice {
	c := *n
	c.Item, c.Actor, c.Picture = clone(n.Item), clone(n.Actor), clone(n.Picture)
	c.Facts = append([]Fact(nil), n.Facts...)
	c.Actions = append([]Action(nil), n.Actions...)
	for i := range c.Actions {
		c.Actions[i].Value = c.Actions[i].Value.Clone()
	}
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
