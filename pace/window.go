package pace

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Window allows so many calls in any stretch of time of a length.
type Window struct {
	Limit int           `json:"limit"`
	Per   time.Duration `json:"per,format:nano"`
}

// String is the form that [ParseWindow] reads, such as "50/1s".
func (w Window) String() string {
	per := w.Per.String()
	for _, nothing := range []string{"m0s", "h0m"} { // 1h0m0s
		if strings.HasSuffix(per, nothing) {
			per = per[:len(per)-2]
		}
	}
	return strconv.Itoa(w.Limit) + "/" + per
}

// The bounds of a window.
const (
	shortest    = 10 * time.Millisecond
	longest     = 48 * time.Hour
	mostAllowed = 1_000_000
)

func (w Window) validate() error {
	switch {
	case w.Limit < 1 || w.Limit > mostAllowed:
		return fmt.Errorf("a limit of %d; it must be between 1 and %d", w.Limit, mostAllowed)
	case w.Per < shortest || w.Per > longest:
		return fmt.Errorf("a length of %v; it must be between %v and %v", w.Per, shortest, longest)
	}
	return nil
}

// Kind is whom a call is for.
type Kind uint8

const (
	// Reply is a call that somebody is waiting for: what a turn sends.
	Reply Kind = iota
	// Delivery is a call that nobody has asked for just now: a notification.
	Delivery
)

func (k Kind) String() string {
	if k == Delivery {
		return "delivery"
	}
	return "reply"
}

// Rule is what one gate lets through: all its windows must have room. One without windows lets everything through.
type Rule struct {
	Windows []Window
	// Reserve is how many calls deliveries leave to replies: at any time as many are left, or will be Within.
	Reserve int
	Within  time.Duration
}

// Longest is the length of the longest window; 0 for none.
func (r Rule) Longest() time.Duration {
	per := time.Duration(0)
	for _, w := range r.Windows {
		per = max(per, w.Per)
	}
	return per
}

// Profile is what a channel allows. The zero value allows everything.
type Profile struct {
	// PerConversation holds for each conversation, PerTenant for all of an app's conversations with one tenant of the
	// channel, PerBot for all of an app's on the channel.
	PerConversation []Window
	PerTenant       []Window
	PerBot          []Window
	// PerRoster holds for questions about a conversation, of each kind, in place of PerConversation: who is there, and which
	// channels a team has.
	PerRoster []Window

	// Reserve is how many of a tenant's and of a bot's calls deliveries leave to replies, ConversationReserve how many of
	// a conversation's.
	Reserve             int
	ConversationReserve int

	// ReplyWithin is how long a reply may have to wait for what is reserved: a delivery may take a call of the reserve
	// when another will be free within that time. Longer makes more of the limit usable for deliveries. Zero means
	// [DefaultReplyWithin].
	ReplyWithin time.Duration

	// FirstContact says whom the bot may write to who has never written to it. It is no window, and holds where nothing
	// is limited, too. Empty is the published one's, or never.
	FirstContact FirstContact
}

// DefaultReplyWithin is the ReplyWithin of a profile that has none.
const DefaultReplyWithin = 100 * time.Millisecond

// Unlimited reports whether the profile has no windows.
func (p Profile) Unlimited() bool {
	return len(p.PerConversation) == 0 && len(p.PerTenant) == 0 && len(p.PerBot) == 0
}

// Conversation is the rule for one conversation.
func (p Profile) Conversation() Rule { return p.rule(p.PerConversation, p.ConversationReserve) }

// Tenant is the rule for what an app's conversations with one tenant share.
func (p Profile) Tenant() Rule { return p.rule(p.PerTenant, p.Reserve) }

// Bot is the rule for what all of an app's conversations on the channel share.
func (p Profile) Bot() Rule { return p.rule(p.PerBot, p.Reserve) }

func (p Profile) rule(ws []Window, reserve int) Rule {
	within := p.ReplyWithin
	if within == 0 {
		within = DefaultReplyWithin
	}
	return Rule{Windows: slices.Clone(ws), Reserve: reserve, Within: within}
}

// Validate reports everything that is wrong with the profile, joined. Reserves must leave at least one call of every
// window to deliveries.
func (p Profile) Validate() error {
	var errs []error
	for _, part := range []struct {
		name    string
		windows []Window
		reserve int
	}{
		{"per conversation", p.PerConversation, p.ConversationReserve},
		{"per tenant", p.PerTenant, p.Reserve},
		{"per bot", p.PerBot, p.Reserve},
		{"per roster", p.PerRoster, 0},
	} {
		for _, w := range part.windows {
			if err := w.validate(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", part.name, err))
			} else if part.reserve >= w.Limit {
				errs = append(errs, fmt.Errorf("%s: a reserve of %d leaves nothing of %v to deliveries", part.name, part.reserve, w))
			}
		}
	}
	if p.Reserve < 0 || p.ConversationReserve < 0 {
		errs = append(errs, errors.New("a reserve is negative"))
	}
	if p.ReplyWithin < 0 {
		errs = append(errs, errors.New("reply within is negative"))
	}
	return errors.Join(errs...)
}

// everything is how much room there is where nothing is limited.
const everything = math.MaxInt
