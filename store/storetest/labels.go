package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

func (e *env) tags(c book.Conversation, tags ...string) {
	e.Helper()
	e.ok(e.Label(e.ctx, c.Key, book.Labels{Tags: &tags}, e.start))
}

func (e *env) names(c book.Conversation, externalID string) {
	e.Helper()
	e.ok(e.Label(e.ctx, c.Key, book.Labels{ExternalID: &externalID}, e.start))
}

func (e *env) details(c book.Conversation) book.Details {
	e.Helper()
	found, err := e.Details(e.ctx, []book.Row{c.Row})
	e.ok(err)
	d, ok := found[c.Row]
	if !ok {
		e.Fatalf("no details of row %d", c.Row)
	}
	return d
}

// listed expects these conversations, on one page and one by one.
func (e *env) listed(f book.Filter, want ...book.Conversation) {
	e.Helper()
	for _, limit := range []int{100, 1} {
		var got []book.Row
		for after := book.Row(0); ; after = got[len(got)-1] {
			page, err := e.Conversations(e.ctx, app, f, after, limit)
			e.ok(err)
			got = append(got, rowsOf(page)...)
			if len(page) < limit {
				break
			}
		}
		if !slices.Equal(got, rowsOf(want)) {
			e.Errorf("%+v by %d lists rows %v, want %v", f, limit, got, rowsOf(want))
		}
	}
}

func listedByFilter(e *env) {
	group := sightingOf(keyOf("group"), e.start)
	group.Kind, group.Reference.User.ID = book.KindGroup, "ann"
	g := e.sight(group)
	teams := keyOf("teams")
	teams.Channel = activity.ChannelTeams
	m := e.sight(sightingOf(teams, e.start))
	c := e.meet("c")
	e.ok(e.StrikeOut(e.ctx, c.Key, book.Standing{Reach: book.ReachBlocked, Cause: "", At: e.start}))
	other := keyOf("c")
	other.AppID = "other"
	o := e.sight(sightingOf(other, e.start))
	for _, tagged := range []book.Conversation{g, c, o} {
		e.tags(tagged, "t")
	}
	e.names(c, "x")

	e.listed(book.Filter{}, g, m, c)
	e.listed(book.Filter{Kind: book.KindGroup}, g)
	e.listed(book.Filter{Kind: book.KindPersonal}, m, c)
	e.listed(book.Filter{Channel: activity.ChannelTeams}, m)
	e.listed(book.Filter{Reach: book.ReachActive}, g, m)
	e.listed(book.Filter{Reach: book.ReachBlocked}, c)
	e.listed(book.Filter{Tag: "t"}, g, c)
	e.listed(book.Filter{User: "ann"}, g)
	e.listed(book.Filter{User: "user-of-c"}, c)
	e.listed(book.Filter{ExternalID: "x"}, c)
	e.listed(book.Filter{Tag: "t", Reach: book.ReachActive, Kind: book.KindGroup, User: "ann", Channel: activity.ChannelDirectLine}, g)
	e.listed(book.Filter{Tag: "t", User: "nobody"})
	e.listed(book.Filter{Tag: "T"})
	e.listed(book.Filter{ExternalID: "X"})
}

func tagsAreReplaced(e *env) {
	a, b := e.meet("a"), e.meet("b")
	e.tags(a, "two", "one", "two", "Ünïcode / 100%")
	e.tags(b, "one")
	equal(e.T, "tags", e.details(a).Tags, []string{"one", "two", "Ünïcode / 100%"})
	e.listed(book.Filter{Tag: "one"}, a, b)
	e.tags(a, "three")
	equal(e.T, "tags", e.details(a).Tags, []string{"three"})
	e.listed(book.Filter{Tag: "one"}, b)

	e.names(a, "x") // something else
	e.sight(sightingOf(a.Key, e.at(time.Minute)))
	equal(e.T, "tags", e.details(a).Tags, []string{"three"})
	e.ok(e.Label(e.ctx, a.Key, book.Labels{}, e.start))
	equal(e.T, "tags", e.details(a).Tags, []string{"three"})
	e.tags(a)
	if got := e.details(a).Tags; len(got) != 0 {
		e.Errorf("tags %v are left", got)
	}
}

func tagsAreAdded(e *env) {
	a := e.meet("a")
	change := func(l book.Labels, want ...string) {
		e.Helper()
		e.ok(e.Label(e.ctx, a.Key, l, e.start))
		equal(e.T, "tags", e.details(a).Tags, want)
	}
	change(book.Labels{AddTags: []string{"two", "one", "two"}}, "one", "two")
	change(book.Labels{AddTags: []string{"one", "three"}, RemoveTags: []string{"two", "nothing"}}, "one", "three")
	change(book.Labels{RemoveTags: []string{"three"}}, "one")
	change(book.Labels{Tags: &[]string{"x", "y"}, AddTags: []string{"z"}, RemoveTags: []string{"y"}}, "x", "z")
	e.listed(book.Filter{Tag: "z"}, a)
	e.listed(book.Filter{Tag: "one"})

	many := make([]string, book.MaxTags-1)
	for i := range many {
		many[i] = fmt.Sprintf("tag %02d", i)
	}
	e.is(e.Label(e.ctx, a.Key, book.Labels{AddTags: many}, e.start), book.ErrTooManyTags)
	equal(e.T, "tags", e.details(a).Tags, []string{"x", "z"})
	change(book.Labels{AddTags: many, RemoveTags: []string{"x"}}, append(many, "z")...)

	b := e.meet("b")
	together(book.MaxTags, func(i int) { // which would lose some if each wrote what it had read
		e.ok(e.Label(e.ctx, b.Key, book.Labels{AddTags: []string{fmt.Sprint(i)}}, e.start))
	})
	if n := len(e.details(b).Tags); n != book.MaxTags {
		e.Errorf("of %d tags that were added at once %d are there", book.MaxTags, n)
	}
}

