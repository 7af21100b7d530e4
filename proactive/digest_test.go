package proactive_test

import (
	"context"
	"errors"
	"strings"
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

var digests = headsup.Policy{Name: headsup.PolicyWait, Release: headsup.ReleaseDigest}

// digest is a notification that may be said with others.
func digest(text string) headsup.Notification {
	return headsup.Notification{To: toAnnAlone(), Topic: "prices", Text: text, Policy: digests}
}

// hold sends some while ann books.
func (f fixture) hold(t *testing.T, all ...headsup.Notification) (ids []headsup.NotificationID) {
	t.Helper()
	f.hear(t, inbound("1", "c", "ann", "book"))
	for _, n := range all {
		ids = append(ids, f.notify(t, n).ID)
		synctest.Wait()
	}
	return ids
}

// release ends what ann does.
func (f fixture) release(t *testing.T) {
	t.Helper()
	f.hear(t, inbound("2", "c", "ann", "done"))
	synctest.Wait()
}

// saidAs checks that some were delivered, and that each stands in what was sent under an id.
func (f fixture) saidAs(t *testing.T, id activity.ID, all ...headsup.NotificationID) {
	t.Helper()
	for i, n := range all {
		if d := f.status(t, n).Deliveries[0]; d.State != outbox.StateDelivered || d.Activity != id {
			t.Errorf("%d is %s (%s) as %q, want %q", i, d.State, d.Reason, d.Activity, id)
		}
	}
}

func TestHeldAreSaidAsOneDigest(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		other := digest("of another topic")
		other.Topic = "weather"
		ids := f.hold(t, digest("Las Vegas\nis cheaper"), digest("Reno is"), other, digest("Paris is not"))
		f.release(t)
		f.saidAll(t, "• Las Vegas\n  is cheaper\n• Reno is\n• Paris is not", "of another topic")
		f.saidAs(t, "sent-2", ids[0], ids[1], ids[3])
		f.saidAs(t, "sent-3", ids[2])
	})
}

// TestDigestOfMarkdown has plain texts look as they are.
func TestDigestOfMarkdown(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		bold := digest("")
		bold.Markdown = "**Reno** is"
		f.hold(t, digest("1. of *all* [x]\n- a_b"), bold)
		f.release(t)
		f.saidAll(t, "- 1\\. of \\*all\\* \\[x\\]\n  \\- a_b\n- **Reno** is")
		if said := f.channel.Sent()[1].Activity; said.TextFormat != activity.TextMarkdown {
			t.Errorf("the format is %q", said.TextFormat)
		}
	})
}

// TestWhatIsMoreThanATextStandsAlone, in its place.
func TestWhatIsMoreThanATextStandsAlone(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		rich, asks, each := digest(""), digest("5?"), digest("7")
		rich.Activity = activity.Message("3")
		rich.Activity.InputHint = "ignoringInput"
		asks.Policy.Expects = headsup.Reply{Wanted: true, Within: time.Minute}
		each.Policy.Release = headsup.ReleaseEach
		f.hold(t, digest("1"), digest("2"), rich, digest("4"), each, digest("8"), digest("9"))
		f.release(t)
		f.saidAll(t, "• 1\n• 2", "3", "4", "7", "• 8\n• 9")
	})
}

