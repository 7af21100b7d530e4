package activity

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// shape is what kind of object or list the scan is in; it decides which members are guarded.
type shape uint8

const (
	shapeOther shape = iota
	shapeActivity
	shapeReference
	shapeAccount
	shapeAccounts
	shapeConversation
	shapeChannelData
	shapeTenant
	shapeList
)

// guarded lists, for each shape, the members whose other spellings by case are refused, and the shape of their values.
// Readers disagree about case (A2002): what we take for an unknown member, another program behind us may take for the
// sender's identity.
var guarded = map[shape]map[string]shape{}

type scanner struct {
	dec    *jsontext.Decoder
	limits Limits
	nodes  int
	nul    bool // the body may contain an escaped NUL
}

// scan checks what the decoder of structs cannot, in one pass over the tokens.
func scan(data []byte, root shape, limits Limits) error {
	if len(data) > limits.Bytes {
		return &DecodeError{Reason: fmt.Sprintf("body exceeds %d bytes", limits.Bytes), Err: ErrTooLarge}
	}
	s := &scanner{
		dec:    jsontext.NewDecoder(bytes.NewBuffer(data)),
		limits: limits,
		nul:    bytes.Contains(data, []byte(`\u0000`)),
	}
	if k := s.dec.PeekKind(); k != jsontext.KindBeginObject {
		return &DecodeError{Reason: "body is no JSON object"}
	}
	if err := s.value(root, 0); err != nil {
		return err
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &DecodeError{Reason: "data after the JSON object"}
	}
	return nil
}

func (s *scanner) value(sh shape, depth int) error {
	_ = sh
	_ = depth
	return s.dec.SkipValue()
}
