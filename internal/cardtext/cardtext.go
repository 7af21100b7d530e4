// Package cardtext says in plain text what an activity shows, for channels that show text alone.
package cardtext

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// maxDepth bounds how deep a card is looked into.
const maxDepth = 32

// Of is what a message says in plain text: its text, and behind it what its attachments say ([Attachments]). Where there is
// neither it is the summary.
func Of(a *activity.Activity) string {
	var parts []string
	for _, part := range [...]string{strings.TrimSpace(a.Text), Attachments(a)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return strings.TrimSpace(a.Summary)
	}
	return strings.Join(parts, "\n\n")
}

// Attachments is what the attachments of a message say: a card its fallback text, or else its texts one below the other, and
// anything else its name and address.
func Attachments(a *activity.Activity) string {
	var parts []string
	for i := range a.Attachments {
		if text := strings.TrimSpace(attachment(&a.Attachments[i])); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "\n\n")
}

func attachment(at *activity.Attachment) string {
	switch {
	case at.ContentType == activity.ContentAdaptiveCard:
		return adaptive(at.Content)
	case strings.HasPrefix(at.ContentType, "application/vnd.microsoft.card."):
		return simple(at.Content)
	case strings.HasPrefix(at.ContentURL, "https://"), strings.HasPrefix(at.ContentURL, "http://"):
		return strings.TrimSpace(at.Name + "\n" + at.ContentURL)
	}
	return at.Name
}

// adaptive is what an Adaptive Card says.
func adaptive(raw jsontext.Value) string {
	var card struct {
		Fallback string         `json:"fallbackText"`
		Body     jsontext.Value `json:"body"`
		Actions  jsontext.Value `json:"actions"`
	}
	if json.Unmarshal(raw, &card) != nil {
		return ""
	}
	if card.Fallback != "" {
		return card.Fallback
	}
	var lines []string
	collect(card.Body, &lines, 0)
	collect(card.Actions, &lines, 0)
	return strings.Join(lines, "\n")
}

// element is what is read of the elements and actions of an Adaptive Card.
type element struct {
	Type    string         `json:"type"`
	Text    jsontext.Value `json:"text"`
	Title   string         `json:"title"`
	URL     string         `json:"url"`
	AltText string         `json:"altText"`
	Items   jsontext.Value `json:"items"`
	Columns jsontext.Value `json:"columns"`
	Rows    jsontext.Value `json:"rows"`
	Cells   jsontext.Value `json:"cells"`
	Actions jsontext.Value `json:"actions"`
	Inlines jsontext.Value `json:"inlines"`
	Facts   []struct {
		Title string `json:"title"`
		Value string `json:"value"`
	} `json:"facts"`
}

func collect(raw jsontext.Value, lines *[]string, depth int) {
	var elements []jsontext.Value
	if depth > maxDepth || raw.Kind() != jsontext.KindBeginArray || json.Unmarshal(raw, &elements) != nil {
		return
	}
	for _, one := range elements {
		var e element
		if one.Kind() == jsontext.KindString {
			add(lines, text(one))
			continue
		}
		if one.Kind() != jsontext.KindBeginObject || json.Unmarshal(one, &e) != nil {
			continue
		}
		switch e.Type {
		case "Image":
			add(lines, e.AltText)
		case "Action.OpenUrl":
			add(lines, strings.TrimSpace(e.Title+": "+e.URL))
		default:
			add(lines, text(e.Text))
		}
		for _, f := range e.Facts {
			add(lines, f.Title+": "+f.Value)
		}
		for _, inner := range [...]jsontext.Value{e.Inlines, e.Items, e.Columns, e.Rows, e.Cells, e.Actions} {
			collect(inner, lines, depth+1)
		}
	}
}

// simple is what a hero card, or another card of its kind, says.
func simple(raw jsontext.Value) string {
	var card struct {
		Title    string                `json:"title"`
		Subtitle string                `json:"subtitle"`
		Text     string                `json:"text"`
		Buttons  []activity.CardAction `json:"buttons"`
	}
	if json.Unmarshal(raw, &card) != nil {
		return ""
	}
	var lines []string
	add(&lines, card.Title)
	add(&lines, card.Subtitle)
	add(&lines, card.Text)
	for _, b := range card.Buttons {
		if b.Type == activity.ActionOpenURL && b.Value.Kind() == jsontext.KindString {
			add(&lines, b.Title+": "+text(b.Value))
		}
	}
	return strings.Join(lines, "\n")
}

func add(lines *[]string, line string) {
	if line = strings.TrimSpace(line); line != "" {
		*lines = append(*lines, line)
	}
}

// text is a JSON string, and empty for everything else.
func text(raw jsontext.Value) (s string) {
	if raw.Kind() != jsontext.KindString || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
