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
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// ways is a channel of several ways to people, which notes when something was said where.
type ways struct {
	*bottest.Recorder
	fail map[string]*headsup.SendError // by conversation

	mu    sync.Mutex
	began time.Time
	said  []string
}

func (w *ways) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	id := string(out.Reference.Conversation.ID)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail[id]; err != nil {
		return activity.ResourceResponse{}, err
	}
	w.said = append(w.said, fmt.Sprintf("%s after %s", id, time.Since(w.began).Round(time.Second)))
	return w.Recorder.Send(ctx, out)
}

func (w *ways) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, ", ")
}

// onAllWays runs a test with Ann, who is one human in a chat, by e-mail and by SMS, and her boss, who is in a chat.
func onAllWays(t *testing.T, fail map[string]*headsup.SendError, test func(t *testing.T, f fixture, w *ways)) {
	w := &ways{Recorder: &bottest.Recorder{}, fail: fail}
	withinOn(t, w.Recorder, w, silent, func(t *testing.T, f fixture) {
		f.meetsAnn(t)
		w.mu.Lock()
		w.began = time.Now()
		w.mu.Unlock()
		test(t, f, w)
	})
}

func (f fixture) meetsAnn(t *testing.T) {
	t.Helper()
	var ann []book.PersonRow
	for _, who := range []struct{ channel, conversation, user string }{
		{"test", "chat", "ann"}, {"email", "mail", "ann@example.com"}, {"sms", "phone", "+15551234567"}, {"test", "boss", "bo"},
	} {
		a := inbound("hi-"+who.user, who.conversation, who.user, "hi")
		a.ChannelID = activity.ChannelID(who.channel)
		f.hear(t, a)
		people, err := f.store.ListPeople(t.Context(), "app", book.PeopleFilter{PersonKey: book.PersonKey{User: activity.AccountID(who.user)}}, 0, 10)
		if err != nil || len(people) != 1 {
			t.Fatal(people, err)
		}
		if who.user != "bo" {
			ann = append(ann, people[0].Row)
		}
	}
	if _, err := f.store.Merge(t.Context(), "app", ann, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func permanently() *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "no"}
}

func unavailable() *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unavailable"}
}

