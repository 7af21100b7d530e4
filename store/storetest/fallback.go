package storetest

import (
	"testing"

	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) fallback(t *testing.T) {
	s.promise(t, "AttemptTellsThatThereIsAFallback", attemptTellsFallback)
	s.promise(t, "FallbacksThatWaitAreListed", fallbacksAreListed)
}

const someFallback = `[{"after":"10m0s"}]`

func attemptTellsFallback(e *env) {
	c, d := e.meet("a"), e.meet("b")
	with := e.message(c, d)
	with.Message.Fallback = someFallback
	e.accept(with)
	without := e.say(e.meet("c"))
	attempts := e.claims(10, e.start).Attempts
	equal(e.T, "attempts", len(attempts), 3)
	for _, a := range attempts {
		equal(e.T, "fallback", a.Fallback, a.Message == with.Message.ID)
		e.ends(outcomeOf(a, e.start))
	}
	equal(e.T, "fallback", e.record(with).Message.Fallback, someFallback)
	equal(e.T, "no fallback", e.record(without).Message.Fallback, "")
	taken := e.message(c)
	taken.Message.Fallback = someFallback
	r, err := e.SubmitMessage(e.ctx, taken, true)
	e.ok(err)
	if r.Attempt == nil {
		r.Attempt = &e.claimsOnly(1, e.start, taken)[0]
	}
	equal(e.T, "fallback of what is taken at once", r.Attempt.Fallback, true)
}

func fallbacksAreListed(e *env) {
	c, d := e.meet("a"), e.meet("b")
	var with []outbox.MessageID
	for i := range 5 {
		s := e.message(c, d)
		if i != 2 {
			s.Message.Fallback = someFallback
			with = append(with, s.Message.ID)
		}
		e.accept(s)
	}
	for _, a := range e.claims(10, e.start).Attempts { // the first, in both
		e.ends(outcomeOf(a, e.start))
	}
	alone := e.message(c)
	alone.Message.Fallback = someFallback
	e.accept(alone)
	var found []outbox.MessageID
	after, looks := outbox.MessageID(0), 0
	for {
		some, last, err := e.Fallbacks(e.ctx, after, 2)
		e.ok(err)
		found = append(found, some...)
		looks++
		if after = last; last == 0 {
			break
		}
	}
	equal(e.T, "found", found, with[1:])
	equal(e.T, "looks", looks, 3)
}
