package proactive_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// losing is a channel that does what it is asked, and whose next answers are lost.
type losing struct {
	*channel
	lost int
	// refuse is what it answers to later sends; nil is success.
	refuse error
	sends  []time.Time
}

func (c *losing) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	c.sends = append(c.sends, time.Now())
	if c.lost == 0 && c.refuse != nil {
		return activity.ResourceResponse{}, c.refuse
	}
	r, err := c.channel.Send(ctx, out)
	if err == nil && c.lost > 0 {
		c.lost--
		return activity.ResourceResponse{}, &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}
	}
	return r, err
}

// loses runs a test on a channel whose first answer is lost; once says whether it recognises a repeat.
func loses(t *testing.T, once bool, test func(t *testing.T, e *proactive.Engine, ch *losing)) {
	t.Helper()
	ch := &losing{channel: &channel{
		Recorder: &bottest.Recorder{Once: once}, able: headsup.Capabilities{Update: true, Delete: true, Create: true, Once: once},
	}, lost: 1}
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) { test(t, e, ch) })
}

func statusOf(t *testing.T, e *proactive.Engine, id headsup.NotificationID) proactive.Status {
	t.Helper()
	s, err := e.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stands checks where the first delivery of a notification stands.
func stands(t *testing.T, e *proactive.Engine, id headsup.NotificationID, state outbox.State, reason string) outbox.Delivery {
	t.Helper()
	d := statusOf(t, e, id).Deliveries[0]
	if d.State != state || d.Reason != reason {
		t.Errorf("it is %s (%s), want %s (%s)", d.State, d.Reason, state, reason)
	}
	return d
}

func TestRepeatThatIsRecognisedIsNotPutOff(t *testing.T) {
	for name, c := range map[string]struct {
		once        bool
		least, most time.Duration
		said        int
	}{
		"recognised":     {true, 0, 2 * time.Second, 1},
		"not recognised": {false, 30 * time.Second, 2 * time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			loses(t, c.once, func(t *testing.T, e *proactive.Engine, ch *losing) {
				id := say(t, e, headsup.Notification{To: toAnn, Text: "x"})
				if d := stands(t, e, id, outbox.StateReady, "no_answer"); !d.MayHaveArrived {
					t.Error("it is not said that it may have arrived")
				}
				time.Sleep(time.Hour)
				stands(t, e, id, outbox.StateDelivered, "")
				if wait := ch.sends[1].Sub(ch.sends[0]); len(ch.sends) != 2 || wait < c.least || wait > c.most {
					t.Errorf("tried again after %v, want %v to %v", wait, c.least, c.most)
				}
				if got := ch.Texts("c"); len(got) != c.said {
					t.Errorf("said %q", got)
				}
			})
		})
	}
}

func TestCancelledButPerhapsThere(t *testing.T) {
	loses(t, false, func(t *testing.T, e *proactive.Engine, ch *losing) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "x"})
		s, err := e.Cancel(t.Context(), id)
		if err != nil || s.State() != outbox.StateUnknown || !s.Settled() {
			t.Errorf("%s, %v", s.State(), err)
		}
		d := stands(t, e, id, outbox.StateUnknown, outbox.ReasonCancelled)
		time.Sleep(time.Hour)
		if len(ch.sends) != 1 {
			t.Errorf("tried %d times", len(ch.sends))
		}
		if _, err := e.Settle(t.Context(), proactive.DeliveryText(d.ID), outbox.StateFailed, ""); err != nil {
			t.Error(err)
		}
		stands(t, e, id, outbox.StateFailed, outbox.ReasonSettled)
	})
}

func TestRepeatThatIsRefusedSaysNothingOfTheFirst(t *testing.T) {
	loses(t, true, func(t *testing.T, e *proactive.Engine, ch *losing) {
		ch.refuse = &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "not_found", Status: 404}
		id := say(t, e, headsup.Notification{To: toAnn, Text: "x"})
		time.Sleep(time.Hour)
		stands(t, e, id, outbox.StateUnknown, "not_found")
	})
}

