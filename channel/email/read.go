package email

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/headsup-bot/headsup/activity"
)

// The limits of what is read of a mail.
const (
	maxParts      = 100
	maxNesting    = 8
	maxText       = 64 << 10
	maxReportSize = 64 << 10
	maxNamedIDs   = 50
)

// inbound is what is read of a mail.
type inbound struct {
	id      activity.ID // without angle brackets
	from    mail.Address
	subject string
	// answers are the ids that it names: what it answers first, then what came before that, the last first.
	answers []activity.ID
	text    string
	auto    bool
	report  *report // nil unless it is one
}

// automatic reports whether a program has written a mail (RFC 3834, and what is in use beside it).
func (in inbound) automatic() bool { return in.auto }

// report tells what became of a mail (RFC 3464).
type report struct {
	mail   activity.ID // that it is about
	failed []failure
}

// failure is a recipient whom a mail did not reach.
type failure struct {
	recipients []string // the same one, as several hosts call them
	code       string   // of RFC 3463
	words      string
}

// status is a code of RFC 5321 for it.
func (f failure) status() int {
	if strings.HasPrefix(f.code, "4.") {
		return 450
	}
	return 550
}

var words = &mime.WordDecoder{CharsetReader: charset.NewReaderLabel}

// read understands a mail.
func read(raw []byte) (in inbound, err error) {
	if bytes.HasPrefix(raw, []byte("From ")) { // the line that mailboxes and mail servers' pipes put before a mail
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return in, fmt.Errorf("the mail cannot be understood: %w", err)
	}
	parser := mail.AddressParser{WordDecoder: words}
	if from, err := parser.ParseList(m.Header.Get("From")); err == nil && len(from) == 1 {
		in.from = *from[0]
		in.from.Name = clean(in.from.Name, maxName)
	}
	in.subject = clean(decoded(m.Header.Get("Subject")), maxSubject)
	if id := idsIn(m.Header.Get("Message-Id")); len(id) == 1 {
		in.id = id[0]
	}
	in.answers = idsIn(m.Header.Get("In-Reply-To"))
	references := idsIn(m.Header.Get("References"))
	slices.Reverse(references)
	in.answers = append(in.answers, references...)
	in.auto = automatic(m.Header)
	p := parts{}
	kind, params := mediaType(m.Header.Get("Content-Type"))
	if kind == "multipart/report" && strings.EqualFold(params["report-type"], "delivery-status") {
		in.report = &report{}
		p.report = in.report
	}
	if err := p.walk(textproto.MIMEHeader(m.Header), m.Body, 0); err != nil {
		return in, fmt.Errorf("the mail cannot be understood: %w", err)
	}
	in.text = p.plain
	if strings.TrimSpace(in.text) == "" {
		in.text = ofHTML(p.html)
	}
	if in.report != nil {
		for i := range in.report.failed {
			in.report.failed[i].recipients = append(in.report.failed[i].recipients, p.to...)
		}
	}
	return in, nil
}

const maxName = 100

