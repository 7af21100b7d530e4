package headsup

import (
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Fallback is another way of a notification, for when the ways before it did not do: to the same person on another channel, or
// to somebody else. Exactly one of Channel and To is set.
type Fallback struct {
	// Channel is where the same person is told instead: their latest conversation alone with the bot on that channel, or, for
	// [activity.ChannelEmail], the e-mail address that the reference book knows of them. Without one the way is left out.
	Channel activity.ChannelID
	// To is somebody or some place else.
	To *Target

	// After is how much time the way before has: from when that was said; or, as long as it was not, from when it could have
	// been. A way that failed has none. Zero means [DefaultFallbackAfter].
	After time.Duration

	// Unless is what has to have become of a way before it. The zero value is [UnlessDelivered].
	Unless Unless
}

// Unless is what makes a [Fallback] needless.
type Unless string

const (
	// UnlessDelivered: the channel has taken it, and it did not come back.
	UnlessDelivered Unless = "delivered"
	// UnlessRead: it was read, or somebody did something with it.
	UnlessRead Unless = "read"
	// UnlessAnswered: somebody replied, or used a button of it.
	UnlessAnswered Unless = "answered"
)

// Limits of fallbacks.
const (
	DefaultFallbackAfter = 10 * time.Minute
	MinFallbackAfter     = time.Second
	MaxFallbackAfter     = 7 * 24 * time.Hour
	// MaxFallbacks is how many ways a notification may have besides the first.
	MaxFallbacks = 5
)
