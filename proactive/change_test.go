package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

var toAnn = headsup.Target{User: "ann"}

// channel is a recorder whose revisions can be made to fail.
type channel struct {
	*bottest.Recorder
	able   headsup.Capabilities
	update func() error
	remove func() error
	keys   []string // of creations
}

func (c *channel) Capabilities(activity.Reference) headsup.Capabilities { return c.able }

func (c *channel) Update(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	if c.update != nil {
		if err := c.update(); err != nil {
			return activity.ResourceResponse{}, err
		}
	}
	return c.Recorder.Update(ctx, out)
}

func (c *channel) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	if c.remove != nil {
		if err := c.remove(); err != nil {
			return err
		}
	}
	return c.Recorder.Delete(ctx, ref, id)
}

func (c *channel) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	c.keys = append(c.keys, cr.Key)
	return activity.ConversationResource{ID: activity.ConversationID("opened-" + cr.Key)}, nil
}

// onChannel runs a test in a bubble on an engine that speaks through ch and knows ann in c.
func onChannel(t *testing.T, ch headsup.Channel, test func(t *testing.T, e *proactive.Engine)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		e, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: ch})
		if err != nil {
			t.Fatal(err)
		}
		bot, err := headsup.New(headsup.Config{
			AppID: "app", Channel: ch, Turns: store, Notifier: e, Middleware: []headsup.Middleware{e.Middleware()},
		}, headsup.HandlerFunc(silent))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bot.Process(t.Context(), developer, inbound("1", "c", "ann", "hi")); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		synctest.Wait()
		test(t, e)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func whole() *channel {
	return &channel{Recorder: &bottest.Recorder{}, able: headsup.Capabilities{Update: true, Delete: true, Create: true}}
}

func say(t *testing.T, e *proactive.Engine, n headsup.Notification) headsup.NotificationID {
	t.Helper()
	a, err := e.Notify(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return a.ID
}

// last is where the last delivery of a notification stands.
func last(t *testing.T, e *proactive.Engine, id headsup.NotificationID) outbox.Delivery {
	t.Helper()
	s, err := e.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Deliveries[len(s.Deliveries)-1]
}

func TestEditAndRecallReachTheChannel(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one", Locale: "de-AT"})
		s, err := e.Edit(t.Context(), id, proactive.Content{Text: "two"})
		if err != nil || len(s.Deliveries) != 2 {
			t.Fatalf("%+v, %v", s, err)
		}
		if s, err = e.Wait(t.Context(), id); err != nil || s.State() != outbox.StateDelivered {
			t.Fatalf("%+v, %v", s, err)
		}
		a := ch.Sent()[0].Activity
		if a.Text != "two" || a.Locale != "de-AT" || a.ID != "sent-1" || a.Conversation == nil || a.Conversation.ID != "c" || a.Recipient.ID != "ann" {
			t.Errorf("says %+v", a)
		}
		if _, err := e.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Wait(t.Context(), id); err != nil || len(ch.Texts("c")) != 0 {
			t.Errorf("says %q after it was recalled, %v", ch.Texts("c"), err)
		}
		if _, err := e.Edit(t.Context(), id, proactive.Content{Text: "three"}); !errors.Is(err, proactive.ErrRecalled) {
			t.Errorf("edited after it was recalled: %v", err)
		}
	})
}

func TestRevisionsOnAChannelThatCannot(t *testing.T) {
	unsupported := func() error {
		return &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: "405", Status: 405}
	}
	says, admits := whole(), whole()
	says.able = headsup.Capabilities{}
	admits.update, admits.remove = unsupported, unsupported
	for name, ch := range map[string]*channel{"says so": says, "admits it when asked": admits} {
		t.Run(name, func(t *testing.T) {
			onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
				id := say(t, e, headsup.Notification{To: toAnn, Text: "one"})
				_, editErr := e.Edit(t.Context(), id, proactive.Content{Text: "two"})
				synctest.Wait()
				update := last(t, e, id)
				_, recallErr := e.Recall(t.Context(), id)
				synctest.Wait()
				remove := last(t, e, id)
				for _, d := range []outbox.Delivery{update, remove} {
					if d.State != outbox.StateFailed || d.Reason != proactive.ReasonNotSupported || d.Claims != 1 {
						t.Errorf("%s is %s (%s) after %d attempts", d.Verb, d.State, d.Reason, d.Claims)
					}
				}
				if err := errors.Join(editErr, recallErr); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRevisionWhoseAnswerIsLostIsRepeated(t *testing.T) {
	ch, tries := whole(), 0
	ch.remove = func() error {
		if tries++; tries == 2 {
			return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "not_found", Status: 404}
		}
		return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}
	}
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one", OnUnknown: headsup.OnUnknownHold})
		if _, err := e.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if d := last(t, e, id); d.State != outbox.StateDelivered || d.Claims != 2 {
			t.Errorf("%s (%s) after %d attempts: what is gone is gone", d.State, d.Reason, d.Claims)
		}
	})
}

