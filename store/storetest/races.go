package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) races(t *testing.T) {
	s.promise(t, "NothingIsBothSaidAndReportedUnsaid", nothingIsBoth)
}

// Numbers of races: each round says something in every place, and everything happens to it at once.
const (
	racePlaces = 500
	raceHands  = 8
)

// race is a store under workers that are unlucky, clients that change their minds, and a clock that runs.
type race struct {
	*env
	clock atomic.Int64 // milliseconds since the start
	said  []outbox.Submission
	// told is what a client was told when it cancelled, by the place in said; nil when nobody did.
	told []atomic.Pointer[outbox.State]

	mu      sync.Mutex
	arrived map[outbox.DeliveryID]int  // how often a person has got it
	unsure  map[outbox.DeliveryID]bool // an attempt may have arrived
	reports map[outbox.State]int       // told to the observer
}

func (r *race) now() time.Time { return r.at(time.Duration(r.clock.Load()) * time.Millisecond) }

// Accepted, Attempted and Ended implement [outbox.Observer].
func (r *race) Accepted(outbox.Lane, int)                                 {}
func (r *race) Attempted(*outbox.Attempt, headsup.Meaning, time.Duration) {}
func (r *race) Ended(e outbox.End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports[e.State]++
}

// nothingIsBoth lets ten thousand deliveries be cancelled, replaced, expire, be lost and arrive, all at the same time (F58).
// What a person has got must not be reported as if they had not, nor the other way round.
func nothingIsBoth(e *env) {
	e.ctx = e.Context() // it takes longer than the patience for one thing
	r := &race{
		env: e, arrived: make(map[outbox.DeliveryID]int), unsure: make(map[outbox.DeliveryID]bool), reports: make(map[outbox.State]int),
		told: make([]atomic.Pointer[outbox.State], racePlaces*raceRounds),
	}
	e.Observe(r)
	places := make([]book.Conversation, racePlaces)
	for i := range places {
		places[i] = e.meet(fmt.Sprint(i))
	}
	for range raceRounds {
		r.round(places)
	}
	r.settle()
	r.judge()
}

// round says something in every place, and has everything happen to it.
func (r *race) round(places []book.Conversation) {
	from := len(r.said)
	for _, c := range places {
		s := r.message(c)
		s.At, s.Message.CreatedAt = r.now(), r.now()
		switch rand.IntN(4) {
		case 0:
			s.Message.ExpiresAt = s.At.Add(time.Duration(1+rand.IntN(40)) * time.Millisecond)
		case 1:
			s.Message.CollapseKey = "k"
		case 2:
			s.Deliveries[0].DueAt = s.At.Add(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		r.said = append(r.said, s)
	}
	if _, err := r.SubmitMessages(r.ctx, r.said[from:]); err != nil {
		r.Fatal(err)
	}
	order := rand.Perm(racePlaces)
	together(raceHands+2, func(i int) {
		switch i {
		case 0, 1: // clients, each of whom changes their mind about some
			for _, k := range order[i*racePlaces/4 : (i+1)*racePlaces/4] {
				r.cancels(from + k)
			}
		default:
			for range racePlaces / raceHands {
				r.clock.Add(int64(rand.IntN(2)))
				r.works(1 + rand.IntN(3))
			}
		}
	})
}

func (r *race) cancels(i int) {
	record, err := r.env.cancels(r.said[i].Message.ID, r.now())
	if err != nil {
		r.Error(err)
		return
	}
	r.told[i].Store(&record.Deliveries[0].State)
}

// works attempts what there is, with more or less luck.
func (r *race) works(n int) {
	c, err := r.Claim(r.ctx, n, r.now())
	if err != nil {
		r.Error(err)
		return
	}
	for _, a := range c.Attempts {
		luck := rand.IntN(20)
		arrives := luck < 8 || luck%2 == 0 && luck < 14
		r.mu.Lock()
		if arrives {
			r.arrived[a.Delivery]++
		}
		r.unsure[a.Delivery] = r.unsure[a.Delivery] || luck >= 8 && luck < 14
		r.mu.Unlock()
		o := outbox.Outcome{Delivery: a.Delivery, Fence: a.Fence, At: r.now()}
		switch {
		case luck < 8:
			o.State = outbox.StateDelivered
		case luck < 11: // the answer is lost
			o.State, o.RetryAt, o.MayHaveArrived, o.Failed = outbox.StateReady, o.At.Add(time.Millisecond), true, true
		case luck < 14: // and so is the worker
			continue
		case luck < 17:
			o.State, o.RetryAt, o.Failed = outbox.StateReady, o.At.Add(time.Millisecond), true
		default:
			o.State, o.Reason = outbox.StateFailed, "not_found"
		}
		if err := r.RecordOutcome(r.ctx, o); err != nil {
			r.Error(err)
		}
	}
}

// settle lets the rest end.
func (r *race) settle() {
	for {
		r.clock.Add(time.Minute.Milliseconds())
		if _, err := r.ReclaimExpired(r.ctx, r.now()); err != nil {
			r.Fatal(err)
		}
		counts, err := r.Counts(r.ctx)
		r.ok(err)
		left := int64(0)
		for _, s := range allStates {
			if !s.Final() {
				left += counts[s]
			}
		}
		if left == 0 {
			return
		}
		r.works(racePlaces)
	}
}

func (r *race) judge() {
	counts := make(map[outbox.State]int)
	for i, s := range r.said {
		d := r.delivery(s)
		counts[d.State]++
		got, unsure := r.arrived[d.ID], r.unsure[d.ID]
		switch {
		case got > 0 && d.State != outbox.StateDelivered && d.State != outbox.StateUnknown:
			r.Errorf("a person has got delivery %d, which is %s (%s)", d.ID, d.State, d.Reason)
		case got == 0 && d.State == outbox.StateDelivered:
			r.Errorf("delivery %d is said to be delivered", d.ID)
		case !unsure && d.State == outbox.StateUnknown:
			r.Errorf("delivery %d is unknown (%s) although every attempt is known", d.ID, d.Reason)
		}
		if told := r.told[i].Load(); told != nil && told.Final() && *told != d.State {
			r.Errorf("who cancelled delivery %d was told that it is %s, and now it is %s (%s)", d.ID, *told, d.State, d.Reason)
		}
	}
	for _, s := range []outbox.State{
		outbox.StateDelivered, outbox.StateFailed, outbox.StateUnknown, outbox.StateExpired, outbox.StateCancelled, outbox.StateSuppressed,
	} {
		if counts[s] != r.reports[s] || counts[s] == 0 && raceRounds >= 20 {
			r.Errorf("%d are %s, and the observer was told of %d", counts[s], s, r.reports[s])
		}
	}
	r.Logf("%v", counts)
}
