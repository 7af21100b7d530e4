package storetest

import (
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/ident"
)

// wished expects one event more, of preferences, and returns it with its data.
func (e *env) wished(n int) (event.Event, api.PreferencesEvent) {
	e.Helper()
	found, err := e.Events(e.ctx, app, 0, 1000)
	e.ok(err)
	if len(found) != n || found[n-1].Type != event.PreferencesChanged {
		e.Fatalf("%d events, %+v; want %d", len(found), found, n)
	}
	return found[n-1], dataOf[api.PreferencesEvent](e, found[n-1])
}

func preferencesAreTold(e *env) {
	c := e.with("ann", "1")
	e.prefers(c, book.PreferenceChange{OptedOut: new(true)})
	e.told() // nobody wants to know
	e.wants(event.PreferencesChanged)
	quiet := []book.Quiet{{From: 22 * 60, To: 7 * 60, Days: []book.Weekday{"mon", "fri"}}}
	now := e.prefers(c, book.PreferenceChange{
		OptedOut: new(false), Topics: map[string]*bool{"deals": new(false), "news": new(true)}, TimeZone: new("Europe/Berlin"), Quiet: quiet,
		Cap: &book.Cap{PerDay: 5}, Digest: &book.Digest{Every: book.DigestDaily, At: 9 * 60}, By: "card",
	})
	told, data := e.wished(1)
	at := e.at(time.Minute).UTC()
	if told.Conversation != c.Row || told.Tenant != c.Key.Tenant || !told.At.Equal(at) {
		e.Errorf("told %+v", told)
	}
	equal(e.T, "data", data, api.PreferencesEvent{
		By: "card", Changed: []string{"cap", "digest", "opted_out", "quiet_hours", "time_zone", "topics"}, Topics: []string{"deals", "news"},
		Before: api.Preferences{OptedOut: true, ChangedAt: &at},
		Now: api.Preferences{
			Topics: map[string]string{"deals": "off", "news": "on"}, TimeZone: "Europe/Berlin", Cap: &api.Cap{PerDay: 5},
			QuietHours: []api.QuietHours{{From: "22:00", To: "07:00", Days: []string{"mon", "fri"}}}, Digest: &api.Digest{Every: "daily", At: "09:00"}, ChangedAt: &at,
		},
		Channel: string(c.Key.Channel), Conversation: string(c.Key.Conversation), Tenant: string(c.Key.Tenant),
		Person: &api.Person{ID: "ann", Name: c.Reference.User.Name}, PersonID: ident.Text("per", int64(e.called("ann"))),
	})

	// What is wanted already is nothing new, though it was said.
	again, err := e.Prefer(e.ctx, book.Whose{Key: c.Key}, book.PreferenceChange{
		Topics: map[string]*bool{"deals": new(false), "other": nil}, Quiet: quiet, Cap: &book.Cap{PerDay: 5}, TimeZone: new("Europe/Berlin"),
		Digest: &book.Digest{Every: book.DigestDaily, At: 9 * 60}, OptedOut: new(false), By: "api", At: e.at(time.Hour),
	})
	e.ok(err)
	now.ChangedAt = e.at(time.Hour)
	equal(e.T, "preferences", again.Now, now)
	e.told(event.PreferencesChanged)

	// The operator's quiet hours are others than none.
	e.prefers(c, book.PreferenceChange{DefaultQuiet: true, Topics: map[string]*bool{"news": nil}})
	if _, data := e.wished(2); data.By != "" || len(data.Changed) != 2 || len(data.Topics) != 1 || data.Topics[0] != "news" || data.Now.Quiet != nil {
		e.Errorf("told %+v", data)
	}
	e.prefers(c, book.PreferenceChange{Quiet: []book.Quiet{}, By: "button"})
	if _, data := e.wished(3); data.By != "button" || len(data.Changed) != 1 || data.Changed[0] != "quiet_hours" || data.Now.Quiet == nil || *data.Now.Quiet {
		e.Errorf("told %+v", data)
	}

	// What did not happen is not told.
	_, err = e.Prefer(e.ctx, book.Whose{AppID: app, Person: 77}, book.PreferenceChange{OptedOut: new(true), At: e.start})
	e.is(err, book.ErrNobody)
	_, err = e.Prefer(e.ctx, book.Whose{Key: keyOf("nobody")}, book.PreferenceChange{OptedOut: new(true), At: e.start})
	e.is(err, book.ErrNotFound)
	e.wished(3)
}

