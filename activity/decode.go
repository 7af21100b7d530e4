package activity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what [DecodeLimits] reads. A zero field means the default.
type Limits struct {
	Bytes int // size of the body; default DefaultBytes
	Depth int // objects and lists inside each other; default DefaultDepth
	Nodes int // values of any kind in the body; default DefaultNodes
}

// The default limits.
const (
	DefaultBytes = 1 << 20
	DefaultDepth = 64
	DefaultNodes = 10_000
)

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	if l.Depth == 0 {
		l.Depth = DefaultDepth
	}
	if l.Nodes == 0 {
		l.Nodes = DefaultNodes
	}
	return l
}

// ErrTooLarge is in the chain of the error for a body that exceeds Limits.Bytes.
var ErrTooLarge = errors.New("body too large")

// DecodeError says which member of a body was refused and why.
type DecodeError struct {
	Path   string // a JSON pointer such as "/from/id"; empty when the body as a whole is meant
	Reason string
	Err    error // the cause, if there is a more precise one
}

// Error names the member and the reason.
func (e *DecodeError) Error() string {
	if e.Path == "" {
		return "activity: " + e.Reason
	}
	return fmt.Sprintf("activity: %s: %s", e.Path, e.Reason)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

func missing(path string) error {
	return &DecodeError{Path: path, Reason: "missing or empty"}
}

// Decode reads one activity that came from outside, within the default limits; see [DecodeLimits].
func Decode(data []byte) (*Activity, error) {
	return DecodeLimits(data, Limits{})
}

// DecodeLimits reads one activity that came from outside. The body must be exactly one JSON object with a non-empty
// type. Refused are bodies beyond the limits, duplicate member names at any level, other spellings by case of members
// that say who, where or what (such as "ServiceUrl"), known members of the wrong JSON type, and strings that are no
// valid Unicode or contain NUL, and attachments whose data: URI cannot be read. A null member counts as absent, callerId is dropped, malformed entities and semantic
// actions are ignored (A2105, A3133), everything unknown is kept. The error is a *DecodeError.
//
// The activity does not share memory with data.
func DecodeLimits(data []byte, limits Limits) (*Activity, error) {
	a := new(Activity)
	if err := decode(data, a, shapeActivity, limits.withDefaults()); err != nil {
		return nil, err
	}
	if a.Type == "" {
		return nil, missing("/type")
	}
	a.dropNulls()
	a.dropMalformed()
	if err := a.checkData(); err != nil {
		return nil, err
	}
	return a, nil
}

// DecodeReference reads one reference as strictly as [Decode] reads an activity, and validates it.
func DecodeReference(data []byte) (Reference, error) {
	var r Reference
	if err := decode(data, &r, shapeReference, Limits{}.withDefaults()); err != nil {
		return Reference{}, err
	}
	if err := r.Validate(); err != nil {
		return Reference{}, err
	}
	return r, nil
}

// decode reads data into v. The JSON package refuses duplicate names, invalid UTF-8 and lone surrogates, scan the rest.
func decode(data []byte, v any, root shape, limits Limits) error {
	scanned := scan(data, root, limits)
	if scanned != nil && !errors.Is(scanned, errBroken) {
		return scanned
	}
	if err := json.Unmarshal(data, v); err != nil {
		return decodeError(err)
	}
	if scanned != nil { // the two disagree: what was not checked is not accepted
		return &DecodeError{Reason: scanned.Error()}
	}
	return nil
}

// Encode returns the activity as JSON. It fails only when a raw value in it is no JSON, a member would appear twice, or a
// string is no UTF-8.
func Encode(a *Activity) ([]byte, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode activity: %w", err)
	}
	return data, nil
}

// EncodeReference returns the reference as JSON; it fails as [Encode] does.
func EncodeReference(r Reference) ([]byte, error) {
	data, err := json.Marshal(&r)
	if err != nil {
		return nil, fmt.Errorf("encode reference: %w", err)
	}
	return data, nil
}

// CheckInbound checks that a has what a channel must send: channelId (A2020), from.id (A2060), conversation.id (A2080)
// and serviceUrl (A2300). The error is a *DecodeError that names the first that is missing.
func (a *Activity) CheckInbound() error {
	switch {
	case a.ChannelID == "":
		return missing("/channelId")
	case a.From == nil || a.From.ID == "":
		return missing("/from/id")
	case a.Conversation == nil || a.Conversation.ID == "":
		return missing("/conversation/id")
	case a.ServiceURL == "":
		return missing("/serviceUrl")
	}
	return nil
}

// dropNulls makes raw members that hold null absent.
func (a *Activity) dropNulls() {
	dropNull(&a.Value)
	dropNull(&a.ChannelData)
	for i := range a.Attachments {
		dropNull(&a.Attachments[i].Content)
	}
	if a.SuggestedActions != nil {
		for i := range a.SuggestedActions.Actions {
			dropNull(&a.SuggestedActions.Actions[i].Value)
			dropNull(&a.SuggestedActions.Actions[i].ChannelData)
		}
	}
	if a.SemanticAction != nil {
		dropNull(&a.SemanticAction.Entities)
	}
}

// dropMalformed removes what unmarshalling left empty because it is to be ignored.
func (a *Activity) dropMalformed() {
	a.Entities = slices.DeleteFunc(a.Entities, func(e Entity) bool { return e.Type == "" && e.Extra == nil })
	if s := a.SemanticAction; s != nil && s.empty() {
		a.SemanticAction = nil
	}
}

func dropNull(v *jsontext.Value) {
	if v.Kind() == jsontext.KindNull {
		*v = nil
	}
}

// decodeError turns an error of the JSON package into one that names the member.
func decodeError(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return &DecodeError{Path: clip(string(e.JSONPointer)), Reason: fmt.Sprintf("unexpected JSON %s", e.JSONKind), Err: err}
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &DecodeError{Path: clip(string(e.JSONPointer)), Reason: e.Err.Error(), Err: err}
	}
	return &DecodeError{Reason: "not JSON", Err: err}
}

// longestPath keeps an error readable when a hostile body has members with names of a megabyte.
const longestPath = 256

func clip(path string) string {
	if len(path) <= longestPath {
		return path
	}
	return strings.ToValidUTF8(path[:longestPath], "") + "..."
}

// Member returns the raw value of a member of a JSON object, such as an Extra, and whether it is there. What is no
// object has no members.
func Member(object jsontext.Value, name string) (jsontext.Value, bool) {
	if object.Kind() != jsontext.KindBeginObject {
		return nil, false
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, false
	}
	v, ok := members[name]
	return v, ok
}