// TestFallback: the ways of a notification, by what becomes of them.
func TestFallback(t *testing.T) {
	const minute = time.Minute
	by := func(channel string, after time.Duration, unless headsup.Unless) headsup.Fallback {
		return headsup.Fallback{Channel: activity.ChannelID(channel), After: after, Unless: unless}
	}
	order := func(unless headsup.Unless) []headsup.Fallback {
		return []headsup.Fallback{by("email", 10*minute, unless), by("sms", 20*minute, unless)}
	}
	boss := headsup.Target{User: "bo"}
	type deed struct {
		after time.Duration
		do    func(t *testing.T, f fixture, s proactive.Status)
	}
	received := func(i int, kind outbox.ReceiptKind) func(*testing.T, fixture, proactive.Status) {
		return func(t *testing.T, f fixture, s proactive.Status) {
			t.Helper()
			r := proactive.Receipt{Delivery: proactive.DeliveryText(s.Deliveries[i].ID), Kind: kind, By: "ann", Detail: "x"}
			if news, err := f.engine.Receive(t.Context(), r); err != nil || !news {
				t.Errorf("the receipt: %v, %v", news, err)
			}
		}
	}
	for name, test := range map[string]struct {
		fallback []headsup.Fallback
		change   func(*headsup.Notification)
		fail     map[string]*headsup.SendError
		deeds    []deed
		said     string
		states   string
	}{
		"delivered": {fallback: order(""), said: "chat after 0s", states: "delivered suppressed suppressed"},
		"unread":    {fallback: order("read"), said: "chat after 0s, mail after 10m0s, phone after 30m0s", states: "delivered delivered delivered"},
		"read in time": {
			fallback: order("read"), deeds: []deed{{9 * minute, received(0, outbox.ReceiptRead)}},
			said: "chat after 0s", states: "delivered suppressed suppressed",
		},
		"read after the mail": {
			fallback: order("read"), deeds: []deed{{11 * minute, received(0, outbox.ReceiptRead)}},
			said: "chat after 0s, mail after 10m0s", states: "delivered delivered suppressed",
		},
		"mail answered": {
			fallback: order("read"), deeds: []deed{{29 * minute, received(1, outbox.ReceiptAnswered)}},
			said: "chat after 0s, mail after 10m0s", states: "delivered delivered suppressed",
		},
		"a like is a sign of reading": {
			fallback: order("read"), deeds: []deed{{minute, received(0, outbox.ReceiptReacted)}}, said: "chat after 0s", states: "delivered suppressed suppressed",
		},
		"a like is no answer": {
			fallback: order("answered")[:1], deeds: []deed{{minute, received(0, outbox.ReceiptReacted)}},
			said: "chat after 0s, mail after 10m0s", states: "delivered delivered",
		},
		"a button is an answer": {
			fallback: order("answered"), deeds: []deed{{minute, received(0, outbox.ReceiptClicked)}}, said: "chat after 0s", states: "delivered suppressed suppressed",
		},
		"the chat refuses": {
			fallback: order(""), fail: map[string]*headsup.SendError{"chat": permanently()},
			said: "mail after 0s", states: "failed delivered suppressed",
		},
		"the chat refuses, and the mail is unread": {
			fallback: order("read"), fail: map[string]*headsup.SendError{"chat": permanently()},
			said: "mail after 0s, phone after 20m0s", states: "failed delivered delivered",
		},
		"chat and mail refuse": {
			fallback: order(""), fail: map[string]*headsup.SendError{"chat": permanently(), "mail": permanently()},
			said: "phone after 0s", states: "failed failed delivered",
		},
		"all refuse": {
			fallback: order(""), fail: map[string]*headsup.SendError{"chat": permanently(), "mail": permanently(), "phone": permanently()},
			states: "failed failed failed",
		},
		"the mail comes back": {
			fallback: order(""), fail: map[string]*headsup.SendError{"chat": permanently()}, deeds: []deed{{minute, received(1, outbox.ReceiptBounced)}},
			said: "mail after 0s", states: "failed delivered suppressed", // delivered was good enough when it was asked
		},
		"the mail comes back in time": {
			fallback: order("read"), fail: map[string]*headsup.SendError{"chat": permanently()}, deeds: []deed{{minute, received(1, outbox.ReceiptBounced)}},
			said: "mail after 0s, phone after 1m0s", states: "failed delivered delivered",
		},
		"nobody knows whether the chat did": { // it may be read, so it has its time
			fallback: order("")[:1], fail: map[string]*headsup.SendError{"chat": {Meaning: headsup.MeaningUnknown, Reason: "lost"}},
			change: func(n *headsup.Notification) { n.OnUnknown = headsup.OnUnknownHold },
			said:   "mail after 10m0s", states: "unknown delivered",
		},
		"the chat is tried again": {
			fallback: order("")[:1], fail: map[string]*headsup.SendError{"chat": unavailable()},
			deeds: []deed{{12 * minute, func(t *testing.T, f fixture, s proactive.Status) {
				t.Helper()
				if _, err := f.engine.Cancel(t.Context(), s.ID); err != nil {
					t.Fatal(err)
				}
			}}},
			said: "mail after 10m0s", states: "cancelled delivered",
		},
		"unless delivered, then unless read": {
			fallback: []headsup.Fallback{by("email", 10*minute, ""), by("sms", 20*minute, "read")},
			said:     "chat after 0s, phone after 20m0s", states: "delivered suppressed delivered",
		},
		"no such channel": {fallback: []headsup.Fallback{by("fax", 0, "read"), by("sms", 0, "read")}, said: "chat after 0s, phone after 10m0s", states: "delivered delivered"},
		"nowhere else":    {fallback: []headsup.Fallback{by("fax", 0, "read")}, said: "chat after 0s", states: "delivered"},
		"the boss is told": {
			fallback: []headsup.Fallback{{To: &boss, After: 30 * minute, Unless: "answered"}}, said: "chat after 0s, boss after 30m0s", states: "delivered delivered",
		},
		"later": {
			fallback: order("read")[:1], change: func(n *headsup.Notification) { n.In = time.Hour },
			said: "chat after 1h0m0s, mail after 1h10m0s", states: "delivered delivered",
		},
		"moved": {
			fallback: order("read")[:1], change: func(n *headsup.Notification) { n.In = 2 * time.Hour },
			deeds: []deed{{minute, func(t *testing.T, f fixture, s proactive.Status) {
				t.Helper()
				if _, err := f.engine.Reschedule(t.Context(), s.ID, time.Time{}, time.Minute); err != nil {
					t.Fatal(err)
				}
			}}},
			said: "chat after 2m0s, mail after 12m0s", states: "delivered delivered",
		},
		"cancelled": {
			fallback: order("read"), deeds: []deed{{minute, func(t *testing.T, f fixture, s proactive.Status) {
				t.Helper()
				if _, err := f.engine.Cancel(t.Context(), s.ID); err != nil {
					t.Fatal(err)
				}
			}}},
			said: "chat after 0s", states: "delivered cancelled cancelled",
		},
		"recalled": {
			fallback: order("read"), deeds: []deed{{11 * minute, func(t *testing.T, f fixture, s proactive.Status) {
				t.Helper()
				if _, err := f.engine.Recall(t.Context(), s.ID); err != nil {
					t.Fatal(err)
				}
			}}},
			said: "chat after 0s, mail after 10m0s", states: "delivered delivered cancelled delivered delivered",
		},
		"expired": {
			fallback: order("read"), change: func(n *headsup.Notification) { n.ExpiresAt = time.Now().Add(15 * minute) },
			said: "chat after 0s, mail after 10m0s", states: "delivered delivered expired",
		},
		"the first of the ways leads nowhere": {
			fallback: []headsup.Fallback{{To: &headsup.Target{Conversation: "phone"}}, {To: &boss, Unless: "answered"}},
			change:   func(n *headsup.Notification) { n.To = headsup.Target{ExternalID: "nobody"} },
			said:     "phone after 0s, boss after 10m0s", states: "delivered delivered",
		},
		"replayed by hand": {
			fallback: order("")[:1], deeds: []deed{{minute, func(t *testing.T, f fixture, s proactive.Status) {
				t.Helper()
				if _, err := f.engine.Replay(t.Context(), proactive.DeliveryText(s.Deliveries[1].ID)); err != nil {
					t.Fatal(err)
				}
			}}},
			said: "chat after 0s, mail after 1m0s", states: "delivered delivered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			onAllWays(t, test.fail, func(t *testing.T, f fixture, w *ways) {
				n := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "hello", Fallback: test.fallback}
				if test.change != nil {
					test.change(&n)
				}
				id := f.notify(t, n).ID
				for _, d := range test.deeds {
					time.Sleep(d.after - time.Since(w.began))
					d.do(t, f, f.status(t, id))
				}
				time.Sleep(3*time.Hour - time.Since(w.began))
				s := f.status(t, id)
				var states []string
				for _, d := range s.Deliveries {
					states = append(states, string(d.State))
				}
				if got := w.all(); got != test.said || strings.Join(states, " ") != test.states {
					t.Errorf("said: %s\nwant: %s\nstates: %s\nwant:   %s", got, test.said, states, test.states)
				}
			})
		})
	}
}

