package dialog

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Component is a [Dialog] made of others, which nobody outside sees: their ids may be used again elsewhere. It begins with
// what its first dialog begins with, and ends with what that ends with. Make it with [NewComponent].
type Component[D, R any] struct {
	id    string
	start string
	inner map[string]Dialog
	wrong error // with the dialogs inside
}

// NewComponent makes a component that begins with one of its dialogs. Dialogs inside may begin those outside too.
func NewComponent[D, R any](id string, start *Waterfall[D, R], others ...Dialog) *Component[D, R] {
	if start == nil {
		return &Component[D, R]{id: id, wrong: errors.New("the component has no dialog to begin with")}
	}
	c := &Component[D, R]{id: id, start: start.id}
	if c.inner, c.wrong = byID(append([]Dialog{start}, others...)); c.wrong != nil {
		c.wrong = fmt.Errorf("inside: %w", c.wrong)
	}
	return c
}

// Begin is the [Action] that begins the component.
func (c *Component[D, R]) Begin(data D) Action { return Begin(c.id, data) }

// Replace is the [Action] that ends the running dialog and begins the component in its place.
func (c *Component[D, R]) Replace(data D) Action { return Replace(c.id, data) }

// Result is what the component has ended with, for the step after the one that has begun it.
func (c *Component[D, R]) Result(s Asked) R { return resultOf[R](s.asked(), c.id) }

// Ended is what the component has ended with, if the result of a set's method is of it.
func (c *Component[D, R]) Ended(r Result) (R, bool) { return endedWith[R](r, c.id) }

// ID implements [Dialog].
func (c *Component[D, R]) ID() string { return c.id }

func (c *Component[D, R]) check() error { return c.wrong }

// componentState has the names of botbuilder-js.
type componentState struct {
	Dialogs *stack `json:"dialogs"`

	Extra jsontext.Value `json:",embed"`
}

// OnBegin implements [Dialog].
func (c *Component[D, R]) OnBegin(ctx context.Context, f *Frame, options jsontext.Value) (Action, error) {
	a := Action{kind: actBegin, dialog: c.start}
	if len(options) > 0 {
		a.options = options
	}
	return c.inside(ctx, f, func(l *level) (done, error) { return f.run.apply(ctx, l, a) })
}

// OnContinue implements [Continuer].
func (c *Component[D, R]) OnContinue(ctx context.Context, f *Frame) (Action, error) {
	return c.inside(ctx, f, func(l *level) (done, error) { return f.run.hear(ctx, l) })
}

// OnReprompt implements [Reprompter].
func (c *Component[D, R]) OnReprompt(ctx context.Context, f *Frame) error {
	_, err := c.inside(ctx, f, func(l *level) (done, error) { return done{status: Waiting}, f.run.again(ctx, l) })
	return err
}

// OnResume implements [Resumer]. The dialogs inside have not begun what has ended, so they ask again.
func (c *Component[D, R]) OnResume(ctx context.Context, f *Frame, _ Ended) (Action, error) {
	return Wait(), c.OnReprompt(ctx, f)
}

// OnEnd implements [Ender].
func (c *Component[D, R]) OnEnd(ctx context.Context, f *Frame, why Reason) error {
	if why == ReasonEnded {
		return nil
	}
	_, err := c.inside(ctx, f, func(l *level) (done, error) { return done{status: Cancelled}, f.run.cancel(ctx, l) })
	return err
}

// inside does something with the dialogs inside, and says what that means for the component.
func (c *Component[D, R]) inside(ctx context.Context, f *Frame, do func(*level) (done, error)) (Action, error) {
	var kept componentState
	if err := f.Load(&kept); err != nil {
		return Action{}, err
	}
	if kept.Dialogs == nil {
		kept.Dialogs = new(stack)
	}
	d, err := do(&level{dialogs: c.inner, stack: kept.Dialogs, outer: f.level})
	if err != nil {
		return Action{}, err
	}
	if err := f.Save(kept); err != nil {
		return Action{}, err
	}
	switch d.status {
	case Waiting:
		return Wait(), nil
	case Cancelled:
		return CancelAll(), nil
	default: // complete, or there was nothing inside
		return End(d.result), nil
	}
}
