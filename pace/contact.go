package pace

import (
	"fmt"
	"strings"
)

// FirstContact says whom a bot may write to on a channel who has never written to it.
type FirstContact string

const (
	// FirstContactNever: nobody. People begin. Also the zero value's meaning.
	FirstContactNever FirstContact = "never"
	// FirstContactRoster: people who are in a place where the bot is, too.
	FirstContactRoster FirstContact = "roster"
	// FirstContactInstalled: people who have the bot's app, which they or their organisation have installed.
	FirstContactInstalled FirstContact = "installed"
	// FirstContactFree: everybody.
	FirstContactFree FirstContact = "free"
)

func parseFirstContact(text string) (FirstContact, error) {
	switch c := FirstContact(strings.TrimSpace(text)); c {
	case FirstContactNever, FirstContactRoster, FirstContactInstalled, FirstContactFree:
		return c, nil
	}
	return "", fmt.Errorf("%q is none of never, roster, installed, free", text)
}

// FirstContact is the rule of a channel: its profile's, or the published one where the profile says nothing.
func (p Profiles) FirstContact(channel string) FirstContact {
	if rule := p.ToldFirstContact(channel); rule != "" {
		return rule
	}
	return FirstContactNever
}

// ToldFirstContact is FirstContact that is empty where neither says anything.
func (p Profiles) ToldFirstContact(channel string) FirstContact {
	for _, of := range []Profiles{p, Published()} {
		if rule := of[channel].FirstContact; rule != "" {
			return rule
		}
	}
	return ""
}
