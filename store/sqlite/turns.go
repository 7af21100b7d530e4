package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
)

// lease is a conversation's lease in the table of one store.
type lease struct {
	*turnlock.Lease[headsup.ConversationKey]
	store *Store
}

// Lease implements [headsup.Turns].
func (s *Store) Lease(ctx context.Context, key headsup.ConversationKey) (headsup.Lease, error) {
	l, err := s.leases.Acquire(ctx, key)
	if err != nil {
		return nil, err
	}
	return &lease{Lease: l, store: s}, nil
}

// Answered implements [headsup.Turns].
func (s *Store) Answered(
	ctx context.Context, key headsup.ConversationKey, id activity.ID,
) (answer headsup.Answer, found bool, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err = c.one(func(r row) { answer = headsup.Answer{Status: int(r.int(0)), Body: r.bytes(1)} },
			"SELECT status, body FROM inbound WHERE conversation = ? AND activity_id = ?", keyHash(key), text(id))
		return err
	})
	return answer, found, err
}

// Commit implements [headsup.Turns].
func (s *Store) Commit(ctx context.Context, l headsup.Lease, ops []headsup.Op) error {
	held, ok := l.(*lease)
	if !ok || held.store != s {
		return errors.New("sqlite: commit: the lease is not one of this store")
	}
	for _, op := range ops {
		switch op.(type) {
		case headsup.RecordAnswer, headsup.Mark, state.Save, outbox.Submit, outbox.Conclude, schedule.Create, event.Heard, event.Acted:
		default:
			return fmt.Errorf("sqlite: commit: unknown op %T", op)
		}
	}
	return s.writer.do(ctx, func(t *tx) error {
		if !held.Extend() { // from here on nobody takes it before the commit is done
			return headsup.ErrLeaseLost
		}
		for _, op := range ops {
			if err := t.apply(held.Key(), op); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) apply(key headsup.ConversationKey, op headsup.Op) error {
	switch op := op.(type) {
	case headsup.RecordAnswer:
		return t.recordAnswer(key, op)
	case headsup.Mark:
		e, err := t.conversationByKey(key)
		if e == nil || err != nil {
			return err
		}
		_, err = t.mark(e, op)
		return err
	case state.Save:
		return t.writeState(op.Writes)
	case outbox.Submit:
		for i := range op.Submissions {
			if _, err := t.submit(&op.Submissions[i], false); err != nil {
				return err
			}
		}
	case outbox.Conclude:
		return t.endWithTurn(op.Outcome)
	case schedule.Create:
		_, _, err := t.createSchedule(op.Schedule, op.Most)
		return err
	case event.Heard:
		return t.hear(key, op)
	case event.Acted:
		return t.acted(key, op)
	}
	return nil
}

func (t *tx) recordAnswer(key headsup.ConversationKey, op headsup.RecordAnswer) error {
	if _, err := t.exec(`INSERT INTO inbound (conversation, activity_id, status, body, at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET status = excluded.status, body = excluded.body, at = excluded.at`,
		keyHash(key), text(op.Activity), op.Answer.Status, op.Answer.Body, op.At); err != nil {
		return err
	}
	e, err := t.conversationByKey(key)
	if e == nil || err != nil {
		return err
	}
	next := *e
	next.conv.LastInboundAt = exact(op.At)
	t.book.put(&next)
	if _, err = t.exec("UPDATE conversations SET last_inbound_at = ? WHERE id = ?", op.At, int64(e.conv.Row)); err != nil {
		return err
	}
	r, err := t.route(e.route)
	if err != nil {
		return err
	}
	return t.keepUse(r.way, e.conversationIn(), op.At)
}

// keyHash stands for a conversation's key.
func keyHash(k headsup.ConversationKey) []byte {
	var b []byte
	for _, part := range [...]string{
		k.AppID, string(k.Tenant), string(k.Channel), string(k.Bot), string(k.Conversation),
	} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return h[:]
}

const (
	keepAnswers  = 24 * time.Hour
	forgetEvery  = time.Minute
	forgetAtOnce = 200
)

// forget deletes old answers, a few in each transaction, until ctx ends.
func (s *Store) forget(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			err := s.writer.do(ctx, func(t *tx) error {
				n, err := t.exec(
					"DELETE FROM inbound WHERE rowid IN (SELECT rowid FROM inbound WHERE at < ? ORDER BY at LIMIT +?)",
					s.cfg.Now().Add(-keepAnswers), int64(forgetAtOnce))
				more = n == forgetAtOnce
				return err
			})
			if err != nil {
				more = false
				if ctx.Err() == nil {
					s.cfg.Logger.WarnContext(ctx, "old answers stay", "error", err)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
