package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// lockTurnsOf locks the conversations of heads in which no turn is running or waiting. It waits for nobody: a conversation
// that another transaction has locked is passed over. The last column tells that a turn had the lease until it ran out.
var lockTurnsOf = `SELECT n.id, t.version, t.last_inbound_at, t.busy, t.fence <> 0
	FROM ` + rowsOf("n", "$1::bigint[] id", "$2::bigint[] conversation") + `
	JOIN turns t ON t.conversation = n.conversation
	WHERE greatest(t.until, t.wanted) <= clock_timestamp() FOR NO KEY UPDATE OF t SKIP LOCKED`

// lookSoon is when to look again after others were in the way.
const lookSoon = 10 * time.Millisecond

// waryFor is for how long claims look whether conversations are free before they choose, after they have found some that
// were not.
const waryFor = time.Second

// wary reports whether they do.
func (s *Store) wary() bool { return time.Now().UnixNano() <= s.inTheWay.Load() }

// takeChosen hands out those who were chosen, as far as they still may be, and ends those that are not to be sent any
// more; it tells how many these were.
func (t *tx) takeChosen(ctx context.Context, chosen []*head, now time.Time) (attempts []outbox.Attempt, over int, err error) {
	if len(chosen) == 0 {
		return nil, 0, nil
	}
	heads, err := t.takeTurnsOf(ctx, chosen)
	if err != nil {
		return nil, 0, err
	}
	if len(heads) < len(chosen) {
		t.store.blocked.Store(true)
		t.store.inTheWay.Store(time.Now().Add(waryFor).UnixNano())
		time.AfterFunc(lookSoon, t.store.wakeHere)
	}
	if heads, err = t.countCalls(ctx, heads); err != nil {
		return nil, 0, err
	}
	if len(heads) > 0 {
		if attempts, over, err = t.handOut(ctx, heads, now); err != nil {
			return nil, 0, err
		}
	}
	handed := make(map[outbox.DeliveryID]bool, len(attempts))
	for i := range attempts {
		handed[attempts[i].Delivery] = true
	}
	order := make(map[outbox.DeliveryID]int, len(chosen))
	for i, h := range chosen {
		if order[h.id] = i; !handed[h.id] {
			h.permit.Cancel()
		}
	}
	slices.SortFunc(attempts, func(a, b outbox.Attempt) int { return cmp.Compare(order[a.Delivery], order[b.Delivery]) })
	return attempts, over, nil
}

// takeTurnsOf locks the conversations of those who were chosen, and returns those that are free, with what is known of
// them now, and with a fence. Nothing is written: that a delivery has its conversation's turn is what being sent means.
func (t *tx) takeTurnsOf(ctx context.Context, chosen []*head) ([]*head, error) {
	ids, where := make([]int64, len(chosen)), make([]int64, len(chosen))
	byID := make(map[int64]*head, len(chosen))
	others := make([]lane, 0, (laneCount-1)*len(chosen))
	for i, h := range chosen {
		ids[i], where[i] = int64(h.id), int64(h.conversation)
		byID[ids[i]] = h
		others = appendOthers(others, h.conversation, h.lane)
	}
	var b pgx.Batch
	heads := make([]*head, 0, len(chosen))
	var lapsed []int64
	b.Queue(lockTurnsOf, ids, where).Query(func(rows pgx.Rows) error {
		var id int64
		var got head
		var had bool
		_, err := pgx.ForEachRow(rows, []any{&id, &got.version, &got.inbound, &got.busy, &had}, func() (err error) {
			h := byID[id]
			h.version, h.inbound, h.busy = got.version, got.inbound, got.busy
			if had {
				lapsed = append(lapsed, int64(h.conversation))
			}
			heads = append(heads, h)
			h.going, err = outbox.DecodeBusy(string(h.busy))
			return err
		})
		return err
	})
	taken := make(map[book.Row]bool)
	b.Queue(sendingIn, t.laneArrays(others)...).Query(collectSending(taken))
	var fence int64
	b.Queue("SELECT nextval('fences')").QueryRow(func(r pgx.Row) error { return r.Scan(&fence) })
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	heads = slices.DeleteFunc(heads, func(h *head) bool { return taken[h.conversation] })
	for _, h := range heads {
		h.fence = fence
	}
	t.outlive(lapsed)
	return heads, nil
}

