package postgres

import (
	"cmp"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// handed remembers in which turns this process has handed attempts out, so that their outcomes need not look for their
// conversations. What it does not know is looked up: it keeps two generations, like the cache.
type handed struct {
	mu         sync.Mutex
	young, old map[attempt]int64 // primary keys of turns; guarded by mu
}

// handedSize is how many attempts a generation holds: more than are under way in one process.
const handedSize = 50_000

func newHanded() *handed { return &handed{young: make(map[attempt]int64)} }

// add remembers an attempt. It does not matter if it is never made.
func (h *handed) add(a attempt, turn int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.young) >= handedSize {
		h.old, h.young = h.young, make(map[attempt]int64)
	}
	h.young[a] = turn
}

// turns are those of attempts, each once and in the order in which they are locked, with the fences that the attempts have;
// false if one is not known, or two attempts share one.
func (h *handed) turns(list []*verdict) (keys, fences []int64, ok bool) {
	found := make([]turnHeld, 0, len(list))
	h.mu.Lock()
	for _, v := range list {
		a := attempt{v.id, v.fence}
		turn, known := h.young[a]
		if !known {
			turn, known = h.old[a]
		}
		if !known {
			h.mu.Unlock()
			return nil, nil, false
		}
		found = append(found, turnHeld{turn, v.fence})
	}
	h.mu.Unlock()
	slices.SortFunc(found, func(a, b turnHeld) int { return cmp.Compare(a.turn, b.turn) })
	for i, f := range found {
		if i > 0 && found[i-1].turn == f.turn {
			return nil, nil, false
		}
		keys, fences = append(keys, f.turn), append(fences, f.fence)
	}
	return keys, fences, true
}

type turnHeld struct{ turn, fence int64 }

// forget forgets attempts that are over.
func (h *handed) forget(list []*verdict) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range list {
		a := attempt{v.id, v.fence}
		delete(h.young, a)
		delete(h.old, a)
	}
}

// giveBack locks turns, in their order, by changing them: those whose fences are the attempts' are given back, and the
// others stay as they are.
const giveBack = `UPDATE turns t SET fence = CASE WHEN t.fence = a.fence THEN 0 ELSE t.fence END,
		until = CASE WHEN t.fence = a.fence THEN '-infinity' ELSE t.until END
	FROM (SELECT key, fence FROM unnest($1::bigint[], $2::bigint[]) AS n (key, fence) OFFSET 0) AS a
	WHERE t.key = a.key RETURNING t.key, t.fence = 0`

// gaveBack reads what giveBack returns.
func (t *tx) gaveBack(r pgx.Rows) error {
	var keys []int64
	var key int64
	var free bool
	_, err := pgx.ForEachRow(r, []any{&key, &free}, func() error {
		if free {
			keys = append(keys, key)
		}
		return nil
	})
	t.after(func() { t.store.freed(keys) })
	return err
}
