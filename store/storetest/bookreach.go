package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

func (s suite) bookReach(t *testing.T) {
	s.promise(t, "StandingIsKept", standingIsKept)
	s.promise(t, "AnInstallationIsNoted", installationIsNoted)
	s.promise(t, "WhatHappenedBeforeDoesNotCount", earlierDoesNotCount)
	s.promise(t, "UnreachableEndsByItself", unreachableEnds)
	s.promise(t, "PlaceIsKept", placeIsKept)
	s.promise(t, "ATeamChangesAtOnce", teamChanges)
	s.promise(t, "AChangeOfOneConversation", oneChanges)
	s.promise(t, "OnlyWhatAnEventHasStruckOutIsRestored", onlyForCause)
	s.promise(t, "NamesAreChanged", namesChange)
	s.promise(t, "WhoHasLeftTakesPartNoMore", leftTakesPartNoMore)
	s.promise(t, "SightingsInARowAreNotedOnce", sightingsInARow)
	s.promise(t, "WhatTurnsTellIsNoted", func(e *env) { notedInTurns([]*env{e}) })
	s.promise(t, "AProspectStandsApart", prospectStandsApart)
	s.promise(t, "TheNewestOfATenant", newestOfTenant)
}

// reaches expects a conversation's standing.
func (e *env) reaches(c book.Conversation, want book.Standing) {
	e.Helper()
	got, err := e.Conversation(e.ctx, c.Key)
	e.ok(err)
	equal(e.T, string(c.Key.Conversation), book.Standing{Reach: got.Reach, Cause: got.Cause, At: got.ReachAt, Until: got.Until}, want)
}

func standingIsKept(e *env) {
	c := e.meet("a")
	until := book.Standing{Reach: book.ReachUnreachable, Cause: "bot_disabled", At: e.at(time.Minute), Until: e.at(time.Hour)}
	e.ok(e.StrikeOut(e.ctx, c.Key, until))
	e.reaches(c, until)
	e.listed(book.Filter{Reach: book.ReachUnreachable}, c)
	e.listed(book.Filter{Reach: book.ReachActive})

	later := book.Standing{Reach: book.ReachUnreachable, Cause: "again", At: e.at(2 * time.Minute), Until: e.at(2 * time.Hour)}
	e.ok(e.StrikeOut(e.ctx, c.Key, later))
	later.At = until.At // since then
	e.reaches(c, later)
	e.sight(sightingOf(c.Key, e.at(3*time.Minute)))
	e.reaches(c, book.Standing{Reach: book.ReachActive, At: e.at(3 * time.Minute)})
}

func installationIsNoted(e *env) {
	s := sightingOf(keyOf("a"), e.start)
	s.Installed = true
	c := e.sight(s)
	e.reaches(c, book.Standing{Reach: book.ReachActive, Cause: book.CauseInstalled, At: e.start})
	e.sight(sightingOf(c.Key, e.at(time.Minute)))
	e.reaches(c, book.Standing{Reach: book.ReachActive, Cause: book.CauseInstalled, At: e.start})
	s.At = e.at(time.Hour)
	e.sight(s) // again, while it is active
	e.reaches(c, book.Standing{Reach: book.ReachActive, Cause: book.CauseInstalled, At: e.at(time.Hour)})

	s.Installed, s.Recreated, s.At = false, true, e.at(2*time.Hour)
	e.sight(s) // the channel has made it again
	e.reaches(c, book.Standing{Reach: book.ReachActive, Cause: book.CauseRecreated, At: e.at(2 * time.Hour)})
	s.Recreated, s.At = false, e.at(3*time.Hour)
	e.sight(s)
	e.reaches(c, book.Standing{Reach: book.ReachActive, Cause: book.CauseRecreated, At: e.at(2 * time.Hour)})
}