// outlive takes the turns of conversations, which are locked, from those whose lease has run out.
func (t *tx) outlive(conversations []int64) {
	if len(conversations) > 0 {
		t.last.Queue("UPDATE turns SET fence = 0, until = '-infinity' WHERE conversation = ANY ($1)", conversations)
	}
}

// sendingIn lists the conversations whose turns deliveries have that are being sent: such a one is the head of his lane. Where the
// conversations are locked, nobody else begins meanwhile.
var sendingIn = "SELECT l.conversation FROM " + theseLanes + ` CROSS JOIN LATERAL (
		SELECT d.state, d.turn_until FROM deliveries d
		WHERE d.conversation = l.conversation AND d.lane = l.lane AND d.seq IS NOT NULL AND d.seq > l.low ORDER BY d.seq LIMIT 1) AS head
	WHERE head.state = 4 AND head.turn_until > clock_timestamp()`

func collectSending(found map[book.Row]bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var c book.Row
		_, err := pgx.ForEachRow(rows, []any{&c}, func() error {
			found[c] = true
			return nil
		})
		return err
	}
}

// appendOthers adds the other lanes of a conversation.
func appendOthers(list []lane, c book.Row, l outbox.Lane) []lane {
	for other := range outbox.Lane(laneCount) {
		if other != l {
			list = append(list, lane{c, other})
		}
	}
	return list
}

// candidate is a head with its message.
type candidate struct {
	hot
	body                jsontext.Value
	onUnknown, window   int64
	expiresAt, accepted time.Time
	trace               string
	notBefore           time.Time // while its message's deliveries are changed: to when they are moved, or never
	recalled            bool      // its message was
	edited              bool      // its message was
	handler             string
	policy, topic       optionalText
	fallback            bool
	sent                activity.ID // what it revises
}

const candidateColumns = hotColumns + `, m.body, m.on_unknown, m.window_code, m.expires_at, m.created_at,
	coalesce(m.trace, ''), m.not_before, m.recalled_at IS NOT NULL, m.edited_at IS NOT NULL,
	coalesce(m.handler, ''), m.policy, m.topic, m.fallback IS NOT NULL`

func scanCandidate(r pgx.Row) (*candidate, error) {
	var c candidate
	err := r.Scan(append(c.fields(), (*[]byte)(&c.body), &c.onUnknown, &c.window, (*optionalTime)(&c.expiresAt),
		(*optionalTime)(&c.accepted), &c.trace, (*optionalTime)(&c.notBefore), &c.recalled, &c.edited, &c.handler, &c.policy, &c.topic, &c.fallback)...)
	return &c, err
}

// handedColumns are what an attempt needs of a candidate, whose conversation, lane and fence are known.
const handedColumns = `d.id, d.message, d.claims, d.failures, d.wanted_at, coalesce(d.verb, 0), coalesce(d.revises, 0),
	coalesce(d.replayed, false), coalesce(d.unsure, false), m.body, m.on_unknown, m.window_code, m.expires_at, m.created_at,
	coalesce(m.trace, ''), m.edited_at IS NOT NULL, coalesce(m.handler, ''), m.policy, m.topic, m.fallback IS NOT NULL`

// handedFields are where a row of handedColumns goes.
func (c *candidate) handedFields() []any {
	return []any{
		(*int64)(&c.id), (*int64)(&c.message), &c.claims, &c.failures, &c.wantedAt, &c.verb, (*int64)(&c.revises), &c.replayed, &c.unsure,
		(*[]byte)(&c.body), &c.onUnknown, &c.window, (*optionalTime)(&c.expiresAt), (*optionalTime)(&c.accepted), &c.trace, &c.edited,
		&c.handler, &c.policy, &c.topic, &c.fallback,
	}
}

