package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestThrottledIsTriedAgainWhenTheChannelSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, ch := memory.New(), &sender{}
		ch.deliver = func() error {
			if ch.times.Load() <= 20 {
				return &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: "throttled", Status: 429, RetryAfter: 2 * time.Second}
			}
			return nil
		}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch}, func(t *testing.T, c book.Row) {
			submit(t, s, outbox.Message{}, c, time.Now(), time.Time{})
			time.Sleep(time.Minute)
			d := delivery(t, s)
			took := d.UpdatedAt.Sub(began)
			if d.State != outbox.StateDelivered || d.Failures != 0 || took < 40*time.Second || took > 45*time.Second {
				t.Errorf("%s after %v and %d attempts, with %d failures", d.State, took, d.Claims, d.Failures)
			}
		})
	})
}

// slow is a channel that takes a while, and notes when each message comes.
type slow struct {
	takes time.Duration
	mu    sync.Mutex
	came  map[outbox.MessageID]time.Time // the first delivery of each; guarded by mu
}

func (s *slow) Deliver(_ context.Context, a *outbox.Attempt) (activity.ID, error) {
	s.mu.Lock()
	if _, known := s.came[a.Message]; !known {
		s.came[a.Message] = time.Now()
	}
	s.mu.Unlock()
	time.Sleep(s.takes)
	return "1", nil
}

// TestManyOfOneTenantDoNotHoldUpAnother: while one has more than can be sent for minutes, what another says goes out
// within two attempts' time, as does a late message of the first.
func TestManyOfOneTenantDoNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const takes = 20 * time.Millisecond
		s, ch := memory.New(), &slow{takes: takes, came: make(map[outbox.MessageID]time.Time)}
		meet := func(tenant, id string) book.Row {
			ref := activity.Reference{ChannelID: "test", Conversation: activity.ConversationAccount{
				ID: activity.ConversationID(id), TenantID: activity.TenantID(tenant),
			}}
			c, err := s.Sight(t.Context(), book.Sighting{
				Key: headsup.KeyOf("app", ref), Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
			return c.Row
		}
		next := outbox.DeliveryID(1000)
		say := func(id outbox.MessageID, to ...book.Row) {
			sub := outbox.Submission{At: time.Now(), Message: outbox.Message{
				ID: id, AppID: "app", Lane: outbox.LaneNormal, Body: []byte(`{"type":"message"}`), CreatedAt: time.Now(),
			}}
			for _, row := range to {
				next++
				sub.Deliveries = append(sub.Deliveries, outbox.NewDelivery{ID: next, Conversation: row})
			}
			if _, err := s.SubmitMessage(t.Context(), sub, false); err != nil {
				t.Fatal(err)
			}
		}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch, Slots: 4}, func(t *testing.T, _ book.Row) {
			var many []book.Row
			for i := range 4000 {
				many = append(many, meet("many", fmt.Sprint("m", i)))
			}
			few, late := meet("few", "f"), meet("many", "late")
			say(1, many...)
			for i := range 20 {
				time.Sleep(503 * time.Millisecond)
				said := time.Now()
				say(outbox.MessageID(10+2*i), few)
				say(outbox.MessageID(11+2*i), late)
				time.Sleep(10 * takes)
				ch.mu.Lock()
				for id, of := range map[outbox.MessageID]string{outbox.MessageID(10 + 2*i): "another tenant", outbox.MessageID(11 + 2*i): "the same"} {
					if came := ch.came[id]; came.IsZero() || came.Sub(said) > 2*takes {
						t.Errorf("a message of %s had to wait for %v", of, came.Sub(said))
					}
				}
				ch.mu.Unlock()
			}
			if n, err := s.Counts(t.Context()); err != nil || n[outbox.StateReady] == 0 {
				t.Errorf("nothing was waiting meanwhile: %v, %v", n, err)
			}
		})
	})
}
