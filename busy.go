package headsup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Busy says that a conversation is in the middle of something, so that what can wait is not said now. Several may say so
// at once, each under its own name; the conversation is busy until the last of them has taken it back or has run out.
type Busy struct {
	// By is who says so. Empty means [BusyFlag].
	By string `json:"by"`
	// Reason says for people what is going on, such as "booking". At most 255 bytes.
	Reason string `json:"reason,omitzero"`
	// Priority is how pressing it is: a notification whose policy has a greater one is said all the same.
	Priority int `json:"priority,omitzero"`
	// Since is when it began. Zero means when it is said first.
	Since time.Time `json:"since,omitzero"`
	// Until is when it is over, whether or not somebody takes it back. Zero means that it has no end.
	Until time.Time `json:"until,omitzero"`
	// Value is kept for whoever says so. Any JSON; may be empty.
	Value jsontext.Value `json:"value,omitzero"`
}

// Names of those who say that a conversation is busy.
const (
	// BusyFlag is the bot's own flag, which it sets with [Turn.Busy] or over HTTP.
	BusyFlag = "flag"
	// BusyDialog is a stack of dialogs that is not empty, or begins its name where there may be several ([DialogBusy]).
	BusyDialog = "dialog"
	// BusyQuestion begins the names of notifications that wait for the person's reply.
	BusyQuestion = "question:"
)

// DialogBusy reports whether somebody's name is that of a stack of dialogs.
func DialogBusy(by string) bool {
	rest, ok := strings.CutPrefix(by, BusyDialog)
	return ok && (rest == "" || strings.ContainsRune(":@#", rune(rest[0])))
}

// Limits of [Busy].
const (
	// MaxBusy is how many may say so at once in one conversation; of more, the oldest are forgotten, though
	// no dialogs.
	MaxBusy = 16
	// MaxBusyPriority bounds priorities, in both directions.
	MaxBusyPriority = 100

	maxBusyText  = 255
	maxBusyValue = 64 << 10
)

// Over reports whether it has run out at a time.
func (b Busy) Over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// Validate says what is wrong with it, by the name of the member.
func (b Busy) Validate() error {
	switch {
	case len(b.By) > maxBusyText || !utf8.ValidString(b.By):
		return fmt.Errorf("by: is no text of at most %d bytes", maxBusyText)
	case len(b.Reason) > maxBusyText || !utf8.ValidString(b.Reason):
		return fmt.Errorf("reason: is no text of at most %d bytes", maxBusyText)
	case b.Priority < -MaxBusyPriority || b.Priority > MaxBusyPriority:
		return fmt.Errorf("priority: is not between %d and %d", -MaxBusyPriority, MaxBusyPriority)
	case len(b.Value) > maxBusyValue:
		return fmt.Errorf("value: is larger than %d bytes", maxBusyValue)
	case len(b.Value) > 0 && !b.Value.IsValid():
		return errors.New("value: is no JSON")
	}
	return nil
}

// StillBusy is all without those that have run out.
func StillBusy(all []Busy, now time.Time) []Busy {
	if !slices.ContainsFunc(all, func(b Busy) bool { return b.Over(now) }) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(b Busy) bool { return b.Over(now) })
}

// Mark is the [Op] by which somebody says that a conversation is busy, or takes it back. It does nothing in a conversation
// that is not in the reference book.
type Mark struct {
	// Busy replaces what was said under the same name.
	Busy Busy
	// Free takes back what was said under Busy.By instead; with All, whoever has said it.
	Free, All bool
	At        time.Time
}

// TurnOp implements [Op].
func (Mark) TurnOp() {}

// Apply returns what is said in a conversation after the mark, in the order of Since; it leaves all as it is. Those that
// have run out by then are left out.
func (m Mark) Apply(all []Busy) []Busy {
	by := cmp.Or(m.Busy.By, BusyFlag)
	since := m.At
	next := make([]Busy, 0, len(all)+1)
	for _, b := range all {
		switch {
		case b.By == by:
			since = b.Since
		case !b.Over(m.At) && (!m.Free || !m.All):
			next = append(next, b)
		}
	}
	if m.Free {
		return next
	}
	b := m.Busy
	b.By = by
	if b.Since.IsZero() {
		b.Since = since
	}
	next = append(next, b)
	slices.SortStableFunc(next, func(a, b Busy) int { return a.Since.Compare(b.Since) })
	for len(next) > MaxBusy {
		next = slices.Delete(next, oldest(next), oldest(next)+1)
	}
	return next
}

// oldest is where the first is that is not a dialog's: nobody would say again that a dialog goes on.
func oldest(all []Busy) int {
	return max(0, slices.IndexFunc(all, func(b Busy) bool { return !DialogBusy(b.By) }))
}

// Busy says, when the turn commits, that its conversation is in the middle of something: what can wait is not said until
// [Turn.Free], or until it has run out. It replaces what was said under the same name, and later calls of the turn replace
// earlier ones. When the turn has ended it is [ErrTurnEnded].
func (t *Turn) Busy(b Busy) error {
	if err := b.Validate(); err != nil {
		return fmt.Errorf("headsup: busy: %w", err)
	}
	return t.stage(Mark{Busy: b, At: t.bot.cfg.Now()})
}

// Free takes back, when the turn commits, what somebody has said with [Turn.Busy] under a name; empty means [BusyFlag].
// What was held for it becomes ready in the same step, in its order.
func (t *Turn) Free(by string) error {
	return t.stage(Mark{Busy: Busy{By: by}, Free: true, At: t.bot.cfg.Now()})
}
