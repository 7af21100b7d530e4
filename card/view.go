package card

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// View is for whom a notice is shown, and how. The zero value is for nobody in particular: in English, in UTC, without
// actions that come back.
type View struct {
	// Locale picks the language of our own words: BCP 47. What is in the notice stays as it is.
	Locale string
	// Zone is the person's, for times where the channel shows none in it by itself. Nil is UTC.
	Zone *time.Location
	// Topic is what [Mute] mutes, as people know it.
	Topic string
	// OptOut is offered after the notice's own actions, unless it has them itself.
	OptOut []Action
	// Ticket makes the proof that comes back when an action is pressed. Nil leaves out all actions but open.
	Ticket func(Action) (string, error)
	// Link makes a ticket the https URL that does it, where there are no buttons. Nil leaves those actions out there.
	Link func(ticket string) string
	// Execute has buttons be Action.Execute, which Microsoft Teams answers with the card that is shown then, with Action.Submit for
	// clients that do not know it.
	Execute bool
	// Done is said in place of all actions.
	Done string
}

// Say returns what a person is told who has pressed a button. About is the topic or the time that is spoken of, if any.
func (v View) Say(a Answer, about string) string {
	said := wordsFor(v.Locale).said[a]
	if strings.Contains(said, "%s") {
		return fmt.Sprintf(said, about)
	}
	return said
}

// When writes a time for the person.
func (v View) When(t time.Time) string { return wordsFor(v.Locale).when(t, v.Zone) }

// Label is what stands on an action.
func (v View) Label(a Action) string {
	w := wordsFor(v.Locale)
	switch {
	case a.Title != "":
		return a.Title
	case a.Do == Mute && v.Topic != "":
		return fmt.Sprintf(w.mute, v.Topic)
	case a.Do == Mute:
		return w.muteAny
	case a.Do == OptOut:
		return w.optOut
	case a.Do == Snooze:
		return w.snooze
	}
	return w.open
}

// Ways are the notice's own actions, and those of the view that it has not itself.
func (n *Notice) Ways(v View) (own, out []Action) {
	if v.Done != "" {
		return nil, nil
	}
	for _, a := range v.OptOut {
		if !slices.ContainsFunc(n.Actions, func(own Action) bool { return own.Do == a.Do }) {
			out = append(out, a)
		}
	}
	return n.Actions, out
}

// byline is who did it and when; either may be missing.
func (n *Notice) byline(v View) string {
	var parts []string
	if n.Actor != nil {
		parts = append(parts, wordsFor(v.Locale).by+" "+n.Actor.Name)
	}
	if !n.When.IsZero() {
		parts = append(parts, v.When(n.When))
	}
	return strings.Join(parts, ", ")
}

// itemTitle is what the item is called.
func (n *Notice) itemTitle() string {
	switch {
	case n.Item == nil:
		return ""
	case n.Item.Title != "":
		return n.Item.Title
	}
	return n.Item.URL
}

// linkOf is where an action leads in a text: its own URL, or one that does it. Empty is nowhere: a link has no turn, in which
// a bot could be called.
func (v View) linkOf(a Action) (string, error) {
	switch a.Do {
	case Open:
		return a.URL, nil
	case Call:
		return "", nil
	case Snooze, Mute, OptOut:
	}
	if v.Link == nil || v.Ticket == nil {
		return "", nil
	}
	ticket, err := v.Ticket(a)
	if err != nil || ticket == "" {
		return "", err
	}
	return v.Link(ticket), nil
}

// lines are the lines of a text, without those at the end that are empty.
func lines(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Split(strings.TrimRight(text, "\n\t "), "\n")
}
