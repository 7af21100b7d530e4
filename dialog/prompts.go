package dialog

import (
	"math"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/recognise"
)

// Text is a prompt for any text that is not empty.
func Text(id string) *Prompt[string] {
	return &Prompt[string]{id: id, recognise: func(h heard) (string, bool) { return h.text, h.text != "" }}
}

// Number is a prompt for a number: in digits as the person's language writes them, or in words up to 999,999. Languages are
// English, German, French and Spanish; others are read as English.
func Number(id string) *Prompt[float64] {
	return &Prompt[float64]{id: id, recognise: func(h heard) (float64, bool) { return recognise.Number(h.locale, h.text) }}
}

// Integer is a [Number] without a fraction.
func Integer(id string) *Prompt[int64] {
	return &Prompt[int64]{id: id, recognise: func(h heard) (int64, bool) {
		v, ok := recognise.Number(h.locale, h.text)
		const exact = 1 << 53
		return int64(v), ok && v == math.Trunc(v) && math.Abs(v) <= exact
	}}
}

// Confirm is a prompt for yes or no, in the languages of [Number]. It shows both words in the person's language.
func Confirm(id string) *Prompt[bool] {
	return &Prompt[bool]{
		id: id,
		prepare: func(f *Frame, q *question) {
			if len(q.Choices) == 0 {
				yes, no := recognise.WordsYesNo(f.Locale())
				q.Choices = Choices(yes, no)
			}
		},
		recognise: confirmed,
	}
}

// confirmed reads yes or no. Where two other words stand for them, those count too.
func confirmed(h heard) (yes, ok bool) {
	if h.text == "1" || h.text == "2" {
		return h.text == "1", true
	}
	if len(h.choices) == 2 {
		if said, plain := recognise.YesNo(h.locale, h.choices[0].Value); !plain || !said {
			if i, found := find(h); found {
				return i == 0, true
			}
		}
	}
	return recognise.YesNo(h.locale, h.text)
}

// Choose is a prompt for one of several choices. [Question.Choices] replaces them for one question.
func Choose(id string, choices ...Choice) *Prompt[Picked] {
	return &Prompt[Picked]{
		id: id,
		prepare: func(_ *Frame, q *question) {
			if len(q.Choices) == 0 {
				q.Choices = slices.Clone(choices)
			}
		},
		recognise: func(h heard) (Picked, bool) {
			i, ok := find(h)
			if !ok {
				return Picked{}, false
			}
			return Picked{Value: h.choices[i].Value, Index: i}, true
		},
	}
}

// Moment is a point in time as somebody has said it. Without a date it is the next time that the clock shows that; without
// a time of day it is the beginning of the day.
type Moment struct {
	// Time is in the person's time zone.
	Time time.Time
	// HasDate and HasClock say which of the two was said.
	HasDate, HasClock bool
}

// DateTime is a prompt for a date, a time of day, or both: "tomorrow at 3 pm", "next Friday", "5.1.2027", "dans deux
// semaines". The answer has to be that and nothing else: what is only partly understood is asked for again, never guessed.
// Languages are those of [Number].
func DateTime(id string) *Prompt[Moment] {
	return &Prompt[Moment]{id: id, recognise: func(h heard) (Moment, bool) {
		m, ok := recognise.Moment(h.locale, h.text, h.now)
		return Moment{Time: m.Time, HasDate: m.HasDate, HasClock: m.HasClock}, ok
	}}
}

// Attachments is a prompt for one or more files. The copy of the text as HTML that Teams attaches to messages is none.
func Attachments(id string) *Prompt[[]activity.Attachment] {
	return &Prompt[[]activity.Attachment]{id: id, recognise: func(h heard) ([]activity.Attachment, bool) {
		var files []activity.Attachment
		for _, a := range h.turn.Activity().Attachments {
			if a.ContentType != "text/html" || a.ContentURL != "" {
				files = append(files, a)
			}
		}
		return files, len(files) > 0
	}}
}
