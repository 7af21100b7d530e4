package storetest

import (
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

// note tells a store of a sighting in a turn of its conversation, as the middleware does.
func (e *env) note(s book.Sighting) {
	e.Helper()
	l, err := e.Lease(e.ctx, s.Key)
	e.ok(err)
	defer l.Release()
	if n, ok := e.Store.(book.Noter); ok {
		_, err := n.Note(e.ctx, s)
		e.ok(err)
		return
	}
	e.sight(s)
}

// notedInTurns: what turns tell of their conversation is noted, however often the same was told just before.
func notedInTurns(each []*env) {
	a, b := each[0], each[len(each)-1]
	key := keyOf("a")
	seconds := 0
	say := func(e *env, name string) {
		e.Helper()
		s := sightingOf(key, a.at(time.Duration(seconds)*100*time.Millisecond))
		seconds++
		s.Reference.User = &activity.ChannelAccount{ID: "ann", Name: name}
		e.note(s)
	}
	named := func(want string) {
		a.Helper()
		c, err := b.Conversation(b.ctx, key)
		a.ok(err)
		details, err := b.Details(b.ctx, []book.Row{c.Row})
		a.ok(err)
		people := details[c.Row].People
		if c.Reach != book.ReachActive || len(people) != 1 || people[0].Name != want {
			a.Errorf("it is %s, with %+v; want active, with %s", c.Reach, people, want)
		}
	}
	for i := range 5 {
		say(a, "Ann")
		say(a, "Ann")
		named("Ann")
		// Each time something has changed meanwhile, here or at another node, and the same is new again.
		c, err := a.Conversation(a.ctx, key)
		a.ok(err)
		a.ok(each[i%len(each)].StrikeOut(a.ctx, key, book.Standing{Reach: book.ReachBlocked, Cause: "forbidden", At: c.UpdatedAt}))
		say(a, "Ann")
		named("Ann")
		name := fmt.Sprint("Anna ", i)
		say(b, name)
		named(name)
		say(a, "Ann")
		named("Ann")
	}
}
