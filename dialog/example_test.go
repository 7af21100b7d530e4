package dialog_test

import (
	"context"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// table is what somebody wants to have reserved.
type table struct {
	Name   string `json:"name"`
	Guests int64  `json:"guests"`
}

// A waterfall asks for one thing after the other; each step gets what the question before has brought.
func Example() {
	type step = dialog.Step[table, table]
	name, guests := dialog.Text("name"), dialog.Integer("guests").Retry("Sorry, how many?")
	reserve := dialog.NewWaterfall("reserve",
		func(_ context.Context, s *step) (dialog.Action, error) { return name.Ask("Your name, please?"), nil },
		func(_ context.Context, s *step) (dialog.Action, error) {
			s.Data.Name = name.Answer(s)
			return guests.Ask("For how many?"), nil
		},
		func(ctx context.Context, s *step) (dialog.Action, error) {
			s.Data.Guests = guests.Answer(s)
			_, err := s.Turn.Say(ctx, fmt.Sprintf("A table for %d, %s. See you!", s.Data.Guests, s.Data.Name))
			return s.End(s.Data), err
		})

	set, err := dialog.NewSet(dialog.Config{Start: reserve.Begin(table{})}, reserve, name, guests)
	if err != nil {
		fmt.Println(err)
		return
	}
	store, channel := memory.New(), &bottest.Recorder{} // in a program: store/sqlite, and a channel
	bot, err := headsup.New(headsup.Config{
		Channel: channel, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)},
	}, set)
	if err != nil {
		fmt.Println(err)
		return
	}

	chat := &bottest.Chat{Bot: bot, Recorder: channel}
	for _, text := range []string{"hello", "Ann", "some friends", "four of us"} {
		replies, err := chat.Say(context.Background(), text)
		fmt.Println(">", text)
		fmt.Println("<", replies, err)
	}
	// Output:
	// > hello
	// < [Your name, please?] <nil>
	// > Ann
	// < [For how many?] <nil>
	// > some friends
	// < [Sorry, how many?] <nil>
	// > four of us
	// < [A table for 4, Ann. See you!] <nil>
}

// Something comes up in the middle of a conversation. When it is over, the conversation goes on where it stopped.
func ExampleSet_Interrupt() {
	name := dialog.Text("name")
	reserve := dialog.NewWaterfall("reserve",
		func(context.Context, *dialog.Step[table, table]) (dialog.Action, error) {
			return name.Ask("Your name, please?"), nil
		})
	fire := dialog.NewWaterfall("fire",
		func(ctx context.Context, s *dialog.Step[map[string]string, dialog.None]) (dialog.Action, error) {
			return dialog.Wait(), say(ctx, s.Turn, s.Data["what"]+" Say ok when you are outside.")
		})
	set, err := dialog.NewSet(dialog.Config{Start: reserve.Begin(table{})}, reserve, name, fire)
	if err != nil {
		fmt.Println(err)
		return
	}
	store, channel := memory.New(), &bottest.Recorder{}
	bot, err := headsup.New(headsup.Config{
		Channel: channel, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)},
	}, set)
	if err != nil {
		fmt.Println(err)
		return
	}
	chat := &bottest.Chat{Bot: bot, Recorder: channel}
	ctx := context.Background()

	replies, _ := chat.Say(ctx, "hello")
	fmt.Println(replies)
	err = bot.Continue(ctx, chat.Reference(), headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		return set.Interrupt(ctx, t, "fire", []byte(`{"what":"There is a fire drill."}`))
	}))
	fmt.Println(chat.Replies(), err)
	replies, _ = chat.Say(ctx, "ok")
	fmt.Println(replies)
	// Output:
	// [Your name, please?]
	// [There is a fire drill. Say ok when you are outside.] <nil>
	// [Your name, please?]
}

func say(ctx context.Context, t *headsup.Turn, text string) error {
	_, err := t.Say(ctx, text)
	return err
}
