package storetest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// prefer checks what people want to be told.
func (s suite) prefer(t *testing.T) {
	s.promise(t, "NobodyIsNoPerson", preferNobody)
	s.promise(t, "AClaimThatFollowsCarriesThem", preferIsClaimed)
	s.promise(t, "SameInAllConversationsOfAPerson", preferEverywhere)
	s.promise(t, "NewConversationHasThem", preferNewConversation)
	s.promise(t, "AGroupHasItsOwn", preferGroup)
	s.promise(t, "MergedPeopleWantWhatAllWant", preferMerged)
	s.promise(t, "SplitPeopleKeepThem", preferSplit)
	s.promise(t, "SightingsLeaveThem", preferSighted)
	s.promise(t, "WhatWasPutAsideIsLookedAtAgain", preferResumes)
	s.promise(t, "AnotherTimeZoneHasItLookedAtAgain", zoneResumes)
	s.promise(t, "SendingTellsAttempts", sendingTells)
	s.promise(t, "NothingIsHandedOutWithOldOnes", preferRace)
	s.promise(t, "CountedOnceADay", countedOnce)
	s.promise(t, "CountedTogetherForAHuman", countedTogether)
	s.promise(t, "OfSeveralAtOnceTheCapLetsThroughSoMany", countedAtOnce)
	s.promise(t, "CountsOfWhatWasNotSaidAreTakenBack", countIsTakenBack)
	if s.Durable {
		t.Run("CountsOutliveTheProcess", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			c := e.meet("a")
			e.sayWithin(c, 1, "deals", e.start, book.Cap{PerDay: 1}, true)
			e.Store = s.Reopen(t, e.Store)
			e.sayWithin(c, 1, "deals", e.start, book.Cap{PerDay: 1}, true)
			e.sayWithin(c, 2, "deals", e.start, book.Cap{PerDay: 1}, false)
		})
		t.Run("PreferencesOutliveTheProcess", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			c := e.meet("a")
			now := e.prefers(c, book.PreferenceChange{Topics: map[string]*bool{"deals": new(false)}})
			e.Store = s.Reopen(t, e.Store)
			e.preferred(c, now)
			m := e.say(c)
			equal(t, "the attempt's", e.claimsOnly(1, e.start, m)[0].Conversation.Preferences, now)
		})
	}
	if s.Node != nil {
		t.Run("PreferencesOnOneNodeAreClaimedOnAnother", func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, s.Open(t))
			other := newEnv(t, s.Node(t, e.Store))
			c := e.meet("a")
			m := other.say(c)
			a := other.claimsOnly(1, e.start, m)[0] // which has the other node remember the conversation
			sending, err := e.Sending(e.ctx, []book.Row{c.Row})
			e.ok(err)
			equal(t, "sending", sending, []outbox.Running{{Delivery: a.Delivery, Fence: a.Fence}})
			other.ends(outcomeOf(a, e.start))
			now := e.prefers(c, book.PreferenceChange{OptedOut: new(true)})
			m = other.say(c)
			equal(t, "the attempt's", other.claimsOnly(1, e.start, m)[0].Conversation.Preferences, now)
		})
	}
}

// prefers changes what whom a conversation is with wants.
func (e *env) prefers(c book.Conversation, change book.PreferenceChange) book.Preferences {
	e.Helper()
	change.At = e.at(time.Minute)
	done, err := e.Prefer(e.ctx, book.Whose{Key: c.Key}, change)
	e.ok(err)
	return done.Now
}

// preferred checks what is stored with a conversation.
func (e *env) preferred(c book.Conversation, want book.Preferences) {
	e.Helper()
	now, err := e.Conversation(e.ctx, c.Key)
	e.ok(err)
	equal(e.T, "preferences", now.Preferences, want)
}

// with makes a conversation with somebody.
func (e *env) with(user, conversation string) book.Conversation {
	e.Helper()
	s := sightingOf(keyOf(conversation), e.start)
	s.Reference.User.ID = activity.AccountID(user)
	return e.sight(s)
}

