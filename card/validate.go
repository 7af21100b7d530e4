package card

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a notice, in bytes where nothing else is said. They are such that every form of nearly every notice is within
// what its channel takes; those that are not are told by [Notice.Validate].
const (
	MaxWhat       = 256
	MaxText       = 8 << 10
	MaxTitle      = 256
	MaxURL        = 2048
	MaxFacts      = 20
	MaxFactTitle  = 128
	MaxFactValue  = 1024
	MaxActions    = 5 // Teams shows six in a row, and the way out is one more
	MaxActionName = 128
	MaxValue      = 2 << 10
	MinSnooze     = time.Minute
	MaxSnooze     = 30 * 24 * time.Hour
)

// MaxCard is how large an Adaptive Card may be: what Microsoft Teams takes in one (Microsoft, "Designing Adaptive Cards for
// your Teams app", 28 KB). MaxHTML is where mail programs begin to cut a mail off (Gmail, 102 KB).
const (
	MaxCard = 28 << 10
	MaxHTML = 102 << 10
)

// FieldError says which member of a notice is wrong, as "notice.facts[2].title".
type FieldError struct {
	Field  string
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Decode reads a notice, and validates it. Members that a notice does not have are refused. The error is a [*FieldError].
func Decode(raw jsontext.Value) (*Notice, error) {
	var n Notice
	if err := json.Unmarshal(raw, &n, json.RejectUnknownMembers(true)); err != nil {
		return nil, wrong(err)
	}
	if err := n.Validate(); err != nil {
		return nil, err
	}
	return &n, nil
}

var errSpan = errors.New("is not a duration such as 90s or 1h30m")

// wrong says where JSON is no notice.
func wrong(err error) *FieldError {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &FieldError{path(syntax.JSONPointer), syntax.Err.Error()}
	}
	bad, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return &FieldError{"notice", err.Error()}
	}
	field := path(bad.JSONPointer)
	switch {
	case errors.Is(err, errSpan):
		return &FieldError{field, errSpan.Error()}
	case errors.Is(err, json.ErrUnknownName):
		return &FieldError{field, "is not a member of a notice"}
	case bad.JSONKind != 0 && bad.Err == nil:
		return &FieldError{field, "cannot be a JSON " + bad.JSONKind.String()}
	case bad.Err != nil:
		return &FieldError{field, bad.Err.Error()}
	}
	return &FieldError{field, "is wrong"}
}

// path is a JSON pointer as the API writes it.
func path(p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString("notice")
	for token := range p.Tokens() {
		if token != "" && strings.IndexFunc(token, func(r rune) bool { return r < '0' || r > '9' }) < 0 {
			b.WriteString("[" + token + "]")
		} else {
			b.WriteString("." + token)
		}
	}
	return b.String()
}

