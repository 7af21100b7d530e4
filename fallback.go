package headsup

import (
	"errors"
	"fmt"
	"strings"
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

// ParseFallback reads a fallback as people write it: "email", "sms after 30m unless read", "mailto:boss@example.com unless
// answered". What has a colon is somebody else's address; see [Target]. What it leaves out is as the zero value has it.
func ParseFallback(text string) (f Fallback, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return f, errors.New("is empty")
	}
	if f.Channel = activity.ChannelID(words[0]); strings.Contains(words[0], ":") {
		f.Channel, f.To = "", &Target{Address: words[0]}
	}
	for rest := words[1:]; len(rest) > 0; rest = rest[2:] {
		switch {
		case len(rest) == 1:
			return f, fmt.Errorf("%q is followed by nothing", rest[0])
		case rest[0] == "after" && f.After == 0:
			if f.After, err = time.ParseDuration(rest[1]); err != nil || f.After < MinFallbackAfter || f.After > MaxFallbackAfter {
				return f, fmt.Errorf("%q is not a time from 1s to 168h, such as 10m", rest[1])
			}
		case rest[0] == "unless" && f.Unless == "":
			switch f.Unless = Unless(rest[1]); f.Unless {
			case UnlessDelivered, UnlessRead, UnlessAnswered:
			default:
				return f, fmt.Errorf("%q is none of delivered, read, answered", rest[1])
			}
		default:
			return f, fmt.Errorf("%q is not understood: a channel or an address, then perhaps after and a time, and unless and what", rest[0])
		}
	}
	return f, nil
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
