package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestOrderIsKeptPerConversationThroughFailures(t *testing.T) {
	var failures atomic.Int32
	ch := &bottest.Recorder{Fail: func(_ context.Context, out headsup.Outgoing) error {
		if out.Activity.Text == "c1 1" && failures.Add(1) <= 3 {
			return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}
		}
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		for _, c := range []string{"c1", "c2"} {
			f.hear(t, inbound("1", c, c, "hi"))
			for i := range 10 {
				f.notify(t, headsup.Notification{To: headsup.Target{User: activity.AccountID(c)}, Text: fmt.Sprintf("%s %d", c, i)})
			}
		}
		synctest.Wait()
		if got := len(f.channel.Texts("c2")); got != 10 {
			t.Errorf("c2 got %d of 10 while c1 was stuck", got)
		}
		if got := f.channel.Texts("c1"); !slices.Equal(got, []string{"c1 0"}) {
			t.Errorf("c1 got %q while its head failed", got)
		}
		time.Sleep(time.Hour)
		for _, c := range []string{"c1", "c2"} {
			for i, text := range f.channel.Texts(activity.ConversationID(c)) {
				if text != fmt.Sprintf("%s %d", c, i) {
					t.Fatalf("%s got %q", c, f.channel.Texts(activity.ConversationID(c)))
				}
			}
		}
	})
}

func TestFailuresMeanWhatTheChannelSays(t *testing.T) {
	cases := map[string]struct {
		err       error
		onUnknown headsup.OnUnknown
		state     outbox.State
		reason    string
		attempts  int
	}{
		"permanent":    {&headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "not_found"}, "", outbox.StateFailed, "not_found", 1},
		"unsupported":  {&headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: "no"}, "", outbox.StateFailed, "no", 1},
		"unknown hold": {&headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "reset"}, headsup.OnUnknownHold, outbox.StateUnknown, "reset", 1},
		"unexplained":  {errors.New("x"), headsup.OnUnknownHold, outbox.StateUnknown, "unexplained", 1},
		"transient":    {&headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}, "", outbox.StateFailed, outbox.ReasonGaveUp, 32},
		"unknown":      {&headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "reset"}, "", outbox.StateUnknown, outbox.ReasonGaveUp, 32},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error { return c.err }}
			within(t, ch, silent, func(t *testing.T, f fixture) {
				f.hear(t, inbound("1", "c", "ann", "hi"))
				id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", OnUnknown: c.onUnknown}).ID
				time.Sleep(time.Hour)
				if c.attempts > 1 {
					time.Sleep(23 * time.Hour)
				}
				d := f.status(t, id).Deliveries[0]
				if d.State != c.state || d.Reason != c.reason || d.Claims != c.attempts {
					t.Errorf("%s (%s) after %d attempts, want %s (%s) after %d", d.State, d.Reason, d.Claims, c.state, c.reason, c.attempts)
				}
			})
		})
	}
}

// TestWhatIsRecognisedIsNotHeld: where a repeat does no harm nobody needs to decide about it.
func TestWhatIsRecognisedIsNotHeld(t *testing.T) {
	calls := 0
	ch := &bottest.Recorder{Once: true, Fail: func(context.Context, headsup.Outgoing) error {
		if calls++; calls == 1 {
			return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "reset"}
		}
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", OnUnknown: headsup.OnUnknownHold}).ID
		time.Sleep(time.Minute)
		if s := f.status(t, id); s.State() != outbox.StateDelivered || s.Deliveries[0].Claims != 2 {
			t.Errorf("%s after %d attempts, want delivered after 2", s.State(), s.Deliveries[0].Claims)
		}
	})
}

// TestReplayTriesWhatTheChannelHasForbidden: once; another refusal forbids it again.
func TestReplayTriesWhatTheChannelHasForbidden(t *testing.T) {
	blocked, attempts := true, 0
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		if attempts++; blocked {
			return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "blocked", Status: 403, Suspends: true}
		}
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x"}).ID
		expect := func(what string, state outbox.State, calls int) {
			t.Helper()
			time.Sleep(time.Minute)
			if s := f.status(t, id); s.State() != state || attempts != calls {
				t.Errorf("%s, it is %s after %d calls, want %s after %d", what, s.State(), attempts, state, calls)
			}
		}
		expect("at first", outbox.StateFailed, 1)
		delivery := proactive.DeliveryText(f.status(t, id).Deliveries[0].ID)
		replayAll := func(forbidden bool) {
			t.Helper()
			n, err := f.engine.ReplayAll(t.Context(), proactive.DeliveryFilter{Notification: id, Limit: 10}, forbidden)
			if n != 1 || err != nil {
				t.Fatalf("%d were replayed, %v", n, err)
			}
		}
		replayAll(false)
		expect("replayed with others", outbox.StateFailed, 1)
		if _, err := f.engine.Replay(t.Context(), delivery); err != nil {
			t.Fatal(err)
		}
		expect("replayed", outbox.StateFailed, 2)
		if _, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{User: "ann"}, Text: "y"}); !errors.Is(err, proactive.ErrNoTarget) {
			t.Errorf("after another refusal she can be told: %v", err)
		}
		blocked = false
		replayAll(true)
		expect("replayed with others, to be tried", outbox.StateDelivered, 3)
		if _, err := f.engine.Replay(t.Context(), delivery); !errors.Is(err, proactive.ErrState) {
			t.Errorf("replayed after it was delivered: %v", err)
		}
	})
}

