package card

import (
	_ "embed"
	"html/template"
	"strings"
)

//go:embed mail.html.tmpl
var mailSource string

// mailPage is the page of a mail. Its data is bound by html/template, which escapes each value for where it stands.
var mailPage = template.Must(template.New("mail").Parse(mailSource))

// page is what the template shows.
type page struct {
	Lang               string
	Subject, Preheader string
	Icon, Word         string // of the severity
	Band               band
	What, By           string
	Item, Actor, When  pageLink
	Picture            *Picture
	Lines              []string
	Facts              []Fact
	Buttons, OptOuts   []pageLink
	Done               string
}

// pageLink is a link, or a text when it leads nowhere.
type pageLink struct {
	Text string
	URL  template.URL // was checked by Notice.Validate, or is our own
}

// band is a severity's colours: of its word and behind it, by day and in the dark.
type band struct{ Ink, Tint, DarkInk, DarkTint template.CSS }

// bands are readable (WCAG 2.2, 1.4.3).
var bands = map[Severity]band{
	Info:     {"#0b5cad", "#e8f2fc", "#a9d3ff", "#12304d"},
	Good:     {"#0f6b2f", "#e7f6ec", "#a6e3b8", "#123a20"},
	Warning:  {"#7a4b00", "#fff4db", "#ffd68a", "#453006"},
	Critical: {"#a4161a", "#fdeaea", "#ffb9b9", "#541a1c"},
}

// Subject is the notice as the subject of a mail.
func (n *Notice) Subject(v View) string {
	s := n.What
	if _, word := wordsFor(v.Locale).severity(n.Severity); word != "" && (n.Severity == Warning || n.Severity == Critical) {
		s = word + ": " + s
	}
	if item := n.itemTitle(); item != "" && n.Item.Title != "" {
		s += " – " + item
	}
	return cut(s, MaxSummary)
}

// HTML makes the notice the page of a mail: tables and styles of their own, as mail programs want them, and nothing that is
// loaded but the picture.
func (n *Notice) HTML(v View) (string, error) {
	w := wordsFor(v.Locale)
	p := page{
		Lang: primary(v.Locale), Subject: n.Subject(v), Preheader: n.preheader(), What: n.What, Picture: n.Picture, Facts: n.Facts,
		Done: v.Done,
	}
	p.Icon, p.Word = w.severity(n.Severity)
	p.Band = bands[n.Severity]
	if n.Item != nil {
		p.Item = pageLink{n.itemTitle(), template.URL(n.Item.URL)} //nolint:gosec // see pageLink
	}
	if n.Actor != nil {
		p.By, p.Actor = w.by, pageLink{n.Actor.Name, template.URL(n.Actor.URL)} //nolint:gosec // see pageLink
	}
	if !n.When.IsZero() {
		p.When.Text = v.When(n.When)
	}
	if strings.TrimSpace(n.Text) != "" {
		p.Lines = lines(n.Text)
	}
	own, out := n.Ways(v)
	var err error
	if p.Buttons, err = v.pageLinks(own); err != nil {
		return "", err
	}
	if p.OptOuts, err = v.pageLinks(out); err != nil {
		return "", err
	}
	var b strings.Builder
	if err := mailPage.Execute(&b, p); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (v View) pageLinks(actions []Action) (links []pageLink, err error) {
	for _, a := range actions {
		url, err := v.linkOf(a)
		if err != nil {
			return nil, err
		}
		if url != "" {
			links = append(links, pageLink{v.Label(a), template.URL(url)}) //nolint:gosec // see pageLink
		}
	}
	return links, nil
}

// preheader is what a mail program shows beside the subject.
func (n *Notice) preheader() string {
	var parts []string
	if n.Actor != nil {
		parts = append(parts, n.Actor.Name)
	}
	if strings.TrimSpace(n.Text) != "" {
		parts = append(parts, strings.Join(strings.Fields(n.Text), " "))
	}
	for _, f := range n.Facts {
		parts = append(parts, f.Title+": "+f.Value)
	}
	return cut(strings.Join(parts, " · "), MaxSummary)
}
