// Package faketeams is Microsoft Teams for tests: a tenant with people, teams, channels and chats, in which an app is installed,
// blocked and removed, and a bot is told of it as Teams does it. It joins the fakes that stand for Microsoft's services: the
// Connector API with its windows, faults and ledger ([fakechannel]), the token endpoint and the keys of the channel, and Graph
// ([fakegraph]). All of them are at one address.
//
// [Teams] is that tenant, and a [Person] somebody in it.
//
//	world, err := faketeams.New(faketeams.Config{AppID: appID, Messages: "http://127.0.0.1:3978/api/messages"})
//	defer world.Close()
//	nadia := world.AddPerson(faketeams.Person{Name: "Nadia", UPN: "nadia@contoso.example"})
//	ops := world.AddTeam("Operations", nadia.ObjectID)
//	err = world.Install(ctx, ops.ID, nadia.ObjectID)           // the bot is told
//	thread, err := world.Say(ctx, nadia.ObjectID, ops.ID, "<at>Lantern</at> hello")
//	world.Channel().Ledger().Conversation(string(thread)).Texts() // what the bot has said there
//
// What stands against a bot is asked for by name: [Teams.Block], [Teams.Disable], [Teams.RemoveHistory], [Teams.Move]; what
// goes wrong by rules ([fakechannel.Rule]) and by those of Graph ([Teams.Graph]). No *testing.T is needed: "headsup simulate" and
// the playground use it too. What the services answer follows "Build conversational capability", "Send proactive messages" and
// "Conversation events" of Microsoft's Teams documentation.
package faketeams
