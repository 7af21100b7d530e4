package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
)

// In a bubble it is midnight in UTC on the 1st of January 2000, a Saturday, when a test begins.

func (f fixture) schedule(t *testing.T, n proactive.NewSchedule) proactive.Schedule {
	t.Helper()
	if n.Notification.Text == "" && n.Notification.Activity == nil {
		n.Notification.Text = "tea"
	}
	s, err := f.engine.Schedule(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f fixture) occurrences(t *testing.T, id schedule.ID) []proactive.Occurrence {
	t.Helper()
	all, err := f.engine.Occurrences(t.Context(), id, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// told lists to whom something was said, in the order of their names: at one time there is no order.
func (f fixture) told() []string {
	var all []string
	for _, out := range f.channel.Sent() {
		all = append(all, string(out.Activity.Conversation.ID))
	}
	slices.Sort(all)
	return all
}

// meet puts a personal conversation into the book.
func (f fixture) meet(t *testing.T, id, zone string, tags ...string) {
	t.Helper()
	ref := inbound("1", id, "user of "+id, "").Reference()
	key := headsup.KeyOf("app", ref)
	if _, err := f.store.Sight(t.Context(), book.Sighting{
		Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim, TimeZone: zone, At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Label(t.Context(), key, book.Labels{Tags: &tags}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// until sleeps to an instant of the bubble, and lets all that happens then happen.
func until(t *testing.T, at string) {
	t.Helper()
	when, err := time.Parse("2006-01-02T15:04", at)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(when))
	synctest.Wait()
}

func TestScheduleTellsWhatIsDue(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Name: "tea", Rule: schedule.Rule{Cron: "*/10 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		until(t, "2000-01-01T00:09")
		if got := f.told(); len(got) != 0 {
			t.Errorf("too early %v was told", got)
		}
		until(t, "2000-01-01T00:35")
		if got := f.told(); len(got) != 3 {
			t.Errorf("%v was told, want 3 times", got)
		}
		all := f.occurrences(t, s.ID)
		for i, o := range all {
			want := time.Date(2000, 1, 1, 0, 10*(i+1), 0, 0, time.UTC)
			if !o.At.Equal(want) || !o.FiredAt.Equal(want) || o.Result != schedule.Fired || o.Number != int64(i+1) {
				t.Errorf("occurrence %+v, want one at %v", o, want)
			}
			if status := f.status(t, o.Notification); status.State() != outbox.StateDelivered {
				t.Errorf("%s is %s", o.Notification, status.State())
			}
		}
		if len(all) != 3 {
			t.Errorf("there are %d occurrences", len(all))
		}
		if got, err := f.engine.FindSchedule(t.Context(), s.ID); err != nil || got.Name != "tea" || got.Occurrences != 3 || got.State() != schedule.StateActive {
			t.Errorf("it is %+v, %v", got, err)
		}
	})
}

func TestScheduleIsDueAtOnceAfterAChange(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		to := headsup.Notification{To: headsup.Target{Conversation: "c1"}}
		f.schedule(t, proactive.NewSchedule{Rule: schedule.Rule{At: "2000-01-01T12:00"}, Notification: to})
		f.schedule(t, proactive.NewSchedule{In: 1500 * time.Millisecond, Notification: to})
		began := time.Now()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := f.told(); len(got) != 1 {
			t.Errorf("%v after the start %v was told", time.Since(began), got)
		}
		until(t, "2000-01-01T12:00")
		if got := f.told(); len(got) != 2 {
			t.Errorf("in the end %v was told", got)
		}
		if s, err := f.engine.Schedules(t.Context(), schedule.Filter{State: schedule.StateEnded}, 0, 10); err != nil || len(s) != 2 {
			t.Errorf("%d have ended, %v", len(s), err)
		}
	})
}

func TestScheduleFindsItsTargetEachTime(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Tag: "team"}},
		})
		until(t, "2000-01-01T01:30")
		f.meet(t, "c1", "", "team")
		until(t, "2000-01-01T02:30")
		f.meet(t, "c2", "", "team")
		f.meet(t, "c3", "")
		until(t, "2000-01-01T03:30")
		if got := fmt.Sprint(f.told()); got != "[c1 c1 c2]" {
			t.Errorf("%s was told", got)
		}
		first := f.occurrences(t, s.ID)[0]
		if first.Result != schedule.Skipped || first.Reason != schedule.ReasonNobody || first.Notification != "" {
			t.Errorf("with nobody to tell it is %+v", first)
		}
	})
}

