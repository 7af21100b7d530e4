package proactive

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// name is by what a target names somebody or some place of the book; the zero value for other targets.
type name struct {
	conversation activity.ConversationID
	user         activity.AccountID
	person       book.PersonKey
}

func nameOf(to headsup.Target) name {
	switch {
	case to.Reference != nil:
		return name{}
	case to.Conversation != "":
		return name{conversation: to.Conversation}
	case to.Team != "", to.ReplyTo != "", to.Address != "":
		return name{}
	case to.User != "":
		return name{user: to.User}
	}
	return name{person: keyOfPerson(to)}
}

// lookUp finds the conversations that have a name, newest sighting first.
type lookUp func(context.Context, name) ([]book.Conversation, error)

func (e *Engine) lookUp(ctx context.Context, n name) ([]book.Conversation, error) {
	switch {
	case n.conversation != "":
		return e.cfg.Store.ConversationsByID(ctx, e.cfg.AppID, n.conversation)
	case n.user != "":
		return e.cfg.Store.ConversationsByUser(ctx, e.cfg.AppID, n.user)
	}
	return e.cfg.Store.ConversationsOf(ctx, e.cfg.AppID, n.person)
}

// ahead looks up whom several notifications name, before they are looked at one after the other, where that saves time. Who was
// not found is looked up again then: one of those before may have put him into the book.
func (e *Engine) ahead(ctx context.Context, all []headsup.Notification) lookUp {
	g, far := e.cfg.Store.(book.Gatherer)
	if !far || g.LookUpsAtOnce() < 2 || len(all) < 2 {
		return e.lookUp
	}
	var names []name
	places := make(map[name]int, len(all))
	for _, n := range all {
		of := nameOf(n.To)
		if _, ok := places[of]; !ok && of != (name{}) {
			places[of] = len(names)
			names = append(names, of)
		}
	}
	found := make([][]book.Conversation, len(names))
	if len(names) > 1 {
		var next atomic.Int64
		var wait sync.WaitGroup
		for range min(len(names), g.LookUpsAtOnce()) {
			wait.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
					found[i], _ = e.lookUp(ctx, names[i]) // an error shows when it is looked up again
				}
			})
		}
		wait.Wait()
	}
	return func(ctx context.Context, n name) ([]book.Conversation, error) {
		if i, ok := places[n]; ok && len(found[i]) > 0 {
			return found[i], nil
		}
		return e.lookUp(ctx, n)
	}
}
