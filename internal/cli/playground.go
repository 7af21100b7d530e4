package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/server"
)

type playground struct {
	config.Playground
}

// Help shows examples.
func (playground) Help() string {
	return `Examples:

    headsup playground --bot http://localhost:3979/api/messages

The bot runs by itself, in any language; this program is the channel that it talks on. A bot without credentials is let in by
being on this machine, one with credentials (--app-id) by its token.`
}

// Run hosts conversations for a bot in another process until ctx ends.
func (c playground) Run(ctx context.Context, s streams) (err error) {
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "headsup-playground-"); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	log, end := quietLogger(s.err, c.LogLevel, c.LogFormat)
	defer end()
	srv, err := server.New(ctx, server.Config{
		Listen: c.Listen, DataDir: c.Data, WebDir: c.WebDir, BotURL: c.Bot,
		BotAuth: server.BotAuth{AppID: c.AppID, Tenant: c.Tenant},
		Version: buildVersion(), Logger: log,
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.out, playgroundBanner(srv.URL(), c.Bot, srv.Pages())); err != nil {
		return errors.Join(err, srv.Close())
	}
	return srv.Run(ctx)
}

// playgroundBanner says where things are. Its first line is that of the server.
func playgroundBanner(url, bot string, pages bool) string {
	text := "headsup: listening on " + url + "\n" +
		"headsup: DEVELOPMENT MODE: no credentials; everybody on this machine may use it, nobody else can\n\n"
	if pages {
		text += "  Chat with the bot   " + url + "/playground\n"
	} else {
		text += "  The pages have not been built; \"make run\" builds them.\n"
	}
	return text +
		"  The bot             " + bot + "\n" +
		"  Its service URL     " + url + "\n" +
		"  Speak as the bot    " + url + "/v1/notifications\n\n"
}
