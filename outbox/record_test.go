package outbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// unhurried is a store that takes a while to record outcomes, and whose first record fails if it is told so.
type unhurried struct {
	*memory.Store
	takes time.Duration
	fails bool
	asked int // how many outcomes it was given to record later
}

func (s *unhurried) RecordLater(o outbox.Outcome, done func(error)) {
	s.asked++
	go func() {
		time.Sleep(s.takes)
		if s.fails {
			done(errors.New("the database is away"))
			return
		}
		done(s.RecordOutcome(context.Background(), o))
	}()
}

// TestSlotIsFreeWhenTheChannelHasAnswered: what comes next is attempted while an outcome is being recorded.
func TestSlotIsFreeWhenTheChannelHasAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ch := &unhurried{Store: memory.New(), takes: time.Minute}, &sender{}
		others := []book.Row{}
		for _, name := range []activity.ConversationID{"d", "e"} {
			others = append(others, knows(t, s.Store, name))
		}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch, Slots: 1}, func(t *testing.T, c book.Row) {
			for i, row := range append([]book.Row{c}, others...) {
				id := int64(i + 1)
				if _, err := s.SubmitMessage(t.Context(), outbox.Submission{
					At: time.Now(), Message: outbox.Message{ID: outbox.MessageID(id), AppID: "app", Body: []byte(`{}`), CreatedAt: time.Now()},
					Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(id), Conversation: row}},
				}, false); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			// One outcome may be on its way beside that of the slot.
			if n := ch.times.Load(); n != 2 {
				t.Errorf("%d attempts while the first outcomes are being recorded, want 2", n)
			}
			time.Sleep(3 * time.Minute)
			if n := ch.times.Load(); n != 3 {
				t.Errorf("%d attempts, want 3", n)
			}
		})
	})
}

// TestEndWaitsForOutcomes: Run returns when every outcome is recorded, also one that failed to be at first.
func TestEndWaitsForOutcomes(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"slowly": false, "at the second try": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &unhurried{Store: memory.New(), takes: 10 * time.Second, fails: fails}
				within(t, outbox.WorkerConfig{Store: s, Sender: &sender{}}, func(t *testing.T, c book.Row) {
					submit(t, s, outbox.Message{}, c, time.Now(), time.Time{})
					synctest.Wait()
				})
				if d := delivery(t, s); d.State != outbox.StateDelivered || s.asked != 1 {
					t.Errorf("%s, asked %d times", d.State, s.asked)
				}
			})
		})
	}
}
