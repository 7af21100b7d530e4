package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

type fixture struct {
	engine  *proactive.Engine
	bot     *headsup.Bot
	channel *bottest.Recorder
	around  headsup.Channel // the channel, or one around it; nil for the channel
	store   *memory.Store
	pressed *[]proactive.Press // what was approved; nil where nobody may
	refused *[]string          // why buttons were refused
	ahead   *atomic.Int64      // how far the engine's clock is ahead of the test's; nil where it has none of its own
}

// leap sets the engine's clock forward, and sleeps for as long as it takes to notice. To sleep for days would take long: who
// looks for work now and then does so thousands of times.
func (f fixture) leap(by time.Duration) {
	f.ahead.Add(int64(by))
	time.Sleep(10 * time.Second)
}

// within runs a test in a bubble with its own clock, on an engine that works until the test ends.
func within(t *testing.T, ch *bottest.Recorder, h headsup.HandlerFunc, test func(t *testing.T, f fixture)) {
	t.Helper()
	withinOn(t, ch, ch, h, test)
}

// withinOn is within through a channel around the recorder.
func withinOn(t *testing.T, r *bottest.Recorder, ch headsup.Channel, h headsup.HandlerFunc, test func(t *testing.T, f fixture)) {
	t.Helper()
	withinOf(t, r, ch, h, func(*proactive.Config) {}, test)
}

// withinOf is withinOn with an engine that is configured.
func withinOf(
	t *testing.T, r *bottest.Recorder, ch headsup.Channel, h headsup.HandlerFunc, set func(*proactive.Config), test func(t *testing.T, f fixture),
) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: r, around: ch, store: memory.New(), ahead: new(atomic.Int64)}
		now := func() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }
		var err error
		cfg := proactive.Config{AppID: "app", Store: f.store, Channel: ch, Now: now}
		set(&cfg)
		if f.engine, err = proactive.New(cfg); err != nil {
			t.Fatal(err)
		}
		f.bot, err = headsup.New(headsup.Config{
			AppID: "app", Channel: ch, Turns: f.store, Notifier: f.engine,
			Middleware: []headsup.Middleware{f.engine.Middleware()},
		}, h)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		test(t, f)
		stop()
		wg.Wait()
	})
}

func silent(context.Context, *headsup.Turn) error { return nil }

var developer = auth.Identity{Kind: auth.KindDevelopment}

func inbound(id, conversation, user, text string) *activity.Activity {
	return &activity.Activity{
		Type: activity.TypeMessage, ID: activity.ID(id), ChannelID: "test", ServiceURL: "https://c.example.net",
		From: &activity.ChannelAccount{ID: activity.AccountID(user)}, Recipient: &activity.ChannelAccount{ID: "b"},
		Conversation: &activity.ConversationAccount{ID: activity.ConversationID(conversation)}, Text: text,
	}
}

func (f fixture) hear(t *testing.T, a *activity.Activity) {
	t.Helper()
	if _, err := f.bot.Process(t.Context(), developer, a); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) notify(t *testing.T, n headsup.Notification) proactive.Accepted {
	t.Helper()
	accepted, err := f.engine.Notify(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

func (f fixture) status(t *testing.T, id headsup.NotificationID) proactive.Status {
	t.Helper()
	s, err := f.engine.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func states(d outbox.Delivery) []outbox.State {
	var all []outbox.State
	for _, c := range d.History {
		all = append(all, c.State)
	}
	return all
}

func TestNotifyReachesEveryTarget(t *testing.T) {
	ref := inbound("", "c2", "ben", "").Reference()
	unknown := inbound("", "c9", "eve", "").Reference()
	cases := map[string]struct {
		to   headsup.Target
		want map[activity.ConversationID]int
	}{
		"a known reference":   {headsup.ToConversation(ref), map[activity.ConversationID]int{"c2": 1}},
		"an unknown one":      {headsup.ToConversation(unknown), map[activity.ConversationID]int{"c9": 1}},
		"a conversation's id": {headsup.Target{Conversation: "c1"}, map[activity.ConversationID]int{"c1": 1}},
		"a user's id":         {headsup.Target{User: "ben"}, map[activity.ConversationID]int{"c2": 1}},
		"everyone":            {headsup.Target{Everyone: true}, map[activity.ConversationID]int{"c1": 1, "c2": 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
				f.hear(t, inbound("1", "c1", "ann", "hi"))
				f.hear(t, inbound("1", "c2", "ben", "hi"))
				accepted := f.notify(t, headsup.Notification{To: c.to, Text: "heads up"})
				synctest.Wait()
				got := make(map[activity.ConversationID]int)
				for _, out := range f.channel.Sent() {
					got[out.Activity.Conversation.ID]++
					if out.Activity.Text != "heads up" || out.Activity.From.ID != "b" || out.Activity.ReplyToID != "" || out.Key == "" {
						t.Errorf("sent %+v with key %q", out.Activity, out.Key)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("sent to %v, want %v", got, c.want)
				}
				s := f.status(t, accepted.ID)
				if s.State() != outbox.StateDelivered || accepted.Deliveries != len(c.want) {
					t.Errorf("state %s, %d deliveries", s.State(), accepted.Deliveries)
				}
			})
		})
	}
}

func TestWhatABotDoesNotSendIsLeftOut(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		a := inbound("1", "c", "ann", "hi")
		f.hear(t, a)
		a.Timestamp, a.DeliveryMode = activity.TimeOf(time.Now()), activity.DeliveryExpectReplies
		f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c"}, Activity: a})
		synctest.Wait()
		sent := f.channel.Sent()[0].Activity
		if sent.ID != "" || !sent.Timestamp.IsZero() || sent.DeliveryMode != "" || sent.From.ID != "b" || sent.Recipient.ID != "ann" {
			t.Errorf("sent %+v", sent)
		}
	})
}

