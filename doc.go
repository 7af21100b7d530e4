// Package headsup is the way for a bot to speak first.
//
// It speaks the Activity protocol of the Bot Framework and the Microsoft 365 Agents SDK. A [Bot] receives activities (it
// is an [http.Handler] for the messaging endpoint), runs each as a [Turn] through middleware and a [Handler], and sends
// what the handler says through a [Channel]. [Bot.Continue] runs a turn that nobody asked for: the proactive one.
//
//	mux := headsup.NewMux()
//	mux.Message(func(ctx context.Context, t *headsup.Turn) error {
//		_, err := t.Say(ctx, "You said "+t.Activity().Text)
//		return err
//	})
//	bot, err := headsup.New(headsup.Config{Verifier: auth.Development{}, Channel: ch, Turns: store}, mux)
//	http.Handle("POST /api/messages", bot)
//
// A conversation does one thing at a time: inbound turns, proactive turns and deliveries of notifications to one
// conversation never overlap. What a turn decides (state, notifications, the record that the activity was handled) is
// committed together when it ends.
//
// Package proactive, one floor up, is what most programs import beside this one: durable notifications.
package headsup
