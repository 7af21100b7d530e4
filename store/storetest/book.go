package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

func (s suite) book(t *testing.T) {
	s.promise(t, "FirstSightingAdds", firstSightingAdds)
	s.promise(t, "LaterSightingBringsUpToDate", laterSighting)
	s.promise(t, "SightingThatTellsLessForgetsNothing", sightingTellsLess)
	s.promise(t, "ConversationsAreUniqueByKey", uniqueByKey)
	s.promise(t, "ManySightingsAtOnceAddOne", manySightings)
	s.promise(t, "DevDoesNotReplaceClaimsURL", devKeepsClaim)
	s.promise(t, "StruckOutUntilSeenAgain", struckOut)
	s.promise(t, "FoundByID", foundByID)
	s.promise(t, "FoundByIDAsItIsNow", foundByIDAsItIsNow)
	s.promise(t, "FoundTogether", foundTogether)
	s.promise(t, "FoundByUser", foundByUser)
	s.promise(t, "ListedByRowWithoutGapsOrRepeats", listedByRow)
	s.promise(t, "UnknownMembersOfReferencesSurvive", unknownMembersSurvive)
	s.promise(t, "ListedByFilter", listedByFilter)
	s.promise(t, "TagsAreReplacedAndFound", tagsAreReplaced)
	s.promise(t, "TagsAreAddedAndRemoved", tagsAreAdded)
	s.promise(t, "ExternalIDIsThePersons", externalIDs)
	s.promise(t, "LabelsThatCannotBeChangeNothing", labelsRefused)
	s.promise(t, "PeopleAreTold", peopleAreTold)
}

// inBook expects the entry as it is given.
func (e *env) inBook(want book.Conversation) {
	e.Helper()
	got, err := e.Conversation(e.ctx, want.Key)
	e.ok(err)
	equal(e.T, "entry", got, want)
}

func firstSightingAdds(e *env) {
	_, err := e.Conversation(e.ctx, keyOf("a"))
	e.is(err, book.ErrNotFound)

	s := sightingOf(keyOf("a"), e.start)
	s.TimeZone = "Europe/Zurich"
	s.Reference.ActivityID = "inbound-1"
	got := e.sight(s)
	if got.Row <= 0 {
		e.Errorf("row is %d", got.Row)
	}
	want := book.Conversation{
		Row: got.Row, Key: s.Key, Reference: referenceTo(s.Key), Kind: book.KindPersonal, Source: book.SourceClaim,
		VerifiedAt: e.start, TimeZone: "Europe/Zurich", Reach: book.ReachActive, ReachAt: e.start,
		CreatedAt: e.start, UpdatedAt: e.start,
	}
	equal(e.T, "sighted", got, want)
	e.inBook(want)
}

func laterSighting(e *env) {
	first := e.meet("a")
	s := sightingOf(first.Key, e.at(time.Minute))
	s.Reference.ServiceURL = "https://moved.example/"
	s.Reference.Locale = "de-CH"
	s.Reference.User = &activity.ChannelAccount{ID: "another", AADObjectID: "oid"}
	s.Reference.Conversation.IsGroup = new(true)
	s.Kind = book.KindGroup
	s.TimeZone = "Asia/Tokyo"
	want := first
	want.Reference, want.Kind, want.TimeZone = s.Reference.Clone(), book.KindGroup, "Asia/Tokyo"
	want.VerifiedAt, want.UpdatedAt = s.At, s.At
	equal(e.T, "sighted", e.sight(s), want)
	e.inBook(want)

	s.Reference.User.ID = "changed by the caller"
	e.inBook(want)
}

// sightingTellsLess: what an activity does not tell stays as it was learnt.
func sightingTellsLess(e *env) {
	s := sightingOf(keyOf("a"), e.start)
	s.TimeZone, s.Reference.Locale, s.Kind = "Europe/Zurich", "de-CH", book.KindGroup
	want := e.sight(s)
	for minute := range 2 {
		s = book.Sighting{Key: s.Key, Reference: s.Reference.Clone(), Source: book.SourceClaim, At: e.at(time.Duration(minute) * time.Minute)}
		s.Reference.Locale, s.Reference.User = "", nil
		want.UpdatedAt = s.At
		equal(e.T, "sighted", e.sight(s), want)
		e.inBook(want)
	}
	s.Key, s.Reference = keyOf("b"), referenceTo(keyOf("b"))
	if got := e.sight(s); got.Kind != book.KindPersonal {
		e.Errorf("a conversation of which nobody has told is %q", got.Kind)
	}
}

