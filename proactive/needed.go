package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Whether a way of a notification is needed is found out from what is stored of the ways before it, in each of its attempts:
// nothing depends on what a process remembers. In between it is put aside until its time. Whoever learns something that
// changes that, such as that the way before has failed, has it looked at sooner; should that process die, a look at all that
// wait, at every start and once a minute, does it.

// Reasons of ways that wait, and of those that were not needed.
const (
	ReasonFallback  = "fallback"
	ReasonNotNeeded = "not_needed"
)

const (
	// fallbackWalk is how often all ways that wait are looked at, and walkAtOnce how many messages are in one step of it.
	fallbackWalk = time.Minute
	walkAtOnce   = 500
	// mostWays is how many deliveries of a message are read to find its ways, which come before all that revise them.
	mostWays = headsup.MaxFallbacks + 1
)

// needed tells whether an attempt is to be made: nil; or an [*outbox.Aside], until it may be known; or an [*outbox.Unwanted].
func (s *sender) needed(ctx context.Context, at *outbox.Attempt) error {
	if !at.Fallback || at.Verb != outbox.VerbSend {
		return nil
	}
	ways, err := (*Engine)(s).waysOf(ctx, at.Message)
	if err == nil {
		err = s.follow(ctx, ways)
	}
	if err != nil {
		return notRead(err)
	}
	i := slices.IndexFunc(ways.deliveries, func(d outbox.Delivery) bool { return d.ID == at.Delivery })
	if i <= 0 {
		return nil
	}
	return ways.judge(i, s.cfg.Now())
}

// isNeeded reports whether what is to be said with others is, if it is a way of a notification, needed now.
func (s *sender) isNeeded(ctx context.Context, p outbox.Part) (bool, error) {
	if p.Message.Fallback == "" {
		return true, nil
	}
	ways, err := (*Engine)(s).waysOf(ctx, p.Message.ID)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(ways.deliveries, func(d outbox.Delivery) bool { return d.ID == p.Delivery })
	return i <= 0 || ways.judge(i, s.cfg.Now()) == nil, nil
}

// follow has answers be noticed for as long as a way may depend on them.
func (s *sender) follow(ctx context.Context, ways ways) error {
	if s.cfg.NoticeAnswers == nil {
		return nil
	}
	wait, wanted := time.Hour, false
	for _, w := range ways.besides {
		wait += w.After
		wanted = wanted || w.Unless == headsup.UnlessAnswered
	}
	if !wanted {
		return nil
	}
	return s.noticed.until(s.cfg.Now().Add(wait), func(until time.Time) error { return s.cfg.NoticeAnswers(ctx, until) })
}

// noticing remembers until when answers are noticed.
type noticing struct {
	mu  sync.Mutex
	end time.Time // guarded by mu
}

// until calls ask unless answers are noticed until then anyway; for an hour more, so that it need not be asked each time.
func (n *noticing) until(t time.Time, ask func(time.Time) error) error {
	n.mu.Lock()
	known := !t.After(n.end)
	n.mu.Unlock()
	if known {
		return nil
	}
	t = t.Add(time.Hour)
	if err := ask(t); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end = t
	return nil
}

// ways are the deliveries of a message that fall back on each other, with their receipts; besides[i] says when
// deliveries[i+1] is needed.
type ways struct {
	deliveries []outbox.Delivery
	besides    []Way
}

func (e *Engine) waysOf(ctx context.Context, id outbox.MessageID) (w ways, err error) {
	r, err := e.cfg.Store.MessageRecord(ctx, id, mostWays)
	if err != nil {
		return w, err
	}
	if w.besides, err = WaysOf(r.Message); err != nil {
		return w, err
	}
	w.deliveries = slices.DeleteFunc(r.Deliveries, func(d outbox.Delivery) bool { return d.Verb != outbox.VerbSend })
	w.deliveries = w.deliveries[:min(len(w.deliveries), len(w.besides)+1)]
	return w, e.withReceipts(ctx, w.deliveries)
}

// judge says whether the i-th way is needed now, as [sender.needed] does.
func (w ways) judge(i int, now time.Time) error {
	d, way := w.deliveries[i], w.besides[i-1]
	if slices.ContainsFunc(d.History, func(c outbox.Change) bool { return c.Reason == outbox.ReasonReplayed }) {
		return nil // somebody wants it said
	}
	if first := w.deliveries[0]; first.State == outbox.StateSuppressed || first.State == outbox.StateCancelled || first.State == outbox.StateExpired {
		return &outbox.Unwanted{Reason: ReasonNotNeeded, Detail: fmt.Sprintf("%s is %s", DeliveryText(first.ID), first.State)}
	}
	for _, before := range w.deliveries[:i] {
		if what, did := cameTo(before, way.Unless); did {
			return &outbox.Unwanted{Reason: ReasonNotNeeded, Detail: fmt.Sprintf("%s was %s", DeliveryText(before.ID), what)}
		}
	}
	for _, before := range slices.Backward(w.deliveries[:i]) {
		if leadsNowhere(before) {
			continue
		}
		due := from(before).Add(way.After)
		if !due.After(now) && isTried(before, now) && graces(d) < mostGraces {
			due = now.Add(graceTime)
		}
		if due.After(now) {
			return &outbox.Aside{Until: due, Reason: ReasonFallback, Detail: "after " + DeliveryText(before.ID)}
		}
		break
	}
	return nil
}