// Validate reports the first thing that is wrong, as a [*FieldError]; one member that cannot be shown is one too, and a whole
// that is too large for a channel.
func (n *Notice) Validate() error {
	checks := []error{
		line("notice.what", n.What, MaxWhat, true),
		text("notice.text", n.Text, MaxText),
		n.Severity.validate(),
		n.Item.validate(),
		n.Actor.validate(),
		n.Picture.validate(),
		n.facts(),
		n.actions(),
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	if y := n.When.Year(); !n.When.IsZero() && (y < 1970 || y > 9999) {
		return &FieldError{"notice.when", "is not between 1970 and 9999"}
	}
	return n.fits()
}

func (s Severity) validate() error {
	switch s {
	case "", Default, Info, Good, Warning, Critical:
		return nil
	}
	return &FieldError{"notice.severity", "is none of info, default, good, warning, critical"}
}

func (i *Item) validate() error {
	switch {
	case i == nil:
		return nil
	case i.Title == "" && i.URL == "":
		return &FieldError{"notice.item", "has neither title nor url"}
	}
	return first(line("notice.item.title", i.Title, MaxTitle, false), link("notice.item.url", i.URL, false, "https", "http"))
}

func (a *Actor) validate() error {
	if a == nil {
		return nil
	}
	return first(line("notice.actor.name", a.Name, MaxTitle, true), link("notice.actor.url", a.URL, false, "https", "http", "mailto"))
}

func (p *Picture) validate() error {
	if p == nil {
		return nil
	}
	return first(link("notice.picture.url", p.URL, true, "https"), line("notice.picture.alt", p.Alt, MaxTitle, true))
}

func (n *Notice) facts() error {
	if len(n.Facts) > MaxFacts {
		return &FieldError{"notice.facts", fmt.Sprintf("are more than %d", MaxFacts)}
	}
	for i, f := range n.Facts {
		at := fmt.Sprintf("notice.facts[%d]", i)
		if err := first(line(at+".title", f.Title, MaxFactTitle, true), line(at+".value", f.Value, MaxFactValue, true)); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notice) actions() error {
	if len(n.Actions) > MaxActions {
		return &FieldError{"notice.actions", fmt.Sprintf("are more than %d", MaxActions)}
	}
	for i, a := range n.Actions {
		if err := a.validate(fmt.Sprintf("notice.actions[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (a Action) validate(at string) error {
	only := func(member string, given bool, of ...Do) error {
		if given && !slices.Contains(of, a.Do) {
			return &FieldError{at + "." + member, "is not for " + string(a.Do)}
		}
		return nil
	}
	switch a.Do {
	case Open, Call, Snooze, Mute, OptOut:
	default:
		return &FieldError{at + ".do", "is none of open, do, snooze, mute, opt_out"}
	}
	if err := first(
		line(at+".title", a.Title, MaxTitle, a.Do == Open || a.Do == Call),
		only("url", a.URL != "", Open), only("name", a.Name != "", Call), only("value", len(a.Value) > 0, Call), only("for", a.For != 0, Snooze),
	); err != nil {
		return err
	}
	switch {
	case a.Do == Open:
		return link(at+".url", a.URL, true, "https", "http", "mailto", "tel")
	case a.Do == Snooze && a.For != 0 && (a.For < MinSnooze || a.For > MaxSnooze || a.For%time.Second != 0):
		return &FieldError{at + ".for", "is not whole seconds between 1m and 720h"}
	case a.Do != Call:
		return nil
	case len(a.Value) > MaxValue:
		return &FieldError{at + ".value", fmt.Sprintf("is larger than %d bytes", MaxValue)}
	case len(a.Value) > 0 && !a.Value.IsValid():
		return &FieldError{at + ".value", "is not valid JSON"}
	}
	return line(at+".name", a.Name, MaxActionName, true)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// line checks a text of one line.
func line(field, s string, most int, required bool) error {
	if err := text(field, s, most); err != nil {
		return err
	}
	switch {
	case required && strings.TrimSpace(s) == "":
		return &FieldError{field, "is required"}
	case strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) >= 0:
		return &FieldError{field, "contains a line break or a control character"}
	}
	return nil
}

// text checks a text of several lines.
func text(field, s string, most int) error {
	switch {
	case len(s) > most:
		return &FieldError{field, fmt.Sprintf("is longer than %d bytes", most)}
	case !utf8.ValidString(s):
		return &FieldError{field, "is not valid UTF-8"}
	case strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) >= 0:
		return &FieldError{field, "contains a control character"}
	}
	return nil
}

// link checks that a URL is one that a person may be sent to.
func link(field, s string, required bool, schemes ...string) error {
	switch {
	case s == "" && !required:
		return nil
	case s == "":
		return &FieldError{field, "is required"}
	case len(s) > MaxURL:
		return &FieldError{field, fmt.Sprintf("is longer than %d bytes", MaxURL)}
	case strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 || strings.ContainsAny(s, "\"<>\\^`{|}"):
		return &FieldError{field, "has characters that a URL has escaped"} // RFC 3986, 2
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return &FieldError{field, "is not a URL"}
	case !slices.Contains(schemes, u.Scheme):
		return &FieldError{field, "is not a URL with " + strings.Join(schemes, ", ")}
	case u.User != nil:
		return &FieldError{field, "has a user name in it"}
	}
	switch u.Scheme {
	case "mailto":
		to, err := url.PathUnescape(u.Opaque)
		if err != nil || u.RawQuery != "" || u.Fragment != "" {
			return &FieldError{field, "is not mailto: with one address"}
		}
		if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
			return &FieldError{field, "is not mailto: with one address"}
		}
	case "tel":
		if u.Opaque == "" || strings.Trim(u.Opaque, "+0123456789-.()") != "" {
			return &FieldError{field, "is not tel: with a number"}
		}
	default:
		if u.Hostname() == "" {
			return &FieldError{field, "has no host"}
		}
	}
	return nil
}

// fits checks that every form is within what its channel takes, with all that may be added to it.
func (n *Notice) fits() error {
	const longest = "sgn_0000000000000"
	v := View{
		Locale: "de", Topic: strings.Repeat("t", 80), OptOut: []Action{{Do: Mute}, {Do: OptOut}}, Execute: true,
		Ticket: func(a Action) (string, error) { // as long as one may be: see package ticket
			return longest + strings.Repeat("x", 420+(len(a.Name)+len(a.Value))*4/3), nil
		},
		Link: func(ticket string) string { return "https://headsup.example.com/actions/" + ticket },
	}
	made, err := n.AdaptiveCard(v)
	if err != nil {
		return &FieldError{"notice", err.Error()}
	}
	if len(made) > MaxCard {
		return &FieldError{"notice", fmt.Sprintf("makes an Adaptive Card of %d bytes; %d are the most", len(made), MaxCard)}
	}
	page, err := n.HTML(v)
	if err != nil {
		return &FieldError{"notice", err.Error()}
	}
	if len(page) > MaxHTML {
		return &FieldError{"notice", fmt.Sprintf("makes a mail of %d bytes; %d are the most", len(page), MaxHTML)}
	}
	return nil
}
