package proactive_test

import (
	"context"
	"errors"
	"fmt"
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

// visits is what the tests' handlers keep of a conversation.
type visits struct {
	N int `json:"n"`
}

func toAnnAlone() headsup.Target {
	return headsup.ToConversation(inbound("", "c", "ann", "").Reference())
}

// handling runs a test on an engine whose handler "h" says notifications.
func handling(t *testing.T, ch *bottest.Recorder, h headsup.HandlerFunc, test func(t *testing.T, f fixture)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: ch, store: memory.New()}
		var err error
		if f.engine, err = proactive.New(proactive.Config{AppID: "app", Store: f.store, Channel: ch}); err != nil {
			t.Fatal(err)
		}
		if f.bot, err = headsup.New(headsup.Config{
			AppID: "app", Channel: ch, Turns: f.store, Notifier: f.engine,
			Middleware: []headsup.Middleware{f.engine.Middleware(), state.Middleware(f.store)},
		}, headsup.HandlerFunc(silent)); err != nil {
			t.Fatal(err)
		}
		if err := f.engine.Handle("h", f.bot, h); err != nil {
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

// TestHandlerSaysIt: in a turn with the notification's value and the conversation's state.
func TestHandlerSaysIt(t *testing.T) {
	property := state.NewProperty[visits](state.Conversation, "visits")
	handling(t, &bottest.Recorder{}, func(ctx context.Context, turn *headsup.Turn) error {
		v, err := property.Load(ctx, turn)
		if err != nil {
			return err
		}
		v.N++
		if err := property.Set(ctx, turn, v); err != nil {
			return err
		}
		a := turn.Activity()
		var price int
		if err := json.Unmarshal(a.Value, &price); err != nil {
			return err
		}
		if a.Type != activity.TypeEvent || a.Name != activity.EventContinueConversation || !turn.Proactive() {
			return fmt.Errorf("the activity is %s %s", a.Type, a.Name)
		}
		if _, err := turn.Say(ctx, fmt.Sprintf("%d. now %d", v.N, price)); err != nil {
			return err
		}
		_, err = turn.Say(ctx, "book?")
		return err
	}, func(t *testing.T, f fixture) {
		for i, price := range []string{"80", "70"} {
			id := f.notify(t, headsup.Notification{To: toAnnAlone(), Handler: "h", Value: jsontext.Value(price)}).ID
			synctest.Wait()
			s := f.status(t, id)
			if d := s.Deliveries[0]; d.State != outbox.StateDelivered || d.Activity == "" || d.Claims != 1 {
				t.Errorf("delivery %d is %+v", i, d)
			}
		}
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"1. now 80", "book?", "2. now 70", "book?"}) {
			t.Errorf("said %q", got)
		}
	})
}

// TestHandlerThatIsCutOffEndsPartial: what the channel has taken is not said again.
func TestHandlerThatIsCutOffEndsPartial(t *testing.T) {
	property := state.NewProperty[visits](state.Conversation, "visits")
	runs := 0
	handling(t, &bottest.Recorder{}, func(ctx context.Context, turn *headsup.Turn) error {
		runs++
		if err := property.Set(ctx, turn, visits{runs}); err != nil {
			return err
		}
		if _, err := turn.Say(ctx, "one"); err != nil {
			return err
		}
		return errors.New("the rest is missing")
	}, func(t *testing.T, f fixture) {
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Handler: "h"}).ID
		time.Sleep(time.Hour)
		d := f.status(t, id).Deliveries[0]
		if last := d.History[len(d.History)-1]; d.State != outbox.StateFailed || d.Reason != outbox.ReasonPartial ||
			runs != 1 || !strings.Contains(last.Detail, "the rest is missing") {
			t.Errorf("after %d runs it is %s (%s, %s)", runs, d.State, d.Reason, last.Detail)
		}
		docs, err := f.store.ReadState(t.Context(), []state.Key{{AppID: "app", Path: state.ConversationPath(d.Key)}})
		if err != nil || len(docs) != 0 {
			t.Errorf("the turn that failed has left %v, %v", docs, err)
		}
		if _, err := f.engine.Replay(t.Context(), proactive.DeliveryText(d.ID)); err != nil { // somebody wants it all the same
			t.Fatal(err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); len(got) != 2 {
			t.Errorf("after the replay, said %q", got)
		}
	})
}

func TestHandlerThatFailsBeforeItSaysAnythingIsTriedAgain(t *testing.T) {
	runs := 0
	handling(t, &bottest.Recorder{}, func(ctx context.Context, turn *headsup.Turn) error {
		if runs++; runs == 1 {
			return errors.New("not yet")
		}
		if runs == 2 {
			panic("never")
		}
		_, err := turn.Say(ctx, "now")
		return err
	}, func(t *testing.T, f fixture) {
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Handler: "h"}).ID
		time.Sleep(time.Minute)
		d := f.status(t, id).Deliveries[0]
		if d.State != outbox.StateDelivered || d.Failures != 2 || runs != 3 {
			t.Errorf("after %d runs it is %s (%s) with %d failures", runs, d.State, d.Reason, d.Failures)
		}
	})
}

func TestHandlerThatSaysNothingIsSuppressed(t *testing.T) {
	handling(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Handler: "h"}).ID
		synctest.Wait()
		if d := f.status(t, id).Deliveries[0]; d.State != outbox.StateSuppressed || d.Reason != outbox.ReasonNothingSaid {
			t.Errorf("it is %s (%s)", d.State, d.Reason)
		}
	})
}

func TestRecallTakesBackAllThatAHandlerHasSaid(t *testing.T) {
	handling(t, &bottest.Recorder{}, func(ctx context.Context, turn *headsup.Turn) error {
		_, err := turn.Send(ctx, activity.Message("one"), activity.Message("two"))
		return err
	}, func(t *testing.T, f fixture) {
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Handler: "h"}).ID
		synctest.Wait()
		if _, err := f.engine.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); len(got) != 0 {
			t.Errorf("left are %q", got)
		}
	})
}

func TestNotificationsForHandlersAreChecked(t *testing.T) {
	handling(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		for field, n := range map[string]headsup.Notification{
			"handler":      {To: toAnnAlone(), Handler: "nobody"},
			"conversation": {To: toAnnAlone(), Handler: "h", Window: headsup.WindowNew},
			"value":        {To: toAnnAlone(), Handler: "h", Value: jsontext.Value(`{"a":1,"a":2}`)},
		} {
			_, err := f.engine.Notify(t.Context(), n)
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != field {
				t.Errorf("%+v gives %v, want one about %s", n, err, field)
			}
		}
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: toAnnAlone(), Handler: "h", Text: "x"})
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != "handler" {
			t.Errorf("with a text, too: %v", err)
		}
		if err := f.engine.Handle("h", f.bot, nil); err == nil {
			t.Error("a second handler of that name is taken")
		}
	})
}
