package fair_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/internal/fair"
)

// line is a queue that is served by rank, then by number.
type line struct {
	clock fair.Clock
	wait  []ranked
	last  map[string]int64 // of messages with several deliveries
	n     int
}

type ranked struct {
	rank    int64
	number  int
	message string
}

func newLine() *line { return &line{last: make(map[string]int64)} }

func (l *line) single(message string) { l.add(message, l.clock.Begin()) }

func (l *line) several(message string, n int) {
	for range n {
		last, began := l.last[message]
		if began {
			last = l.clock.Next(last)
		} else {
			last = l.clock.Begin()
		}
		l.last[message] = last
		l.add(message, last)
	}
}

func (l *line) add(message string, rank int64) {
	l.n++
	l.wait = append(l.wait, ranked{rank, l.n, message})
}

func (l *line) serve(n int) (served []string) {
	for range min(n, len(l.wait)) {
		first := slices.MinFunc(l.wait, func(a, b ranked) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.number, b.number))
		})
		l.wait = slices.DeleteFunc(l.wait, func(r ranked) bool { return r.number == first.number })
		l.clock.Turn(first.rank)
		served = append(served, first.message)
	}
	return served
}

func count(served []string, message string) (n int) {
	for _, s := range served {
		if s == message {
			n++
		}
	}
	return n
}

func TestSingleMessagesGoInTheOrderOfTheirComing(t *testing.T) {
	t.Parallel()
	l := newLine()
	l.single("a")
	l.single("b")
	l.serve(1)
	l.single("c")
	l.single("d")
	if got := l.serve(3); !slices.Equal(got, []string{"b", "c", "d"}) {
		t.Errorf("served %v", got)
	}
}

func TestLateMessageDoesNotWaitBehindABroadcast(t *testing.T) {
	t.Parallel()
	l := newLine()
	l.several("broadcast", 1000)
	l.serve(500)
	l.single("late")
	if at := slices.Index(l.serve(10), "late"); at < 0 || at > 1 {
		t.Errorf("the late message was number %d to be sent", at+1)
	}
}

func TestBroadcastsTakeTurns(t *testing.T) {
	t.Parallel()
	l := newLine()
	l.several("long", 1000)
	l.serve(400)
	l.several("short", 50)
	served := l.serve(110)
	if n := count(served, "short"); n != 50 {
		t.Errorf("%d of 50 were sent while the other broadcast had %d", n, count(served, "long"))
	}
}

func TestBroadcastThatComesInPagesKeepsItsPlace(t *testing.T) {
	t.Parallel()
	l := newLine()
	l.several("a", 100)
	l.several("b", 1)
	for range 10 {
		l.several("b", 10)
		l.serve(20)
	}
	if a, b := 100-count(messages(l), "a"), 101-count(messages(l), "b"); a < 90 || b < 90 {
		t.Errorf("%d of one were sent, %d of the other", a, b)
	}
}

func messages(l *line) (all []string) {
	for _, w := range l.wait {
		all = append(all, w.message)
	}
	return all
}

// TestBroadcastIsNotStarved: more single messages than can be sent come all the time.
func TestBroadcastIsNotStarved(t *testing.T) {
	t.Parallel()
	for name, several := range map[string]int{"Singles": 1, "Pairs": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLine()
			l.several("broadcast", 1000)
			sent := 0
			for i := range 900 {
				if several == 1 {
					l.single("other")
				} else {
					l.several(string(rune('가'+i)), several)
				}
				sent += count(l.serve(1), "broadcast")
			}
			if want := 900/(fair.Step*several+1) - 2; sent < want {
				t.Errorf("%d of 900 turns were the broadcast's, want %d", sent, want)
			}
		})
	}
}

func TestResumedClockDoesNotPutTheNewBehindTheOld(t *testing.T) {
	t.Parallel()
	l := newLine()
	l.several("broadcast", 1000)
	l.serve(500)
	l.clock = fair.Resume(l.clock.Now() - 100)
	l.single("new")
	if at := slices.Index(l.serve(10), "new"); at < 0 || at > 1 {
		t.Errorf("the new message was number %d to be sent", at+1)
	}
}

func TestLanesArePreferredAndNotStarved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits [3]bool
		want  [3]int // of 640
	}{
		"One":           {[3]bool{false, false, true}, [3]int{0, 0, 640}},
		"Two":           {[3]bool{true, false, true}, [3]int{560, 0, 80}},
		"Lower two":     {[3]bool{false, true, true}, [3]int{0, 560, 80}},
		"All":           {[3]bool{true, true, true}, [3]int{560, 70, 10}},
		"None":          {},
		"Only pressing": {[3]bool{true, false, false}, [3]int{640, 0, 0}},
	} {
		for _, at := range []int{1, 3, 8, 64, 640} {
			var l fair.Lanes
			var got [3]int
			for left := 640; left > 0; left -= at {
				share := l.Share(min(at, left), c.waits)
				for i, n := range share {
					got[i] += n
				}
			}
			if got != c.want {
				t.Errorf("%s, %d at once: %v, want %v", name, at, got, c.want)
			}
		}
	}
}