func uniqueByKey(e *env) {
	var rows []book.Row
	for _, change := range []func(*headsup.ConversationKey){
		func(*headsup.ConversationKey) {},
		func(k *headsup.ConversationKey) { k.AppID = "other" },
		func(k *headsup.ConversationKey) { k.Tenant = "other" },
		func(k *headsup.ConversationKey) { k.Tenant = "" },
		func(k *headsup.ConversationKey) { k.Channel = activity.ChannelTeams },
		func(k *headsup.ConversationKey) { k.Bot = "other" },
		func(k *headsup.ConversationKey) { k.Conversation = "A" },
	} {
		key := keyOf("a")
		change(&key)
		c := e.sight(sightingOf(key, e.start))
		if slices.Contains(rows, c.Row) {
			e.Errorf("%+v shares its row with another", key)
		}
		rows = append(rows, c.Row)
		if again := e.sight(sightingOf(key, e.start)); again.Row != c.Row {
			e.Errorf("%+v moved from row %d to %d", key, c.Row, again.Row)
		}
		e.inBook(c)
	}
}

func manySightings(e *env) {
	rows := make([]book.Row, 50)
	together(len(rows), func(i int) {
		c, err := e.Sight(e.ctx, sightingOf(keyOf("a"), e.start))
		if err != nil {
			e.Error(err)
		}
		rows[i] = c.Row
	})
	if rows = slices.Compact(rows); len(rows) != 1 {
		e.Errorf("one conversation has rows %v", rows)
	}
	all, err := e.Conversations(e.ctx, app, book.Filter{}, 0, 10)
	e.ok(err)
	if len(all) != 1 {
		e.Errorf("the book has %d entries, want 1", len(all))
	}
}

// devKeepsClaim: an unauthenticated caller must not draw messages, and the tokens with them, to a place of its own.
func devKeepsClaim(e *env) {
	claim := e.meet("a")
	s := sightingOf(claim.Key, e.at(time.Minute))
	s.Source, s.VerifiedAt = book.SourceDev, time.Time{}
	s.Reference.ServiceURL = "http://elsewhere.example/"
	s.Reference.Locale = "fr"
	got := e.sight(s)
	if got.Reference.ServiceURL != claim.Reference.ServiceURL || got.Source != book.SourceClaim {
		e.Errorf("the service URL is %s from %s", got.Reference.ServiceURL, got.Source)
	}
	if got.Reference.Locale != "fr" {
		e.Errorf("the rest of the reference is not up to date: locale %s", got.Reference.Locale)
	}
	e.inBook(got)

	s.Key, s.Reference = keyOf("b"), referenceTo(keyOf("b"))
	s.Reference.ServiceURL = "http://elsewhere.example/"
	if got := e.sight(s); got.Source != book.SourceDev || !got.VerifiedAt.IsZero() {
		e.Errorf("source %s, verified %v", got.Source, got.VerifiedAt)
	}
	s.Reference.ServiceURL = "http://elsewhere.example:1/"
	if got := e.sight(s); got.Reference.ServiceURL != "http://elsewhere.example:1/" {
		e.Errorf("a dev reference did not follow its URL: %s", got.Reference.ServiceURL)
	}
	if got := e.sight(sightingOf(s.Key, e.at(time.Hour))); got.Source != book.SourceClaim ||
		got.Reference.ServiceURL != claim.Reference.ServiceURL {
		e.Errorf("a claim did not replace dev: %s from %s", got.Reference.ServiceURL, got.Source)
	}

	for source, kept := range map[book.Source]bool{
		book.SourceClaim: true, book.SourceConfig: true, book.SourceImport: true, book.SourceCaller: false, book.SourceDev: false,
	} {
		s := sightingOf(keyOf(string(source)), e.at(time.Minute))
		s.Source = source
		known := e.sight(s)
		s.Source, s.VerifiedAt = book.SourceCaller, time.Time{}
		s.Reference.ServiceURL = "http://elsewhere.example/"
		if got := e.sight(s); kept != (got.Reference.ServiceURL == known.Reference.ServiceURL) || kept != (got.Source == source) && source != book.SourceCaller {
			e.Errorf("what a caller says replaces what is known by %s: %s from %s", source, got.Reference.ServiceURL, got.Source)
		}
	}
}

