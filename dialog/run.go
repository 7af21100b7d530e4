package dialog

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
)

// run is what a set does in a turn.
type run struct {
	set   *Set
	turn  *headsup.Turn
	moves int
}

// level is one stack, and the dialogs that may stand on it.
type level struct {
	dialogs map[string]Dialog
	stack   *stack
	// outer is the level on which the component stands whose stack this is; nil for the conversation's own.
	outer *level
}

// find looks for a dialog here and further out.
func (l *level) find(id string) Dialog {
	for ; l != nil; l = l.outer {
		if d, ok := l.dialogs[id]; ok {
			return d
		}
	}
	return nil
}

func (l *level) depth() (n int) {
	for ; l != nil; l = l.outer {
		n += len(l.stack.Dialogs)
	}
	return n
}

// path are the ids of all dialogs that are on stacks, the outermost first.
func (l *level) path() []string {
	var ids []string
	if l.outer != nil {
		ids = l.outer.path()
	}
	for _, at := range l.stack.Dialogs {
		ids = append(ids, at.ID)
	}
	return ids
}

// locale is the language of whoever is spoken to.
func (r *run) locale() string {
	return cmp.Or(r.turn.Activity().Locale, r.turn.Reference().Locale, r.set.cfg.Locale)
}

// done is how far a level has come.
type done struct {
	status Status
	dialog string // the one that has ended last
	result any
}

// apply does what a dialog wants, and what the next ones want then, until the level waits or is empty. Nothing here calls
// itself but for components, so a chain of dialogs may be as long as MaxMoves allows.
func (r *run) apply(ctx context.Context, l *level, a Action) (done, error) {
	for {
		if r.moves++; r.moves > r.set.cfg.MaxMoves {
			return done{}, r.lost(l, LostLoop, fmt.Errorf("more than %d moves in a turn", r.set.cfg.MaxMoves))
		}
		var err error
		switch a.kind {
		case actWait:
			return done{status: Waiting}, nil
		case actBegin:
			a, err = r.push(ctx, l, a, false)
		case actReplace:
			var gone *instance
			if gone, err = r.pop(ctx, l, ReasonReplaced); err == nil {
				a, err = r.push(ctx, l, a, gone != nil && gone.Interrupts)
			}
		case actEnd:
			ended := a
			if ended.dialog, a, err = r.end(ctx, l, a.result); err == nil && l.stack.top() == nil {
				return done{status: Complete, dialog: ended.dialog, result: ended.result}, nil
			}
		case actCancel:
			return done{status: Cancelled}, r.cancel(ctx, l)
		default:
			err = errors.New("dialog: Next is for the steps of waterfalls")
		}
		if err != nil {
			return done{}, err
		}
	}
}

// push begins a dialog.
func (r *run) push(ctx context.Context, l *level, a Action, interrupts bool) (Action, error) {
	if a.failed != nil {
		return Action{}, fmt.Errorf("dialog: begin: %w", a.failed)
	}
	d := l.find(a.dialog)
	if d == nil {
		return Action{}, &LostError{Dialog: a.dialog, Path: l.path(), Loss: LostDialog, Err: &UnknownError{Dialog: a.dialog}}
	}
	if l.depth() >= r.set.cfg.MaxDepth {
		return Action{}, r.lost(l, LostDepth, fmt.Errorf("%q would be one more than %d dialogs", a.dialog, r.set.cfg.MaxDepth))
	}
	at := &instance{ID: a.dialog, Version: versionOf(d), Interrupts: interrupts}
	l.stack.Dialogs = append(l.stack.Dialogs, at)
	return d.OnBegin(ctx, &Frame{r, l, at}, a.rawOptions())
}

// pop takes the active dialog from the stack and tells it why; nil if there is none.
func (r *run) pop(ctx context.Context, l *level, why Reason) (*instance, error) {
	at := l.stack.top()
	if at == nil {
		return nil, nil
	}
	if e, ok := l.find(at.ID).(Ender); ok {
		if err := e.OnEnd(ctx, &Frame{r, l, at}, why); err != nil {
			return nil, err
		}
	}
	return l.stack.pop(), nil
}

// end ends the active dialog, and returns which that was and what the one below wants, if there is one.
func (r *run) end(ctx context.Context, l *level, result any) (ended string, next Action, err error) {
	gone, err := r.pop(ctx, l, ReasonEnded)
	if err != nil || gone == nil {
		return "", Action{}, err
	}
	f, d, err := r.active(l)
	if err != nil || f == nil {
		return gone.ID, Action{}, err
	}
	if gone.Interrupts {
		return gone.ID, Wait(), reprompt(ctx, f, d)
	}
	if p, ok := d.(Resumer); ok {
		next, err = p.OnResume(ctx, f, Ended{Dialog: gone.ID, Result: result})
		return gone.ID, next, err
	}
	return gone.ID, End(result), nil
}

// active finds the active dialog; f is nil if there is none.
func (r *run) active(l *level) (f *Frame, d Dialog, err error) {
	at := l.stack.top()
	if at == nil {
		return nil, nil, nil
	}
	f = &Frame{r, l, at}
	if d = l.find(at.ID); d == nil {
		return nil, nil, f.lost(LostDialog, nil)
	}
	if v := versionOf(d); v != "" && at.Version != "" && v != at.Version {
		return nil, nil, f.lost(LostVersion, fmt.Errorf("it is %q and was %q", v, at.Version))
	}
	return f, d, nil
}

// hear has the active dialog hear what the person says.
func (r *run) hear(ctx context.Context, l *level) (done, error) {
	f, d, err := r.active(l)
	if err != nil || f == nil {
		return done{status: Empty}, err
	}
	a := End(nil)
	if c, ok := d.(Continuer); ok {
		if a, err = c.OnContinue(ctx, f); err != nil {
			return done{}, err
		}
	}
	return r.apply(ctx, l, a)
}

// again has the active dialog ask again.
func (r *run) again(ctx context.Context, l *level) error {
	f, d, err := r.active(l)
	if err != nil || f == nil {
		return err
	}
	return reprompt(ctx, f, d)
}

func reprompt(ctx context.Context, f *Frame, d Dialog) error {
	if p, ok := d.(Reprompter); ok {
		return p.OnReprompt(ctx, f)
	}
	return nil
}

// cancel ends all dialogs of a level, the active one first.
func (r *run) cancel(ctx context.Context, l *level) error {
	for l.stack.top() != nil {
		if _, err := r.pop(ctx, l, ReasonCancelled); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) lost(l *level, why Loss, err error) error {
	e := &LostError{Path: l.path(), Loss: why, Err: err}
	if top := l.stack.top(); top != nil {
		e.Dialog = top.ID
	}
	return e
}

// versioned is a dialog that knows when it has changed.
type versioned interface{ version() string }

func versionOf(d Dialog) string {
	if v, ok := d.(versioned); ok {
		return v.version()
	}
	return ""
}

// UnknownError says that a dialog was to begin that the set does not have.
type UnknownError struct{ Dialog string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("dialog: the set has no dialog %q; give it to NewSet", e.Dialog)
}
