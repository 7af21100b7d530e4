package proactive_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// TestWhatIsOldIsForgotten: first what was said, then that it was said; what waits for its time is kept.
func TestWhatIsOldIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, channel := memory.New(), &bottest.Recorder{}
		engine, err := proactive.New(proactive.Config{
			AppID: "app", Store: store, Channel: channel,
			Retention: proactive.Retention{Content: 4 * time.Hour, Records: 24 * time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() {
			if err := engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		to := headsup.ToConversation(inbound("", "c", "ann", "").Reference())
		said, err := engine.Notify(t.Context(), headsup.Notification{To: to, Text: "now"})
		if err != nil {
			t.Fatal(err)
		}
		later, err := engine.Notify(t.Context(), headsup.Notification{To: to, Text: "much later", In: 60 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		status := func(id headsup.NotificationID) (kept, content bool) {
			s, err := engine.Status(t.Context(), id)
			if errors.Is(err, proactive.ErrNotFound) {
				return false, false
			}
			if err != nil {
				t.Fatal(err)
			}
			return true, len(s.Message.Body) > 0
		}
		for _, at := range []struct {
			hours         time.Duration
			kept, content bool
		}{{3, true, true}, {6, true, false}, {23, true, false}, {50, false, false}} {
			time.Sleep(at.hours*time.Hour - time.Since(began))
			if kept, content := status(said.ID); kept != at.kept || content != at.content {
				t.Errorf("after %d hours: kept %v, with content %v", at.hours, kept, content)
			}
		}
		if kept, content := status(later.ID); !kept || !content {
			t.Errorf("what waits: kept %v, with content %v", kept, content)
		}
		time.Sleep(20 * time.Hour)
		if n := len(channel.Sent()); n != 2 {
			t.Errorf("%d messages were said", n)
		}
	})
}

func TestRetentionIsLongEnoughForIdempotencyKeys(t *testing.T) {
	t.Parallel()
	for _, r := range []proactive.Retention{{Content: -1}, {Records: time.Hour}, {Records: -1}} {
		if _, err := proactive.New(proactive.Config{Store: memory.New(), Channel: &bottest.Recorder{}, Retention: r}); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}
