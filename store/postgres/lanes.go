package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// Which delivery is the head of its lane is written in its row (waits), so that a claim need not look at what stands
// before it. Many nodes change lanes at once, so this must be decided by one transaction at a time:
//
//   - Whoever inserts, changes or deletes deliveries of a conversation holds the lock of the conversation's row of turns,
//     from before it looks until it commits.
//   - Every statement of a READ COMMITTED transaction sees all that was committed before the statement began. So a
//     statement that comes after the one that has locked sees all deliveries of the conversation as the last holder of the
//     lock has left them, and nobody changes them meanwhile. Statements that only want to know which conversations are
//     concerned come before the lock, and what they have found is looked at again.
//   - Places in lanes are taken from a sequence while the lock is held. So of two deliveries in a lane the one that was
//     committed later has the greater place, and the head is never overtaken by one with a smaller place that appears late.
//
// Transactions that lock several rows do so in the order of the rows' keys, and take all locks of turns before those of
// anything else; a claim waits for no lock at all. So they do not wait for each other in a circle. Steps that must take a
// second set of locks may, rarely; the database notices within a second, and the transaction is tried again.

type lane struct {
	conversation book.Row
	lane         outbox.Lane
}

const lockTurns = `SELECT conversation, coalesce(route, 0) FROM turns WHERE conversation = ANY ($1) ORDER BY key FOR NO KEY UPDATE`

// lock locks conversations, so that this transaction alone changes their deliveries, and returns the routes of those that
// are in the book.
func (t *tx) lock(ctx context.Context, conversations []book.Row) (map[book.Row]int64, error) {
	rows, err := t.Query(ctx, lockTurns, numbers(conversations))
	if err != nil {
		return nil, err
	}
	locked := make(map[book.Row]int64, len(conversations))
	var ids []int64
	var c, route int64
	if _, err = pgx.ForEachRow(rows, []any{&c, &route}, func() error {
		locked[book.Row(c)] = route
		ids = append(ids, route)
		return nil
	}); err != nil {
		return nil, err
	}
	return locked, t.learnRoutes(ctx, ids)
}

// numbers are ids as an array for the database.
func numbers[T ~int64](ids []T) []int64 {
	n := make([]int64, len(ids))
	for i, id := range ids {
		n[i] = int64(id)
	}
	return n
}

// theseLanes are what laneArrays are, as a table.
var theseLanes = rowsOf("l", "$1::bigint[] conversation", "$2::smallint[] lane", "$3::bigint[] low")

// promote lets the first of each of these lanes be claimed that somebody has left, if nobody has let it before. Nobody
// may have been there, so it is asked of every lane.
var promote = `UPDATE deliveries d SET waits = 1
	FROM ` + theseLanes + ` CROSS JOIN LATERAL (
		SELECT h.id, h.state, h.waits FROM deliveries h
		WHERE h.conversation = l.conversation AND h.lane = l.lane AND h.seq IS NOT NULL AND h.seq > l.low ORDER BY h.seq LIMIT 1) AS head
	WHERE d.id = head.id AND head.state = 2 AND head.waits = 0 RETURNING d.route, d.lane, d.rank`

// vacate promotes the heads of lanes that deliveries have left, with the commit. first are those whose heads have left, with
// the places that these had: nobody is before them.
func (t *tx) vacate(left []lane, first map[lane]int64) {
	if len(left) == 0 {
		return
	}
	if len(first) > 0 {
		t.after(func() { t.store.lows.left(first) })
	}
	args := t.laneArrays(left)
	if behind, ok := args[2].([]int64); ok {
		for i, l := range left {
			behind[i] = max(behind[i], first[l])
		}
	}
	t.last.Queue(promote, args...).Query(func(r pgx.Rows) error {
		var in offer
		_, err := pgx.ForEachRow(r, []any{&in.route, &in.lane, &in.rank}, func() error {
			t.offer(in.route, in.lane, in.rank)
			return nil
		})
		return err
	})
}

// laneArrays are lanes, and behind which places their heads are as far as that is known.
func (t *tx) laneArrays(lanes []lane) []any {
	conversations, numbers := make([]int64, len(lanes)), make([]int16, len(lanes))
	for i, l := range lanes {
		conversations[i], numbers[i] = int64(l.conversation), int16(l.lane)
	}
	return []any{conversations, numbers, t.store.lows.of(lanes)}
}

// occupied are the lanes in which somebody is, by one look into the index for each: with EXISTS the planner compares each
// with all that wait, if there were few when it made its plan.
var occupied = "SELECT l.conversation, l.lane FROM " + theseLanes + ` CROSS JOIN LATERAL (SELECT FROM deliveries d
	WHERE d.conversation = l.conversation AND d.lane = l.lane AND d.seq IS NOT NULL AND d.seq > l.low LIMIT 1) AS somebody`

func collectLanes(rows pgx.Rows, err error) (map[lane]bool, error) {
	if err != nil {
		return nil, err
	}
	found := make(map[lane]bool)
	var c int64
	var n int16
	_, err = pgx.ForEachRow(rows, []any{&c, &n}, func() error {
		found[lane{book.Row(c), outbox.Lane(n)}] = true //nolint:gosec // it was written as one
		return nil
	})
	return found, err
}
