package email

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	mail "github.com/wneessen/go-mail"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/cardtext"
)

// maxSubject is how many characters of a subject are kept.
const maxSubject = 200

// letter is a mail before it is one.
type letter struct {
	to, id        string // of the recipient, and of the mail
	thread        string // the id that the mails of one subject answer
	answers       string // the id of the mail that it answers; may be empty
	subject       string
	text, html    string
	importance    activity.Importance
	unsubscribe   string
	answersPerson bool
}

// data is the channel data that a message may have; the first three members are those of Microsoft's e-mail channel.
type data struct {
	Subject         string              `json:"subject"`
	HTMLBody        string              `json:"htmlBody"`
	Importance      activity.Importance `json:"importance"`
	ListUnsubscribe string              `json:"listUnsubscribe"`
}

// write makes a letter of what is to be sent.
func (c *Channel) write(ctx context.Context, to string, out headsup.Outgoing) letter {
	a := out.Activity
	l, d := draft(a)
	l.to, l.id = to, c.ids.of(out.Key, to)
	l.thread = c.ids.thread(l.subject, to)
	if c.ids.ours(a.ReplyToID, to) || messageID(string(a.ReplyToID)) {
		l.answers, l.answersPerson = string(a.ReplyToID), !c.ids.ours(a.ReplyToID, to)
	}
	l.unsubscribe = d.ListUnsubscribe
	if l.unsubscribe == "" && c.cfg.Unsubscribe != nil && !l.answersPerson {
		l.unsubscribe = c.cfg.Unsubscribe(ctx, out)
	}
	return l
}

// Draft is what a mail shows.
type Draft struct{ Subject, Text, HTML string }

// DraftOf is what the mail shows that is made of an activity.
func DraftOf(a *activity.Activity) Draft {
	l, _ := draft(a)
	return Draft{l.subject, l.text, l.html}
}

// draft is a letter without an address.
func draft(a *activity.Activity) (l letter, d data) {
	if json.Unmarshal(a.ChannelData, &d) != nil {
		d = data{} // of another channel
	}
	l.importance = cmp.Or(d.Importance, a.Importance)
	l.text = unified(cardtext.Of(a))
	cards := cardtext.Attachments(a)
	switch {
	case d.HTMLBody != "":
		l.html = page(d.HTMLBody)
		if l.text == "" {
			l.text = ofHTML(d.HTMLBody)
		}
	case a.TextFormat == activity.TextMarkdown && a.Text != "":
		l.html = ofMarkdown(a.Text)
		if cards != "" {
			l.html += ofPlain(cards)
		}
		l.html = page(l.html)
	case a.TextFormat == activity.TextXML && a.Text != "":
		l.text = ofHTML(a.Text)
		l.html = page(ofPlain(l.text))
	default:
		l.html = page(ofPlain(l.text))
	}
	l.subject = subject(cmp.Or(d.Subject, a.Summary, firstLine(l.text)))
	return l, d
}

// messageID reports whether a text can be the id of a mail, in its plain form (RFC 5322, section 3.6.4).
func messageID(id string) bool {
	left, right, found := strings.Cut(id, "@")
	return found && left != "" && right != "" && len(id) <= maxMessageID && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("<>()[]\\,;:\"", r)
	}) && !strings.Contains(right, "@")
}

const maxMessageID = 250

// firstLine is the first line of a text that says something, without the marks of Markdown's headings.
func firstLine(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(strings.TrimLeft(line, "#*_> ")); line != "" {
			return line
		}
	}
	return ""
}

// subject is a text on one line, not too long. What cannot be seen is left out, so that no header begins in it.
func subject(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, text)), " ")
	if utf8.RuneCountInString(text) > maxSubject {
		text = string([]rune(text)[:maxSubject-1]) + "…"
	}
	return text
}

// compose is a letter as it goes over the wire, but for the dots.
func (c *Channel) compose(l letter) ([]byte, error) {
	if l.text == "" {
		return nil, errors.New("it says nothing that a mail can show")
	}
	m := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP))
	from, replyTo := c.from, c.replyTo
	m.FromMailAddress(&from)
	if replyTo.Address != "" {
		m.ReplyToMailAddress(&replyTo)
	}
	if err := m.To(l.to); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	m.Subject(l.subject)
	m.SetDateWithValue(c.cfg.Now())
	m.SetMessageIDWithValue(l.id)
	references := "<" + l.thread + ">"
	if l.answers != "" {
		m.SetGenHeader(mail.HeaderInReplyTo, "<"+l.answers+">")
		references += " <" + l.answers + ">"
	} else {
		m.SetGenHeader(mail.HeaderInReplyTo, references)
	}
	m.SetGenHeader(mail.HeaderReferences, references)
	auto := "auto-generated" // RFC 3834, section 5
	if l.answersPerson {
		auto = "auto-replied"
	}
	m.SetGenHeader("Auto-Submitted", auto)
	m.SetGenHeader(mail.HeaderXAutoResponseSuppress, "OOF, AutoReply") // what Exchange goes by
	switch l.importance {
	case activity.ImportanceHigh:
		m.SetImportance(mail.ImportanceHigh)
	case activity.ImportanceLow:
		m.SetImportance(mail.ImportanceLow)
	case activity.ImportanceNormal:
	}
	if err := unsubscribable(m, l.unsubscribe); err != nil {
		return nil, err
	}
	m.SetBodyString(mail.TypeTextPlain, l.text+"\n")
	if l.html != "" {
		m.AddAlternativeString(mail.TypeTextHTML, l.html)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), sound(b.Bytes())
}

// unsubscribable lets mail programs take somebody off what the bot sends, by a POST to an https URL that nobody makes by
// looking at it (RFC 8058). A URL with http, of development mode, is only shown.
func unsubscribable(m *mail.Msg, to string) error {
	if to == "" {
		return nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(to) > maxLink || strings.ContainsAny(to, "<>\r\n ") {
		return errors.New("channelData.listUnsubscribe is not an https URL")
	}
	if u.Scheme == "http" {
		m.SetListUnsubscribe(u.String())
		return nil
	}
	return m.SetListUnsubscribeOneClick(u.String())
}

// maxLink is the longest URL that fits a line of a header.
const maxLink = 900

// The limits of a mail: of a line (RFC 5322, section 2.1.1), and of all of it, which large providers take.
const (
	maxLine = 998
	maxMail = 10 << 20
)

// sound refuses what mail servers could read in two ways: line ends that are not CR LF, which is how one mail becomes two on its
// way, lines that are too long, and NUL.
func sound(raw []byte) error {
	if len(raw) > maxMail {
		return fmt.Errorf("the mail is larger than %d bytes", maxMail)
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		switch {
		case bytes.ContainsAny(line, "\r\n"):
			return errors.New("a line does not end with CR LF")
		case bytes.IndexByte(line, 0) >= 0:
			return errors.New("the mail has NUL in it")
		case len(line) > maxLine:
			return fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
	return nil
}