// TestRevisionOpensNoSecondConversation: a channel that does not recognise a repeat would open another one.
func TestRevisionOpensNoSecondConversation(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one", Window: headsup.WindowNew})
		if _, err := e.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		status, err := e.Status(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		last := status.Deliveries[len(status.Deliveries)-1]
		if last.State != outbox.StateFailed || last.Reason != proactive.ReasonNotSupported || len(ch.keys) != 1 {
			t.Errorf("%s (%s), opened %q", last.State, last.Reason, ch.keys)
		}
	})
}

func TestRevisionFindsTheConversationThatWasOpened(t *testing.T) {
	ch := whole()
	ch.able.Once = true
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one", Window: headsup.WindowNew})
		if _, err := e.Edit(t.Context(), id, proactive.Content{Text: "two"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sent := ch.Sent()
		if len(ch.keys) != 2 || ch.keys[0] != ch.keys[1] || len(sent) != 1 || sent[0].Activity.Text != "two" ||
			string(sent[0].Activity.Conversation.ID) != "opened-"+ch.keys[0] {
			t.Errorf("opened %q, sent %+v", ch.keys, sent)
		}
	})
}

func TestRecallOfWhatIsTriedAgainStopsIt(t *testing.T) {
	ch := whole()
	ch.Fail = func(context.Context, headsup.Outgoing) error {
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}
	}
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one"})
		s, err := e.Recall(t.Context(), id)
		if err != nil || len(s.Deliveries) != 1 || s.State() != outbox.StateCancelled || s.Deliveries[0].Reason != outbox.ReasonRecalled {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestRescheduleMovesWhatWaits(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "one", In: time.Hour})
		if _, err := e.Reschedule(t.Context(), id, time.Time{}, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		if got := ch.Texts("c"); !slices.Equal(got, []string{"one"}) {
			t.Fatalf("said %q", got)
		}
		s, err := e.Reschedule(t.Context(), id, time.Now().Add(time.Hour), 0)
		if err != nil || s.State() != outbox.StateDelivered {
			t.Errorf("%s, %v", s.State(), err)
		}
		time.Sleep(2 * time.Hour)
		if got := ch.Texts("c"); len(got) != 1 {
			t.Errorf("said %q", got)
		}
	})
}

func TestReplayTriesAgain(t *testing.T) {
	ch, refuse := whole(), true
	ch.Fail = func(context.Context, headsup.Outgoing) error {
		if refuse {
			return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "blocked", Status: 403}
		}
		return nil
	}
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		one := say(t, e, headsup.Notification{To: toAnn, Text: "one"})
		two := say(t, e, headsup.Notification{To: toAnn, Text: "two"})
		refuse = false
		if _, err := e.Replay(t.Context(), proactive.DeliveryText(last(t, e, one).ID)); err != nil {
			t.Fatal(err)
		}
		n, err := e.ReplayAll(t.Context(), proactive.DeliveryFilter{Reason: "blocked", Notification: two, Limit: 10}, false)
		if n != 1 || err != nil {
			t.Errorf("replayed %d, %v", n, err)
		}
		synctest.Wait()
		if got := ch.Texts("c"); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("said %q", got)
		}
	})
}

