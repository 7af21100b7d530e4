package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
)

// Middleware gives every turn its state, and stages what has changed when the turn succeeds. Turns that nest share it.
func Middleware(store Store) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			if t.Value(cacheKey{}) != nil {
				return next.HandleTurn(ctx, t)
			}
			c := &cache{store: store, docs: make(map[Key]*document)}
			t.SetValue(cacheKey{}, c)
			if err := next.HandleTurn(ctx, t); err != nil {
				return err
			}
			writes, err := c.changes()
			if err != nil {
				return err
			}
			if len(writes) > 0 {
				t.Stage(Save{Writes: writes})
			}
			return nil
		})
	}
}

// Forget removes everything that a scope's document holds. It is saved when the turn commits. Dialogs that it holds go with
// it, so that the conversation is no longer busy with them.
func Forget(ctx context.Context, t *headsup.Turn, s Scope) error {
	return with(ctx, t, s, func(d *document) error {
		for name, was := range d.members {
			if err := free(t, s, name, was); err != nil {
				return err
			}
		}
		d.changed = d.changed || len(d.members) > 0
		clear(d.members)
		return nil
	})
}

type cacheKey struct{}

// cache is the state of one turn.
type cache struct {
	store Store

	mu   sync.Mutex
	docs map[Key]*document
}

type document struct {
	etag    string
	members map[string]jsontext.Value
	changed bool
}

var errNoMiddleware = errors.New("state: the turn has no state; add state.Middleware to the bot")

// with uses a scope's document, which nobody else uses meanwhile.
func with(ctx context.Context, t *headsup.Turn, s Scope, use func(*document) error) error {
	c, ok := t.Value(cacheKey{}).(*cache)
	if !ok {
		return errNoMiddleware
	}
	key, err := KeyFor(t, s)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.load(ctx, key)
	if err != nil {
		return err
	}
	return use(d)
}

// load returns a document, reading it once. c.mu is held, across the read too: a turn's own goroutines wait for it.
func (c *cache) load(ctx context.Context, key Key) (*document, error) {
	if d, ok := c.docs[key]; ok {
		return d, nil
	}
	found, err := c.store.ReadState(ctx, []Key{key})
	if err != nil {
		return nil, fmt.Errorf("state: read: %w", err)
	}
	d := &document{members: make(map[string]jsontext.Value)}
	if stored, ok := found[key]; ok {
		d.etag = stored.ETag
		if err := json.Unmarshal(stored.Value, &d.members); err != nil {
			return nil, fmt.Errorf("state: the document %s is not a JSON object: %w", key.Path, err)
		}
	}
	c.docs[key] = d
	return d, nil
}

// changes are the writes of what has changed, always in the same order, so that turns which save several of the same
// documents do not wait for each other in a circle.
func (c *cache) changes() ([]Write, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var writes []Write
	for key, d := range c.docs {
		if !d.changed {
			continue
		}
		w := Write{Key: key, ETag: d.etag}
		if len(d.members) > 0 {
			raw, err := json.Marshal(d.members, json.Deterministic(true))
			if err != nil {
				return nil, fmt.Errorf("state: encode: %w", err)
			}
			if len(raw) > MaxDocument {
				return nil, &SizeError{Path: key.Path, Size: len(raw), Largest: d.largest()}
			}
			w.Value = raw
		}
		writes = append(writes, w)
	}
	slices.SortFunc(writes, func(a, b Write) int {
		return cmp.Or(cmp.Compare(a.Key.AppID, b.Key.AppID), cmp.Compare(a.Key.Tenant, b.Key.Tenant),
			cmp.Compare(a.Key.Path, b.Key.Path))
	})
	return writes, nil
}

// largest names the member that takes the most room.
func (d *document) largest() string {
	return slices.MaxFunc(slices.Sorted(maps.Keys(d.members)), func(a, b string) int {
		return cmp.Compare(len(d.members[a]), len(d.members[b]))
	})
}