// called is the row of somebody.
func (e *env) called(user string) book.PersonRow {
	e.Helper()
	found, err := e.ListPeople(e.ctx, app, book.PeopleFilter{PersonKey: book.PersonKey{User: activity.AccountID(user)}}, 0, 1)
	e.ok(err)
	if len(found) != 1 {
		e.Fatalf("%d are called %s", len(found), user)
	}
	return found[0].Row
}

func preferNobody(e *env) {
	_, err := e.Prefer(e.ctx, book.Whose{Key: keyOf("nobody")}, book.PreferenceChange{At: e.start})
	e.is(err, book.ErrNotFound)
	_, err = e.Prefer(e.ctx, book.Whose{AppID: app, Person: 77}, book.PreferenceChange{At: e.start})
	e.is(err, book.ErrNobody)
	_, err = e.PreferencesOf(e.ctx, app, 77)
	e.is(err, book.ErrNobody)
	e.meet("a")
	_, err = e.PreferencesOf(e.ctx, "another", e.called("user-of-a"))
	e.is(err, book.ErrNobody)
}

func preferIsClaimed(e *env) {
	c := e.meet("a")
	waits := e.say(c)
	all := book.PreferenceChange{
		OptedOut: new(true), Topics: map[string]*bool{"deals": new(false), "news": new(true)}, TimeZone: new("Europe/Berlin"),
		Quiet: []book.Quiet{{From: 22 * 60, To: 7 * 60, Days: []book.Weekday{"mon", "fri"}}}, Cap: &book.Cap{PerDay: 5, PerTopic: 2},
		Digest: &book.Digest{Every: book.DigestDaily, At: 9 * 60}, At: e.at(time.Minute),
	}
	done, err := e.Prefer(e.ctx, book.Whose{Key: c.Key}, all)
	e.ok(err)
	want := book.Preferences{
		OptedOut: true, Topics: map[string]bool{"deals": false, "news": true}, TimeZone: "Europe/Berlin", Quiet: all.Quiet, Cap: all.Cap,
		Digest: all.Digest, ChangedAt: all.At,
	}
	equal(e.T, "change", done, book.Preferred{Now: want, Rows: []book.Row{c.Row}})
	e.preferred(c, want)
	a := e.claimsOnly(1, e.at(time.Minute), waits)[0]
	equal(e.T, "the attempt's", a.Conversation.Preferences, want)
	e.ends(outcomeOf(a, e.at(time.Minute)))
	r, err := e.SubmitMessage(e.ctx, e.message(c), true)
	e.ok(err)
	equal(e.T, "handed out at once", r.Attempt.Conversation.Preferences, want)
	list, err := e.Conversations(e.ctx, app, book.Filter{}, 0, 10)
	e.ok(err)
	equal(e.T, "listed", list[0].Preferences, want)
	of, err := e.PreferencesOf(e.ctx, app, e.called("user-of-a"))
	e.ok(err)
	equal(e.T, "the person's", of, want)
	none, err := e.Prefer(e.ctx, book.Whose{Key: c.Key}, book.PreferenceChange{
		OptedOut: new(false), Topics: map[string]*bool{"deals": nil}, TimeZone: new(""), Quiet: []book.Quiet{}, Cap: new(book.Cap{}),
		Digest: new(book.Digest{}), At: e.at(time.Hour),
	})
	e.ok(err)
	equal(e.T, "taken back", none.Now, book.Preferences{Topics: map[string]bool{"news": true}, Quiet: []book.Quiet{}, ChangedAt: e.at(time.Hour)})
	e.preferred(c, none.Now)
}

func preferEverywhere(e *env) {
	one, two, other := e.with("ann", "1"), e.with("ann", "2"), e.with("ben", "3")
	now := e.prefers(one, book.PreferenceChange{Topics: map[string]*bool{"deals": new(false)}})
	e.preferred(one, now)
	e.preferred(two, now)
	e.preferred(other, book.Preferences{})
	done, err := e.Prefer(e.ctx, book.Whose{AppID: app, Person: e.called("ann")}, book.PreferenceChange{OptedOut: new(true), At: e.at(time.Hour)})
	e.ok(err)
	equal(e.T, "before", done.Before, now)
	equal(e.T, "where", done.Rows, []book.Row{one.Row, two.Row})
	e.preferred(two, book.Preferences{OptedOut: true, Topics: map[string]bool{"deals": false}, ChangedAt: e.at(time.Hour)})
}

