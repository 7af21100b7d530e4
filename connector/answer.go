package connector

import (
	"bytes"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// answer is a response, read to its end or to the limit.
type answer struct {
	status    int
	header    http.Header
	body      []byte
	tooLarge  bool
	readError error // the body broke off
}

func (a answer) success() bool { return a.status >= 200 && a.status < 300 }

// hint reads the body into result if it is whole and makes sense.
func (a answer) hint(result any) {
	if !a.tooLarge && a.readError == nil {
		_ = json.Unmarshal(a.body, result, lenient)
	}
}

// id is that of an answer in the form that nearly all have, {"id":"..."} and nothing else; it reports false for any other.
func (a answer) id() (activity.ID, bool) {
	rest, ok := bytes.CutPrefix(a.body, []byte(`{"id":"`))
	if !ok || a.tooLarge || a.readError != nil {
		return "", false
	}
	id, ok := bytes.CutSuffix(rest, []byte(`"}`))
	if !ok {
		return "", false
	}
	for _, c := range id {
		if c <= ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return "", false
		}
	}
	return activity.ID(id), true
}

// lenient reads JSON of services: what they repeat or misspell is not ours to refuse.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// complaint is what an error body says, whichever of its forms it has.
type complaint struct {
	code, subCode, message string
}

// longestWords bounds what is kept of a service's words.
const longestWords = 300

// readComplaint understands the forms that are in use:
//
//	{"error":{"code":"…","message":"…"}}         the documented one
//	{"error":"…"}, {"message":"…"}               gateways
//	{"errorCode":209,"message":"{\"subCode\":…}"} the chat service of Teams: JSON inside a string
//
// Anything else, HTML for example, says nothing.
func readComplaint(body []byte) complaint {
	var c complaint
	c.read(body)
	c.code, c.subCode, c.message = printable(c.code), printable(c.subCode), printable(c.message)
	return c
}

func (c *complaint) read(body jsontext.Value) {
	var outer map[string]jsontext.Value
	if body.Kind() != jsontext.KindBeginObject || json.Unmarshal(body, &outer, lenient) != nil {
		return
	}
	c.readObject(outer)
	switch inner := outer["error"]; inner.Kind() {
	case jsontext.KindString:
		c.message = text(inner)
	case jsontext.KindBeginObject:
		var members map[string]jsontext.Value
		if json.Unmarshal(inner, &members, lenient) == nil {
			c.readObject(members)
		}
	}
}

func (c *complaint) readObject(members map[string]jsontext.Value) {
	if code := text(members["code"]); code != "" {
		c.code = code
	}
	message := text(members["message"])
	if message == "" {
		return
	}
	c.message = message

	var inside struct {
		SubCode string `json:"subCode"`
		Details string `json:"details"`
	}
	if !strings.HasPrefix(strings.TrimSpace(message), "{") || json.Unmarshal([]byte(message), &inside, lenient) != nil {
		return
	}
	c.subCode, c.message = inside.SubCode, inside.Details
	if c.code == "" {
		c.code = inside.SubCode
	}
}

// text returns the text of a JSON string and nothing for any other value.
func text(v jsontext.Value) string {
	var s string
	if v.Kind() != jsontext.KindString || json.Unmarshal(v, &s, lenient) != nil {
		return ""
	}
	return s
}

// printable makes a service's words fit for one line of a log.
func printable(s string) string {
	if len(s) > 4*longestWords {
		s = s[:4*longestWords]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > longestWords {
		return string(runes[:longestWords]) + "..."
	}
	return s
}

// correlationID returns the service's name for the request, under whichever header it travels.
func correlationID(h http.Header) string {
	for _, name := range [...]string{"X-Correlating-OperationId", "MS-CV", "ContextId"} {
		if id := h.Get(name); id != "" {
			return printable(id)
		}
	}
	return ""
}