func TestWhoHasBlockedTheBotIsWrittenToAgainWhenTheySaySomething(t *testing.T) {
	blocked, attempts := true, 0
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		if attempts++; blocked {
			return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "blocked", Status: 403, Suspends: true}
		}
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		x := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x"}
		soon := x
		soon.In = time.Second // the second one is accepted before the first one fails
		first, second := f.notify(t, soon).ID, f.notify(t, soon).ID
		time.Sleep(time.Minute)
		for _, id := range []headsup.NotificationID{first, second} {
			if s := f.status(t, id); s.State() != outbox.StateFailed || s.Deliveries[0].Reason != "blocked" {
				t.Errorf("%s (%s), want failed (blocked)", s.State(), s.Deliveries[0].Reason)
			}
		}
		if attempts != 1 {
			t.Errorf("called %d times, want once", attempts)
		}
		if _, err := f.engine.Notify(t.Context(), x); !errors.Is(err, proactive.ErrNoTarget) {
			t.Errorf("notified somebody who has blocked the bot: %v", err)
		}
		blocked = false
		f.hear(t, inbound("2", "c", "ann", "hi again"))
		id := f.notify(t, x).ID
		time.Sleep(time.Minute)
		if s := f.status(t, id); s.State() != outbox.StateDelivered {
			t.Errorf("%s after they have said something", s.State())
		}
	})
}

func TestThrottledDeliveryWaitsAsToldAndDoesNotGiveUp(t *testing.T) {
	var attempts []time.Time
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		if attempts = append(attempts, time.Now()); len(attempts) <= 40 {
			return &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: "throttled", RetryAfter: 10 * time.Minute}
		}
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x"}).ID
		time.Sleep(8 * time.Hour)
		if s := f.status(t, id); s.State() != outbox.StateDelivered || s.Deliveries[0].Failures != 0 {
			t.Errorf("%s after %d failures", s.State(), s.Deliveries[0].Failures)
		}
		for i := 1; i < len(attempts); i++ {
			if gap := attempts[i].Sub(attempts[i-1]); gap < 10*time.Minute {
				t.Fatalf("tried again after %v, told to wait 10m", gap)
			}
		}
	})
}

// TestOnlyWhatIsReplayedIsTried: of what a channel has forbidden, those conversations are tried again of which something is
// replayed, and no others: not of what was recalled, and not beyond the limit.
func TestOnlyWhatIsReplayedIsTried(t *testing.T) {
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "blocked", Status: 403, Suspends: true}
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		people := []activity.AccountID{"ann", "ben", "cy"}
		ids := make([]headsup.NotificationID, len(people))
		for i, p := range people {
			f.hear(t, inbound("1", "c-"+string(p), string(p), "hi"))
			ids[i] = f.notify(t, headsup.Notification{To: headsup.Target{User: p}, Text: "x"}).ID
			time.Sleep(time.Second)
		}
		if _, err := f.engine.Recall(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		if n, err := f.engine.ReplayAll(t.Context(), proactive.DeliveryFilter{Limit: 1}, true); n != 1 || err != nil {
			t.Fatalf("%d were replayed, %v", n, err)
		}
		synctest.Wait()
		for i, want := range []int{1, 2, 1} {
			if n := f.status(t, ids[i]).Deliveries[0].Claims; n != want {
				t.Errorf("%s was tried %d times, want %d", people[i], n, want)
			}
		}
		for i, want := range []string{"blocked", "blocked", "blocked"} {
			c, err := f.store.Conversation(t.Context(), f.status(t, ids[i]).Deliveries[0].Key)
			if err != nil || string(c.Reach) != want || c.Cause == outbox.ReasonReplayed {
				t.Errorf("%s is %s for %q, %v", people[i], c.Reach, c.Cause, err)
			}
		}
	})
}

