package email

import (
	"bytes"
	"html"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	goldhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
	nethtml "golang.org/x/net/html"
)

// markdown renders what bots write for chats: a line break is one. Markup in it is shown as the text that it is, and pictures
// are links, so that nothing is fetched by opening a mail.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithRendererOptions(goldhtml.WithHardWraps(), goldhtml.WithXHTML(), renderer.WithNodeRenderers(util.Prioritized(tame{}, 100))),
)

// tame renders the nodes of Markdown that goldmark would leave out or fetch.
type tame struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (tame) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			for i := range n.(*ast.RawHTML).Segments.Len() { //nolint:errcheck,forcetypeassert // what the kind says
				s := n.(*ast.RawHTML).Segments.At(i) //nolint:errcheck,forcetypeassert // what the kind says
				_, _ = w.WriteString(html.EscapeString(string(s.Value(source))))
			}
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block := n.(*ast.HTMLBlock) //nolint:errcheck,forcetypeassert // what the kind says
		if !entering {
			_, _ = w.WriteString("</p>\n")
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString("<p>")
		for i := range block.Lines().Len() {
			s := block.Lines().At(i)
			_, _ = w.WriteString(html.EscapeString(string(s.Value(source))))
		}
		if block.HasClosure() {
			_, _ = w.WriteString(html.EscapeString(string(block.ClosureLine.Value(source))))
		}
		return ast.WalkContinue, nil
	})
	r.Register(ast.KindImage, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		target := n.(*ast.Image).Destination //nolint:errcheck,forcetypeassert // what the kind says
		switch {
		case goldhtml.IsDangerousURL(target):
		case entering:
			_, _ = w.WriteString(`<a href="` + html.EscapeString(string(util.URLEscape(target, true))) + `">`)
		default:
			if !n.HasChildren() {
				_, _ = w.WriteString(html.EscapeString(string(target)))
			}
			_, _ = w.WriteString("</a>")
		}
		return ast.WalkContinue, nil
	})
}

// ofMarkdown is the HTML of Markdown.
func ofMarkdown(text string) string {
	var b bytes.Buffer
	if err := markdown.Convert([]byte(text), &b); err != nil {
		return ofPlain(text)
	}
	return b.String()
}

// ofPlain is the HTML of plain text: it is shown as it is.
func ofPlain(text string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(unified(text)), "\n\n") {
		b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(strings.Trim(paragraph, "\n")), "\n", "<br />\n") + "</p>\n")
	}
	return b.String()
}

// unified has all line ends the same.
func unified(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

const (
	pageBefore = `<!DOCTYPE html>
<html><head><meta charset="utf-8" /><meta name="viewport" content="width=device-width" /><meta name="color-scheme" content="light dark" /></head>
<body style="font-family: 'Segoe UI', system-ui, sans-serif; font-size: 15px; line-height: 1.45; max-width: 40em; margin: 0 auto; padding: 1em">
`
	pageAfter = "</body></html>\n"
)

// page makes a whole document of HTML that is none yet.
func page(body string) string {
	head := strings.ToLower(body[:min(len(body), 512)])
	if strings.Contains(head, "<html") || strings.Contains(head, "<!doctype") {
		return body
	}
	return pageBefore + body + pageAfter
}

// ofHTML is the text of HTML, for those who read no HTML: without markup, scripts and styles, one line for a block.
func ofHTML(source string) string {
	var b strings.Builder
	tokens := nethtml.NewTokenizer(strings.NewReader(source))
	skipped := ""
	for {
		switch kind := tokens.Next(); kind {
		case nethtml.ErrorToken:
			if tokens.Err() != io.EOF { //nolint:errorlint // as the tokenizer returns it
				return ""
			}
			return tidy(b.String())
		case nethtml.TextToken:
			if skipped == "" {
				b.WriteString(strings.Join(strings.Fields(mark(string(tokens.Text()))), " "))
			}
		case nethtml.StartTagToken, nethtml.EndTagToken, nethtml.SelfClosingTagToken:
			raw, _ := tokens.TagName()
			name := string(raw)
			switch {
			case skipped == "" && kind == nethtml.StartTagToken && (name == "script" || name == "style" || name == "head" || name == "title"):
				skipped = name
			case skipped == name && kind == nethtml.EndTagToken:
				skipped = ""
			}
			if breaks[name] {
				b.WriteString("\n")
			}
		case nethtml.CommentToken, nethtml.DoctypeToken:
		}
	}
}

// space stands for white space at the ends of a piece of text, which joins it to its neighbours.
const space = "\u0001"

func mark(text string) string {
	if text == "" {
		return ""
	}
	marked := text
	if strings.TrimLeft(text, " \t\r\n") != text {
		marked = space + marked
	}
	if strings.TrimRight(text, " \t\r\n") != text {
		marked += space
	}
	return marked
}

// breaks are the elements that begin a line.
var breaks = map[string]bool{
	"p": true, "br": true, "div": true, "li": true, "tr": true, "h1": true, "h2": true, "h3": true, "h4": true, "table": true,
	"blockquote": true, "pre": true, "hr": true, "ul": true, "ol": true,
}

// tidy leaves no more than one empty line between others.
func tidy(text string) string {
	text = strings.ReplaceAll(text, space, " ")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
