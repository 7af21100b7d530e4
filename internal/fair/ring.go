package fair

// Ring goes round its members: who had a turn goes to the end. The zero value is empty. [Ring.Round] shares out turns.
type Ring[T any] struct {
	first, last *Member[T]
	n           int
}

// Member is a place in a ring, or none yet. A member is in one ring at most.
type Member[T any] struct {
	Value      T
	ring       *Ring[T]
	prev, next *Member[T]
}

// In reports whether m is in a ring.
func (m *Member[T]) In() bool { return m.ring != nil }

// Len is how many members there are.
func (r *Ring[T]) Len() int { return r.n }

// Add puts m at the end, unless it is in a ring already.
func (r *Ring[T]) Add(m *Member[T]) {
	if m.ring != nil {
		return
	}
	m.ring, m.prev, m.next = r, r.last, nil
	if r.last == nil {
		r.first = m
	} else {
		r.last.next = m
	}
	r.last = m
	r.n++
}

// Remove takes m out, if it is in.
func (r *Ring[T]) Remove(m *Member[T]) {
	if m.ring != r {
		return
	}
	if m.prev == nil {
		r.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		r.last = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.ring, m.prev, m.next = nil, nil, nil
	r.n--
}

// Each calls f with every member, in the order of their turns. f changes nothing about the ring.
func (r *Ring[T]) Each(f func(T)) {
	for m := r.first; m != nil; m = m.next {
		f(m.Value)
	}
}

// Round shares out up to n turns among the members, as evenly as they can use them: give is called with a member and how
// many turns it may have, and returns how many it had and whether it may use more. It goes on where the round before has
// ended. give may remove its member, and add others, which then take part. An error of give's ends the round.
func (r *Ring[T]) Round(n int, give func(T, int) (had int, more bool, err error)) error {
	var sated map[*Member[T]]bool
	for n > 0 && len(sated) < r.n {
		share := max(1, n/(r.n-len(sated)))
		for left := r.n; left > 0 && n > 0 && r.n > 0; left-- {
			m := r.first
			r.toEnd(m)
			if sated[m] {
				continue
			}
			had, more, err := give(m.Value, min(share, n))
			if err != nil {
				return err
			}
			n -= had
			if m.ring == r && (!more || had == 0) {
				if sated == nil {
					sated = make(map[*Member[T]]bool)
				}
				sated[m] = true
			}
		}
	}
	return nil
}

func (r *Ring[T]) toEnd(m *Member[T]) {
	if r.last != m {
		r.Remove(m)
		r.Add(m)
	}
}
