package proactive_test

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// A whole bot: it answers, it remembers whom it has met, and it speaks first. In a program of yours the store is
// store/sqlite, the channel headsup.NewConnectorChannel, and the bot is mounted at /api/messages.
func Example() {
	store, channel := memory.New(), &bottest.Recorder{}
	engine, err := proactive.New(proactive.Config{Store: store, Channel: channel})
	if err != nil {
		panic(err)
	}
	mux := headsup.NewMux()
	mux.Message(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "You said: "+t.Activity().Text)
		return err
	})
	bot, err := headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store, Notifier: engine,
		Middleware: []headsup.Middleware{engine.Middleware()},
	}, mux)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- engine.Run(ctx) }()

	arrives(bot, "hello") // the book has Ann from now on

	accepted, err := engine.Notify(ctx, headsup.Notification{
		To: headsup.Target{User: "ann"}, Text: "Your build is done.", Key: "build-1234",
	})
	if err != nil {
		panic(err)
	}
	status, err := engine.Wait(ctx, accepted.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(status.State())
	fmt.Println(channel.Texts("chat-1"))
	stop()
	fmt.Println(<-done)
	// Output:
	// delivered
	// [You said: hello Your build is done.]
	// <nil>
}

// What a handler wants to say later is accepted with Turn.Notify: it commits together with the turn, so that there is no
// notification of something that did not happen.
func Example_fromAHandler() {
	store, channel := memory.New(), &bottest.Recorder{}
	engine, err := proactive.New(proactive.Config{Store: store, Channel: channel})
	if err != nil {
		panic(err)
	}
	mux := headsup.NewMux()
	mux.Command("remind", func(ctx context.Context, t *headsup.Turn, what string) error {
		if _, err := t.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(t.Reference()), Text: "You wanted to " + what + ".", In: time.Hour,
		}); err != nil {
			return err
		}
		_, err := t.Say(ctx, "I will.")
		return err
	})
	bot, err := headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store, Notifier: engine,
		Middleware: []headsup.Middleware{engine.Middleware()},
	}, mux)
	if err != nil {
		panic(err)
	}
	arrives(bot, "remind stretch")

	fmt.Println(channel.Texts("chat-1"))
	counts, err := store.Counts(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(counts["scheduled"], "scheduled")
	// Output:
	// [I will.]
	// 1 scheduled
}

// A proactive message may be a turn: it runs through the bot's middleware and sees the state that earlier turns left.
func Example_turnThatNobodyAskedFor() {
	store, channel := memory.New(), &bottest.Recorder{}
	engine, err := proactive.New(proactive.Config{Store: store, Channel: channel})
	if err != nil {
		panic(err)
	}
	name := state.NewProperty[string](state.Conversation, "name")
	mux := headsup.NewMux()
	mux.Message(func(ctx context.Context, t *headsup.Turn) error { return name.Set(ctx, t, t.Activity().Text) })
	bot, err := headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store,
		Middleware: []headsup.Middleware{engine.Middleware(), state.Middleware(store)},
	}, mux)
	if err != nil {
		panic(err)
	}
	arrives(bot, "Ann")

	ctx := context.Background()
	book, err := engine.Conversation(ctx, "chat-1")
	if err != nil {
		panic(err)
	}
	err = bot.Continue(ctx, book.Reference, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		who, err := name.Load(ctx, t)
		if err != nil {
			return err
		}
		_, err = t.Say(ctx, "Are you still there, "+who+"?")
		return err
	}))
	fmt.Println(channel.Texts("chat-1"), err)
	// Output:
	// [Are you still there, Ann?] <nil>
}

// arrives hands the bot a message of Ann, as a channel would.
func arrives(bot *headsup.Bot, text string) {
	_, err := bot.Process(context.Background(), auth.Identity{Kind: auth.KindDevelopment}, &activity.Activity{
		Type: activity.TypeMessage, ID: "1", ChannelID: "test", ServiceURL: "https://channel.example", Text: text,
		From: &activity.ChannelAccount{ID: "ann"}, Recipient: &activity.ChannelAccount{ID: "bot"},
		Conversation: &activity.ConversationAccount{ID: "chat-1"},
	})
	if err != nil {
		panic(err)
	}
}
