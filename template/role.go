package template

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// role is what a string is for, which says how values are put into it.
type role byte

const (
	rolePlain    role = iota // nobody finds markup in it
	roleMarkdown             // is shown as Markdown
	roleRun                  // is shown without Markdown, but with the functions of Adaptive Cards
	roleLink                 // is followed
	roleSpeech               // is SSML
	roleValue                // may be something else than a string
	roleData                 // is not shown
)

// roleOf is the role of the strings at a place (Adaptive Cards schema; of text in elements that are not known here, the
// careful one).
func roleOf(at place) role {
	switch {
	case at.data:
		return roleData
	case at.form == "text":
		return rolePlain
	case at.form == "markdown":
		return roleMarkdown
	case slices.Contains([]string{"url", "iconUrl", "poster", "backgroundImage"}, at.name):
		return roleLink
	case at.form == "notice":
		return rolePlain
	}
	switch at.name {
	case "text":
		if slices.Contains([]string{"TextRun", "Badge", "CodeBlock"}, at.object) {
			return roleRun
		}
		return roleMarkdown
	case "title", "value":
		switch {
		case at.list == "facts", at.name == "title" && (at.list == "choices" || at.object == "Input.Toggle"):
			return roleMarkdown
		case at.name == "title":
			return roleRun
		}
	case "label", "errorMessage", "fallbackText":
		return roleMarkdown
	case "speak":
		return roleSpeech
	case "altText", "tooltip", "placeholder", "name", "id":
		return rolePlain
	}
	return roleValue
}

// raises reports whether a member is what an action sends back, which may be any JSON.
func raises(at place) bool {
	if at.form == "notice" {
		return at.name == "value" && at.list == "actions"
	}
	return at.form == "card" && at.name == "data" && strings.HasPrefix(at.object, "Action.")
}

// escapeRun keeps Adaptive Cards from finding functions in a text, by a word joiner, which nobody sees.
func escapeRun(text string) string { return strings.ReplaceAll(text, "{{", "{\u2060{") }

var speechMarks = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

// link is where in a link of Markdown an expression stands.
type link byte

const (
	linkNone  link = iota
	linkWhole      // the destination begins with it
	linkPart
)

var destinations = []*regexp.Regexp{
	regexp.MustCompile(`\]\(\s*<?([^\s()<>]*)$`),
	regexp.MustCompile(`(?m)^\s{0,3}\[[^\]\n]+\]:\s*<?(\S*)$`),
	regexp.MustCompile(`<((?:[A-Za-z][A-Za-z0-9+.-]*:[^\s<>]*)?)$`),
}

// linkAt says where an expression stands after some Markdown.
func linkAt(before string) link {
	for _, d := range destinations {
		if found := d.FindStringSubmatch(before); found != nil {
			if found[1] == "" {
				return linkWhole
			}
			return linkPart
		}
	}
	return linkNone
}

// schemes are those that links may have.
var schemes = []string{"https", "http", "mailto", "tel", "sms", "msteams"}

var pictures = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$`)

// wrongLink says why nobody is to follow a link, or nothing.
func wrongLink(text string) string {
	if text == "" || pictures.MatchString(text) {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, " \t\r\n\\\"<>"):
		return "is not a URL"
	case !slices.Contains(schemes, strings.ToLower(u.Scheme)):
		return fmt.Sprintf("is not a URL with one of the schemes %s", strings.Join(schemes, ", "))
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host == "":
		return "is not a URL with a host"
	}
	return ""
}

// escapePart makes a value a part of a URL.
func escapePart(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// inDestination has a URL stand in a link of Markdown.
var inDestination = strings.NewReplacer("(", "%28", ")", "%29", "[", "%5B", "]", "%5D", "`", "%60", "{", "%7B")

// escaped are characters that a backslash has made plain.
var escaped = regexp.MustCompile(`\\.`)

// dangerous are links that Markdown which was not escaped may have.
var dangerous = regexp.MustCompile(`(?i)(\](\(|:)|<)\s*<?\s*(javascript|vbscript|data)\s*:`)
