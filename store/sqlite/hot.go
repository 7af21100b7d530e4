package sqlite

import (
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// hot is a row of the table deliveries, as far as the code needs it.
type hot struct {
	id               outbox.DeliveryID
	message          outbox.MessageID
	conversation     book.Row
	lane             outbox.Lane
	alone            bool
	route            int64 // 0 where it does not matter, or is to be found out
	rank             int64
	seq              int64 // 0 when it is in no lane
	state            int64
	fence            int64
	claims, failures int64
	activity         activity.ID
	wantedAt         time.Time
	createdAt        time.Time
	history          string
	verb             int64
	revises          outbox.DeliveryID
	replayed         bool
	unsure           bool  // an attempt may have arrived
	lost             int64 // attempts in a row
}

const hotColumns = `d.id, d.message, d.conversation, d.lane, d.alone, d.seq, d.state, d.fence, d.claims, d.failures,
	d.activity_id, d.created_at, d.history, d.wanted_at, d.verb, d.revises, d.replayed, d.unsure, d.lost, d.route, d.rank`

const (
	hotVerb  = 14
	hotCount = 21
)

func scanHot(r row) hot {
	return hot{
		id: outbox.DeliveryID(r.int(0)), message: outbox.MessageID(r.int(1)), conversation: book.Row(r.int(2)),
		lane: outbox.Lane(r.int(3)), alone: r.bool(4), seq: r.int(5), state: r.int(6), fence: r.int(7),
		claims: r.int(8), failures: r.int(9), activity: activity.ID(r.text(10)), createdAt: r.time(11),
		history: r.text(12), wantedAt: r.time(13), verb: r.int(hotVerb), revises: outbox.DeliveryID(r.int(15)), replayed: r.bool(16),
		unsure: r.bool(17), lost: r.int(18), route: r.int(19), rank: r.int(20),
	}
}

// change appends to the history and returns what was appended.
func (h *hot) change(c outbox.Change) string {
	line := history.Line(c)
	h.history += line
	return line
}

// run is an attempt that is handed out: the row as it is on disk, and the conversation's lease.
type run struct {
	hot
	hold  bool // on_unknown
	lease *turnlock.Lease[headsup.ConversationKey]
	until time.Time // guarded by Store.mu
	// permit is the channel's. It goes back if nobody is told of the attempt; else who makes the call ends it.
	permit *pace.Permit
	ended  bool // an operation of the present transaction has ended it
}

// handOut makes the attempt of a delivery that the transaction has written as sending.
func (t *tx) handOut(
	h *hot, e *entry, held *turnlock.Lease[headsup.ConversationKey], permit *pace.Permit, until time.Time,
	onUnknown headsup.OnUnknown,
) outbox.Attempt {
	h.state = sending
	if h.verb != send {
		onUnknown = headsup.OnUnknownRetry // a repeat does no harm
	}
	r := &run{hot: *h, hold: onUnknown == headsup.OnUnknownHold, lease: held, permit: permit, until: until}
	t.handed = append(t.handed, r)
	return outbox.Attempt{
		Delivery: h.id, Message: h.message, Conversation: e.copy(), OnUnknown: onUnknown, Lane: h.lane,
		Fence: h.fence, Claims: int(h.claims), Failures: int(h.failures), LeaseUntil: until,
		Verb: word(verbs, h.verb), Revises: h.revises, MayHaveArrived: h.unsure,
		Lease: &lease{Lease: held, store: t.store}, Permit: permit,
	}
}

// finish ends a delivery with c, as [outbox.Ending] has it, and moves it out of the hot table.
func (t *tx) finish(h *hot, c outbox.Change) error {
	c = outbox.Ending(c, h.unsure)
	to, err := stateCode(c.State)
	if err != nil {
		return err
	}
	h.change(c)
	t.count(h.state, to, 1)
	t.ended(h, to, c)
	if _, err := t.execValues("DELETE FROM deliveries WHERE id = ?", number(h.id)); err != nil {
		return err
	}
	if _, err := t.execValues(`INSERT INTO finished (id, part, message, conversation, lane, alone, state, fence, claims,
			failures, reason, activity_id, created_at, updated_at, history)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		number(h.id), number(t.store.parts.next()), number(h.message), number(h.conversation), number(h.lane), truth(h.alone),
		number(to), number(h.fence), number(h.claims), number(h.failures), orNothing(c.Reason), orNothing(h.activity),
		instant(h.createdAt), instant(c.At), stored(h.history)); err != nil {
		return err
	}
	if err := t.tellOutcome(h, c); err != nil {
		return err
	}
	if h.verb != send || h.replayed { // seldom, and the statement above is run for everything
		if _, err := t.exec("UPDATE finished SET verb = ?, revises = ?, replayed = ? WHERE id = ?",
			h.verb, int64(h.revises), h.replayed, int64(h.id)); err != nil {
			return err
		}
	}
	return t.vacates(h)
}

// vacates lets the next of a lane come forward when h is not in it any more.
func (t *tx) vacates(h *hot) error {
	c, l := h.conversation, h.lane
	switch lanes := &t.store.lanes; {
	case h.seq == 0:
		return nil
	case lanes.behind(c, l, h.seq):
		return t.promoteHead(c, l)
	case h.state == sending && lanes.last(c, l, h.seq): // it was the first, too
		t.after(func() { t.leaves(c, l) })
	}
	return nil
}

// promoteHead lets the first of a lane be claimed, if there is one that nobody has let before.
func (t *tx) promoteHead(c book.Row, l outbox.Lane) error {
	var head, way int64
	if _, err := t.one(func(r row) { head, way = r.int(0), r.int(1) },
		"SELECT id, route FROM deliveries WHERE conversation = +? AND lane = +? AND seq > 0 ORDER BY seq LIMIT 1",
		int64(c), int64(l)); err != nil {
		return err
	}
	if head == 0 {
		t.after(func() { t.leaves(c, l) })
		return nil
	}
	n, err := t.exec("UPDATE deliveries SET waits = 1 WHERE id = ? AND state = 2 AND waits = 0", head)
	if n == 0 || err != nil {
		return err
	}
	t.wake = true
	r, err := t.route(way)
	if err != nil {
		return err
	}
	t.store.routes.offers(r, l)
	return nil
}

// leaves forgets a lane that the transaction has found empty, unless it put somebody into it afterwards.
func (t *tx) leaves(c book.Row, l outbox.Lane) {
	if _, again := t.entered[lane{c, l}]; !again {
		t.store.lanes.left(c, l)
	}
}

// enters notes that a delivery waits in its lane, with the place seq.
func (t *tx) enters(c book.Row, l outbox.Lane, seq int64) {
	if t.entered == nil {
		t.entered = make(map[lane]struct{})
	}
	t.entered[lane{c, l}] = struct{}{}
	t.store.lanes.enter(c, l, seq)
}
