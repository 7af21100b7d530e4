package memory

import (
	"context"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/state"
)

// document is a stored document. Versions are never used twice, so that a document that was deleted and written again
// is not taken for the one before.
type document struct {
	value   jsontext.Value
	version int64
}

func (d document) etag() string {
	if d.version == 0 {
		return ""
	}
	return strconv.FormatInt(d.version, 10)
}

// ReadState implements [state.Store].
func (s *Store) ReadState(_ context.Context, keys []state.Key) (map[state.Key]state.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[state.Key]state.Document, len(keys))
	for _, key := range keys {
		if d, ok := s.docs[key]; ok {
			found[key] = state.Document{Value: slices.Clone(d.value), ETag: d.etag()}
		}
	}
	return found, nil
}

// WriteState implements [state.Store].
func (s *Store) WriteState(_ context.Context, writes []state.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.begin()
	if err := t.write(writes); err != nil {
		return err
	}
	t.commit()
	return nil
}

func (t *tx) write(writes []state.Write) error {
	for _, w := range writes {
		now, planned := t.docs[w.Key]
		if !planned {
			now = t.s.docs[w.Key]
		}
		if w.ETag != "*" && w.ETag != now.etag() {
			return state.ErrConflict
		}
		next := document{}
		if len(w.Value) > 0 {
			t.s.version++
			next = document{value: slices.Clone(w.Value), version: t.s.version}
		}
		t.docs[w.Key] = next
	}
	return nil
}
