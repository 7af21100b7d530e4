// Command proactive is the classic sample: a bot with a messaging endpoint, a notify endpoint that makes it speak to
// everybody it has met, and a store in which it remembers them.
package main

import (
	"context"
	"flag"
	"io"
	"net/http"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3978", "address to listen on")
	data := flag.String("data", "headsup-data", "directory to remember people in")
	flag.Parse()

	ctx := context.Background()
	store := must(sqlite.Open(ctx, sqlite.Config{Dir: *data}))
	channel := headsup.NewConnectorChannel(must(connector.New(connector.Config{AllowLoopback: true})))
	engine := must(proactive.New(proactive.Config{Store: store, Channel: channel}))
	bot := must(headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store,
		Middleware: []headsup.Middleware{engine.Middleware()},
	}, headsup.HandlerFunc(echo)))

	go func() { _ = engine.Run(ctx) }()
	http.Handle("/api/messages", bot)
	http.HandleFunc("/api/notify", func(w http.ResponseWriter, r *http.Request) {
		hello := headsup.Notification{To: headsup.Target{Everyone: true}, Text: "proactive hello"}
		if _, err := engine.Notify(r.Context(), hello); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "<html><body><h1>Proactive messages have been sent.</h1></body></html>")
	})
	panic(http.ListenAndServe(*listen, nil))
}

func echo(ctx context.Context, t *headsup.Turn) error {
	if t.Activity().Text == "" {
		return nil
	}
	_, err := t.Say(ctx, "You sent '"+t.Activity().Text+"'")
	return err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