func preferNewConversation(e *env) {
	now := e.prefers(e.with("ann", "1"), book.PreferenceChange{OptedOut: new(true)})
	later := e.with("ann", "2")
	equal(e.T, "sighted", later.Preferences, now)
	e.preferred(later, now)
	unknown := sightingOf(keyOf("3"), e.start)
	unknown.Reference.User = nil
	c := e.sight(unknown)
	e.preferred(c, book.Preferences{})
	e.with("ann", "3")
	e.preferred(c, now)
}

func preferGroup(e *env) {
	s := sightingOf(keyOf("group"), e.start)
	s.Kind, s.Reference.User.ID = book.KindGroup, "ann"
	group, own := e.sight(s), e.with("ann", "own")
	now := e.prefers(group, book.PreferenceChange{Topics: map[string]*bool{"deals": new(false)}})
	e.preferred(group, now)
	e.preferred(own, book.Preferences{})
	e.prefers(own, book.PreferenceChange{OptedOut: new(true)})
	e.preferred(group, now)
}

func preferMerged(e *env) {
	ann, anna, none := e.with("ann", "1"), e.with("anna", "2"), e.with("a.n", "3")
	e.prefers(ann, book.PreferenceChange{OptedOut: new(true), Topics: map[string]*bool{"deals": new(true), "news": new(false)}})
	e.prefers(anna, book.PreferenceChange{Topics: map[string]*bool{"deals": new(false), "fun": new(true)}, TimeZone: new("Asia/Tokyo")})
	_, err := e.Merge(e.ctx, app, []book.PersonRow{e.called("ann"), e.called("anna"), e.called("a.n")}, e.at(time.Hour))
	e.ok(err)
	want := book.Preferences{
		OptedOut: true, Topics: map[string]bool{"deals": false, "news": false, "fun": true}, TimeZone: "Asia/Tokyo", ChangedAt: e.at(time.Minute),
	}
	for _, c := range []book.Conversation{ann, anna, none} {
		e.preferred(c, want)
	}
	done, err := e.Prefer(e.ctx, book.Whose{Key: none.Key}, book.PreferenceChange{OptedOut: new(false), At: e.at(time.Hour)})
	e.ok(err)
	equal(e.T, "where", done.Rows, []book.Row{ann.Row, anna.Row, none.Row})
	e.preferred(ann, done.Now)
	e.preferred(e.with("anna", "4"), done.Now)
}

func preferSplit(e *env) {
	ann, anna := e.with("ann", "1"), e.with("anna", "2")
	_, err := e.Merge(e.ctx, app, []book.PersonRow{e.called("ann"), e.called("anna")}, e.start)
	e.ok(err)
	now := e.prefers(ann, book.PreferenceChange{OptedOut: new(true)})
	e.ok(e.Split(e.ctx, app, []book.PersonRow{e.called("anna")}, e.start))
	e.preferred(ann, now)
	e.preferred(anna, now)
	e.prefers(ann, book.PreferenceChange{OptedOut: new(false)})
	e.preferred(anna, now)
	e.preferred(e.with("anna", "3"), now)
}

func preferSighted(e *env) {
	c := e.with("ann", "1")
	now := e.prefers(c, book.PreferenceChange{OptedOut: new(true)})
	s := sightingOf(c.Key, e.at(time.Hour))
	s.Reference.User.ID, s.TimeZone = "ann", "Europe/Paris"
	equal(e.T, "sighted", e.sight(s).Preferences, now)
	e.ok(e.StrikeOut(e.ctx, c.Key, book.Standing{Reach: book.ReachBlocked, At: e.at(time.Hour)}))
	e.preferred(c, now)
}

