// Package survey is the survey bot: while somebody orders coffee, a survey comes in between and takes over the conversation
// until the person says "done"; then the order goes on where it was.
//
//	coffee       order coffee: three questions
//	survey       ask everybody else for their opinion, now, whatever they are doing
package survey

import (
	"context"
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
)

const help = `Say "coffee" to order one, or "survey" to ask everybody else what they think of ours.`

const welcome = "Welcome! You get this because you opened a chat with the survey bot. " + help

// Bot is the survey bot.
type Bot struct {
	*headsup.Mux

	engine  *proactive.Engine
	dialogs *dialog.Set
}

// New makes the bot.
func New(engine *proactive.Engine) (*Bot, error) {
	b := &Bot{Mux: headsup.NewMux(), engine: engine}
	var err error
	if b.dialogs, err = dialog.NewSet(dialog.Config{}, coffee, size, milk, name, opinions, opinion); err != nil {
		return nil, err
	}
	b.MembersAdded(func(ctx context.Context, t *headsup.Turn, _ []activity.ChannelAccount) error {
		return say(ctx, t, welcome)
	})
	b.Message(b.dialogs.Or(b.command))
	return b, nil
}

// Dialogs are what may interrupt: give it to [proactive.Engine.Converse] with the bot.
func (b *Bot) Dialogs() proactive.Interrupter { return b.dialogs }

func say(ctx context.Context, t *headsup.Turn, text string) error {
	m := activity.Message(text)
	m.TextFormat = activity.TextPlain
	_, err := t.Send(ctx, m)
	return err
}

// command is for what people say while no dialog is running: to a dialog, "coffee" may be an answer.
func (b *Bot) command(ctx context.Context, t *headsup.Turn) error {
	switch strings.ToLower(strings.TrimSpace(t.Activity().Text)) {
	case "coffee":
		_, err := b.dialogs.Run(ctx, t, coffee.Begin(Order{}))
		return err
	case "survey":
		return b.ask(ctx, t)
	default:
		return say(ctx, t, help)
	}
}

// ask interrupts everybody else.
func (b *Bot) ask(ctx context.Context, t *headsup.Turn) error {
	asked := 0
	for after := book.Row(0); ; {
		page, err := b.engine.Conversations(ctx, book.Filter{Reach: book.ReachActive}, after, proactive.MaxBatch)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return say(ctx, t, "I ask "+people(asked)+".")
		}
		after = page[len(page)-1].Row
		var all []headsup.Notification
		for _, c := range page {
			if c.Key != t.Key() {
				all = append(all, headsup.Notification{
					To: headsup.ToConversation(c.Reference), Topic: "survey",
					Policy: headsup.Policy{Name: headsup.PolicyInterrupt, With: opinions.ID()},
					Key:    fmt.Sprintf("survey %s %d", t.Activity().ID, c.Row), // a turn may run again; nobody is asked twice
				})
			}
		}
		results, err := b.engine.NotifyAll(ctx, all)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err == nil {
				asked++
			}
		}
	}
}

// Order is a coffee.
type Order struct {
	Size string `json:"size,omitzero"`
	Milk bool   `json:"milk,omitzero"`
}

type orderStep = dialog.Step[Order, dialog.None]

var (
	size = dialog.Choose("size", dialog.Choices("Small", "Large")...)
	milk = dialog.Confirm("milk")
	name = dialog.Text("name")

	coffee = dialog.NewWaterfall("coffee",
		func(_ context.Context, _ *orderStep) (dialog.Action, error) {
			return size.Ask("A small or a large coffee?"), nil
		},
		func(_ context.Context, s *orderStep) (dialog.Action, error) {
			s.Data.Size = strings.ToLower(size.Answer(s).Value)
			return milk.Ask("With milk?"), nil
		},
		func(_ context.Context, s *orderStep) (dialog.Action, error) {
			s.Data.Milk = milk.Answer(s)
			return name.Ask("What name shall we call?"), nil
		},
		func(ctx context.Context, s *orderStep) (dialog.Action, error) {
			with := "black"
			if s.Data.Milk {
				with = "with milk"
			}
			return s.End(dialog.None{}), say(ctx, s.Turn, fmt.Sprintf("A %s coffee, %s, for %s. Five minutes!", s.Data.Size, with, name.Answer(s)))
		})
)

// Opinions are what somebody has said in a survey.
type Opinions struct {
	Said []string `json:"said,omitempty"`
}

type opinionStep = dialog.Step[Opinions, dialog.None]

var (
	opinion = dialog.Text("opinion")

	// opinions takes its own place until the person is done.
	opinions *dialog.Waterfall[Opinions, dialog.None]
)

func init() {
	opinions = dialog.NewWaterfall("opinions",
		func(_ context.Context, s *opinionStep) (dialog.Action, error) {
			if len(s.Data.Said) == 0 {
				return opinion.Ask(`May I interrupt? What do you think of our coffee? Say "done" when you have said it all.`), nil
			}
			return opinion.Ask(`I have written that down. What else? Or "done".`), nil
		},
		func(ctx context.Context, s *opinionStep) (dialog.Action, error) {
			answer := opinion.Answer(s)
			if strings.EqualFold(answer, "done") {
				return s.End(dialog.None{}), say(ctx, s.Turn, fmt.Sprintf("Thank you for %s. Back to where we were.", counted(len(s.Data.Said))))
			}
			s.Data.Said = append(s.Data.Said, answer)
			return opinions.Replace(s.Data), nil
		})
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

func counted(n int) string {
	if n == 1 {
		return "your opinion"
	}
	return fmt.Sprintf("your %d opinions", n)
}
