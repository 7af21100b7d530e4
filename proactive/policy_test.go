package proactive_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// stack stands for a bot's dialogs: a list of names in the conversation's state, the last on top.
type stack struct{}

var dialogs = state.NewProperty[[]string](state.Conversation, "dialogs")

func (stack) Knows(name string) bool { return name == "survey" || name == "booking" }

func (s stack) Interrupt(ctx context.Context, t *headsup.Turn, name string, value jsontext.Value) error {
	if _, err := t.Say(ctx, name+" begins with "+string(value)); err != nil {
		return err
	}
	return s.push(ctx, t, name)
}

func (stack) push(ctx context.Context, t *headsup.Turn, name string) error {
	all, err := dialogs.Load(ctx, t)
	if err != nil {
		return err
	}
	if err := t.Busy(headsup.Busy{By: headsup.BusyDialog, Reason: name}); err != nil {
		return err
	}
	return dialogs.Set(ctx, t, append(all, name))
}

// pop ends the dialog on top.
func (s stack) pop(ctx context.Context, t *headsup.Turn) error {
	all, err := dialogs.Load(ctx, t)
	if err != nil || len(all) == 0 {
		return err
	}
	if err := dialogs.Set(ctx, t, all[:len(all)-1]); err != nil {
		return err
	}
	if len(all) > 1 {
		return s.Resume(ctx, t)
	}
	return t.Free(headsup.BusyDialog)
}

func (stack) Resume(ctx context.Context, t *headsup.Turn) error {
	all, err := dialogs.Load(ctx, t)
	if err != nil || len(all) == 0 {
		return err
	}
	_, err = t.Say(ctx, all[len(all)-1]+" asks again")
	return err
}

func (stack) CancelAll(ctx context.Context, t *headsup.Turn) error {
	if err := t.Free(headsup.BusyDialog); err != nil {
		return err
	}
	return dialogs.Clear(ctx, t)
}

// booker is a bot that books, until somebody says "done".
func booker(ctx context.Context, t *headsup.Turn) error {
	switch t.Activity().Text {
	case "book":
		return stack{}.push(ctx, t, "booking")
	case "done":
		return stack{}.pop(ctx, t)
	case "fail":
		return errors.New("failed")
	}
	if t.Proactive() {
		var n proactive.Notice
		if err := json.Unmarshal(t.Activity().Value, &n); err != nil {
			return err
		}
		var a activity.Activity
		if err := json.Unmarshal(n.Activity, &a); err != nil {
			return err
		}
		_, err := t.Say(ctx, "by myself: "+a.Text+" while "+n.Busy[0].Reason+string(n.Value))
		return err
	}
	_, err := t.Say(ctx, "heard "+t.Activity().Text)
	return err
}

// conversing runs a test on an engine that takes part in the conversations of a booker.
func conversing(t *testing.T, ch *bottest.Recorder, test func(t *testing.T, f fixture)) {
	conversingWith(t, fixture{channel: ch}, test)
}

func conversingWith(t *testing.T, f fixture, test func(t *testing.T, f fixture)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f.store = memory.New()
		ctx, stop := context.WithCancel(context.Background())
		wait := f.start(t, ctx)
		f.hear(t, inbound("0", "c", "ann", "hello"))
		test(t, f)
		stop()
		wait()
	})
}

// start makes an engine and its bot on the fixture's store, and lets it run.
func (f *fixture) start(t *testing.T, ctx context.Context) (wait func()) { //nolint:revive // the test comes first
	t.Helper()
	if f.around == nil {
		f.around = f.channel
	}
	var err error
	if f.engine, err = proactive.New(proactive.Config{
		AppID: "app", Store: f.store, Channel: f.around, ActionKeys: actionKeys, ActionURL: "https://bot.example.com/actions/",
		ButtonRefused: func(reason string) {
			if f.refused != nil {
				*f.refused = append(*f.refused, reason)
			}
		},
		Pressed: func(ctx context.Context, t *headsup.Turn, p proactive.Press) (bool, error) {
			return p.Name == "taken", nil
		},
		Topics: map[string]proactive.Topic{
			"duties": {Mandatory: true}, "news": {Policy: headsup.Policy{Name: headsup.PolicyDrop}}, "alarm": {Urgent: true}, "trips": {Title: "Business trips"},
		},
	}); err != nil {
		t.Fatal(err)
	}
	if f.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: f.channel, Turns: f.store, Notifier: f.engine,
		Middleware: []headsup.Middleware{f.engine.Middleware(), state.Middleware(f.store), f.engine.Actions(), f.engine.Words(nil), f.engine.Replies()},
	}, headsup.HandlerFunc(booker)); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		f.engine.Act("approve", f.approve),
		f.engine.Converse(f.bot, stack{}),
		f.engine.Handle("bot", f.bot, nil),
		f.engine.Handle("answers", f.bot, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			q, ok := proactive.QuestionOf(t)
			if !ok {
				_, err := t.Say(ctx, "asked nothing")
				return err
			}
			if t.Activity().Text == "what?" {
				q.Again()
			}
			_, err := t.Say(ctx, "answer to "+string(q.Value)+": "+t.Activity().Text)
			return err
		})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.engine.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return wg.Wait
}