func TestNobodyToNotifyIsAnError(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		for _, to := range []headsup.Target{{Everyone: true}, {User: "x"}, {Conversation: "x"}} {
			if _, err := f.engine.Notify(t.Context(), headsup.Notification{To: to, Text: "x"}); !errors.Is(err, proactive.ErrNoTarget) {
				t.Errorf("%+v: error %v, want ErrNoTarget", to, err)
			}
		}
	})
}

func TestBotThatIsRemovedIsNotMadeToSpeak(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		later := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", In: time.Hour})
		gone := inbound("2", "c", "ann", "")
		gone.Type, gone.Action = activity.TypeInstallationUpdate, activity.UpdateRemove
		f.hear(t, gone)
		if _, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{Everyone: true}, Text: "x"}); !errors.Is(err, proactive.ErrNoTarget) {
			t.Errorf("error %v, want ErrNoTarget", err)
		}
		time.Sleep(2 * time.Hour)
		if s := f.status(t, later.ID); s.State() != outbox.StateFailed || s.Deliveries[0].Reason != "uninstalled" {
			t.Errorf("state %s (%s), want failed (uninstalled)", s.State(), s.Deliveries[0].Reason)
		}
		if len(f.channel.Sent()) != 0 {
			t.Error("it spoke")
		}
		f.hear(t, inbound("3", "c", "ann", "back"))
		f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "welcome back"})
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"welcome back"}) {
			t.Errorf("said %q after the next sign of life", got)
		}
	})
}

func TestServiceURLFollowsTheLatestInbound(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", In: time.Minute})
		moved := inbound("2", "c", "ann", "hi")
		moved.ServiceURL = "https://new.example.net"
		f.hear(t, moved)
		time.Sleep(2 * time.Minute)
		sent := f.channel.Sent()
		if len(sent) != 1 || sent[0].Reference.ServiceURL != "https://new.example.net" || sent[0].Activity.ServiceURL != "https://new.example.net" {
			t.Errorf("sent %+v", sent)
		}
	})
}

func TestInAndAtAreKept(t *testing.T) {
	var mu sync.Mutex
	var at []time.Time
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		return nil
	}}
	within(t, ch, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		start := time.Now()
		to := headsup.Target{User: "ann"}
		id := f.notify(t, headsup.Notification{To: to, Text: "2", At: start.Add(2 * time.Hour)}).ID
		f.notify(t, headsup.Notification{To: to, Text: "1", In: 10 * time.Second})
		f.notify(t, headsup.Notification{To: to, Text: "0", At: start.Add(-time.Hour)})
		if s := f.status(t, id); s.State() != outbox.StateScheduled || !s.Deliveries[0].DueAt.Equal(start.Add(2*time.Hour)) {
			t.Errorf("state %s, due %v", s.State(), s.Deliveries[0].DueAt)
		}
		time.Sleep(3 * time.Hour)
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Fatalf("said %q", got)
		}
		for i, want := range []time.Duration{0, 10 * time.Second, 2 * time.Hour} {
			if late := at[i].Sub(start) - want; late < 0 || late > 10*time.Millisecond {
				t.Errorf("message %d came %v late", i, late)
			}
		}
		if got := states(f.status(t, id).Deliveries[0]); !slices.Equal(got, []outbox.State{"scheduled", "ready", "sending", "delivered"}) {
			t.Errorf("history %v", got)
		}
	})
}