func preferResumes(e *env) {
	one, two := e.with("ann", "1"), e.with("ann", "2")
	s, there := e.say(one), e.say(two)
	for _, a := range e.claimsOnly(10, e.start, s, there) {
		e.ends(asideOf(a, e.start, e.at(time.Hour)))
	}
	e.quiet()
	e.prefers(one, book.PreferenceChange{OptedOut: new(true)})
	e.woken()
	e.counts(map[outbox.State]int64{outbox.StateReady: 2})
	if got := e.claims(10, e.at(time.Minute)).Attempts; len(got) != 2 || !got[0].Conversation.Preferences.OptedOut || !got[1].Conversation.Preferences.OptedOut {
		e.Errorf("%d are handed out, or with what was wanted before", len(got))
	}
}

func zoneResumes(e *env) {
	c := e.with("ann", "1")
	s := e.say(c)
	e.ends(asideOf(e.claimsOnly(10, e.start, s)[0], e.start, e.at(time.Hour)))
	same := sightingOf(c.Key, e.at(time.Minute))
	same.Reference.User.ID = "ann"
	e.sight(same)
	e.claimsOnly(10, e.at(time.Minute))
	same.TimeZone = "Asia/Tokyo"
	e.quiet()
	e.sight(same)
	e.woken()
	e.claimsOnly(10, e.at(time.Minute), s)
}

func sendingTells(e *env) {
	a, b := e.meet("a"), e.meet("b")
	e.say(a)
	e.say(b)
	e.accept(inLane(outbox.LaneUrgent, e.message(a)))
	all := e.claims(10, e.start).Attempts
	sending, err := e.Sending(e.ctx, []book.Row{a.Row, b.Row})
	e.ok(err)
	want := []outbox.Running{{Delivery: all[0].Delivery, Fence: all[0].Fence}, {Delivery: all[1].Delivery, Fence: all[1].Fence}}
	byID := func(x, y outbox.Running) int { return int(x.Delivery - y.Delivery) }
	slices.SortFunc(sending, byID)
	slices.SortFunc(want, byID)
	equal(e.T, "sending", sending, want)
	for _, at := range all {
		e.ends(outcomeOf(at, e.start))
	}
	sending, err = e.Sending(e.ctx, []book.Row{a.Row, b.Row})
	e.ok(err)
	if len(sending) != 0 {
		e.Errorf("%v are being sent", sending)
	}
}

// preferRace: of what a claim has handed out with the old ones, Sending tells once Prefer has returned.
func preferRace(e *env) {
	const conversations = 20
	var all []book.Conversation
	for i := range conversations {
		all = append(all, e.with("ann", string(rune('a'+i))))
		e.say(all[i])
		e.say(all[i])
	}
	rows := make([]book.Row, len(all))
	for i, c := range all {
		rows[i] = c.Row
	}
	var acknowledged atomic.Bool
	old := make(map[outbox.DeliveryID]bool)
	var running []outbox.Running
	together(2, func(i int) {
		if i == 0 {
			e.prefers(all[0], book.PreferenceChange{OptedOut: new(true)})
			acknowledged.Store(true)
			var err error
			running, err = e.Sending(e.ctx, rows)
			e.ok(err)
			return
		}
		for {
			last := acknowledged.Load()
			for _, a := range e.claims(3, e.at(time.Minute)).Attempts {
				if !a.Conversation.Preferences.OptedOut {
					old[a.Delivery] = true
				}
				if last && old[a.Delivery] {
					e.Errorf("delivery %d was handed out with old preferences after they were changed", a.Delivery)
				}
			}
			if last {
				return
			}
		}
	})
	for id := range old {
		if !slices.ContainsFunc(running, func(r outbox.Running) bool { return r.Delivery == id }) {
			e.Errorf("delivery %d was handed out with old preferences, and nobody knows that it is being sent", id)
		}
	}
}

// sayWithin counts that something is said on a day that began an hour before.
func (e *env) sayWithin(c book.Conversation, id outbox.DeliveryID, topic string, at time.Time, most book.Cap, want bool) {
	e.Helper()
	within, err := e.Count(e.ctx, outbox.Counting{
		Delivery: id, Conversation: c.Row, Topic: topic, Cap: most, Since: at.Add(-time.Hour), At: at,
	})
	e.ok(err)
	if within != want {
		e.Errorf("%d of %s within %+v: %v, want %v", id, topic, most, within, want)
	}
}