// says lists what was said after the first words.
func (f fixture) says() []string { return f.channel.Texts("c")[1:] }

func (f fixture) tell(t *testing.T, p headsup.Policy, text string) headsup.NotificationID {
	t.Helper()
	id := f.notify(t, headsup.Notification{To: toAnnAlone(), Text: text, Policy: p, Value: jsontext.Value(`7`)}).ID
	synctest.Wait()
	return id
}

func (f fixture) saidAll(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := f.says(); !slices.Equal(got, want) {
		t.Errorf("said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFivePolicies is what the person sees of each while booking.
func TestFivePolicies(t *testing.T) {
	for _, c := range []struct {
		policy headsup.Policy
		state  outbox.State
		during []string // what is said while booking
		after  []string // and when that is done
	}{
		{headsup.Policy{}, outbox.StateDelivered, []string{"news"}, nil},
		{headsup.Policy{Name: headsup.PolicyWait}, outbox.StateHeld, nil, []string{"news"}},
		{headsup.Policy{Name: headsup.PolicyInterrupt}, outbox.StateDelivered, []string{"news", "booking asks again"}, nil},
		{headsup.Policy{Name: headsup.PolicyInterrupt, With: "bot"}, outbox.StateDelivered, []string{"by myself: news while booking7"}, nil},
		{headsup.Policy{Name: headsup.PolicyInterrupt, With: "answers"}, outbox.StateDelivered, []string{"asked nothing", "booking asks again"}, nil},
		{headsup.Policy{Name: headsup.PolicyInterrupt, With: "survey"}, outbox.StateDelivered, []string{"news", "survey begins with 7"}, []string{"booking asks again"}},
		{headsup.Policy{Name: headsup.PolicyCancel}, outbox.StateDelivered, []string{"news"}, nil},
		{headsup.Policy{Name: headsup.PolicyDrop}, outbox.StateSuppressed, nil, nil},
	} {
		t.Run(string(c.policy.Name)+" "+c.policy.With, func(t *testing.T) {
			conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
				f.hear(t, inbound("1", "c", "ann", "book"))
				id := f.tell(t, c.policy, "news")
				f.saidAll(t, c.during...)
				if d := f.status(t, id).Deliveries[0]; d.State != c.state {
					t.Errorf("it is %s for %q: %v", d.State, d.Reason, d.History)
				}
				f.hear(t, inbound("2", "c", "ann", "done"))
				f.saidAll(t, append(c.during, c.after...)...)
				conversation, err := f.engine.Conversation(t.Context(), "c")
				if err != nil || len(conversation.Busy) != 0 && c.policy.With != "survey" {
					t.Errorf("%v goes on, %v", conversation.Busy, err)
				}
			})
		})
	}
}

// TestRecallTakesBackAllThatAnInterruptionHasSaid: the notification, and what the dialog said that was begun for it.
func TestRecallTakesBackAllThatAnInterruptionHasSaid(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "book"))
		id := f.tell(t, headsup.Policy{Name: headsup.PolicyInterrupt, With: "survey"}, "news")
		f.saidAll(t, "news", "survey begins with 7")
		if _, err := f.engine.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.saidAll(t)
	})
}

