package httpapi

import (
	stdjson "encoding/json"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/proactive"
)

// content is what is to be said, as every request that says something has it.
type content struct {
	text, markdown, summary string
	activity, card          stdjson.RawMessage
	notice                  *api.Notice
	template                *api.TemplateUse
}

// decode reads it. Whether it is one thing, and right, is for the engine to check.
func (c content) decode() (proactive.Content, error) {
	out := proactive.Content{Text: c.text, Markdown: c.markdown, Summary: c.summary, Template: templatedOf(c.template)}
	if given(c.card) {
		out.Card = jsontext.Value(c.card)
	}
	var err error
	if out.Notice, err = noticeOf(c.notice); err != nil || !given(c.activity) {
		return out, err
	}
	out.Activity, err = decodeActivity(c.activity)
	return out, err
}

// given reports whether a raw member is there. One that is null counts as absent, as the others do.
func given(raw stdjson.RawMessage) bool {
	return len(raw) > 0 && jsontext.Value(raw).Kind() != jsontext.KindNull
}

// message reads it as the activity that says it; nil when there is nothing to say.
func (c content) message() (*activity.Activity, error) {
	said, err := c.decode()
	if err != nil || said.IsZero() {
		return nil, err
	}
	if said.Template != nil { // which the engine says
		return nil, said.Check()
	}
	return said.Message()
}

// decodeActivity reads an activity as strictly as one from a channel, but for its type, which may be left out.
func decodeActivity(raw []byte) (*activity.Activity, error) {
	a, err := activity.Decode(raw)
	if err == nil {
		return a, nil
	}
	bad, ok := errors.AsType[*activity.DecodeError](err)
	if ok && bad.Path == "/type" {
		var members map[string]stdjson.RawMessage
		if json.Unmarshal(raw, &members) == nil && members["type"] == nil {
			members["type"] = stdjson.RawMessage(`"message"`)
			if typed, err := json.Marshal(members); err == nil {
				if a, err := activity.Decode(typed); err == nil {
					return a, nil
				}
			}
		}
	}
	return nil, wrongIn("activity", err)
}

// wrongIn says which member of a raw member is wrong.
func wrongIn(field string, err error) error {
	if bad, ok := errors.AsType[*activity.DecodeError](err); ok {
		return &proactive.FieldError{Field: field + dotted(bad.Path), Reason: bad.Reason}
	}
	return &proactive.FieldError{Field: field, Reason: err.Error()}
}

// dotted makes a JSON pointer a path as the API writes it.
func dotted(pointer string) string {
	path := []byte(pointer)
	for i, c := range path {
		if c == '/' {
			path[i] = '.'
		}
	}
	return string(path)
}
