package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// nodes checks what several processes see of each other's work.
func (s suite) nodes(t *testing.T) {
	promises := map[string]func(each []*env){
		"BookIsOne":                       bookIsOne,
		"WhatTurnsTellIsNoted":            notedInTurns,
		"WhatOneHasLearntTheOthersSee":    othersSee,
		"EventsAreReadInOrderWithoutGaps": eventsWithoutGaps,
		"WhatIsWantedAtOneIsWantedAtAll":  wantedAtAll,
		"NewsReachAll":                    newsReachAll,
		"WebhookHasOneSender":             oneSender,
		"JobNumbersHaveNoGaps":            jobNumbersOfNodes,
		"KeysAreMadeOneAfterAnother":      keysOfNodes,
		"HistoryHasNoGaps":                historyOfNodes,
		"StreamsAreKnownToAll":            streamsOfNodes,
		"HintsReachTheOthers":             hintsReachOthers,
		"ForgettingAndSeeingGetAlong":     forgettingAndSeeing,
		"WhatIsDueIsFiredOnce":            firedOnceByNodes,
		"ScheduleIsListedToOne":           listedToOne,
	}
	maps.Copy(promises, sweepRacesOfNodes())
	for name, f := range promises {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := newEnv(t, s.Open(t))
			each := []*env{first}
			for range 2 {
				another := *first
				another.Store = s.Node(t, first.Store)
				each = append(each, &another)
			}
			f(each)
		})
	}
}

func bookIsOne(each []*env) {
	rows := make([]book.Row, 30)
	together(len(rows), func(i int) {
		s := sightingOf(keyOf("a"), each[0].at(time.Duration(i)*time.Second))
		s.People = []activity.ChannelAccount{{ID: activity.AccountID(fmt.Sprint("p", i%7)), Name: "N"}}
		c, err := each[i%len(each)].Sight(each[0].ctx, s)
		if err != nil {
			each[0].Error(err)
		}
		rows[i] = c.Row
	})
	if rows = slices.Compact(rows); len(rows) != 1 {
		each[0].Fatalf("one conversation has rows %v", rows)
	}
	for _, e := range each {
		for i := range 7 {
			found, err := e.ConversationsByUser(e.ctx, app, activity.AccountID(fmt.Sprint("p", i)))
			e.ok(err)
			equal(e.T, "rows", rowsOf(found), rows)
		}
	}
}

func othersSee(each []*env) {
	a, b := each[0], each[1]
	c := a.meet("a")
	b.inBook(c)
	b.ok(b.StrikeOut(b.ctx, c.Key, book.Standing{Reach: book.ReachBlocked, Cause: "why", At: b.at(time.Minute)}))
	got, err := a.Conversation(a.ctx, c.Key)
	a.ok(err)
	if got.Reach != book.ReachBlocked {
		a.Errorf("reach is %s", got.Reach)
	}
	moved := sightingOf(c.Key, a.at(time.Hour))
	moved.Reference.ServiceURL = "https://moved.example/"
	a.say(c)
	want := b.sight(moved)
	attempt := a.claims(1, a.start).Attempts[0]
	equal(a.T, "attempt", attempt.Conversation.Reference, want.Reference)
	if attempt.Conversation.Reach != book.ReachActive {
		a.Errorf("reach is %s", attempt.Conversation.Reach)
	}
}

// eventsWithoutGaps: a reader that goes on after the last event it knows misses none, whoever writes.
func eventsWithoutGaps(each []*env) {
	each[0].wants(event.MessageReceived)
	for _, e := range each {
		e.soon("it is wanted", func() bool { return e.Wanted(app, event.MessageReceived) })
	}
	const writers, rounds = 9, 15
	var conversations []book.Conversation
	for i := range writers {
		conversations = append(conversations, each[0].meet(fmt.Sprint(i)))
	}
	over := make(chan struct{})
	var reading, writing sync.WaitGroup
	read := make([][]string, len(each))
	for n, e := range each {
		reading.Go(func() {
			after, last := event.ID(0), false
			for {
				page, err := e.Events(e.ctx, app, after, 7)
				if err != nil {
					e.Error(err)
					return
				}
				for _, ev := range page {
					if ev.ID <= after {
						e.Errorf("%d follows %d", ev.ID, after)
					}
					after = ev.ID
					read[n] = append(read[n], dataOf[api.MessageEvent](e, ev).Text)
				}
				if len(page) > 0 {
					continue
				}
				if last {
					return
				}
				select {
				case <-over:
					last = true
				default:
				}
			}
		})
	}
	for w := range writers {
		e := each[w%len(each)]
		writing.Go(func() {
			for i := range rounds {
				e.hears(conversations[w], fmt.Sprintf("%d/%02d", w, i), "", e.start)
			}
		})
	}
	writing.Wait()
	close(over)
	reading.Wait()
	for n := range each {
		if len(read[n]) != writers*rounds {
			each[0].Errorf("node %d has read %d events of %d", n, len(read[n]), writers*rounds)
		}
		equal(each[0].T, "what the nodes have read", read[n], read[0])
		for w := range writers { // each conversation's in its order
			own := slices.DeleteFunc(slices.Clone(read[n]), func(text string) bool { return text[:1] != fmt.Sprint(w) })
			if !slices.IsSorted(own) {
				each[0].Errorf("conversation %d is told as %q", w, own)
			}
		}
	}
}

