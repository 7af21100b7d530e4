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

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// offering runs a test on a bot that answers everything, and says notifications, by a notice that a handler sends.
func offering(t *testing.T, ch *bottest.Recorder, n *card.Notice, test func(t *testing.T, f fixture)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: ch, store: memory.New(), pressed: new([]proactive.Press)}
		var err error
		if f.engine, err = proactive.New(proactive.Config{
			AppID: "app", Store: f.store, Channel: ch, ActionKeys: actionKeys, ActionURL: "https://bot.example.com/actions/",
		}); err != nil {
			t.Fatal(err)
		}
		offer := headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
			_, err := turn.SendNotice(ctx, n)
			return err
		})
		if f.bot, err = headsup.New(headsup.Config{
			AppID: "app", Channel: ch, Turns: f.store, Notifier: f.engine,
			Middleware: []headsup.Middleware{f.engine.Middleware(), state.Middleware(f.store), f.engine.Actions()},
		}, offer); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.engine.Act("approve", f.approve), f.engine.Handle("offer", f.bot, offer)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(t, f)
		stop()
		wg.Wait()
	})
}

// lastTickets are those behind the buttons of what was sent last, as they are signed, by what they do.
func (f fixture) lastTickets(t *testing.T) map[string]string {
	t.Helper()
	sent := f.channel.Sent()
	found := make(map[string]string)
	for _, part := range strings.Split(cardIn(t, sent[len(sent)-1].Activity), `"ticket":"`)[1:] {
		text, _, _ := strings.Cut(part, `"`)
		signed, err := tickets.Verify(text, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		found[signed.Do] = text
	}
	return found
}

func keysOf(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestAHandlerAnswersWithANotice, in the channel's form, with a button that its handler does once, for each time that it was sent.
func TestAHandlerAnswersWithANotice(t *testing.T) {
	offering(t, &bottest.Recorder{}, approval().Notice, func(t *testing.T, f fixture) {
		onWeb := func(a *activity.Activity) *activity.Activity {
			a.ChannelID = activity.ChannelDirectLine
			return a
		}
		f.hear(t, onWeb(inbound("1", "c", "ann", "what is to be done?")))
		buttons := f.lastTickets(t)
		if got := keysOf(buttons); !slices.Equal(got, []string{"do"}) { // she has asked, and nothing is kept to be said again
			t.Errorf("offered are %v", got)
		}
		f.hear(t, onWeb(presses("2", "c", "ann", buttons["do"])))
		if got := f.toldLast(t); got != "It is approved." || len(*f.pressed) != 1 {
			t.Errorf("told %q, done %+v", got, *f.pressed)
		}
		if p := (*f.pressed)[0]; p.Name != "approve" || string(p.Value) != `{"invoice":2041}` || p.Delivery != "" || p.Notification != "" {
			t.Errorf("done is %+v", p)
		}
		f.hear(t, onWeb(presses("3", "c", "ann", buttons["do"])))
		if got := f.toldLast(t); got != "That was done before." {
			t.Errorf("again: %q", got)
		}
		f.hear(t, onWeb(presses("4", "c", "ben", buttons["do"])))
		if got := f.toldLast(t); got != "This button was meant for somebody else." || len(*f.pressed) != 1 {
			t.Errorf("by another: %q, done %+v", got, *f.pressed)
		}
		f.hear(t, onWeb(inbound("5", "c", "ann", "and now?")))
		f.hear(t, onWeb(presses("6", "c", "ann", f.lastTickets(t)["do"])))
		if len(*f.pressed) != 2 {
			t.Errorf("of the second one done %+v", *f.pressed)
		}
		if err := f.bot.Continue(t.Context(), onWeb(inbound("", "c", "ann", "")).Reference(), headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
			_, err := turn.SendNotice(ctx, approval().Notice)
			return err
		})); err != nil {
			t.Fatal(err)
		}
		if got := keysOf(f.lastTickets(t)); !slices.Equal(got, []string{"do", "opt_out"}) { // nobody has asked
			t.Errorf("offered unasked are %v", got)
		}
	})
}

