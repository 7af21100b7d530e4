package activity

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

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
	name  string
	shape shape
	// guard refuses other spellings of the name by case. Readers disagree about case (A2002), so what is unknown to us
	// may be the sender's identity to a program behind us.
	guard bool
}

var members = [...]map[string]member{ // by folded name
	shapeActivity: {
		"type":             {name: "type", guard: true},
		"id":               {name: "id", guard: true},
		"channelid":        {name: "channelId", guard: true},
		"serviceurl":       {name: "serviceUrl", guard: true},
		"from":             {name: "from", shape: shapeAccount, guard: true},
		"recipient":        {name: "recipient", shape: shapeAccount, guard: true},
		"conversation":     {name: "conversation", shape: shapeConversation, guard: true},
		"relatesto":        {name: "relatesTo", shape: shapeReference, guard: true},
		"replytoid":        {name: "replyToId", guard: true},
		"deliverymode":     {name: "deliveryMode", guard: true},
		"callerid":         {name: "callerId", guard: true},
		"channeldata":      {name: "channelData", shape: shapeChannelData, guard: true},
		"membersadded":     {name: "membersAdded", shape: shapeAccounts, guard: true},
		"membersremoved":   {name: "membersRemoved", shape: shapeAccounts, guard: true},
		"attachments":      {name: "attachments", shape: shapeList},
		"suggestedactions": {name: "suggestedActions", shape: shapeSuggestions},
		"listenfor":        {name: "listenFor", shape: shapeList},
		"texthighlights":   {name: "textHighlights", shape: shapeList},
		"reactionsadded":   {name: "reactionsAdded", shape: shapeList},
		"reactionsremoved": {name: "reactionsRemoved", shape: shapeList},
	},
	shapeReference: {
		"activityid":   {name: "activityId", guard: true},
		"user":         {name: "user", shape: shapeAccount, guard: true},
		"bot":          {name: "bot", shape: shapeAccount, guard: true},
		"conversation": {name: "conversation", shape: shapeConversation, guard: true},
		"channelid":    {name: "channelId", guard: true},
		"serviceurl":   {name: "serviceUrl", guard: true},
		"deliverymode": {name: "deliveryMode", guard: true},
	},
	shapeAccount: {
		"id":            {name: "id", guard: true},
		"role":          {name: "role", guard: true},
		"aadobjectid":   {name: "aadObjectId", guard: true},
		"agenticuserid": {name: "agenticUserId", guard: true},
		"agenticappid":  {name: "agenticAppId", guard: true},
		"tenantid":      {name: "tenantId", guard: true},
	},
	shapeConversation: {
		"id":       {name: "id", guard: true},
		"tenantid": {name: "tenantId", guard: true},
	},
	shapeSuggestions: {
		"to":      {name: "to", shape: shapeList},
		"actions": {name: "actions", shape: shapeList},
	},
	shapeChannelData: {
		"tenant": {name: "tenant", shape: shapeTenant, guard: true},
	},
	shapeTenant: {
		"id": {name: "id", guard: true},
	},
	shapeList: nil,
}

// scanner walks over the values of a body without keeping any. It relies on the body being valid JSON only for the
// meaning of what it finds, not for its own safety.
type scanner struct {
	data   []byte
	pos    int
	limits Limits
	nodes  int
	nul    bool    // the body may contain an escaped NUL
	at     []place // the open objects and lists, outermost first
}

// place is a position inside one open object or list.
type place struct {
	name  []byte // of the current member, in quotes; nil before the first and in a list
	index int    // of the current element
}

// errBroken means that the body is no JSON. The decoder, which comes next, finds the same and says what is wrong.
var errBroken = errors.New("not JSON")

// scan checks what decoding into structs does not: limits, spellings, NUL, nulls in lists. It returns errBroken or a
// *DecodeError.
func scan(data []byte, root shape, limits Limits) error {
	if len(data) > limits.Bytes {
		return &DecodeError{Reason: fmt.Sprintf("body exceeds %d bytes", limits.Bytes), Err: ErrTooLarge}
	}
	s := &scanner{
		data:   data,
		limits: limits,
		nul:    bytes.Contains(data, []byte(`\u0000`)),
		at:     make([]place, 0, 8),
	}
	switch s.next() {
	case 0:
		return &DecodeError{Reason: "body is empty"}
	case '{':
		return s.value(root)
	default:
		return &DecodeError{Reason: "body is not a JSON object"}
	}
}

