package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

func (s suite) bookPeople(t *testing.T) {
	s.promise(t, "FoundByWhatIsKnownOfPeople", foundByKeys)
	s.promise(t, "KeysAreFoldedOnce", keysAreFolded)
	s.promise(t, "WhatIsKnownOfPeopleIsKept", knownOfPeople)
	s.promise(t, "PeopleAreListed", peopleAreListed)
	s.promise(t, "MergedPeopleAreOneHuman", mergedPeople)
	s.promise(t, "SplitTakesBackAMerge", splitPeople)
	s.promise(t, "MergesThatCannotBeChangeNothing", mergesRefused)
	s.promise(t, "ManyMergesAtOnceMakeOneHuman", manyMerges)
}

// teamsKey is the key of a conversation in Microsoft Teams.
func teamsKey(id string) headsup.ConversationKey {
	k := keyOf(id)
	k.Channel = activity.ChannelTeams
	return k
}

// colleague is somebody as Teams' roster tells of them.
func colleague(name string) activity.ChannelAccount {
	return activity.ChannelAccount{
		ID: activity.AccountID("29:" + name), Name: name, AADObjectID: "OID-" + name,
		Extra: jsontext.Value(fmt.Sprintf(`{"userPrincipalName":%q,"email":%q}`, name+"@Corp.example", strings.ToUpper(name)+"@mail.example")),
	}
}

// personally puts a conversation with somebody alone into the book.
func (e *env) personally(key headsup.ConversationKey, who activity.ChannelAccount, at time.Duration) book.Conversation {
	e.Helper()
	s := sightingOf(key, e.at(at))
	s.Reference.User = &who
	return e.sight(s)
}

// person finds the only one whom a key means.
func (e *env) person(k book.PersonKey) book.Person {
	e.Helper()
	found, err := e.ListPeople(e.ctx, app, book.PeopleFilter{PersonKey: k}, 0, 10)
	e.ok(err)
	if len(found) != 1 {
		e.Fatalf("%+v means %d people", k, len(found))
	}
	return found[0]
}

// of expects the personal conversations of whom a key means.
func (e *env) of(k book.PersonKey, want ...book.Conversation) {
	e.Helper()
	got, err := e.ConversationsOf(e.ctx, app, k)
	e.ok(err)
	if !slices.Equal(rowsOf(got), rowsOf(want)) {
		e.Errorf("%+v has rows %v, want %v", k, rowsOf(got), rowsOf(want))
	}
}

func foundByKeys(e *env) {
	ann := e.personally(teamsKey("ann"), colleague("ann"), time.Minute)
	e.personally(teamsKey("ben"), colleague("ben"), 2*time.Minute)
	group := sightingOf(teamsKey("group"), e.at(3*time.Minute))
	group.Kind, group.Reference.User = book.KindGroup, nil
	group.People = []activity.ChannelAccount{colleague("ann")}
	g := e.sight(group)
	elsewhere := teamsKey("ann")
	elsewhere.AppID = "other"
	e.personally(elsewhere, colleague("ann"), 4*time.Minute)

	for _, k := range []book.PersonKey{
		{User: "29:ann"}, {ObjectID: "oid-ann"}, {ObjectID: "OID-ANN"}, {UPN: "ann@corp.example"}, {UPN: " Ann@CORP.example"},
		{Email: "ann@mail.example"}, {Email: "aNN@Mail.Example "},
	} {
		e.of(k, ann)
		f := book.Filter{User: k.User, ObjectID: k.ObjectID, UPN: k.UPN, Email: k.Email}
		e.listed(f, ann, g)
		f.Kind = book.KindGroup
		e.listed(f, g)
	}
	for _, k := range []book.PersonKey{
		{}, {User: "29:ANN"}, {ObjectID: "oid-an"}, {UPN: "ann@mail.example"}, {Email: "ann@corp.example"}, {ExternalID: "ann"},
	} {
		e.of(k)
	}
	e.listed(book.Filter{UPN: "ann@corp.example", Email: "ben@mail.example"})
}

// keysAreFolded: one human writes in several ways, the book in one.
func keysAreFolded(e *env) {
	who := colleague("Änne")
	e.personally(teamsKey("a"), who, time.Minute)
	p := e.person(book.PersonKey{UPN: "änne@corp.example"})
	if p.ObjectID != "oid-änne" || p.UPN != "änne@corp.example" || p.Email != "änne@mail.example" {
		e.Errorf("kept as %q, %q, %q", p.ObjectID, p.UPN, p.Email)
	}
}

