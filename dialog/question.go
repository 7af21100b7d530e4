package dialog

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Question is how a [Prompt] asks. All members may be empty; then nothing is said, which is for questions that were asked in
// another way.
type Question struct {
	// Text is what is asked. With Activity it is ignored.
	Text string
	// Activity is what is asked, where a text is not enough.
	Activity *activity.Activity
	// Retry is what is said after a bad answer. Empty means what [Prompt.Retry] says, and else the question again.
	Retry string
	// RetryActivity is the same where a text is not enough.
	RetryActivity *activity.Activity
	// Choices are what can be chosen, for [Choose]. Empty means the prompt's own.
	Choices []Choice
	// Style is how choices are shown.
	Style Style
}

// stored is the question as it is kept.
func (q Question) stored() question {
	return question{
		Prompt: said{text: q.Text, activity: q.Activity}, RetryPrompt: said{text: q.Retry, activity: q.RetryActivity},
		Choices: q.Choices, Style: wireStyle(q.Style),
	}
}

// question has the names of PromptOptions in botbuilder-js.
type question struct {
	Prompt      said      `json:"prompt,omitzero"`
	RetryPrompt said      `json:"retryPrompt,omitzero"`
	Choices     []Choice  `json:"choices,omitempty"`
	Style       wireStyle `json:"style,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// said is a text or an activity.
type said struct {
	text     string
	activity *activity.Activity
}

func (s said) empty() bool { return s.text == "" && s.activity == nil }

// IsZero keeps what is empty out of the state.
func (s said) IsZero() bool { return s.empty() }

// message is what is sent. The caller may change it.
func (s said) message() *activity.Activity {
	if s.activity != nil {
		return s.activity.Clone()
	}
	return activity.Message(s.text)
}

// MarshalJSONTo writes a text as a string, as the SDKs do.
func (s said) MarshalJSONTo(enc *jsontext.Encoder) error {
	if s.activity != nil {
		return json.MarshalEncode(enc, s.activity)
	}
	return enc.WriteToken(jsontext.String(s.text))
}

// UnmarshalJSONFrom reads either.
func (s *said) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case jsontext.KindString:
		return json.UnmarshalDecode(dec, &s.text)
	case jsontext.KindNull:
		return dec.SkipValue()
	default:
		s.activity = new(activity.Activity)
		return json.UnmarshalDecode(dec, s.activity)
	}
}

// wireStyle is a [Style] as the SDKs number it.
type wireStyle Style

var styles = []Style{StyleNone, StyleAuto, StyleInline, StyleList, StyleButtons, StyleCard}

// MarshalJSONTo writes the number.
func (w wireStyle) MarshalJSONTo(enc *jsontext.Encoder) error {
	for n, s := range styles {
		if s == Style(w) {
			return enc.WriteToken(jsontext.Int(int64(n)))
		}
	}
	return enc.WriteToken(jsontext.Int(1))
}

// UnmarshalJSONFrom reads a number; anything else is the style that the channel suggests.
func (w *wireStyle) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var n int
	if json.Unmarshal(bytes.TrimSpace(raw), &n) == nil && n >= 0 && n < len(styles) {
		*w = wireStyle(styles[n])
	}
	return nil
}
