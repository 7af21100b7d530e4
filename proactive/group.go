package proactive

import (
	"context"
	"errors"
	"iter"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/graph"
)

// Groups is the part of Microsoft Graph that tells who is in a group; *graph.Client implements it.
type Groups interface {
	Members(ctx context.Context, group string) iter.Seq2[graph.User, error]
}

// ErrNoGroups: the engine knows of no tenant whose groups it may read. See [FirstContact].
var ErrNoGroups = errors.New("proactive: groups of Microsoft Entra are not read here")

// MaxGroupKey is the longest idempotency key of [Engine.NotifyGroup] in bytes: with somebody's object id it is theirs.
const MaxGroupKey = MaxName - len(":00000000-0000-0000-0000-000000000000")

// groupBatch is how many members of a group are told in one commit.
const groupBatch = 200

// GroupAccepted is what became of a notification to a group, as far as it has come.
type GroupAccepted struct {
	// Accepted counts the people it was accepted for, and Replayed those it had been accepted for before under its key.
	Accepted, Replayed int
	// Guests are not told: apps cannot be installed for them. Refused are those who have blocked the bot, or
	// removed it, and whom it has not met, where such people are left alone.
	Guests, Refused int
}

// NotifyGroup tells everybody in a group of Microsoft Entra, by its object id, those in groups within it too; a team is the group
// of the same id. Each member's is a notification by itself, to their object id and under the key Key:objectid, so that somebody
// whom the bot has not met is looked for as [FirstContact] says. n names no target. It has a key, by which the call may be
// repeated after whatever it has ended with: whoever was told is not told again, and whoever has joined since is.
//
// All that it has counted is stored durably when it returns, with an error too. [ErrNoGroups], [graph.ErrNoGroup], a
// [*graph.Error], or an error of [Engine.Notify].
func (e *Engine) NotifyGroup(ctx context.Context, group string, n headsup.Notification) (told GroupAccepted, err error) {
	members, err := e.membersOf(ctx, group, n)
	if err != nil {
		return told, err
	}
	var next []headsup.Notification
	for u, err := range members {
		if err != nil {
			return told, err
		}
		if u.Guest() {
			told.Guests++
			continue
		}
		if next, err = e.toMember(ctx, next, n, u, &told); err != nil {
			return told, err
		}
		if len(next) == groupBatch {
			if err := e.tellMembers(ctx, next, &told); err != nil {
				return told, err
			}
			next = next[:0]
		}
	}
	return told, e.tellMembers(ctx, next, &told)
}

// membersOf checks what can be checked before anybody is asked who is in the group.
func (e *Engine) membersOf(ctx context.Context, group string, n headsup.Notification) (iter.Seq2[graph.User, error], error) {
	switch {
	case targets(n.To) != 0:
		return nil, &FieldError{"to", "is the group"}
	case len(n.Key) > MaxGroupKey:
		return nil, &FieldError{"idempotency_key", "is too long for a notification to a group"}
	}
	n.To.ObjectID = "somebody"
	if _, _, err := e.draft(ctx, n); err != nil {
		return nil, err
	}
	first := e.cfg.FirstContact
	if first == nil || first.Groups == nil || first.Tenant == "" {
		return nil, ErrNoGroups
	}
	if n.Key == "" {
		return nil, &FieldError{"idempotency_key", "is needed: with it the request can be repeated, and nobody is told twice"}
	}
	g, err := first.Groups(first.Tenant)
	if err != nil {
		return nil, err
	}
	return g.Members(ctx, group), nil
}

// toMember adds a member's notification to those that are to be accepted, unless it was.
func (e *Engine) toMember(
	ctx context.Context, next []headsup.Notification, n headsup.Notification, u graph.User, told *GroupAccepted,
) ([]headsup.Notification, error) {
	id := book.Fold(u.ID)
	if id == "" {
		told.Refused++
		return next, nil
	}
	n.To, n.Key = headsup.Target{ObjectID: id}, n.Key+":"+id
	sub, _, err := e.draft(ctx, n)
	if err != nil {
		return next, err
	}
	switch _, found, err := e.earlier(ctx, sub.Message); {
	case err != nil:
		return next, err
	case found:
		told.Replayed++
		return next, nil
	}
	return append(next, n), nil
}

// tellMembers accepts what some members are to be told.
func (e *Engine) tellMembers(ctx context.Context, next []headsup.Notification, told *GroupAccepted) error {
	results, err := e.NotifyAll(ctx, next)
	if err != nil {
		return err
	}
	var wrong error
	for _, r := range results {
		switch {
		case errors.Is(r.Err, ErrNoTarget):
			told.Refused++
		case r.Err != nil:
			wrong = r.Err
		case r.Replayed:
			told.Replayed++
		default:
			told.Accepted++
		}
	}
	return wrong
}