func knownOfPeople(e *env) {
	s := sightingOf(teamsKey("a"), e.start)
	who := colleague("ann")
	s.Reference.User, s.Reference.Locale, s.TimeZone, s.Country = &who, "de-CH", "Europe/Zurich", "CH"
	s.People = []activity.ChannelAccount{{ID: "29:ben", Name: "Ben"}}
	e.sight(s)
	want := book.Person{
		Channel: activity.ChannelTeams, Tenant: tenant, ID: "29:ann", Name: "ann", ObjectID: "oid-ann", UPN: "ann@corp.example",
		Email: "ann@mail.example", TimeZone: "Europe/Zurich", Locale: "de-CH", Country: "CH",
	}
	same := func() {
		e.Helper()
		got := e.person(book.PersonKey{User: "29:ann"})
		want.Row = got.Row
		equal(e.T, "person", got, want)
	}
	same()
	s = sightingOf(teamsKey("a"), e.at(time.Minute)) // what is not told stays
	s.Reference.User, s.Reference.Locale = &activity.ChannelAccount{ID: "29:ann"}, ""
	e.sight(s)
	same()
	if got := e.person(book.PersonKey{User: "29:ben"}); got.TimeZone+got.Locale+got.Country != "" {
		e.Errorf("somebody else got what was told of the one who spoke: %+v", got)
	}
	s = sightingOf(teamsKey("b"), e.at(2*time.Minute)) // in another conversation
	s.Reference.User, s.Reference.Locale, s.Country = &activity.ChannelAccount{ID: "29:ann", Name: "Ann N."}, "", "AT"
	e.sight(s)
	want.Name, want.Country = "Ann N.", "AT"
	same()
}

func peopleAreListed(e *env) {
	var rows []book.PersonRow
	for i := range 7 {
		key := teamsKey(fmt.Sprint(i))
		if i%2 == 1 {
			key.Channel = "slack"
		}
		if i > 4 {
			key.Tenant = "elsewhere"
		}
		e.personally(key, activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint("u", i))}, time.Minute)
		other := key
		other.AppID = "other"
		e.personally(other, activity.ChannelAccount{ID: "somebody"}, time.Minute)
		rows = append(rows, e.person(book.PersonKey{User: activity.AccountID(fmt.Sprint("u", i))}).Row)
	}
	lists := func(f book.PeopleFilter, want ...book.PersonRow) {
		e.Helper()
		for _, limit := range []int{1, 3, 100} {
			var got []book.PersonRow
			for after := book.PersonRow(0); ; after = got[len(got)-1] {
				page, err := e.ListPeople(e.ctx, app, f, after, limit)
				e.ok(err)
				for _, p := range page {
					got = append(got, p.Row)
				}
				if len(page) < limit {
					break
				}
			}
			if !slices.Equal(got, want) {
				e.Errorf("%+v by %d lists %v, want %v", f, limit, got, want)
			}
		}
	}
	if !slices.IsSorted(rows) {
		e.Errorf("rows do not grow: %v", rows)
	}
	lists(book.PeopleFilter{}, rows...)
	lists(book.PeopleFilter{Channel: "slack"}, rows[1], rows[3], rows[5])
	lists(book.PeopleFilter{Tenant: "elsewhere"}, rows[5], rows[6])
	lists(book.PeopleFilter{Tenant: "elsewhere", Channel: "slack"}, rows[5])
	lists(book.PeopleFilter{PersonKey: book.PersonKey{User: "u3"}}, rows[3])
	lists(book.PeopleFilter{PersonKey: book.PersonKey{User: "u3"}, Tenant: "elsewhere"})
}

// human expects who is one human with somebody.
func (e *env) human(p book.Person, want ...book.Person) {
	e.Helper()
	got, err := e.Human(e.ctx, app, p.Row)
	e.ok(err)
	var have, wanted []book.PersonRow
	for _, p := range got {
		have = append(have, p.Row)
	}
	for _, p := range want {
		wanted = append(wanted, p.Row)
	}
	slices.Sort(wanted)
	if !slices.Equal(have, wanted) {
		e.Errorf("%s is %v, want %v", p.ID, have, wanted)
	}
}

func (e *env) merge(people ...book.Person) {
	e.Helper()
	_, err := e.Merge(e.ctx, app, personRows(people), e.start)
	e.ok(err)
}

func personRows(people []book.Person) []book.PersonRow {
	rows := make([]book.PersonRow, len(people))
	for i, p := range people {
		rows[i] = p.Row
	}
	return rows
}

// somebody is one person with a conversation.
func (e *env) somebody(channel activity.ChannelID, name string, at time.Duration) (book.Person, book.Conversation) {
	e.Helper()
	key := keyOf("with-" + name)
	key.Channel = channel
	c := e.personally(key, colleague(name), at)
	return e.person(book.PersonKey{User: activity.AccountID("29:" + name)}), c
}

