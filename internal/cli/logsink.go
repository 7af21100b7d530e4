package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// mostQueued bounds the lines that wait for whoever reads the log, in bytes.
const mostQueued = 1 << 20

// logSink takes the lines of the log and writes them behind the back of whoever logs: a pipe that nobody reads, or a disk
// that hangs, must not hold up deliveries. What does not fit any more is dropped, and counted.
type logSink struct {
	out io.Writer
	// dropped is told, once lines can be written again, how many were not.
	dropped func(lines int)

	mu     sync.Mutex
	queue  []byte        // guarded by mu, as all below
	missed int           // lines
	more   chan struct{} // closed when there is more in the queue, or nothing will be
	closed bool

	ended chan struct{}
}

// newLogSink starts one; close ends it. dropped may log to it.
func newLogSink(out io.Writer, dropped func(lines int)) *logSink {
	s := &logSink{out: out, dropped: dropped, more: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// Write implements [io.Writer]: p is one line. It never waits and never fails.
func (s *logSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.queue)+len(p) > mostQueued {
		s.missed++
		return len(p), nil
	}
	if len(s.queue) == 0 {
		close(s.more)
	}
	s.queue = append(s.queue, p...)
	return len(p), nil
}

func (s *logSink) run() {
	defer close(s.ended)
	for {
		s.mu.Lock()
		more := s.more
		s.mu.Unlock()
		<-more
		s.mu.Lock()
		lines, last := s.queue, s.closed
		s.queue = nil
		if !last {
			s.more = make(chan struct{})
		}
		s.mu.Unlock()
		failed := 0
		if len(lines) > 0 {
			if n, err := s.out.Write(lines); err != nil { // there is nowhere to complain
				failed = bytes.Count(lines[n:], []byte("\n"))
			}
		}
		if last {
			return
		}
		s.mu.Lock()
		s.missed += failed
		missed := s.missed
		if failed > 0 || len(s.queue) > mostQueued/2 {
			missed = 0 // it might be lost as well: later
		} else {
			s.missed = 0
		}
		s.mu.Unlock()
		if missed > 0 {
			s.dropped(missed)
		}
	}
}

// close writes what is queued, unless that takes longer than patience. What is logged later is dropped.
func (s *logSink) close(patience time.Duration) {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if len(s.queue) == 0 {
			close(s.more)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.ended:
	case <-time.After(patience):
	}
}
