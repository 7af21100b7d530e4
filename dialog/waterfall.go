package dialog

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// None is for dialogs that are begun with nothing, or end with nothing.
type None = struct{}

// Waterfall is a [Dialog] of steps, one after the other. D is what it is begun with and what it gathers, a struct or a map;
// R is what it ends with. Make it with [NewWaterfall]; it does not change afterwards, and serves all conversations.
type Waterfall[D, R any] struct {
	id    string
	mark  string
	steps []StepFunc[D, R]
}

// StepFunc is one step of a [Waterfall]. It is run once; what it returns happens next. An error fails the turn: the
// conversation stays before this step, and the channel may send the message again.
type StepFunc[D, R any] func(ctx context.Context, s *Step[D, R]) (Action, error)

// Step is what a step of a [Waterfall] gets.
type Step[D, R any] struct {
	// Turn is the turn in which the step runs.
	Turn *headsup.Turn
	// Data is what the waterfall was begun with and what its steps have made of it. It is kept from step to step.
	Data D
	// Index counts steps from 0.
	Index int

	answer
}

// NewWaterfall makes a waterfall. After the last step it ends with what that step's question or dialog has brought, if
// it is an R, and else with R's zero value.
func NewWaterfall[D, R any](id string, steps ...StepFunc[D, R]) *Waterfall[D, R] {
	return &Waterfall[D, R]{id: id, steps: steps}
}

// Version names how the waterfall is now. One that was begun under another name does not go on: the person is told. Change it
// when steps are inserted, removed or change their meaning; without versions only a step that is not there any more, or
// data that cannot be read, shows that a waterfall has changed. Call it before use; it returns w.
func (w *Waterfall[D, R]) Version(v string) *Waterfall[D, R] {
	w.mark = v
	return w
}

// Begin is the [Action] that begins the waterfall.
func (w *Waterfall[D, R]) Begin(data D) Action { return Begin(w.id, data) }

// Replace is the [Action] that ends the running dialog and begins the waterfall in its place.
func (w *Waterfall[D, R]) Replace(data D) Action { return Replace(w.id, data) }

// Result is what the waterfall has ended with, for the step after the one that has begun it.
func (w *Waterfall[D, R]) Result(s Asked) R { return resultOf[R](s.asked(), w.id) }

// Ended is what the waterfall has ended with, if the result of a set's method is of it.
func (w *Waterfall[D, R]) Ended(r Result) (R, bool) { return endedWith[R](r, w.id) }

// Next goes on with the next step at once.
func (s *Step[D, R]) Next() Action { return Action{kind: actNext} }

// End ends the waterfall with a result.
func (s *Step[D, R]) End(result R) Action { return End(result) }

// Text is what the person has said, without space around it.
func (s *Step[D, R]) Text() string { return textOf(s.Turn) }

// ID implements [Dialog].
func (w *Waterfall[D, R]) ID() string { return w.id }

func (w *Waterfall[D, R]) version() string { return w.mark }

// check finds what is wrong with the waterfall itself.
func (w *Waterfall[D, R]) check() error {
	if len(w.steps) == 0 {
		return errors.New("it has no steps")
	}
	raw, err := json.Marshal(*new(D))
	if err != nil {
		return err
	}
	if k := jsontext.Value(raw).Kind(); k != jsontext.KindBeginObject && k != jsontext.KindNull {
		return fmt.Errorf("its data, %v, is no JSON object", reflect.TypeFor[D]())
	}
	return nil
}

// waterfallState has the names of botbuilder-js. Options is what the waterfall began with, until Values has that and what the
// steps have made of it; other SDKs keep both.
type waterfallState struct {
	Options jsontext.Value `json:"options,omitzero"`
	Values  jsontext.Value `json:"values,omitzero"`
	Index   int            `json:"stepIndex"`
	// Count is how many steps there were; 0 if another SDK has written this.
	Count int `json:"stepCount,omitzero"`
}

// OnBegin implements [Dialog].
func (w *Waterfall[D, R]) OnBegin(ctx context.Context, f *Frame, options jsontext.Value) (Action, error) {
	if len(options) == 0 {
		options = jsontext.Value("{}")
	}
	return w.step(ctx, f, waterfallState{Options: options}, answer{})
}