func TestSameKeyIsAcceptedOnce(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		n := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", Key: "k"}
		first := f.notify(t, n)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				again, err := f.engine.Notify(context.Background(), n)
				if err != nil || again.ID != first.ID || !again.Replayed {
					t.Errorf("again: %+v, %v; want %s, replayed", again, err, first.ID)
				}
			})
		}
		wg.Wait()
		n.Text = "y"
		if _, err := f.engine.Notify(t.Context(), n); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("error %v, want ErrKeyReused", err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"x"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestRepeatIsAnsweredTheSameWhateverHappenedSince(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		n := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", Key: "k", ExpiresAt: time.Now().Add(time.Minute)}
		first := f.notify(t, n)
		again := func(when string) {
			t.Helper()
			if got, err := f.engine.Notify(t.Context(), n); err != nil || got.ID != first.ID || !got.Replayed {
				t.Errorf("%s: %+v, %v; want %s, replayed", when, got, err, first.ID)
			}
			other := n
			other.Text = "y"
			if _, err := f.engine.Notify(t.Context(), other); !errors.Is(err, proactive.ErrKeyReused) {
				t.Errorf("%s, other content: error %v, want ErrKeyReused", when, err)
			}
		}
		gone := inbound("2", "c", "ann", "")
		gone.Type, gone.Action = activity.TypeInstallationUpdate, activity.UpdateRemove
		f.hear(t, gone)
		again("after the bot was removed")
		time.Sleep(time.Hour)
		again("after it has expired")
	})
}

func TestTurnIsToldOfARepeat(t *testing.T) {
	var ids []headsup.NotificationID
	h := func(ctx context.Context, t *headsup.Turn) error {
		id, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Text: t.Activity().Text, Key: "k"})
		ids = append(ids, id)
		if errors.Is(err, proactive.ErrKeyReused) {
			_, err = t.Say(ctx, "I have told you something else already")
		}
		return err
	}
	within(t, &bottest.Recorder{}, h, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "x"))
		synctest.Wait()
		f.hear(t, inbound("2", "c", "ann", "x"))
		if s := f.status(t, ids[1]); ids[0] != ids[1] || len(s.Deliveries) != 1 {
			t.Errorf("ids %s and %s, want the same", ids[0], ids[1])
		}
		f.hear(t, inbound("3", "c", "ann", "y"))
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"x", "I have told you something else already"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestCancelStopsWhatIsNotSentYet(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		id := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "x", In: time.Hour}).ID
		s, err := f.engine.Cancel(t.Context(), id)
		if err != nil || s.State() != outbox.StateCancelled {
			t.Fatalf("state %s, %v", s.State(), err)
		}
		time.Sleep(2 * time.Hour)
		if len(f.channel.Sent()) != 0 {
			t.Error("it was sent all the same")
		}
		sent := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "y"}).ID
		synctest.Wait()
		if s, err := f.engine.Cancel(t.Context(), sent); err != nil || s.State() != outbox.StateDelivered {
			t.Errorf("cancelling what was delivered says %s, %v", s.State(), err)
		}
		if _, err := f.engine.Cancel(t.Context(), "ntf_0000000000001"); !errors.Is(err, proactive.ErrNotFound) {
			t.Errorf("error %v, want ErrNotFound", err)
		}
	})
}

