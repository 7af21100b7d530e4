package storetest

import (
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/schedule"
)

// hers is one more tenant.
const hers activity.TenantID = "hers"

func schedulesOfTenants(e *env) {
	made := func(in activity.TenantID, name string) schedule.Schedule {
		s := e.scheduleOf(time.Hour)
		s.Tenant, s.Name, s.Key = in, name, "key"
		kept := e.schedule(s) // the same key of another tenant is another key
		equal(e.T, "kept", kept, s)
		return kept
	}
	anyones, first, other := made("", "tea"), made(hers, "tea"), made(theirs, "tea")
	again := first
	again.ID = schedule.ID(e.nextID())
	if kept, replayed, err := e.CreateSchedule(e.ctx, again, 10); err != nil || !replayed || kept.ID != first.ID {
		e.Errorf("the key again: %v, %v, %v", kept.ID, replayed, err)
	}
	for _, f := range []struct {
		schedule.Filter
		want []schedule.ID
	}{
		{schedule.Filter{}, []schedule.ID{other.ID, first.ID, anyones.ID}},
		{schedule.Filter{Tenant: hers}, []schedule.ID{first.ID}},
		{schedule.Filter{Tenant: hers, Name: "tea", State: schedule.StateActive}, []schedule.ID{first.ID}},
		{schedule.Filter{Tenant: hers, State: schedule.StatePaused}, nil},
		{schedule.Filter{Tenant: "nobody"}, nil},
	} {
		found, err := e.Schedules(e.ctx, app, f.Filter, 0, 10)
		e.ok(err)
		var got []schedule.ID
		for _, s := range found {
			got = append(got, s.ID)
		}
		if !slices.Equal(got, f.want) {
			e.Errorf("%+v lets %v through, want %v", f.Filter, got, f.want)
		}
	}
	if found, err := e.Schedules(e.ctx, "other", schedule.Filter{Tenant: hers}, 0, 10); err != nil || len(found) != 0 {
		e.Errorf("another app sees %v, %v", found, err)
	}
	changed := first
	changed.Tenant, changed.Name = theirs, "coffee"
	changed, err := e.ChangeSchedule(e.ctx, changed)
	e.ok(err)
	if changed.Tenant != hers || changed.Name != "coffee" {
		e.Errorf("after a change it is %q of %q", changed.Name, changed.Tenant)
	}
	_, due := e.due(e.at(time.Hour), 10)
	for _, c := range due.Clocks {
		if want := map[schedule.ID]activity.TenantID{first.ID: hers, other.ID: theirs}[c.Schedule.ID]; c.Schedule.Tenant != want {
			e.Errorf("due is %v of %q, want %q", c.Schedule.ID, c.Schedule.Tenant, want)
		}
	}
	if len(due.Clocks) != 3 {
		e.Errorf("%d clocks are due", len(due.Clocks))
	}
	e.ok(e.DeleteSchedule(e.ctx, app, first.ID))
	again.Key = "key"
	e.schedule(again) // it is free again
}

func zonesOfTenants(e *env) {
	for in, zone := range map[activity.TenantID]string{hers: "Europe/Berlin", theirs: "Asia/Tokyo"} {
		for _, id := range []string{"a", "b"} {
			s := sightingOf(e.meetIn(in, id).Key, e.start)
			s.TimeZone = zone
			e.sight(s)
		}
	}
	key := keyOf("b")
	key.Tenant = theirs
	e.ok(e.Label(e.ctx, key, book.Labels{Tags: &[]string{"team"}}, e.start))
	for _, tt := range []struct {
		in   activity.TenantID
		tag  string
		want []string
	}{
		{"", "", []string{"Asia/Tokyo", "Europe/Berlin"}},
		{hers, "", []string{"Europe/Berlin"}}, {theirs, "", []string{"Asia/Tokyo"}},
		{hers, "team", nil}, {theirs, "team", []string{"Asia/Tokyo"}}, {"nobody", "", nil},
	} {
		got, err := e.RecipientZones(e.ctx, app, tt.in, tt.tag)
		e.ok(err)
		if !slices.Equal(got, tt.want) {
			e.Errorf("zones of %+v are %q", tt, got)
		}
	}
}

