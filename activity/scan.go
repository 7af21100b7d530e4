package activity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// shape is what the protocol expects at a place of the body, as far as the scan cares.
type shape uint8

const (
	shapeOther shape = iota // anything
	shapeActivity
	shapeReference
	shapeAccount
	shapeAccounts // list of accounts
	shapeConversation
	shapeSuggestions
	shapeChannelData
	shapeTenant
	shapeList // list whose elements may not be null
)

// member is what the scan knows about a member of an object.
type member struct {
	shape shape
	// guard refuses other spellings of the name by case. Readers disagree about case (A2002), so what is unknown to us
	// may be the sender's identity to a program behind us.
	guard bool
}

var members = [...]map[string]member{
	shapeActivity: {
		"type":             {guard: true},
		"id":               {guard: true},
		"channelId":        {guard: true},
		"serviceUrl":       {guard: true},
		"from":             {shape: shapeAccount, guard: true},
		"recipient":        {shape: shapeAccount, guard: true},
		"conversation":     {shape: shapeConversation, guard: true},
		"relatesTo":        {shape: shapeReference, guard: true},
		"replyToId":        {guard: true},
		"deliveryMode":     {guard: true},
		"callerId":         {guard: true},
		"channelData":      {shape: shapeChannelData, guard: true},
		"membersAdded":     {shape: shapeAccounts, guard: true},
		"membersRemoved":   {shape: shapeAccounts, guard: true},
		"attachments":      {shape: shapeList},
		"suggestedActions": {shape: shapeSuggestions},
		"listenFor":        {shape: shapeList},
		"textHighlights":   {shape: shapeList},
		"reactionsAdded":   {shape: shapeList},
		"reactionsRemoved": {shape: shapeList},
	},
	shapeReference: {
		"activityId":   {guard: true},
		"user":         {shape: shapeAccount, guard: true},
		"bot":          {shape: shapeAccount, guard: true},
		"conversation": {shape: shapeConversation, guard: true},
		"channelId":    {guard: true},
		"serviceUrl":   {guard: true},
		"deliveryMode": {guard: true},
	},
	shapeAccount: {
		"id":            {guard: true},
		"role":          {guard: true},
		"aadObjectId":   {guard: true},
		"agenticUserId": {guard: true},
		"agenticAppId":  {guard: true},
		"tenantId":      {guard: true},
	},
	shapeConversation: {
		"id":       {guard: true},
		"tenantId": {guard: true},
	},
	shapeSuggestions: {
		"to":      {shape: shapeList},
		"actions": {shape: shapeList},
	},
	shapeChannelData: {
		"tenant": {shape: shapeTenant, guard: true},
	},
	shapeTenant: {
		"id": {guard: true},
	},
	shapeList: nil,
}

// scanner reads a body token by token. The decoder under it refuses duplicate names, invalid UTF-8 and lone surrogates.
type scanner struct {
	dec    *jsontext.Decoder
	limits Limits
	nodes  int
	nul    bool // the body may contain an escaped NUL
}

// scan checks in one pass what decoding into structs does not.
func scan(data []byte, root shape, limits Limits) error {
	if len(data) > limits.Bytes {
		return &DecodeError{Reason: fmt.Sprintf("body exceeds %d bytes", limits.Bytes), Err: ErrTooLarge}
	}
	s := &scanner{
		dec:    jsontext.NewDecoder(bytes.NewBuffer(data)), // a Buffer is read in place
		limits: limits,
		nul:    bytes.Contains(data, []byte(`\u0000`)),
	}
	if k := s.dec.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindInvalid {
		return &DecodeError{Reason: fmt.Sprintf("body is a JSON %s, not an object", k)}
	}
	if err := s.value(root, 1); err != nil {
		return err
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &DecodeError{Reason: "data after the JSON object"}
	}
	return nil
}

// value reads one value; depth is the number of objects and lists it would be in if it were one more of them.
func (s *scanner) value(sh shape, depth int) error {
	s.nodes++
	if s.nodes > s.limits.Nodes {
		return s.refuse(fmt.Sprintf("more than %d values", s.limits.Nodes))
	}
	switch s.dec.PeekKind() {
	case jsontext.KindBeginObject:
		return s.object(sh, depth)
	case jsontext.KindBeginArray:
		return s.array(sh, depth)
	case jsontext.KindString:
		raw, err := s.dec.ReadValue()
		if err != nil {
			return decodeError(err)
		}
		if s.nul && holdsNUL(raw) {
			return s.refuse("string holds NUL")
		}
		return nil
	default:
		if _, err := s.dec.ReadValue(); err != nil {
			return decodeError(err)
		}
		return nil
	}
}

func (s *scanner) object(sh shape, depth int) error {
	if err := s.open(depth); err != nil {
		return err
	}
	for s.dec.PeekKind() == jsontext.KindString {
		name, err := s.dec.ReadValue()
		if err != nil {
			return decodeError(err)
		}
		inner, err := s.name(sh, name)
		if err != nil {
			return err
		}
		if err := s.value(inner, depth+1); err != nil {
			return err
		}
	}
	return s.close()
}

// name checks a member's name, still in quotes, and returns the shape of its value.
func (s *scanner) name(sh shape, quoted []byte) (shape, error) {
	if s.nul && holdsNUL(quoted) {
		return shapeOther, s.refuse("member name holds NUL")
	}
	known := members[sh]
	if known == nil {
		return shapeOther, nil
	}
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(nil, quoted) // valid: the decoder has read it
	}
	if m, ok := known[string(name)]; ok {
		return m.shape, nil
	}
	for canonical, m := range known {
		if m.guard && strings.EqualFold(canonical, string(name)) {
			return shapeOther, s.refuse(fmt.Sprintf("another spelling of %q", canonical))
		}
	}
	return shapeOther, nil
}

func (s *scanner) array(sh shape, depth int) error {
	if err := s.open(depth); err != nil {
		return err
	}
	inner := shapeOther
	if sh == shapeAccounts {
		inner = shapeAccount
	}
	for {
		switch s.dec.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			return s.close()
		case jsontext.KindNull:
			if sh == shapeAccounts || sh == shapeList {
				_ = s.dec.SkipValue() // moves the pointer onto the null
				return s.refuse("null in a list")
			}
		}
		if err := s.value(inner, depth+1); err != nil {
			return err
		}
	}
}

func (s *scanner) open(depth int) error {
	if depth > s.limits.Depth {
		return s.refuse(fmt.Sprintf("nested deeper than %d", s.limits.Depth))
	}
	return s.close()
}

// close reads the bracket that comes next, or the error in its place.
func (s *scanner) close() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return decodeError(err)
	}
	return nil
}

// refuse returns the error for the value or name that was read last.
func (s *scanner) refuse(reason string) error {
	return &DecodeError{Path: clip(string(s.dec.StackPointer())), Reason: reason}
}

func holdsNUL(quoted []byte) bool {
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return bytes.IndexByte(text, 0) >= 0
}
