package pace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Profiles are what channels allow, by channel id. A channel that is not among them is not limited.
type Profiles map[string]Profile

// Published returns the profiles that are used unless others are given. Each call makes a new copy. Where a channel tells
// no figure there is none.
func Published() Profiles {
	return Profiles{
		// Microsoft, "Optimize your bot with rate limiting in Teams": 50 requests per second for an app in a tenant; for a
		// bot in one thread 7 in 1 s, 8 in 2 s, 60 in 30 s and 1,800 in 3,600 s, and twice as many questions for its members or
		// for channels.
		"msteams": {
			PerConversation: []Window{
				{7, time.Second}, {8, 2 * time.Second}, {60, 30 * time.Second}, {1800, time.Hour},
			},
			PerTenant: []Window{{50, time.Second}},
			PerRoster: []Window{
				{14, time.Second}, {16, 2 * time.Second}, {120, 30 * time.Second}, {3600, time.Hour},
			},
			Reserve: 3, ConversationReserve: 2,
			// Microsoft, "Send proactive messages": the app must be installed for the person, in the team or in the chat.
			FirstContact: FirstContactInstalled,
		},
		// Slack, "Rate limits": one message per second in a channel. There is a limit for a whole workspace too, of which
		// no figure is published: it is met by pausing when it is hit.
		"slack": {PerConversation: []Window{{1, time.Second}}, FirstContact: FirstContactRoster},
		// Telegram, "Bots FAQ" (My bot is hitting limits): one message per second in a chat, 20 per minute in a group, and
		// about 30 per second in all. Whether a chat is a group its id does not tell to everybody, so that all are taken
		// for one.
		"telegram": {
			PerConversation: []Window{{1, time.Second}, {20, time.Minute}},
			PerBot:          []Window{{30, time.Second}},
			Reserve:         2,
			FirstContact:    FirstContactNever,
		},
		// Microsoft, "Exchange Online limits" (Sending limits): 30 messages per minute and 10,000 recipients per day from
		// one mailbox, which is what a bot's e-mail channel sends from.
		"email": {
			PerBot:  []Window{{30, time.Minute}, {10_000, 24 * time.Hour}},
			Reserve: 1, ReplyWithin: 5 * time.Second, FirstContact: FirstContactFree,
		},
		// Twilio, "30001: Queue overflow": a long code sends one message segment per second. What more is sent waits at
		// Twilio, for up to ten hours, where it cannot be taken back any more.
		"sms": {PerBot: []Window{{1, time.Second}}, FirstContact: FirstContactFree},
	}
}

// With returns the profiles with others in place of those of the same channel, or beside them.
func (p Profiles) With(others Profiles) Profiles {
	all := maps.Clone(p)
	if all == nil {
		all = make(Profiles, len(others))
	}
	maps.Copy(all, others)
	return all
}

// Validate reports everything that is wrong, joined, each with its channel.
func (p Profiles) Validate() error {
	var errs []error
	for _, channel := range slices.Sorted(maps.Keys(p)) {
		if channel == "" {
			errs = append(errs, errors.New("a profile without a channel"))
		}
		if err := p[channel].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", channel, err))
		}
	}
	return errors.Join(errs...)
}

// rules are a profile, ready for use.
type rules struct {
	conversation, tenant, bot Rule
	exact                     Rule // of a conversation that is not forgotten
	// forget is how long after its last call a conversation may be forgotten that has had no more than one; 0 for never
	// before its windows are empty.
	forget time.Duration
	idle   idleList // guarded by the limiter's lock
}

// waste is which share of a long window may be given up so that conversations need not be remembered for all of it.
const waste = 50

// prepare makes rules of a profile.
//
// A conversation that gets a message now and then would have to be remembered for the longest window, an hour on Teams:
// with a hundred thousand messages a minute that is memory for millions. So one with a single call is forgotten after a
// while, and the windows that are longer lose as many calls as can be forgotten within them, which is not many: calls
// that are forgotten lie further apart than that while.
func (p Profile) prepare() *rules {
	r := &rules{conversation: p.Conversation(), tenant: p.Tenant(), bot: p.Bot(), exact: p.Conversation()}
	for _, w := range r.conversation.Windows {
		r.forget = max(r.forget, w.Per/time.Duration(max(1, w.Limit/waste)))
	}
	for i, w := range r.conversation.Windows {
		if w.Per > r.forget {
			r.conversation.Windows[i].Limit -= int((w.Per + r.forget - 1) / r.forget)
		}
	}
	return r
}