// soon waits until something is so.
func (e *env) soon(what string, ok func() bool) {
	e.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			e.Fatalf("it is not so: %s", what)
		}
	}
}

func wantedAtAll(each []*env) {
	a, b := each[0], each[1]
	w := a.hooks(event.MessageReceived)
	b.soon("the other node writes what the webhook wants", func() bool { return b.Wanted(app, event.MessageReceived) })
	before := b.hook(w.ID).Cursor
	b.hears(b.meet("a"), "hello", "", b.start)
	work := a.works(w.ID, a.start, 0, 1)
	if work.Fresh[0].ID <= before {
		a.Errorf("event %d is not after the cursor %d", work.Fresh[0].ID, before)
	}
	b.ok(b.DeleteWebhook(b.ctx, app, w.ID))
	a.soon("the first node writes nothing any more", func() bool { return !a.Wanted(app, event.MessageReceived) })
}

func newsReachAll(each []*env) {
	a, b := each[0], each[1]
	b.wants(event.MessageReceived)
	a.soon("it is wanted", func() bool { return a.Wanted(app, event.MessageReceived) })
	c := a.meet("a")
	last, err := b.LastEvent(b.ctx)
	b.ok(err)
	for range 3 {
		a.hears(c, "hello", "", a.start)
		for told := false; !told; {
			select {
			case <-b.EventNews():
			case <-b.ctx.Done():
				b.Fatal("the other node has no news")
			}
			page, err := b.Events(b.ctx, app, last, 10)
			b.ok(err)
			if told = len(page) > 0; told {
				last = page[len(page)-1].ID
			}
		}
	}
}

func oneSender(each []*env) {
	w := each[0].hooks()
	lease := func(e *env, d time.Duration) (bool, time.Duration) {
		e.Helper()
		shared, ok := e.Store.(event.Leasing)
		if !ok {
			e.Fatalf("%T does not lease webhooks", e.Store)
		}
		mine, left, err := shared.LeaseWebhook(e.ctx, w.ID, d)
		e.ok(err)
		return mine, left
	}
	var mine []*env
	var mu sync.Mutex
	together(3*len(each), func(i int) {
		e := each[i%len(each)]
		if ok, left := lease(e, time.Minute); ok {
			mu.Lock()
			defer mu.Unlock()
			mine = append(mine, e)
		} else if left <= 0 || left > time.Minute {
			e.Errorf("another's lease lasts %v", left)
		}
	})
	if len(mine) != 3 || mine[0] != mine[1] || mine[1] != mine[2] {
		each[0].Fatalf("%d leases are given", len(mine))
	}
	holder := mine[0]
	other := each[(slices.Index(each, holder)+1)%len(each)]
	holder.ok(other.Store.(event.Leasing).ReleaseWebhook(other.ctx, w.ID)) // which is not its to give
	if ok, _ := lease(other, time.Minute); ok {
		other.Error("a lease is taken from its holder")
	}
	holder.ok(holder.Store.(event.Leasing).ReleaseWebhook(holder.ctx, w.ID))
	if ok, left := lease(other, 200*time.Millisecond); !ok || left <= 0 {
		other.Errorf("what was given back is taken: %v, %v", ok, left)
	}
	holder.soon("the lease runs out", func() bool { ok, _ := lease(holder, time.Minute); return ok })
	_, _, err := holder.Store.(event.Leasing).LeaseWebhook(holder.ctx, w.ID+1000, time.Minute)
	holder.is(err, event.ErrNotFound)
}

