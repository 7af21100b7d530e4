// Package pace keeps calls within the limits that channels publish, and away from those who have asked for a pause.
//
// A [Limiter] hands out a [Permit] for every call, and a [Profile] says how many calls a channel takes:
//
//	limits, err := pace.New(pace.Config{}) // the published figures
//	...
//	permit, err := limits.Wait(ctx, route, conversation, pace.Reply)
//	if err != nil {
//		return err
//	}
//	err = send(ctx)
//	permit.Done(time.Now())
//
// # Never over the limit
//
// When a call arrives at the channel nobody here knows; it is some time between the dial and the answer. So a permit is
// occupied from [Limiter.Take], before the dial, until one window after [Permit.Done], and there are never more of them
// than a window has calls. If more arrived within one window, take the permit among theirs that was handed out last. At
// that moment each of the others had been handed out, and none could be free again: its call arrived after the window's
// beginning, so its answer came after it too, and one window later is after the window's end. All of them together were
// occupied then, which is more than there are. That holds for any delay on the way, for calls whose answer never came
// (they end when nobody waits for it any more), and for every window of a profile.
//
// What it costs is the time of one call per window: with answers after 5 ms, 50 calls per second become 49.75.
//
// # Several nodes
//
// A limiter that has joined others ([Limiter.Join]) has a part of every window that a tenant or a bot has: so many calls it
// may have occupied, and the parts of all nodes are never more together than the window. Each keeps to its part as above, so
// of all nodes together never more calls are occupied than the window has, and the argument above holds for them as for one.
// It remains that the parts are never too many. They are kept in one row of a database ([Shares]), which is locked while a
// node asks for another part. It gets what nobody has; it gives back what is not occupied, which it stops using before that
// is stored, and begins to use what it has won after that is.
//
// A node that does not ask any more has died, or is held up. Its part is lent for 3 seconds: it makes no call after that by
// its own clock, which began to count before the database did, and allows for being 5 % slower. Whoever makes a call gives it up
// after [LongestCall]. So the part counts as occupied until that long after its end, and one window more; in windows of more
// than 2 seconds only as much of it as was not known to be free when the node asked last. When a node of the same name begins
// anew, the calls of the one before it are over, and it is one window from then. A node that was away and comes back knows
// what it has occupied itself, and has that again.
//
// All of that goes by the database's clock; a node's own only measures how long ago something was, within seconds. The
// database's may be wrong, and may be set back. If it jumps ahead while a node is away, the calls of that node are taken for over
// too early by as much, and if a database comes back without what it had committed, parts may have been given twice.
//
// Parts go where they are needed: first to those for whom people wait, the rest as evenly as can be used. While that stays
// the same nothing is written but, once a second, that the node is there.
//
// What a conversation is called is not divided, since there are few calls and any node may make the next: [Calls] counts them
// all, each from before the call until its end is known, or until it is given up.
//
// # Replies first
//
// What people are waiting for is a [Reply], everything else a [Delivery]. Deliveries leave a reserve to replies, and
// while a reply waits for a gate, no delivery passes it.
//
// # Questions
//
// Who is in a conversation is asked with a [Question] ([Limiter.WaitRoster]), which has windows of its own and counts for the
// tenant like everything. Each process keeps to those windows by itself.
//
// # In a queue
//
// A queue asks for [Limiter.Room] on a [Route], takes no more than that from it, each with a permit, and looks at the
// route again at [Limiter.Next]. A delivery whose conversation refuses it waits until that conversation's Next. What is
// freed earlier than that is told by [Limiter.OnFreed]. The permit goes along with the delivery to whoever makes the call:
// [WithPermit] carries it there. The call's end is the permit's, and a permit whose delivery is not attempted after all is given back with
// [Permit.Cancel]. To store the past of gates in rows of its own, a queue uses [Usage] with a [Rule].
//
// # Pauses
//
// A channel that answers 429 is left alone until the time that it asks for, in the [Scope] that it means and in no other.
// After a pause there is one call at a time, and at most one each second, until one succeeds. A host that fails time
// after time is paused likewise. Nodes that have joined share pauses: one of them tries, and ends the pause that it knows of,
// not a later one ([Limiter.Learn]).
package pace
