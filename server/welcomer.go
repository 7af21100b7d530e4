package server

import (
	"context"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// welcomer is the bot that runs when no other is set: it tells newcomers why it is here. That it can reach them later is
// the work of the reference book, which notes every conversation; what they say is told to those who want
// message.received, and heard reports whether there is anybody: the answer is theirs then.
func welcomer(heard func() bool) headsup.Handler {
	mux := headsup.NewMux()
	mux.MembersAdded(func(ctx context.Context, t *headsup.Turn, _ []activity.ChannelAccount) error {
		_, err := t.Say(ctx, "Hello! You see this because you opened a conversation with me. "+
			"I bring you notifications from the systems that use me. There is nothing to do now: "+
			"stay, and I will tell you here when there is news.")
		return err
	})
	mux.Message(func(ctx context.Context, t *headsup.Turn) error {
		if heard() {
			return nil
		}
		_, err := t.Say(ctx, "I only bring notifications. I know where to reach you, and will tell you here when there is news.")
		return err
	})
	return mux
}