func struckOut(e *env) {
	e.ok(e.StrikeOut(e.ctx, keyOf("unknown"), book.Standing{Reach: book.ReachBlocked, Cause: "why", At: e.start}))
	_, err := e.Conversation(e.ctx, keyOf("unknown"))
	e.is(err, book.ErrNotFound)

	want := e.meet("a")
	other := e.meet("b")
	e.ok(e.StrikeOut(e.ctx, want.Key, book.Standing{Reach: book.ReachUninstalled, Cause: "the bot was removed", At: e.at(time.Minute)}))
	got, err := e.Conversation(e.ctx, want.Key)
	e.ok(err)
	want.Reach, want.Cause, want.ReachAt = book.ReachUninstalled, "the bot was removed", e.at(time.Minute)
	want.UpdatedAt = got.UpdatedAt // a change that may count as one
	equal(e.T, "struck out", got, want)
	e.inBook(other)

	e.ok(e.StrikeOut(e.ctx, other.Key, book.Standing{Reach: book.ReachBlocked, Cause: "forbidden", At: e.at(time.Minute)}))
	e.ok(e.StrikeOut(e.ctx, other.Key, book.Standing{Reach: book.ReachActive, Cause: "replayed", At: e.at(2 * time.Minute)}))
	lifted, err := e.Conversation(e.ctx, other.Key)
	e.ok(err)
	if lifted.Reach != book.ReachActive || lifted.Cause != "replayed" || !lifted.ReachAt.Equal(e.at(2*time.Minute)) {
		e.Errorf("lifted, it is %s since %v for %q", lifted.Reach, lifted.ReachAt, lifted.Cause)
	}

	back := e.sight(sightingOf(want.Key, e.at(time.Hour)))
	want.Reach, want.Cause, want.ReachAt = book.ReachActive, "", e.at(time.Hour)
	want.VerifiedAt, want.UpdatedAt = e.at(time.Hour), e.at(time.Hour)
	equal(e.T, "seen again", back, want)

	again := e.sight(sightingOf(want.Key, e.at(2*time.Hour)))
	if !again.ReachAt.Equal(e.at(time.Hour)) {
		e.Errorf("reachable since %v, want %v: it was all along", again.ReachAt, e.at(time.Hour))
	}
}

func rowsOf(cs []book.Conversation) []book.Row {
	rows := make([]book.Row, len(cs))
	for i, c := range cs {
		rows[i] = c.Row
	}
	return rows
}

func foundByID(e *env) {
	see := func(at time.Duration, change func(*headsup.ConversationKey)) book.Conversation {
		key := keyOf("a")
		change(&key)
		return e.sight(sightingOf(key, e.at(at)))
	}
	line := see(1*time.Minute, func(*headsup.ConversationKey) {})
	teams := see(3*time.Minute, func(k *headsup.ConversationKey) { k.Channel = activity.ChannelTeams })
	bot := see(2*time.Minute, func(k *headsup.ConversationKey) { k.Bot = "other" })
	see(4*time.Minute, func(k *headsup.ConversationKey) { k.AppID = "other" })
	see(5*time.Minute, func(k *headsup.ConversationKey) { k.Conversation = "aa" })

	found := func(want ...book.Conversation) {
		e.Helper()
		got, err := e.ConversationsByID(e.ctx, app, "a")
		e.ok(err)
		if !slices.Equal(rowsOf(got), rowsOf(want)) {
			e.Errorf("found rows %v, want %v", rowsOf(got), rowsOf(want))
		}
	}
	found(teams, bot, line)
	see(6*time.Minute, func(*headsup.ConversationKey) {})
	found(line, teams, bot)
	e.ok(e.StrikeOut(e.ctx, bot.Key, book.Standing{Reach: book.ReachBlocked, Cause: "", At: e.at(7 * time.Minute)})) // not a sighting
	found(line, teams, bot)
	got, err := e.ConversationsByID(e.ctx, app, "nobody's")
	e.ok(err)
	if len(got) != 0 {
		e.Errorf("found %v", got)
	}
}

