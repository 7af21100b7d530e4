// Command proactive is the classic sample: a bot with a messaging endpoint, a notify endpoint that makes it speak to
// everybody it has met, and a store in which it remembers them.
//
//	go run ./examples/proactive     then chat with http://localhost:3978/api/messages
//	curl localhost:3978/api/notify
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: "headsup-data"})
	if err != nil {
		return err
	}
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		return err
	}
	channel := headsup.NewConnectorChannel(client)
	engine, err := proactive.New(proactive.Config{Store: store, Channel: channel})
	if err != nil {
		return err
	}
	mux := headsup.NewMux()
	mux.Message(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "You sent '"+t.Activity().Text+"'")
		return err
	})
	bot, err := headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store, Middleware: []headsup.Middleware{engine.Middleware()},
	}, mux)
	if err != nil {
		return err
	}
	go func() { _ = engine.Run(ctx) }()
	http.Handle("/api/messages", bot)
	http.HandleFunc("/api/notify", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = engine.Notify(r.Context(), headsup.Notification{To: headsup.Target{Everyone: true}, Text: "proactive hello"})
	})
	return http.ListenAndServe("127.0.0.1:3978", nil)
}
