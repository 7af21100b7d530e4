package dialog_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

var _ proactive.Interrupter = (*dialog.Set)(nil)

// TestNotificationsRespectDialogs: in the middle of a booking a price falls. The notification's policy decides.
func TestNotificationsRespectDialogs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy headsup.Policy
		script string
	}{
		"adhoc": {headsup.Policy{}, `
			< Las Vegas is cheaper.
			> 2
			< Rome, is that right? (1) Yes or (2) No
			> yes
			< Booked.`},
		"wait": {headsup.Policy{Name: headsup.PolicyWait}, `
			> 2
			< Rome, is that right? (1) Yes or (2) No
			> yes
			< Booked.
			wait
			< Las Vegas is cheaper.`},
		"interrupt": {headsup.Policy{Name: headsup.PolicyInterrupt}, `
			< Las Vegas is cheaper.
			< How many are you?
			> 2
			< Rome, is that right? (1) Yes or (2) No`},
		"interrupt with a dialog": {headsup.Policy{Name: headsup.PolicyInterrupt, With: "survey"}, `
			< Las Vegas is cheaper.
			< How do you like us?
			> done
			< Thanks.
			< How many are you?
			> 2
			< Rome, is that right? (1) Yes or (2) No`},
		"cancel": {headsup.Policy{Name: headsup.PolicyCancel}, `
			< Las Vegas is cheaper.
			> 2
			< You said 2`},
		"drop": {headsup.Policy{Name: headsup.PolicyDrop}, `
			> 2
			< Rome, is that right? (1) Yes or (2) No
			> yes
			< Booked.
			wait
			> hello
			< You said hello`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, rec, set := memory.New(), &bottest.Recorder{}, newSet(t, dialog.Config{}, all()...)
				engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: away{rec}})
				if err != nil {
					t.Fatal(err)
				}
				bot, err := headsup.New(headsup.Config{
					AppID: "app", Channel: rec, Turns: store, Notifier: engine,
					Middleware: []headsup.Middleware{engine.Middleware(), state.Middleware(store), engine.Replies()},
				}, newMux(set))
				if err != nil {
					t.Fatal(err)
				}
				if err := engine.Converse(bot, set); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() {
					if err := engine.Run(ctx); err != nil {
						t.Error(err)
					}
				}()
				chat := &bottest.Chat{Bot: bot, Recorder: rec}
				chat.Play(t, "> book\n< Where to?\n> Rome\n< How many are you?")
				n := headsup.Notification{
					To: headsup.ToConversation(chat.Reference()), Text: "Las Vegas is cheaper.", Policy: c.policy, Value: jsontext.Value(`{}`),
				}
				if _, err := engine.Notify(ctx, n); err != nil {
					t.Fatal(err)
				}
				playInParts(t, chat, c.script)
			})
		})
	}
}

// away is a channel that is not where the bot is: what is delivered arrives after what the bot has just said was looked at.
type away struct{ headsup.Channel }

func (c away) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	time.Sleep(time.Millisecond)
	return c.Channel.Send(ctx, out)
}

// playInParts plays a script whose parts are parted by lines that say wait, when whatever is due is said.
func playInParts(t *testing.T, chat *bottest.Chat, script string) {
	t.Helper()
	for part := range strings.SplitSeq(script, "wait\n") {
		time.Sleep(time.Second)
		synctest.Wait()
		chat.Play(t, part)
	}
}
