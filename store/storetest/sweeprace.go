package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// changers change one message to very many at once, on every node there is.
type changers struct {
	each []*env
	m    outbox.Submission
}

// changesOfMany are pairs of changes that are made at once, and what must hold of a message of which both were acknowledged,
// or refused.
var changesOfMany = map[string]struct {
	first, second func(c *changers, e *env) error
	holds         func(c *changers)
}{
	"EditAndRecall":       {(*changers).edit, (*changers).recall, (*changers).isRecalled},
	"CancelAndReschedule": {(*changers).cancel, (*changers).reschedule, (*changers).isCancelled},
	"CancelAndCancel":     {(*changers).cancel, (*changers).cancel, (*changers).isCancelled},
	"RecallAndCancel":     {(*changers).recall, (*changers).cancel, (*changers).isRecalled},
}

// sweepRaces are for a store that one process has; others have [sweepRacesOfNodes].
func (s suite) sweepRaces(t *testing.T) {
	if s.Node != nil {
		return
	}
	for name, p := range changesOfMany {
		s.promise(t, name+"OfManyAtOnce", func(e *env) { changedAtOnce([]*env{e}, p.first, p.second, p.holds) })
	}
}

// sweepRacesOfNodes are the same, on several nodes.
func sweepRacesOfNodes() map[string]func(each []*env) {
	all := make(map[string]func(each []*env))
	for name, p := range changesOfMany {
		all[name+"OfManyAtOnce"] = func(each []*env) { changedAtOnce(each, p.first, p.second, p.holds) }
	}
	return all
}

// changedAtOnce makes two changes of one message at once, each by several callers, while sweeps go on and another broadcast is
// spread, a few times over.
func changedAtOnce(each []*env, first, second func(*changers, *env) error, holds func(*changers)) {
	const rounds = 2
	e := each[0]
	ctx, cancel := context.WithTimeout(e.Context(), 3*patience) // they wait for each other
	defer cancel()
	for _, node := range each {
		node.ctx = ctx
	}
	e.saysToMany() // which makes them known
	for range rounds {
		c := &changers{each, e.saysAgain()}
		c.race(first, second)
		holds(c)
		if e.Failed() {
			return
		}
	}
}

// saysAgain accepts another message to those that are known, due later, and spreads it.
func (e *env) saysAgain() outbox.Submission {
	e.Helper()
	m := e.broadcasts()
	e.spreadsAll()
	return m
}

func (e *env) broadcasts() outbox.Submission {
	e.Helper()
	n, last, err := e.Extent(e.ctx, app, book.Filter{})
	e.ok(err)
	m := e.message()
	m.Spread = &outbox.Spread{Last: last, Conversations: n, DueAt: e.at(time.Hour)}
	return e.accept(m)
}

func (e *env) spreadsAll() {
	e.Helper()
	for more := true; more && e.ctx.Err() == nil; {
		var err error
		_, more, err = e.SpreadMessages(e.ctx, 500, e.start, e.nextDelivery)
		e.ok(err)
	}
}

// race returns when all that was begun has come to its end.
func (c *changers) race(first, second func(*changers, *env) error) {
	e := c.each[0]
	e.Helper()
	const callers = 4
	over := make(chan struct{})
	var sweeping sync.WaitGroup
	for _, node := range c.each {
		sweeping.Go(func() {
			for {
				_, more, err := node.SweepMessages(e.ctx, 300, e.nextDelivery)
				if err != nil {
					e.Errorf("sweep: %v", err)
					return
				}
				select {
				case <-over:
					if !more {
						return
					}
				default:
				}
			}
		})
	}
	var changing sync.WaitGroup
	changing.Go(func() {
		together(callers, func(i int) {
			change := first
			if i%2 == 1 {
				change = second
			}
			node := c.each[i%len(c.each)]
			err := change(c, node)
			for err != nil && e.ctx.Err() == nil { // a lock was waited for too long, and nothing has happened: callers ask again
				err = change(c, node)
			}
			if err != nil {
				e.Errorf("change %d: %v", i%2, err)
			}
		})
	})
	c.each[len(c.each)-1].spreadsNow()
	changing.Wait()
	close(over)
	sweeping.Wait()
	e.soon("nothing is being changed", func() bool {
		more := e.sweeps(400)
		m, err := e.Message(e.ctx, c.m.Message.ID)
		e.ok(err)
		return !more && !m.Changing
	})
}

// spreadsNow makes a broadcast of its own, whatever becomes of changes.
func (e *env) spreadsNow() {
	e.Helper()
	m := e.broadcasts()
	e.spreadsAll()
	r, err := e.MessageRecord(e.ctx, m.Message.ID, 0)
	e.ok(err)
	equal(e.T, "another broadcast", r.Counts, map[outbox.State]int64{outbox.StateScheduled: crowded})
}

func (c *changers) edit(e *env) error {
	err := e.ReviseMessage(e.ctx, outbox.Revision{Message: c.m.Message.ID, Body: edited, At: e.start, NextID: e.nextDelivery})
	if errors.Is(err, outbox.ErrRecalled) {
		return nil
	}
	return err
}

func (c *changers) recall(e *env) error {
	return e.ReviseMessage(e.ctx, outbox.Revision{Message: c.m.Message.ID, At: e.start, NextID: e.nextDelivery})
}

func (c *changers) cancel(e *env) error { return e.CancelMessage(e.ctx, c.m.Message.ID, e.start) }

func (c *changers) reschedule(e *env) error {
	return e.RescheduleMessage(e.ctx, c.m.Message.ID, e.at(2*time.Hour), e.start)
}

func (c *changers) isCancelled() {
	e := c.each[0]
	e.Helper()
	e.counted(c.m, map[outbox.State]int64{outbox.StateCancelled: crowded})
}

func (c *changers) isRecalled() {
	e := c.each[0]
	e.Helper()
	c.isCancelled()
	m, err := e.Message(e.ctx, c.m.Message.ID)
	e.ok(err)
	if m.RecalledAt.IsZero() {
		e.Error("the recall is forgotten")
	}
	err = e.ReviseMessage(e.ctx, outbox.Revision{Message: c.m.Message.ID, Body: edited, At: e.start, NextID: e.nextDelivery})
	e.is(err, outbox.ErrRecalled)
}