func TestPauseResumeChangeDelete(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		do := func(got proactive.Schedule, err error) proactive.Schedule {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		until(t, "2000-01-01T01:30")
		for range 2 {
			if p := do(f.engine.PauseSchedule(t.Context(), s.ID)); p.State() != schedule.StatePaused || !p.PausedAt.Equal(time.Now()) {
				t.Errorf("paused, it is %+v", p)
			}
		}
		until(t, "2000-01-01T04:30")
		for range 2 {
			if r := do(f.engine.ResumeSchedule(t.Context(), s.ID)); r.State() != schedule.StateActive || len(r.Clocks) != 1 {
				t.Errorf("resumed, it is %+v", r)
			}
		}
		until(t, "2000-01-01T05:30")
		if n := len(f.told()); n != 2 {
			t.Errorf("after a pause it was told %d times", n)
		}
		name, say, missed, grace := "coffee", headsup.Notification{To: headsup.Target{Conversation: "c1"}, Text: "coffee"}, schedule.Skip, time.Hour
		changed := do(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{
			Name: &name, Notification: &say, Missed: &missed, Grace: &grace,
		}))
		if changed.Name != name || changed.Missed != missed || changed.Grace != grace || changed.Notification.Text != "coffee" ||
			changed.Rule.Cron != s.Rule.Cron || changed.Clocks[0].NextAt.Hour() != 6 {
			t.Errorf("changed, it is %+v", changed)
		}
		changed = do(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{Rule: &schedule.Rule{Cron: "45 * * * *"}}))
		if at := changed.Clocks[0].NextAt; at.Hour() != 5 || at.Minute() != 45 {
			t.Errorf("with another rule it is due at %v", at)
		}
		until(t, "2000-01-01T06:30")
		sent := f.channel.Sent()
		if n := len(sent); n != 3 || sent[2].Activity.Text != "coffee" {
			t.Errorf("after a change it was told %d times", n)
		}
		if _, err := f.engine.DeleteSchedule(t.Context(), s.ID, true); err != nil {
			t.Fatal(err)
		}
		until(t, "2000-01-02T00:00")
		if n := len(f.told()); n != 3 {
			t.Errorf("after its end it was told %d times", n)
		}
		for what, err := range map[string]error{
			"find":   second(f.engine.FindSchedule(t.Context(), s.ID)),
			"pause":  second(f.engine.PauseSchedule(t.Context(), s.ID)),
			"resume": second(f.engine.ResumeSchedule(t.Context(), s.ID)),
			"change": second(f.engine.ChangeSchedule(t.Context(), s.ID, proactive.ScheduleChange{})),
			"delete": second(f.engine.DeleteSchedule(t.Context(), s.ID, false)),
			"occur":  second(f.engine.Occurrences(t.Context(), s.ID, 0, 1)),
		} {
			if !errors.Is(err, proactive.ErrNoSchedule) {
				t.Errorf("%s: the error is %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestDeleteCancelsWhatWaits(t *testing.T) {
	busy := &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unavailable"}
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error { return busy }}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.meet(t, "c1", "")
		s := f.schedule(t, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "* * * * *"}, Notification: headsup.Notification{To: headsup.Target{Conversation: "c1"}},
		})
		until(t, "2000-01-01T00:02")
		cancelled, err := f.engine.DeleteSchedule(t.Context(), s.ID, true)
		if err != nil || len(cancelled) != 2 {
			t.Fatalf("%v were cancelled, %v", cancelled, err)
		}
		for _, id := range cancelled {
			if got := f.status(t, id).State(); got != outbox.StateCancelled {
				t.Errorf("%s is %s", id, got)
			}
		}
	})
}