func mergedPeople(e *env) {
	a, inTeams := e.somebody(activity.ChannelTeams, "ann", time.Minute)
	b, inSlack := e.somebody("slack", "anna", 2*time.Minute)
	c, _ := e.somebody("line", "cem", 3*time.Minute)
	e.human(a, a)
	e.merge(b, a)
	e.human(a, a, b)
	e.human(b, a, b)
	e.human(c, c)
	for _, k := range []book.PersonKey{
		{ObjectID: "oid-ann"}, {ObjectID: "oid-anna"}, {UPN: "ann@corp.example"}, {Email: "anna@mail.example"}, {User: "29:ann"},
	} {
		e.of(k, inSlack, inTeams)
	}
	e.listed(book.Filter{ObjectID: "oid-ann"}, inTeams) // a filter is about who takes part
	e.names(inSlack, "4711")
	e.of(book.PersonKey{ExternalID: "4711"}, inSlack, inTeams)

	e.merge(a, b) // once more
	e.human(a, a, b)
	e.merge(b, c)
	e.human(a, a, b, c)
	e.sight(sightingOf(inTeams.Key, e.at(time.Hour))) // somebody else speaks, and then they do
	e.personally(inTeams.Key, colleague("ann"), 2*time.Hour)
	e.human(c, a, b, c)
}

func splitPeople(e *env) {
	a, inTeams := e.somebody(activity.ChannelTeams, "ann", time.Minute)
	b, inSlack := e.somebody("slack", "anna", 2*time.Minute)
	c, _ := e.somebody("line", "cem", 3*time.Minute)
	d, _ := e.somebody("line", "dan", 4*time.Minute)
	e.merge(a, b)
	e.merge(c, d)
	e.merge(a, d)
	e.human(b, a, b, c, d)
	split := func(people ...book.Person) {
		e.Helper()
		e.ok(e.Split(e.ctx, app, personRows(people), e.start))
	}
	split(c, d) // what the last merge has joined
	e.human(a, a, b)
	e.human(c, c, d)
	split(a)
	e.human(a, a)
	e.human(b, b)
	e.of(book.PersonKey{ObjectID: "oid-ann"}, inTeams)
	e.of(book.PersonKey{ObjectID: "oid-anna"}, inSlack)
	split(b) // who is nobody else
	e.human(b, b)
	split(d, c) // all there are
	e.human(c, c, d)
	e.merge(b, c)
	e.human(d, b, c, d)
}

func mergesRefused(e *env) {
	a, _ := e.somebody(activity.ChannelTeams, "ann", time.Minute)
	b, _ := e.somebody("slack", "ben", time.Minute)
	other := keyOf("x")
	other.AppID = "other"
	e.personally(other, colleague("zoe"), time.Minute)
	theirs, err := e.ListPeople(e.ctx, "other", book.PeopleFilter{}, 0, 1)
	e.ok(err)

	for _, rows := range [][]book.PersonRow{{a.Row, 4711}, {a.Row, theirs[0].Row}, {}} {
		_, err := e.Merge(e.ctx, app, rows, e.start)
		e.is(err, book.ErrNobody)
	}
	e.is(e.Split(e.ctx, app, []book.PersonRow{a.Row, b.Row}, e.start), book.ErrNobody)
	e.is(e.Split(e.ctx, app, nil, e.start), book.ErrNobody)
	_, err = e.Human(e.ctx, app, theirs[0].Row)
	e.is(err, book.ErrNobody)
	e.human(a, a)
	e.human(b, b)

	all := sightingOf(keyOf("many"), e.start)
	for i := range book.MaxMerged {
		all.People = append(all.People, activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint("m", i))})
	}
	e.sight(all)
	many := []book.PersonRow{}
	for i := range book.MaxMerged {
		many = append(many, e.person(book.PersonKey{User: activity.AccountID(fmt.Sprint("m", i))}).Row)
	}
	_, err = e.Merge(e.ctx, app, many, e.start)
	e.ok(err)
	_, err = e.Merge(e.ctx, app, []book.PersonRow{a.Row, many[0]}, e.start)
	e.is(err, book.ErrTooManyPeople)
	e.human(a, a)
}

func manyMerges(e *env) {
	var people []book.Person
	for i := range 12 {
		p, _ := e.somebody(activity.ChannelTeams, fmt.Sprint("p", i), time.Minute)
		people = append(people, p)
	}
	together(len(people)-1, func(i int) {
		if _, err := e.Merge(e.ctx, app, personRows(people[i:i+2]), e.start); err != nil {
			e.Error(err)
		}
	})
	e.human(people[0], people...)
}