// earlierDoesNotCount: a channel may tell of things in another order than they have happened in.
func earlierDoesNotCount(e *env) {
	c := e.meet("a")
	gone := book.Standing{Reach: book.ReachUninstalled, Cause: book.CauseUninstalled, At: e.at(10 * time.Minute)}
	struck := func(s book.Standing) {
		e.Helper()
		_, err := e.Change(e.ctx, book.Change{Key: c.Key, Standing: s, At: e.at(time.Hour)})
		e.ok(err)
	}
	struck(gone)
	s := sightingOf(c.Key, e.at(time.Hour))
	for _, installed := range []bool{false, true} {
		s.Installed, s.SaidAt = installed, e.at(9*time.Minute)
		e.sight(s) // it was said before
		e.reaches(c, gone)
	}
	s.SaidAt = e.at(11 * time.Minute)
	e.sight(s)
	back := book.Standing{Reach: book.ReachActive, Cause: book.CauseInstalled, At: s.SaidAt}
	e.reaches(c, back)
	struck(gone) // what was before the installation
	e.reaches(c, back)
	gone.At = e.at(12 * time.Minute)
	struck(gone)
	e.reaches(c, gone)

	blocked := book.Standing{Reach: book.ReachBlocked, Cause: "blocked", At: e.at(20 * time.Minute)}
	e.ok(e.StrikeOut(e.ctx, c.Key, blocked)) // by our clock, not the channel's
	s = sightingOf(c.Key, e.at(21*time.Minute))
	s.SaidAt = e.at(19 * time.Minute)
	e.sight(s)
	e.reaches(c, book.Standing{Reach: book.ReachActive, At: s.SaidAt})
}

func unreachableEnds(e *env) {
	a, b, c, d := e.meet("a"), e.meet("b"), e.meet("c"), e.meet("d")
	for _, x := range []struct {
		c     book.Conversation
		until time.Time
	}{{a, e.at(time.Hour)}, {b, e.at(2 * time.Hour)}, {c, time.Time{}}} {
		e.ok(e.StrikeOut(e.ctx, x.c.Key, book.Standing{Reach: book.ReachUnreachable, Cause: "why", At: e.start, Until: x.until}))
	}
	reopens := func(at time.Duration, want int) {
		e.Helper()
		if n, err := e.Reopen(e.ctx, e.at(at), 10); err != nil || n != want {
			e.Errorf("after %v %d are reopened, %v; want %d", at, n, err, want)
		}
	}
	reopens(time.Hour-time.Second, 0)
	reopens(time.Hour, 1)
	e.reaches(a, book.Standing{Reach: book.ReachActive, Cause: book.CauseTimeOver, At: e.at(time.Hour)})
	e.listed(book.Filter{Reach: book.ReachActive}, a, d)
	reopens(3*time.Hour, 1)
	reopens(100*time.Hour, 0)
	e.reaches(c, book.Standing{Reach: book.ReachUnreachable, Cause: "why", At: e.start})
	for _, x := range []book.Conversation{a, b, d} {
		e.ok(e.StrikeOut(e.ctx, x.Key, book.Standing{Reach: book.ReachUnreachable, Cause: "why", At: e.start, Until: e.at(time.Minute)}))
	}
	if n, err := e.Reopen(e.ctx, e.at(time.Hour), 2); err != nil || n != 2 {
		e.Errorf("%d are reopened, %v; want 2 at once", n, err)
	}
	reopens(time.Hour, 1)
}

// inTeam puts a conversation of a team's channel into the book.
func (e *env) inTeam(id, team, room string) book.Conversation {
	e.Helper()
	s := sightingOf(teamsKey(id), e.start)
	s.Kind, s.Place = book.KindChannel, book.Place{Team: team, Room: room}
	return e.sight(s)
}