// TestTopicsFallBack: what goes to one person or place falls back as its topic says, unless it says so itself. What leads nowhere
// is left out, and nothing that goes to several does.
func TestTopicsFallBack(t *testing.T) {
	w := &ways{Recorder: &bottest.Recorder{}}
	duty := proactive.Topic{Fallback: []headsup.Fallback{
		{Channel: "fax"}, {To: &headsup.Target{Address: "mailto:nobody@example.com"}}, {To: &headsup.Target{User: "nobody"}},
		{Channel: "sms", After: time.Minute, Unless: "read"}, {To: &headsup.Target{User: "bo"}, After: time.Hour, Unless: "answered"},
	}}
	set := func(c *proactive.Config) { c.Topics = map[string]proactive.Topic{"duty": duty} }
	withinOf(t, w.Recorder, w, silent, set, func(t *testing.T, f fixture) {
		f.meetsAnn(t)
		w.mu.Lock()
		w.began = time.Now()
		w.mu.Unlock()
		n := headsup.Notification{To: headsup.Target{Conversation: "chat"}, Topic: "duty", Text: "hello", Key: "k"}
		first := f.notify(t, n)
		if all, err := proactive.WaysOf(f.status(t, first.ID).Message); err != nil || len(all) != 2 {
			t.Errorf("the ways are %+v, %v", all, err)
		}
		if again := f.notify(t, n); !again.Replayed || again.ID != first.ID {
			t.Errorf("again: %+v", again)
		}
		f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "boss"}, Topic: "duty", Text: "own", Fallback: []headsup.Fallback{{Channel: "fax"}}})
		f.notify(t, headsup.Notification{To: headsup.Target{Everyone: true}, Topic: "duty", Text: "all"})
		time.Sleep(3 * time.Hour)
		want := "boss after 0s, boss after 0s, boss after 1h1m0s, chat after 0s, chat after 0s, mail after 0s, phone after 0s, phone after 1m0s"
		w.mu.Lock()
		slices.Sort(w.said)
		w.mu.Unlock()
		if got := w.all(); got != want {
			t.Errorf("said: %s\nwant: %s", got, want)
		}
	})
}