// automatic reports whether headers are those of a program.
func automatic(h mail.Header) bool {
	if auto, _, _ := strings.Cut(strings.ToLower(h.Get("Auto-Submitted")), ";"); strings.TrimSpace(auto) != "" && strings.TrimSpace(auto) != "no" {
		return true
	}
	switch strings.ToLower(strings.TrimSpace(h.Get("Precedence"))) {
	case "bulk", "junk", "list", "auto_reply":
		return true
	}
	for _, name := range [...]string{"X-Autoreply", "X-Autorespond", "X-Auto-Reply", "List-Id", "List-Unsubscribe", "Feedback-Id"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return strings.TrimSpace(h.Get("Return-Path")) == "<>"
}

// idsIn are the ids of mails in a header, without angle brackets.
func idsIn(header string) (ids []activity.ID) {
	for _, one := range strings.Split(header, "<")[1:] {
		id, _, closed := strings.Cut(one, ">")
		if closed && messageID(id) && len(ids) < maxNamedIDs {
			ids = append(ids, activity.ID(id))
		}
	}
	return ids
}

// decoded is a header with its encoded words read.
func decoded(header string) string {
	text, err := words.DecodeHeader(header)
	if err != nil {
		return header
	}
	return text
}

// clean is a text on one line, without what cannot be seen, and not too long.
func clean(text string, most int) string {
	text = subject(strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// mediaType is that of a part; text/plain where it is not told, or makes no sense.
func mediaType(header string) (string, map[string]string) {
	kind, params, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || kind == "" {
		return "text/plain", nil
	}
	return kind, params
}

// parts collects what the parts of a mail say.
type parts struct {
	plain, html string
	report      *report
	to          []string // of the mail that a report is about
	n           int
}

// walk reads a part, and those in it.
func (p *parts) walk(h textproto.MIMEHeader, body io.Reader, depth int) error {
	kind, params := mediaType(h.Get("Content-Type"))
	if depth > maxNesting {
		return errors.New("its parts are nested too deep")
	}
	if strings.HasPrefix(kind, "multipart/") {
		return p.several(params["boundary"], body, depth)
	}
	disposition, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Disposition")), ";")
	switch attached := strings.TrimSpace(disposition) == "attachment"; {
	case p.report != nil && (kind == "message/delivery-status" || kind == "message/global-delivery-status"):
		p.report.failed = failures(decode(h, body))
	case p.report != nil && (kind == "message/rfc822" || kind == "text/rfc822-headers" || kind == "message/rfc822-headers" || kind == "message/global-headers"):
		p.about(decode(h, body))
	case attached || p.report != nil:
	case kind == "text/plain" && p.plain == "":
		p.plain = textOf(h, params, body)
	case kind == "text/html" && p.html == "":
		p.html = textOf(h, params, body)
	}
	return nil
}

func (p *parts) several(boundary string, body io.Reader, depth int) error {
	if boundary == "" {
		return errors.New("a part of several has no boundary")
	}
	all := multipart.NewReader(body, boundary)
	for {
		one, err := all.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			if p.n > 0 { // it was cut off, and what was there is read
				return nil
			}
			return err
		}
		if p.n++; p.n > maxParts {
			return errors.New("it has too many parts")
		}
		if err := p.walk(one.Header, one, depth+1); err != nil {
			return err
		}
	}
}

// decode undoes the encoding in which a part travels.
func decode(h textproto.MIMEHeader, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

// textOf is the text of a part, as far as it can be read.
func textOf(h textproto.MIMEHeader, params map[string]string, body io.Reader) string {
	in := decode(h, body)
	if label := params["charset"]; label != "" && !strings.EqualFold(label, "utf-8") {
		if r, err := charset.NewReaderLabel(label, in); err == nil {
			in = r
		}
	}
	raw, _ := io.ReadAll(io.LimitReader(in, maxText)) // what came before a mistake in it
	for len(raw) > 0 && len(raw) == maxText && !utf8.Valid(raw[max(0, len(raw)-utf8.UTFMax):]) {
		raw = raw[:len(raw)-1]
	}
	return strings.ReplaceAll(unified(strings.ToValidUTF8(string(raw), "\uFFFD")), "\x00", "")
}

// failures are the recipients of a delivery status whom the mail did not reach.
func failures(body io.Reader) (failed []failure) {
	r := textproto.NewReader(bufio.NewReader(io.LimitReader(body, maxReportSize)))
	for range maxParts {
		h, err := r.ReadMIMEHeader()
		if strings.EqualFold(strings.TrimSpace(h.Get("Action")), "failed") {
			f := failure{words: clean(typed(h.Get("Diagnostic-Code")), longestWords)}
			f.code, _, _ = strings.Cut(strings.TrimSpace(h.Get("Status")), " ")
			for _, name := range [...]string{"Original-Recipient", "Final-Recipient"} {
				if to := typed(h.Get(name)); to != "" {
					f.recipients = append(f.recipients, strings.Trim(to, "<>"))
				}
			}
			// Some put a better code into the words than into the status (5.0.0).
			if _, rest, ok := strings.Cut(f.words, " "); ok && strings.HasSuffix(f.code, ".0.0") {
				if m := enhancedCode.FindStringSubmatch(rest); m != nil {
					f.code = m[1]
				}
			}
			failed = append(failed, f)
		}
		if err != nil {
			break
		}
	}
	return failed
}

// typed is a value behind its type: "rfc822; ann@example.com".
func typed(header string) string {
	if _, value, ok := strings.Cut(header, ";"); ok {
		return strings.TrimSpace(value)
	}
	return ""
}

// about notes which mail a report is about.
func (p *parts) about(body io.Reader) {
	h, _ := textproto.NewReader(bufio.NewReader(io.LimitReader(body, maxReportSize))).ReadMIMEHeader() // it may end there
	if ids := idsIn(h.Get("Message-Id")); len(ids) == 1 {
		p.report.mail = ids[0]
	}
	if to, err := mail.ParseAddressList(h.Get("To")); err == nil {
		for _, a := range to {
			p.to = append(p.to, a.Address)
		}
	}
}