func placeIsKept(e *env) {
	s := sightingOf(teamsKey("a"), e.start)
	s.Place = book.Place{Team: "19:t", TeamName: "Night Shift", Group: "g", Room: "19:c", RoomName: "status", Meeting: "m"}
	want := e.sight(s)
	equal(e.T, "place", want.Place, s.Place)
	e.inBook(want)
	s.Place, s.At, s.VerifiedAt = book.Place{RoomName: "news"}, e.at(time.Minute), e.at(time.Minute)
	got := e.sight(s)
	want.Place.RoomName = "news"
	equal(e.T, "place", got.Place, want.Place)
	e.inBook(got)
	e.meet("b")
	e.listed(book.Filter{Team: "19:t"}, got)
	e.listed(book.Filter{Team: "19:T"})
	e.listed(book.Filter{Team: "19:t", Room: "19:c"}, got)
	e.listed(book.Filter{Team: "19:t", Room: "19:C"})
	e.listed(book.Filter{Team: "19:t", Tenant: tenant}, got)
	e.listed(book.Filter{Team: "19:t", Tenant: "other"})
	e.listed(book.Filter{Tenant: "other"})
}

func teamChanges(e *env) {
	a, b, c := e.inTeam("a", "t", "r1"), e.inTeam("b", "t", "r1"), e.inTeam("c", "t", "r2")
	other := e.inTeam("d", "u", "r1")
	alone := e.sight(sightingOf(teamsKey("e"), e.start))
	strange := teamsKey("x")
	strange.Tenant = "other"
	s := sightingOf(strange, e.start)
	s.Place = book.Place{Team: "t", Room: "r1"}
	x := e.sight(s)
	as := book.Standing{Reach: book.ReachActive, At: e.start}
	gone := book.Standing{Reach: book.ReachUninstalled, Cause: book.CauseUninstalled, At: e.at(time.Minute)}
	changes := func(ch book.Change, want int) {
		e.Helper()
		ch.At = e.at(time.Minute)
		if n, err := e.Change(e.ctx, ch); err != nil || n != want {
			e.Errorf("%+v has changed %d, %v; want %d", ch, n, err, want)
		}
	}
	changes(book.Change{Key: a.Key, Team: "t", Room: "r1", Standing: gone}, 2)
	for _, c := range []book.Conversation{a, b} {
		e.reaches(c, gone)
	}
	e.reaches(c, as)
	gone.At = e.at(2 * time.Minute)
	changes(book.Change{Key: a.Key, Team: "t", Standing: gone}, 3)
	e.reaches(c, gone)
	for _, c := range []book.Conversation{other, alone, x} {
		e.reaches(c, as)
	}
	changes(book.Change{Key: a.Key, Team: "nobody's", Standing: gone}, 0)
	e.say(other)
	e.say(c)
	for _, a := range e.claims(2, e.at(time.Minute)).Attempts { // what is handed out is as it is now
		if want := a.Conversation.Row == other.Row; (a.Conversation.Reach == book.ReachActive) != want {
			e.Errorf("%s is handed out as %s", a.Conversation.Key.Conversation, a.Conversation.Reach)
		}
	}
}

func oneChanges(e *env) {
	a, b := e.meet("a"), e.meet("b")
	gone := book.Standing{Reach: book.ReachUninstalled, Cause: book.CauseBotRemoved, At: e.at(time.Minute)}
	for _, key := range []struct {
		c    book.Conversation
		want int
	}{{a, 1}, {book.Conversation{Key: keyOf("unknown")}, 0}} {
		if n, err := e.Change(e.ctx, book.Change{Key: key.c.Key, Standing: gone, At: e.at(time.Minute)}); err != nil || n != key.want {
			e.Errorf("changed %d, %v; want %d", n, err, key.want)
		}
	}
	e.reaches(a, gone)
	e.reaches(b, book.Standing{Reach: book.ReachActive, At: e.start})
}

