package sqlite

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
)

// audited is an operation that writes the act which it is done for, if it changes anything and the act was not written by
// an earlier one.
func audited(p *audit.Pending, run func(*tx) error) func(*tx) error {
	return func(t *tx) error {
		if err := run(t); err != nil || !t.wrote {
			return err
		}
		a, open := p.Act()
		if !open {
			return nil
		}
		if err := t.writeAudit(a); err != nil {
			return err
		}
		t.after(p.Written)
		return nil
	}
}

// WriteAudit implements [audit.Store].
func (s *Store) WriteAudit(ctx context.Context, acts ...audit.Act) error {
	return s.writer.do(audit.NewContext(ctx, nil), func(t *tx) error {
		for _, a := range acts {
			if err := t.writeAudit(a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) writeAudit(a audit.Act) error {
	ends, err := auditEnds(t.conn, a.AppID)
	if err != nil {
		return err
	}
	known, lost := ends.Head.Number, false
	if _, err := t.one(func(r row) {
		if lost = r.int(0) > known; lost {
			ends.Head, ends.HeadAt = audit.Mark{Number: r.int(0), Hash: audit.KeptHash(r.bytes(1))}, r.time(2)
		}
	}, "SELECT number, hash, at FROM audit WHERE app_id = ? ORDER BY number DESC LIMIT 1", text(a.AppID)); err != nil {
		return err
	}
	if lost {
		if ends, err = t.growAudit(ends, a.Damaged(known)); err != nil {
			return err
		}
	}
	_, err = t.growAudit(ends, a)
	return err
}

func (t *tx) growAudit(ends audit.Ends, a audit.Act) (audit.Ends, error) {
	at := t.store.cfg.Now()
	if at.Before(ends.HeadAt) {
		at = ends.HeadAt
	}
	e := a.Follow(ends.Head, at)
	ends.Head, ends.HeadAt = e.Mark(), e.At
	if _, err := t.exec(`INSERT INTO audit (app_id, number, at, action, actor, origin, object, detail, trace, sealed, prev, hash)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, text(e.AppID), e.Number, e.At, text(e.Action), text(e.Actor), text(e.From),
		text(e.Object), text(e.Detail), text(e.Trace), text(e.Sealed), e.Prev[:], e.Hash[:]); err != nil {
		return ends, err
	}
	_, err := t.exec(`INSERT INTO audit_ends (app_id, foot, foot_hash, head, head_hash, head_at) VALUES (?, 0, x'', ?, ?, ?)
		ON CONFLICT DO UPDATE SET head = excluded.head, head_hash = excluded.head_hash, head_at = excluded.head_at`,
		text(e.AppID), e.Number, e.Hash[:], e.At)
	return ends, err
}

func auditEnds(c *conn, appID string) (e audit.Ends, err error) {
	_, err = c.one(func(r row) {
		e.Foot.Number, e.Head.Number, e.HeadAt = r.int(0), r.int(2), r.time(4)
		copy(e.Foot.Hash[:], r.bytes(1))
		copy(e.Head.Hash[:], r.bytes(3))
	}, "SELECT foot, foot_hash, head, head_hash, head_at FROM audit_ends WHERE app_id = ?", text(appID))
	return e, err
}

// AuditEnds implements [audit.Store].
func (s *Store) AuditEnds(ctx context.Context, appID string) (e audit.Ends, err error) {
	err = s.read(ctx, func(c *conn) error {
		e, err = auditEnds(c, appID)
		return err
	})
	return e, err
}

// AuditEntries implements [audit.Store].
func (s *Store) AuditEntries(ctx context.Context, f audit.Filter) (found []audit.Entry, err error) {
	query := `SELECT number, app_id, at, action, actor, origin, object, detail, trace, sealed, prev, hash FROM audit
		WHERE app_id = ?`
	args := []any{text(f.AppID)}
	add := func(condition string, arg any) {
		query += " AND " + condition
		args = append(args, arg)
	}
	if f.After > 0 && f.Oldest {
		add("number > ?", f.After)
	} else if f.After > 0 {
		add("number < ?", f.After)
	}
	for _, c := range []struct{ column, value string }{{"action", f.Action}, {"actor", f.Actor}, {"object", f.Object}} {
		switch {
		case c.value == "":
		case c.column == "action" && c.value[len(c.value)-1] == '.':
			add("action > ?", text(c.value))
			add("action < ?", text(c.value[:len(c.value)-1]+"/")) // which comes after the dot
		default:
			add(c.column+" = ?", text(c.value))
		}
	}
	if !f.Since.IsZero() {
		add("at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		add("at < ?", f.Until)
	}
	order := " ORDER BY number DESC LIMIT ?"
	if f.Oldest {
		order = " ORDER BY number LIMIT ?"
	}
	err = s.read(ctx, func(c *conn) error {
		found = nil
		return c.each(func(r row) error {
			found = append(found, scanAuditEntry(r))
			return nil
		}, query+order, append(args, f.Limit)...)
	})
	return found, err
}

func scanAuditEntry(r row) audit.Entry {
	return audit.Entry{
		Number: r.int(0), AppID: r.text(1), At: r.time(2), Action: audit.Action(r.text(3)), Actor: r.text(4), From: r.text(5),
		Object: r.text(6), Detail: r.text(7), Trace: r.text(8), Sealed: r.text(9),
		Prev: audit.KeptHash(r.bytes(10)), Hash: audit.KeptHash(r.bytes(11)),
	}
}

// CutAudit implements [audit.Store].
func (s *Store) CutAudit(ctx context.Context, appID string, before time.Time, limit int, note func(audit.Mark) audit.Act) (n int, err error) {
	err = s.writer.do(audit.NewContext(ctx, nil), func(t *tx) error {
		n = 0
		var last audit.Entry
		found, err := t.one(func(r row) { last = scanAuditEntry(r) }, `SELECT number, app_id, at, action, actor, origin, object,
				detail, trace, sealed, prev, hash FROM (SELECT * FROM audit WHERE app_id = ?1
				AND number < (SELECT head FROM audit_ends WHERE app_id = ?1) ORDER BY number LIMIT ?2)
			WHERE at < ?3 ORDER BY number DESC LIMIT 1`, text(appID), limit, before)
		if err != nil || !found {
			return err
		}
		if _, err := t.exec("UPDATE audit_ends SET foot = ?, foot_hash = ? WHERE app_id = ?", last.Number, last.Hash[:], text(appID)); err != nil {
			return err
		}
		gone, err := t.exec("DELETE FROM audit WHERE app_id = ? AND number <= ?", text(appID), last.Number)
		if err != nil {
			return err
		}
		n = int(gone)
		return t.writeAudit(note(last.Mark()))
	})
	return n, err
}
