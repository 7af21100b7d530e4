// Package activity holds the data that travels between a bot and a channel in the Activity protocol: messages, events
// and the addresses they are sent to.
//
// Two types are worth knowing first. [Activity] is one thing that was said or done; [Decode] reads one that came from
// outside and refuses what is malformed, [Encode] writes one. [Reference] is where a conversation can be continued:
// take it from any activity that the bot received, keep it, and address a message with it days later.
//
//	a, err := activity.Decode(body)
//	...
//	ref := a.Reference()
//	...
//	m := activity.Message("Your build is green.")
//	ref.Outgoing(m)
//
// The package is data only. It opens no connections and keeps no state; every value belongs to whoever holds it and is
// not safe for concurrent modification. Members that it does not know are kept in the field Extra of the struct they
// were found in, at every level, and are written back by [Encode]. Rule numbers such as A2001 in comments are those of
// the specification "Activity protocol".
package activity
