package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/memory"
)

// counted is a store that notes for how many slots each claim was.
type counted struct {
	*memory.Store

	mu    sync.Mutex
	sizes []int // guarded by mu
}

func (s *counted) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, n)
	s.mu.Unlock()
	return s.Store.Claim(ctx, n, now)
}

// ClaimAtLeast implements [outbox.Gatherer].
func (s *counted) ClaimAtLeast() int { return 64 }

func (s *counted) claims() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

// TestClaimIsForSeveralSlots: while most slots are in use, a claim waits for a few that are free, but not for long.
func TestClaimIsForSeveralSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slots, few = 16, 4
		s, answers := &counted{Store: memory.New()}, make(chan struct{})
		ch := &sender{deliver: func() error {
			<-answers
			return nil
		}}
		within(t, outbox.WorkerConfig{Store: s, Sender: ch, Slots: slots}, func(t *testing.T, c book.Row) {
			for i := range 2 * slots {
				row := knows(t, s.Store, activity.ConversationID(fmt.Sprint("c", i)))
				if _, err := s.SubmitMessage(t.Context(), outbox.Submission{
					At: time.Now(), Message: outbox.Message{ID: outbox.MessageID(i + 1), AppID: "app", Body: []byte(`{}`), CreatedAt: time.Now()},
					Deliveries: []outbox.NewDelivery{{ID: outbox.DeliveryID(i + 1), Conversation: row}},
				}, false); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			first := len(s.claims())
			if n := ch.times.Load(); n != slots {
				t.Fatalf("%d attempts, want %d", n, slots)
			}
			for range few + 1 { // one that it takes, and a few more
				answers <- struct{}{}
			}
			synctest.Wait()
			if got := s.claims()[first:]; !slices.Equal(got, []int{few + 1}) {
				t.Errorf("claims for %v slots when %d had become free", got, few+1)
			}
			before := ch.times.Load()
			answers <- struct{}{}
			time.Sleep(time.Second)
			if n := ch.times.Load(); n != before+1 {
				t.Errorf("%d attempts were made when one slot had become free, want one", n-before)
			}
			close(answers)
		})
	})
}
