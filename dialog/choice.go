package dialog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/recognise"
)

// Choice is something that can be chosen.
type Choice struct {
	// Value is its name.
	Value string `json:"value"`
	// Synonyms are other words for it.
	Synonyms []string `json:"synonyms,omitempty"`
	// Action is its button. Nil means one that says Value.
	Action *activity.CardAction `json:"action,omitzero"`
}

// UnmarshalJSONFrom reads a choice; a string is its value.
func (c *Choice) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindString {
		return json.UnmarshalDecode(dec, &c.Value)
	}
	type plain Choice
	return json.UnmarshalDecode(dec, (*plain)(c), json.MatchCaseInsensitiveNames(true))
}

// Choices are choices with nothing but a value.
func Choices(values ...string) []Choice {
	cs := make([]Choice, len(values))
	for i, v := range values {
		cs[i].Value = v
	}
	return cs
}

// Picked is what was chosen.
type Picked struct {
	// Value is the choice's.
	Value string
	// Index counts choices from 0.
	Index int
}

// Style is how choices are shown.
type Style string

const (
	StyleAuto    Style = ""        // what suits the channel: buttons, a card, or text
	StyleNone    Style = "none"    // not at all; the question shows them itself
	StyleInline  Style = "inline"  // in the text: (1) red, (2) green, or (3) blue
	StyleList    Style = "list"    // as a numbered list below the text
	StyleButtons Style = "buttons" // as buttons that vanish with the answer
	StyleCard    Style = "card"    // as a card with buttons that stay
)

// find returns which choice a person means: by value, synonym or button, by number ("2", "the second one", "last"), or
// because what was said holds the words of exactly one.
func find(h heard) (int, bool) {
	if i, ok := pressed(h); ok {
		return i, true
	}
	answer := recognise.Fold(h.text)
	if answer == "" {
		return 0, false
	}
	var within []int
	for i, c := range h.choices {
		for _, name := range c.names() {
			name = recognise.Fold(name)
			switch {
			case name == "":
			case name == answer:
				return i, true
			case strings.Contains(" "+answer+" ", " "+name+" "):
				if !slices.Contains(within, i) {
					within = append(within, i)
				}
			}
		}
	}
	if len(within) == 1 {
		return within[0], true
	}
	if len(within) > 1 {
		return longest(h.choices, within)
	}
	n, ok := recognise.Ordinal(h.locale, h.text)
	if n < 0 {
		n += len(h.choices) + 1
	}
	return n - 1, ok && n >= 1 && n <= len(h.choices)
}

// longest prefers "dark red" to "red" where both were found, if the words of all others are in the longest name.
func longest(cs []Choice, within []int) (int, bool) {
	best := slices.MaxFunc(within, func(a, b int) int { return len(cs[a].Value) - len(cs[b].Value) })
	whole := " " + recognise.Fold(cs[best].Value) + " "
	for _, i := range within {
		if !strings.Contains(whole, " "+recognise.Fold(cs[i].Value)+" ") {
			return 0, false
		}
	}
	return best, true
}

// pressed finds the choice whose button has this value.
func pressed(h heard) (int, bool) {
	value := h.turn.Activity().Value
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = ""
	}
	for i, c := range h.choices {
		own := c.button().Value
		if len(value) > 0 && (string(own) == string(value) || text != "" && text == c.Value) {
			return i, true
		}
	}
	return 0, false
}

// names are what a choice may be called.
func (c Choice) names() []string {
	names := append([]string{c.Value}, c.Synonyms...)
	if c.Action != nil {
		names = append(names, c.Action.Title)
		var value string
		if json.Unmarshal(c.Action.Value, &value) == nil {
			names = append(names, value)
		}
	}
	return names
}

// button is the choice's button, complete.
func (c Choice) button() activity.CardAction {
	b := activity.CardAction{}
	if c.Action != nil {
		b = *c.Action
	}
	if b.Type == "" {
		b.Type = activity.ActionIMBack
	}
	if b.Title == "" {
		b.Title = c.Value
	}
	if len(b.Value) == 0 {
		raw, err := json.Marshal(c.Value)
		if err != nil { // only text that is no UTF-8
			raw = []byte(`""`)
		}
		b.Value = raw
	}
	return b
}

// offer adds choices to a message.
func offer(m *activity.Activity, cs []Choice, style Style, channel activity.ChannelID, locale string) {
	if style == StyleAuto {
		style = styleFor(channel, cs)
	}
	switch style {
	case StyleButtons:
		m.SuggestedActions = &activity.SuggestedActions{Actions: buttons(cs)}
	case StyleCard:
		card := struct {
			Text    string                `json:"text,omitzero"`
			Buttons []activity.CardAction `json:"buttons"`
		}{m.Text, buttons(cs)}
		raw, err := json.Marshal(card)
		if err != nil { // only text that is no UTF-8
			m.Text = list(m.Text, cs)
			return
		}
		m.Text = ""
		m.Attachments = append(m.Attachments, activity.Attachment{ContentType: activity.ContentHeroCard, Content: raw})
	case StyleInline:
		m.Text = strings.TrimSpace(m.Text + " " + inline(cs, locale))
	case StyleList:
		m.Text = list(m.Text, cs)
	case StyleAuto, StyleNone:
	}
}

func buttons(cs []Choice) []activity.CardAction {
	bs := make([]activity.CardAction, len(cs))
	for i, c := range cs {
		bs[i] = c.button()
	}
	return bs
}

// list writes choices below each other.
func list(text string, cs []Choice) string {
	var b strings.Builder
	b.WriteString(text)
	for i, c := range cs {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "%d. %s", i+1, c.button().Title)
	}
	return b.String()
}

// inline writes choices one after the other.
func inline(cs []Choice, locale string) string {
	var b strings.Builder
	or := recognise.WordOr(locale)
	for i, c := range cs {
		switch {
		case i == 0:
		case i == len(cs)-1 && i == 1:
			b.WriteString(" " + or + " ")
		case i == len(cs)-1:
			b.WriteString(", " + or + " ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(%d) %s", i+1, c.button().Title)
	}
	return b.String()
}

// styleFor picks what a channel shows well. How many buttons each shows is from botbuilder-js, channel.ts.
func styleFor(channel activity.ChannelID, cs []Choice) Style {
	n, long := len(cs), false
	for _, c := range cs {
		long = long || len([]rune(c.button().Title)) > 20
	}
	vanishing := map[activity.ChannelID]int{
		"facebook": 10, "line": 13, "telegram": 100, "emulator": 100, "directline": 100, "webchat": 100, "directlinespeech": 100,
	}
	staying := map[activity.ChannelID]int{
		"facebook": 3, "msteams": 50, "line": 99, "slack": 100, "telegram": 100, "emulator": 100, "directline": 100,
		"webchat": 100, "directlinespeech": 100,
	}
	switch {
	case !long && n <= vanishing[channel]:
		return StyleButtons
	case n <= staying[channel] && (!long || channel == "msteams"):
		return StyleCard
	case !long && n <= 3:
		return StyleInline
	default:
		return StyleList
	}
}
