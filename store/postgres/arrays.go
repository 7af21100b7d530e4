package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/internal/history"
)

// Rows are inserted many at a time, by statements over one array for each column: one statement to plan and one answer
// for all of them.

// times, texts and ints are arrays whose zero values are NULL.
type (
	times []pgtype.Timestamptz
	texts []pgtype.Text
	ints  []pgtype.Int8
)

func (a *times) add(t time.Time) { *a = append(*a, pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}) }
func (a *texts) add(s string)    { *a = append(*a, pgtype.Text{String: s, Valid: s != ""}) }
func (a *ints) add(n int64)      { *a = append(*a, pgtype.Int8{Int64: n, Valid: n != 0}) }

// messageArrays are rows of the table messages.
type messageArrays struct {
	id                                                   []int64
	appID, tenant                                        []string
	key, topic, policy, collapse, target, trace, handler texts
	fingerprint, body, value                             [][]byte
	lane, onUnknown, window                              []int16
	expiresAt, createdAt                                 times
	alone, recipients                                    ints
}

func (a *messageArrays) add(sub *outbox.Submission) error {
	m := &sub.Message
	onUnknown, err := code(onUnknowns, m.OnUnknown)
	if err != nil {
		return fmt.Errorf("postgres: submit: on unknown: %w", err)
	}
	window, err := code(windowWords, m.Window)
	if err != nil {
		return fmt.Errorf("postgres: submit: window: %w", err)
	}
	policy, err := outbox.EncodePolicy(m.Policy)
	if err != nil {
		return fmt.Errorf("postgres: submit: %w", err)
	}
	a.id = append(a.id, int64(m.ID))
	a.appID, a.tenant = append(a.appID, m.AppID), append(a.tenant, string(m.Tenant))
	a.key.add(m.Key)
	a.topic.add(m.Topic)
	a.policy.add(policy)
	a.collapse.add(m.CollapseKey)
	a.target.add(m.Target)
	a.trace.add(m.Trace)
	a.handler.add(m.Handler)
	a.fingerprint = append(a.fingerprint, orNil(m.Fingerprint))
	a.body, a.value = append(a.body, orNil(m.Body)), append(a.value, orNil(m.Value))
	a.lane, a.onUnknown, a.window = append(a.lane, int16(m.Lane)), append(a.onUnknown, int16(onUnknown)), append(a.window, int16(window))
	a.expiresAt.add(m.ExpiresAt)
	a.createdAt.add(m.CreatedAt)
	alone, recipients := int64(0), int64(0)
	if len(sub.Deliveries) == 1 {
		alone = int64(sub.Deliveries[0].ID)
	}
	if sub.Spread != nil {
		recipients = int64(sub.Spread.Conversations)
	}
	a.alone.add(alone)
	a.recipients.add(recipients)
	return nil
}

// orNil is b, or nil if it is empty.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func (a *messageArrays) queue(b *pgx.Batch) {
	b.Queue(`INSERT INTO messages (id, app_id, tenant_id, idem_key, fingerprint, body, value, topic, lane, on_unknown,
			window_code, policy, collapse_key, target, expires_at, created_at, trace, alone, recipients,
			handler)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
			$8::text[], $9::smallint[], $10::smallint[], $11::smallint[], $12::text[], $13::text[], $14::text[],
			$15::timestamptz[], $16::timestamptz[], $17::text[], $18::bigint[], $19::bigint[],
			$20::text[])`,
		a.id, a.appID, a.tenant, []pgtype.Text(a.key), a.fingerprint, a.body, a.value, []pgtype.Text(a.topic), a.lane,
		a.onUnknown, a.window, []pgtype.Text(a.policy), []pgtype.Text(a.collapse), []pgtype.Text(a.target),
		[]pgtype.Timestamptz(a.expiresAt), []pgtype.Timestamptz(a.createdAt), []pgtype.Text(a.trace), []pgtype.Int8(a.alone),
		[]pgtype.Int8(a.recipients), []pgtype.Text(a.handler))
}

// newDelivery is a row of the table deliveries that is to be inserted. It gets its place in the lane, unless it is
// scheduled, when it is written: places are given in the order of the arrays.
type newDelivery struct {
	id              outbox.DeliveryID
	message         outbox.MessageID
	conversation    book.Row
	lane            outbox.Lane
	alone           bool
	route, rank     int64
	state, waits    int64
	wantedAt, dueAt time.Time
	fence, claims   int64
	verb            int64
	revises         outbox.DeliveryID
	collapse        int64
	at              time.Time
}

// deliveryArrays are rows of the table deliveries.
type deliveryArrays struct {
	id, message, conversation, fence []int64
	route, rank                      []int64
	lane, state, waits               []int16
	claims                           []int32
	alone                            []bool
	wantedAt, dueAt, at              times
	verb, revises, collapse          ints
	history                          []string
}

func (a *deliveryArrays) add(d newDelivery) {
	a.id, a.message = append(a.id, int64(d.id)), append(a.message, int64(d.message))
	a.conversation, a.fence = append(a.conversation, int64(d.conversation)), append(a.fence, d.fence)
	a.route, a.rank = append(a.route, d.route), append(a.rank, d.rank)
	a.lane, a.state = append(a.lane, int16(d.lane)), append(a.state, int16(d.state))
	a.waits, a.claims = append(a.waits, int16(d.waits)), append(a.claims, int32(d.claims))
	a.alone = append(a.alone, d.alone)
	a.wantedAt.add(d.wantedAt)
	a.dueAt.add(d.dueAt)
	a.at.add(d.at)
	a.verb.add(d.verb)
	a.revises.add(int64(d.revises))
	a.collapse.add(d.collapse)
	a.history = append(a.history, history.Line(outbox.Change{At: d.at, State: stateNames[d.state], Attempt: int(d.claims)}))
}

func (a *deliveryArrays) queue(t *tx) {
	t.last.Queue(`INSERT INTO deliveries (id, message, conversation, lane, alone, route, rank, seq, state, waits, wanted_at, due_at,
			lease_until, turn_until, fence, claims, failures, verb, revises, collapse, created_at, updated_at, history)
		SELECT id, message, conversation, lane, alone, route, rank, CASE WHEN state <> 1 THEN nextval('places') END, state, waits, wanted_at,
			due_at, CASE WHEN state = 4 THEN CASE WHEN $15 THEN at ELSE clock_timestamp() END + $16::interval END,
			CASE WHEN state = 4 THEN clock_timestamp() + $16::interval END, fence, claims, 0, verb, revises, collapse,
			at, at, history
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::boolean[], $6::smallint[], $7::smallint[],
			$8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::integer[], $12::smallint[], $13::bigint[], $14::timestamptz[],
			$17::text[], $18::bigint[], $19::bigint[], $20::bigint[]) AS n (id, message, conversation, lane, alone, state, waits, wanted_at, due_at, fence,
			claims, verb, revises, at, history, collapse, route, rank)`,
		a.id, a.message, a.conversation, a.lane, a.alone, a.state, a.waits, []pgtype.Timestamptz(a.wantedAt),
		[]pgtype.Timestamptz(a.dueAt), a.fence, a.claims, []pgtype.Int8(a.verb), []pgtype.Int8(a.revises),
		[]pgtype.Timestamptz(a.at), t.store.callersTime, t.store.leaseTime, a.history, []pgtype.Int8(a.collapse), a.route, a.rank)
}