// foundByIDAsItIsNow looks again after each change: a store may remember what it has found.
func foundByIDAsItIsNow(e *env) {
	found := func(want ...book.Conversation) {
		e.Helper()
		for range 2 {
			got, err := e.ConversationsByID(e.ctx, app, "a")
			e.ok(err)
			equal(e.T, "found by id", got, want)
		}
	}
	see := func(channel activity.ChannelID, at time.Duration) book.Conversation {
		key := keyOf("a")
		key.Channel = channel
		return e.sight(sightingOf(key, e.at(at)))
	}
	found()
	line := see("line", 1*time.Minute)
	found(line)
	e.ok(e.StrikeOut(e.ctx, line.Key, book.Standing{Reach: book.ReachBlocked, Cause: "gone", At: e.at(2 * time.Minute)}))
	line.Reach, line.Cause, line.ReachAt, line.UpdatedAt = book.ReachBlocked, "gone", e.at(2*time.Minute), e.at(2*time.Minute)
	found(line)
	line = see("line", 3*time.Minute)
	found(line)
	line = see("line", 4*time.Minute) // which tells nothing but its time
	found(line)
	slack := see("slack", 5*time.Minute)
	found(slack, line)
	e.forgets(line)
	found(slack)
	line = see("line", 6*time.Minute)
	found(line, slack)
	e.forgets(line)
	e.forgets(slack)
	found()
}

// foundTogether has many look for names of all kinds at once: each finds what they would alone.
func foundTogether(e *env) {
	const people = 8
	type look struct {
		name string
		at   func() ([]book.Conversation, error)
		want []book.Conversation
	}
	looks := []look{{"nobody", func() ([]book.Conversation, error) { return e.ConversationsByID(e.ctx, app, "nobody") }, nil}}
	group := func(i int) headsup.ConversationKey { return keyOf(fmt.Sprint("group", i)) }
	for i := range people {
		name := fmt.Sprint("p", i)
		user := activity.AccountID(name)
		alone := sightingOf(keyOf("alone-"+name), e.at(time.Duration(i)*time.Minute))
		alone.Reference.User = &activity.ChannelAccount{ID: user, AADObjectID: "object-" + name}
		talk := e.sight(alone)
		e.names(talk, "external-"+name)
		both := sightingOf(group(i%2), e.at(time.Hour))
		both.Kind = book.KindGroup
		both.Reference.User.ID = user
		in := e.sight(both)
		of := func(k book.PersonKey) func() ([]book.Conversation, error) {
			return func() ([]book.Conversation, error) { return e.ConversationsOf(e.ctx, app, k) }
		}
		looks = append(looks,
			look{"id of " + name, func() ([]book.Conversation, error) {
				return e.ConversationsByID(e.ctx, app, talk.Key.Conversation)
			}, []book.Conversation{talk}},
			look{"user " + name, of(book.PersonKey{User: user}), []book.Conversation{talk}},
			look{"object id of " + name, of(book.PersonKey{ObjectID: "object-" + name}), []book.Conversation{talk}},
			look{"external id of " + name, of(book.PersonKey{ExternalID: "external-" + name}), []book.Conversation{talk}},
			look{"all of " + name, func() ([]book.Conversation, error) {
				return e.ConversationsByUser(e.ctx, app, user)
			}, []book.Conversation{in, talk}},
		)
	}
	errs := make([]error, 4*len(looks))
	together(len(errs), func(i int) {
		l := looks[i%len(looks)]
		got, err := l.at()
		if err == nil && !slices.Equal(rowsOf(got), rowsOf(l.want)) {
			err = fmt.Errorf("found rows %v, want %v", rowsOf(got), rowsOf(l.want))
		}
		if err == nil && len(got) > 0 {
			last, want := got[len(got)-1].Reference, l.want[len(l.want)-1].Reference
			if d := difference("", reflect.ValueOf(last), reflect.ValueOf(want)); d != "" {
				err = errors.New(d)
			}
		}
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", l.name, err)
		}
	})
	e.ok(errors.Join(errs...))
}

