package pace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseProfiles reads profiles as people write them in a configuration, one word each. They change the published ones:
//
//	published                     they are used as they are; so they are with no words at all
//	off                           nothing is limited, except by the words that follow
//	slack=off                     a channel is not limited
//	msteams.per_tenant=30/1s      a channel's windows, several with a plus: 7/1s+60/30s
//	msteams.reserve=5             what deliveries leave to replies
//	slack.first_contact=never     whom the bot may write to who has never written to it
//
// The names are per_conversation, per_tenant, per_bot, per_roster, reserve, conversation_reserve, reply_within and first_contact. The error tells
// everything that is wrong, joined.
func ParseProfiles(words []string) (Profiles, error) {
	all := Published()
	var errs []error
	for _, word := range words {
		word = strings.TrimSpace(word)
		name, value, assigned := strings.Cut(word, "=")
		channel, field, dotted := strings.Cut(name, ".")
		switch {
		case word == "published" || word == "":
		case word == "off":
			all = Profiles{}
		case !assigned || channel == "":
			errs = append(errs, fmt.Errorf("%q is neither off nor published, nor like msteams.per_tenant=30/1s", word))
		case !dotted && value == "off":
			delete(all, channel)
		case !dotted:
			errs = append(errs, fmt.Errorf("%s: a channel can only be off; name one of %s", word, strings.Join(fieldNames(), ", ")))
		default:
			p := all[channel]
			set := fields[field]
			if set == nil {
				errs = append(errs, fmt.Errorf("%s: there is no %q; it is one of %s", word, field, strings.Join(fieldNames(), ", ")))
				continue
			}
			if err := set(&p, value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", word, err))
				continue
			}
			all[channel] = p
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := all.Validate(); err != nil {
		return nil, err
	}
	return all, nil
}

// fields are what can be set of a profile.
var fields = map[string]func(*Profile, string) error{
	"per_conversation": func(p *Profile, v string) (err error) { p.PerConversation, err = parseWindows(v); return err },
	"per_tenant":       func(p *Profile, v string) (err error) { p.PerTenant, err = parseWindows(v); return err },
	"per_bot":          func(p *Profile, v string) (err error) { p.PerBot, err = parseWindows(v); return err },
	"per_roster":       func(p *Profile, v string) (err error) { p.PerRoster, err = parseWindows(v); return err },
	"reserve":          func(p *Profile, v string) (err error) { p.Reserve, err = parseCount(v); return err },
	"conversation_reserve": func(p *Profile, v string) (err error) {
		p.ConversationReserve, err = parseCount(v)
		return err
	},
	"first_contact": func(p *Profile, v string) (err error) { p.FirstContact, err = parseFirstContact(v); return err },
	"reply_within":  func(p *Profile, v string) (err error) { p.ReplyWithin, err = time.ParseDuration(v); return err },
}

func fieldNames() []string { return slices.Sorted(maps.Keys(fields)) }

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

// parseWindows reads windows with a plus between them; "off" is none.
func parseWindows(text string) ([]Window, error) {
	if text == "off" {
		return nil, nil
	}
	var ws []Window
	for part := range strings.SplitSeq(text, "+") {
		w, err := ParseWindow(part)
		if err != nil {
			return nil, err
		}
		ws = append(ws, w)
	}
	return ws, nil
}

// ParseWindow reads a window such as 50/1s.
func ParseWindow(text string) (Window, error) {
	limit, per, found := strings.Cut(strings.TrimSpace(text), "/")
	n, err := strconv.Atoi(limit)
	d, wrong := time.ParseDuration(per)
	if !found || err != nil || wrong != nil {
		return Window{}, fmt.Errorf("%q is not a window such as 50/1s", text)
	}
	w := Window{Limit: n, Per: d}
	return w, w.validate()
}
