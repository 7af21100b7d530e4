package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// PreferenceChange changes what somebody wants to be told.
type PreferenceChange = book.PreferenceChange

// Preferences returns what whom a conversation is with wants to be told, or what was said for a group or a channel.
// [book.ErrNotFound].
func (e *Engine) Preferences(ctx context.Context, key headsup.ConversationKey) (book.Preferences, error) {
	c, err := e.cfg.Store.Conversation(ctx, key)
	return c.Preferences, err
}

// Prefer changes what whom a conversation is with wants to be told, in all their conversations, and returns what they want
// then. What waits, however long ago it was accepted, goes by that. When it returns without an error, nothing is being sent
// any more that was handed out before: somebody who has opted out is written to no more. That takes as long as a call to the
// channel that is under way. An error of ctx comes after the change. [book.ErrNotFound], and a [*FieldError].
func (e *Engine) Prefer(ctx context.Context, key headsup.ConversationKey, c PreferenceChange) (book.Preferences, error) {
	return e.prefer(ctx, book.Whose{Key: key}, c)
}

// PersonPreferences is [Engine.Preferences] for a person by their id. [book.ErrNobody].
func (e *Engine) PersonPreferences(ctx context.Context, id string) (book.Preferences, error) {
	rows, err := personRows([]string{id})
	if err != nil {
		return book.Preferences{}, err
	}
	return e.cfg.Store.PreferencesOf(ctx, e.cfg.AppID, rows[0])
}

// PreferPerson is [Engine.Prefer] for a person by their id, on no channel in particular. [book.ErrNobody].
func (e *Engine) PreferPerson(ctx context.Context, id string, c PreferenceChange) (book.Preferences, error) {
	rows, err := personRows([]string{id})
	if err != nil {
		return book.Preferences{}, err
	}
	return e.prefer(ctx, book.Whose{AppID: e.cfg.AppID, Person: rows[0]}, c)
}

func (e *Engine) prefer(ctx context.Context, w book.Whose, c PreferenceChange) (book.Preferences, error) {
	if err := c.Validate(); err != nil {
		wrong, _ := errors.AsType[*book.PreferenceError](err)
		return book.Preferences{}, &FieldError{wrong.Field, wrong.Reason}
	}
	for name, wanted := range c.Topics {
		if wanted != nil && !*wanted && e.topicOf(name).Mandatory {
			return book.Preferences{}, &FieldError{"topics", fmt.Sprintf("has %q, which is mandatory", name)}
		}
	}
	if c.At.IsZero() {
		c.At = e.cfg.Now()
	}
	done, err := e.cfg.Store.Prefer(ctx, w, c)
	if err != nil {
		return book.Preferences{}, err
	}
	return done.Now, e.stillSending(ctx, done.Rows)
}

// stillSending waits until nothing is being sent in some conversations that was handed out before, or may not be sent any
// more. A turn need not wait for itself.
func (e *Engine) stillSending(ctx context.Context, in []book.Row) error {
	if key, running := headsup.InTurn(ctx); running {
		if own, err := e.cfg.Store.Conversation(ctx, key); err == nil {
			in = slices.DeleteFunc(slices.Clone(in), func(r book.Row) bool { return r == own.Row })
		}
	}
	if len(in) == 0 {
		return nil
	}
	before, err := e.cfg.Store.Sending(ctx, in)
	end := time.Now().Add(headsup.LeaseTime)
	for wait := 2 * time.Millisecond; err == nil && len(before) > 0 && time.Now().Before(end); wait = min(2*wait, 50*time.Millisecond) {
		if rest(ctx, wait); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var now []outbox.Running
		now, err = e.cfg.Store.Sending(ctx, in)
		before = slices.DeleteFunc(before, func(r outbox.Running) bool { return !slices.Contains(now, r) })
	}
	return err
}