func TestTurnNotifyCommitsWithTheTurn(t *testing.T) {
	fail := true
	var f fixture
	h := func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Text: "later"})
		if err == nil && fail {
			err = errors.New("no")
		}
		if err == nil && len(f.channel.Sent()) > 0 {
			err = errors.New("the notification was sent before the turn ended")
		}
		return err
	}
	within(t, &bottest.Recorder{}, func(ctx context.Context, t *headsup.Turn) error { return h(ctx, t) }, func(t *testing.T, g fixture) {
		f = g
		if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "ann", "x")); err == nil {
			t.Fatal("no error")
		}
		synctest.Wait()
		if len(f.channel.Sent()) != 0 {
			t.Fatal("a failed turn notified")
		}
		fail = false
		f.hear(t, inbound("1", "c", "ann", "x"))
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"later"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestNestedTurnThatFailsNotifiesNobody(t *testing.T) {
	var f fixture
	failing := headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if _, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Text: "inner"}); err != nil {
			return err
		}
		return errors.New("no")
	})
	h := func(ctx context.Context, t *headsup.Turn) error {
		if f.bot.Continue(ctx, t.Reference(), failing) == nil {
			return errors.New("the nested turn's error is lost")
		}
		_, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Text: "outer"})
		return err
	}
	within(t, &bottest.Recorder{}, func(ctx context.Context, t *headsup.Turn) error { return h(ctx, t) }, func(t *testing.T, g fixture) {
		f = g
		f.hear(t, inbound("1", "c", "ann", "x"))
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"outer"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestNotifyAfterTheTurnIsRefused(t *testing.T) {
	var kept *headsup.Turn
	keep := func(_ context.Context, t *headsup.Turn) error { kept = t; return nil }
	within(t, &bottest.Recorder{}, keep, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "x"))
		_, err := kept.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(kept.Reference()), Text: "late"})
		if !errors.Is(err, headsup.ErrTurnEnded) {
			t.Errorf("error %v, want ErrTurnEnded: it would never be delivered", err)
		}
	})
}

func TestNewWindowIsForOnePersonOnly(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		group := inbound("1", "c", "ann", "hi")
		group.Conversation.IsGroup = new(true)
		f.hear(t, group)
		id := f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c"}, Text: "psst", Window: headsup.WindowNew}).ID
		synctest.Wait()
		if s := f.status(t, id); s.State() != outbox.StateFailed || s.Deliveries[0].Reason != "no_user" || len(f.channel.Sent()) > 0 {
			t.Errorf("%s (%s): what was meant for a group went to whoever spoke last there", s.State(), s.Deliveries[0].Reason)
		}
	})
}

func TestJobsOfOneTurnAreDifferentJobs(t *testing.T) {
	var f fixture
	var numbers []proactive.JobNumber
	fail := true
	h := func(ctx context.Context, t *headsup.Turn) error {
		numbers = nil
		for _, name := range []string{"a", "b"} {
			job, err := f.engine.StartJob(ctx, t, name, nil)
			if err != nil {
				return err
			}
			numbers = append(numbers, job.Number)
		}
		if fail {
			return errors.New("no")
		}
		return nil
	}
	within(t, &bottest.Recorder{}, func(ctx context.Context, t *headsup.Turn) error { return h(ctx, t) }, func(t *testing.T, g fixture) {
		f = g
		if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "ann", "x")); err == nil {
			t.Fatal("no error")
		}
		fail = false
		f.hear(t, inbound("1", "c", "ann", "x"))
		if !slices.Equal(numbers, []proactive.JobNumber{1, 2}) {
			t.Errorf("the turn that ran again has jobs %v, want 1 and 2", numbers)
		}
		jobs, err := f.engine.Jobs(t.Context(), 0, 10)
		if err != nil || len(jobs) != 2 || jobs[0].Name != "b" {
			t.Errorf("jobs %+v, %v", jobs, err)
		}
	})
}

func TestJobFromOutsideIsStartedOnceAndToldWhereItBelongs(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		start := func(n proactive.NewJob) (proactive.Job, error) {
			return f.engine.StartJobIn(t.Context(), headsup.Target{User: "ann"}, n)
		}
		first, err := start(proactive.NewJob{Name: "build", Value: []byte(`{"a":1,"b":2}`), Once: "k"})
		if err != nil || first.Key.Conversation != "c" || first.Notification() != "" {
			t.Fatalf("%+v, %v", first, err)
		}
		again, err := start(proactive.NewJob{Name: "build", Value: []byte(`{"b":2, "a":1}`), Once: "k"})
		if err != nil || again.Number != first.Number {
			t.Errorf("again: job %d, %v; want %d", again.Number, err, first.Number)
		}
		if _, err := start(proactive.NewJob{Name: "other", Once: "k"}); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("other content under the same name: error %v, want ErrKeyReused", err)
		}
		if next, err := start(proactive.NewJob{}); err != nil || next.Number == first.Number {
			t.Errorf("without a name: job %d, %v", next.Number, err)
		}
		job, id, err := f.engine.CompleteJob(t.Context(), first.Number, proactive.Completion{Text: "built"})
		if err != nil || id == "" || job.Notification() != id {
			t.Errorf("completed %+v with %q, %v", job, id, err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"built"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestWrongJobFromOutsideNamesItsField(t *testing.T) {
	ann := headsup.Target{User: "ann"}
	cases := map[string]struct {
		to  headsup.Target
		job proactive.NewJob
	}{
		"to":    {},
		"to ":   {to: headsup.Target{Everyone: true}},
		"to  ":  {to: headsup.Target{User: "ann", Conversation: "c"}},
		"name":  {to: ann, job: proactive.NewJob{Name: "a\nb"}},
		"value": {to: ann, job: proactive.NewJob{Value: []byte("{")}},
	}
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		for field, c := range cases {
			_, err := f.engine.StartJobIn(t.Context(), c.to, c.job)
			bad, ok := errors.AsType[*proactive.FieldError](err)
			if want := strings.TrimSpace(field); !ok || bad.Field != want {
				t.Errorf("error %v, want one that names %s", err, want)
			}
		}
		if _, err := f.engine.StartJobIn(t.Context(), headsup.Target{User: "eve"}, proactive.NewJob{}); !errors.Is(err, proactive.ErrNoTarget) {
			t.Errorf("error %v, want ErrNoTarget", err)
		}
	})
}

