package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/headsup-bot/headsup/outbox"
)

// RecordSend implements [outbox.Store].
func (s *Store) RecordSend(_ context.Context, sent outbox.Send) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.attempt(sent.Delivery, sent.Fence)
	if err != nil {
		return err
	}
	i, known := slices.BinarySearchFunc(d.sends, sent.Ordinal, func(s outbox.Send, n int) int { return cmp.Compare(s.Ordinal, n) })
	if known {
		d.sends[i] = sent
	} else {
		d.sends = slices.Insert(d.sends, i, sent)
	}
	return nil
}

// end plans what an attempt's turn ends its delivery with.
func (t *tx) end(o outbox.Outcome) error {
	if !o.State.Final() {
		return fmt.Errorf("memory: commit: %q is no end", o.State)
	}
	d, err := t.s.attempt(o.Delivery, o.Fence)
	if err != nil {
		return err
	}
	t.then = append(t.then, func() { t.s.record(d, o) })
	return nil
}