func jobNumbersOfNodes(each []*env) {
	numbers := make([]int, 30)
	together(len(numbers), func(i int) {
		s := each[0].jobIn("a")
		if i < 6 {
			s.Once = "the same"
		}
		j, err := each[i%len(each)].StartJob(each[0].ctx, s)
		if err != nil {
			each[0].Error(err)
		}
		numbers[i] = int(j.Number)
	})
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	if len(numbers) != 25 || numbers[0] != 1 || numbers[24] != 25 {
		each[0].Errorf("the numbers are %v", numbers)
	}
}

func keysOfNodes(each []*env) {
	const n = 12
	together(n, func(i int) {
		k := access.Key{ID: fmt.Sprint("key", i), AppID: app, Name: "N", Scopes: access.ScopesOf(access.Read), CreatedAt: each[0].start}
		if _, err := each[i%len(each)].CreateAPIKey(each[0].ctx, k); err != nil {
			each[0].Error(err)
		}
	})
	keys, err := each[1].APIKeys(each[1].ctx, app, 0, 100)
	each[1].ok(err)
	if len(keys) != n {
		each[0].Errorf("%d keys, want %d", len(keys), n)
	}
	if _, err := each[0].RevokeAPIKey(each[0].ctx, app, "key0", each[0].start); err != nil {
		each[0].Error(err)
	}
	if k, err := each[2].APIKey(each[2].ctx, app, "key0"); err != nil || k.RevokedAt.IsZero() {
		each[2].Errorf("another node sees %+v, %v", k, err)
	}
}

func historyOfNodes(each []*env) {
	c := each[0].line("a")
	each[0].opens(c)
	const n = 40
	seqs := make([]int, n)
	together(n, func(i int) {
		key := ""
		if i%4 == 0 {
			key = fmt.Sprint("key", i/8) // twice each
		}
		seq, _, err := each[i%len(each)].Append(each[0].ctx, c.ID, key, jsontext.Value(fmt.Sprintf(`{"n":%d}`, i)), each[0].start)
		if err != nil {
			each[0].Error(err)
		}
		seqs[i] = int(seq)
	})
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	history, err := each[1].History(each[1].ctx, c.ID, 0, 100)
	each[1].ok(err)
	if len(seqs) != n-5 || seqs[0] != 1 || seqs[len(seqs)-1] != n-5 || len(history) != n-5 {
		each[0].Errorf("the numbers are %v, the history has %d", seqs, len(history))
	}
}

// shared is the store as one that nodes share the embedded channel in.
func (e *env) shared() directline.Shared {
	e.Helper()
	s, ok := e.Store.(directline.Shared)
	if !ok {
		e.Fatalf("%T does not tell nodes of the embedded channel", e.Store)
	}
	return s
}

func streamsOfNodes(each []*env) {
	a, b := each[0], each[1]
	c, group := a.line("a"), a.line("g")
	group.Kind, group.Members = directline.KindGroup, []activity.ChannelAccount{{ID: "dl_ann"}, {ID: "dl_bob"}}
	a.opens(c)
	a.opens(group)
	until := a.at(time.Minute)
	take := func(e *env, id activity.ConversationID, session, credential string) int64 {
		e.Helper()
		n, err := e.shared().TakeStream(e.ctx, id, session, credential, until)
		e.ok(err)
		return n
	}
	first := take(a, c.ID, "page", "one")
	_, err := b.shared().TakeStream(b.ctx, c.ID, "page", "one", until)
	b.is(err, directline.ErrSpent)
	other := take(b, c.ID, "another page", "two")
	of := []directline.Stream{
		{Number: first, Conversation: c.ID, Session: "page", User: "dl_ann"}, {Number: other, Conversation: c.ID, Session: "another page"},
	}
	stand := func(e *env, want map[int64]directline.Standing, of ...directline.Stream) {
		e.Helper()
		got, err := e.shared().Standings(e.ctx, of)
		e.ok(err)
		equal(e.T, "standings", got, want)
	}
	stand(a, map[int64]directline.Standing{first: {}, other: {}}, of...)
	_, _, err = b.Append(b.ctx, c.ID, "", jsontext.Value(`{}`), b.start)
	b.ok(err)
	second := take(b, c.ID, "page", "three")
	if second <= first {
		b.Errorf("stream %d follows %d", second, first)
	}
	stand(a, map[int64]directline.Standing{first: {Last: 1, Replaced: true}, other: {Last: 1}}, of...)
	a.ok(a.EndConversation(a.ctx, c.ID))
	stand(b, map[int64]directline.Standing{other: {Last: 1, Ended: true}}, of[1], directline.Stream{Number: 77, Conversation: "unknown"})

	bob := directline.Stream{Number: take(a, group.ID, "bob's", "four"), Conversation: group.ID, Session: "bob's", User: "dl_bob"}
	stand(b, map[int64]directline.Standing{bob.Number: {}}, bob)
	_, err = b.RemoveMember(b.ctx, group.ID, "dl_bob")
	b.ok(err)
	stand(a, map[int64]directline.Standing{bob.Number: {Removed: true}}, bob)
}

