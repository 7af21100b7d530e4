package sqlite

import (
	"context"
	"maps"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// Change implements [book.Store].
func (s *Store) Change(ctx context.Context, c book.Change) (n int, err error) {
	if err := s.settle(ctx); err != nil {
		return 0, err
	}
	c.At = exact(c.At)
	err = s.writer.do(ctx, func(t *tx) error {
		all, err := t.concerned(c)
		n = len(all)
		if err != nil {
			return err
		}
		for _, e := range all {
			if err := t.changeConversation(e, c); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// concerned lists the conversations that a change is about.
func (t *tx) concerned(c book.Change) (all []*entry, err error) {
	if c.Team == "" {
		e, err := t.conversationByKey(c.Key)
		if e == nil || err != nil {
			return nil, err
		}
		return []*entry{e}, nil
	}
	var rows []book.Row
	if err := t.each(func(r row) error {
		rows = append(rows, book.Row(r.int(0)))
		return nil
	}, `SELECT c.id FROM conversations c WHERE c.team_id = ? AND +c.app_id = ? AND +c.channel_id = ? AND +c.tenant_id = ?
		AND +c.bot_id = ? ORDER BY c.id`, text(c.Team), text(c.Key.AppID), text(c.Key.Channel), text(c.Key.Tenant), text(c.Key.Bot)); err != nil {
		return nil, err
	}
	for _, r := range rows {
		e, err := t.conversation(r)
		if err != nil {
			return nil, err
		}
		if c.Room == "" || c.Room == e.conv.Place.Room {
			all = append(all, e)
		}
	}
	return all, nil
}

func (t *tx) changeConversation(known *entry, c book.Change) error {
	next := *known
	if c.Takes(known.conv) {
		stand(&next.conv, known.conv.Struck(c.Standing))
	}
	p := &next.conv.Place
	if *p = (book.Place{TeamName: c.TeamName}).Over(*p); c.Room != "" {
		*p = book.Place{RoomName: c.RoomName}.Over(*p)
	}
	next.conv.UpdatedAt = c.At
	if err := t.depart(&next, c.Left); err != nil {
		return err
	}
	t.book.put(&next)
	to := &next.conv
	_, err := t.exec(`UPDATE conversations SET reach = ?, reach_cause = ?, reach_at = ?, reach_until = ?, team_name = ?, room_name = ?,
		updated_at = ? WHERE id = ?`,
		text(to.Reach), text(to.Cause), to.ReachAt, to.Until, p.TeamName, p.RoomName, c.At, int64(to.Row))
	return err
}

// depart takes people out of a conversation.
func (t *tx) depart(e *entry, left []activity.AccountID) error {
	if len(left) == 0 {
		return nil
	}
	e.people, e.packedPeople = maps.Clone(e.known()), ""
	k := e.conv.Key
	for _, id := range left {
		delete(e.people, id)
		if _, err := t.exec(`DELETE FROM members WHERE conversation = ? AND person IN (SELECT p.id FROM people p
				WHERE p.app_id = ? AND p.user_id = ? AND p.channel_id = ? AND p.tenant_id = ?)`,
			int64(e.conv.Row), text(k.AppID), text(id), text(k.Channel), text(k.Tenant)); err != nil {
			return err
		}
	}
	return nil
}

// Reopen implements [book.Store].
func (s *Store) Reopen(ctx context.Context, at time.Time, n int) (reopened int, err error) {
	at = exact(at)
	var rows []book.Row
	const lapsed = `SELECT c.id FROM conversations c WHERE c.reach_until > 0 AND c.reach_until <= ? LIMIT ?`
	due := func(each func(func(row) error, string, ...any) error) error {
		rows = nil
		return each(func(r row) error {
			rows = append(rows, book.Row(r.int(0)))
			return nil
		}, lapsed, at, n)
	}
	if err := s.read(ctx, func(c *conn) error { return due(c.each) }); err != nil || len(rows) == 0 {
		return 0, err
	}
	err = s.writer.do(ctx, func(t *tx) error {
		if err := due(t.each); err != nil {
			return err
		}
		for _, r := range rows {
			e, err := t.conversation(r)
			if err != nil {
				return err
			}
			if err := t.reaches(e, book.Standing{Reach: book.ReachActive, Cause: book.CauseTimeOver, At: at}); err != nil {
				return err
			}
		}
		reopened = len(rows)
		return nil
	})
	return reopened, err
}