// TestAHandlerSaysANotificationByANotice: its buttons are the delivery's.
func TestAHandlerSaysANotificationByANotice(t *testing.T) {
	offering(t, &bottest.Recorder{}, approval().Notice, func(t *testing.T, f fixture) {
		ref := inbound("", "c", "ann", "").Reference()
		ref.ChannelID = activity.ChannelDirectLine
		id := f.notify(t, headsup.Notification{To: headsup.ToConversation(ref), Topic: "invoices", Handler: "offer"}).ID
		synctest.Wait()
		s := f.status(t, id)
		if s.Deliveries[0].State != outbox.StateDelivered {
			t.Fatalf("it is %+v", s.Deliveries[0])
		}
		buttons := f.lastTickets(t)
		if got := keysOf(buttons); !slices.Equal(got, []string{"do", "mute"}) {
			t.Errorf("offered are %v", got)
		}
		press := presses("1", "c", "ann", buttons["do"])
		press.ChannelID = activity.ChannelDirectLine
		f.hear(t, press)
		if p := *f.pressed; len(p) != 1 || p[0].Notification != id || p[0].Topic != "invoices" || p[0].Delivery == "" {
			t.Errorf("done is %+v", p)
		}
		if got := f.became(t, id); !strings.Contains(got, "clicked") {
			t.Errorf("it became %q", got)
		}
		mute := presses("2", "c", "ann", buttons["mute"])
		mute.ChannelID = activity.ChannelDirectLine
		f.hear(t, mute)
		if p, err := f.engine.Preferences(t.Context(), headsup.KeyOf("app", ref)); err != nil || p.Topics["invoices"] || len(p.Topics) != 1 {
			t.Errorf("wanted is %+v, %v", p, err)
		}
	})
}

// TestNoticesThatHandlersSendAreChecked: nothing is sent of one that is wrong, and elsewhere than on cards it is a text.
func TestNoticesThatHandlersSendAreChecked(t *testing.T) {
	offering(t, &bottest.Recorder{}, approval().Notice, func(t *testing.T, f fixture) {
		ref := inbound("", "c", "ann", "").Reference()
		ref.ChannelID = "slack"
		try := func(send func(ctx context.Context, turn *headsup.Turn) error) error {
			return f.bot.Continue(t.Context(), ref, headsup.HandlerFunc(send))
		}
		both := activity.Message("beside it")
		both.Attachments = []activity.Attachment{{ContentType: card.ContentType, Content: jsontext.Value(`{"what":"x"}`)}}
		unknown := both.Clone()
		unknown.Text, unknown.Attachments[0].Content = "", jsontext.Value(`{"what":"x","whatever":1}`)
		for field, send := range map[string]func(ctx context.Context, turn *headsup.Turn) error{
			"notice.what": func(ctx context.Context, turn *headsup.Turn) error {
				_, err := turn.SendNotice(ctx, &card.Notice{Text: "x"})
				return err
			},
			"activity.attachments": func(ctx context.Context, turn *headsup.Turn) error {
				_, err := turn.Send(ctx, both)
				return err
			},
			"whatever": func(ctx context.Context, turn *headsup.Turn) error {
				_, err := turn.Send(ctx, unknown)
				return err
			},
		} {
			if err := try(send); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		if n := len(f.channel.Sent()); n != 0 {
			t.Errorf("%d were sent", n)
		}
		if err := try(func(ctx context.Context, turn *headsup.Turn) error {
			_, err := turn.SendNotice(ctx, approval().Notice)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if a := f.channel.Sent()[0].Activity; a.TextFormat != activity.TextMarkdown || len(a.Attachments) != 0 || !strings.Contains(a.Text, "The invoice needs your approval**") {
			t.Errorf("sent is %+v", a)
		}
	})
	bot, err := headsup.New(headsup.Config{AppID: "app", Channel: &bottest.Recorder{}, Turns: memory.New()}, headsup.HandlerFunc(silent))
	if err != nil {
		t.Fatal(err)
	}
	err = bot.Continue(t.Context(), inbound("", "c", "ann", "").Reference(), headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
		_, err := turn.SendNotice(ctx, approval().Notice)
		return err
	}))
	if err == nil || !strings.Contains(err.Error(), "no Notifier") {
		t.Errorf("without a Notifier: %v", err)
	}
}

// TestANoticeIsSaidOnceWhenItsTurnRunsAgain, though its buttons are good for longer then.
func TestANoticeIsSaidOnceWhenItsTurnRunsAgain(t *testing.T) {
	offering(t, &bottest.Recorder{Once: true}, approval().Notice, func(t *testing.T, f fixture) {
		failing := true
		bot, err := headsup.New(headsup.Config{AppID: "app", Channel: f.channel, Turns: f.store, Notifier: f.engine, Middleware: []headsup.Middleware{f.engine.Middleware()}},
			headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
				if _, err := turn.SendNotice(ctx, approval().Notice); err != nil || !failing {
					return err
				}
				failing = false
				return errors.New("the end of the turn is lost")
			}))
		if err != nil {
			t.Fatal(err)
		}
		f.bot = bot
		a := inbound("1", "c", "ann", "what is to be done?")
		a.ChannelID = activity.ChannelDirectLine
		if _, err := bot.Process(t.Context(), developer, a); err == nil {
			t.Fatal("the first turn did not fail")
		}
		time.Sleep(2 * time.Second)
		f.hear(t, a)
		if n := len(f.channel.Sent()); n != 1 {
			t.Errorf("it is said %d times", n)
		}
	})
}