// TestWhatATurnHasSaidIsNotSaidAgain: a process stops after the channel has taken what its turn says, and before that is recorded;
// when somebody else takes it up, what was to be ended is over.
func TestWhatATurnHasSaidIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
		ctx, stop := context.WithCancel(t.Context())
		wait := f.start(t, ctx)
		f.hear(t, inbound("0", "c", "ann", "hello"))
		f.hear(t, inbound("1", "c", "ann", "book"))
		stop()
		wait()
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Text: "news", Policy: headsup.Policy{Name: headsup.PolicyCancel}}).ID

		// The process that stops:
		claimed, err := f.store.Claim(t.Context(), 10, time.Now())
		if err != nil || len(claimed.Attempts) != 1 || claimed.Attempts[0].As != headsup.PolicyCancel {
			t.Fatalf("handed out are %+v, %v", claimed.Attempts, err)
		}
		a := claimed.Attempts[0]
		said := outbox.Send{Delivery: a.Delivery, Fence: a.Fence, At: time.Now()}
		if err := f.store.RecordSend(t.Context(), said); err != nil {
			t.Fatal(err)
		}
		said.Taken, said.Activity = true, "taken"
		if err := f.store.RecordSend(t.Context(), said); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * headsup.LeaseTime)
		f.hear(t, inbound("2", "c", "ann", "done"))

		ctx, stop = context.WithCancel(t.Context())
		wait = f.start(t, ctx)
		time.Sleep(time.Minute)
		f.saidAll(t)
		if d := f.status(t, id).Deliveries[0]; d.State != outbox.StateDelivered || d.Activity != "taken" || d.Claims != 2 {
			t.Errorf("it is %s as %q after %d claims: %+v", d.State, d.Activity, d.Claims, d.History)
		}
		stop()
		wait()
	})
}

// TestHeldIsSaidTheMomentThatTheDialogEnds: no clock passes.
func TestHeldIsSaidTheMomentThatTheDialogEnds(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "book"))
		first, second := f.tell(t, headsup.Policy{Name: headsup.PolicyWait}, "1"), f.tell(t, headsup.Policy{Name: headsup.PolicyWait}, "2")
		began := time.Now()
		if _, err := f.bot.Process(t.Context(), developer, inbound("2", "c", "ann", "fail")); err == nil {
			t.Error("the turn did not fail")
		}
		f.saidAll(t) // a turn that fails ends no dialog
		f.hear(t, inbound("3", "c", "ann", "done"))
		f.saidAll(t, "1", "2")
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		for _, id := range []headsup.NotificationID{first, second} {
			if s := f.status(t, id); s.State() != outbox.StateDelivered {
				t.Errorf("%s is %s", id, s.State())
			}
		}
	})
}

// TestWaitEndsByTheClock: of a flag that runs out, and of max_wait, then another policy.
func TestWaitEndsByTheClock(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		key := headsup.KeyOf("app", inbound("", "c", "ann", "").Reference())
		if _, err := f.engine.SetBusy(t.Context(), key, headsup.Busy{Reason: "call", Until: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		f.tell(t, headsup.Policy{Name: headsup.PolicyWait}, "after the call")
		f.tell(t, headsup.Policy{Name: headsup.PolicyWait, MaxWait: 10 * time.Second}, "impatient")
		dropped := f.tell(t, headsup.Policy{Name: headsup.PolicyWait, MaxWait: 20 * time.Second, Then: headsup.PolicyDrop}, "pointless")
		time.Sleep(10*time.Second - time.Millisecond)
		f.saidAll(t)
		time.Sleep(time.Millisecond)
		f.saidAll(t, "impatient")
		time.Sleep(30 * time.Second)
		if d := f.status(t, dropped).Deliveries[0]; d.State != outbox.StateSuppressed || d.Reason != outbox.ReasonBusy {
			t.Errorf("it is %s for %q", d.State, d.Reason)
		}
		f.saidAll(t, "impatient")
		time.Sleep(20 * time.Second)
		f.saidAll(t, "impatient", "after the call")
	})
}

// TestTopicSaysThePolicy, unless the notification does.
func TestTopicSaysThePolicy(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "book"))
		for _, n := range []headsup.Notification{
			{Topic: "news", Text: "by topic"},
			{Topic: "news", Text: "by itself", Policy: headsup.Policy{Name: headsup.PolicyAdHoc}},
			{Topic: "other", Text: "by nothing"},
		} {
			n.To = toAnnAlone()
			f.notify(t, n)
		}
		f.saidAll(t, "by itself", "by nothing")
	})
}