func TestPressingLaneGoesFirstAtFirst(t *testing.T) {
	t.Parallel()
	var l fair.Lanes
	for i := range fair.LaneShare - 1 {
		if got := l.Share(1, [3]bool{true, true, true}); got != [3]int{1, 0, 0} {
			t.Fatalf("turn %d: %v", i+1, got)
		}
	}
}

// customer is somebody in a ring with so much to be served.
type customer struct {
	fair.Member[*customer]

	has, had int
}

func ringOf(has ...int) (*fair.Ring[*customer], []*customer) {
	r := &fair.Ring[*customer]{}
	var cs []*customer
	for _, n := range has {
		c := &customer{has: n}
		c.Value = c
		cs = append(cs, c)
		r.Add(&c.Member)
	}
	return r, cs
}

func serve(r *fair.Ring[*customer], n int) (served []*customer) {
	_ = r.Round(n, func(c *customer, share int) (int, bool, error) {
		k := min(share, c.has)
		c.has -= k
		c.had += k
		for range k {
			served = append(served, c)
		}
		return k, c.has > 0, nil
	})
	return served
}

func TestRingSharesAsEvenlyAsCanBeUsed(t *testing.T) {
	t.Parallel()
	r, cs := ringOf(1000, 1, 1000, 5)
	serve(r, 100)
	got := []int{cs[0].had, cs[1].had, cs[2].had, cs[3].had}
	if want := []int{47, 1, 47, 5}; !slices.Equal(got, want) {
		t.Errorf("they had %v, want %v", got, want)
	}
}

func TestRingGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	r, cs := ringOf(100, 100, 100)
	var order []int
	for range 3 {
		for _, c := range serve(r, 2) {
			order = append(order, slices.Index(cs, c))
		}
	}
	if want := []int{0, 1, 2, 0, 1, 2}; !slices.Equal(order, want) {
		t.Errorf("served %v, want %v", order, want)
	}
}

// TestRing: whatever is added, removed and asked for, everybody who has something waits for at most one turn of each
// other, and nothing is left while somebody has something.
func TestRing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, cs := ringOf()
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := &customer{has: rapid.IntRange(0, 20).Draw(t, "has")}
				c.Value = c
				cs = append(cs, c)
				r.Add(&c.Member)
				r.Add(&c.Member)
			},
			"remove": func(t *rapid.T) {
				if len(cs) == 0 {
					t.Skip("nobody is there")
				}
				i := rapid.IntRange(0, len(cs)-1).Draw(t, "who")
				r.Remove(&cs[i].Member)
				cs = slices.Delete(cs, i, i+1)
			},
			"round": func(t *rapid.T) {
				n := rapid.IntRange(0, 30).Draw(t, "n")
				before := make(map[*customer]int)
				all := 0
				for _, c := range cs {
					before[c], all = c.has, all+c.has
				}
				served := serve(r, n)
				if want := min(n, all); len(served) != want {
					t.Fatalf("%d turns were given, want %d", len(served), want)
				}
				least, most := n, 0
				for _, c := range cs {
					had := before[c] - c.has
					if most = max(most, had); c.has > 0 {
						least = min(least, had)
					}
				}
				if most > least+1 {
					t.Fatalf("one had %d turns, another only %d although it has more", most, least)
				}
			},
			"": func(t *rapid.T) {
				if r.Len() != len(cs) {
					t.Fatalf("%d in the ring, want %d", r.Len(), len(cs))
				}
			},
		})
	})
}

func TestRingEndsWithAnError(t *testing.T) {
	t.Parallel()
	r, _ := ringOf(1, 1)
	broken := errors.New("broken")
	calls := 0
	err := r.Round(10, func(*customer, int) (int, bool, error) {
		calls++
		return 0, true, broken
	})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// TestRingLosesMembersOnTheWay: give removes its own member.
func TestRingLosesMembersOnTheWay(t *testing.T) {
	t.Parallel()
	r, cs := ringOf(3, 1, 2)
	var order []int
	if err := r.Round(10, func(c *customer, share int) (int, bool, error) {
		order = append(order, slices.Index(cs, c))
		if c.has--; c.has == 0 {
			r.Remove(&c.Member)
			if c.In() {
				t.Error("it is in after it was removed")
			}
		}
		return 1, true, nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 1, 2, 0, 2, 0}; !slices.Equal(order, want) || r.Len() != 0 {
		t.Errorf("served %v, want %v; %d are left", order, want, r.Len())
	}
}
