// Package directline is an embedded Direct Line 3.0 channel: it lets unmodified Direct Line clients, such as the official
// Web Chat, talk to a bot in this process without any service in between.
//
// A [Channel] has two faces. To the bot it is a headsup.Channel, called in process: a send that is repeated with the same
// key is stored once. To the outside it is an [http.Handler] with the client's side (/v3/directline/…) and the side that
// bots in other processes call (/v3/conversations/…, /v3/attachments/…). A [Store] keeps conversations, their history and
// their files; nothing that matters lives only in memory, so a restarted process goes on where the last one stopped.
//
//	ch, err := directline.New(directline.Config{
//		BotID: "bot", Store: store, Secret: secret,
//		PublicURL: func() string { return "https://chat.example.com" },
//	})
//	bot, err := headsup.New(headsup.Config{Channel: ch, Turns: store}, handler)
//	ch.Serve(bot)
//	http.Handle("/v3/", ch.Handler())
//
// Several processes may serve one channel from one store, behind a load balancer that knows nothing of conversations: give
// each the same secrets and the same public URL, and a [Shared] store, and have [Channel.Run] run in each. Then it does not
// matter where a client polls, posts or holds its stream, and from where the bot speaks.
//
// Clients hold a token for one conversation and, when it names one, one user. Whoever holds Config.SiteSecret gets tokens
// over HTTP, code in this process gets them from [Channel.MintToken].
//
// What a client says is believed as far as its token goes: the sender of everything that is posted with a token for a
// user is that user, and nobody can claim a directory identity, a tenant or the bot's own name for themselves.
package directline
