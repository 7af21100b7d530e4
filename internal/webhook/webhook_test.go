package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEventsOfAConversationComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.hook(hookURL)
		for i := range 30 {
			w.says(fmt.Sprint("c", i%3), fmt.Sprint(i))
		}
		w.answers(func(visit) (int, http.Header, error) {
			time.Sleep(time.Second)
			return 200, nil, nil
		})
		began := time.Now()
		w.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		last := make(map[int]int)
		for _, v := range w.visits() {
			var i int
			if _, err := fmt.Sscan(v.text, &i); err != nil {
				t.Fatal(err)
			}
			if before, any := last[i%3]; any && i != before+3 {
				t.Errorf("%d follows %d", i, before)
			}
			last[i%3] = i
		}
		all := w.visits()
		if len(all) != 30 {
			t.Fatalf("%d visits, want 30", len(all))
		}
		if took := all[29].at.Sub(began); took > 11*time.Second {
			t.Errorf("took %v: conversations are not posted side by side", took)
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		w.says("c", "1")
		time.Sleep(time.Minute)
		since := time.Now()
		w.says("c", "2")
		synctest.Wait()
		first := w.visits()[0].event.ID
		id, err := event.ParseID(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.ReplayEvent(t.Context(), hook.ID, id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, err := w.ReplaySince(t.Context(), hook.ID, since); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		synctest.Wait()
		if got := strings.Join(w.texts(), " "); got != "1 2 1 2" {
			t.Errorf("came %s", got)
		}
		if again := w.visits()[2].event; again.ID != first {
			t.Errorf("the id is %s, was %s", again.ID, first)
		}
	})
}

func TestDisabledWebhookGetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		w.run()
		if _, err := w.Change(t.Context(), hook.ID, webhook.Change{Enabled: new(false)}); err != nil {
			t.Fatal(err)
		}
		w.says("c", "1")
		time.Sleep(time.Hour)
		if n := len(w.visits()); n != 0 {
			t.Errorf("%d visits", n)
		}
		if a, err := w.Test(t.Context(), hook.ID); err != nil || a.Status != 200 || a.Error != "" {
			t.Errorf("a test says %+v, %v", a, err)
		}
		if v := w.visits(); len(v) != 1 || v[0].event.Type != api.EventWebhookTest {
			t.Errorf("visits %+v", v)
		}
		if err := w.Delete(t.Context(), hook.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Test(t.Context(), hook.ID); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("a test of what is deleted: %v", err)
		}
	})
}

func TestThereIsABound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range webhook.MaxWebhooks {
		w.hook(hookURL)
	}
	if _, err := w.Create(t.Context(), webhook.Request{URL: hookURL, Types: event.Types()}); !errors.Is(err, webhook.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		hook := w.hook(hookURL)
		first := hook.Secrets[0].Text
		second, got, err := w.Rotate(t.Context(), hook.ID, time.Hour)
		if err != nil || second == first || len(got.Secrets) != 2 || got.Secrets[0].Text != second || got.Secrets[1].Text != first ||
			!got.Secrets[1].Until.Equal(time.Now().Add(time.Hour)) {
			t.Fatalf("%+v, %v", got.Secrets, err)
		}
		signatures := func() int {
			t.Helper()
			if _, err := w.Test(t.Context(), hook.ID); err != nil {
				t.Fatal(err)
			}
			visits := w.visits()
			return len(strings.Fields(visits[len(visits)-1].signature))
		}
		if n := signatures(); n != 2 {
			t.Errorf("%d signatures while both are good", n)
		}
		time.Sleep(time.Hour)
		if n := signatures(); n != 1 {
			t.Errorf("%d signatures afterwards", n)
		}
		if _, got, err = w.Rotate(t.Context(), hook.ID, 0); err != nil || len(got.Secrets) != 1 {
			t.Errorf("at once: %+v, %v", got.Secrets, err)
		}
		for _, keep := range []time.Duration{-1, webhook.LongestKeep + 1} {
			if _, _, err := w.Rotate(t.Context(), hook.ID, keep); err == nil {
				t.Errorf("kept for %v", keep)
			}
		}
	})
}