// TestDigestAfterALostAnswer: under the same key, with the same in it but what was cancelled or edited meanwhile.
func TestDigestAfterALostAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		once bool
		said []string
	}{
		"recognised":     {true, []string{"• one\n• second", "four"}},
		"not recognised": {false, []string{"• one\n• two\n• three", "• one\n• second", "four"}},
	} {
		t.Run(name, func(t *testing.T) {
			lost := 0
			conversingOn(t, &bottest.Recorder{Once: c.once}, func(r *bottest.Recorder) headsup.Channel {
				return losesDigest{r, &lost}
			}, func(t *testing.T, f fixture) {
				lost = 1
				ids := f.hold(t, digest("one"), digest("two"), digest("three"))
				f.release(t)
				for _, id := range ids[1:] {
					if d := f.status(t, id).Deliveries[0]; d.State != outbox.StateReady || !d.MayHaveArrived {
						t.Errorf("it is %s while nobody knows", d.State)
					}
				}
				if _, err := f.engine.Edit(t.Context(), ids[1], proactive.Content{Text: "second"}); err != nil {
					t.Fatal(err)
				}
				if s, err := f.engine.Cancel(t.Context(), ids[2]); err != nil || s.State() != outbox.StateUnknown {
					t.Errorf("cancelled, it is %s, %v", s.State(), err)
				}
				f.notify(t, digest("four"))
				time.Sleep(time.Hour)
				f.saidAll(t, c.said...)
				if d := f.status(t, ids[1]).Deliveries[0]; d.State != outbox.StateDelivered {
					t.Errorf("it is %s (%s)", d.State, d.Reason)
				}
			})
		})
	}
}

// TestDigestThatIsRefused is said in parts.
func TestDigestThatIsRefused(t *testing.T) {
	ch := &bottest.Recorder{Fail: func(_ context.Context, out headsup.Outgoing) error {
		if out.Activity != nil && strings.HasPrefix(out.Activity.Text, "•") {
			return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "refused", Err: errors.New("no lists")}
		}
		return nil
	}}
	conversing(t, ch, func(t *testing.T, f fixture) {
		ids := f.hold(t, digest("1"), digest("2"), digest("3"))
		f.release(t)
		f.saidAll(t, "2", "3")
		if d := f.status(t, ids[0]).Deliveries[0]; d.State != outbox.StateFailed || d.Reason != "refused" {
			t.Errorf("the first is %s for %q", d.State, d.Reason)
		}
	})
}

// TestDigestIsRevised line by line.
func TestDigestIsRevised(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		ids := f.hold(t, digest("1"), digest("2"), digest("3"))
		f.release(t)
		for _, step := range []struct {
			do   func() (proactive.Status, error)
			want string
		}{
			{func() (proactive.Status, error) {
				return f.engine.Edit(t.Context(), ids[0], proactive.Content{Text: "one"})
			}, "• one\n• 2\n• 3"},
			{func() (proactive.Status, error) { return f.engine.Recall(t.Context(), ids[0]) }, "• 2\n• 3"},
			{func() (proactive.Status, error) {
				return f.engine.Edit(t.Context(), ids[2], proactive.Content{Text: "three"})
			}, "• 2\n• three"},
			{func() (proactive.Status, error) { return f.engine.Recall(t.Context(), ids[1]) }, "three"},
			{func() (proactive.Status, error) { return f.engine.Recall(t.Context(), ids[2]) }, ""},
		} {
			if _, err := step.do(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := strings.Join(f.says(), "|"); got != step.want {
				t.Errorf("it says %q, want %q", got, step.want)
			}
		}
		for _, id := range ids {
			if s := f.status(t, id); s.State() != outbox.StateRecalled {
				t.Errorf("it is %s", s.State())
			}
		}
	})
}

// losesDigest loses answers to lists.
type losesDigest struct {
	*bottest.Recorder

	lost *int
}

func (l losesDigest) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	r, err := l.Recorder.Send(ctx, out)
	if err == nil && *l.lost > 0 && out.Activity != nil && strings.HasPrefix(out.Activity.Text, "•") {
		*l.lost--
		return activity.ResourceResponse{}, &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}
	}
	return r, err
}

// conversingOn is conversing through a channel around the recorder.
func conversingOn(
	t *testing.T, r *bottest.Recorder, around func(*bottest.Recorder) headsup.Channel, test func(t *testing.T, f fixture),
) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: r, around: around(r), store: memory.New()}
		ctx, stop := context.WithCancel(context.Background())
		wait := f.start(t, ctx)
		f.hear(t, inbound("0", "c", "ann", "hello"))
		test(t, f)
		stop()
		wait()
	})
}
