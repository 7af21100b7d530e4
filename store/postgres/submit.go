package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
)

// SubmitMessage implements [outbox.Store].
func (s *Store) SubmitMessage(ctx context.Context, sub outbox.Submission, take bool) (outbox.Accepted, error) {
	if take {
		if err := s.releases.settle(ctx); err != nil {
			return outbox.Accepted{}, err
		}
	}
	a := &accept{sub: &sub, take: take}
	if audit.FromContext(ctx).Open() { // it goes into the log with its submission
		err := s.acceptTogether(ctx, []*accept{a})
		return a.accepted, cmp.Or(err, a.err)
	}
	if err := s.accepts.do(ctx, a); err != nil {
		return outbox.Accepted{}, err
	}
	return a.accepted, a.err
}

// acceptTogether accepts submissions in a transaction of their own.
func (s *Store) acceptTogether(ctx context.Context, list []*accept) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		err := t.accept(ctx, list)
		t.idle = !slices.ContainsFunc(list, func(a *accept) bool { return a.err == nil && !a.accepted.Replayed })
		return err
	})
}

// SubmitMessages implements [outbox.Store].
func (s *Store) SubmitMessages(ctx context.Context, subs []outbox.Submission) ([]outbox.SubmitResult, error) {
	list := make([]*accept, len(subs))
	for i := range subs {
		list[i] = &accept{sub: &subs[i]}
	}
	if err := s.acceptTogether(ctx, list); err != nil {
		return nil, err
	}
	results := make([]outbox.SubmitResult, len(subs))
	for i, a := range list {
		results[i] = outbox.SubmitResult{Accepted: a.accepted, Err: a.err}
	}
	return results, nil
}

// accept is a submission, and what becomes of it in the transaction.
type accept struct {
	sub  *outbox.Submission
	take bool

	accepted outbox.Accepted
	err      error // it was refused; the others were not
}

// submit accepts one submission within a transaction that does other things too.
func (t *tx) submit(ctx context.Context, sub *outbox.Submission) (outbox.Accepted, error) {
	a := &accept{sub: sub}
	if err := t.accept(ctx, []*accept{a}); err != nil {
		return outbox.Accepted{}, err
	}
	return a.accepted, a.err
}

