package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/store/internal/personal"
)

// dialect is where this database differs from the other one, for what they have in common about people.
var dialect = personal.Dialect{
	Account:        "account",
	Lock:           " FOR UPDATE SKIP LOCKED",
	InPart:         "$1::bigint = 0 AND d.conversation = $2",
	Parts:          "SELECT 0::bigint",
	OfConversation: "SELECT f.id FROM finished f WHERE f.conversation = $1 ORDER BY f.id LIMIT $2",
	OneOfMany:      "NOT d.alone",
	Fresh:          true,
	Streams:        true,
	Scopes:         []string{"pauses", "shares"},
	State:          func(code int64) string { return string(stateNames[code]) },
	Event:          func(code int64) string { return string(word(eventTypes, code)) },
	Receipt:        func(code int64) string { return string(word(receiptKinds, code)) },
	KeyHash:        keyHash,
}

// toldRow is a row as package personal sees it.
type toldRow []any

// Int implements [personal.Row].
func (r toldRow) Int(i int) int64 {
	switch n := r[i].(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	}
	return 0
}

// Bool implements [personal.Row].
func (r toldRow) Bool(i int) bool { b, _ := r[i].(bool); return b }

// Null implements [personal.Row].
func (r toldRow) Null(i int) bool { return r[i] == nil }

// Text implements [personal.Row].
func (r toldRow) Text(i int) string { s, _ := r[i].(string); return s }

// Bytes implements [personal.Row].
func (r toldRow) Bytes(i int) []byte {
	switch b := r[i].(type) {
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	return nil
}

// Time implements [personal.Row].
func (r toldRow) Time(i int) time.Time { t, _ := r[i].(time.Time); return t }

func eachTold(ctx context.Context, q querier, f func(personal.Row) error, sql string, args []any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if err := f(toldRow(values)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reads are queries of their own, each of what was committed before.
type reads struct{ store *Store }

// Each implements [personal.Reader]. A query that is tried again calls f only with what it has not seen.
func (r reads) Each(ctx context.Context, f func(personal.Row) error, sql string, args ...any) error {
	return r.store.read(ctx, func(ctx context.Context, q querier) error { return eachTold(ctx, q, f, sql, args) })
}

// erasing is a transaction that erases.
type erasing struct{ *tx }

// Each implements [personal.Reader].
func (e erasing) Each(ctx context.Context, f func(personal.Row) error, sql string, args ...any) error {
	return eachTold(ctx, e.tx, f, sql, args)
}

// Exec implements [personal.Tx].
func (e erasing) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := e.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Count implements [personal.Tx].
func (e erasing) Count(state, n int64) { e.count(state, 0, n) }

// Forgotten implements [personal.Tx]. Nothing outlives the node's process that knows conversations by their ids.
func (e erasing) Forgotten(activity.ConversationID) {}

func (s *Store) books() personal.Books { return personal.Books{Reader: reads{s}, Dialect: dialect} }

// erases runs f in a transaction that erases.
func (s *Store) erases(ctx context.Context, f func(context.Context, personal.Eraser) error) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		return f(ctx, personal.Eraser{Tx: erasing{t}, Dialect: dialect})
	})
}

// People implements [privacy.Store].
func (s *Store) People(ctx context.Context, w privacy.Who) ([]privacy.Entry, error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	return s.books().People(ctx, w)
}

// ExportPerson implements [privacy.Store].
func (s *Store) ExportPerson(ctx context.Context, e privacy.Entry, yield func(privacy.Record) error) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.books().Export(ctx, e, yield)
}

// BeginErasure implements [privacy.Store].
func (s *Store) BeginErasure(ctx context.Context, x privacy.Erasure) error {
	return s.erases(ctx, func(ctx context.Context, e personal.Eraser) error { return e.Insert(ctx, x) })
}

// Erasure implements [privacy.Store].
func (s *Store) Erasure(ctx context.Context, appID string, id privacy.ErasureID) (privacy.Erasure, error) {
	return s.books().Erasure(ctx, appID, id)
}

// Erasing implements [privacy.Store].
func (s *Store) Erasing(ctx context.Context, n int) ([]privacy.Erasure, error) {
	return s.books().Erasing(ctx, n)
}

// Silence implements [privacy.Store].
func (s *Store) Silence(ctx context.Context, id privacy.ErasureID, at time.Time) (more bool, err error) {
	next, found, err := s.books().NextConversation(ctx, id)
	if err != nil {
		return false, err
	}
	if !found {
		err = s.erases(ctx, func(ctx context.Context, e personal.Eraser) error {
			more, err = e.Silent(ctx, id, exact(at))
			return err
		})
		return more, err
	}
	leave := func(ctx context.Context, t *tx, e *entry, _ int64) error { return t.leave(ctx, e, next.Entry) }
	if next.Own {
		if err := s.erases(ctx, func(ctx context.Context, e personal.Eraser) error {
			return e.EndLines(ctx, next.Entry, next.Key.Conversation)
		}); err != nil {
			return false, err
		}
		leave = func(ctx context.Context, t *tx, e *entry, turn int64) error {
			return t.forget(ctx, e, turn, exact(at), next.Entry.User)
		}
	}
	if err := s.alone(ctx, next.Key, leave); err != nil && !errors.Is(err, book.ErrNotFound) {
		return false, err
	}
	return true, nil
}

// leave takes what is a person's own out of a conversation with others.
func (t *tx) leave(ctx context.Context, e *entry, who privacy.Entry) error {
	e, err := t.changing(ctx, e.conv.Key)
	if err != nil {
		return err
	}
	eraser := personal.Eraser{Tx: erasing{t}, Dialect: dialect}
	if err := eraser.LeaveShared(ctx, who, e.conv.Key, int64(e.conv.Row)); err != nil || e.user() != who.User {
		return err
	}
	reference := e.conv.Reference.Clone()
	reference.User = nil
	raw, err := json.Marshal(reference)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE conversations SET reference = $2, user_id = '' WHERE id = $1", e.conv.Row, raw)
	return err
}

// Erase implements [privacy.Store].
func (s *Store) Erase(ctx context.Context, id privacy.ErasureID, n int) (more bool, err error) {
	err = s.erases(ctx, func(ctx context.Context, e personal.Eraser) error {
		more, err = e.Erase(ctx, id, n)
		return err
	})
	return more, err
}

// FinishErasure implements [privacy.Store]. Rows that were deleted are in PostgreSQL's files until it vacuums them, which
// is its own affair.
func (s *Store) FinishErasure(ctx context.Context, id privacy.ErasureID, at time.Time) error {
	return s.erases(ctx, func(ctx context.Context, e personal.Eraser) error {
		if err := e.Anonymous(ctx, id); err != nil {
			return err
		}
		return e.Done(ctx, id, exact(at))
	})
}

// PurgeTranscripts implements [privacy.Store].
func (s *Store) PurgeTranscripts(ctx context.Context, p privacy.TranscriptPurge) (done privacy.TranscriptPurged, err error) {
	err = s.erases(ctx, func(ctx context.Context, e personal.Eraser) error {
		done, err = e.PurgeTranscripts(ctx, p)
		return err
	})
	return done, err
}
