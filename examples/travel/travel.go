// Package travel is the travel bot: it books hotels, one question after the other, and tells people when the price of one
// that they might like falls. What it does with such news in the middle of a booking is for each person to choose.
//
//	book, book London        begin a booking
//	policy                   show what is done with news in the middle of a booking
//	policy wait              choose: adhoc, wait, interrupt, cancel or drop
//	offer Las Vegas 80       play the hotel: it takes 80 a night now, and everybody else hears of it
//	cancel                   end the booking
//
// [Bot.Outside] is the other door for news, for programs: a hotel posts its new price.
package travel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
)

const help = `Say "book London" to book a hotel, or "cancel" in the middle of it. I tell you when one gets cheaper; ` +
	`"policy" shows what I do with such news while you are booking, and "policy wait" changes that.`

const welcome = "Welcome! You get this because you opened a chat with the travel bot. " + help

// unasked is the policy of people who have not chosen one.
const unasked = headsup.PolicyInterrupt

// Bot is the travel bot.
type Bot struct {
	*headsup.Mux

	engine  *proactive.Engine
	dialogs *dialog.Set
}

// New makes the bot.
func New(engine *proactive.Engine) (*Bot, error) {
	b := &Bot{Mux: headsup.NewMux(), engine: engine}
	var err error
	b.dialogs, err = dialog.NewSet(dialog.Config{}, booking, deal, city, day, nights, hotel, sure, taken)
	if err != nil {
		return nil, err
	}
	b.MembersAdded(func(ctx context.Context, t *headsup.Turn, _ []activity.ChannelAccount) error {
		return say(ctx, t, welcome)
	})
	b.Command("book", b.book)
	b.Command("policy", b.policy)
	b.Command("offer", b.offer)
	b.Text(b.cancel, "cancel")
	b.Message(b.dialogs.Or(func(ctx context.Context, t *headsup.Turn) error { return say(ctx, t, help) }))
	return b, nil
}

// Dialogs are what news may interrupt: give it to [proactive.Engine.Converse] with the bot.
func (b *Bot) Dialogs() proactive.Interrupter { return b.dialogs }

func say(ctx context.Context, t *headsup.Turn, text string) error {
	m := activity.Message(text)
	m.TextFormat = activity.TextPlain
	_, err := t.Send(ctx, m)
	return err
}

func (b *Bot) book(ctx context.Context, t *headsup.Turn, where string) error {
	begin := booking.Replace(Trip{City: where})
	if active, err := b.dialogs.Active(ctx, t); err != nil || len(active) == 0 {
		begin = booking.Begin(Trip{City: where})
	}
	_, err := b.dialogs.Run(ctx, t, begin)
	return err
}

func (b *Bot) cancel(ctx context.Context, t *headsup.Turn) error {
	active, err := b.dialogs.Active(ctx, t)
	switch {
	case err != nil:
		return err
	case len(active) == 0:
		return say(ctx, t, "There is nothing to cancel.")
	}
	if err := b.dialogs.CancelAll(ctx, t); err != nil {
		return err
	}
	return say(ctx, t, "All right, I have forgotten about it.")
}

// meanings say what each policy does.
var meanings = map[headsup.PolicyName]string{
	headsup.PolicyAdHoc:     "I say it at once, and you go on with your booking",
	headsup.PolicyWait:      "I say it when your booking is done",
	headsup.PolicyInterrupt: "I ask you about it, and then we go on where we were",
	headsup.PolicyCancel:    "I forget about your booking and say it",
	headsup.PolicyDrop:      "I do not say it",
}

// policy shows the person's policy, or changes it. It is kept as a tag of the conversation, by which news find the people
// with each policy.
func (b *Bot) policy(ctx context.Context, t *headsup.Turn, chosen string) error {
	tags, err := b.tags(ctx, t.Key())
	if err != nil {
		return err
	}
	if chosen == "" {
		now := policyOf(tags)
		return say(ctx, t, fmt.Sprintf(`%s: %s. Say "policy" with one of %s to change that.`, now, meanings[now], names()))
	}
	name := headsup.PolicyName(strings.ToLower(chosen))
	if meanings[name] == "" {
		return say(ctx, t, fmt.Sprintf("I know %s.", names()))
	}
	tags = append(slices.DeleteFunc(tags, func(tag string) bool { return strings.HasPrefix(tag, newsTag) }), tagOf(name))
	if err := b.engine.Label(ctx, t.Key(), book.Labels{Tags: &tags}); err != nil {
		return err
	}
	return say(ctx, t, fmt.Sprintf("When there is news in the middle of a booking, %s.", meanings[name]))
}

func names() string {
	var all []string
	for _, p := range headsup.Policies() {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}