// accept decides about several submissions in their order and writes those that are accepted, with the commit. Its error
// is that of the transaction.
func (t *tx) accept(ctx context.Context, list []*accept) error {
	if err := t.lockGoals(ctx, list); err != nil {
		return err
	}
	for len(list) > 0 {
		n := 1 // what replaces others is accepted by itself: these may be among those before it
		for ; list[0].sub.Message.CollapseKey == "" && n < len(list) && list[n].sub.Message.CollapseKey == ""; n++ {
		}
		if err := t.acceptSome(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// lockGoals locks all conversations that submissions go to, if that will not be done in one step anyway.
func (t *tx) lockGoals(ctx context.Context, list []*accept) error {
	if !slices.ContainsFunc(list, func(a *accept) bool { return a.sub.Message.CollapseKey != "" }) {
		return nil
	}
	rows, _, _ := goals(list)
	_, err := t.Exec(ctx, lockTurns, rows)
	return err
}

// acceptSome decides about submissions none of which replaces another, or about one.
func (t *tx) acceptSome(ctx context.Context, list []*accept) error {
	for _, a := range list {
		a.accepted, a.err = outbox.Accepted{}, nil
	}
	k, err := t.acceptKnowing(ctx, list)
	if err != nil {
		return err
	}
	if err := k.collapse(ctx, t, list[0]); err != nil {
		return err
	}
	w := &acceptWrite{at: list[0].sub.At}
	for _, a := range list {
		if a.accepted, a.err = k.decide(t, a, w); a.err != nil {
			a.accepted = outbox.Accepted{}
		}
	}
	w.queue(t)
	return nil
}

// known is what must be known to accept: what the database has told after the conversations were locked, brought up to
// date with every submission that was decided.
type known struct {
	turns    map[book.Row]*turn
	occupied map[lane]bool
	keys     map[messageKey]earlier
	fence    int64 // for what is handed out
	entries  map[book.Row]*entry
}

// turn is a locked row of turns.
type turn struct {
	free    bool // no turn is running or waiting, and nothing is being sent
	lapsed  bool // a turn had the lease until it ran out
	version int64
	inbound optionalTime
	route   int64
	busy    optionalText
}

type messageKey struct {
	appID  string
	tenant activity.TenantID
	key    string
}

type earlier struct {
	id          outbox.MessageID
	fingerprint []byte
}

// acceptKnowing locks the conversations of submissions and asks for the rest, all at once.
func (t *tx) acceptKnowing(ctx context.Context, list []*accept) (*known, error) {
	k := &known{turns: make(map[book.Row]*turn), occupied: make(map[lane]bool), keys: make(map[messageKey]earlier)}
	var b pgx.Batch
	rows, lanes, others := goals(list)
	if len(rows) > 0 {
		b.Queue(`SELECT conversation, greatest(until, wanted) <= clock_timestamp(), version, last_inbound_at, coalesce(route, 0), busy, fence <> 0
			FROM turns WHERE conversation = ANY ($1) ORDER BY key FOR NO KEY UPDATE`, rows).Query(func(r pgx.Rows) error {
			for r.Next() {
				var c int64
				var turn turn
				if err := r.Scan(&c, &turn.free, &turn.version, &turn.inbound, &turn.route, &turn.busy, &turn.lapsed); err != nil {
					return err
				}
				k.turns[book.Row(c)] = &turn
			}
			return r.Err()
		})
	}
	if len(lanes) > 0 {
		b.Queue(occupied, t.laneArrays(lanes)...).Query(func(r pgx.Rows) (err error) {
			k.occupied, err = collectLanes(r, nil)
			return err
		})
	}
	k.queueKeys(&b, list)
	sent := make(map[book.Row]bool)
	if len(others) > 0 {
		b.Queue(sendingIn, t.laneArrays(others)...).Query(collectSending(sent))
		b.Queue("SELECT nextval('fences')").QueryRow(func(r pgx.Row) error { return r.Scan(&k.fence) })
	}
	if err := t.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	var ids []int64
	need := make(map[book.Row]int64)
	for c, turn := range k.turns {
		ids = append(ids, turn.route)
		turn.free = turn.free && !sent[c]
	}
	for _, l := range others {
		if turn := k.turns[l.conversation]; turn != nil {
			need[l.conversation] = turn.version
		}
	}
	if err := t.learnRoutes(ctx, ids); err != nil {
		return nil, err
	}
	var err error
	if len(need) > 0 {
		k.entries, err = t.conversations(ctx, need)
	}
	return k, err
}

// goals lists the conversations that submissions go to, each once, the lanes that they go to now, and the other lanes of
// conversations in which something may be handed out.
func goals(list []*accept) (rows []int64, lanes, others []lane) {
	seen, entered := make(map[book.Row]bool, len(list)), make(map[lane]bool, len(list))
	for _, a := range list {
		for i := range a.sub.Deliveries {
			c := a.sub.Deliveries[i].Conversation
			if !seen[c] {
				seen[c] = true
				rows = append(rows, int64(c))
			}
			if a.sub.Deliveries[i].DueAt.After(a.sub.At) { // it gets its place in the lane when it is due
				continue
			}
			if l := (lane{c, a.sub.Message.Lane}); !entered[l] {
				entered[l] = true
				lanes = append(lanes, l)
			}
			if a.take {
				others = appendOthers(others, c, a.sub.Message.Lane)
			}
		}
	}
	return rows, lanes, others
}

// queueKeys asks for the messages that were accepted under the same keys.
func (k *known) queueKeys(b *pgx.Batch, list []*accept) {
	var apps, tenants, keys []string
	for _, a := range list {
		if m := &a.sub.Message; m.Key != "" {
			apps, tenants, keys = append(apps, m.AppID), append(tenants, string(m.Tenant)), append(keys, m.Key)
		}
	}
	if len(keys) == 0 {
		return
	}
	b.Queue(`SELECT m.app_id, m.tenant_id, m.idem_key, m.id, m.fingerprint
		FROM `+rowsOf("k", "$1::text[] app_id", "$2::text[] tenant_id", "$3::text[] idem_key")+`
		JOIN messages m ON m.app_id = k.app_id AND m.tenant_id = k.tenant_id AND m.idem_key = k.idem_key`,
		apps, tenants, keys).Query(func(r pgx.Rows) error {
		for r.Next() {
			var key messageKey
			var e earlier
			if err := r.Scan(&key.appID, (*string)(&key.tenant), &key.key, (*int64)(&e.id), &e.fingerprint); err != nil {
				return err
			}
			k.keys[key] = e
		}
		return r.Err()
	})
}

// check tells whether a submission was accepted before, or why it is refused.
func (k *known) check(a *accept) (accepted outbox.Accepted, err error) {
	m := &a.sub.Message
	if e, ok := k.keys[messageKey{m.AppID, m.Tenant, m.Key}]; ok && m.Key != "" {
		if !bytes.Equal(e.fingerprint, m.Fingerprint) {
			return accepted, outbox.ErrKeyReused
		}
		return outbox.Accepted{Message: e.id, Replayed: true}, nil
	}
	for i := range a.sub.Deliveries {
		if k.turns[a.sub.Deliveries[i].Conversation] == nil {
			return accepted, book.ErrNotFound
		}
	}
	if a.sub.Spread != nil && len(a.sub.Deliveries) > 0 {
		return accepted, errors.New("postgres: submit: a spread, and deliveries")
	}
	return accepted, nil
}

// collapse ends what the submission replaces, and looks again at who is in the lanes.
func (k *known) collapse(ctx context.Context, t *tx, a *accept) error {
	if a.sub.Message.CollapseKey == "" || len(a.sub.Deliveries) == 0 {
		return nil
	}
	if earlier, err := k.check(a); err != nil || earlier.Replayed {
		return nil //nolint:nilerr // it is refused, and told so later
	}
	in := make([]book.Row, len(a.sub.Deliveries))
	for i := range in {
		in[i] = a.sub.Deliveries[i].Conversation
	}
	if err := t.collapse(ctx, &a.sub.Message, in, a.sub.At); err != nil {
		return err
	}
	_, lanes, _ := goals([]*accept{a})
	var err error
	k.occupied, err = collectLanes(t.Query(ctx, occupied, t.laneArrays(lanes)...))
	return err
}

// decide accepts a submission or refuses it.
func (k *known) decide(t *tx, a *accept, w *acceptWrite) (outbox.Accepted, error) {
	m := &a.sub.Message
	if earlier, err := k.check(a); err != nil || earlier.Replayed {
		return earlier, err
	}
	if err := w.messages.add(a.sub); err != nil {
		return outbox.Accepted{}, err
	}
	if m.Key != "" {
		k.keys[messageKey{m.AppID, m.Tenant, m.Key}] = earlier{m.ID, m.Fingerprint}
	}
	if a.sub.Spread != nil {
		queueSpread(&t.last, a.sub)
	}
	t.accepted(m.Lane, a.sub.Recipients())
	accepted := outbox.Accepted{Message: m.ID}
	for i := range a.sub.Deliveries {
		accepted.Attempt = k.place(t, a, &a.sub.Deliveries[i], w)
	}
	return accepted, nil
}

// place gives a delivery its place, or hands it out.
func (k *known) place(t *tx, a *accept, nd *outbox.NewDelivery, w *acceptWrite) *outbox.Attempt {
	at, m, turn := a.sub.At, &a.sub.Message, k.turns[nd.Conversation]
	alone := len(a.sub.Deliveries) == 1
	d := newDelivery{
		id: nd.ID, message: m.ID, conversation: nd.Conversation, lane: m.Lane, alone: alone, state: ready, wantedAt: at, at: at,
		collapse: collapseHash(m.AppID, m.Tenant, m.CollapseKey), route: turn.route,
	}
	if nd.DueAt.After(at) {
		d.state, d.waits, d.wantedAt, d.dueAt = scheduled, waitsTime, nd.DueAt, nd.DueAt
		t.count(0, scheduled, 1)
		t.later(nd.DueAt)
		w.deliveries.add(d)
		return nil
	}
	in := lane{nd.Conversation, m.Lane}
	behind := k.occupied[in]
	k.occupied[in] = true
	d.rank = t.store.routes.rank(d.route, d.lane, d.message, alone)
	var permit *pace.Permit
	take := a.take && alone && m.Policy.IsZero() && !behind && turn.free && k.entries[nd.Conversation] != nil && !expiredAt(m.ExpiresAt, at)
	if take {
		permit, take = t.permitAtOnce(d.route, string(k.entries[nd.Conversation].conv.Key.Conversation), d.lane, at)
	}
	if !take {
		if !behind {
			d.waits = waitsClaim
			t.offer(d.route, d.lane, d.rank)
		}
		t.count(0, ready, 1)
		w.deliveries.add(d)
		return nil
	}
	turn.free = false
	t.store.routes.had(d.route, d.lane, d.rank)
	d.state, d.fence, d.claims = sending, k.fence, 1
	t.count(0, sending, 1)
	w.deliveries.add(d)
	e := k.entries[nd.Conversation]
	attempt := &outbox.Attempt{
		Delivery: d.id, Message: m.ID, Conversation: e.conv, OnUnknown: m.OnUnknown, Lane: m.Lane, Fence: k.fence, Claims: 1,
		LeaseUntil: at.Add(t.store.leaseTime), Body: slices.Clone(m.Body), Window: m.Window, ExpiresAt: m.ExpiresAt,
		CreatedAt: m.CreatedAt, Trace: m.Trace, Handler: m.Handler, Topic: m.Topic, Fallback: m.Fallback != "", WantedAt: at, Permit: permit,
		Lease: t.attemptLease(&e.conv, d.id, k.fence),
	}
	attempt.Conversation.LastInboundAt = time.Time(turn.inbound)
	attempt.Conversation.Busy, _ = outbox.DecodeBusy(string(turn.busy)) // nothing is judged by it
	if turn.lapsed {
		t.outlive([]int64{int64(nd.Conversation)})
	}
	w.handed = append(w.handed, int64(nd.ID))
	return attempt
}

func expiredAt(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// conversations returns conversations in these versions, from memory where they are there.
func (t *tx) conversations(ctx context.Context, need map[book.Row]int64) (map[book.Row]*entry, error) {
	found := make(map[book.Row]*entry, len(need))
	var missing []book.Row
	for r, version := range need {
		if e, ok := t.store.cache.entry(r, version); ok {
			found[r] = e
		} else {
			missing = append(missing, r)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	read, err := entries(ctx, t, missing)
	for r, e := range read {
		found[r] = e
		t.after(func() { t.store.cache.put(e) })
	}
	return found, err
}

// acceptWrite is what accepting writes, as arrays.
type acceptWrite struct {
	messages   messageArrays
	deliveries deliveryArrays
	at         time.Time
	handed     []int64
}

// queue has it written together with the commit.
func (w *acceptWrite) queue(t *tx) {
	if len(w.messages.id) > 0 {
		w.messages.queue(&t.last)
	}
	if len(w.deliveries.id) > 0 {
		w.deliveries.queue(t)
	}
	t.noteHanded(w.handed, w.at)
}