func foundByUser(e *env) {
	found := func(user activity.AccountID, want ...book.Conversation) {
		e.Helper()
		got, err := e.ConversationsByUser(e.ctx, app, user)
		e.ok(err)
		if !slices.Equal(rowsOf(got), rowsOf(want)) {
			e.Errorf("%s is in rows %v, want %v", user, rowsOf(got), rowsOf(want))
		}
	}
	see := func(id string, at time.Duration, user activity.AccountID, people ...activity.AccountID) book.Conversation {
		s := sightingOf(keyOf(id), e.at(at))
		s.Reference.User.ID = user
		for _, p := range people {
			s.People = append(s.People, activity.ChannelAccount{ID: p, Name: "N"})
		}
		return e.sight(s)
	}
	alone := see("alone", 1*time.Minute, "ann")
	group := see("group", 2*time.Minute, "bob", "ann", "cem")
	found("ann", group, alone)
	found("bob", group)
	found("cem", group)
	found("user-of-alone")

	see("group", 3*time.Minute, "cem") // somebody else speaks: the others are still there
	found("bob", group)
	see("alone", 4*time.Minute, "ann", "ann")
	found("ann", alone, group)

	nobody := sightingOf(keyOf("nobody"), e.start)
	nobody.Reference.User = nil
	e.inBook(e.sight(nobody))
	found("")

	other := sightingOf(keyOf("alone"), e.at(5*time.Minute))
	other.Key.AppID = "other"
	other.Reference.User.ID = "ann"
	e.sight(other)
	found("ann", alone, group)
}

func listedByRow(e *env) {
	const n = 25
	var want []book.Row
	for i := range n {
		want = append(want, e.meet(fmt.Sprint(i)).Row)
		key := keyOf(fmt.Sprint(i))
		key.AppID = "other"
		e.sight(sightingOf(key, e.start))
	}
	if !slices.IsSorted(want) {
		e.Errorf("rows do not grow: %v", want)
	}
	e.ok(e.StrikeOut(e.ctx, keyOf("3"), book.Standing{Reach: book.ReachBlocked, Cause: "", At: e.start}))
	e.sight(sightingOf(keyOf("4"), e.at(time.Hour)))
	for _, limit := range []int{1, 7, n, n + 1} {
		var got []book.Row
		for after := book.Row(0); ; {
			page, err := e.Conversations(e.ctx, app, book.Filter{}, after, limit)
			e.ok(err)
			if len(page) > limit {
				e.Fatalf("a page of %d has %d entries", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, rowsOf(page)...)
			after = page[len(page)-1].Row
		}
		if !slices.Equal(got, want) {
			e.Errorf("by %d: listed %v, want %v", limit, got, want)
		}
	}
}

func unknownMembersSurvive(e *env) {
	s := sightingOf(keyOf("a"), e.start)
	s.Reference.Extra = jsontext.Value(`{"newMember":{"id":9007199254740993}}`)
	s.Reference.User.Extra = jsontext.Value(`{"email":"a@b.example"}`)
	s.Reference.Bot.Extra = jsontext.Value(`{"x":[1,2]}`)
	s.Reference.Conversation.Extra = jsontext.Value(`{"y":null}`)
	want := s.Reference.Clone()
	c := e.sight(s)
	equal(e.T, "sighted", c.Reference, want)
	e.inBook(c)
	e.say(c)
	a := e.claims(1, e.start).Attempts[0]
	equal(e.T, "attempt", a.Conversation.Reference, want)
}
