package server

import (
	"context"
	"net/http"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/console"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/proactive"
)

// botAccount is what people see on the embedded channel.
func (s *Server) botAccount() activity.ChannelAccount {
	if s.cfg.BotURL != "" {
		return activity.ChannelAccount{ID: "bot", Name: "Bot"}
	}
	return activity.ChannelAccount{ID: botID, Name: botName}
}

// handler is the bot's: one of ours, or one that hands everything to a bot in another process.
func (s *Server) handler(ctx context.Context, appID string, wire *console.Wire) (headsup.Handler, error) {
	switch {
	case s.cfg.BotURL != "":
	case s.cfg.Bot != nil:
		return s.cfg.Bot(s.engine)
	default:
		return welcomer(func() bool { return s.store.Wanted(appID, event.MessageReceived) }), nil
	}
	var err error
	tap := wire.Transport
	if s.Exposed() {
		tap = nil // nobody can look at it there
	}
	s.relay, err = s.newRelay(ctx, tap)
	return s.relay, err
}

// talker is a handler that has dialogs.
type talker interface {
	Dialogs() proactive.Interrupter
}

// outsider is a handler that hears of outside events over HTTP by itself.
type outsider interface {
	Outside() http.Handler
}

// converse lets notifications take part in the bot's conversations, and in its dialogs, if it has some.
func (s *Server) converse(bot *headsup.Bot) error {
	var dialogs proactive.Interrupter
	if t, ok := s.handles.(talker); ok {
		dialogs = t.Dialogs()
	}
	if s.cfg.BotURL != "" || s.cfg.Bot != nil { // ours has nothing to decide
		if err := s.engine.Handle(ownHandler, bot, nil); err != nil {
			return err
		}
	}
	if err := s.engine.Converse(bot, dialogs); err != nil {
		return err
	}
	return topicErrors(s.engine.CheckTopics())
}

// ownHandler is the handler that stands for the bot's own: who names it leaves a notification to the bot.
const ownHandler = "bot"

// noteSaid lets the turn that waits for a bot in another process know what that has said meanwhile.
func (s *Server) noteSaid(conversation activity.ConversationID, id activity.ID) {
	if s.relay != nil {
		s.relay.Said(conversation, id)
	}
}

// noteOpened puts conversations that a bot in another process opens into the book, so that they can be continued from
// here, too.
func (s *Server) noteOpened(appID string) func(context.Context, activity.Reference) error {
	return func(ctx context.Context, ref activity.Reference) error {
		_, err := s.store.Sight(ctx, book.Sighting{
			Key: headsup.KeyOf(appID, ref), Reference: ref, Kind: book.KindOf(ref.Conversation),
			Source: book.SourceConfig, At: time.Now(),
		})
		return err
	}
}

// noteEnded strikes a conversation of the embedded channel that has ended out of the book, so that nobody is sent there.
func (s *Server) noteEnded(appID string) func(context.Context, activity.Reference) error {
	return func(ctx context.Context, ref activity.Reference) error {
		return s.store.StrikeOut(ctx, headsup.KeyOf(appID, ref), book.Standing{
			Reach: book.ReachUninstalled, Cause: book.CauseEnded, At: time.Now(),
		})
	}
}