// hintsReachOthers: hints may get lost, but not all of them.
func hintsReachOthers(each []*env) {
	const message = `{"text":"a 'quoted' \\ text with ü"}`
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	heard := 0
	for heard < 2 {
		each[0].shared().Tell([]byte(message))
		for _, e := range each[1:] {
			select {
			case got := <-e.shared().Told():
				if string(got) != message {
					e.Fatalf("told %s", got)
				}
				heard++
			case <-again.C:
			case <-e.ctx.Done():
				e.Fatal("nobody hears")
			}
		}
	}
	select {
	case got := <-each[0].shared().Told():
		each[0].Errorf("a node hears itself: %s", got)
	default:
	}
}

// forgettingAndSeeing: who is seen in one conversation while another one with them is forgotten, is in the book.
func forgettingAndSeeing(each []*env) {
	for round := range 10 {
		id := func(name string) string { return fmt.Sprint(name, round) }
		ann := &activity.ChannelAccount{ID: activity.AccountID(id("ann")), Name: "Ann"}
		see := func(e *env, conversation string) (book.Conversation, error) {
			s := sightingOf(keyOf(conversation), e.start)
			s.Reference.User = ann
			return e.Sight(e.ctx, s)
		}
		old, err := see(each[0], id("old"))
		each[0].ok(err)
		together(2, func(i int) {
			var err error
			if e := each[i]; i == 0 {
				err = e.Forget(e.ctx, old.Key, e.start)
			} else {
				_, err = see(e, id("new"))
			}
			if err != nil {
				each[i].Error(err)
			}
		})
		found, err := each[2].ConversationsByUser(each[2].ctx, app, ann.ID)
		each[2].ok(err)
		if len(found) != 1 || found[0].Key != keyOf(id("new")) {
			each[2].Fatalf("she is in %d conversations", len(found))
		}
	}
}

func firedOnceByNodes(each []*env) {
	c := each[0].meet("a")
	s := each[0].schedule(each[0].scheduleOf(0))
	var fired []error
	var mu sync.Mutex
	together(2*len(each), func(i int) {
		e := each[i%len(each)]
		results, err := e.Fire(e.ctx, []schedule.Firing{e.firing(s, time.Hour, c)})
		if err != nil {
			e.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		fired = append(fired, results...)
	})
	well := 0
	for _, err := range fired {
		if err == nil {
			well++
		} else if !errors.Is(err, schedule.ErrChanged) {
			each[0].Error(err)
		}
	}
	if well != 1 {
		each[0].Errorf("it fired %d times", well)
	}
	each[0].counts(map[outbox.State]int64{outbox.StateReady: 1})
}

// listedToOne: nodes do not all do the same work, and another takes over what was listed and not done.
func listedToOne(each []*env) {
	s := each[0].schedule(each[0].scheduleOf(0))
	if list, _ := each[0].due(each[0].start, 10); len(list) != 1 {
		each[0].Fatalf("due is %q", list)
	}
	if list, _ := each[0].due(each[0].start, 10); len(list) != 1 { // its own still
		each[0].Fatalf("then due is %q", list)
	}
	list, due := each[1].due(each[1].start, 10)
	if len(list) != 0 || due.Next.IsZero() {
		each[1].Errorf("the other node is listed %q, next at %v", list, due.Next)
	}
	each[1].soon("another node takes over", func() bool {
		list, _ := each[1].due(each[1].start, 10)
		return len(list) == 1
	})
	c := each[1].meet("a")
	if errs := each[1].fire(each[1].firing(s, time.Hour, c)); errs[0] != nil {
		each[1].Error(errs[0])
	}
	if list, _ := each[2].due(each[2].at(time.Hour), 10); len(list) != 1 { // at its next time it is anybody's
		each[2].Errorf("due is %q", list)
	}
}
