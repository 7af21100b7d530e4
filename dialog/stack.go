package dialog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/state"
)

// stack is what is stored: the layout of botbuilder-js, in which the active dialog is the last one. A component has a stack
// of its own in its state, as "dialogs".
type stack struct {
	Dialogs []*instance `json:"dialogStack"`
	// Ours is set on the stack of a conversation that this library has written.
	Ours bool `json:"headsup,omitzero"`
}

// UnmarshalJSONFrom reads a stack, and refuses one with holes.
func (s *stack) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain stack
	if err := json.UnmarshalDecode(dec, (*plain)(s)); err != nil {
		return err
	}
	return whole(s.Dialogs)
}

func whole(dialogs []*instance) error {
	if slices.Contains(dialogs, nil) {
		return errors.New("a dialog on the stack is null")
	}
	return nil
}

// instance is a dialog on a stack.
type instance struct {
	ID      string         `json:"id"`
	State   jsontext.Value `json:"state,omitzero"`
	Version string         `json:"version,omitzero"`
	// Interrupts is set on a dialog that no other one has begun: when it ends, the one below asks again and gets no result.
	Interrupts bool `json:"interrupts,omitzero"`
}

func (s *stack) top() *instance {
	if len(s.Dialogs) == 0 {
		return nil
	}
	return s.Dialogs[len(s.Dialogs)-1]
}

func (s *stack) pop() *instance {
	top := s.top()
	s.Dialogs = s.Dialogs[:len(s.Dialogs)-1]
	return top
}

// readStack reads a stored stack, whoever wrote it. .NET and Python have the active dialog first. It reports whether another
// SDK may have written it.
func readStack(raw jsontext.Value) (s *stack, others bool, err error) {
	s = new(stack)
	if len(raw) == 0 || raw.Kind() == jsontext.KindNull {
		return s, false, nil
	}
	clean, writer, err := state.Plain(raw)
	if err != nil {
		return nil, false, err
	}
	if writer != state.WriterPlain {
		s, err = readForeign(clean, 0)
		return s, true, err
	}
	if err := json.Unmarshal(clean, s); err != nil {
		return nil, false, err
	}
	return s, !s.Ours && len(s.Dialogs) > 0, nil
}

// maxNesting bounds how many stacks lie inside each other.
const maxNesting = 100

// foreign is the same as others spell it; Python writes the names of its private fields.
type foreign struct {
	DialogStack []*instance `json:"dialogStack"`
	Python      []*instance `json:"_dialog_stack"`
}

func readForeign(raw jsontext.Value, nesting int) (*stack, error) {
	if nesting > maxNesting {
		return nil, fmt.Errorf("more than %d stacks inside each other", maxNesting)
	}
	var f foreign
	if err := json.Unmarshal(raw, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, err
	}
	s := &stack{Dialogs: append(f.DialogStack, f.Python...)}
	if err := whole(s.Dialogs); err != nil {
		return nil, err
	}
	slices.Reverse(s.Dialogs)
	for _, at := range s.Dialogs {
		if err := at.turnInner(nesting); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// turnInner turns round the stack of a component.
func (at *instance) turnInner(nesting int) error {
	members := make(map[string]jsontext.Value)
	if json.Unmarshal(at.State, &members) != nil || members[innerStack].Kind() != jsontext.KindBeginObject {
		return nil
	}
	inner, err := readForeign(members[innerStack], nesting+1)
	if err != nil {
		return err
	}
	if members[innerStack], err = json.Marshal(inner); err != nil {
		return err
	}
	at.State, err = json.Marshal(members, json.Deterministic(true))
	return err
}

// innerStack is the member of a component's state that holds its stack.
const innerStack = "dialogs"

// path are the ids from the outermost dialog of the stack to the active one, down through the components that are active.
func (s *stack) path() []string { return s.pathFrom(0) }

func (s *stack) pathFrom(nesting int) []string {
	var ids []string
	for _, at := range s.Dialogs {
		ids = append(ids, at.ID)
	}
	top := s.top()
	if top == nil || nesting > maxNesting {
		return ids
	}
	var component struct {
		Dialogs *stack `json:"dialogs"`
	}
	if json.Unmarshal(top.State, &component) == nil && component.Dialogs != nil {
		ids = append(ids, component.Dialogs.pathFrom(nesting+1)...)
	}
	return ids
}
