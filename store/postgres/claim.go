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
)

// Bounds of one step of a claim, so that its locks are not held for long.
const (
	promoteAtOnce = 1000
	expireAtOnce  = 1000
	pageAtOnce    = 256
)

// Claim implements [outbox.Store]. It takes several steps when very many deliveries have become due or expired. Leases are
// the database's clock's business; what is due, and what has expired, is the caller's. LeaseUntil is by the caller's
// clock, and so not after the lease has ended by the database's.
func (s *Store) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	var claimed outbox.Claimed
	if err := s.releases.settle(ctx); err != nil {
		return claimed, err
	}
	for {
		var step claimStep
		err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
			step, err = t.claim(ctx, n-len(claimed.Attempts), now)
			return err
		})
		switch {
		case err != nil && len(claimed.Attempts) == 0:
			return outbox.Claimed{}, err
		case err != nil: // what is handed out must be delivered
			s.wake()
			return claimed, nil
		}
		claimed.Attempts = append(claimed.Attempts, step.attempts...)
		claimed.NextDue = step.nextDue
		if !step.unfinished {
			return claimed, nil
		}
	}
}

// claimStep is what one transaction of a claim has handed out.
type claimStep struct {
	attempts   []outbox.Attempt
	nextDue    time.Time
	unfinished bool // there may be more now
}

func (t *tx) claim(ctx context.Context, n int, now time.Time) (step claimStep, err error) {
	for dropped := 0; len(step.attempts) < n; {
		p, err := t.takeHeads(ctx, min(n-len(step.attempts), pageAtOnce), now)
		if err != nil {
			return step, err
		}
		step.nextDue = p.nextDue
		if due := p.nextDue; !due.IsZero() && !due.After(now) {
			promoted, err := t.promoteDue(ctx, now)
			if err != nil || promoted == promoteAtOnce {
				step.unfinished = true // the most pressing may be among those that follow
				return step, err
			}
			continue
		}
		if len(p.heads) == 0 {
			break
		}
		attempts, over, err := t.handOut(ctx, p.heads, now)
		if err != nil {
			return step, err
		}
		step.attempts = append(step.attempts, attempts...)
		if dropped += over; dropped >= expireAtOnce {
			step.unfinished = true
			return step, nil
		}
		if over == 0 && p.seen < p.asked {
			break
		}
	}
	return step, nil
}

// head is a delivery whose conversation was taken for it.
type head struct {
	id           outbox.DeliveryID
	conversation book.Row
	fence        int64
	version      int64
	inbound      optionalTime
}

// page is what one look at the heads has found.
type page struct {
	heads       []head
	asked, seen int // heads wanted, and found; of a conversation with several only the most pressing is taken
	nextDue     time.Time
}

// takeHeads takes the conversations of up to n heads, in the order of claiming, unless something has become due, which
// must take its place first. It waits for nobody: a conversation that another transaction has locked is passed over.
const takeHeads = `WITH heads AS MATERIALIZED (
		SELECT d.id, d.lane, d.seq, t.key FROM deliveries d JOIN turns t ON t.conversation = d.conversation
		WHERE d.waits = 1 AND greatest(t.until, t.wanted) <= clock_timestamp()
			AND NOT EXISTS (SELECT FROM deliveries w WHERE w.waits = 2 AND w.due_at <= $2)
		ORDER BY d.lane, d.seq LIMIT $1 FOR NO KEY UPDATE OF t SKIP LOCKED),
	first AS (SELECT DISTINCT ON (key) key, id FROM heads ORDER BY key, lane, seq),
	given AS MATERIALIZED (SELECT nextval('fences') AS fence)
	UPDATE turns t SET fence = g.fence, until = clock_timestamp() + $3::interval
	FROM first f CROSS JOIN given g WHERE t.key = f.key
	RETURNING f.id, t.conversation, t.fence, t.version, t.last_inbound_at, (SELECT count(*) FROM heads)`

