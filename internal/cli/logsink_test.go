package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/cli"
)

// gate is a log that nobody reads until it is opened.
type gate struct {
	open chan struct{}
	fail bool

	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	if g.fail {
		return 0, errors.New("the disk is full")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

func TestLogThatNobodyReadsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	log, end := cli.QuietLogger(g, "info", "text")
	const lines = 10_000
	for i := range lines {
		log.Info("line", "n", i, "filler", strings.Repeat("x", 1000))
	}
	close(g.open)
	deadline := time.Now().Add(time.Minute)
	var said string
	for !strings.Contains(said, "dropped") {
		if time.Now().After(deadline) {
			t.Fatal("it does not say that lines were dropped")
		}
		time.Sleep(time.Millisecond)
		g.mu.Lock()
		said = g.text.String()
		g.mu.Unlock()
	}
	log.Info("last")
	end()
	said = g.text.String()
	written := strings.Count(said, "msg=line ")
	if want := fmt.Sprintf("level=WARN msg=\"lines of the log were dropped\" lines=%d\n", lines-written); !strings.Contains(said, want) {
		t.Errorf("%d lines of %d, and no %q", written, lines, want)
	}
	if !strings.HasSuffix(said, "msg=last\n") {
		t.Error("the last line is missing")
	}
	log.Info("too late") // is no harm
}

func TestLogOnAFullDiskHoldsUpNobody(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{}), fail: true}
	close(g.open)
	log, end := cli.QuietLogger(g, "info", "json")
	for range 100 {
		log.Info("line")
	}
	end()
	if g.text.Len() > 0 {
		t.Error(g.text.String())
	}
}
