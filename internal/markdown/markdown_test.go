package markdown_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/internal/markdown"
)

// TestOnlyWhatWouldBeReadIsMarked: these are the rules, for whoever writes texts.
func TestOnlyWhatWouldBeReadIsMarked(t *testing.T) {
	t.Parallel()
	for plain, want := range map[string]string{
		"a_b R&D 2*3 #4 5 > 4 a-b 1.5": `a_b R&D 2\*3 #4 5 > 4 a-b 1.5`,
		"_a_ __b__ 50_":                `\_a\_ \_\_b\_\_ 50\_`,
		"&lt; &#60; & ; &x":            `\&lt; \&#60; & ; &x`,
		"--- x":                        `\--- x`,
		"- a\n+ b\n  12) c\n1. d":      "\\- a\n\\+ b\n  12\\) c\n1\\. d",
		"a\n=\nb\r# c\r\n> d":          "a\n\\=\nb\n\\# c\n\\> d",
		`\*`:                           `\\\*`,
		"\tcode":                       "\u00a0\u00a0\u00a0\u00a0code",
		"## x":                         `\## x`,
		"C# and x ##":                  `C# and x \##`,
		"~~x~~ |a| `c`":                "\\~\\~x\\~\\~ \\|a\\| \\`c\\`",
		"[a](http://b) ![c]":           `\[a\](http://b) !\[c\]`,
		"<at>Boss</at> a < b":          `\<at>Boss\</at> a \< b`,
		"a {b} {{DATE(x)}} {":          `a {b} {\{DATE(x)}} \{`,
		". a":                          `\. a`,
		".5 is half":                   ".5 is half",
		"":                             "",
		"\xff_":                        "\uFFFD\\_",
	} {
		if got := markdown.Escape(plain); got != want {
			t.Errorf("%q: %q, want %q", plain, got, want)
		}
	}
}

var reader = goldmark.New(goldmark.WithExtensions(extension.GFM))

// seen is what a reader of Markdown shows, without white space, and the elements that it has made of it, but for paragraphs and
// addresses that are links by themselves.
func seen(t *rapid.T, source string) (shown string, made []string) {
	var page bytes.Buffer
	if err := reader.Convert([]byte(source), &page); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for tokens := html.NewTokenizer(&page); ; {
		switch kind := tokens.Next(); kind {
		case html.ErrorToken:
			return bare(b.String()), made
		case html.TextToken:
			b.WriteString(tokens.Token().Data)
		case html.EndTagToken:
		default:
			if name := tokens.Token().Data; name != "p" && name != "br" && name != "a" {
				made = append(made, name)
			}
		}
	}
}

// bare is a text without white space.
func bare(s string) string { return strings.Join(strings.Fields(s), "") }

// TestTextsAreShownAsTheyAre, whatever they are made of, alone and beside other Markdown.
func TestTextsAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"a", "Z", "é", "1", "12", " ", "  ", "    ", "\n", "\n\n", "\t", "\r", "\\", "`", "``", "```", "*", "**", "_", "__", "[", "]", "](", "(", ")", "<", ">",
		"<b>", "</b>", "<!--", "-->", "#", "##", "-", "---", "+", "=", "===", ".", "1.", "1)", "|", "|-|", "~", "~~~", "&", "&amp;", "&#42;", "{", "{{", "}", "!", "![",
		"http://x.example/_a_", "www.x.example", "ann@x.example", ":", "\"", "'", "$", "^", "[x]: y", "[ ]", "[^1]", "<http://x>",
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			shownAsItIs(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 5).Draw(t, "pieces"), ""))
		}
	})
}

func shownAsItIs(t *rapid.T, plain string) {
	t.Helper()
	for _, around := range [][2]string{{"", ""}, {"x", "y"}, {"x ", " y"}, {"7", ""}, {"x: ", "\n"}} {
		source := around[0] + markdown.Escape(plain) + around[1]
		shown, marks := seen(t, source)
		if want := bare(around[0] + plain + around[1]); len(marks) > 0 || shown != want {
			t.Fatalf("%q is written %q and shown %q, with %v", plain, source, shown, marks)
		}
	}
	line := strings.NewReplacer("\n", " ", "\r", " ").Replace(plain)
	if shown, marks := seen(t, "# "+markdown.Escape(line)); shown != bare(line) || len(marks) != 1 || marks[0] != "h1" {
		t.Fatalf("%q as a heading is shown %q, with %v", line, shown, marks)
	}
}