func (t *tx) takeHeads(ctx context.Context, n int, now time.Time) (p page, err error) {
	p.asked = n
	var b pgx.Batch
	b.Queue("SELECT min(due_at) FROM deliveries WHERE waits = 2").QueryRow(func(r pgx.Row) error {
		return r.Scan((*optionalTime)(&p.nextDue))
	})
	b.Queue(takeHeads, n, now, t.store.leaseTime).Query(func(r pgx.Rows) error {
		for r.Next() {
			var h head
			if err := r.Scan((*int64)(&h.id), (*int64)(&h.conversation), &h.fence, &h.version, &h.inbound, &p.seen); err != nil {
				return err
			}
			p.heads = append(p.heads, h)
		}
		return r.Err()
	})
	return p, t.SendBatch(ctx, &b).Close()
}

// candidate is a head with its message.
type candidate struct {
	hot
	body                jsontext.Value
	onUnknown, window   int64
	expiresAt, accepted time.Time
	trace               string
	cancelled           bool        // its message was, when it was waiting and there were very many
	edited              bool        // its message was
	sent                activity.ID // what it revises
}

const candidateColumns = hotColumns + `, m.body, m.on_unknown, m.window_code, m.expires_at, m.created_at,
	coalesce(m.trace, ''), m.cancelled_at IS NOT NULL, m.edited_at IS NOT NULL`

func scanCandidate(r pgx.Row) (*candidate, error) {
	var c candidate
	err := r.Scan(append(c.fields(), (*[]byte)(&c.body), &c.onUnknown, &c.window, (*optionalTime)(&c.expiresAt),
		(*optionalTime)(&c.accepted), &c.trace, &c.cancelled, &c.edited)...)
	return &c, err
}

// hand writes that deliveries are being sent: those that still are heads, since the conversations are locked only since
// the statement before, and under an extra condition. $4 is empty when leases go by the database's clock.
func hand(condition string) string {
	return `UPDATE deliveries d SET state = 4, waits = 3, lease_until = CASE WHEN $5 THEN $3 ELSE clock_timestamp() END + $6::interval,
			fence = $2, claims = d.claims + 1, reason = NULL, updated_at = $3,
			history = d.history || $4 || (d.claims + 1) || E'}\n'
		FROM messages m WHERE d.id = ANY ($1) AND d.waits = 1 AND m.id = d.message` + condition + `
		RETURNING ` + candidateColumns
}

var (
	// handSends is for what is to be said and may be.
	handSends = hand(` AND d.verb IS NULL AND (d.replayed OR (m.expires_at IS NULL OR m.expires_at > $3)
		AND (m.cancelled_at IS NULL OR d.claims > 0))`)
	handAll = hand("")
)

// handOut hands out the heads whose conversations were taken, and ends those that are not to be sent any more; it tells
// how many these were.
func (t *tx) handOut(ctx context.Context, heads []head, now time.Time) (attempts []outbox.Attempt, over int, err error) {
	ids := make([]outbox.DeliveryID, len(heads))
	for i, h := range heads {
		ids[i] = h.id
	}
	found, err := t.hand(ctx, handSends, ids, heads[0].fence, now)
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
	slices.SortFunc(found, func(a, b *candidate) int { return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.seq, b.seq)) })
	attempts, err = t.attempts(ctx, heads, found, now)
	return attempts, over, err
}

