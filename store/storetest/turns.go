package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/state"
)

func (s suite) turns(t *testing.T) {
	s.promise(t, "LeaseIsExclusive", leaseIsExclusive)
	s.promise(t, "LeasesOfOtherConversationsAreFree", leasesOfOthersAreFree)
	s.promise(t, "WaiterIsServedAlthoughOthersComeBack", waiterIsServed)
	s.promise(t, "WaiterThatGivesUpIsSkipped", waiterGivesUp)
	s.promise(t, "ReleaseCountsOnce", releaseCountsOnce)
	s.promise(t, "FenceGrowsWithEveryHolder", fenceGrows)
	s.expiring(t, "LeaseThatRanOutIsTakenOver", leaseIsTakenOver)
	s.promise(t, "ReleasedLeaseCannotCommit", releasedCannotCommit)
	s.promise(t, "StrangeLeaseCannotCommit", strangeCannotCommit)
	s.promise(t, "AnswerIsRememberedPerConversation", answerIsRemembered)
	s.promise(t, "AnswerMarksLastInbound", answerMarksLastInbound)
	s.promise(t, "CommitDoesAll", commitDoesAll)
	s.commitDoesNothing(t)
	s.promise(t, "CommitsOfManyTurnsAllLand", commitsAllLand)
	if s.Bubble {
		t.Run("WaitersAreServedFirstComeFirst", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { firstComeFirst(newEnv(t, s.Open(t))) })
		})
		t.Run("LeaseLastsForLeaseTime", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { leaseTime(newEnv(t, s.Open(t))) })
		})
	}
}

func leaseIsExclusive(e *env) {
	var inside, turns atomic.Int32
	together(50, func(int) {
		l, err := e.Lease(e.ctx, keyOf("a"))
		if err != nil {
			e.Error(err)
			return
		}
		if n := inside.Add(1); n != 1 {
			e.Errorf("%d hold the conversation at once", n)
		}
		turns.Add(1)
		inside.Add(-1)
		l.Release()
	})
	if n := turns.Load(); n != 50 {
		e.Errorf("%d of 50 got the conversation", n)
	}
}

func leasesOfOthersAreFree(e *env) {
	keys := []headsup.ConversationKey{keyOf("a")}
	for _, change := range []func(*headsup.ConversationKey){
		func(k *headsup.ConversationKey) { k.AppID = "other" },
		func(k *headsup.ConversationKey) { k.Tenant = "other" },
		func(k *headsup.ConversationKey) { k.Channel = activity.ChannelTeams },
		func(k *headsup.ConversationKey) { k.Bot = "other" },
		func(k *headsup.ConversationKey) { k.Conversation = "b" },
	} {
		key := keyOf("a")
		change(&key)
		keys = append(keys, key)
	}
	for _, key := range keys {
		l := e.lease(key)
		defer l.Release()
		if l.Key() != key {
			e.Errorf("the lease is for %+v, want %+v", l.Key(), key)
		}
	}
}

// waiterIsServed: whoever waits gets the conversation even when its holder wants it back again and again.
func waiterIsServed(e *env) {
	l := e.lease(keyOf("a"))
	served := make(chan error, 1)
	go func() {
		waited, err := e.Lease(e.ctx, keyOf("a"))
		if err == nil {
			waited.Release()
		}
		served <- err
	}()
	for {
		l.Release()
		l = e.lease(keyOf("a"))
		select {
		case err := <-served:
			e.ok(err)
			l.Release()
			return
		default:
		}
	}
}

func firstComeFirst(e *env) {
	first := e.lease(keyOf("a"))
	order := make(chan int, 5)
	for i := range cap(order) {
		go func() {
			l, err := e.Lease(e.ctx, keyOf("a"))
			if err != nil {
				e.Error(err)
			} else {
				l.Release()
			}
			order <- i
		}()
		synctest.Wait()
	}
	first.Release()
	for want := range cap(order) {
		if got := <-order; got != want {
			e.Errorf("waiter %d was served at place %d", got, want)
		}
	}
}

func leaseTime(e *env) {
	e.lease(keyOf("a"))
	since := time.Now()
	e.lease(keyOf("a")).Release()
	if waited := time.Since(since); waited != headsup.LeaseTime {
		e.Errorf("a lease that nobody gave back was taken over after %v, want %v", waited, headsup.LeaseTime)
	}
}

func waiterGivesUp(e *env) {
	l := e.lease(keyOf("a"))
	ctx, cancel := context.WithCancel(e.ctx)
	gone := make(chan error, 1)
	go func() {
		_, err := e.Lease(ctx, keyOf("a"))
		gone <- err
	}()
	cancel()
	select {
	case err := <-gone:
		e.is(err, context.Canceled)
	case <-e.ctx.Done():
		e.Fatal("the waiter did not give up")
	}
	l.Release()
	e.lease(keyOf("a")).Release()
}

