package trunk

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestWhatWasWrittenLeavesBeforeTheEnd: closing a connection loses nothing that was written to it.
func TestWhatWasWrittenLeavesBeforeTheEnd(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	b := newBatcher(near)
	var want strings.Builder
	for range 100 {
		piece := strings.Repeat("x", 500)
		want.WriteString(piece)
		if _, err := io.WriteString(b, piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(b, "late"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
	got, err := io.ReadAll(far)
	if err != nil || string(got) != want.String() {
		t.Errorf("%d of %d bytes, %v", len(got), want.Len(), err)
	}
}

// TestWritersLearnThatNobodyReads: those who wait for room are told when there will be none.
func TestWritersLearnThatNobodyReads(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	b := newBatcher(near)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				if _, err := b.Write(make([]byte, mostUnwritten)); err != nil {
					return
				}
			}
		})
	}
	if _, err := io.ReadFull(far, make([]byte, mostUnwritten)); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	_ = b.Close()
}