func (t *tx) hand(
	ctx context.Context, statement string, ids []outbox.DeliveryID, fence int64, now time.Time,
) (found []*candidate, err error) {
	last := line(outbox.Change{At: now, State: outbox.StateSending}) + `,"attempt":`
	rows, err := t.Query(ctx, statement, numbers(ids), fence, now, last, t.store.callersTime, t.store.leaseTime)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanCandidate(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	t.count(ready, sending, int64(len(found)))
	return found, rows.Err()
}

// handRest is for the heads that were not simply handed out: they revise something, or are not to be sent any more, or
// somebody has done something to them since they were found. What is not handed out gives its conversation back.
func (t *tx) handRest(
	ctx context.Context, heads []head, handed []*candidate, now time.Time,
) (found []*candidate, dropped int, err error) {
	left := make(map[outbox.DeliveryID]head)
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
	revise, stay, err := t.judge(ctx, ids, now)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range stay {
		if err := t.finish(ctx, s.list, func(h *hot) outbox.Change {
			return outbox.Change{At: now, State: s.to, Attempt: int(h.claims), Reason: s.reason}
		}); err != nil {
			return nil, 0, err
		}
		dropped += len(s.list)
	}
	if len(revise) > 0 {
		revisions := make([]outbox.DeliveryID, 0, len(revise))
		for id := range revise {
			revisions = append(revisions, id)
		}
		if found, err = t.hand(ctx, handAll, revisions, heads[0].fence, now); err != nil {
			return nil, 0, err
		}
		for _, c := range found {
			c.sent = revise[c.id]
			delete(left, c.id)
		}
	}
	back := make([]int64, 0, len(left))
	for _, h := range left {
		back = append(back, int64(h.conversation))
	}
	if len(back) > 0 {
		if _, err := t.Exec(ctx, "UPDATE turns SET fence = 0, until = '-infinity' WHERE conversation = ANY ($1)", back); err != nil {
			return nil, 0, err
		}
	}
	return found, dropped, t.flush(ctx) // successors may be claimed now
}

// over are heads that are not to be sent any more, for the same reason.
type over struct {
	to     outbox.State
	reason string
	list   []hot
}

// judge says what is to become of heads: which revise something that was said, and what that was; and which end.
func (t *tx) judge(
	ctx context.Context, ids []outbox.DeliveryID, now time.Time,
) (revise map[outbox.DeliveryID]activity.ID, stay []over, err error) {
	rows, err := t.Query(ctx, "SELECT "+candidateColumns+` FROM deliveries d JOIN messages m ON m.id = d.message
		WHERE d.id = ANY ($1) AND d.waits = 1 ORDER BY d.id`, numbers(ids))
	if err != nil {
		return nil, nil, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*candidate, error) { return scanCandidate(r) })
	if err != nil {
		return nil, nil, err
	}
	var revised []outbox.DeliveryID
	for _, c := range list {
		if c.verb != send {
			revised = append(revised, c.revises)
		}
	}
	said, err := utterances(ctx, t, revised)
	if err != nil {
		return nil, nil, err
	}
	nothing, stopped, late := over{to: outbox.StateSuppressed, reason: outbox.ReasonNothingSent}, over{to: outbox.StateCancelled}, over{to: outbox.StateExpired}
	revise = make(map[outbox.DeliveryID]activity.ID)
	for _, c := range list {
		switch {
		case c.verb != send && said[c.revises].said:
			revise[c.id] = said[c.revises].id
		case c.verb != send:
			nothing.list = append(nothing.list, c.hot)
		case c.cancelled && c.claims == 0 && !c.replayed:
			stopped.list = append(stopped.list, c.hot)
		case !c.replayed && expiredAt(c.expiresAt, now):
			late.list = append(late.list, c.hot)
		}
	}
	return revise, []over{nothing, stopped, late}, nil
}

// attempts are what the caller gets.
func (t *tx) attempts(ctx context.Context, heads []head, found []*candidate, now time.Time) ([]outbox.Attempt, error) {
	byID := make(map[outbox.DeliveryID]*head, len(heads))
	need := make(map[book.Row]int64, len(found))
	for i := range heads {
		byID[heads[i].id] = &heads[i]
	}
	for _, c := range found {
		need[c.conversation] = byID[c.id].version
	}
	entries, err := t.conversations(ctx, need)
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
			Delivery: c.id, Message: c.message, Conversation: e.copy(), Body: c.body, Verb: word(verbs, c.verb), Revises: c.revises,
			Sent: c.sent, OnUnknown: word(onUnknowns, c.onUnknown), Window: word(windowWords, c.window), Lane: c.lane,
			CreatedAt: c.accepted, Trace: c.trace, Fence: c.fence, Claims: int(c.claims), Failures: int(c.failures),
			LeaseUntil: now.Add(t.store.leaseTime), MayHaveArrived: c.unsure, Edited: c.edited,
		}
		a.Conversation.LastInboundAt = time.Time(byID[c.id].inbound)
		if c.verb != send {
			a.OnUnknown = headsup.OnUnknownRetry // a repeat does no harm
		} else if !c.replayed {
			a.ExpiresAt = c.expiresAt
		}
		list = append(list, a)
	}
	return list, nil
}

