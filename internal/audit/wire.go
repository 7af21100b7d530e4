package audit

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
)

// FromAPI reads an entry as the HTTP API and exports have it.
func FromAPI(e api.AuditEntry) (Entry, error) {
	prev, err := ParseHash(e.Prev)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: prev %w", e.Number, err)
	}
	sum, err := ParseHash(e.Hash)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: hash %w", e.Number, err)
	}
	detail := string(e.Detail)
	if len(detail) > 0 && detail[0] == '"' { // see Entry.Described
		text, err := jsontext.AppendUnquote(nil, detail)
		if err != nil {
			return Entry{}, fmt.Errorf("entry %d: detail: %w", e.Number, err)
		}
		detail = string(text)
	}
	return Entry{
		Number: e.Number, AppID: e.AppID, At: e.At.UTC(), Action: Action(e.Action), Actor: e.Actor, From: e.From, Object: e.Object,
		Detail: detail, Trace: e.Trace, Sealed: e.Sealed, Prev: prev, Hash: sum,
	}, nil
}
