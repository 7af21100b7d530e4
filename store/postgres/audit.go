package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/internal/audit"
)

// audited is a transaction that writes the act which it is done for, as the last thing before its commit: whoever holds the
// end of the log waits for nobody any more, so transactions that wait for it do not wait in a circle, nor for long.
func audited(p *audit.Pending, run func(context.Context, *tx) error) func(context.Context, *tx) error {
	return func(ctx context.Context, t *tx) error {
		if err := run(ctx, t); err != nil || t.idle {
			return err
		}
		a, open := p.Act()
		if !open {
			return nil
		}
		if err := t.writeAudit(ctx, a); err != nil {
			return err
		}
		t.after(p.Written)
		return nil
	}
}

// WriteAudit implements [audit.Store].
func (s *Store) WriteAudit(ctx context.Context, acts ...audit.Act) error {
	return s.write(audit.NewContext(ctx, nil), func(ctx context.Context, t *tx) error { return t.writeAudit(ctx, acts...) })
}

const (
	beginAudit = "INSERT INTO audit_ends (app_id) VALUES ($1) ON CONFLICT DO NOTHING"
	lockAudit  = `SELECT head, head_hash, greatest(head_at, clock_timestamp()), (SELECT coalesce(max(number), 0) FROM audit WHERE app_id = $1)
		FROM audit_ends WHERE app_id = $1 FOR UPDATE`
	lastAudit = "SELECT number, hash, greatest(at, $2) FROM audit WHERE app_id = $1 ORDER BY number DESC LIMIT 1"
	growAudit = `INSERT INTO audit (app_id, number, at, action, actor, origin, object, detail, trace, sealed, prev, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	moveAudit = "UPDATE audit_ends SET head = $2, head_hash = $3, head_at = $4 WHERE app_id = $1"
)

// writeAudit adds acts of one app, with the commit.
func (t *tx) writeAudit(ctx context.Context, acts ...audit.Act) error {
	if len(acts) == 0 {
		return nil
	}
	app := acts[0].AppID
	head, at, last, err := t.lockAudit(ctx, app)
	if err != nil {
		return err
	}
	if last > head.Number {
		acts = append([]audit.Act{acts[0].Damaged(head.Number)}, acts...)
		var hash []byte
		if err := t.QueryRow(ctx, lastAudit, app, at).Scan(&head.Number, &hash, &at); err != nil {
			return err
		}
		head.Hash = audit.KeptHash(hash)
	}
	for _, a := range acts {
		if a.AppID != app {
			return fmt.Errorf("postgres: acts of the apps %s and %s together", app, a.AppID)
		}
		e := a.Follow(head, at)
		t.last.Queue(growAudit, e.AppID, e.Number, e.At, string(e.Action), e.Actor, e.From, e.Object, e.Detail, e.Trace, e.Sealed,
			e.Prev[:], e.Hash[:])
		head = e.Mark()
	}
	t.last.Queue(moveAudit, app, head.Number, head.Hash[:], at)
	return nil
}

// lockAudit keeps others from adding to an app's log, and returns its newest entry and the time of the next one. last is the
// number of an entry that is there, from before the lock was had: one beyond head shows that the end was tampered with.
func (t *tx) lockAudit(ctx context.Context, app string) (head audit.Mark, at time.Time, last int64, err error) {
	var b pgx.Batch
	b.Queue(beginAudit, app)
	var hash []byte
	b.Queue(lockAudit, app).QueryRow(func(r pgx.Row) error { return r.Scan(&head.Number, &hash, &at, &last) })
	err = t.SendBatch(ctx, &b).Close()
	copy(head.Hash[:], hash)
	return head, at, last, err
}

// AuditEnds implements [audit.Store].
func (s *Store) AuditEnds(ctx context.Context, appID string) (e audit.Ends, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		var foot, head []byte
		err := q.QueryRow(ctx, "SELECT foot, foot_hash, head, head_hash, head_at FROM audit_ends WHERE app_id = $1 AND head > 0", appID).
			Scan(&e.Foot.Number, &foot, &e.Head.Number, &head, (*optionalTime)(&e.HeadAt))
		copy(e.Foot.Hash[:], foot)
		copy(e.Head.Hash[:], head)
		if notThere(err) {
			return nil
		}
		return err
	})
	return e, err
}

const auditColumns = "number, app_id, at, action, actor, origin, object, detail, trace, sealed, prev, hash"

func scanAuditEntry(r pgx.CollectableRow) (e audit.Entry, err error) {
	var prev, hash []byte
	if err := r.Scan(&e.Number, &e.AppID, &e.At, &e.Action, &e.Actor, &e.From, &e.Object, &e.Detail, &e.Trace, &e.Sealed, &prev, &hash); err != nil {
		return audit.Entry{}, err
	}
	e.Prev, e.Hash = audit.KeptHash(prev), audit.KeptHash(hash)
	return e, nil
}

// AuditEntries implements [audit.Store].
func (s *Store) AuditEntries(ctx context.Context, f audit.Filter) (found []audit.Entry, err error) {
	query := "SELECT " + auditColumns + " FROM audit WHERE app_id = $1"
	args := []any{f.AppID}
	add := func(condition string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(" AND "+condition, len(args))
	}
	if f.After > 0 && f.Oldest {
		add("number > $%d", f.After)
	} else if f.After > 0 {
		add("number < $%d", f.After)
	}
	if group, ok := strings.CutSuffix(f.Action, "."); ok {
		add("starts_with(action, $%d)", group+".")
	} else if f.Action != "" {
		add("action = $%d", f.Action)
	}
	if f.Actor != "" {
		add("actor = $%d", f.Actor)
	}
	if f.Object != "" {
		add("object = $%d", f.Object)
	}
	if !f.Since.IsZero() {
		add("at >= $%d", f.Since)
	}
	if !f.Until.IsZero() {
		add("at < $%d", f.Until)
	}
	order := " ORDER BY number DESC"
	if f.Oldest {
		order = " ORDER BY number"
	}
	args = append(args, f.Limit)
	query += order + fmt.Sprintf(" LIMIT $%d", len(args))
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanAuditEntry)
		return err
	})
	return found, err
}

// CutAudit implements [audit.Store].
func (s *Store) CutAudit(ctx context.Context, appID string, before time.Time, limit int, note func(audit.Mark) audit.Act) (n int, err error) {
	err = s.write(audit.NewContext(ctx, nil), func(ctx context.Context, t *tx) error {
		n = 0
		head, _, _, err := t.lockAudit(ctx, appID)
		if err != nil {
			return err
		}
		rows, err := t.Query(ctx, `SELECT * FROM (SELECT `+auditColumns+` FROM audit WHERE app_id = $1 AND number < $2 ORDER BY number LIMIT $3) oldest
			WHERE at < $4 ORDER BY number DESC LIMIT 1`, appID, head.Number, limit, before)
		if err != nil {
			return err
		}
		last, err := pgx.CollectRows(rows, scanAuditEntry)
		if err != nil || len(last) == 0 {
			return err
		}
		foot := last[0].Mark()
		if _, err := t.Exec(ctx, "UPDATE audit_ends SET foot = $2, foot_hash = $3 WHERE app_id = $1", appID, foot.Number, foot.Hash[:]); err != nil {
			return err
		}
		tag, err := t.Exec(ctx, "DELETE FROM audit WHERE app_id = $1 AND number <= $2", appID, foot.Number)
		if err != nil {
			return err
		}
		n = int(tag.RowsAffected())
		return t.writeAudit(ctx, note(foot))
	})
	return n, err
}
