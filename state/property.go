package state

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
)

// Property is one named value in a scope's document. T is anything that encodes to JSON. Safe for concurrent use.
type Property[T any] struct {
	scope Scope
	name  string
}

// NewProperty names a value. Two properties with the same scope and name are the same value.
func NewProperty[T any](s Scope, name string) Property[T] {
	return Property[T]{scope: s, name: name}
}

// Load returns the value, or T's zero value when it was never set.
func (p Property[T]) Load(ctx context.Context, t *headsup.Turn) (T, error) {
	var v T
	err := p.with(ctx, t, func(d *document) error {
		raw, ok := d.members[p.name]
		if !ok {
			return nil
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("state: decode %s %q: %w", p.scope, p.name, err)
		}
		return nil
	})
	return v, err
}

// Set changes the value. It is saved when the turn commits.
func (p Property[T]) Set(ctx context.Context, t *headsup.Turn, v T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: encode %s %q: %w", p.scope, p.name, err)
	}
	return p.with(ctx, t, func(d *document) error {
		d.members[p.name] = raw
		d.changed = true
		return nil
	})
}

// Clear removes the value.
func (p Property[T]) Clear(ctx context.Context, t *headsup.Turn) error {
	return p.with(ctx, t, func(d *document) error {
		if _, ok := d.members[p.name]; ok {
			delete(d.members, p.name)
			d.changed = true
		}
		return nil
	})
}

func (p Property[T]) with(ctx context.Context, t *headsup.Turn, use func(*document) error) error {
	c, err := cacheOf(t)
	if err != nil {
		return err
	}
	key, err := KeyFor(t, p.scope)
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