// A way whose turn it is waits a little longer while the one before is being tried, or could be at any moment: what becomes of
// it is known soon. So it is after the server was away for longer than the time of a way. It does not wait for ever: the one
// before may stand behind very many.
const (
	graceTime  = headsup.LeaseTime
	mostGraces = 4
)

// isTried reports whether a way is being tried, or is waiting for nothing but its turn.
func isTried(d outbox.Delivery, now time.Time) bool {
	return d.State == outbox.StateSending || d.State == outbox.StateReady && !d.DueAt.After(now)
}

// graces is how often a way has waited a little longer.
func graces(d outbox.Delivery) (n int) {
	for _, c := range d.History {
		if c.State == outbox.StateHeld && c.Reason == ReasonFallback && c.RetryAt.Sub(c.At) <= graceTime {
			n++
		}
	}
	return n
}

// cameTo reports whether what makes a way needless has become of one before it.
func cameTo(d outbox.Delivery, unless headsup.Unless) (what string, did bool) {
	delivered := d.State == outbox.StateDelivered
	for _, r := range d.Receipts {
		switch r.Kind {
		case outbox.ReceiptBounced:
			delivered = false
		case outbox.ReceiptAnswered, outbox.ReceiptClicked:
			return string(r.Kind), true
		case outbox.ReceiptRead, outbox.ReceiptReacted:
			if unless != headsup.UnlessAnswered {
				return string(r.Kind), true
			}
		case outbox.ReceiptArrived:
		}
	}
	return string(outbox.StateDelivered), delivered && unless == headsup.UnlessDelivered
}

// leadsNowhere reports whether nobody has to be given time because of a way: it failed, came back, or was left out itself.
func leadsNowhere(d outbox.Delivery) bool {
	switch d.State {
	case outbox.StateFailed, outbox.StateSuppressed, outbox.StateCancelled, outbox.StateExpired:
		return true
	case outbox.StateDelivered:
		return slices.ContainsFunc(d.Receipts, func(r outbox.Receipt) bool { return r.Kind == outbox.ReceiptBounced })
	case outbox.StateScheduled, outbox.StateReady, outbox.StateHeld, outbox.StateSending, outbox.StateUnknown, outbox.StateRecalled:
	}
	return false
}

// from is when the time of a way begins: when it was said; or, as long as it was not, when it could have been.
func from(d outbox.Delivery) time.Time {
	if d.State.Final() {
		return d.UpdatedAt
	}
	since := time.Time{}
	for _, c := range d.History {
		switch {
		case c.State == outbox.StateScheduled, c.State == outbox.StateHeld && c.Reason == ReasonFallback:
			since = time.Time{}
		case since.IsZero():
			since = c.At
		}
	}
	if since.IsZero() { // its own time has not come
		return d.DueAt
	}
	return since
}

// mayFallBack has the ways of a delivery's message looked at soon, if it has some.
func (w *works) mayFallBack(id outbox.DeliveryID) {
	select {
	case w.ended <- id:
	default: // there are very many: the walk finds it
	}
}

// fallBack looks at ways that wait, until ctx ends.
func (e *Engine) fallBack(ctx context.Context) {
	walk := time.NewTicker(fallbackWalk)
	defer walk.Stop()
	e.walkWays(ctx)
	for {
		var err error
		select {
		case id := <-e.ended:
			err = e.hastenAfter(ctx, id)
		case <-walk.C:
			e.walkWays(ctx)
		case <-ctx.Done():
			return
		}
		e.complain(ctx, err)
	}
}

func (e *Engine) complain(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "fallbacks not looked at", "error", err.Error())
	}
}

// walkWays looks at all ways that wait.
func (e *Engine) walkWays(ctx context.Context) {
	for after := outbox.MessageID(0); ctx.Err() == nil; {
		found, last, err := e.cfg.Store.Fallbacks(ctx, after, walkAtOnce)
		for _, id := range found {
			err = errors.Join(err, e.hasten(ctx, id))
		}
		if err != nil {
			e.complain(ctx, err)
			return
		}
		if after = last; last == 0 {
			return
		}
	}
}

// hastenAfter is hasten for the message of a delivery.
func (e *Engine) hastenAfter(ctx context.Context, id outbox.DeliveryID) error {
	d, err := e.cfg.Store.DeliveryRecord(ctx, id)
	if err != nil {
		return ignore(err, outbox.ErrNoDelivery)
	}
	m, err := e.cfg.Store.Message(ctx, d.Message)
	if err != nil || m.Fallback == "" {
		return ignore(err, outbox.ErrNotFound)
	}
	return e.hasten(ctx, d.Message)
}

// hasten has the ways of a message go on that wait for no good reason any more.
func (e *Engine) hasten(ctx context.Context, id outbox.MessageID) error {
	w, err := e.waysOf(ctx, id)
	if err != nil {
		return ignore(err, outbox.ErrNotFound)
	}
	now := e.cfg.Now()
	var rows []book.Row
	for i, d := range w.deliveries {
		if i == 0 || d.State != outbox.StateHeld || d.Reason != ReasonFallback {
			continue
		}
		aside, waits := errors.AsType[*outbox.Aside](w.judge(i, now))
		if !waits || aside.Until.Before(d.DueAt.Add(-time.Second)) {
			rows = append(rows, d.Conversation)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err = e.cfg.Store.Resume(ctx, rows, now)
	return err
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