func onlyForCause(e *env) {
	a, b, c := e.inTeam("a", "t", "r1"), e.inTeam("b", "t", "r2"), e.inTeam("c", "t", "r2")
	at := func(cause string, r book.Reach, minutes int) book.Standing {
		return book.Standing{Reach: r, Cause: cause, At: e.at(time.Duration(minutes) * time.Minute)}
	}
	deleted, blocked := at(book.CauseTeamDeleted, book.ReachUnreachable, 1), at("blocked", book.ReachBlocked, 1)
	for c, s := range map[*book.Conversation]book.Standing{&a: deleted, &b: blocked} {
		_, err := e.Change(e.ctx, book.Change{Key: c.Key, Standing: s, At: s.At})
		e.ok(err)
	}
	restored := at(book.CauseTeamRestored, book.ReachActive, 2)
	n, err := e.Change(e.ctx, book.Change{Key: a.Key, Team: "t", Standing: restored, Only: []string{book.CauseTeamDeleted}, At: restored.At})
	e.ok(err)
	if n != 3 {
		e.Errorf("found %d, want 3", n)
	}
	e.reaches(a, restored)
	e.reaches(b, blocked)
	e.reaches(c, book.Standing{Reach: book.ReachActive, At: e.start})
}

func namesChange(e *env) {
	a, b, c := e.inTeam("a", "t", "r1"), e.inTeam("b", "t", "r2"), e.inTeam("c", "u", "r1")
	change := func(ch book.Change) {
		e.Helper()
		ch.Key, ch.Team, ch.At = a.Key, "t", e.at(time.Minute)
		_, err := e.Change(e.ctx, ch)
		e.ok(err)
	}
	named := func(c book.Conversation, team, room string) {
		e.Helper()
		got, err := e.Conversation(e.ctx, c.Key)
		e.ok(err)
		if got.Place.TeamName != team || got.Place.RoomName != room {
			e.Errorf("%s is in %q, %q; want %q, %q", c.Key.Conversation, got.Place.TeamName, got.Place.RoomName, team, room)
		}
	}
	change(book.Change{TeamName: "Night Shift"})
	named(a, "Night Shift", "")
	named(b, "Night Shift", "")
	change(book.Change{Room: "r2", RoomName: "status"})
	named(a, "Night Shift", "")
	named(b, "Night Shift", "status")
	named(c, "", "")
	e.reaches(b, book.Standing{Reach: book.ReachActive, At: e.start})
}

func leftTakesPartNoMore(e *env) {
	people := []activity.ChannelAccount{colleague("ann"), colleague("ben")}
	var rooms []book.Conversation
	for _, id := range []string{"a", "b"} {
		s := sightingOf(teamsKey(id), e.start)
		s.Kind, s.Place, s.Reference.User, s.People = book.KindChannel, book.Place{Team: "t", Room: id}, nil, people
		rooms = append(rooms, e.sight(s))
	}
	alone := e.personally(teamsKey("alone"), people[0], time.Minute)
	_, err := e.Change(e.ctx, book.Change{Key: alone.Key, Team: "t", Room: "b", Left: []activity.AccountID{"29:ann", "nobody"}, At: e.at(time.Minute)})
	e.ok(err)
	e.listed(book.Filter{User: "29:ann"}, rooms[0], alone)
	e.listed(book.Filter{User: "29:ben"}, rooms...)
	_, err = e.Change(e.ctx, book.Change{Key: alone.Key, Team: "t", Left: []activity.AccountID{"29:ann", "29:ben"}, At: e.at(time.Minute)})
	e.ok(err)
	e.listed(book.Filter{User: "29:ann"}, alone)
	e.listed(book.Filter{User: "29:ben"})
	e.person(book.PersonKey{ObjectID: "oid-ben"}) // is still known

	s := sightingOf(rooms[0].Key, e.at(time.Hour)) // and comes back
	s.Kind, s.Reference.User = book.KindChannel, &people[1]
	e.sight(s)
	e.listed(book.Filter{User: "29:ben"}, rooms[0])
	if got := e.details(rooms[1]).People; len(got) != 0 {
		e.Errorf("%v take part", got)
	}
}

