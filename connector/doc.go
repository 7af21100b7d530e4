// Package connector is a client of the Connector REST API: what a bot calls on an activity's service URL to send, update
// and delete activities, to create conversations and to ask who takes part in them.
//
// Two types are worth knowing first. [Client] has a method for every operation; one serves all conversations of a bot
// and is safe for concurrent use. [Error] is what every failed call returns: its fields say whether to try again, when,
// and whether the activity may have arrived in spite of the error. The protocol has no idempotency key, so the client
// never repeats a send by itself, with one exception that cannot duplicate: a request that was refused for its token
// (401) is sent once more with a fresh one.
//
//	client, err := connector.New(connector.Config{TokenSource: tokens})
//	...
//	sent, err := client.SendToConversation(ctx, ref.ServiceURL, ref.Conversation.ID, message)
//
// Service URLs and ids come from outside. The client accepts https URLs only, sends tokens to hosts on a list only,
// escapes every id as one path segment, follows no redirects, uses no proxy, reads answers up to a limit, and checks the
// address of every connection it makes, so that no name can lead it into the network it runs in.
package connector
