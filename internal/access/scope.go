package access

import (
	"fmt"
	"slices"
	"strings"
)

// Scope names one thing that a key lets its holder do.
type Scope string

const (
	// Send lets its holder say something to people and conversations one by one, and start jobs there.
	Send Scope = "send"
	// Read lets its holder see notifications, deliveries, conversations and jobs.
	Read Scope = "read"
	// Broadcast lets its holder speak to many at once: everyone, or all with a tag. It implies Send.
	Broadcast Scope = "broadcast"
	// Manage lets its holder change what is there: cancel, reschedule, edit, replay, forget. It implies Read.
	Manage Scope = "manage"
	// Admin lets its holder do everything, which includes making keys and writing to raw addresses. It implies all others.
	Admin Scope = "admin"
)

// AllScopes lists the scopes, the least first.
var AllScopes = []Scope{Send, Read, Broadcast, Manage, Admin}

// implied says what a scope brings along besides itself.
var implied = map[Scope][]Scope{
	Broadcast: {Send},
	Manage:    {Read},
	Admin:     {Send, Read, Broadcast, Manage},
}

// Scopes is a set of scopes as it was granted. What they imply counts without being in the set. The zero value is empty.
type Scopes struct {
	bits uint8
}

func bit(s Scope) uint8 {
	i := slices.Index(AllScopes, s)
	if i < 0 {
		return 0
	}
	return 1 << i
}

// ScopesOf makes a set. What is not a scope is left out.
func ScopesOf(scopes ...Scope) Scopes {
	var set Scopes
	for _, s := range scopes {
		set.bits |= bit(s)
	}
	return set
}

// ParseScopes reads names of scopes.
func ParseScopes(names []string) (Scopes, error) {
	var set Scopes
	for _, name := range names {
		b := bit(Scope(name))
		if b == 0 {
			return Scopes{}, fmt.Errorf("%q is not a scope; they are %s", name, strings.Join(ScopesOf(AllScopes...).Names(), ", "))
		}
		set.bits |= b
	}
	return set, nil
}

// Has reports whether the set grants a scope, by itself or by what implies it.
func (s Scopes) Has(scope Scope) bool {
	b := bit(scope)
	return b != 0 && s.effective()&b != 0
}

// Covers reports whether the set grants everything that another does.
func (s Scopes) Covers(other Scopes) bool { return other.effective()&^s.effective() == 0 }

// Empty reports whether the set grants nothing.
func (s Scopes) Empty() bool { return s.bits == 0 }

// Names lists what was granted, the least first.
func (s Scopes) Names() []string {
	names := make([]string, 0, len(AllScopes))
	for _, scope := range AllScopes {
		if s.bits&bit(scope) != 0 {
			names = append(names, string(scope))
		}
	}
	return names
}

// String lists the names, separated by spaces.
func (s Scopes) String() string { return strings.Join(s.Names(), " ") }

func (s Scopes) effective() uint8 {
	all := s.bits
	for scope, more := range implied {
		if s.bits&bit(scope) != 0 {
			all |= ScopesOf(more...).bits
		}
	}
	return all
}