func countedOnce(e *env) {
	c, other := e.meet("a"), e.meet("b")
	three, two := book.Cap{PerDay: 3}, book.Cap{PerTopic: 2}
	e.sayWithin(c, 1, "deals", e.start, three, true)
	e.sayWithin(c, 1, "deals", e.at(time.Minute), three, true)
	e.sayWithin(c, 2, "deals", e.at(time.Minute), two, true)
	e.sayWithin(c, 3, "deals", e.at(time.Minute), two, false)
	e.sayWithin(c, 3, "news", e.at(time.Minute), three, true)
	e.sayWithin(c, 4, "", e.at(time.Minute), three, false)
	e.sayWithin(c, 3, "news", e.at(time.Minute), three, true) // it was within before
	e.sayWithin(c, 4, "", e.at(time.Minute), book.Cap{}, true)
	e.sayWithin(other, 5, "deals", e.at(time.Minute), book.Cap{PerDay: 1}, true)
	e.sayWithin(c, 6, "deals", e.at(62*time.Minute), book.Cap{PerDay: 1}, true) // the others were told on the day before
	e.sayWithin(c, 7, "deals", e.at(24*time.Hour), book.Cap{PerDay: 1}, true)
	e.sayWithin(c, 1, "deals", e.at(24*time.Hour), book.Cap{PerDay: 1}, false)
	_, err := e.Count(e.ctx, outbox.Counting{Conversation: 1 << 40, At: e.start})
	e.is(err, book.ErrNotFound)
}

func countedTogether(e *env) {
	ann, again, anna := e.with("ann", "1"), e.with("ann", "2"), e.with("anna", "3")
	group := sightingOf(keyOf("group"), e.start)
	group.Kind, group.Reference.User.ID = book.KindGroup, "ann"
	all := e.sight(group)
	one := book.Cap{PerDay: 1}
	e.sayWithin(ann, 1, "", e.start, one, true)
	e.sayWithin(again, 2, "", e.start, one, false)
	e.sayWithin(all, 3, "", e.start, one, true)
	e.sayWithin(all, 4, "", e.start, one, false)
	_, err := e.Merge(e.ctx, app, []book.PersonRow{e.called("ann"), e.called("anna")}, e.start)
	e.ok(err)
	e.sayWithin(anna, 5, "", e.start, one, false)
	e.sayWithin(anna, 5, "", e.start, book.Cap{PerDay: 2}, true)
	e.sayWithin(ann, 6, "", e.start, book.Cap{PerDay: 2}, false)
}

// countIsTakenBack: of what was not said, for a person and for a conversation with nobody in particular.
func countIsTakenBack(e *env) {
	one := book.Cap{PerDay: 1}
	for i, c := range []book.Conversation{e.meet("a"), e.with("ann", "b")} {
		id := outbox.DeliveryID(10 * i)
		e.sayWithin(c, id+1, "", e.start, one, true)
		e.ok(e.Uncount(e.ctx, id+1, c.Row))
		e.ok(e.Uncount(e.ctx, id+1, c.Row))
		e.ok(e.Uncount(e.ctx, id+2, c.Row))
		e.sayWithin(c, id+2, "", e.start, one, true)
		e.sayWithin(c, id+1, "", e.start, one, false)
	}
	e.ok(e.Uncount(e.ctx, 1, 1<<40))
}

func countedAtOnce(e *env) {
	var all []book.Conversation
	for i := range 8 {
		all = append(all, e.with("ann", string(rune('a'+i))))
	}
	var within atomic.Int32
	together(len(all), func(i int) {
		yes, err := e.Count(e.ctx, outbox.Counting{
			Delivery: outbox.DeliveryID(i + 1), Conversation: all[i].Row, Cap: book.Cap{PerDay: 3}, Since: e.start, At: e.start,
		})
		if e.ok(err); yes {
			within.Add(1)
		}
	})
	if n := within.Load(); n != 3 {
		e.Errorf("%d are within a cap of 3", n)
	}
}
