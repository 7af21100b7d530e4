package email

import (
	"regexp"
	"strings"
)

// What mail programs put before the mail that is answered: a line that ends with a colon, in the language of whoever writes
// ("On Monday, the bot wrote:"), or one of a few separators.
var (
	attribution = regexp.MustCompile(`(?i)^(on|am|le|el|il|op|em|den|dnia|w dniu|el día|em)\b.{0,300}(wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(?a?\)?|pisze)\b.{0,80}:$`)
	separator   = regexp.MustCompile(`(?i)^(-{2,} ?(original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|forwarded message|reply above this line).*|_{20,}|\*?(from|von|de|da|van): .*)$`)
	headerLine  = regexp.MustCompile(`(?i)^\*?(sent|gesendet|date|datum|envoyé|enviado|inviato|verzonden|to|an|à|para|a|aan|subject|betreff|objet|asunto|oggetto|onderwerp)\*?\s*:`)
	handheld    = regexp.MustCompile(`(?i)^(sent from (my|outlook|mail|proton)|von meinem .{1,40} gesendet|envoyé de mon|get outlook for|enviado desde mi|inviato da)\b.{0,120}$`)
)

// unquoted is what somebody has written themselves: without the mail that they answer, and without their signature. It cannot
// be exact, as every mail program quotes in its own way.
func unquoted(text string) string {
	lines := strings.Split(unified(text), "\n")
	var kept []string
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if lines[i] == "-- " || line == "--" || handheld.MatchString(line) {
			if rest := quotedOnly(lines[i+1:]); line == "--" || lines[i] == "-- " || rest {
				break
			}
		}
		if separates(line, lines[i+1:]) {
			break
		}
		if end := attributes(lines, i); end > 0 {
			i = end - 1
			continue
		}
		if strings.HasPrefix(line, ">") {
			continue
		}
		kept = append(kept, strings.TrimRight(lines[i], " \t"))
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// separates reports whether nothing but the mail that is answered follows.
func separates(line string, rest []string) bool {
	if !separator.MatchString(line) {
		return false
	}
	if !strings.Contains(line, ":") || strings.HasPrefix(line, "-") {
		return true
	}
	for _, next := range rest[:min(len(rest), 4)] { // "From: ..." begins such a block if another header follows
		if headerLine.MatchString(strings.TrimSpace(next)) {
			return true
		}
	}
	return false
}

// attributes returns the line behind one that says who wrote what is quoted then, and 0 if it is none. It may take three lines.
func attributes(lines []string, i int) int {
	joined := ""
	for n := i; n < min(len(lines), i+3); n++ {
		line := strings.TrimSpace(lines[n])
		if line == "" || strings.HasPrefix(line, ">") {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + line)
		if strings.HasSuffix(line, ":") {
			if attribution.MatchString(joined) {
				return n + 1
			}
			return 0
		}
	}
	return 0
}

// quotedOnly reports whether lines say nothing themselves.
func quotedOnly(lines []string) bool {
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, ">") {
			continue
		}
		return separates(line, lines[i+1:]) || attributes(lines, i) > 0
	}
	return true
}
