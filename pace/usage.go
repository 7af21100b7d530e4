package pace

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Usage is what is used of one gate's windows: how many calls are on their way, and when those of the recent past were
// answered. The zero value is a gate that nobody has used. It is not safe for concurrent use, and knows no rule: it is
// given the one that holds. A store may keep it in a row, as its binary form.
//
// Times should not go back; those that do count as the last one.
type Usage struct {
	onWay    int
	answered []int64 // Unix nanoseconds, ascending
}

// Take counts a call that is about to be made.
func (u *Usage) Take() { u.onWay++ }

// Cancel takes a call back that was not made.
func (u *Usage) Cancel() { u.onWay = max(0, u.onWay-1) }

// Done counts a call as answered at now, or as one that nobody waits for any more.
func (u *Usage) Done(now time.Time) {
	u.onWay = max(0, u.onWay-1)
	u.Add(now)
}

// Add counts a call that was made and answered at now without having been taken.
func (u *Usage) Add(now time.Time) {
	at := now.UnixNano()
	if n := len(u.answered); n > 0 {
		at = max(at, u.answered[n-1])
	}
	u.answered = append(u.answered, at)
}

// OnWay is how many calls are on their way.
func (u *Usage) OnWay() int { return u.onWay }

// Used is how many calls occupy a window of that length at now.
func (u *Usage) Used(per time.Duration, now time.Time) int {
	first, _ := slices.BinarySearch(u.answered, now.UnixNano()-int64(per))
	return u.onWay + len(u.answered) - first
}

// share is how full the fullest window is.
func (u *Usage) share(r Rule, now time.Time) float64 {
	full := 0.0
	for _, w := range r.Windows {
		full = max(full, float64(u.Used(w.Per, now))/float64(w.Limit))
	}
	return full
}

// Empty reports whether nothing is used, once [Usage.Trim] has removed what is past.
func (u *Usage) Empty() bool { return u.onWay == 0 && len(u.answered) == 0 }

// Trim forgets what lies further back than a rule's longest window.
func (u *Usage) Trim(r Rule, now time.Time) {
	edge := now.UnixNano() - int64(r.Longest())
	n, _ := slices.BinarySearch(u.answered, edge)
	switch {
	case n == len(u.answered):
		u.answered = u.answered[:0]
	case n > 0:
		u.answered = u.answered[n:]
	}
}

// Room is how many calls of a kind may be taken at now, math.MaxInt where nothing is limited; never negative.
func (u *Usage) Room(r Rule, k Kind, now time.Time) int {
	return u.room(r, k, 0, now)
}

// room is Room when so many replies wait for the gate.
func (u *Usage) room(r Rule, k Kind, waiting int, now time.Time) int {
	if len(r.Windows) == 0 {
		return everything
	}
	if k == Reply {
		return max(0, u.free(r, now))
	}
	return max(0, min(u.free(r, now), u.free(r, now.Add(r.Within))-r.Reserve)-waiting)
}

// free is how many more calls the windows allow at that time, if none that is on its way has been answered by then.
func (u *Usage) free(r Rule, at time.Time) int {
	n := everything
	for _, w := range r.Windows {
		n = min(n, w.Limit-u.Used(w.Per, at))
	}
	return n
}

// Next is the first time, not before now, at which [Usage.Room] may be above zero. If that depends on calls that are on
// their way, it is when it would be if they were answered at now.
func (u *Usage) Next(r Rule, k Kind, now time.Time) time.Time {
	return u.next(r, k, 0, now)
}

// next is Next when so many replies wait for the gate.
func (u *Usage) next(r Rule, k Kind, waiting int, now time.Time) time.Time {
	if k == Reply {
		return u.when(r, 1, now)
	}
	next := u.when(r, 1+waiting, now)
	if r.Reserve > 0 {
		if t := u.when(r, 1+r.Reserve+waiting, now.Add(r.Within)).Add(-r.Within); t.After(next) {
			next = t
		}
	}
	return next
}

// when is the first time, not before from, at which free is at least n.
func (u *Usage) when(r Rule, n int, from time.Time) time.Time {
	for _, w := range r.Windows {
		occupied := w.Limit - n - u.onWay // so many answered ones may still count
		at := from
		switch {
		case occupied < 0:
			at = from.Add(w.Per + 1)
		case occupied < len(u.answered):
			at = time.Unix(0, u.answered[len(u.answered)-1-occupied]).Add(w.Per + 1)
		}
		if at.After(from) {
			from = at
		}
	}
	return from
}

// format is the first byte of the binary form.
const format = 1

var errUsage = errors.New("pace: not a usage")

// AppendBinary implements encoding.BinaryAppender.
func (u Usage) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, format)
	b = binary.AppendUvarint(b, uint64(u.onWay)) //nolint:gosec // never negative
	last := int64(0)
	for _, at := range u.answered {
		b = binary.AppendVarint(b, at-last)
		last = at
	}
	return b, nil
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (u Usage) MarshalBinary() ([]byte, error) { return u.AppendBinary(nil) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler. Nothing at all is the zero value.
func (u *Usage) UnmarshalBinary(b []byte) error {
	*u = Usage{}
	if len(b) == 0 {
		return nil
	}
	if b[0] != format {
		return errUsage
	}
	onWay, n := binary.Uvarint(b[1:])
	if n <= 0 || onWay > mostAllowed {
		return errUsage
	}
	var read Usage
	read.onWay = int(onWay)
	last := int64(0)
	for b = b[1+n:]; len(b) > 0; b = b[n:] {
		var step int64
		if step, n = binary.Varint(b); n <= 0 || step < 0 && last != 0 || last > 0 && last+step < last {
			return errUsage
		}
		last += step
		read.answered = append(read.answered, last)
	}
	*u = read
	return nil
}

// MarshalText implements encoding.TextMarshaler: the binary form in base64.
func (u Usage) MarshalText() ([]byte, error) {
	b, err := u.MarshalBinary()
	return base64.StdEncoding.AppendEncode(nil, b), err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Usage) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return u.UnmarshalBinary(b)
}