// saidBy is the delivery that says, or has said, what c is about.
func (c *candidate) saidBy() outbox.DeliveryID {
	if c.verb != send {
		return c.revises
	}
	return c.id
}

// sendsOf are the activities that handlers have begun to send.
func (t *tx) sendsOf(ctx context.Context, found []*candidate) (map[outbox.DeliveryID][]outbox.Send, error) {
	var ids []outbox.DeliveryID
	for _, c := range found {
		if outbox.Sends(word(verbs, c.verb), c.handler, string(c.policy), c.body) || c.claims > 1 || c.unsure {
			ids = append(ids, c.saidBy())
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return t.sends(ctx, ids)
}

// hand writes that deliveries are being sent: those that still are heads in these conversations, since they are locked only
// since the statement before, and under an extra condition. $4 is empty when leases go by the database's clock. (waits + 0 is so
// that they are looked for by their ids, never among all that wait.)
func hand(condition string) string {
	return `UPDATE deliveries d SET state = 4, lease_until = CASE WHEN $5 THEN $3 ELSE clock_timestamp() END + $6::interval,
			turn_until = clock_timestamp() + $6::interval, fence = $2, claims = d.claims + 1, reason = NULL, updated_at = $3,
			history = d.history || $4 || (d.claims + 1) || E'}\n'
		FROM messages m WHERE d.id = ANY ($1) AND d.waits + 0 = 1 AND d.state = 2 AND d.conversation = ANY ($8) AND m.id = d.message` + condition + `
		RETURNING ` + handedColumns
}

var (
	// handSends is for what is to be said and may be.
	handSends = hand(` AND d.verb IS NULL AND (d.replayed OR m.expires_at IS NULL OR m.expires_at > $3)
		AND (m.not_before IS NULL OR m.not_before <= $3) AND (m.policy IS NULL OR d.conversation = ANY ($7))`)
	handAll = hand(" AND $7::bigint[] IS NULL")
)

// handOut hands out the heads whose conversations were taken, and ends those that are not to be sent any more; it tells
// how many these were.
func (t *tx) handOut(ctx context.Context, heads []*head, now time.Time) (attempts []outbox.Attempt, over int, err error) {
	ids := make([]outbox.DeliveryID, len(heads))
	for i, h := range heads {
		ids[i] = h.id
	}
	found, err := t.hand(ctx, handSends, heads, ids, now, idle(heads, now))
	if err != nil {
		return nil, 0, err
	}
	if len(found) < len(heads) {
		more, dropped, err := t.handRest(ctx, heads, found, now)
		if err != nil {
			return nil, 0, err
		}
		found, over = append(found, more...), dropped
	}
	attempts, err = t.attempts(ctx, heads, found, now)
	return attempts, over, err
}

// hand hands out some of heads.
func (t *tx) hand(
	ctx context.Context, statement string, heads []*head, ids []outbox.DeliveryID, now time.Time, idle []int64,
) (found []*candidate, err error) {
	byID := make(map[outbox.DeliveryID]*head, len(heads))
	for _, h := range heads {
		byID[h.id] = h
	}
	last := history.Begin(outbox.Change{At: now, State: outbox.StateSending}) + `,"attempt":`
	rows, err := t.Query(ctx, statement, numbers(ids), heads[0].fence, now, last, t.store.callersTime, t.store.leaseTime, idle, where(heads))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c candidate
		if err := rows.Scan(c.handedFields()...); err != nil {
			return nil, err
		}
		h := byID[c.id]
		c.conversation, c.lane, c.fence = h.conversation, h.lane, h.fence
		found = append(found, &c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	t.count(ready, sending, int64(len(found)))
	list := make([]int64, len(found))
	for i, c := range found {
		list[i] = int64(c.id)
	}
	t.noteHanded(list, now)
	return found, nil
}

// where are the conversations of heads.
func where(heads []*head) []int64 {
	rows := make([]int64, len(heads))
	for i, h := range heads {
		rows[i] = int64(h.conversation)
	}
	return rows
}

// handRest is for the heads that were not simply handed out: they revise something, or are not to be sent any more, or
// somebody has done something to them since they were found.
func (t *tx) handRest(
	ctx context.Context, heads []*head, handed []*candidate, now time.Time,
) (found []*candidate, dropped int, err error) {
	left := make(map[outbox.DeliveryID]*head)
	for _, h := range heads {
		left[h.id] = h
	}
	for _, c := range handed {
		delete(left, c.id)
	}
	ids := make([]outbox.DeliveryID, 0, len(left))
	for id := range left {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	revise, hold, stay, err := t.judge(ctx, ids, where(heads), left, now)
	if err != nil {
		return nil, 0, err
	}
	if err := t.hold(ctx, hold, now); err != nil {
		return nil, 0, err
	}
	dropped = len(hold)
	for _, s := range stay {
		if err := t.keepBack(ctx, s, now); err != nil {
			return nil, 0, err
		}
		dropped += len(s.list)
	}
	if len(revise) > 0 {
		revisions := make([]outbox.DeliveryID, 0, len(revise))
		for id := range revise {
			revisions = append(revisions, id)
		}
		if found, err = t.hand(ctx, handAll, heads, revisions, now, nil); err != nil {
			return nil, 0, err
		}
		for _, c := range found {
			c.sent = revise[c.id]
			delete(left, c.id)
		}
	}
	return found, dropped, t.flush(ctx) // successors may be claimed now
}

// attempts are what the caller gets.
func (t *tx) attempts(ctx context.Context, heads []*head, found []*candidate, now time.Time) ([]outbox.Attempt, error) {
	byID := make(map[outbox.DeliveryID]*head, len(heads))
	need := make(map[book.Row]int64, len(found))
	for _, h := range heads {
		byID[h.id] = h
	}
	for _, c := range found {
		need[c.conversation] = byID[c.id].version
	}
	entries, err := t.conversations(ctx, need)
	if err != nil {
		return nil, err
	}
	sends, err := t.sendsOf(ctx, found)
	if err != nil {
		return nil, err
	}
	list := make([]outbox.Attempt, 0, len(found))
	for _, c := range found {
		e, ok := entries[c.conversation]
		if !ok {
			return nil, book.ErrNotFound
		}
		a := outbox.Attempt{
			Delivery: c.id, Message: c.message, Conversation: e.conv, Body: c.body, Verb: word(verbs, c.verb), Revises: c.revises,
			Sent: c.sent, OnUnknown: word(onUnknowns, c.onUnknown), Window: word(windowWords, c.window), Lane: c.lane,
			Topic: string(c.topic), Fallback: c.fallback, CreatedAt: c.accepted, WantedAt: c.wantedAt, Trace: c.trace, Fence: c.fence, Claims: int(c.claims), Failures: int(c.failures),
			LeaseUntil: now.Add(t.store.leaseTime), MayHaveArrived: c.unsure, Edited: c.edited,
			Handler: c.handler, Sends: sends[c.saidBy()], Permit: byID[c.id].permit, Lease: t.attemptLease(&e.conv, c.id, c.fence),
		}
		a.Conversation.LastInboundAt, a.Conversation.Busy = time.Time(byID[c.id].inbound), byID[c.id].going
		if c.policy != "" && c.verb == send {
			p, j, err := c.judge(byID[c.id], now)
			if err != nil {
				return nil, err
			}
			a.Policy, a.As = p, j.As
		}
		if c.verb != send {
			a.OnUnknown = headsup.OnUnknownRetry // a repeat does no harm
		} else if !c.replayed {
			a.ExpiresAt = c.expiresAt
		}
		list = append(list, a)
	}
	return list, nil
}
