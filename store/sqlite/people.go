package sqlite

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/store/internal/personal"
)

var _ privacy.Store = (*Store)(nil)

// dialect is where this database differs from the other one, for what they have in common about people.
var dialect = personal.Dialect{
	Account: "user",
	InPart:  "d.part = $1 AND d.conversation = $2",
	Parts:   "SELECT ifnull(max(part), 0) FROM finished",
	OfConversation: `WITH RECURSIVE parts (n) AS (SELECT max(part) FROM finished UNION ALL SELECT n - 1 FROM parts WHERE n > 1)
		SELECT f.id FROM parts CROSS JOIN finished f ON f.part = parts.n AND f.conversation = $1 LIMIT $2`,
	OneOfMany: "d.alone = 0",
	Scopes:    []string{"pauses", "usages"},
	State:     func(code int64) string { return string(stateNames[code]) },
	Event:     func(code int64) string { return string(word(eventTypes, code)) },
	Receipt:   func(code int64) string { return string(word(receiptKinds, code)) },
	KeyHash:   keyHash,
}

// toldRow is a row as package personal sees it.
type toldRow struct{ row }

func (r toldRow) Int(i int) int64      { return r.int(i) }
func (r toldRow) Bool(i int) bool      { return r.bool(i) }
func (r toldRow) Null(i int) bool      { return r.null(i) }
func (r toldRow) Text(i int) string    { return r.text(i) }
func (r toldRow) Bytes(i int) []byte   { return r.bytes(i) }
func (r toldRow) Time(i int) time.Time { return r.time(i) }

// bound are arguments whose texts are stored as they are.
func bound(args []any) []any {
	all := make([]any, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok {
			a = text(s)
		}
		all[i] = a
	}
	return all
}

// reads are queries of their own, each of what was committed before.
type reads struct{ store *Store }

// Each implements [personal.Reader].
func (r reads) Each(ctx context.Context, f func(personal.Row) error, sql string, args ...any) error {
	return r.store.read(ctx, func(c *conn) error {
		return c.each(func(r row) error { return f(toldRow{r}) }, sql, bound(args)...)
	})
}

// erasing is a transaction that erases.
type erasing struct{ *tx }

// Each implements [personal.Reader].
func (e erasing) Each(_ context.Context, f func(personal.Row) error, sql string, args ...any) error {
	return e.each(func(r row) error { return f(toldRow{r}) }, sql, bound(args)...)
}

// Exec implements [personal.Tx].
func (e erasing) Exec(_ context.Context, sql string, args ...any) (int64, error) {
	return e.exec(sql, bound(args)...)
}

// Count implements [personal.Tx].
func (e erasing) Count(state, n int64) { e.count(state, 0, n) }

// Forgotten implements [personal.Tx].
func (e erasing) Forgotten(id activity.ConversationID) {
	e.after(func() { e.store.erased.Store(id, struct{}{}) })
}

func (s *Store) books() personal.Books { return personal.Books{Reader: reads{s}, Dialect: dialect} }

// erases runs f in a transaction that erases.
func (s *Store) erases(ctx context.Context, f func(personal.Eraser) error) error {
	return s.writer.do(ctx, func(t *tx) error { return f(personal.Eraser{Tx: erasing{t}, Dialect: dialect}) })
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
	return s.erases(ctx, func(e personal.Eraser) error { return e.Insert(ctx, x) })
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
		err = s.erases(ctx, func(e personal.Eraser) error {
			more, err = e.Silent(ctx, id, at)
			return err
		})
		return more, err
	}
	leave := func(t *tx, e *entry) error { return t.leave(ctx, e, next.Entry) }
	if next.Own {
		if err := s.erases(ctx, func(e personal.Eraser) error { return e.EndLines(ctx, next.Entry, next.Key.Conversation) }); err != nil {
			return false, err
		}
		leave = func(t *tx, e *entry) error { return t.forget(e, exact(at), next.Entry.User) }
	}
	if err := s.alone(ctx, next.Key, leave); err != nil && !errors.Is(err, book.ErrNotFound) {
		return false, err
	}
	return true, nil
}

// leave takes what is a person's own out of a conversation with others.
func (t *tx) leave(ctx context.Context, e *entry, who privacy.Entry) error {
	eraser := personal.Eraser{Tx: erasing{t}, Dialect: dialect}
	if err := eraser.LeaveShared(ctx, who, e.conv.Key, int64(e.conv.Row)); err != nil {
		return err
	}
	next := *e
	next.people, next.packedPeople = maps.Clone(e.known()), ""
	delete(next.people, who.User)
	if u := e.conv.Reference.User; u != nil && u.ID == who.User {
		next.conv.Reference = e.conv.Reference.Clone()
		next.conv.Reference.User, next.reference = nil, nil
		reference, err := next.json()
		if err != nil {
			return err
		}
		next.reference = reference
		if _, err := t.exec("UPDATE conversations SET reference = ?, user_id = ? WHERE id = ?",
			reference, text(""), int64(e.conv.Row)); err != nil {
			return err
		}
	}
	t.book.put(&next)
	return nil
}

// Erase implements [privacy.Store].
func (s *Store) Erase(ctx context.Context, id privacy.ErasureID, n int) (more bool, err error) {
	err = s.erases(ctx, func(e personal.Eraser) error {
		more, err = e.Erase(ctx, id, n)
		return err
	})
	return more, err
}

// FinishErasure implements [privacy.Store]. What rows have left behind in the database and in its log is overwritten.
func (s *Store) FinishErasure(ctx context.Context, id privacy.ErasureID, at time.Time) error {
	if err := s.erases(ctx, func(e personal.Eraser) error { return e.Anonymous(ctx, id) }); err != nil {
		return err
	}
	if err := s.scrub(ctx); err != nil {
		return err
	}
	return s.erases(ctx, func(e personal.Eraser) error { return e.Done(ctx, id, exact(at)) })
}

// PurgeTranscripts implements [privacy.Store].
func (s *Store) PurgeTranscripts(ctx context.Context, p privacy.TranscriptPurge) (done privacy.TranscriptPurged, err error) {
	err = s.erases(ctx, func(e personal.Eraser) error {
		done, err = e.PurgeTranscripts(ctx, p)
		return err
	})
	return done, err
}