func releaseCountsOnce(e *env) {
	first := e.lease(keyOf("a"))
	first.Release()
	second := e.lease(keyOf("a"))
	first.Release()
	if !e.busy(keyOf("a")) {
		e.Error("the second release of one holder took the conversation from the next")
	}
	e.ok(e.Commit(e.ctx, second, []headsup.Op{answered("1", e.start)}))
	second.Release()
	e.lease(keyOf("a")).Release()
}

func fenceGrows(e *env) {
	c := e.meet("a")
	last := int64(0)
	for range 3 {
		l := e.lease(c.Key)
		if l.Fence() <= last {
			e.Errorf("fence %d follows %d", l.Fence(), last)
		}
		last = l.Fence()
		l.Release()

		e.say(c)
		a := e.claims(1, e.start).Attempts[0]
		if a.Fence <= last {
			e.Errorf("an attempt's fence %d follows %d", a.Fence, last)
		}
		last = a.Fence
		e.ends(outcomeOf(a, e.start))
	}
}

func leaseIsTakenOver(e *env) {
	late := e.lease(keyOf("a"))
	next := e.lease(keyOf("a")) // waits until late's time is up
	if next.Fence() <= late.Fence() {
		e.Errorf("fence %d follows %d", next.Fence(), late.Fence())
	}
	e.is(e.Commit(e.ctx, late, []headsup.Op{answered("1", e.start)}), headsup.ErrLeaseLost)
	late.Release()
	e.ok(e.Commit(e.ctx, next, []headsup.Op{answered("2", e.start)}))
	e.isAnswered(keyOf("a"), "1", false)
	e.isAnswered(keyOf("a"), "2", true)
	next.Release()
}

func answered(id activity.ID, at time.Time) headsup.RecordAnswer {
	return headsup.RecordAnswer{Activity: id, Answer: headsup.Answer{Status: 200, Body: []byte(`{"id":1}`)}, At: at}
}

func (e *env) isAnswered(key headsup.ConversationKey, id activity.ID, want bool) {
	e.Helper()
	_, got, err := e.Answered(e.ctx, key, id)
	e.ok(err)
	if got != want {
		e.Errorf("activity %s answered: %v, want %v", id, got, want)
	}
}

func releasedCannotCommit(e *env) {
	l := e.lease(keyOf("a"))
	l.Release()
	e.is(e.Commit(e.ctx, l, []headsup.Op{answered("1", e.start)}), headsup.ErrLeaseLost)
	e.isAnswered(keyOf("a"), "1", false)
}

// strange is a lease that no store gave.
type strange struct{ headsup.Lease }

func (s strange) Fence() int64 { return s.Lease.Fence() - 1 }

func strangeCannotCommit(e *env) {
	l := e.lease(keyOf("a"))
	defer l.Release()
	if e.Commit(e.ctx, strange{l}, []headsup.Op{answered("1", e.start)}) == nil {
		e.Error("a lease that the store did not give was accepted")
	}
	e.isAnswered(keyOf("a"), "1", false)
}

func answerIsRemembered(e *env) {
	e.isAnswered(keyOf("a"), "1", false)
	l := e.lease(keyOf("a"))
	empty := headsup.RecordAnswer{Activity: "2", Answer: headsup.Answer{Status: 501}, At: e.start}
	e.ok(e.Commit(e.ctx, l, []headsup.Op{answered("1", e.start), empty}))
	l.Release()

	for _, want := range []headsup.RecordAnswer{answered("1", e.start), empty} {
		got, ok, err := e.Answered(e.ctx, keyOf("a"), want.Activity)
		e.ok(err)
		if !ok {
			e.Fatalf("activity %s is not answered", want.Activity)
		}
		equal(e.T, "answer", got, want.Answer)
	}
	e.isAnswered(keyOf("a"), "3", false)
	e.isAnswered(keyOf("b"), "1", false)
	other := keyOf("a")
	other.Tenant = "other"
	e.isAnswered(other, "1", false)
	other = keyOf("a")
	other.Bot = "other"
	e.isAnswered(other, "1", false)
}

func answerMarksLastInbound(e *env) {
	a, b := e.meet("a"), e.meet("b")
	if !a.LastInboundAt.IsZero() {
		e.Errorf("somebody spoke at %v before any turn committed", a.LastInboundAt)
	}
	l := e.lease(a.Key)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{answered("1", e.at(time.Minute))}))
	l.Release()
	a.LastInboundAt = e.at(time.Minute)
	for _, want := range []book.Conversation{a, b} {
		got, err := e.Conversation(e.ctx, want.Key)
		e.ok(err)
		equal(e.T, "conversation", got.LastInboundAt, want.LastInboundAt)
	}
}

func saves(path, value string) state.Save {
	return state.Save{Writes: []state.Write{{
		Key: state.Key{AppID: app, Tenant: tenant, Path: path}, Value: jsontext.Value(value),
	}}}
}