func eventsOfTenants(e *env) {
	e.wants()
	for _, in := range []activity.TenantID{hers, theirs, ""} {
		last, err := e.LastEvent(e.ctx)
		e.ok(err)
		c := e.meetIn(in, "a")
		e.hears(c, "hello", "", e.start)
		e.delivers(c, "sent", e.start)
		e.hears(c, "yes", "sent", e.at(time.Second))
		waits := e.sayIn(time.Hour, c)
		e.ok(e.CancelMessage(e.ctx, waits.Message.ID, e.start))
		e.hears(c, "stranger", "", e.at(time.Minute))
		found, err := e.Events(e.ctx, app, last, 100)
		e.ok(err)
		if len(found) != 6 {
			e.Fatalf("%d events", len(found))
		}
		for _, ev := range found {
			if ev.Tenant != in {
				e.Errorf("%s of %q is told as of %q", ev.Type, in, ev.Tenant)
			}
		}
	}
}

func webhookOfATenant(e *env) {
	of := func(in activity.TenantID) event.Webhook {
		w, err := e.CreateWebhook(e.ctx, event.Webhook{
			ID: event.WebhookID(e.nextID()), AppID: app, Tenant: in, URL: "https://example.com/hook", Types: event.Types(),
			Secrets: []event.Secret{{Text: "new"}}, CreatedAt: e.start,
		})
		e.ok(err)
		return w
	}
	all, bound := of(""), of(hers)
	if kept := e.hook(bound.ID); kept.Tenant != hers {
		e.Errorf("it is kept as of %q", kept.Tenant)
	}
	changed, err := e.ChangeWebhook(e.ctx, app, bound.ID, func(w *event.Webhook) error { w.Tenant = theirs; return nil })
	e.ok(err)
	if changed.Tenant != hers || e.hook(bound.ID).Tenant != hers {
		e.Errorf("after a change it is of %q", changed.Tenant)
	}
	e.hears(e.meetIn(theirs, "a"), "theirs", "", e.start)
	e.hears(e.meetIn(hers, "a"), "hers", "", e.start)
	e.delivers(e.meetIn(theirs, "a"), "theirs", e.start)
	e.delivers(e.meetIn(hers, "a"), "hers", e.start)
	e.hears(e.meetIn("", "a"), "nobody's", "", e.start)
	e.works(all.ID, e.start, 0, 5)
	work := e.works(bound.ID, e.start, 0, 2)
	for _, ev := range work.Fresh {
		if ev.Tenant != hers {
			e.Errorf("it is told of %q", ev.Tenant)
		}
	}
	found, err := e.Events(e.ctx, app, 0, 10)
	e.ok(err)
	if len(found) != 5 || work.Through != found[4].ID {
		e.Errorf("of %d events it has looked through %d", len(found), work.Through)
	}
	for _, ev := range found {
		err := e.ReplayEvent(e.ctx, app, bound.ID, ev.ID, e.start)
		if ev.Tenant == hers {
			e.ok(err)
		} else {
			e.is(err, event.ErrNotFound)
		}
	}
	e.works(bound.ID, e.start, 2, 0)
	if n, err := e.ReplaySince(e.ctx, app, bound.ID, e.start.Add(-time.Hour), e.start); err != nil || n != 2 {
		e.Errorf("%d events again, %v, want 2", n, err)
	}
	e.works(bound.ID, e.start, 2, 0)
	for more := true; more; {
		more, err = e.DropEvents(e.ctx, e.at(time.Hour), e.at(time.Hour))
		e.ok(err)
	}
	if got := e.hook(bound.ID).Dropped; got != 2 {
		e.Errorf("%d events are dropped, want 2", got)
	}
	if got := e.hook(all.ID).Dropped; got != 5 {
		e.Errorf("%d events are dropped for all, want 5", got)
	}
}

// dropsUnseen: what a bound webhook never looked at is counted only as far as it was its tenant's.
func dropsUnseen(e *env) {
	w, err := e.CreateWebhook(e.ctx, event.Webhook{
		ID: event.WebhookID(e.nextID()), AppID: app, Tenant: hers, URL: "https://example.com/hook", Types: event.Types(), CreatedAt: e.start,
	})
	e.ok(err)
	e.hears(e.meetIn(theirs, "a"), "theirs", "", e.start)
	e.hears(e.meetIn(hers, "a"), "hers", "", e.start)
	for more := true; more; {
		more, err = e.DropEvents(e.ctx, e.at(time.Hour), e.at(time.Hour))
		e.ok(err)
	}
	if got := e.hook(w.ID); got.Dropped != 1 {
		e.Errorf("%d events are dropped, want 1", got.Dropped)
	}
}