// TestRecallFindsWhatTheChannelRecognises: its key finds what was said, whether its answer was lost or the delivery has
// ended since.
func TestRecallFindsWhatTheChannelRecognises(t *testing.T) {
	for name, n := range map[string]headsup.Notification{
		"waiting":   {To: toAnn, Text: "x"},
		"parked":    {To: toAnn, Text: "x", OnUnknown: headsup.OnUnknownHold},
		"cancelled": {To: toAnn, Text: "x", Topic: "cancel"},
		"new":       {To: toAnn, Text: "x", Window: headsup.WindowNew},
	} {
		t.Run(name, func(t *testing.T) {
			loses(t, true, func(t *testing.T, e *proactive.Engine, ch *losing) {
				id := say(t, e, n)
				if n.Topic != "" {
					if _, err := e.Cancel(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := e.Recall(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if s, err := e.Wait(t.Context(), id); err != nil || s.State() != outbox.StateRecalled {
					t.Errorf("it is %s, %v", s.State(), err)
				}
				d := stands(t, e, id, outbox.StateDelivered, outbox.ReasonSettled)
				if d.Activity != "sent-1" {
					t.Errorf("found as %q", d.Activity)
				}
				if sent := ch.Sent(); len(sent) != 1 || sent[0].Activity.Text != "" {
					t.Errorf("there are %d messages, the first says %q", len(sent), sent[0].Activity.Text)
				}
			})
		})
	}
}

func TestRecallNeedsTheIDWhereNothingIsRecognised(t *testing.T) {
	loses(t, false, func(t *testing.T, e *proactive.Engine, ch *losing) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "x"})
		if _, err := e.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		s, err := e.Wait(t.Context(), id)
		if err != nil || s.State() != outbox.StateUnknown {
			t.Errorf("it is %s, %v", s.State(), err)
		}
		d := stands(t, e, id, outbox.StateUnknown, outbox.ReasonRecalled)
		removal := last(t, e, id)
		if removal.Verb != outbox.VerbDelete || removal.State != outbox.StateFailed || removal.Reason != proactive.ReasonNoActivityID {
			t.Errorf("the removal is %s (%s)", removal.State, removal.Reason)
		}
		if len(ch.sends) != 1 {
			t.Errorf("tried %d times: it would be there twice", len(ch.sends))
		}

		// Somebody has looked, and knows under which id it is.
		var field *proactive.FieldError
		if _, err := e.Settle(t.Context(), proactive.DeliveryText(d.ID), outbox.StateFailed, "sent-1"); !errors.As(err, &field) {
			t.Errorf("failed with an id: %v", err)
		}
		if _, err := e.Settle(t.Context(), proactive.DeliveryText(d.ID), outbox.StateDelivered, "sent-1"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Replay(t.Context(), proactive.DeliveryText(removal.ID)); err != nil {
			t.Fatal(err)
		}
		if s, err := e.Wait(t.Context(), id); err != nil || s.State() != outbox.StateRecalled {
			t.Errorf("it is %s, %v", s.State(), err)
		}
		if got := ch.Texts("c"); len(got) != 0 {
			t.Errorf("says %q", got)
		}
	})
}

// TestEditIsNotLostWithAnAnswer: where the repeat is recognised the channel has the old text, elsewhere it gets the new
// one beside it.
func TestEditIsNotLostWithAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		once bool
		fail error // of the first update
		want []string
	}{
		"recognised":                  {true, nil, []string{"new"}},
		"recognised, update fails":    {true, &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}, []string{"new"}},
		"recognised, its answer lost": {true, &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}, []string{"new"}},
		"not recognised":              {false, nil, []string{"old", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			loses(t, c.once, func(t *testing.T, e *proactive.Engine, ch *losing) {
				updates := 0
				ch.update = func() error {
					if updates++; updates == 1 {
						return c.fail
					}
					return nil
				}
				id := say(t, e, headsup.Notification{To: toAnn, Text: "old"})
				if _, err := e.Edit(t.Context(), id, proactive.Content{Text: "new"}); err != nil {
					t.Fatal(err)
				}
				if s, err := e.Wait(t.Context(), id); err != nil || s.State() != outbox.StateDelivered {
					t.Errorf("it is %s, %v", s.State(), err)
				}
				if got := ch.Texts("c"); !slices.Equal(got, c.want) {
					t.Errorf("says %q, want %q", got, c.want)
				}
				if !c.once && updates != 0 {
					t.Errorf("%d updates", updates)
				}
			})
		})
	}
}

