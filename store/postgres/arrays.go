package postgres

import (
	"fmt"
	"slices"
	"strings"
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

// Most of them are NULL in every row. Then no array is sent: rows that one array is too short for have NULL there.

func (a times) arg() []pgtype.Timestamptz {
	if !slices.ContainsFunc(a, func(t pgtype.Timestamptz) bool { return t.Valid }) {
		return nil
	}
	return a
}

func (a texts) arg() []pgtype.Text {
	if !slices.ContainsFunc(a, func(t pgtype.Text) bool { return t.Valid }) {
		return nil
	}
	return a
}

func (a ints) arg() []pgtype.Int8 {
	if !slices.ContainsFunc(a, func(n pgtype.Int8) bool { return n.Valid }) {
		return nil
	}
	return a
}

// blobs are bytes, of which nil is NULL.
type blobs [][]byte

func (a blobs) arg() [][]byte {
	if !slices.ContainsFunc(a, func(b []byte) bool { return b != nil }) {
		return nil
	}
	return a
}

// rowsOf is a table of the rows that arrays hold together, for a statement: a name, and what makes each column, as
// "$1::bigint[] id". Unlike unnest with several arrays in FROM, which keeps each column for itself before it makes rows of them, and so
// takes more than twice as long, this makes one row at a time.
func rowsOf(name string, columns ...string) string {
	var b strings.Builder
	for i, c := range columns {
		array, column, _ := strings.Cut(c, " ")
		b.WriteString([]string{"(SELECT ", ", "}[min(i, 1)] + "unnest(" + array + ") AS " + column)
	}
	return b.String() + ") AS " + name
}

// messageArrays are rows of the table messages.
type messageArrays struct {
	id                                                             []int64
	appID, tenant                                                  []string
	key, topic, policy, collapse, target, trace, handler, fallback texts
	fingerprint, body, value                                       blobs
	lane, onUnknown, window                                        []int16
	expiresAt, createdAt                                           times
	alone, recipients                                              ints
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
	a.fallback.add(m.Fallback)
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

var insertMessages = `INSERT INTO messages (id, app_id, tenant_id, idem_key, fingerprint, body, value, topic, lane, on_unknown,
		window_code, policy, collapse_key, target, expires_at, created_at, trace, alone, recipients, handler, fallback)
	SELECT * FROM ` + rowsOf("n", "$1::bigint[] id", "$2::text[] app_id", "$3::text[] tenant_id", "$4::text[] idem_key",
	"$5::bytea[] fingerprint", "$6::bytea[] body", "$7::bytea[] value", "$8::text[] topic", "$9::smallint[] lane",
	"$10::smallint[] on_unknown", "$11::smallint[] window_code", "$12::text[] policy", "$13::text[] collapse_key",
	"$14::text[] target", "$15::timestamptz[] expires_at", "$16::timestamptz[] created_at", "$17::text[] trace",
	"$18::bigint[] alone", "$19::bigint[] recipients", "$20::text[] handler", "$21::text[] fallback")

func (a *messageArrays) queue(b *pgx.Batch) {
	b.Queue(insertMessages, a.id, a.appID, a.tenant, a.key.arg(), a.fingerprint.arg(), a.body.arg(), a.value.arg(), a.topic.arg(),
		a.lane, a.onUnknown, a.window, a.policy.arg(), a.collapse.arg(), a.target.arg(), a.expiresAt.arg(), a.createdAt.arg(),
		a.trace.arg(), a.alone.arg(), a.recipients.arg(), a.handler.arg(), a.fallback.arg())
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

var insertDeliveries = `INSERT INTO deliveries (id, message, conversation, lane, alone, route, rank, seq, state, waits, wanted_at, due_at,
		lease_until, turn_until, fence, claims, failures, verb, revises, collapse, created_at, updated_at, history)
	SELECT id, message, conversation, lane, alone, route, rank, CASE WHEN state <> 1 THEN nextval('places') END, state, waits, wanted_at,
		due_at, CASE WHEN state = 4 THEN CASE WHEN $15 THEN at ELSE clock_timestamp() END + $16::interval END,
		CASE WHEN state = 4 THEN clock_timestamp() + $16::interval END, fence, claims, 0, verb, revises, collapse,
		at, at, history
	FROM ` + rowsOf("n", "$1::bigint[] id", "$2::bigint[] message", "$3::bigint[] conversation", "$4::smallint[] lane",
	"$5::boolean[] alone", "$6::smallint[] state", "$7::smallint[] waits", "$8::timestamptz[] wanted_at", "$9::timestamptz[] due_at",
	"$10::bigint[] fence", "$11::integer[] claims", "$12::smallint[] verb", "$13::bigint[] revises", "$14::timestamptz[] at",
	"$17::text[] history", "$18::bigint[] collapse", "$19::bigint[] route", "$20::bigint[] rank")

func (a *deliveryArrays) queue(t *tx) {
	t.last.Queue(insertDeliveries, a.id, a.message, a.conversation, a.lane, a.alone, a.state, a.waits, a.wantedAt.arg(), a.dueAt.arg(),
		a.fence, a.claims, a.verb.arg(), a.revises.arg(), a.at.arg(), t.store.callersTime, t.store.leaseTime, a.history,
		a.collapse.arg(), a.route, a.rank)
}
