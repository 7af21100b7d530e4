package dialog

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Action is what a dialog wants to happen next. Make it with the functions and methods of this package: [Wait], [End],
// [CancelAll], [Begin], [Replace], [Step.Next], [Waterfall.Begin], [Prompt.Ask] and their like. The zero value is [Wait].
type Action struct {
	kind    actionKind
	dialog  string
	options any
	result  any
	// failed is what was wrong with the options when the action was made.
	failed error
}

type actionKind int

const (
	actWait actionKind = iota
	actBegin
	actReplace
	actEnd
	actCancel
	actNext // a waterfall goes to its next step
)

// Wait ends the turn; the dialog goes on when the person says something.
func Wait() Action { return Action{} }

// End ends the dialog. The one below it on the stack gets the result.
func End(result any) Action { return Action{kind: actEnd, result: result} }

// CancelAll ends all dialogs, without results.
func CancelAll() Action { return Action{kind: actCancel} }

// Begin puts a dialog on top of the stack. The options are anything that encodes to JSON. Dialogs have methods that make the
// same with the types that they want.
func Begin(dialog string, options any) Action { return begin(actBegin, dialog, options) }

// Replace ends the dialog without a result and begins another in its place.
func Replace(dialog string, options any) Action { return begin(actReplace, dialog, options) }

// begin encodes the options now: whoever made them may change them later.
func begin(kind actionKind, dialog string, options any) Action {
	a := Action{kind: kind, dialog: dialog}
	if options == nil {
		return a
	}
	raw, err := json.Marshal(options, json.Deterministic(true))
	if err != nil {
		a.failed = fmt.Errorf("encode the options of %q: %w", dialog, err)
	}
	a.options = jsontext.Value(raw)
	return a
}

// rawOptions are the options of a dialog that begins.
func (a Action) rawOptions() jsontext.Value {
	raw, _ := a.options.(jsontext.Value)
	return raw
}