func preferencesAreToldOnce(e *env) {
	e.wants(event.PreferencesChanged)
	one, two, three := e.with("ann", "1"), e.with("ann", "2"), e.with("anna", "3")
	_, err := e.Merge(e.ctx, app, []book.PersonRow{e.called("ann"), e.called("anna")}, e.start)
	e.ok(err)
	now := e.prefers(three, book.PreferenceChange{Topics: map[string]*bool{"deals": new(false)}, By: "word"})
	for _, c := range []book.Conversation{one, two, three} {
		e.preferred(c, now)
	}
	told, data := e.wished(1)
	if told.Conversation != three.Row || data.Person.ID != "anna" || data.PersonID != ident.Text("per", int64(e.called("anna"))) || data.By != "word" {
		e.Errorf("told %+v, %+v", told, data)
	}
	done, err := e.Prefer(e.ctx, book.Whose{AppID: app, Person: e.called("ann")}, book.PreferenceChange{OptedOut: new(true), By: "api", At: e.at(time.Hour)})
	e.ok(err)
	equal(e.T, "where", len(done.Rows), 3)
	told, data = e.wished(2)
	if told.Conversation != 0 || told.Tenant != one.Key.Tenant || data.Conversation != "" || data.Channel != string(one.Key.Channel) || data.Person.ID != "ann" ||
		!data.Now.OptedOut || data.Before.OptedOut || data.Before.Topics["deals"] != "off" {
		e.Errorf("told %+v, %+v", told, data)
	}
}

func preferencesOfGroupAreTold(e *env) {
	e.wants(event.PreferencesChanged)
	s := sightingOf(keyOf("group"), e.start)
	s.Kind, s.Reference.User.ID = book.KindGroup, "ann"
	group := e.sight(s)
	e.prefers(group, book.PreferenceChange{OptedOut: new(true), By: "api"})
	if told, data := e.wished(1); told.Conversation != group.Row || data.Person != nil || data.PersonID != "" || data.Conversation != "group" {
		e.Errorf("told %+v, %+v", told, data)
	}
}

func mergingTells(e *env) {
	ann, anna := e.with("ann", "1"), e.with("anna", "2")
	e.with("a.n", "3")
	e.prefers(ann, book.PreferenceChange{OptedOut: new(true)})
	e.prefers(anna, book.PreferenceChange{OptedOut: new(true), Topics: map[string]*bool{"deals": new(false)}})
	e.wants(event.PreferencesChanged)
	all := []book.PersonRow{e.called("ann"), e.called("anna"), e.called("a.n")}
	for range 2 { // they are one already the second time
		_, err := e.Merge(e.ctx, app, all, e.at(time.Hour))
		e.ok(err)
	}
	got := make(map[string]string)
	for _, told := range e.told(event.PreferencesChanged, event.PreferencesChanged) {
		data := dataOf[api.PreferencesEvent](e, told)
		if data.By != event.ByMerging || !told.At.Equal(e.at(time.Hour)) || told.Conversation != 0 || !data.Now.OptedOut {
			e.Errorf("told %+v, %+v", told, data)
		}
		got[data.Person.ID] = strings.Join(data.Changed, " ")
	}
	equal(e.T, "told of", got, map[string]string{"ann": "topics", "a.n": "opted_out topics"})
}
