package survey_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/examples/survey"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// TestSurveyComesInBetween: Ann orders coffee when Ben asks everybody for their opinion. The survey has the conversation
// until she is done, and then her order goes on where it was.
func TestSurveyComesInBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, rec := memory.New(), &bottest.Recorder{}
		engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: rec})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		defer func() {
			stop()
			if err := <-ran; err != nil {
				t.Error(err)
			}
		}()
		chat := func(bot *headsup.Bot, name string) *bottest.Chat {
			return &bottest.Chat{Bot: bot, Recorder: rec, User: activity.AccountID(name), Conversation: activity.ConversationID(name)}
		}
		bot := newBot(t, engine, store, rec)
		go func() { ran <- engine.Run(ctx) }()
		ann, ben := chat(bot, "ann"), chat(bot, "ben")
		ann.Play(t, `
			> hello
			< Say "coffee" to order one, or "survey" to ask everybody else what they think of ours.
			> coffee
			< A small or a large coffee? (1) Small or (2) Large
			> large
			< With milk? (1) Yes or (2) No`)
		ben.Play(t, `
			> survey
			< I ask 1 person.`)
		synctest.Wait()
		ann.Play(t, `
			< May I interrupt? What do you think of our coffee? Say "done" when you have said it all.
			> no
			< I have written that down. What else? Or "done".
			> a little cold
			< I have written that down. What else? Or "done".
			> Done
			< Thank you for your 2 opinions. Back to where we were.
			< With milk? (1) Yes or (2) No
			> yes
			< What name shall we call?
			> Ann
			< A large coffee, with milk, for Ann. Five minutes!`)
		ben.Play(t, "> coffee\n< A small or a large coffee? (1) Small or (2) Large")
	})
}

func newBot(t *testing.T, engine *proactive.Engine, store *memory.Store, rec *bottest.Recorder) *headsup.Bot {
	t.Helper()
	b, err := survey.New(engine)
	if err != nil {
		t.Fatal(err)
	}
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: rec, Turns: store, Notifier: engine,
		Middleware: []headsup.Middleware{engine.Middleware(), state.Middleware(store), engine.Replies()},
	}, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Converse(bot, b.Dialogs()); err != nil {
		t.Fatal(err)
	}
	return bot
}