func externalIDs(e *env) {
	see := func(id string, at time.Duration, change func(*book.Sighting)) book.Conversation {
		s := sightingOf(keyOf(id), e.at(at))
		s.Reference.User.ID = "ann"
		change(&s)
		s.Key = headsup.KeyOf(s.Key.AppID, s.Reference)
		return e.sight(s)
	}
	same := func(*book.Sighting) {}
	old := see("old", 1*time.Minute, same)
	young := see("young", 2*time.Minute, same)
	see("group", 3*time.Minute, func(s *book.Sighting) { s.Kind = book.KindGroup })
	teams := see("teams", 4*time.Minute, func(s *book.Sighting) {
		s.Reference.ChannelID, s.Reference.User.ID = activity.ChannelTeams, "29:ann"
	})
	other := see("old", 5*time.Minute, func(s *book.Sighting) { s.Key.AppID = "other" })

	found := func(id string, want ...book.Conversation) {
		e.Helper()
		got, err := e.ConversationsOf(e.ctx, app, book.PersonKey{ExternalID: id})
		e.ok(err)
		if !slices.Equal(rowsOf(got), rowsOf(want)) {
			e.Errorf("%q is in rows %v, want %v", id, rowsOf(got), rowsOf(want))
		}
	}
	found("4711")
	e.names(old, "4711")
	e.names(other, "4711")
	found("4711", young, old) // it is the person's
	e.names(teams, "4711")    // on another channel too
	found("4711", teams, young, old)
	see("old", time.Hour, same)
	found("4711", old, teams, young)
	e.names(young, "0815")
	found("4711", teams)
	found("0815", old, young)
	e.names(young, "")
	found("0815")
	found("")
}

func labelsRefused(e *env) {
	tags, id := []string{"t"}, "x"
	both := book.Labels{Tags: &tags, ExternalID: &id}
	e.is(e.Label(e.ctx, keyOf("unknown"), both, e.start), book.ErrNotFound)

	s := sightingOf(keyOf("group"), e.start)
	s.Kind = book.KindGroup
	group := e.sight(s)
	s = sightingOf(keyOf("nobody"), e.start)
	s.Reference.User = nil
	nobody := e.sight(s)
	s = sightingOf(keyOf("bot"), e.start)
	s.Reference.User.ID = s.Key.Bot
	bot := e.sight(s)
	for _, c := range []book.Conversation{group, nobody, bot} {
		e.is(e.Label(e.ctx, c.Key, both, e.start), book.ErrNoPerson)
		if d := e.details(c); len(d.Tags) != 0 {
			e.Errorf("a label that was refused left tags %v", d.Tags)
		}
	}
	e.listed(book.Filter{ExternalID: "x"})
}

func peopleAreTold(e *env) {
	s := sightingOf(keyOf("group"), e.start)
	s.Kind, s.Reference.User = book.KindGroup, &activity.ChannelAccount{ID: "bob"}
	s.People = []activity.ChannelAccount{{ID: "ann", Name: "Ann"}, {ID: s.Key.Bot, Name: "the bot"}, {}}
	group := e.sight(s)
	s = sightingOf(keyOf("alone"), e.start)
	s.Reference.User = &activity.ChannelAccount{ID: "bob", Name: "Bob"}
	alone := e.sight(s)
	e.names(alone, "x")
	want := []book.Person{{ID: "bob", Name: "Bob", ExternalID: "x"}, {ID: "ann", Name: "Ann"}}
	told := func(c book.Conversation) (all []book.Person) {
		for _, p := range e.details(c).People {
			if p.Row <= 0 || p.Channel != c.Key.Channel || p.Tenant != c.Key.Tenant {
				e.Errorf("told %+v", p)
			}
			all = append(all, book.Person{ID: p.ID, Name: p.Name, ExternalID: p.ExternalID})
		}
		return all
	}
	equal(e.T, "people", told(group), want)
	equal(e.T, "people", told(alone), want[:1])

	s = sightingOf(keyOf("many"), e.start)
	s.Kind = book.KindGroup
	for i := range book.MaxPeople + 10 {
		s.People = append(s.People, activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint(i))})
	}
	if got := e.details(e.sight(s)).People; len(got) != book.MaxPeople {
		e.Errorf("%d people are told, want %d", len(got), book.MaxPeople)
	}
	found, err := e.Details(e.ctx, []book.Row{4711})
	e.ok(err)
	if len(found) != 0 {
		e.Errorf("an entry that nobody has made has details %v", found)
	}
}