// commitDoesAll: also what was submitted under a key that is known is only left out.
func commitDoesAll(e *env) {
	c := e.meet("a")
	known := e.message(c)
	known.Message.Key, known.Message.Fingerprint = "k", []byte("1")
	e.accept(known)
	again := e.message(c)
	again.Message.Key, again.Message.Fingerprint = "k", []byte("1")
	twice := e.message(c)
	twice.Message.Key, twice.Message.Fingerprint = "l", []byte("2")
	twin := e.message(c)
	twin.Message.Key, twin.Message.Fingerprint = "l", []byte("2")
	plain := e.message(c)

	e.quiet()
	l := e.lease(c.Key)
	e.ok(e.Commit(e.ctx, l, []headsup.Op{
		outbox.Submit{Submissions: []outbox.Submission{again, twice, twin}}, saves("x", `{"n":1}`),
		answered("1", e.start), saves("y", `{"n":2}`), outbox.Submit{Submissions: []outbox.Submission{plain}},
	}))
	e.woken()
	l.Release()

	e.isAnswered(c.Key, "1", true)
	equal(e.T, "x", string(e.doc("x").Value), `{"n":1}`)
	equal(e.T, "y", string(e.doc("y").Value), `{"n":2}`)
	for _, left := range []outbox.Submission{again, twin} {
		_, err := e.MessageRecord(e.ctx, left.Message.ID, every)
		e.is(err, outbox.ErrNotFound)
	}
	for _, in := range []outbox.Submission{known, twice, plain} {
		a := e.claimsOnly(10, e.start, in)[0]
		e.ends(outcomeOf(a, e.start))
	}
	e.counts(map[outbox.State]int64{outbox.StateDelivered: 3})
}

// unknownOp is an op that no driver knows.
type unknownOp struct{}

func (unknownOp) TurnOp() {}

func (s suite) commitDoesNothing(t *testing.T) {
	for name, bad := range map[string]struct {
		op   func(e *env, c book.Conversation) headsup.Op
		want error // nil: any
	}{
		"WhenAnOpIsUnknown": {op: func(*env, book.Conversation) headsup.Op { return unknownOp{} }},
		"WhenADocumentWasChanged": {
			func(e *env, _ book.Conversation) headsup.Op {
				e.ok(e.WriteState(e.ctx, saves("taken", `{"n":1}`).Writes))
				return saves("taken", `{"n":2}`)
			}, state.ErrConflict,
		},
		"WhenAKeyIsReused": {
			func(e *env, c book.Conversation) headsup.Op {
				first, second := e.message(), e.message(c)
				first.Message.Key, first.Message.Fingerprint = "k", []byte("1")
				second.Message.Key, second.Message.Fingerprint = "k", []byte("2")
				e.accept(first)
				return outbox.Submit{Submissions: []outbox.Submission{e.message(c), second}}
			}, outbox.ErrKeyReused,
		},
		"WhenAConversationIsUnknown": {
			func(e *env, c book.Conversation) headsup.Op {
				c.Row += 1000
				return outbox.Submit{Submissions: []outbox.Submission{e.message(c)}}
			}, book.ErrNotFound,
		},
	} {
		s.promise(t, "CommitDoesNothing"+name, func(e *env) {
			c := e.meet("a")
			op := bad.op(e, c)
			good := e.message(c)
			l := e.lease(c.Key)
			ops := []headsup.Op{
				answered("1", e.start), saves("x", `{"n":1}`), outbox.Submit{Submissions: []outbox.Submission{good}},
			}
			err := e.Commit(e.ctx, l, append(ops[:3:3], op))
			if err == nil || bad.want != nil && !errors.Is(err, bad.want) {
				e.Fatalf("the error is %v, want %v", err, bad.want)
			}
			e.isAnswered(c.Key, "1", false)
			equal(e.T, "x", e.doc("x"), state.Document{})
			_, err = e.MessageRecord(e.ctx, good.Message.ID, every)
			e.is(err, outbox.ErrNotFound)
			e.counts(nil)
			if now, err := e.Conversation(e.ctx, c.Key); err != nil || !now.LastInboundAt.IsZero() {
				e.Errorf("last inbound is %v, %v", now.LastInboundAt, err)
			}
			e.ok(e.Commit(e.ctx, l, ops)) // the turn still has its conversation
			l.Release()
			e.claimsOnly(10, e.start, good)
		})
	}
}

func commitsAllLand(e *env) {
	const n = 50
	key := func(i int) headsup.ConversationKey { return keyOf(string(rune('a'+i%26)) + string(rune('a'+i/26))) }
	together(n, func(i int) {
		l, err := e.Lease(e.ctx, key(i))
		if err != nil {
			e.Error(err)
			return
		}
		defer l.Release()
		if err := e.Commit(e.ctx, l, []headsup.Op{answered("1", e.start)}); err != nil {
			e.Error(err)
		}
	})
	for i := range n {
		e.isAnswered(key(i), "1", true)
	}
}
