package audit

import (
	"fmt"

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
	return Entry{
		Number: e.Number, AppID: e.AppID, At: e.At.UTC(), Action: Action(e.Action), Actor: e.Actor, From: e.From, Object: e.Object,
		Detail: string(e.Detail), Trace: e.Trace, Sealed: e.Sealed, Prev: prev, Hash: sum,
	}, nil
}
