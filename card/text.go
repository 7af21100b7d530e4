package card

import (
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup/internal/markdown"
)

// Limits of the line that [Notice.Summary] is.
const (
	// MaxSummary is how many characters it has at most: what is left of the line that Microsoft Teams shows in a pop-up and
	// in the list of activities (Microsoft, "Send activity feed notifications", 150 characters).
	MaxSummary = 150
)

// Summary is the notice in one line, for a pop-up or a list.
func (n *Notice) Summary(v View) string {
	icon, _ := wordsFor(v.Locale).severity(n.Severity)
	parts := []string{n.What}
	if icon != "" && n.Severity != Info {
		parts[0] = icon + " " + n.What
	}
	if item := n.itemTitle(); item != "" {
		parts = append(parts, item)
	}
	s := strings.Join(parts, ": ")
	if n.Actor != nil {
		s += " (" + n.Actor.Name + ")"
	}
	return cut(s, MaxSummary)
}

// cut shortens a text to some characters, and shows that it did.
func cut(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return strings.TrimRight(string(runes[:most-1]), " ") + "…"
}

// Plain makes the notice a plain text.
func (n *Notice) Plain(v View) (string, error) {
	return n.written(v, plainly)
}

// Markdown makes the notice a text in Markdown, in which nothing of the notice is read as such.
func (n *Notice) Markdown(v View) (string, error) {
	return n.written(v, marked)
}

// Line is the notice as one line of a list, in Markdown: what happened, to what, with a link, and by whom.
func (n *Notice) Line(v View) string {
	icon, _ := wordsFor(v.Locale).severity(n.Severity)
	s := marked.strong(n.What)
	if icon != "" {
		s = icon + " " + s
	}
	switch title := n.itemTitle(); {
	case title == "":
	case n.Item.URL != "":
		s += " – " + marked.link(title, n.Item.URL)
	default:
		s += " – " + marked.text(title)
	}
	if n.Actor != nil {
		s += " (" + marked.text(n.Actor.Name) + ")"
	}
	return s
}

// hand is how a text is written.
type hand struct {
	text   func(string) string
	strong func(string) string
	link   func(text, url string) string
	bullet string
	// newline ends a line that the next one belongs to.
	newline string
}

var plainly = hand{
	text:   func(s string) string { return s },
	strong: func(s string) string { return s },
	link: func(text, url string) string {
		if text == url || text == "" {
			return url
		}
		return text + ": " + url
	},
	bullet: "• ", newline: "\n",
}

var marked = hand{
	text:   markdown.Escape,
	strong: func(s string) string { return "**" + markdown.Escape(strings.TrimSpace(s)) + "**" },
	link:   func(text, url string) string { return "[" + markdown.Escape(text) + "](<" + url + ">)" },
	bullet: "- ", newline: "  \n", // CommonMark, "Hard line breaks"
}

// written is the notice as text, in paragraphs.
func (n *Notice) written(v View, h hand) (string, error) {
	var paragraphs []string
	add := func(of []string, sep string) {
		if len(of) > 0 {
			paragraphs = append(paragraphs, strings.Join(of, sep))
		}
	}
	w := wordsFor(v.Locale)
	head := h.strong(n.What)
	if icon, word := w.severity(n.Severity); word != "" {
		head = icon + " " + h.strong(word+": "+n.What)
	}
	top := []string{head}
	if n.Item != nil {
		title := h.text(n.itemTitle())
		if n.Item.URL != "" {
			title = h.link(n.itemTitle(), n.Item.URL)
		}
		top = append(top, title)
	}
	if by := n.byline(v); by != "" {
		top = append(top, h.text(by))
	}
	add(top, h.newline)
	if strings.TrimSpace(n.Text) != "" {
		var body []string
		for _, l := range lines(n.Text) {
			body = append(body, h.text(l))
		}
		add(body, h.newline)
	}
	var facts []string
	for _, f := range n.Facts {
		facts = append(facts, h.bullet+h.text(f.Title)+": "+h.text(f.Value))
	}
	add(facts, "\n")
	own, out := n.Ways(v)
	var links []string
	for _, a := range own {
		url, err := v.linkOf(a)
		if err != nil {
			return "", err
		}
		if url != "" {
			links = append(links, h.link(v.Label(a), url))
		}
	}
	add(links, h.newline)
	var ways []string
	for _, a := range out {
		url, err := v.linkOf(a)
		switch {
		case err != nil:
			return "", err
		case url != "":
			ways = append(ways, h.link(v.Label(a), url))
		case a.Do == Mute && v.Topic != "":
			ways = append(ways, h.text(fmt.Sprintf(w.sayMute, v.Topic)))
		case a.Do == OptOut:
			ways = append(ways, h.text(w.sayStop))
		}
	}
	add(ways, h.newline)
	if v.Done != "" {
		add([]string{"✓ " + h.text(v.Done)}, "")
	}
	return strings.Join(paragraphs, "\n\n"), nil
}