// TestFallbackShowsItsWays: what waits is held, and says for what.
func TestFallbackShowsItsWays(t *testing.T) {
	onAllWays(t, nil, func(t *testing.T, f fixture, w *ways) {
		n := headsup.Notification{To: headsup.Target{User: "ann"}, Text: "hello", Key: "k", Fallback: []headsup.Fallback{{Channel: "email", Unless: "read"}}}
		first := f.notify(t, n)
		time.Sleep(time.Second)
		s := f.status(t, first.ID)
		d := s.Deliveries[1]
		if d.State != outbox.StateHeld || d.Reason != proactive.ReasonFallback || d.Failures != 0 || d.DueAt.Sub(s.Deliveries[0].UpdatedAt) != headsup.DefaultFallbackAfter {
			t.Errorf("the second way is %+v", d)
		}
		if all, err := proactive.WaysOf(s.Message); err != nil || !slices.Equal(all, []proactive.Way{{Channel: "email", After: 10 * time.Minute, Unless: "read"}}) {
			t.Errorf("the ways are %+v, %v", all, err)
		}
		if again := f.notify(t, n); again.ID != first.ID || !again.Replayed {
			t.Errorf("again: %+v", again)
		}
		n.Fallback[0].After = time.Hour
		if _, err := f.engine.Notify(t.Context(), n); !errors.Is(err, proactive.ErrKeyReused) {
			t.Errorf("with another fallback: %v", err)
		}
		if _, err := f.engine.Edit(t.Context(), first.ID, proactive.Content{Text: "changed"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		if got := w.Texts("mail"); !slices.Equal(got, []string{"changed"}) {
			t.Errorf("by mail was said %q", got)
		}
	})
}

// TestFallbackIsChecked: the error names the field.
func TestFallbackIsChecked(t *testing.T) {
	onAllWays(t, nil, func(t *testing.T, f fixture, _ *ways) {
		ann := headsup.Target{User: "ann"}
		mail := headsup.Fallback{Channel: "email"}
		for field, n := range map[string]headsup.Notification{
			"fallback":            {To: headsup.Target{Everyone: true}, Fallback: []headsup.Fallback{mail}},
			"fallback[0]":         {To: ann, Fallback: []headsup.Fallback{{}}},
			"fallback[1]":         {To: ann, Fallback: []headsup.Fallback{mail, {Channel: "sms", To: &ann}}},
			"fallback[0].to":      {To: ann, Fallback: []headsup.Fallback{{To: &headsup.Target{User: "nobody"}}}},
			"fallback[1].to":      {To: ann, Fallback: []headsup.Fallback{mail, {To: &headsup.Target{Tag: "x"}}}},
			"fallback[0].unless":  {To: ann, Fallback: []headsup.Fallback{{Channel: "email", Unless: "burnt"}}},
			"fallback[0].after":   {To: ann, Fallback: []headsup.Fallback{{Channel: "email", After: 8 * 24 * time.Hour}}},
			"fallback[0].channel": {To: ann, Fallback: []headsup.Fallback{{Channel: "e\x00"}}},
			"many":                {To: ann, Fallback: slices.Repeat([]headsup.Fallback{mail}, headsup.MaxFallbacks+1)},
			"new":                 {To: ann, Fallback: []headsup.Fallback{mail}, Window: headsup.WindowNew},
			"tag":                 {To: headsup.Target{Tag: "x"}, Fallback: []headsup.Fallback{mail}},
		} {
			n.Text = "hello"
			_, err := f.engine.Notify(t.Context(), n)
			wrong, ok := errors.AsType[*proactive.FieldError](err)
			if !strings.HasPrefix(field, "fallback") {
				field = "fallback"
			}
			if !ok || wrong.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{ExternalID: "nobody"}, Text: "x", Fallback: []headsup.Fallback{mail}})
		if !errors.Is(err, proactive.ErrNoTarget) {
			t.Errorf("nobody anywhere: %v", err)
		}
	})
}

// TestFallbackAfterAnOutage: an engine that was away for longer than a way has time does not say both at once.
func TestFallbackAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &ways{Recorder: &bottest.Recorder{}, began: time.Now()}
		store := memory.New()
		f := fixture{channel: w.Recorder, around: w, store: store}
		engine := func() *proactive.Engine {
			e, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: w, Slots: 1})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		var err error
		f.engine = engine()
		if f.bot, err = headsup.New(headsup.Config{
			AppID: "app", Channel: w, Turns: store, Middleware: []headsup.Middleware{f.engine.Middleware()},
		}, headsup.HandlerFunc(silent)); err != nil {
			t.Fatal(err)
		}
		f.meetsAnn(t)
		n := f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "hello", Fallback: []headsup.Fallback{{Channel: "email"}}})
		time.Sleep(time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = engine().Run(ctx) })
		time.Sleep(5 * time.Minute)
		if got := w.all(); got != "chat after 1h0m0s" {
			t.Errorf("said: %s", got)
		}
		if s := f.status(t, n.ID); s.Deliveries[1].State != outbox.StateSuppressed || s.Deliveries[1].Reason != proactive.ReasonNotNeeded {
			t.Errorf("the second way is %+v", s.Deliveries[1])
		}
		stop()
		wg.Wait()
	})
}

