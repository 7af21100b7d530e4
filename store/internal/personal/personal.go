// Package personal is what the SQL drivers have in common to tell and to erase what is kept of a person: which tables hold
// what, in statements that both databases understand.
//
// [Books] reads: people by their keys, and everything that is kept of one. [Eraser] erases, a page at a time. A driver
// gives them its connections and transactions as [Reader] and [Tx], and says in [Dialect] where its tables differ.
// Parameters are numbered in the order in which they appear.
package personal

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/privacy"
)

// Row is a row of a result while it is looked at.
type Row interface {
	Int(i int) int64
	Bool(i int) bool
	Null(i int) bool
	Text(i int) string
	Bytes(i int) []byte
	Time(i int) time.Time
}

// Reader runs queries. Another one may be run only when f has seen the last row.
type Reader interface {
	Each(ctx context.Context, f func(Row) error, sql string, args ...any) error
}

// Tx is a transaction of a driver that writes.
type Tx interface {
	Reader
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Count notes that n deliveries that were in a state are not there any more.
	Count(state, n int64)
	// Forgotten notes that nothing is to be kept of a conversation's id.
	Forgotten(id activity.ConversationID)
}

// Dialect says where the tables and the language of a database differ.
type Dialect struct {
	// Account is the column of dl_conversations with the user's account.
	Account string
	// Lock is what a query ends with whose rows are to be locked.
	Lock string
	// InPart finds the final deliveries of a conversation ($2) that are in a part of their table ($1), as d, and Parts
	// tells the last part, from 0 or 1 on. OfConversation finds the ids of the first $2 of them in all parts ($1).
	InPart, Parts, OfConversation string
	// OneOfMany is true of deliveries d that are not their message's only one, in the words of the index that has those.
	OneOfMany string
	// Fresh: events wait in events_fresh until they have an id. Streams: there is dl_streams.
	Fresh, Streams bool
	// Scopes are tables whose column scope is a pace scope as JSON.
	Scopes []string

	// State, Event and Receipt are the words for the numbers of states, types and kinds.
	State, Event, Receipt func(int64) string
	// KeyHash is what the table inbound knows a conversation by.
	KeyHash func(headsup.ConversationKey) []byte
}

// one reads one row, if there is one.
func one(ctx context.Context, r Reader, f func(Row), sql string, args ...any) (found bool, err error) {
	err = r.Each(ctx, func(row Row) error {
		found = true
		f(row)
		return nil
	}, sql, args...)
	return found, err
}

// place is a conversation as its deliveries know it.
type place struct {
	row int64
	key headsup.ConversationKey
}

// placesOf are the conversations of a person that were removed from the book.
func placesOf(ctx context.Context, r Reader, e privacy.Entry, after int64, limit int) (found []place, err error) {
	err = r.Each(ctx, func(row Row) error {
		found = append(found, place{row.Int(0), headsup.ConversationKey{
			AppID: e.AppID, Tenant: e.Tenant, Channel: e.Channel, Bot: activity.AccountID(row.Text(1)),
			Conversation: activity.ConversationID(row.Text(2)),
		}})
		return nil
	}, `SELECT f.id, f.bot_id, f.conversation_id FROM forgotten f
		WHERE f.app_id = $1 AND f.user_id = $2 AND f.channel_id = $3 AND f.tenant_id = $4 AND f.id > $5 ORDER BY f.id LIMIT $6`,
		e.AppID, string(e.User), string(e.Channel), string(e.Tenant), after, int64(limit))
	return found, err
}

// names are the texts by which a person is known. Those that are folded match in any letter case.
type names map[string]bool

const folded = "\x00"

func (n names) addFolded(texts ...string) {
	for _, t := range texts {
		if t != "" {
			n[folded+book.Fold(t)] = true
		}
	}
}

func (n names) has(text string) bool { return n[text] || n[folded+book.Fold(text)] }

func (n names) add(texts ...string) {
	for _, t := range texts {
		if t != "" {
			n[t] = true
		}
	}
}

// mentioned reports whether a JSON value has a string that is one of the names. What is no JSON mentions nobody.
func (n names) mentioned(raw []byte) bool {
	found := false
	_ = walk(raw, func(s string) { found = found || n.has(s) })
	return found
}

// walk calls visit with every string of a JSON value but the names of members.
func walk(raw []byte, visit func(string)) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var each func(any)
	each = func(v any) {
		switch v := v.(type) {
		case string:
			visit(v)
		case []any:
			for _, e := range v {
				each(e)
			}
		case map[string]any:
			for _, e := range v {
				each(e)
			}
		}
	}
	each(v)
	return nil
}

// Erased stands where a person's id was.
const Erased = "erased"

// without is a JSON value in which the person is nobody: of an account with one of the names as its id nothing stays but
// [Erased], and so of every other string that is a name. All else stays byte by byte. What is no JSON stays as it is.
func (n names) without(raw []byte) []byte {
	v := jsontext.Value(raw)
	switch v.Kind() {
	case '"':
		var s string
		if json.Unmarshal(v, &s) == nil && n.has(s) {
			return []byte(`"` + Erased + `"`)
		}
	case '{':
		var id struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(v, &id, json.MatchCaseInsensitiveNames(false)) == nil && n.has(id.ID) {
			return []byte(`{"id":"` + Erased + `"}`)
		}
		return n.inside(v, '{', '}')
	case '[':
		return n.inside(v, '[', ']')
	}
	return raw
}

// inside is without for what an object or an array holds.
func (n names) inside(v jsontext.Value, open, end byte) []byte {
	if !n.mentioned(v) {
		return v
	}
	d := jsontext.NewDecoder(bytesReader(v))
	if _, err := d.ReadToken(); err != nil {
		return v
	}
	out := []byte{open}
	for d.PeekKind() != jsontext.Kind(end) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		if open == '{' {
			name, err := d.ReadValue()
			if err != nil {
				return v
			}
			out = append(append(out, name...), ':')
		}
		member, err := d.ReadValue()
		if err != nil {
			return v
		}
		out = append(out, n.without(append([]byte(nil), member...))...)
	}
	return append(out, end)
}