func TestNewWindowOpensAConversation(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "psst", Window: headsup.WindowNew})
		synctest.Wait()
		if got := f.channel.Texts("created-1"); !slices.Equal(got, []string{"psst"}) {
			t.Fatalf("said %q in the new conversation", got)
		}
		f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "created-1"}, Text: "again"})
		synctest.Wait()
		if got := f.channel.Texts("created-1"); !slices.Equal(got, []string{"psst", "again"}) {
			t.Errorf("the new conversation is not in the book: said %q", got)
		}
	})
}

func TestBadNotificationNamesItsField(t *testing.T) {
	to := headsup.Target{User: "ann"}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // a bubble's clock starts then
	cases := map[string]headsup.Notification{
		"to":              {Text: "x"},
		"to ":             {To: headsup.Target{User: "a", Everyone: true}, Text: "x"},
		"to.reference":    {To: headsup.ToConversation(activity.Reference{}), Text: "x"},
		"text":            {To: to},
		"activity ":       {To: to, Text: "x", Activity: activity.Message("y")},
		"markdown":        {To: to, Text: "x", Markdown: "y"},
		"markdown ":       {To: to, Markdown: "a\x00"},
		"card":            {To: to, Card: []byte(`[]`)},
		"card ":           {To: to, Card: []byte(`{"type":"AdaptiveCard","version":"1.5","x":"` + strings.Repeat("x", proactive.MaxCard) + `"}`)},
		"card.type":       {To: to, Card: []byte(`{"version":"1.5"}`)},
		"card.version":    {To: to, Card: []byte(`{"type":"AdaptiveCard","version":"1"}`)},
		"summary":         {To: to, Activity: activity.Message("y"), Summary: "z"},
		"to  ":            {To: headsup.Target{Tag: "a", ExternalID: "b"}, Text: "x"},
		"text  ":          {To: to, Text: strings.Repeat("x", proactive.MaxText+1)},
		"text   ":         {To: to, Text: "\xff"},
		"activity":        {To: to, Activity: &activity.Activity{Text: strings.Repeat("x", proactive.MaxBody)}},
		"lane":            {To: to, Text: "x", Lane: "express"},
		"on_unknown":      {To: to, Text: "x", OnUnknown: "panic"},
		"conversation":    {To: to, Text: "x", Window: "third"},
		"value":           {To: to, Text: "x", Value: []byte("{")},
		"at":              {To: to, Text: "x", At: now.Add(time.Hour), In: time.Hour},
		"at ":             {To: to, Text: "x", At: now.Add(100 * 365 * 24 * time.Hour)},
		"in":              {To: to, Text: "x", In: -1},
		"expires_at":      {To: to, Text: "x", ExpiresAt: now.Add(-time.Second)},
		"expires_at ":     {To: to, Text: "x", In: time.Hour, ExpiresAt: now.Add(time.Minute)},
		"idempotency_key": {To: to, Text: "x", Key: strings.Repeat("k", 256)},
		"topic":           {To: to, Text: "x", Topic: "a\nb"},
		"locale":          {To: to, Text: "x", Locale: "\xff"},
	}
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		for field, n := range cases {
			_, err := f.engine.Notify(t.Context(), n)
			bad, ok := errors.AsType[*proactive.FieldError](err)
			if want := strings.TrimSpace(field); !ok || bad.Field != want {
				t.Errorf("error %v, want one that names %s", err, want)
			}
		}
		synctest.Wait()
		if len(f.channel.Sent()) > 0 {
			t.Error("a refused notification was sent")
		}
	})
}
