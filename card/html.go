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
	Lang                  string
	Subject, Preheader    string
	Icon, Word, Ink, Tint string // of the severity
	What                  string
	Item, By, When        pageLink
	Picture               *Picture
	Lines                 []string
	Facts                 []Fact
	Buttons, OptOuts      []pageLink
	Done                  string
}

// pageLink is a link, or a text when it leads nowhere.
type pageLink struct {
	Text string
	URL  template.URL // was checked by Notice.Validate, or is our own
}

// tints are a severity's colours: of text on white, and behind it. All are readable (WCAG 2.2, 1.4.3).
var tints = map[Severity][2]string{
	Info: {"#0b5cad", "#e8f2fc"}, Good: {"#0f6b2f", "#e7f6ec"}, Warning: {"#7a4b00", "#fff4db"}, Critical: {"#a4161a", "#fdeaea"},
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
	p.Ink, p.Tint = "#242424", "#ffffff"
	if t, ok := tints[n.Severity]; ok {
		p.Ink, p.Tint = t[0], t[1]
	}
	if n.Item != nil {
		p.Item = pageLink{n.itemTitle(), template.URL(n.Item.URL)} //nolint:gosec // see pageLink
	}
	if n.Actor != nil {
		p.By = pageLink{w.by + " " + n.Actor.Name, template.URL(n.Actor.URL)} //nolint:gosec // see pageLink
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