// TestUnreachedChannelIsTriedUntilTheMessageExpires (F18, F19): that a name or a certificate is wanting says nothing of a
// message, so that it is not given up for it while it is wanted.
func TestUnreachedChannelIsTriedUntilTheMessageExpires(t *testing.T) {
	var reached atomic.Bool
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		if reached.Load() {
			return nil
		}
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unreachable", Unreached: true}
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		n := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x"}
		ask := func(conversation string, expires time.Duration) headsup.NotificationID {
			f.hear(t, inbound("1", conversation, "ann", "hi"))
			n.To = headsup.Target{Conversation: activity.ConversationID(conversation)}
			if expires > 0 {
				n.ExpiresAt = time.Now().Add(expires)
			}
			return f.notify(t, n).ID
		}
		without := ask("c1", 0)
		long, short := ask("c2", 7*24*time.Hour), ask("c3", 6*time.Hour)
		time.Sleep(5 * time.Hour)
		for _, id := range []headsup.NotificationID{without, long, short} {
			if s := f.status(t, id); s.State() != outbox.StateReady || s.Deliveries[0].Claims < 60 || s.Deliveries[0].Failures > 6 {
				t.Errorf("after five hours it is %s, after %d attempts and %d failures", s.State(), s.Deliveries[0].Claims, s.Deliveries[0].Failures)
			}
		}
		for range 3 * 24 * 11 { // it is tried every five minutes in the end
			f.leap(6 * time.Minute)
		}
		if s := f.status(t, short); s.State() != outbox.StateExpired {
			t.Errorf("what was to expire is %s", s.State())
		}
		if s := f.status(t, without); s.State() != outbox.StateFailed || s.Deliveries[0].Reason != outbox.ReasonGaveUp {
			t.Errorf("what never expires is %s (%s) after three days", s.State(), s.Deliveries[0].Reason)
		}
		if _, err := f.engine.Replay(t.Context(), proactive.DeliveryText(f.status(t, without).Deliveries[0].ID)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Hour)
		if s := f.status(t, without); s.State() != outbox.StateReady {
			t.Errorf("replayed, it is %s (%s) after five hours", s.State(), s.Deliveries[0].Reason)
		}
		reached.Store(true)
		time.Sleep(time.Hour)
		if s := f.status(t, long); s.State() != outbox.StateDelivered {
			t.Errorf("what was wanted for longer is %s", s.State())
		}
	})
}

func TestNotificationExpires(t *testing.T) {
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", ExpiresAt: time.Now().Add(time.Minute)}).ID
		time.Sleep(time.Hour)
		if s := f.status(t, id); s.State() != outbox.StateExpired {
			t.Errorf("state %s, want expired", s.State())
		}
	})
}

func TestWaitSeesWhatNobodyAttempted(t *testing.T) {
	busy := func(context.Context, *headsup.Turn) error { time.Sleep(10 * time.Second); return nil }
	within(t, &bottest.Recorder{}, busy, func(t *testing.T, f fixture) {
		var wg sync.WaitGroup
		wg.Go(func() { f.hear(t, inbound("1", "c", "ann", "hi")) })
		synctest.Wait()
		id := f.notify(t, headsup.Notification{
			To: headsup.Target{Conversation: "c"}, Text: "x", ExpiresAt: time.Now().Add(5 * time.Second),
		}).ID
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		s, err := f.engine.Wait(ctx, id)
		if took := time.Since(start); err != nil || s.State() != outbox.StateExpired || took > 15*time.Second {
			t.Errorf("%s, %v after %v; want expired as soon as the conversation is free", s.State(), err, took)
		}
		wg.Wait()
	})
}

func TestDrainFinishesWhatIsBeingSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		slow := &bottest.Recorder{Fail: func(ctx context.Context, _ headsup.Outgoing) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		engine, err := proactive.New(proactive.Config{Store: store, Channel: slow})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- engine.Run(ctx) }()
		synctest.Wait()
		first, err := engine.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(inbound("", "c", "u", "").Reference()), Text: "1"})
		if err != nil {
			t.Fatal(err)
		}
		second, err := engine.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(inbound("", "c", "u", "").Reference()), Text: "2"})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for id, want := range map[headsup.NotificationID]outbox.State{first.ID: outbox.StateDelivered, second.ID: outbox.StateReady} {
			if s, err := engine.Status(t.Context(), id); err != nil || s.State() != want {
				t.Errorf("%s, %v; want %s", s.State(), err, want)
			}
		}
	})
}
