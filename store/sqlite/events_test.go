package sqlite_test

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// somebodyListens makes all events wanted, and returns a function that does with them whatever the store can.
func somebodyListens(t *testing.T, s *sqlite.Store) func() {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := s.CreateWebhook(ctx, event.Webhook{ID: 1, AppID: "app", URL: "https://example.com", Types: event.Types(), CreatedAt: now})
	check(err)
	check(s.Want(ctx, "app", event.Types(), now.Add(time.Hour)))
	return func() {
		t.Helper()
		key := sightingOf("000000").Key
		for range 3 {
			lease, err := s.Lease(ctx, key)
			check(err)
			check(s.Commit(ctx, lease, []headsup.Op{event.Heard{At: now}}))
			lease.Release()
		}
		work, err := s.Work(ctx, w.ID, now, 10)
		check(err)
		if len(work.Fresh) < 4 {
			t.Errorf("%d events, want those of deliveries and messages", len(work.Fresh))
		}
		for i, e := range work.Fresh {
			o := event.Outcome{Webhook: w.ID, Event: e.ID, Attempt: event.Attempt{At: now}}
			if i == 0 {
				o.NextAt, o.Away, o.NotBefore = now.Add(time.Minute), true, now.Add(time.Minute)
			}
			check(s.RecordPost(ctx, o))
		}
		check(s.Advance(ctx, w.ID, work.Through))
		_, err = s.Events(ctx, "app", 0, 10)
		check(err)
		_, err = s.LastEvent(ctx)
		check(err)
		_, err = s.Posts(ctx, "app", w.ID, 0, 10)
		check(err)
		check(s.ReplayEvent(ctx, "app", w.ID, work.Fresh[0].ID, now))
		_, err = s.ReplaySince(ctx, "app", w.ID, time.Time{}, now)
		check(err)
		_, err = s.ChangeWebhook(ctx, "app", w.ID, func(*event.Webhook) error { return nil })
		check(err)
		_, err = s.Webhooks(ctx, "app")
		check(err)
		_, err = s.DropEvents(ctx, now.Add(time.Hour), now.Add(48*time.Hour))
		check(err)
		check(s.DeleteWebhook(ctx, "app", w.ID))
	}
}
