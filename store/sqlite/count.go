package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

const (
	// toldFor is how long it is kept whom something was said to: longer than any day, on whatever clock.
	toldFor = 72 * time.Hour
	// forgetsTold is how many that are older every count forgets.
	forgetsTold = 10
)

// humanOf are all who are one human with a person.
const humanOf = `(SELECT ? UNION SELECT o.id FROM people p CROSS JOIN people o WHERE p.id = ? AND o.human = p.human AND o.human IS NOT NULL)`

// Count implements [outbox.Store].
func (s *Store) Count(ctx context.Context, c outbox.Counting) (within bool, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		within, err = t.countTold(c)
		return err
	})
	return within, err
}

func (t *tx) countTold(c outbox.Counting) (bool, error) {
	e, err := t.conversation(c.Conversation)
	if err != nil {
		return false, err
	}
	who, err := t.personIn(e)
	if err != nil {
		return false, err
	}
	owner, whose, args := int64(who), humanOf, []any{int64(who), int64(who)}
	if who == 0 { // a conversation with nobody in particular
		owner = -int64(c.Conversation)
		whose, args = "(?)", []any{owner}
	}
	total, ofTopic := 0, 0
	if _, err := t.one(func(r row) { total, ofTopic = int(r.int(0)), int(r.int(1)) },
		"SELECT count(*), count(*) FILTER (WHERE ifnull(topic, '') = ?) FROM told WHERE owner IN "+whose+" AND at >= ? AND delivery <> ?",
		append(append([]any{text(c.Topic)}, args...), c.Since, int64(c.Delivery))...); err != nil {
		return false, err
	}
	if !c.Cap.Within(total, ofTopic) {
		return false, nil
	}
	if _, err := t.exec(`INSERT INTO told (owner, delivery, topic, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (owner, delivery) DO UPDATE SET at = excluded.at`, owner, int64(c.Delivery), c.Topic, c.At); err != nil {
		return false, err
	}
	_, err = t.exec("DELETE FROM told WHERE (owner, delivery) IN (SELECT owner, delivery FROM told WHERE at < ? ORDER BY at LIMIT ?)",
		c.At.Add(-toldFor), forgetsTold)
	return true, err
}

// Uncount implements [outbox.Store].
func (s *Store) Uncount(ctx context.Context, id outbox.DeliveryID, in book.Row) error {
	return s.writer.do(ctx, func(t *tx) error {
		e, err := t.conversation(in)
		if errors.Is(err, book.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		owner, err := t.personIn(e)
		if err != nil {
			return err
		}
		if owner == 0 {
			owner = book.PersonRow(-int64(in))
		}
		_, err = t.exec("DELETE FROM told WHERE owner = ? AND delivery = ?", int64(owner), int64(id))
		return err
	})
}