// OnContinue implements [Continuer]: a message makes a step that waits go on.
func (w *Waterfall[D, R]) OnContinue(ctx context.Context, f *Frame) (Action, error) {
	if f.Turn().Activity().Type != activity.TypeMessage {
		return Wait(), nil
	}
	return w.next(ctx, f, answer{})
}

// OnResume implements [Resumer].
func (w *Waterfall[D, R]) OnResume(ctx context.Context, f *Frame, ended Ended) (Action, error) {
	return w.next(ctx, f, answer{from: ended.Dialog, result: ended.Result})
}

func (w *Waterfall[D, R]) next(ctx context.Context, f *Frame, got answer) (Action, error) {
	var kept waterfallState
	if err := f.Load(&kept); err != nil {
		return Action{}, err
	}
	stood := kept.Index
	kept.Index++
	if stood < 0 || stood >= len(w.steps) || kept.Index >= len(w.steps) && kept.Index < kept.Count {
		return Action{}, f.lost(LostStep, fmt.Errorf("it stood at step %d of %d, and has %d", kept.Index, kept.Count, len(w.steps)))
	}
	return w.step(ctx, f, kept, got)
}

// step runs steps from the index on, until one wants something else than the next.
func (w *Waterfall[D, R]) step(ctx context.Context, f *Frame, kept waterfallState, got answer) (Action, error) {
	s := &Step[D, R]{Turn: f.Turn(), answer: got}
	if err := kept.data(&s.Data); err != nil {
		return Action{}, f.lost(LostState, err)
	}
	for ; kept.Index < len(w.steps); kept.Index++ {
		s.Index = kept.Index
		a, err := w.steps[kept.Index](ctx, s)
		if err != nil {
			return Action{}, err
		}
		if s.mismatch != nil {
			return Action{}, f.lost(LostAnswer, s.mismatch)
		}
		if a.kind != actNext {
			if err := kept.keep(s.Data, len(w.steps)); err != nil {
				return Action{}, fmt.Errorf("dialog: encode the data of %q: %w", w.id, err)
			}
			return a, f.Save(kept)
		}
		s.answer = answer{from: a.dialog, result: a.result}
	}
	result, _ := s.result.(R)
	return End(result), nil
}

// data decodes what the waterfall began with, and over it what its steps have made of that. Null is nothing.
func (k waterfallState) data(v any) error {
	for _, raw := range []jsontext.Value{k.Options, k.Values} {
		if len(raw) == 0 || raw.Kind() == jsontext.KindNull {
			continue
		}
		if err := json.Unmarshal(raw, v, json.MatchCaseInsensitiveNames(true)); err != nil {
			return err
		}
	}
	return nil
}

// keep encodes the data, beside the id by which other SDKs recognise the instance.
func (k *waterfallState) keep(v any, steps int) error {
	k.Options, k.Count = nil, steps
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	var before struct {
		Instance jsontext.Value `json:"instanceId"`
	}
	if len(k.Values) == 0 || json.Unmarshal(k.Values, &before) != nil || len(before.Instance) == 0 {
		k.Values = raw
		return nil
	}
	members := make(map[string]jsontext.Value)
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	members["instanceId"] = before.Instance
	k.Values, err = json.Marshal(members, json.Deterministic(true))
	return err
}

// Asked is a [Step]: what knows how the question or dialog of the step before has ended.
type Asked interface{ asked() *answer }

// answer is how the question or dialog of the step before has ended.
type answer struct {
	from   string // the dialog that has ended; empty if none has
	result any
	// mismatch is set when a step has asked for the result of another dialog.
	mismatch error
}

func (a *answer) asked() *answer { return a }

// Answered reports whether the question of the step before was answered. It is not if the person has failed to answer as
// often as [Prompt.Retries] allows, or if nothing was asked.
func (a *answer) Answered() bool { return a.from != "" && a.result != nil }

// resultOf is the result of a dialog, if that is what has ended. Nothing is the zero value.
func resultOf[T any](a *answer, dialog string) (v T) {
	if a.from != dialog {
		a.mismatch = fmt.Errorf("the step wants the answer of %q, and the one before has asked %q", dialog, a.from)
		return v
	}
	if a.result == nil {
		return v
	}
	v, ok := a.result.(T)
	if !ok {
		a.mismatch = fmt.Errorf("%q has ended with a %T; a %v is wanted", dialog, a.result, reflect.TypeFor[T]())
	}
	return v
}
