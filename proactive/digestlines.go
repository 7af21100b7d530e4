package proactive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/markdown"
	"github.com/headsup-bot/headsup/outbox"
)

// A digest that a policy asks for is a list of the texts of one topic. One that a person asks for tells whatever has come up:
// of each message its text, or the line that it has for a list, under the title of its topic.

// digested reports whether whom an attempt is for has notifications said together.
func (s *sender) digested(at *outbox.Attempt) bool {
	p := &at.Conversation.Preferences
	if p.Digest == nil && !digests(s.cfg.Preferences.Digest) {
		return false
	}
	topic := (*Engine)(s).topicOf(at.Topic)
	return !topic.Urgent && !topic.Mandatory && digests(s.wantsOf(*p, at, topic).digest)
}

// keptApart reports whether what waits behind an attempt is not said together with it, for its topic.
func (s *sender) keptApart(at *outbox.Attempt, name string) bool {
	topic := (*Engine)(s).topicOf(name)
	reason, _ := whyNot(at.Conversation, name, topic)
	return reason != "" || topic.Urgent || topic.Mandatory
}

// hasLine reports whether a message can be a line of a digest, and how long that is.
func (s *sender) hasLine(m outbox.Message) (size int, yes bool) {
	if m.Handler != "" || m.Policy.Expects.Wanted || m.Policy.Name == headsup.PolicyInterrupt || m.Window == headsup.WindowNew {
		return 0, false
	}
	var a activity.Activity
	if json.Unmarshal(m.Body, &a) != nil {
		return 0, false
	}
	l, ok := s.lineOf(&a, m.Topic)
	return len(l.text), ok
}

// line is what a digest says of a message.
type line struct {
	text     string
	markdown bool
	topic    string
}

// lineOf is what a digest says of an activity: its text, or the line of what is in parts, or what is there for those who
// cannot see it.
func (s *sender) lineOf(a *activity.Activity, topic string) (l line, ok bool) {
	l.topic = topic
	n, err := noticeOf(a)
	switch {
	case a.Type != activity.TypeMessage || err != nil || a.TextFormat == activity.TextXML:
		return l, false
	case n != nil:
		l.text, l.markdown = n.Line(card.View{Locale: a.Locale}), true
	case strings.TrimSpace(a.Text) != "":
		l.text, l.markdown = a.Text, a.TextFormat == activity.TextMarkdown
	default:
		if l.text = a.Summary; l.text == "" && a.Speak != nil {
			l.text = *a.Speak
		}
	}
	l.text = strings.TrimSpace(l.text)
	return l, l.text != ""
}

// digestOf is the message that says several: a list of lines, or the only one as it is. It is Markdown if one is, where the
// channel can show that.
func (s *sender) digestOf(ctx context.Context, at *outbox.Attempt, parts []outbox.Part) (*activity.Activity, error) {
	ref := at.Conversation.Reference
	lines := make([]line, len(parts))
	var locale string
	wish := false // else it is a policy's
	for i, p := range parts {
		if len(p.Message.Body) == 0 {
			return nil, digestPurged()
		}
		m, err := s.bound(ctx, at, p.Message)
		if err != nil {
			return nil, notRead(err)
		}
		var a activity.Activity
		if err := json.Unmarshal(m.Body, &a); err != nil {
			return nil, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "bad_body", Err: err}
		}
		if len(parts) == 1 {
			_, err := (*Engine)(s).show(&a, reader{conversation: at.Conversation, delivery: p.Delivery, topic: p.Message.Topic})
			return &a, err
		}
		l, ok := s.lineOf(&a, p.Message.Topic)
		if !ok { // it was edited, and has none any more
			l.text = "…"
		}
		lines[i], locale = l, cmp.Or(locale, a.Locale)
		wish = wish || p.Message.Policy.Release != headsup.ReleaseDigest
	}
	marked := slices.ContainsFunc(lines, func(l line) bool { return l.markdown })
	if book.StopsItself(ref.ChannelID) { // which shows a text as it is
		marked = false
	}
	var text strings.Builder
	if wish {
		s.writeByTopic(&text, lines, marked, cmp.Or(locale, ref.Locale))
	} else {
		writeLines(&text, lines, marked)
	}
	digest := activity.Message(strings.TrimSpace(text.String()))
	digest.Locale, digest.TextFormat = locale, activity.TextPlain
	if marked {
		digest.TextFormat = activity.TextMarkdown
	}
	if wish {
		digest.Summary = howMany(len(lines), cmp.Or(locale, ref.Locale))
	}
	return digest, nil
}

func writeLines(to *strings.Builder, lines []line, marked bool) {
	for _, l := range lines {
		bullet, text := "• ", strings.TrimSpace(l.text)
		switch {
		case marked && !l.markdown:
			bullet, text = "- ", markdown.Escape(text)
		case marked:
			bullet = "- "
		case l.markdown:
			text = plainLine(text)
		}
		if to.Len() > 0 {
			to.WriteByte('\n')
		}
		to.WriteString(bullet + strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\n  "))
	}
}

// writeByTopic writes lines under their topics, in the order in which these come up first.
func (s *sender) writeByTopic(to *strings.Builder, lines []line, marked bool, locale string) {
	var topics []string
	of := make(map[string][]line)
	for _, l := range lines {
		if _, known := of[l.topic]; !known {
			topics = append(topics, l.topic)
		}
		of[l.topic] = append(of[l.topic], l)
	}
	strong := func(text string) string {
		if marked {
			return "**" + markdown.Escape(text) + "**"
		}
		return text
	}
	to.WriteString(strong(howMany(len(lines), locale)))
	for _, name := range topics {
		var list strings.Builder
		writeLines(&list, of[name], marked)
		to.WriteString("\n\n")
		if len(topics) > 1 && name != "" {
			to.WriteString(strong((*Engine)(s).titleOf(name)) + "\n\n")
		}
		to.WriteString(list.String())
	}
}

// howMany says how many there are in a digest.
func howMany(n int, locale string) string {
	said := wordsOf(locale)
	if n == 1 {
		return said.one
	}
	return fmt.Sprintf(said.more, n)
}

// plainLine is a line of Markdown that we have written, or somebody else, for those who see no Markdown: links as they are
// read, and without the marks that keep other marks from being read.
func plainLine(text string) string {
	text = ownLink.ReplaceAllString(text, "$1: $2")
	return unescape.ReplaceAllString(text, "$1")
}