// sightingsInARow: a sighting that tells nothing new need not be written each time, but the later ones count.
func sightingsInARow(e *env) {
	a := e.meet("a")
	key := a.Key
	key.Channel = activity.ChannelTeams
	b := e.sight(sightingOf(key, e.at(time.Minute)))
	order := func(want ...book.Conversation) {
		e.Helper()
		got, err := e.ConversationsByID(e.ctx, app, a.Key.Conversation)
		e.ok(err)
		if !slices.Equal(rowsOf(got), rowsOf(want)) {
			e.Errorf("found rows %v, want %v", rowsOf(got), rowsOf(want))
		}
	}
	order(b, a)
	for i := range 30 {
		e.sight(sightingOf(a.Key, e.at(time.Minute+time.Duration(i)*time.Second)))
	}
	order(a, b)
	changed := sightingOf(b.Key, e.at(time.Minute+31*time.Second)) // what is new is written at once
	changed.TimeZone = "Europe/Zurich"
	e.sight(changed)
	order(b, a)
}

// prospectStandsApart: an entry for somebody whom the bot has not met stands as it is told to, and is nobody to be written to.
func prospectStandsApart(e *env) {
	key := book.Prospect(app, activity.ChannelTeams, tenant, "bot", "Ann@Example.com")
	s := sightingOf(key, e.start)
	s.Reference.User = &activity.ChannelAccount{ID: activity.AccountID(key.Conversation), Extra: jsontext.Value(`{"email":"ann@example.com"}`)}
	for i, cause := range []string{"wanted", "found", "found"} {
		s.At = e.at(time.Duration(i) * time.Hour)
		s.Prospect = book.Standing{Reach: book.ReachProspective, Cause: cause, At: s.At}
		c := e.sight(s)
		e.reaches(c, s.Prospect)
		e.inBook(c)
		e.listed(book.Filter{Reach: book.ReachProspective, Email: "ann@example.com"}, c)
		e.listed(book.Filter{Reach: book.ReachActive})
	}
	found, err := e.ConversationsOf(e.ctx, app, book.PersonKey{Email: "ANN@example.com"})
	e.ok(err)
	if len(found) != 1 || found[0].Key.Conversation != "prospect:ann@example.com" || found[0].Reachable(e.at(1000*time.Hour)) || found[0].Forbidden() {
		e.Errorf("found %+v", found)
	}
	m := e.say(found[0])
	a := e.claimsOnly(10, e.start, m)[0]
	if a.Conversation.Reach != book.ReachProspective || a.Conversation.Cause != "found" {
		e.Errorf("it is handed out as %s (%s)", a.Conversation.Reach, a.Conversation.Cause)
	}
	o := outcomeOf(a, e.start)
	o.State = outbox.StateFailed
	e.ends(o)
	if _, err := e.ReplayDelivery(e.ctx, a.Delivery, outbox.Replay{At: e.start, Forbidden: true}); err != nil {
		e.Error(err)
	}
	e.reaches(found[0], s.Prospect) // no replay makes it a conversation

	met := sightingOf(teamsKey("met"), e.start) // what is active is no prospect
	c := e.sight(met)
	met.Prospect, met.At = s.Prospect, e.at(time.Minute)
	e.sight(met)
	e.reaches(c, book.Standing{Reach: book.ReachActive, At: e.start})
}

func newestOfTenant(e *env) {
	var all []book.Conversation
	for _, id := range []string{"a", "b", "c"} {
		all = append(all, e.sight(sightingOf(teamsKey(id), e.start)))
	}
	e.meet("on another channel")
	other := teamsKey("d")
	other.Tenant = "other"
	e.sight(sightingOf(other, e.start))
	other.Tenant, other.AppID = tenant, "another app"
	e.sight(sightingOf(other, e.start))
	e.sight(sightingOf(all[0].Key, e.at(time.Hour)))
	for n, want := range [][]book.Conversation{{}, {all[2]}, {all[2], all[1]}, {all[2], all[1], all[0]}, {all[2], all[1], all[0]}} {
		got, err := e.Newest(e.ctx, app, activity.ChannelTeams, tenant, n)
		e.ok(err)
		if !slices.Equal(rowsOf(got), rowsOf(want)) {
			e.Errorf("the newest %d are %v, want %v", n, rowsOf(got), rowsOf(want))
		}
	}
}
