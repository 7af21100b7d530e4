package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
)

// auditLog is an app's.
type auditLog struct {
	ends    audit.Ends
	entries []audit.Entry
}

// WriteAudit implements [audit.Store].
func (s *Store) WriteAudit(_ context.Context, acts ...audit.Act) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range acts {
		s.auditOf(a.AppID).write(a)
	}
	return nil
}

// auditOf is an app's log. The store's lock is held.
func (s *Store) auditOf(appID string) *auditLog {
	if s.audits == nil {
		s.audits = make(map[string]*auditLog)
	}
	if s.audits[appID] == nil {
		s.audits[appID] = new(auditLog)
	}
	return s.audits[appID]
}

func (l *auditLog) write(a audit.Act) {
	at := time.Now()
	if at.Before(l.ends.HeadAt) {
		at = l.ends.HeadAt
	}
	e := a.Follow(l.ends.Head, at)
	l.entries = append(l.entries, e)
	l.ends.Head, l.ends.HeadAt = e.Mark(), e.At
}

// AuditEntries implements [audit.Store].
func (s *Store) AuditEntries(_ context.Context, f audit.Filter) ([]audit.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []audit.Entry
	entries := s.auditOf(f.AppID).entries
	for i := range entries {
		e := entries[i]
		if !f.Oldest {
			e = entries[len(entries)-1-i]
		}
		if len(found) < f.Limit && f.Matches(e) {
			found = append(found, e)
		}
	}
	return found, nil
}

// AuditEnds implements [audit.Store].
func (s *Store) AuditEnds(_ context.Context, appID string) (audit.Ends, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auditOf(appID).ends, nil
}

// CutAudit implements [audit.Store].
func (s *Store) CutAudit(_ context.Context, appID string, before time.Time, limit int, note func(audit.Mark) audit.Act) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.auditOf(appID)
	n := slices.IndexFunc(l.entries, func(e audit.Entry) bool { return !e.At.Before(before) })
	if n < 0 {
		n = len(l.entries) - 1 // the last one stays
	}
	if n = min(n, limit); n <= 0 {
		return 0, nil
	}
	l.ends.Foot = l.entries[n-1].Mark()
	l.entries = slices.Clone(l.entries[n:])
	l.write(note(l.ends.Foot))
	return n, nil
}
