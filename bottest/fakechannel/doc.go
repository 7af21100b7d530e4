// Package fakechannel is a channel for tests: it speaks the Connector API over real HTTP, misbehaves as it is told to, and
// keeps a ledger of what people would have seen. The ledger, not what a sender says of itself, tells whether a message was
// lost or said twice.
//
// [Server] is the channel; [Rule] is one kind of misbehaviour and when it happens; [Ledger] is what was seen, and [Report]
// its figures. [Limit] has the channel refuse what is more than a sliding window allows, by the time of arrival.
//
//	channel, err := fakechannel.New(fakechannel.Config{Rules: []fakechannel.Rule{
//		{Op: fakechannel.OpSend, Times: 1, Do: fakechannel.ResetAfter}, // said, but the answer to the first is lost
//	}})
//	…
//	channel.Ledger().Report().Duplicates
//
// A program of its own, such as "headsup fake-channel", outlives a server that is killed; a [Remote] talks to it.
package fakechannel
