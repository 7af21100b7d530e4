package card

import (
	"strings"
	"unicode/utf16"
)

// MaxSMS is the longest text of a message in characters (Twilio, "Error 21617").
const MaxSMS = 1600

// maxSMSLink is the longest URL in one.
const maxSMSLink = 1000

// shortSMS is how many segments a notice is to take where that is possible.
const shortSMS = 2

// SMS is a text message.
type SMS struct {
	Text string
	// Segments is how many messages it takes, as they are counted and paid. Unicode: it has characters that are not in GSM's
	// own alphabet, so that fewer fit into each.
	Segments int
	Unicode  bool
}

// SMS makes the notice a text message: what happened, to what and by whom, where to go, and how to stop. What is more is left
// out. Quotes, dashes and spaces are written as GSM's alphabet has them.
func (n *Notice) SMS(v View) SMS {
	w := wordsFor(v.Locale)
	head := n.What
	if _, word := w.severity(n.Severity); n.Severity == Warning || n.Severity == Critical {
		head = word + ": " + head
	}
	if n.Item != nil && n.Item.Title != "" {
		head += " - " + n.Item.Title
	}
	if n.Actor != nil {
		head += " (" + n.Actor.Name + ")"
	}
	stop := ""
	own, out := n.Ways(v)
	if len(out) > 0 {
		stop = " " + w.smsStop
	}
	url := n.firstLink(own)
	tail := stop
	if v.Done != "" {
		tail = " " + v.Done
	}
	if url != "" {
		tail = " " + url + tail
	}
	head, tail = simple(head), simple(tail)
	made := func(head string) SMS {
		s := SMS{Text: head + tail}
		s.Segments, s.Unicode = Segments(s.Text)
		return s
	}
	best := made(head)
	if text := strings.Join(strings.Fields(simple(n.Text)), " "); text != "" {
		if more := made(head + ". " + text); more.Segments <= shortSMS && more.Unicode == best.Unicode {
			best = more
		}
	}
	if length(best.Text) > MaxSMS {
		best = made(simple(cut(head, max(MaxSMS-length(tail)-2, 1))))
	}
	return best
}

// firstLink is the one URL of a text message; none when it would take up most of it.
func (n *Notice) firstLink(own []Action) string {
	for _, a := range own {
		if a.Do == Open && strings.HasPrefix(a.URL, "http") && len(a.URL) <= maxSMSLink {
			return a.URL
		}
	}
	if n.Item != nil && len(n.Item.URL) <= maxSMSLink {
		return n.Item.URL
	}
	return ""
}

// asGSM are characters that GSM's alphabet has under another form.
var asGSM = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "‘", "'", "’", "'", "‚", "'", "–", "-", "—", "-", "−", "-",
	"…", "...", "\u00a0", " ", "\u202f", " ", "\u2009", " ", "•", "-", "·", "-", "\t", " ", "\r\n", "\n", "\ufe0f", "")

func simple(s string) string { return asGSM.Replace(s) }

// gsm is the default alphabet, extended the characters that take two places (3GPP TS 23.038, 6.2.1).
const (
	gsm      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "\f^{}\\[~]|€"
)

// Segments counts how many messages a text takes: 160 characters of GSM's alphabet or 70 UTF-16 units in one, 153 or 67 in
// each of several, and none is cut through (3GPP TS 23.040, 9.2.3.24.1).
func Segments(text string) (n int, unicode bool) {
	for _, r := range text {
		if !strings.ContainsRune(gsm, r) && !strings.ContainsRune(extended, r) {
			unicode = true
			break
		}
	}
	single, each := 160, 153
	size := func(r rune) int {
		if strings.ContainsRune(extended, r) {
			return 2
		}
		return 1
	}
	if unicode {
		single, each, size = 70, 67, utf16.RuneLen
	}
	total, used := 0, 0
	n = 1
	for _, r := range text {
		w := size(r)
		total += w
		if used+w > each {
			n, used = n+1, 0
		}
		used += w
	}
	switch {
	case total == 0:
		return 0, false
	case total <= single:
		return 1, unicode
	}
	return n, unicode
}

// length is a text's in UTF-16 units.
func length(s string) int { return len(utf16.Encode([]rune(s))) }
