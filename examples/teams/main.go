// Command teams is the classic sample for Microsoft Teams: mention the bot and it comes back to you later, in the thread, by
// itself; everybody who joins a team is welcomed in a thread of their own.
package main

import (
	"context"
	"flag"
	"net/http"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/teams"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3978", "address to listen on")
	data := flag.String("data", "headsup-data", "directory to remember conversations in")
	later := flag.Duration("later", 10*time.Second, "how long until the bot comes back to somebody")
	flag.Parse()

	ctx := context.Background()
	limits := must(pace.New(pace.Config{})) // what Teams allows
	store := must(sqlite.Open(ctx, sqlite.Config{Dir: *data, Pace: limits}))
	client := must(connector.New(connector.Config{AllowLoopback: true}))
	channel := headsup.NewPacedChannel(headsup.NewConnectorChannel(client), limits, "")
	engine := must(proactive.New(proactive.Config{Store: store, Channel: channel}))
	who := must(teams.NewClient(teams.ClientConfig{Connector: client, Limits: limits, Seen: engine.NoteMembers}))

	mux := headsup.NewMux()
	on := teams.Routes{Mux: mux}
	on.Welcome(who, func(ctx context.Context, t *headsup.Turn, in teams.Installation) error {
		place := "here"
		if in.Channel != nil {
			place = "in " + in.Channel.Name
		}
		_, err := t.Say(ctx, "Hello! "+in.By.Name+" has brought me. I speak up "+place+".")
		return err
	})
	on.Joined(who, func(ctx context.Context, t *headsup.Turn, people []activity.ChannelAccount) error {
		for _, p := range people {
			hello := activity.Message("welcome to the team!")
			if err := teams.Mention(hello, p); err != nil {
				return err
			}
			if _, err := t.Notify(ctx, headsup.Notification{To: headsup.ToConversation(t.Reference()), Activity: hello}); err != nil {
				return err
			}
		}
		return nil
	})
	mux.Message(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(t.Reference()), In: *later, Text: "You said: " + teams.Said(t.Activity()),
		})
		return err
	})
	bot := must(headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: channel, Turns: store, Notifier: engine, Middleware: []headsup.Middleware{engine.Middleware()},
	}, mux))

	go func() { _ = engine.Run(ctx) }()
	http.Handle("/api/messages", bot)
	panic(http.ListenAndServe(*listen, nil))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