// TestEditIsNotLostWithAReplay: what was cancelled is there with the old text.
func TestEditIsNotLostWithAReplay(t *testing.T) {
	loses(t, true, func(t *testing.T, e *proactive.Engine, ch *losing) {
		id := say(t, e, headsup.Notification{To: toAnn, Text: "old"})
		if _, err := e.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		d := stands(t, e, id, outbox.StateUnknown, outbox.ReasonCancelled)
		if _, err := e.Edit(t.Context(), id, proactive.Content{Text: "new"}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Replay(t.Context(), proactive.DeliveryText(d.ID)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := ch.Texts("c"); !slices.Equal(got, []string{"new"}) {
			t.Errorf("says %q", got)
		}
	})
}

// TestWhatWasCancelledIsNotSaidByAnEdit: an edit that was on its way does not look for it by saying it.
func TestWhatWasCancelledIsNotSaidByAnEdit(t *testing.T) {
	loses(t, true, func(t *testing.T, e *proactive.Engine, ch *losing) {
		hold := make(chan struct{})
		ch.Fail = func(context.Context, headsup.Outgoing) error { <-hold; return nil }
		id := say(t, e, headsup.Notification{To: toAnn, Text: "old"})
		if _, err := e.Edit(t.Context(), id, proactive.Content{Text: "new"}); err != nil { // while it is being sent
			t.Fatal(err)
		}
		close(hold)
		synctest.Wait()
		if _, err := e.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stands(t, e, id, outbox.StateUnknown, outbox.ReasonCancelled)
		if d := last(t, e, id); d.State != outbox.StateFailed || d.Reason != proactive.ReasonNoActivityID {
			t.Errorf("the edit is %s (%s)", d.State, d.Reason)
		}
		if len(ch.sends) != 1 {
			t.Errorf("sent %d times", len(ch.sends))
		}
	})
}

func TestLaterNotificationReplacesWhatWaits(t *testing.T) {
	ch := whole()
	onChannel(t, ch, func(t *testing.T, e *proactive.Engine) {
		first := say(t, e, headsup.Notification{To: toAnn, Text: "10 %", CollapseKey: "build", In: time.Minute})
		other := say(t, e, headsup.Notification{To: toAnn, Text: "other", In: time.Minute})
		second := say(t, e, headsup.Notification{To: toAnn, Text: "20 %", CollapseKey: "build", In: time.Minute})
		time.Sleep(time.Hour)
		stands(t, e, first, outbox.StateSuppressed, outbox.ReasonCollapsed)
		stands(t, e, other, outbox.StateDelivered, "")
		stands(t, e, second, outbox.StateDelivered, "")
		if got := ch.Texts("c"); !slices.Equal(got, []string{"other", "20 %"}) {
			t.Errorf("said %q", got)
		}
		var field *proactive.FieldError
		if _, err := e.Notify(t.Context(), headsup.Notification{To: toAnn, Text: "x", CollapseKey: "a\nb"}); !errors.As(err, &field) || field.Field != "collapse_key" {
			t.Errorf("a key with a line break: %v", err)
		}
		keyed := headsup.Notification{To: toAnn, Text: "x", Key: "k", CollapseKey: "a"}
		say(t, e, keyed)
		keyed.CollapseKey = "b"
		if _, err := e.Notify(t.Context(), keyed); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("another collapse key under the same idempotency key: %v", err)
		}
	})
}