// TestReplyGoesToWhoHasAsked, and then the dialog goes on; also when the process has ended in between.
func TestReplyGoesToWhoHasAsked(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(map[bool]string{false: "", true: "restarted"}[restart], func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := fixture{channel: &bottest.Recorder{}, store: memory.New()}
				ctx, stop := context.WithCancel(context.Background())
				wait := f.start(t, ctx)
				f.hear(t, inbound("0", "c", "ann", "hello"))
				f.hear(t, inbound("1", "c", "ann", "book"))
				f.tell(t, headsup.Policy{Name: headsup.PolicyInterrupt, Expects: headsup.Reply{Wanted: true, To: "answers"}}, "price?")
				held := f.tell(t, headsup.Policy{Name: headsup.PolicyWait}, "later")
				if restart {
					stop()
					wait()
					ctx, stop = context.WithCancel(context.Background())
					wait = f.start(t, ctx)
				}
				f.hear(t, inbound("2", "c", "ann", "what?"))
				f.hear(t, inbound("3", "c", "ann", "yes"))
				f.saidAll(t, "price?", "answer to 7: what?", "answer to 7: yes", "booking asks again")
				f.hear(t, inbound("4", "c", "ann", "London"))
				f.hear(t, inbound("5", "c", "ann", "done"))
				synctest.Wait()
				if s := f.status(t, held); s.State() != outbox.StateDelivered || f.says()[5] != "later" {
					t.Errorf("%s, after %q", s.State(), f.says())
				}
				stop()
				wait()
			})
		})
	}
}

// TestReplyToAWebhookIsNobodysElse: the bot's own handler does not hear it, and a question that nobody answers ends.
func TestReplyToAWebhookIsNobodysElse(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		asks := headsup.Policy{Expects: headsup.Reply{Wanted: true, Within: time.Minute}}
		f.tell(t, asks, "price?")
		f.hear(t, inbound("1", "c", "ann", "80"))
		f.saidAll(t, "price?")
		f.hear(t, inbound("2", "c", "ann", "and now?"))
		f.saidAll(t, "price?", "heard and now?")
		f.tell(t, asks, "again?")
		time.Sleep(time.Minute)
		f.hear(t, inbound("3", "c", "ann", "too late"))
		f.saidAll(t, "price?", "heard and now?", "again?", "heard too late")
	})
}

func TestPolicyThatCannotBe(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		for _, c := range []struct {
			field  string
			policy headsup.Policy
		}{
			{"policy", headsup.Policy{Name: "shout"}},
			{"max_wait", headsup.Policy{Name: headsup.PolicyDrop, MaxWait: 1}},
			{"max_wait", headsup.Policy{Name: headsup.PolicyWait, MaxWait: -1}},
			{"max_wait", headsup.Policy{Name: headsup.PolicyWait, MaxWait: headsup.MaxWait + 1}},
			{"then", headsup.Policy{Name: headsup.PolicyCancel, Then: headsup.PolicyDrop}},
			{"then", headsup.Policy{Name: headsup.PolicyWait, Then: headsup.PolicyWait}},
			{"release", headsup.Policy{Name: headsup.PolicyDrop, Release: headsup.ReleaseEach}},
			{"release", headsup.Policy{Name: headsup.PolicyWait, Release: "heap"}},
			{"with", headsup.Policy{Name: headsup.PolicyWait, With: "survey"}},
			{"with", headsup.Policy{Name: headsup.PolicyInterrupt, With: "nobody"}},
			{"quiet", headsup.Policy{Quiet: 1}},
			{"quiet", headsup.Policy{Name: headsup.PolicyWait, Quiet: 2 * headsup.MaxQuiet}},
			{"priority", headsup.Policy{Name: headsup.PolicyAdHoc, Priority: 1}},
			{"priority", headsup.Policy{Name: headsup.PolicyWait, Priority: 101}},
			{"expects", headsup.Policy{Expects: headsup.Reply{To: "answers"}}},
			{"expects", headsup.Policy{Name: headsup.PolicyInterrupt, With: "survey", Expects: headsup.Reply{Wanted: true}}},
			{"reply_to", headsup.Policy{Expects: headsup.Reply{Wanted: true, To: "nobody"}}},
			{"reply_within", headsup.Policy{Expects: headsup.Reply{Wanted: true, Within: -1}}},
		} {
			_, err := f.engine.Notify(t.Context(), headsup.Notification{To: toAnnAlone(), Text: "x", Policy: c.policy})
			if field, ok := errors.AsType[*proactive.FieldError](err); !ok || field.Field != c.field {
				t.Errorf("%+v: %v, want one of %s", c.policy, err, c.field)
			}
		}
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: toAnnAlone(), Policy: headsup.Policy{Name: headsup.PolicyInterrupt}})
		if err == nil {
			t.Error("a notification that says nothing and interrupts with nobody is accepted")
		}
	})
}
