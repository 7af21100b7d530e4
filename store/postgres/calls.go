package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/pace"
)

// What a conversation was called is counted in a row of the table calls, where its channel has limits: at which time each
// call of the recent past was over, by the database's clock. While it is under way that is the time by which it is given up,
// so nobody need do anything for a node that has died. Rows are locked in the order of channel and key. A delivery is counted in the step in which it is handed out, any other
// call, such as a reply, in one of its own.

// callKey is the primary key of a conversation's row of calls. Two that share it would be counted as one.
func callKey(s pace.Scope) int64 {
	var b []byte
	for _, part := range [...]string{s.App, s.Channel, s.Tenant, s.Conversation} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(h[:])) //nolint:gosec // any 64 bits will do
}

// counts is the rule by which this store counts the calls of a channel's conversations; one without windows for none.
func (s *Store) counts(channel string) pace.Rule {
	if !s.cfg.Pace.Shared() {
		return pace.Rule{}
	}
	return s.cfg.Pace.Rule(channel)
}

// usageOf is what counts at now of calls that were over at times.
func usageOf(over []time.Time, now time.Time) (u pace.Usage) {
	slices.SortFunc(over, time.Time.Compare)
	for _, at := range over {
		if at.After(now) {
			u.Take()
		} else {
			u.Add(at)
		}
	}
	return u
}

// beginCall counts calls that are about to be made into conversations of one rule, those for which there is room by now. A
// call's last time is its name too, so no two are the same.
const beginCall = `INSERT INTO calls AS c (key, over) SELECT k, ARRAY[clock_timestamp() + $2::interval] FROM unnest($1::bigint[]) AS k
	ON CONFLICT (key) DO UPDATE SET over = ARRAY (SELECT x FROM unnest(c.over) AS x WHERE x > clock_timestamp() - $3::interval)
		|| greatest(clock_timestamp() + $2::interval, (SELECT max(x) FROM unnest(c.over) AS x) + interval '1 microsecond')
	WHERE NOT EXISTS (SELECT FROM unnest($4::integer[], $5::interval[]) AS w (most, per)
		WHERE (SELECT count(*) FROM unnest(c.over) AS x WHERE x > clock_timestamp() - w.per) >= w.most)
	RETURNING c.key, c.over[cardinality(c.over)]`

// beginCalls counts calls, one into each of these conversations, and names those for which there is room.
func (t *tx) beginCalls(ctx context.Context, r pace.Rule, keys []int64) (names map[int64]time.Time, err error) {
	most, per := make([]int32, len(r.Windows)), make([]time.Duration, len(r.Windows))
	for i, w := range r.Windows {
		most[i], per[i] = int32(w.Limit), w.Per //nolint:gosec // limits are small
	}
	slices.Sort(keys)
	rows, err := t.Query(ctx, beginCall, keys, pace.LongestCall, r.Longest(), most, per)
	if err != nil {
		return nil, err
	}
	names = make(map[int64]time.Time, len(keys))
	var key int64
	var name time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &name}, func() error {
		names[key] = name
		return nil
	})
	return names, err
}

// calling is a call that is no delivery and is about to be made.
type calling struct {
	scope pace.Scope
	key   int64
	rule  pace.Rule
	kind  pace.Kind

	name time.Time     // zero when there is no room
	wait time.Duration // then
}

// Begin implements [pace.Calls].
func (s *Store) Begin(
	ctx context.Context, scope pace.Scope, r pace.Rule, k pace.Kind,
) (end func(at time.Time, made bool), wait time.Duration, err error) {
	c := &calling{scope: scope, key: callKey(scope), kind: k, rule: r}
	if err := s.sharing.calls.do(ctx, c); err != nil || c.name.IsZero() {
		return nil, c.wait, err
	}
	return s.endOf(scope.Channel, c.key, c.name), 0, nil
}