func TestScheduleKeyIsIdempotent(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		n := proactive.NewSchedule{
			Rule: schedule.Rule{RRule: "FREQ=DAILY"}, Key: "key", Notification: headsup.Notification{To: headsup.Target{User: "ann"}, Text: "tea"},
		}
		first := f.schedule(t, n)
		time.Sleep(time.Minute)
		again := f.schedule(t, n)
		if again.ID != first.ID || !again.Replayed || first.Replayed {
			t.Errorf("%s, replayed %v; then %s, replayed %v", first.ID, first.Replayed, again.ID, again.Replayed)
		}
		n.Notification.Text = "coffee"
		if _, err := f.engine.Schedule(t.Context(), n); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("other content: the error is %v", err)
		}
	})
}

func TestScheduleInTurn(t *testing.T) {
	var engine *proactive.Engine
	var id schedule.ID
	handler := func(ctx context.Context, turn *headsup.Turn) error {
		s, err := engine.ScheduleInTurn(ctx, turn, proactive.NewSchedule{
			Rule: schedule.Rule{Cron: "0 0-3 * * *"}, Notification: headsup.Notification{To: headsup.ToConversation(turn.Reference()), Text: "stand up"},
		})
		id = s.ID
		if err == nil && turn.Activity().Text == "no" {
			return errors.New("changed my mind")
		}
		return err
	}
	within(t, &bottest.Recorder{}, handler, func(t *testing.T, f fixture) {
		engine = f.engine
		if _, err := f.bot.Process(t.Context(), developer, inbound("0", "c1", "ann", "no")); err == nil {
			t.Error("a turn that fails does not")
		}
		if _, err := f.engine.FindSchedule(t.Context(), id); !errors.Is(err, proactive.ErrNoSchedule) {
			t.Errorf("of a turn that failed: %v", err)
		}
		f.hear(t, inbound("1", "c1", "ann", "yes"))
		until(t, "2000-01-01T02:30")
		if got := fmt.Sprint(f.told()); got != "[c1 c1]" {
			t.Errorf("%s were told", got)
		}
	})
}

func TestScheduleRefuses(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		good := func() proactive.NewSchedule {
			return proactive.NewSchedule{
				Rule: schedule.Rule{Cron: "0 9 * * *"}, Notification: headsup.Notification{To: headsup.Target{User: "ann"}, Text: "tea"},
			}
		}
		for _, tt := range []struct {
			field string
			spoil func(n *proactive.NewSchedule)
		}{
			{"rule.cron", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{} }},
			{"rule.cron", func(n *proactive.NewSchedule) { n.Rule.Cron = "* * * * * *" }},
			{"rule.rrule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{RRule: "FREQ=SECONDLY;INTERVAL=9"} }},
			{"rule.zone", func(n *proactive.NewSchedule) { n.Rule.Zone = "Moon" }},
			{"rule.fallback_zone", func(n *proactive.NewSchedule) { n.Rule.Zone, n.Rule.FallbackZone = schedule.Recipient, "Moon" }},
			{"rule.in", func(n *proactive.NewSchedule) { n.In = time.Hour }},
			{"rule.in", func(n *proactive.NewSchedule) { n.Rule, n.In = schedule.Rule{}, -time.Hour }},
			{"rule.in", func(n *proactive.NewSchedule) { n.Rule, n.In = schedule.Rule{}, 6*365*24*time.Hour }},
			{"rule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{At: "1999-01-01T00:00"} }},
			{"rule", func(n *proactive.NewSchedule) { n.Rule = schedule.Rule{Cron: "0 0 30 2 *"} }},
			{"name", func(n *proactive.NewSchedule) { n.Name = strings.Repeat("n", 256) }},
			{"idempotency_key", func(n *proactive.NewSchedule) { n.Key = "\n" }},
			{"missed", func(n *proactive.NewSchedule) { n.Missed = "whatever" }},
			{"grace", func(n *proactive.NewSchedule) { n.Grace = 25 * time.Hour }},
			{"expires_in", func(n *proactive.NewSchedule) { n.ExpiresIn = -1 }},
			{"notification.to", func(n *proactive.NewSchedule) { n.Notification.To.Everyone = true }},
			{"notification.text", func(n *proactive.NewSchedule) { n.Notification.Text = "" }},
			{"notification.markdown", func(n *proactive.NewSchedule) { n.Notification.Markdown = "tea" }},
			{"notification.at", func(n *proactive.NewSchedule) { n.Notification.In = time.Hour }},
			{"notification.expires_at", func(n *proactive.NewSchedule) { n.Notification.ExpiresAt = time.Now() }},
			{"notification.idempotency_key", func(n *proactive.NewSchedule) { n.Notification.Key = "key" }},
			{"notification.value", func(n *proactive.NewSchedule) { n.Notification.Value = jsontext.Value(`{"a":1,"a":2}`) }},
		} {
			n := good()
			tt.spoil(&n)
			_, err := f.engine.Schedule(t.Context(), n)
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != tt.field {
				t.Errorf("the error is %v, want one of %s", err, tt.field)
			}
		}
		if all, err := f.engine.Schedules(t.Context(), schedule.Filter{}, 0, 10); err != nil || len(all) != 0 {
			t.Errorf("%d schedules were kept, %v", len(all), err)
		}
	})
}

