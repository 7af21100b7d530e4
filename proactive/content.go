package proactive

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/card"
)

// Content is what is said. Exactly one of Text, Markdown, Activity, Card and Notice is set; see [headsup.Notification].
type Content struct {
	Text     string
	Markdown string
	Activity *activity.Activity
	Card     jsontext.Value
	Notice   *card.Notice
	Summary  string
	Template *headsup.Templated
}

func contentOf(n headsup.Notification) Content {
	return Content{Text: n.Text, Markdown: n.Markdown, Activity: n.Activity, Card: n.Card, Notice: n.Notice, Summary: n.Summary, Template: n.Template}
}

// IsZero reports whether nothing is said.
func (c Content) IsZero() bool {
	return c.Text == "" && c.Markdown == "" && c.Activity == nil && len(c.Card) == 0 && c.Notice == nil && c.Summary == "" && c.Template == nil
}

// forms names the members that are set of those of which one is to be.
func (c Content) forms() []string {
	var set []string
	for _, form := range [...]struct {
		name  string
		given bool
	}{
		{"text", c.Text != ""}, {"markdown", c.Markdown != ""}, {"activity", c.Activity != nil}, {"card", len(c.Card) > 0},
		{"notice", c.Notice != nil}, {"template", c.Template != nil},
	} {
		if form.given {
			set = append(set, form.name)
		}
	}
	return set
}

// Message returns the activity that says it, which may be changed, or a [*FieldError]. It is without address and id. The
// format of a text is always told: what the protocol takes for plain when it is not (A3012), Web Chat takes for Markdown.
func (c Content) Message() (*activity.Activity, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch {
	case c.Activity != nil:
		return c.Activity.Clone(), nil
	case c.Template != nil:
		return nil, &FieldError{"template", "is said by the engine alone"}
	}
	a := activity.Message(c.Text + c.Markdown)
	a.Summary = c.Summary
	switch {
	case c.Text != "":
		a.TextFormat = activity.TextPlain
	case c.Markdown != "":
		a.TextFormat = activity.TextMarkdown
	case c.Notice != nil:
		raw, err := c.Notice.Encode()
		if err != nil {
			return nil, &FieldError{"notice", err.Error()}
		}
		a.Attachments = []activity.Attachment{{ContentType: card.ContentType, Content: raw}}
	default:
		a.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: c.Card.Clone()}}
	}
	return a, nil
}

// onlyText reports whether Text is all there is.
func (c Content) onlyText() bool {
	return c.Text != "" && c.Markdown == "" && c.Activity == nil && len(c.Card) == 0 && c.Notice == nil && c.Summary == "" && c.Template == nil
}

// Check finds what is wrong with it, as far as that can be told without the engine: a [*FieldError].
func (c Content) Check() error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Activity != nil && refersToTemplate(c.Activity) { // which the engine makes
		return &FieldError{"activity.attachments", "has an attachment of the kind " + templateContent + ": give template"}
	}
	return nil
}

func (c Content) check() error {
	if c.onlyText() { // as most often
		return checkText("text", c.Text, MaxText)
	}
	switch forms := c.forms(); {
	case len(forms) == 0:
		return &FieldError{"text", "give one of text, markdown, activity, card, notice and template"}
	case len(forms) > 1:
		return &FieldError{forms[1], "give only one of text, markdown, activity, card, notice and template"}
	case c.Summary != "" && c.Activity != nil:
		return &FieldError{"summary", "is a member of the activity"}
	case c.Summary != "" && c.Template != nil:
		return &FieldError{"summary", "is a member of the template"}
	}
	for _, text := range [...]struct {
		field, value string
		most         int
	}{{"text", c.Text, MaxText}, {"markdown", c.Markdown, MaxText}, {"summary", c.Summary, MaxSummary}} {
		if err := checkText(text.field, text.value, text.most); err != nil {
			return err
		}
	}
	switch {
	case len(c.Card) > 0:
		return checkCard(c.Card)
	case c.Notice != nil:
		return checkNotice(c.Notice)
	case c.Activity != nil:
		return wrongNotice(noticesIn(c.Activity))
	}
	return nil
}

func checkText(field, text string, most int) error {
	switch {
	case len(text) > most:
		return &FieldError{field, fmt.Sprintf("is longer than %d bytes", most)}
	case !utf8.ValidString(text):
		return &FieldError{field, "is not valid UTF-8"}
	case strings.Contains(text, "\x00"):
		return &FieldError{field, "contains NUL"}
	}
	return nil
}

// cardVersion is what versions of the Adaptive Cards schema look like.
var cardVersion = regexp.MustCompile(`^[1-9][0-9]?\.[0-9]{1,2}$`)

// checkCard checks what every channel needs to take a card for one (Adaptive Cards schema, "AdaptiveCard"). What is in
// it is for the channel to judge.
func checkCard(card jsontext.Value) error {
	if len(card) > MaxCard {
		return &FieldError{"card", fmt.Sprintf("is larger than %d bytes", MaxCard)}
	}
	if err := checkJSON("card", card); err != nil {
		return err
	}
	if card.Kind() != jsontext.KindBeginObject {
		return &FieldError{"card", "is not a JSON object"}
	}
	var head struct {
		Type    jsontext.Value `json:"type"`
		Version jsontext.Value `json:"version"`
	}
	if err := json.Unmarshal(card, &head); err != nil {
		return &FieldError{"card", err.Error()}
	}
	var kind, version string
	if json.Unmarshal(head.Type, &kind) != nil || kind != "AdaptiveCard" {
		return &FieldError{"card.type", "is not AdaptiveCard"}
	}
	if json.Unmarshal(head.Version, &version) != nil || !cardVersion.MatchString(version) {
		return &FieldError{"card.version", `is not a version of Adaptive Cards such as "1.5"`}
	}
	return nil
}
