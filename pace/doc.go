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
// # Replies first
//
// What people are waiting for is a [Reply], everything else a [Delivery]. Deliveries leave a reserve to replies, and
// while a reply waits for a gate, no delivery passes it.
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
// after time is paused likewise.
package pace