// countCallings counts calls. Those into the same conversation, and those of other channels, take their turns.
func (s *Store) countCallings(ctx context.Context, list []*calling) error {
	return s.writeFor(ctx, len(list), func(ctx context.Context, t *tx) error {
		for _, c := range list {
			c.name, c.wait = time.Time{}, shortestWait
		}
		slices.SortStableFunc(list, func(a, b *calling) int {
			return cmp.Or(cmp.Compare(a.scope.Channel, b.scope.Channel), cmp.Compare(a.key, b.key))
		})
		for rest := list; len(rest) > 0; {
			first, now := rest[0], make(map[int64]*calling)
			var keys []int64
			rest = slices.DeleteFunc(slices.Clone(rest), func(c *calling) bool {
				if c.scope.Channel != first.scope.Channel || now[c.key] != nil {
					return false
				}
				now[c.key] = c
				keys = append(keys, c.key)
				return true
			})
			names, err := t.beginCalls(ctx, first.rule, keys)
			if err != nil {
				return err
			}
			var full []int64
			for key, c := range now {
				if c.name = names[key]; c.name.IsZero() {
					full = append(full, key)
				}
			}
			if err := t.calledAt(ctx, full, func(key int64, over []time.Time, at time.Time) {
				u := usageOf(over, at)
				now[key].wait = max(shortestWait, u.Next(first.rule, now[key].kind, at).Sub(at))
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// calledAt tells what conversations were called, and the present by the database's clock.
func (t *tx) calledAt(ctx context.Context, keys []int64, each func(key int64, over []time.Time, now time.Time)) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := t.Query(ctx, "SELECT key, over, clock_timestamp() FROM calls WHERE key = ANY ($1)", keys)
	if err != nil {
		return err
	}
	var key int64
	var over []time.Time
	var now time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &over, &now}, func() error {
		each(key, over, now)
		over = nil
		return nil
	})
	return err
}

// called is a call that is over.
type called struct {
	channel string
	key     int64
	name    time.Time
	at      time.Time // by this process
	made    bool
}

// endOf is what ends a call that is counted.
func (s *Store) endOf(channel string, key int64, name time.Time) func(time.Time, bool) {
	return func(at time.Time, made bool) {
		s.sharing.ended.post("the end of a call", called{channel, key, name, at, made}, func() {})
	}
}

func (s *Store) endCalls(ctx context.Context, list []called) error {
	slices.SortFunc(list, func(a, b called) int { return cmp.Or(cmp.Compare(a.channel, b.channel), cmp.Compare(a.key, b.key)) })
	return s.writeFor(ctx, len(list), func(_ context.Context, t *tx) error {
		for _, c := range list {
			if c.made {
				t.last.Queue(`UPDATE calls SET over = array_replace(over, $2::timestamptz, least($2::timestamptz, clock_timestamp() - $3::interval))
					WHERE key = $1`, c.key, c.name, max(0, time.Since(c.at)))
			} else {
				t.last.Queue("UPDATE calls SET over = array_remove(over, $2::timestamptz) WHERE key = $1", c.key, c.name)
			}
		}
		return nil
	})
}

// calledThere is what the conversations of heads were called that a claim looks at.
type calledThere struct {
	store *Store
	now   time.Time // by the database's clock
	over  map[int64][]time.Time
}

// calledThere asks for it.
func (t *tx) calledThere(ctx context.Context, p *page) (c calledThere, err error) {
	c.store = t.store
	if !t.store.cfg.Pace.Shared() {
		return c, nil
	}
	var keys []int64
	for _, l := range p.routes {
		if len(t.store.counts(l.way.Channel).Windows) == 0 {
			continue
		}
		for i := range l.lanes {
			for _, h := range l.lanes[i].heads {
				keys = append(keys, callKey(l.way.OfConversation(h.name)))
			}
		}
	}
	c.over = make(map[int64][]time.Time, len(keys))
	err = t.calledAt(ctx, keys, func(key int64, over []time.Time, now time.Time) { c.over[key], c.now = over, now })
	return c, err
}

// wait is how long a delivery must wait as far as its conversation decides; 0 for not at all.
func (c *calledThere) wait(way pace.Route, name string) time.Duration {
	rule := c.store.counts(way.Channel)
	if len(rule.Windows) == 0 {
		return 0
	}
	over := c.over[callKey(way.OfConversation(name))]
	u := usageOf(over, c.now)
	if len(over) == 0 || u.Room(rule, pace.Delivery, c.now) > 0 {
		return 0
	}
	return max(shortestWait, u.Next(rule, pace.Delivery, c.now).Sub(c.now))
}

// countCalls counts the calls of heads whose conversations were taken. Those that have no room by now are left out.
func (t *tx) countCalls(ctx context.Context, heads []*head) ([]*head, error) {
	byChannel := make(map[string][]*head)
	for _, h := range heads {
		if !h.over && len(t.store.counts(h.route.way.Channel).Windows) > 0 {
			byChannel[h.route.way.Channel] = append(byChannel[h.route.way.Channel], h)
		}
	}
	var back []int64
	for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
		list := byChannel[channel]
		keys := make([]int64, len(list))
		byKey := make(map[int64]*head, len(list)) // two that share a key take their turns
		for i, h := range list {
			keys[i] = callKey(h.route.way.OfConversation(h.name))
			byKey[keys[i]] = h
		}
		slices.Sort(keys)
		names, err := t.beginCalls(ctx, t.store.counts(channel), slices.Compact(keys))
		if err != nil {
			return nil, err
		}
		counted := make(map[*head]bool, len(list))
		for key, name := range names {
			byKey[key].permit.OnEnd(t.store.endOf(channel, key, name))
			counted[byKey[key]] = true
		}
		for _, h := range list {
			if !counted[h] {
				back = append(back, int64(h.conversation))
			}
		}
	}
	if len(back) == 0 {
		return heads, nil
	}
	time.AfterFunc(lookSoon, t.store.wakeHere)
	return slices.DeleteFunc(heads, func(h *head) bool { return slices.Contains(back, int64(h.conversation)) }), nil
}

// forgetCalls deletes what does not matter any more.
func (s *Store) forgetCalls(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		longest := time.Duration(0)
		rows, err := t.Query(ctx, "SELECT DISTINCT channel_id FROM routes")
		if err != nil {
			return err
		}
		var channel string
		if _, err := pgx.ForEachRow(rows, []any{&channel}, func() error {
			longest = max(longest, s.counts(channel).Longest())
			return nil
		}); err != nil {
			return err
		}
		_, err = t.Exec(ctx, `DELETE FROM calls WHERE ctid = ANY (ARRAY (SELECT ctid FROM calls
			WHERE NOT EXISTS (SELECT FROM unnest(over) AS x WHERE x > clock_timestamp() - $1::interval) LIMIT $2 FOR UPDATE SKIP LOCKED))`,
			max(longest, time.Minute), 10*forgetAtOnce)
		return err
	})
}
