package dialog

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Prompt is a [Dialog] that asks something until it understands the answer, a T. Make it with [Text], [Number], [Integer],
// [Confirm], [Choose], [DateTime], [Attachments] or [NewPrompt], and set it up before use.
type Prompt[T any] struct {
	id        string
	recognise func(heard) (T, bool)
	prepare   func(f *Frame, q *question) // may be nil
	validate  func(ctx context.Context, t *headsup.Turn, v T) error
	retry     string
	retries   int
}

// heard is what a prompt recognises an answer from.
type heard struct {
	turn    *headsup.Turn
	text    string
	locale  string
	now     time.Time // in the person's zone
	choices []Choice
}

// NewPrompt makes a prompt that understands what recognise does; ok is whether the message in the turn is an answer at all.
func NewPrompt[T any](id string, recognise func(t *headsup.Turn) (v T, ok bool)) *Prompt[T] {
	return &Prompt[T]{id: id, recognise: func(h heard) (T, bool) { return recognise(h.turn) }}
}

// Invalid is the error by which a check of [Prompt.Validate] says to the person what is wrong with the answer.
type Invalid string

func (e Invalid) Error() string { return string(e) }

// Validate has answers checked that were understood. An [Invalid] refuses one, and what it says is said to the person; any
// other error fails the turn. It returns p.
func (p *Prompt[T]) Validate(check func(ctx context.Context, t *headsup.Turn, answer T) error) *Prompt[T] {
	p.validate = check
	return p
}

// Retry is what is said after an answer that was not understood. Without it the question is asked again. It returns p.
func (p *Prompt[T]) Retry(text string) *Prompt[T] {
	p.retry = text
	return p
}

// Retries is how many answers may be bad. After one more the prompt ends without an answer: [Step.Answered] says no then.
// Zero, or no call, asks for ever. It returns p.
func (p *Prompt[T]) Retries(n int) *Prompt[T] {
	p.retries = n
	return p
}

// Ask is the [Action] that asks.
func (p *Prompt[T]) Ask(text string) Action { return p.AskWith(Question{Text: text}) }

// AskWith is the [Action] that asks with more than a text.
func (p *Prompt[T]) AskWith(q Question) Action { return Begin(p.id, q.stored()) }

// Skip is the [Action] that goes on as if v had been answered, for what is known already.
func (p *Prompt[T]) Skip(v T) Action { return Action{kind: actNext, dialog: p.id, result: v} }

// Answer is what was answered, for the step after the one that has asked. If that step did not ask this, the program has
// changed since, or is wrong: all dialogs end then, and the person is told.
func (p *Prompt[T]) Answer(s Asked) T { return resultOf[T](s.asked(), p.id) }

// ID implements [Dialog].
func (p *Prompt[T]) ID() string { return p.id }

// promptState has the names of botbuilder-js.
type promptState struct {
	Options question `json:"options"`
	State   struct {
		Attempts int `json:"attemptCount,omitzero"`

		Extra jsontext.Value `json:",embed"`
	} `json:"state"`
}

// OnBegin implements [Dialog].
func (p *Prompt[T]) OnBegin(ctx context.Context, f *Frame, options jsontext.Value) (Action, error) {
	var kept promptState
	if len(options) > 0 {
		if err := json.Unmarshal(options, &kept.Options, json.MatchCaseInsensitiveNames(true)); err != nil {
			return Action{}, f.lost(LostState, err)
		}
	}
	if p.prepare != nil {
		p.prepare(f, &kept.Options)
	}
	if err := f.Save(kept); err != nil {
		return Action{}, err
	}
	return Wait(), p.say(ctx, f, kept.Options, kept.Options.Prompt)
}

// OnContinue implements [Continuer]: it listens to messages.
func (p *Prompt[T]) OnContinue(ctx context.Context, f *Frame) (Action, error) {
	if f.Turn().Activity().Type != activity.TypeMessage {
		return Wait(), nil
	}
	var kept promptState
	if err := f.Load(&kept); err != nil {
		return Action{}, err
	}
	again := kept.Options.RetryPrompt
	if p.retry != "" && again.empty() {
		again = said{text: p.retry}
	}
	v, ok := p.recognise(f.heard(kept.Options.Choices))
	if ok && p.validate != nil {
		err := p.validate(ctx, f.Turn(), v)
		if wrong, refused := errors.AsType[Invalid](err); refused {
			ok = false
			if wrong != "" {
				again = said{text: string(wrong)}
			}
		} else if err != nil {
			return Action{}, err
		}
	}
	if ok {
		return End(v), nil
	}
	if kept.State.Attempts++; p.retries > 0 && kept.State.Attempts > p.retries {
		return End(nil), nil
	}
	if err := f.Save(kept); err != nil {
		return Action{}, err
	}
	if again.empty() {
		again = kept.Options.Prompt
	}
	return Wait(), p.say(ctx, f, kept.Options, again)
}

// OnReprompt implements [Reprompter].
func (p *Prompt[T]) OnReprompt(ctx context.Context, f *Frame) error {
	var kept promptState
	if err := f.Load(&kept); err != nil {
		return err
	}
	return p.say(ctx, f, kept.Options, kept.Options.Prompt)
}

// OnResume implements [Resumer]. A prompt begins no dialogs, so something has come in between, and it asks again.
func (p *Prompt[T]) OnResume(ctx context.Context, f *Frame, _ Ended) (Action, error) {
	return Wait(), p.OnReprompt(ctx, f)
}

// say says what is asked, with the choices that there are.
func (p *Prompt[T]) say(ctx context.Context, f *Frame, q question, what said) error {
	m := what.message()
	if len(q.Choices) > 0 {
		offer(m, q.Choices, Style(q.Style), f.Turn().Reference().ChannelID, f.Locale())
	}
	if !m.HasContent() && m.SuggestedActions == nil {
		return nil // whoever asks has said it already
	}
	if m.InputHint == "" {
		m.InputHint = activity.InputExpecting
	}
	_, err := f.Turn().Send(ctx, m)
	return err
}

// heard is what has arrived, and what helps to understand it.
func (f *Frame) heard(choices []Choice) heard {
	a := f.Turn().Activity()
	zone, now := f.run.set.cfg.Zone, f.run.set.cfg.Now()
	if own, err := time.LoadLocation(a.LocalTimezone); a.LocalTimezone != "" && err == nil {
		zone = own
	} else if said := a.LocalTimestamp.Time(); !said.IsZero() {
		zone = said.Location()
	}
	return heard{turn: f.Turn(), text: textOf(f.Turn()), locale: f.Locale(), now: now.In(zone), choices: choices}
}

// textOf is what the person has said, without space around it and without the mention of the bot.
func textOf(t *headsup.Turn) string {
	a := t.Activity()
	if a.Recipient != nil {
		return a.TextWithoutMention(a.Recipient.ID)
	}
	return strings.TrimSpace(a.Text)
}