func TestScheduleKeepsTheWholeNotification(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		ref := inbound("", "c7", "eve", "").Reference()
		said := activity.Message("hello")
		said.ChannelData = jsontext.Value(`{"odd":[1,2]}`)
		n := headsup.Notification{
			To: headsup.ToConversation(ref), Activity: said, Lane: headsup.LaneUrgent, OnUnknown: headsup.OnUnknownHold,
			Window: headsup.WindowNew, Topic: "topic", Locale: "de-DE", Value: jsontext.Value(`{"a":1}`),
		}
		s := f.schedule(t, proactive.NewSchedule{In: time.Minute, ExpiresIn: time.Hour, Notification: n})
		got := s.Notification
		if got.To.Reference == nil || got.To.Reference.Conversation.ID != "c7" || got.Lane != n.Lane || got.OnUnknown != n.OnUnknown ||
			got.Window != n.Window || got.Topic != n.Topic || got.Locale != n.Locale || string(got.Value) != string(n.Value) ||
			got.Activity == nil || got.Activity.Text != "hello" || string(got.Activity.ChannelData) != `{"odd":[1,2]}` || s.ExpiresIn != time.Hour {
			t.Errorf("kept %+v, expires in %v", got, s.ExpiresIn)
		}
		until(t, "2000-01-01T00:02")
		o := f.occurrences(t, s.ID)[0]
		m := f.status(t, o.Notification).Message
		if m.Lane != outbox.LaneUrgent || m.OnUnknown != headsup.OnUnknownHold || m.Window != headsup.WindowNew || m.Topic != "topic" ||
			!m.ExpiresAt.Equal(o.At.Add(time.Hour)) || string(m.Value) != `{"a":1}` {
			t.Errorf("told %+v", m)
		}
	})
}

func TestPreviewRule(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		r, next, err := f.engine.PreviewRule(schedule.Rule{RRule: "FREQ=WEEKLY", Zone: "Asia/Tokyo"}, 0, 2)
		if err != nil || r.Start != "2000-01-01T09:00:00" || len(next) != 2 || !next[1].Equal(time.Date(2000, 1, 15, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%+v, %v, %v", r, next, err)
		}
		_, next, err = f.engine.PreviewRule(schedule.Rule{}, time.Hour, 5)
		if err != nil || len(next) != 1 || !next[0].Equal(time.Now().Add(time.Hour)) {
			t.Errorf("in an hour: %v, %v", next, err)
		}
		if _, _, err := f.engine.PreviewRule(schedule.Rule{Cron: "x"}, 0, 5); err == nil {
			t.Error("a wrong rule has occurrences")
		}
	})
}