func TestNotifyAllAcceptsEachByItself(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		key := headsup.Notification{To: toAnn, Text: "1", Key: "k"}
		other := key
		other.Text = "x"
		results, err := e.NotifyAll(t.Context(), []headsup.Notification{
			key, {To: headsup.Target{User: "nobody"}, Text: "x"}, other, {To: toAnn}, key, {To: toAnn, Text: "2"}, {To: toAnn, Text: "3", In: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		var field *proactive.FieldError
		if r := results; r[0].Err != nil || !errors.Is(r[1].Err, proactive.ErrNoTarget) || !errors.Is(r[2].Err, proactive.ErrKeyReused) ||
			!errors.As(r[3].Err, &field) || r[4].Err != nil || !r[4].Replayed || r[4].ID != r[0].ID || r[5].State != outbox.StateReady ||
			r[6].State != outbox.StateScheduled {
			t.Errorf("%+v", results)
		}
		synctest.Wait()
		if got := ch.Texts("c"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("said %q", got)
		}
		if _, err := e.NotifyAll(t.Context(), make([]headsup.Notification, proactive.MaxBatch+1)); !errors.As(err, &field) {
			t.Errorf("too many: %v", err)
		}
		if results, err := e.NotifyAll(t.Context(), nil); len(results) != 0 || err != nil {
			t.Errorf("none: %v, %v", results, err)
		}
	})
}

// gathering is a store that looks for several together.
type gathering struct{ proactive.Store }

func (gathering) LookUpsAtOnce() int { return 16 }

// TestNotifyAllFindsWhomTheBatchNames: all that a batch names is looked up ahead, and what one of it puts into the book is found
// by those after it.
func TestNotifyAllFindsWhomTheBatchNames(t *testing.T) {
	ch := &bottest.Recorder{}
	gather := func(c *proactive.Config) { c.Store = gathering{c.Store} }
	withinOf(t, ch, ch, silent, gather, func(t *testing.T, f fixture) {
		var all []headsup.Notification
		for i := range 200 {
			user := activity.AccountID(fmt.Sprint("u", i))
			f.hear(t, inbound(fmt.Sprint("hi", i), fmt.Sprint("c", i), string(user), "hi"))
			to := headsup.Target{User: user}
			if i%2 == 0 {
				to = headsup.Target{Conversation: activity.ConversationID(fmt.Sprint("c", i))}
			}
			all = append(all, headsup.Notification{To: to, Text: fmt.Sprint("to ", i)})
		}
		ref := inbound("1", "new", "new", "").Reference()
		all = append(all,
			headsup.Notification{To: headsup.Target{Conversation: "new"}, Text: "too early"},
			headsup.Notification{To: headsup.Target{Reference: &ref}, Text: "to the new one"},
			headsup.Notification{To: headsup.Target{Conversation: "new"}, Text: "again"},
			headsup.Notification{To: headsup.Target{User: "nobody"}, Text: "x"})
		results, err := f.engine.NotifyAll(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if nobody := i == 200 || i == 203; nobody != errors.Is(r.Err, proactive.ErrNoTarget) || !nobody && r.Err != nil {
				t.Errorf("%d: %v", i, r.Err)
			}
		}
		synctest.Wait()
		for i := range 200 {
			if got := ch.Texts(activity.ConversationID(fmt.Sprint("c", i))); !slices.Contains(got, fmt.Sprint("to ", i)) {
				t.Errorf("%d was told %q", i, got)
			}
		}
		if got := ch.Texts("new"); !slices.Equal(got, []string{"to the new one", "again"}) {
			t.Errorf("the new one was told %q", got)
		}
	})
}

// reports tells progress every 0.9 seconds for a while.
func reports(t *testing.T, e *proactive.Engine, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if _, err := e.Progress(t.Context(), 1, proactive.Progress{Text: fmt.Sprint(i), Percent: &i}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(900 * time.Millisecond)
	}
}

func start(t *testing.T, e *proactive.Engine) {
	t.Helper()
	if _, err := e.StartJobIn(t.Context(), toAnn, proactive.NewJob{}); err != nil {
		t.Fatal(err)
	}
}

func TestProgressChangesOneMessage(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		start(t, e)
		reports(t, e, 1, 12)
		if got := ch.Texts("c"); !slices.Equal(got, []string{"12"}) {
			t.Errorf("says %q", got)
		}
		if _, _, err := e.CompleteJob(t.Context(), 1, proactive.Completion{Text: "done"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := ch.Texts("c"); !slices.Equal(got, []string{"12", "done"}) {
			t.Errorf("says %q", got)
		}
	})
}

func TestProgressWithoutUpdatesIsToldNowAndThen(t *testing.T) {
	ch := whole()
	ch.able = headsup.Capabilities{}
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		start(t, e)
		reports(t, e, 1, 13)
		if got := ch.Texts("c"); !slices.Equal(got, []string{"1", "6", "12"}) { // at 0 s, 5 s and 10 s
			t.Errorf("says %q", got)
		}
		if _, _, err := e.CompleteJob(t.Context(), 1, proactive.Completion{Text: "done"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := ch.Texts("c"); len(got) != 4 || got[3] != "done" {
			t.Errorf("says %q after the end", got)
		}
	})
}

func TestProgressThatCannotBeTold(t *testing.T) {
	onChannel(t, whole(), func(t *testing.T, e *proactive.Engine) {
		start(t, e)
		var field *proactive.FieldError
		for _, p := range []proactive.Progress{{}, {Text: "x", Tell: activity.Message("y")}, {Text: "x", Percent: new(101)}, {Text: "x", Percent: new(-1)}} {
			if _, err := e.Progress(t.Context(), 1, p); !errors.As(err, &field) {
				t.Errorf("%+v: %v", p, err)
			}
		}
		if _, err := e.Progress(t.Context(), 2, proactive.Progress{Text: "x"}); !errors.Is(err, proactive.ErrNoJob) {
			t.Errorf("no job: %v", err)
		}
	})
}