// next skips blanks and returns the byte that follows them, without consuming it, or 0 at the end.
func (s *scanner) next() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) value(sh shape) error {
	s.nodes++
	if s.nodes > s.limits.Nodes {
		return s.refuse(fmt.Sprintf("more than %d values", s.limits.Nodes))
	}
	switch s.next() {
	case '{':
		return s.object(sh)
	case '[':
		return s.array(sh)
	case '"':
		quoted, err := s.quoted()
		if err == nil && s.nul && holdsNUL(quoted) {
			return s.refuse("string holds NUL")
		}
		return err
	default:
		return s.literal()
	}
}

func (s *scanner) object(sh shape) error {
	if err := s.open(); err != nil {
		return err
	}
	here := len(s.at) - 1
	for {
		switch s.next() {
		case '"':
		case '}':
			s.close()
			return nil
		case ',': // that it stands in the right place is for the decoder to check
			s.pos++
			continue
		default:
			return errBroken
		}
		name, err := s.quoted()
		if err != nil {
			return err
		}
		s.at[here].name = name
		inner, err := s.name(sh, name)
		if err != nil {
			return err
		}
		if s.next() != ':' {
			return errBroken
		}
		s.pos++
		if err := s.value(inner); err != nil {
			return err
		}
	}
}

// name checks a member's name and returns the shape of its value.
func (s *scanner) name(sh shape, quoted []byte) (shape, error) {
	if s.nul && holdsNUL(quoted) {
		return shapeOther, s.refuse("member name holds NUL")
	}
	known := members[sh]
	if known == nil {
		return shapeOther, nil
	}
	var buf [longestName]byte
	name := unquote(quoted)
	m, ok := known[string(fold(buf[:0], name))]
	switch {
	case !ok:
		return shapeOther, nil
	case string(name) == m.name:
		return m.shape, nil
	case m.guard:
		return shapeOther, s.refuse(fmt.Sprintf("another spelling of %q", m.name))
	}
	return shapeOther, nil
}

// longestName is the longest name that can be another spelling of a known one: the longest of those has 16 letters, and
// no letter that folds to ASCII takes more than three bytes.
const longestName = 3 * 16

// fold appends name in lower case to buf, with the two letters outside ASCII that Unicode folds into it. The result is
// empty for a name that is too long to be known.
func fold(buf, name []byte) []byte {
	if len(name) > longestName {
		return nil
	}
	for _, r := range string(name) {
		switch {
		case 'A' <= r && r <= 'Z':
			r += 'a' - 'A'
		case r == 'ſ':
			r = 's'
		case r == '\u212a': // the Kelvin sign
			r = 'k'
		}
		buf = utf8.AppendRune(buf, r)
	}
	return buf
}

func (s *scanner) array(sh shape) error {
	if err := s.open(); err != nil {
		return err
	}
	here := len(s.at) - 1
	inner := shapeOther
	if sh == shapeAccounts {
		inner = shapeAccount
	}
	for {
		switch s.next() {
		case ']':
			s.close()
			return nil
		case ',':
			s.pos++
			s.at[here].index++
			continue
		case 'n':
			if sh == shapeAccounts || sh == shapeList {
				return s.refuse("null in a list")
			}
		}
		if err := s.value(inner); err != nil {
			return err
		}
	}
}

func (s *scanner) open() error {
	if len(s.at) == s.limits.Depth {
		return s.refuse(fmt.Sprintf("nested deeper than %d", s.limits.Depth))
	}
	s.at = append(s.at, place{})
	s.pos++
	return nil
}

func (s *scanner) close() {
	s.at = s.at[:len(s.at)-1]
	s.pos++
}

// quoted reads a string and returns it as it stands, in quotes.
func (s *scanner) quoted() ([]byte, error) {
	start := s.pos
	for end := start + 1; ; end++ {
		i := bytes.IndexByte(s.data[end:], '"')
		if i < 0 {
			return nil, errBroken
		}
		end += i
		escapes := 0
		for s.data[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			s.pos = end + 1
			return s.data[start:s.pos], nil
		}
	}
}

// literal reads a number, true, false or null.
func (s *scanner) literal() error {
	start := s.pos
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			continue
		}
		break
	}
	if s.pos == start {
		return errBroken
	}
	return nil
}

// refuse returns the error for the current value or name.
func (s *scanner) refuse(reason string) error {
	var path jsontext.Pointer
	for _, p := range s.at {
		if len(path) > longestPath {
			break
		}
		if p.name == nil {
			path = path.AppendToken(strconv.Itoa(p.index))
		} else {
			path = path.AppendToken(string(unquote(p.name)))
		}
	}
	return &DecodeError{Path: clip(string(path)), Reason: reason}
}

// unquote returns the text of a string; for one that is no valid JSON, as much as can be read.
func unquote(quoted []byte) []byte {
	inside := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return text
}

func holdsNUL(quoted []byte) bool {
	return bytes.IndexByte(unquote(quoted), 0) >= 0
}
