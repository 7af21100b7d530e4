package sqlite

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// old is a message that a purge looks at.
type old struct {
	id, alone int64
	created   time.Time
	content   bool
}

// Purge implements [outbox.Store].
func (s *Store) Purge(ctx context.Context, p outbox.Purge) (done outbox.Purged, err error) {
	before := p.ContentBefore
	if p.RecordsBefore.After(before) {
		before = p.RecordsBefore
	}
	err = s.writer.do(ctx, func(t *tx) error {
		done = outbox.Purged{}
		var page []old
		if err := t.each(func(r row) error {
			page = append(page, old{r.int(0), r.int(1), r.time(2), r.bool(3)})
			return nil
		}, `SELECT id, alone, created_at, body IS NOT NULL FROM messages WHERE id > +? ORDER BY id LIMIT +?`,
			int64(p.After), p.Limit); err != nil {
			return err
		}
		for i := range page {
			m := &page[i]
			if !m.created.Before(before) { // ids grow with time: so it goes on
				return nil
			}
			if err := t.purge(m, p, &done); err != nil {
				return err
			}
		}
		if len(page) == p.Limit {
			done.Next = outbox.MessageID(page[len(page)-1].id)
		}
		return nil
	})
	return done, err
}

// purge forgets what is over of one message.
func (t *tx) purge(m *old, p outbox.Purge, done *outbox.Purged) error {
	content := m.content && m.created.Before(p.ContentBefore)
	record := m.created.Before(p.RecordsBefore)
	if !content && !record {
		return nil
	}
	underWay := false
	if _, err := t.one(func(r row) { underWay = r.bool(0) }, `SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?)
		OR EXISTS (SELECT 1 FROM deliveries WHERE message = ? AND alone = 0)
		OR EXISTS (SELECT 1 FROM spreads WHERE message = ?) OR EXISTS (SELECT 1 FROM sweeps WHERE message = ?)`,
		m.alone, m.id, m.id, m.id); err != nil || underWay {
		return err
	}
	if record {
		gone, err := t.removeEnded(m, p.RecordsBefore)
		if err != nil {
			return err
		}
		if gone {
			done.Records++
			return nil
		}
	}
	if !content {
		return nil
	}
	done.Contents++
	_, err := t.exec("UPDATE messages SET body = NULL, value = NULL WHERE id = ?", m.id)
	return err
}

// removeEnded removes a message whose deliveries are all final, if they have been so for long enough.
func (t *tx) removeEnded(m *old, before time.Time) (gone bool, err error) {
	late := false
	var counts [states]int64
	if err := t.each(func(r row) error {
		counts[r.int(0)] += r.int(1)
		late = late || !r.time(2).Before(before)
		return nil
	}, `SELECT state, count(*), max(updated_at) FROM (
			SELECT state, updated_at FROM finished WHERE id = ?
			UNION ALL SELECT state, updated_at FROM finished WHERE message = ? AND alone = 0)
		GROUP BY state`, m.alone, m.id); err != nil || late {
		return false, err
	}
	for _, sql := range [...]string{
		"DELETE FROM sends WHERE delivery IN (SELECT id FROM finished WHERE message = ? AND alone = 0)",
		"DELETE FROM receipts WHERE message = ?",
		"DELETE FROM finished WHERE message = ? AND alone = 0", "DELETE FROM messages WHERE id = ?",
	} {
		if _, err := t.exec(sql, m.id); err != nil {
			return false, err
		}
	}
	if m.alone != 0 {
		if err := t.forgetSends(outbox.DeliveryID(m.alone)); err != nil {
			return false, err
		}
		if _, err := t.exec("DELETE FROM finished WHERE id = ?", m.alone); err != nil {
			return false, err
		}
	}
	for state, n := range counts {
		if n > 0 {
			t.count(int64(state), 0, n)
		}
	}
	return true, nil
}
