// Package markdown writes plain texts as Markdown in which nothing of them is read as such.
package markdown

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	entity = regexp.MustCompile(`^&#?[0-9A-Za-z]+;`)
	// blocks are the marks by which a line becomes a list, a heading, a rule or a quotation; endings close a heading.
	blocks  = regexp.MustCompile(`(?m)^(\s*)([-+=]+|\d+[.)]|#+|>)`)
	endings = regexp.MustCompile(`(?m)([ \t])(#+[ \t]*)$`)
	// number is what makes a list of digits before the text.
	number = regexp.MustCompile(`^[.)](\s|$)`)
	spaces = strings.NewReplacer("\t", indent, "    ", indent)
	breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

// indent is what four spaces are without being code.
const indent = "\u00a0\u00a0\u00a0\u00a0"

// Escape has a plain text look the same as Markdown (CommonMark, "Backslash escapes"; the tables and strikes of GitHub's), and
// where Markdown is not read nearly the same: only what would be read is marked. What stands before it and behind it may be other
// Markdown. What a host makes a link by itself stays one, since it leads where it says. The functions of Adaptive Cards,
// which begin with two braces, are broken by it too, and so are tags such as <at>.
func Escape(text string) string {
	text = breaks.Replace(text)
	var b strings.Builder
	before := ' '
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		after, _ := utf8.DecodeRuneInString(text[i+size:])
		first, last := i == 0, i+size == len(text)
		switch {
		case strings.ContainsRune("\\`*[]<|~", r),
			r == '_' && !(inWord(before) && inWord(after)),
			r == '{' && (before == '{' || first || last),
			r == '&' && entity.MatchString(text[i:]),
			first && number.MatchString(text):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		before = r
	}
	text = blocks.ReplaceAllStringFunc(b.String(), func(begin string) string {
		i := strings.IndexAny(begin, "-+=.)#>")
		return begin[:i] + `\` + begin[i:]
	})
	return spaces.Replace(endings.ReplaceAllString(text, `$1\$2`))
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
