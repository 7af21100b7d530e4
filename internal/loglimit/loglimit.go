// Package loglimit keeps those who are refused from filling the log: of each reason one line a minute counts.
//
//	log.Log(ctx, refusals.Level(reason, time.Now()), "caller refused", "reason", reason)
//
// [Reasons] says at which level a line is; counters have all of them.
package loglimit

import (
	"log/slog"
	"sync"
	"time"
)

// Reasons remembers what was logged lately. The zero value has seen nothing. Safe for concurrent use.
type Reasons struct {
	mu  sync.Mutex
	due map[string]time.Time // by reason: when the next line counts; guarded by mu
}

const (
	every = time.Minute
	most  = 200
)

// Level is that of a line with a reason, which is a word of the code: info once a minute for each, debug for all others.
func (s *Reasons) Level(reason string, now time.Time) slog.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.due[reason]) {
		return slog.LevelDebug
	}
	if s.due == nil || len(s.due) >= most {
		s.due = make(map[string]time.Time)
	}
	s.due[reason] = now.Add(every)
	return slog.LevelInfo
}
