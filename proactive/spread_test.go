package proactive_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// crowd puts conversations into the book.
func (f fixture) crowd(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		ref := inbound("", fmt.Sprint("c", i), fmt.Sprint("u", i), "").Reference()
		if _, err := f.store.Sight(t.Context(), book.Sighting{
			Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceClaim, At: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVeryManyAreTold(t *testing.T) {
	const people = 1700
	for name, accept := range map[string]func(t *testing.T, f fixture, n headsup.Notification) headsup.NotificationID{
		"Notify": func(t *testing.T, f fixture, n headsup.Notification) headsup.NotificationID {
			a := f.notify(t, n)
			if a.Deliveries != people {
				t.Errorf("it goes to %d, want %d", a.Deliveries, people)
			}
			return a.ID
		},
		"NotifyAll": func(t *testing.T, f fixture, n headsup.Notification) headsup.NotificationID {
			r, err := f.engine.NotifyAll(t.Context(), []headsup.Notification{n})
			if err != nil || r[0].Err != nil || r[0].Deliveries != people || r[0].State != outbox.StateReady {
				t.Fatalf("%+v, %v", r, err)
			}
			return r[0].ID
		},
		"ATurn": func(t *testing.T, f fixture, n headsup.Notification) headsup.NotificationID {
			id, op, err := f.engine.Prepare(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // the turn commits when it is done
			l, err := f.store.Lease(t.Context(), headsup.ConversationKey{AppID: "app", Conversation: "elsewhere"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Release()
			if err := f.store.Commit(t.Context(), l, []headsup.Op{op}); err != nil {
				t.Fatal(err)
			}
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
				f.crowd(t, people)
				id := accept(t, f, headsup.Notification{To: headsup.Target{Everyone: true}, Text: "heads up"})
				s, err := f.engine.Wait(t.Context(), id)
				if err != nil || s.State() != outbox.StateDelivered || s.Counted() != people || len(s.Deliveries) != proactive.MaxShown ||
					s.Message.Recipients != people {
					t.Errorf("%d deliveries, of %d, are %s, %d are shown (%v)", s.Counted(), s.Message.Recipients, s.State(), len(s.Deliveries), err)
				}
				told := make(map[activity.ConversationID]int)
				for _, out := range f.channel.Sent() {
					told[out.Activity.Conversation.ID]++
				}
				if len(told) != people || len(f.channel.Sent()) != people {
					t.Errorf("%d messages to %d conversations, want one to each of %d", len(f.channel.Sent()), len(told), people)
				}
			})
		})
	}
}

func TestVeryManyAtATimeCanBeCancelled(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.crowd(t, 1200)
		a := f.notify(t, headsup.Notification{To: headsup.Target{Everyone: true}, Text: "x", In: time.Hour})
		if s := f.status(t, a.ID); s.State() == outbox.StateDelivered || s.Settled() {
			t.Errorf("before its time it is %s", s.State())
		}
		synctest.Wait()
		if s := f.status(t, a.ID); s.Counts[outbox.StateScheduled] != 1200 || s.State() != outbox.StateScheduled {
			t.Errorf("%v deliveries are %s", s.Counts, s.State())
		}
		s, err := f.engine.Cancel(t.Context(), a.ID)
		if err != nil || s.State() != outbox.StateCancelled || !s.Settled() {
			t.Errorf("cancelled, it is %s (%v)", s.State(), err)
		}
		time.Sleep(2 * time.Hour)
		if n := len(f.channel.Sent()); n != 0 {
			t.Errorf("%d were told what was cancelled", n)
		}
	})
}