// promoteDue makes what has become due ready, in the order of the due times: scheduled deliveries take their place, and
// heads that were to be tried again may be claimed. It says how many these were.
func (t *tx) promoteDue(ctx context.Context, now time.Time) (promoted int, err error) {
	rows, err := t.Query(ctx, `SELECT conversation FROM deliveries WHERE waits = 2 AND due_at <= $1
		ORDER BY due_at, id LIMIT $2`, now, promoteAtOnce)
	if err != nil {
		return 0, err
	}
	conversations, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(conversations) == 0 {
		return 0, err
	}
	if _, err := t.Exec(ctx, lockTurns, conversations); err != nil {
		return 0, err
	}
	// Those of the locked conversations only, so there may be more of the first thousand by now: they have their turn
	// when the rest has.
	due, err := collectHot(t.Query(ctx, "SELECT "+hotColumns+` FROM deliveries d
		WHERE d.waits = 2 AND d.due_at <= $1 AND d.conversation = ANY ($2) ORDER BY d.due_at, d.id LIMIT $3`,
		now, conversations, promoteAtOnce))
	if err != nil {
		return 0, err
	}
	if err := t.becomeReady(ctx, due, outbox.Change{At: now, State: outbox.StateReady}); err != nil {
		return 0, err
	}
	return len(conversations), t.flush(ctx)
}

// becomeReady gives deliveries that wait for a time their places, in this order, behind all that are in their lanes; those
// that have a place may be claimed. Their conversations are locked.
func (t *tx) becomeReady(ctx context.Context, list []hot, c outbox.Change) error {
	if len(list) == 0 {
		return nil
	}
	var enter []lane
	seen := make(map[lane]bool)
	for i := range list {
		if l := (lane{list[i].conversation, list[i].lane}); list[i].seq == 0 && !seen[l] {
			seen[l] = true
			enter = append(enter, l)
		}
	}
	taken, err := collectLanes(t.Query(ctx, occupied, laneArrays(enter)...))
	if err != nil {
		return err
	}
	ids, waits, placed := make([]int64, len(list)), make([]int16, len(list)), make([]bool, len(list))
	for i := range list {
		h := &list[i]
		ids[i], waits[i], placed[i] = int64(h.id), int16(waitsClaim), h.seq != 0
		if h.seq != 0 {
			continue
		}
		t.count(h.state, ready, 1)
		if l := (lane{h.conversation, h.lane}); taken[l] {
			waits[i] = int16(waitsNothing)
		} else {
			taken[l] = true
		}
	}
	t.wake = true
	places, err := t.places(ctx, len(list))
	if err != nil {
		return err
	}
	t.last.Queue(`UPDATE deliveries d SET state = 2, waits = n.waits, seq = CASE WHEN n.placed THEN d.seq ELSE n.seq END,
			updated_at = CASE WHEN n.placed THEN d.updated_at ELSE $5 END,
			history = CASE WHEN n.placed THEN d.history ELSE d.history || $6 END
		FROM unnest($1::bigint[], $2::smallint[], $3::boolean[], $4::bigint[]) AS n (id, waits, placed, seq)
		WHERE d.id = n.id`, ids, waits, placed, places, c.At, wholeLine(c))
	return nil
}

// places takes places at the end of the order of readiness.
func (t *tx) places(ctx context.Context, n int) ([]int64, error) {
	rows, err := t.Query(ctx, "SELECT nextval('places') FROM generate_series(1, $1)", n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
