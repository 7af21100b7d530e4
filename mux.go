package headsup

import (
	"context"
	"strings"
	"unicode"

	"github.com/headsup-bot/headsup/activity"
)

// Mux is a [Handler] that picks among handlers by what arrived. Routes are tried in this order, and within a kind in the
// order of their registration; the first that matches handles the turn:
//
//  1. messages by their text, events and invokes by their name, members added, and what [Mux.When] tells
//  2. messages of any text
//  3. activities by their type
//  4. the handler set with Otherwise
//
// A turn that no route matches is ignored, as the Activity specification wants for unknown types (A2006) and unknown
// events (A5002); an invoke then answers 501. Register all routes before use.
type Mux struct {
	special  []route
	messages []route
	types    []route
	other    Handler
}

type route struct {
	matches func(t *Turn) bool
	handler Handler
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return &Mux{} }

// Text handles messages whose text, without surrounding space and in any letter case, is one of texts.
func (m *Mux) Text(h HandlerFunc, texts ...string) {
	m.special = append(m.special, route{handler: h, matches: func(t *Turn) bool {
		if t.Activity().Type != activity.TypeMessage {
			return false
		}
		said := strings.TrimSpace(t.Activity().Text)
		for _, text := range texts {
			if strings.EqualFold(said, text) {
				return true
			}
		}
		return false
	}})
}

// Command handles messages whose first word is word, in any letter case; args is the rest of the text without
// surrounding space.
func (m *Mux) Command(word string, h func(ctx context.Context, t *Turn, args string) error) {
	split := func(t *Turn) (string, string) {
		said := strings.TrimSpace(t.Activity().Text)
		if end := strings.IndexFunc(said, unicode.IsSpace); end >= 0 {
			return said[:end], strings.TrimSpace(said[end:])
		}
		return said, ""
	}
	m.special = append(m.special, route{
		matches: func(t *Turn) bool {
			first, _ := split(t)
			return t.Activity().Type == activity.TypeMessage && strings.EqualFold(first, word)
		},
		handler: HandlerFunc(func(ctx context.Context, t *Turn) error {
			_, args := split(t)
			return h(ctx, t, args)
		}),
	})
}

// Event handles events with one of the names.
func (m *Mux) Event(h HandlerFunc, names ...string) { m.named(activity.TypeEvent, h, names) }

// Invoke handles invoke activities with one of the names. The handler answers with [Turn.Respond].
func (m *Mux) Invoke(h HandlerFunc, names ...string) { m.named(activity.TypeInvoke, h, names) }

// When handles turns for which matches says so. It is for routes of a kind that Mux does not know, and counts as a special one.
func (m *Mux) When(matches func(t *Turn) bool, h HandlerFunc) {
	m.special = append(m.special, route{matches: matches, handler: h})
}

func (m *Mux) named(kind activity.Type, h HandlerFunc, names []string) {
	m.special = append(m.special, route{handler: h, matches: func(t *Turn) bool {
		if t.Activity().Type != kind {
			return false
		}
		for _, name := range names {
			if t.Activity().Name == name {
				return true
			}
		}
		return false
	}})
}

// MembersAdded handles conversation updates that add somebody other than the bot itself; the handler is told whom.
func (m *Mux) MembersAdded(h func(ctx context.Context, t *Turn, people []activity.ChannelAccount) error) {
	m.special = append(m.special, route{
		matches: func(t *Turn) bool { return len(newcomers(t.Activity())) > 0 },
		handler: HandlerFunc(func(ctx context.Context, t *Turn) error { return h(ctx, t, newcomers(t.Activity())) }),
	})
}

func newcomers(a *activity.Activity) []activity.ChannelAccount {
	if a.Type != activity.TypeConversationUpdate {
		return nil
	}
	var people []activity.ChannelAccount
	for _, member := range a.MembersAdded {
		if a.Recipient == nil || member.ID != a.Recipient.ID {
			people = append(people, member)
		}
	}
	return people
}

// Message handles every message that no Text or Command route takes.
func (m *Mux) Message(h HandlerFunc) {
	m.messages = append(m.messages, route{handler: h, matches: func(t *Turn) bool {
		return t.Activity().Type == activity.TypeMessage
	}})
}

// Type handles activities of a type that no more special route takes.
func (m *Mux) Type(kind activity.Type, h HandlerFunc) {
	m.types = append(m.types, route{handler: h, matches: func(t *Turn) bool { return t.Activity().Type == kind }})
}

// Otherwise handles what nothing else does.
func (m *Mux) Otherwise(h HandlerFunc) { m.other = h }

// HandleTurn implements [Handler].
func (m *Mux) HandleTurn(ctx context.Context, t *Turn) error {
	for _, routes := range [][]route{m.special, m.messages, m.types} {
		for _, r := range routes {
			if r.matches(t) {
				return r.handler.HandleTurn(ctx, t)
			}
		}
	}
	if m.other != nil {
		return m.other.HandleTurn(ctx, t)
	}
	return nil
}
