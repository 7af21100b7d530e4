package dialog

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
)

// Dialog is something that talks with a person over several turns. Most are made with [NewWaterfall], [NewComponent] and the
// constructors of prompts; implement it for a way of talking that none of these has.
//
// One value serves all conversations at once: what belongs to one is kept in its [Frame]. The optional interfaces
// [Continuer], [Resumer], [Reprompter] and [Ender] say what else a dialog can do.
type Dialog interface {
	// ID names the dialog in its set. It is stored, so a dialog whose id changes is another one.
	ID() string
	// OnBegin is called when the dialog has been put on the stack. Options is JSON, or empty.
	OnBegin(ctx context.Context, f *Frame, options jsontext.Value) (Action, error)
}

// Continuer is a [Dialog] that hears what the person says. One that does not ends when the person says something.
type Continuer interface {
	// OnContinue is called with each activity that arrives while the dialog is on top of the stack; not only messages.
	OnContinue(ctx context.Context, f *Frame) (Action, error)
}

// Resumer is a [Dialog] that goes on when one that it has begun has ended. One that does not ends with the same result.
type Resumer interface {
	OnResume(ctx context.Context, f *Frame, ended Ended) (Action, error)
}

// Reprompter is a [Dialog] that can ask again, after something has come in between.
type Reprompter interface {
	OnReprompt(ctx context.Context, f *Frame) error
}

// Ender is a [Dialog] that wants to know when it ends.
type Ender interface {
	OnEnd(ctx context.Context, f *Frame, why Reason) error
}

// Reason says why a dialog ends.
type Reason string

const (
	ReasonEnded     Reason = "ended"     // by itself
	ReasonReplaced  Reason = "replaced"  // another one takes its place
	ReasonCancelled Reason = "cancelled" // all were cancelled
)

// Ended tells a dialog how the one that it has begun has ended.
type Ended struct {
	// Dialog is its id.
	Dialog string
	// Result is what it has ended with; nil if it says nothing.
	Result any
}

// Frame is a dialog's place on the stack of one conversation, during a turn.
type Frame struct {
	run   *run
	level *level
	at    *instance
}

// Turn is the turn that runs.
func (f *Frame) Turn() *headsup.Turn { return f.run.turn }

// Locale is what language the person speaks: that of the activity, else that of the conversation, else the set's.
func (f *Frame) Locale() string { return f.run.locale() }

// Load decodes what [Frame.Save] has kept for the dialog since it began. Names match in any letter case, as other SDKs
// write them in another one. What cannot be decoded was kept by another version of the dialog: returning the error ends
// the stack, with a message to the person.
func (f *Frame) Load(v any) error {
	if len(f.at.State) == 0 {
		return nil
	}
	if err := json.Unmarshal(f.at.State, v, json.MatchCaseInsensitiveNames(true)); err != nil {
		return f.lost(LostState, err)
	}
	return nil
}

// Save keeps something for the dialog. It is anything that encodes to a JSON object.
func (f *Frame) Save(v any) error {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("dialog: encode the state of %q: %w", f.at.ID, err)
	}
	f.at.State = raw
	return nil
}

func (f *Frame) lost(why Loss, err error) error {
	return &LostError{Dialog: f.at.ID, Path: f.level.path(), Loss: why, Err: err}
}

// Loss says why a conversation cannot go on where it stood.
type Loss string

const (
	LostDialog  Loss = "no_such_dialog"  // the set has no dialog with that id
	LostStep    Loss = "no_such_step"    // the waterfall has no such step any more
	LostVersion Loss = "another_version" // the dialog says that it has changed
	LostState   Loss = "state"           // what was kept cannot be read
	LostAnswer  Loss = "answer"          // a step wants the answer of a prompt that the step before did not ask
	LostDepth   Loss = "too_deep"        // there are too many dialogs on the stack
	LostLoop    Loss = "loop"            // dialogs go on and on without waiting for the person
)

// LostError is why a conversation cannot go on where it stood: mostly because the program is another one than when it was
// stored. The set then ends all dialogs, tells the person and logs it; see [Config.Lost].
type LostError struct {
	// Dialog is the id of the dialog that cannot go on.
	Dialog string
	// Path are the ids of the dialogs on the stack, the outermost first.
	Path []string
	Loss Loss
	// Err is the cause. May be nil.
	Err error
}

func (e *LostError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("dialog: %q cannot go on: %s: %v", e.Dialog, e.Loss, e.Err)
	}
	return fmt.Sprintf("dialog: %q cannot go on: %s", e.Dialog, e.Loss)
}

func (e *LostError) Unwrap() error { return e.Err }