// mortal is a store whose process dies before it can have something looked at sooner.
type mortal struct {
	proactive.Store
	dead atomic.Bool
}

func (s *mortal) Resume(ctx context.Context, in []book.Row, at time.Time) (int, error) {
	if s.dead.Load() {
		return 0, errors.New("the process is gone")
	}
	return s.Store.Resume(ctx, in, at)
}

// TestFallbackAfterADeath: when the process dies after the first way has failed and before the second was had to go on, the next
// process has it.
func TestFallbackAfterADeath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &ways{Recorder: &bottest.Recorder{}, began: time.Now(), fail: map[string]*headsup.SendError{"chat": permanently()}}
		inner := memory.New()
		store := &mortal{Store: inner}
		f := fixture{channel: w.Recorder, around: w, store: inner}
		run := func(d time.Duration) {
			e, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: w})
			if err != nil {
				t.Fatal(err)
			}
			f.engine = e
			ctx, stop := context.WithTimeout(t.Context(), d)
			defer stop()
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		}
		var err error
		if f.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: w}); err != nil {
			t.Fatal(err)
		}
		if f.bot, err = headsup.New(headsup.Config{
			AppID: "app", Channel: w, Turns: inner, Middleware: []headsup.Middleware{f.engine.Middleware()},
		}, headsup.HandlerFunc(silent)); err != nil {
			t.Fatal(err)
		}
		f.meetsAnn(t)
		f.notify(t, headsup.Notification{To: headsup.Target{User: "ann"}, Text: "hello", Fallback: []headsup.Fallback{{Channel: "email"}}})
		store.dead.Store(true)
		run(5 * time.Second)
		if got := w.all(); got != "" {
			t.Fatalf("said: %s", got)
		}
		store.dead.Store(false)
		run(5 * time.Second)
		if got := w.all(); !strings.HasPrefix(got, "mail after 5s") {
			t.Errorf("said: %s", got)
		}
	})
}

// TestAnsweredQuestionIsAReceipt: the engine itself notices the answer to what it has asked.
func TestAnsweredQuestionIsAReceipt(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		n := f.notify(t, headsup.Notification{
			To: headsup.Target{Conversation: "c"}, Text: "price?", Policy: headsup.Policy{Expects: headsup.Reply{Wanted: true, To: "answers"}},
		})
		time.Sleep(time.Second)
		f.hear(t, inbound("2", "c", "ann", "12"))
		if got := f.became(t, n.ID); got != "answered ann" {
			t.Errorf("became: %q", got)
		}
	})
}
