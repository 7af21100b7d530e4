package proactive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

const (
	// namedAtOnce is to how many conversations a notification goes at most whose deliveries are made when it is accepted.
	namedAtOnce = 500
	// spreadAtOnce is for how many deliveries are made in one step of a larger one. Nothing else is written meanwhile.
	spreadAtOnce = 500
	// spreadPoll is how often messages to spread are looked for that nobody has told of: those that a turn accepts when it
	// commits, and another node's.
	spreadPoll = time.Second
)

// filterOf is what a target of several conversations chooses.
func filterOf(to headsup.Target) (f book.Filter, several bool) {
	if to.Tag == "" && !to.Everyone {
		return book.Filter{}, false
	}
	return book.Filter{Tag: to.Tag, Reach: book.ReachActive}, true
}

// spreadTo is the spread to a target of very many conversations; nil for any other target.
func (e *Engine) spreadTo(ctx context.Context, to headsup.Target, due time.Time) (*outbox.Spread, error) {
	f, several := filterOf(to)
	if !several {
		return nil, nil
	}
	n, last, err := e.cfg.Store.Extent(ctx, e.cfg.AppID, f)
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	if n <= namedAtOnce {
		return nil, nil
	}
	return &outbox.Spread{Filter: f, Last: last, Conversations: n, DueAt: due}, nil
}

// spreadSoon has spreadAll look at once.
func (e *Engine) spreadSoon() {
	select {
	case e.spread <- struct{}{}:
	default: // it is told already
	}
}

// spreadAll makes the deliveries of messages that were accepted with a spread, and goes on with changes of messages with
// very many deliveries, until ctx ends. It stops between two steps, and whoever runs next goes on from there.
func (e *Engine) spreadAll(ctx context.Context) {
	look := time.NewTicker(spreadPoll)
	defer look.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			changing, unchanged := e.sweep(ctx)
			making, unmade := e.spreadSome(ctx)
			more = changing || making
			if err := errors.Join(unchanged, unmade); err != nil {
				more = false
				if ctx.Err() == nil {
					e.cfg.Logger.ErrorContext(ctx, "deliveries not made or changed", "error", err.Error())
				}
			}
		}
		select {
		case <-e.spread:
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// spreadSome makes some deliveries, and tells whether there are more to be made.
func (e *Engine) spreadSome(ctx context.Context) (more bool, err error) {
	_, more, err = e.cfg.Store.SpreadMessages(ctx, spreadAtOnce, e.cfg.Now(), nextDelivery)
	return more, err
}

// sweep goes on with a change, and tells whether there is more of it.
func (e *Engine) sweep(ctx context.Context) (more bool, err error) {
	changed, more, err := e.cfg.Store.SweepMessages(ctx, spreadAtOnce, nextDelivery)
	for _, id := range changed {
		e.tell(id)
	}
	return more, err
}
