package state

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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

// Load returns the value, or T's zero value when it was never set. A value that another SDK wrote, with the names of its
// types inside, is read without them and its members in any letter case; only a [jsontext.Value] is loaded as it was stored.
func (p Property[T]) Load(ctx context.Context, t *headsup.Turn) (v T, err error) {
	err = with(ctx, t, p.scope, func(d *document) error {
		v, err = p.read(d)
		return err
	})
	return v, err
}

// Set changes the value. It is saved when the turn commits.
func (p Property[T]) Set(ctx context.Context, t *headsup.Turn, v T) error {
	return with(ctx, t, p.scope, func(d *document) error { return p.write(d, v) })
}

// Update loads the value, lets f change it and sets it, unless f returns an error. Nothing else of the turn uses the scope
// meanwhile, so f uses no state itself.
func (p Property[T]) Update(ctx context.Context, t *headsup.Turn, f func(*T) error) error {
	return with(ctx, t, p.scope, func(d *document) error {
		v, err := p.read(d)
		if err != nil {
			return err
		}
		if err := f(&v); err != nil {
			return err
		}
		return p.write(d, v)
	})
}

// Clear removes the value.
func (p Property[T]) Clear(ctx context.Context, t *headsup.Turn) error {
	return with(ctx, t, p.scope, func(d *document) error {
		if _, ok := d.members[p.name]; ok {
			delete(d.members, p.name)
			d.changed = true
		}
		return nil
	})
}

func (p Property[T]) read(d *document) (v T, err error) {
	raw, ok := d.members[p.name]
	if !ok {
		return v, nil
	}
	if whole, ok := any(&v).(*jsontext.Value); ok {
		*whole = bytes.Clone(raw)
		return v, nil
	}
	if err := Decode(raw, &v); err != nil {
		return v, fmt.Errorf("state: decode %s %q: %w", p.scope, p.name, err)
	}
	return v, nil
}

func (p Property[T]) write(d *document, v T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: encode %s %q: %w", p.scope, p.name, err)
	}
	if old, ok := d.members[p.name]; ok && bytes.Equal(old, raw) {
		return nil
	}
	d.members[p.name] = raw
	d.changed = true
	return nil
}
