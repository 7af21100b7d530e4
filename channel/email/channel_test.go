package email_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("0123456789abcdef0123456789abcdef")

// post is a channel before a mail server.
type post struct {
	*email.Channel
	t      *testing.T
	server *fakesmtp.Server
}

func open(t *testing.T, server fakesmtp.Config, change func(*email.Config)) post {
	t.Helper()
	s, err := fakesmtp.Start(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	cfg := email.Config{
		Server: s.Addr(), From: "Headsup <bot@example.com>", Secret: secret, RootCAs: s.Roots(), Hello: "bot.example.com",
		Username: server.Username, Password: server.Password,
	}
	if server.Plain {
		cfg.Security = email.SecurityNone
	}
	if server.TLS {
		cfg.Security = email.SecurityTLS
	}
	if change != nil {
		change(&cfg)
	}
	c, err := email.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return post{c, t, s}
}

// send sends an activity to ann@example.org.
func (p post) send(a *activity.Activity, key string) (activity.ResourceResponse, error) {
	ref := p.Reference("ann@example.org")
	ref.Outgoing(a)
	return p.Send(p.t.Context(), headsup.Outgoing{Reference: ref, Activity: a, Key: key})
}

// sent sends an activity and returns the mail that arrives.
func (p post) sent(a *activity.Activity) letter {
	p.t.Helper()
	r, err := p.send(a, "dlv_1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	inbox := p.server.Inbox()
	l := open1(p.t, inbox[len(inbox)-1])
	if id := l.Get("Message-Id"); id != "<"+string(r.ID)+">" {
		p.t.Errorf("the mail's id is %s, and %s was told", id, r.ID)
	}
	return l
}

// letter is a mail that was read.
type letter struct {
	fakesmtp.Mail
	mail.Header
	subject, plain, html string
}

func open1(t *testing.T, m fakesmtp.Mail) letter {
	t.Helper()
	l := letter{Mail: m}
	read, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatalf("%v in %s", err, m.Raw)
	}
	l.Header = read.Header
	if l.subject, err = new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q, %v", kind, err)
	}
	parts := multipart.NewReader(read.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return l
		}
		if err != nil {
			t.Fatal(err)
		}
		if e := part.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
			t.Errorf("a part is encoded as %q", e)
		}
		raw, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "\r\n", "\n")
		switch kind := part.Header.Get("Content-Type"); {
		case strings.HasPrefix(kind, "text/plain; charset=UTF-8"):
			l.plain = text
		case strings.HasPrefix(kind, "text/html; charset=UTF-8"):
			l.html = text
		default:
			t.Errorf("a part of type %q", kind)
		}
	}
}

func text(s string) *activity.Activity {
	a := activity.Message(s)
	a.TextFormat = activity.TextPlain
	return a
}

func TestAMailArrives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := open(t, fakesmtp.Config{Dir: dir, Username: "bot", Password: "s3cret"}, nil)
	a := text("Zürich ist bereit.\n.\nZwei Punkte: ..\n<b>&")
	a.Summary = "Bereit: Zürich"
	l := p.sent(a)
	if l.From != "bot@example.com" || len(l.To) != 1 || l.To[0] != "ann@example.org" {
		t.Errorf("from %s to %v", l.From, l.To)
	}
	if l.subject != "Bereit: Zürich" || l.Get("From") != `"Headsup" <bot@example.com>` || l.Get("To") != "<ann@example.org>" ||
		l.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v", l.Header)
	}
	if l.plain != a.Text+"\n" {
		t.Errorf("text %q", l.plain)
	}
	if !strings.Contains(l.html, "<p>Zürich ist bereit.<br />\n.<br />\nZwei Punkte: ..<br />\n&lt;b&gt;&amp;</p>") {
		t.Errorf("html %s", l.html)
	}
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if raw, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(raw, l.Raw) {
		t.Errorf("the maildir has %q, %v", raw, err)
	}
}

func TestMailsOfOneSubjectKeepTogether(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	one, other := text("1"), text("2")
	one.Summary, other.Summary = "Build", "Build"
	first, second, third := p.sent(one), p.sent(other), p.sent(text("Deploy"))
	thread := first.Get("References")
	if thread == "" || first.Get("In-Reply-To") != thread || second.Get("References") != thread || third.Get("References") == thread {
		t.Errorf("references %q, %q, %q", thread, second.Get("References"), third.Get("References"))
	}
	answer := text("3")
	answer.ReplyToID = "abc.1@mail.example.org"
	ref := p.Reference("ann@example.org")
	if _, err := p.Send(t.Context(), headsup.Outgoing{Reference: ref, Activity: answer, Key: "x"}); err != nil {
		t.Fatal(err)
	}
	l := open1(t, p.server.Inbox()[3])
	if l.Get("In-Reply-To") != "<abc.1@mail.example.org>" || !strings.HasSuffix(l.Get("References"), " <abc.1@mail.example.org>") ||
		l.Get("Auto-Submitted") != "auto-replied" {
		t.Errorf("headers %v", l.Header)
	}
}

func TestARepeatHasTheSameID(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	first, err := p.send(text("once"), "dlv_0abc:0")
	again, err2 := p.send(text("once"), "dlv_0abc:0")
	other, err3 := p.send(text("once"), "dlv_0abc:1")
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if first.ID != again.ID || first.ID == other.ID || !strings.HasPrefix(string(first.ID), "dlv_0abc.0.") {
		t.Errorf("ids %s, %s, %s", first.ID, again.ID, other.ID)
	}
}

func TestOneConnectionCarriesSeveralMails(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	for range 5 {
		p.sent(text("again"))
	}
	if n := p.server.Sessions(); n > 2 { // one, which EHLO begins anew after STARTTLS
		t.Errorf("%d sessions", n)
	}
	before := p.server.Sessions()
	p.server.HangUp()
	p.sent(text("and again"))
	if n := p.server.Sessions(); n == before {
		t.Error("the mail went over a connection that was gone")
	}
	if n := len(p.server.Inbox()); n != 6 {
		t.Errorf("%d mails", n)
	}
}

// TestAConnectionThatTheServerEnds: between two mails a server may say good-bye, which is nothing against the next one.
func TestAConnectionThatTheServerEnds(t *testing.T) {
	t.Parallel()
	mails := 0
	p := open(t, fakesmtp.Config{Answer: func(command, _ string) *fakesmtp.Reply {
		if command != "MAIL" {
			return nil
		}
		if mails++; mails != 2 {
			return nil
		}
		return new(reply(421, [3]int{4, 4, 2}, "Timeout, closing connection"))
	}}, nil)
	p.sent(text("first"))
	p.sent(text("second"))
	if n := len(p.server.Inbox()); n != 2 || mails != 3 {
		t.Errorf("%d mails, begun %d times", n, mails)
	}
}

func TestMarkdownBecomesTameHTML(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	a := activity.Message("# Due\n\n**Deal** [open](https://crm.example.com/1?a=1&b=2)\nnext <script>alert(1)</script> ![seen](https://evil.example/p.png) [x](javascript:alert(1))\n\n<img src=x onerror=alert(1)>\n")
	a.TextFormat = activity.TextMarkdown
	l := p.sent(a)
	for _, want := range []string{
		"<h1>Due</h1>", "<strong>Deal</strong>", `<a href="https://crm.example.com/1?a=1&amp;b=2">open</a><br />`,
		"&lt;script&gt;alert(1)&lt;/script&gt;", `<a href="https://evil.example/p.png">seen</a>`, "&lt;img src=x onerror=alert(1)&gt;",
	} {
		if !strings.Contains(l.html, want) {
			t.Errorf("no %q in %s", want, l.html)
		}
	}
	if hostile := regexp.MustCompile(`(?i)<(img|script|iframe|link|object)|javascript:|<[^>]*\bon[a-z]+=`).FindString(l.html); hostile != "" {
		t.Errorf("%q in %s", hostile, l.html)
	}
	if l.subject != "Due" {
		t.Errorf("subject %q", l.subject)
	}
}

func TestChannelDataSaysMore(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	a := text("")
	a.Text = ""
	a.ChannelData = jsontext.Value(`{"subject":"Deal <7>","htmlBody":"<p>Hello <b>you</b></p><style>p{}</style><p>Bye</p>","importance":"high",` +
		`"listUnsubscribe":"https://bot.example.com/u/1?t=abc"}`)
	l := p.sent(a)
	if l.subject != "Deal <7>" || l.plain != "Hello you\n\nBye\n" || !strings.Contains(l.html, "<p>Hello <b>you</b></p>") ||
		l.Get("Importance") != "high" || l.Get("List-Unsubscribe") != "<https://bot.example.com/u/1?t=abc>" ||
		l.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("%q, %q, %v", l.subject, l.plain, l.Header)
	}
	card := activity.Message("")
	card.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: jsontext.Value(`{"type":"AdaptiveCard","version":"1.5",
		"body":[{"type":"TextBlock","text":"Deal moved"},{"type":"FactSet","facts":[{"title":"Stage","value":"Won"}]}],
		"actions":[{"type":"Action.OpenUrl","title":"Open","url":"https://crm.example.com"}]}`)}}
	if l := p.sent(card); l.plain != "Deal moved\nStage: Won\nOpen: https://crm.example.com\n" || l.subject != "Deal moved" {
		t.Errorf("%q, %q", l.subject, l.plain)
	}
}

func TestNobodyWritesHeadersOrCommands(t *testing.T) { // docs/security.md, O01
	t.Parallel()
	p := open(t, fakesmtp.Config{Plain: true}, nil)
	inject := "Hi\r\nBcc: eve@example.net\r\n\r\nbody"
	for name, a := range map[string]*activity.Activity{
		"summary": {Type: activity.TypeMessage, Text: "x", Summary: inject},
		"subject": {Type: activity.TypeMessage, Text: "x", ChannelData: jsontext.Value(`{"subject":"Hi\r\nBcc: eve@example.net\n X: y\u2028\u0000\u202e"}`)},
		"text":    {Type: activity.TypeMessage, Text: "a\r\n.\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nspam\r\n.\r\n"},
		"bare LF": {Type: activity.TypeMessage, Text: "a\n.\nMAIL FROM:<eve@example.net>\n\n.\r\nQUIT\r.\r"},
		"html":    {Type: activity.TypeMessage, Text: "a", ChannelData: jsontext.Value(`{"htmlBody":"<p>a</p>\r\n.\r\nMAIL FROM:<eve@example.net>\n.\nDATA\r.\r"}`)},
		"reply":   {Type: activity.TypeMessage, Text: "a", ReplyToID: "x@y>\r\nBcc: eve@example.net"},
		"key":     {Type: activity.TypeMessage, Text: "a"},
		"smile":   {Type: activity.TypeMessage, Text: "a", Summary: "=?utf-8?q?=0d=0aBcc:_eve@example.net?= " + strings.Repeat("😀", 300)},
	} {
		before := len(p.server.Inbox())
		ref := p.Reference("ann@example.org")
		key := "k"
		if name == "key" {
			key = "k>\r\nBcc: eve@example.net"
		}
		if _, err := p.Send(t.Context(), headsup.Outgoing{Reference: ref, Activity: a, Key: key}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inbox := p.server.Inbox()
		if len(inbox) != before+1 {
			t.Fatalf("%s made %d mails", name, len(inbox)-before)
		}
		m := inbox[before]
		l := open1(t, m)
		if len(m.To) != 1 || m.To[0] != "ann@example.org" || l.Get("Bcc") != "" || l.Get("X") != "" || strings.ContainsAny(l.subject, "\r\n\x00\u202e") {
			t.Errorf("%s: to %v, headers %v", name, m.To, l.Header)
		}
	}
	wire := p.server.Wire()
	for line := range bytes.SplitSeq(wire, []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n\x00") || len(line) > 1000 {
			t.Errorf("on the wire: %q", line)
		}
	}
	if n := bytes.Count(wire, []byte("\r\nMAIL FROM:<bot@example.com>")); n != 8 {
		t.Errorf("%d times MAIL FROM on the wire", n)
	}
	if n := bytes.Count(wire, []byte("\r\n.\r\n")); n != 8 {
		t.Errorf("%d mails end on the wire", n)
	}
}

func TestAddressesAreNotTakenForMore(t *testing.T) { // docs/security.md, O01
	t.Parallel()
	for in, want := range map[string]string{
		"Ann.Berg@Example.COM": "ann.berg@example.com", "ann+deals@bücher.example": "ann+deals@xn--bcher-kva.example", "o'neil@example.co.uk": "o'neil@example.co.uk",
		"ann": "", "@example.com": "", "ann@": "", "ann@localhost": "ann@localhost", "ann@com": "", "ann@example.com.": "", "ann@127.0.0.1": "",
		"ann@[127.0.0.1]": "", "a b@example.com": "", "ann@example.com\r\nRCPT TO:<eve@example.net>": "", "ann@example.com> <eve@example.net": "",
		`"a\r\nb"@example.com`: "", "ann@exa mple.com": "", "ann,eve@example.com": "", "Ann <ann@example.com>": "", "änn@example.com": "",
		strings.Repeat("a", 65) + "@example.com": "", "a@" + strings.Repeat("a.", 130) + "com": "", "a..b@example.com": "", ".a@example.com": "",
		"ann@example.com\x00": "", "ann@ex%61mple.com": "", "a@b@example.com": "",
	} {
		if got, err := email.Parse(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
	p := open(t, fakesmtp.Config{Plain: true}, nil)
	for _, to := range []activity.ConversationID{"ann@example.org\r\nRCPT TO:<eve@example.net>", "a@example.org,b@example.org", "", "ann"} {
		ref := p.Reference("x")
		ref.Conversation.ID = to
		_, err := p.Send(t.Context(), headsup.Outgoing{Reference: ref, Activity: text("x")})
		if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent || e.Reason != email.ReasonBadAddress {
			t.Errorf("%q: %v", to, err)
		}
	}
	if n := p.server.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestAnswersMeanSomething(t *testing.T) {
	t.Parallel()
	type want struct {
		meaning  headsup.Meaning
		reason   string
		scope    pace.Level
		suspends bool
	}
	const conversation, bot = pace.LevelConversation, pace.LevelBot
	for name, c := range map[string]struct {
		command string
		reply   fakesmtp.Reply
		want    want
	}{
		"no such mailbox":   {"RCPT", reply(550, [3]int{5, 1, 1}, "User unknown"), want{headsup.MeaningPermanent, "mailbox_unknown", conversation, true}},
		"no such domain":    {"RCPT", reply(550, [3]int{5, 1, 2}, "Host unknown"), want{headsup.MeaningPermanent, "domain_unknown", conversation, true}},
		"disabled":          {"RCPT", reply(550, [3]int{5, 2, 1}, "Disabled"), want{headsup.MeaningPermanent, "mailbox_disabled", conversation, true}},
		"null MX":           {"RCPT", reply(556, [3]int{5, 1, 10}, "Null MX"), want{headsup.MeaningPermanent, "domain_takes_no_mail", conversation, true}},
		"full":              {"RCPT", reply(452, [3]int{4, 2, 2}, "Full"), want{headsup.MeaningTransient, "mailbox_full", conversation, false}},
		"full for good":     {"RCPT", reply(552, [3]int{5, 2, 2}, "Full"), want{headsup.MeaningPermanent, "mailbox_full", "", false}},
		"policy":            {"RCPT", reply(550, [3]int{5, 7, 1}, "Blocked"), want{headsup.MeaningPermanent, "refused", "", false}},
		"bare 550":          {"RCPT", reply(550, [3]int{}, "Listed at bl.example"), want{headsup.MeaningPermanent, "refused", "", false}},
		"not your address":  {"RCPT", reply(553, [3]int{5, 7, 1}, "Sender address rejected: not owned by user"), want{headsup.MeaningPermanent, "refused", "", false}},
		"bad address":       {"RCPT", reply(553, [3]int{}, "Bad address"), want{headsup.MeaningPermanent, "bad_address", conversation, true}},
		"send as":           {"DATA", reply(550, [3]int{5, 7, 60}, "Client does not have permissions to send as this sender"), want{headsup.MeaningThrottled, "sender_refused", bot, false}},
		"greylisted":        {"RCPT", reply(451, [3]int{4, 7, 1}, "Greylisted"), want{headsup.MeaningTransient, "deferred", conversation, false}},
		"busy":              {"RCPT", reply(450, [3]int{4, 2, 1}, "Busy"), want{headsup.MeaningTransient, "mailbox_busy", conversation, false}},
		"closing":           {"MAIL", reply(421, [3]int{4, 3, 2}, "Too many"), want{headsup.MeaningThrottled, "throttled", bot, false}},
		"sender":            {"MAIL", reply(550, [3]int{5, 7, 1}, "Not your address"), want{headsup.MeaningThrottled, "sender_refused", bot, false}},
		"no SPF":            {"DATA", reply(550, [3]int{5, 7, 26}, "Unauthenticated"), want{headsup.MeaningPermanent, "sender_unauthenticated", "", false}},
		"spam":              {"DATA", reply(554, [3]int{5, 7, 1}, "Spam"), want{headsup.MeaningPermanent, "refused", "", false}},
		"no space":          {"DATA", reply(452, [3]int{4, 3, 1}, "Disk"), want{headsup.MeaningTransient, "service_error", bot, false}},
		"too large at last": {"DATA", reply(552, [3]int{5, 3, 4}, "Too large"), want{headsup.MeaningPermanent, "too_large", "", false}},
		"cut at RCPT":       {"RCPT", fakesmtp.Reply{}, want{headsup.MeaningTransient, "no_answer", bot, false}},
		"cut after DATA":    {"DATA", fakesmtp.Reply{}, want{headsup.MeaningUnknown, "no_answer", "", false}},
		"something new":     {"RCPT", reply(599, [3]int{5, 9, 9}, "?"), want{headsup.MeaningPermanent, "refused", "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := 0
			p := open(t, fakesmtp.Config{Answer: func(command, _ string) *fakesmtp.Reply {
				if command != c.command || told > 0 {
					return nil
				}
				told++
				return &c.reply
			}}, nil)
			_, err := p.send(text("x"), "k")
			e, ok := errors.AsType[*headsup.SendError](err)
			if !ok {
				t.Fatalf("%v", err)
			}
			if got := (want{e.Meaning, e.Reason, e.Scope, e.Suspends}); got != c.want || e.Status != c.reply.Code {
				t.Errorf("%d means %+v; want %+v", e.Status, got, c.want)
			}
			if n := len(p.server.Inbox()); n != 0 {
				t.Errorf("%d mails", n)
			}
			if _, err := p.send(text("y"), "l"); err != nil { // whatever it was, the next mail goes
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

func TestAnAnswerThatIsLostIsUnknown(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{Taken: func(_ fakesmtp.Mail, hangUp func()) { hangUp() }}, nil)
	_, err := p.send(text("x"), "k")
	if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningUnknown || len(p.server.Inbox()) != 1 {
		t.Errorf("%v, %d mails", err, len(p.server.Inbox()))
	}
}

func TestTheServerMustBeTrusted(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, p post, meaning headsup.Meaning, reason string) {
		t.Helper()
		_, err := p.send(text("x"), "k")
		check := p.Check(t.Context())
		for _, err := range []error{err, check} {
			if e := headsup.MeaningOf(err); e == nil || e.Meaning != meaning || e.Reason != reason || e.Scope != pace.LevelBot {
				t.Errorf("%v; want %s, %s", err, meaning, reason)
			}
		}
		if n := len(p.server.Inbox()); n != 0 {
			t.Errorf("%d mails", n)
		}
	}
	t.Run("no STARTTLS", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{Plain: true, Username: "bot", Password: "s3cret"}, func(c *email.Config) { c.Security = email.SecuritySTARTTLS })
		refused(t, p, headsup.MeaningThrottled, "no_tls")
		if bytes.Contains(p.server.Wire(), []byte("AUTH")) {
			t.Error("the password was shown in the clear")
		}
	})
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		refused(t, open(t, fakesmtp.Config{}, func(c *email.Config) { c.RootCAs = nil }), headsup.MeaningTransient, "tls")
	})
	t.Run("unknown authority, TLS at once", func(t *testing.T) {
		t.Parallel()
		refused(t, open(t, fakesmtp.Config{TLS: true}, func(c *email.Config) { c.RootCAs = nil }), headsup.MeaningTransient, "tls")
	})
	t.Run("wrong password", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{Username: "bot", Password: "s3cret"}, func(c *email.Config) { c.Password = "guess" })
		refused(t, p, headsup.MeaningThrottled, "unauthorized")
	})
	t.Run("password wanted", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{Username: "bot", Password: "s3cret"}, func(c *email.Config) { c.Username, c.Password = "", "" })
		refused(t, p, headsup.MeaningThrottled, "unauthorized")
	})
	token := func(text string, err error) func(*email.Config) {
		return func(c *email.Config) {
			c.Password, c.Token = "", func(context.Context) (string, error) { return text, err }
		}
	}
	wanted := fakesmtp.Config{Username: "bot@example.com", Token: func(token string) bool { return token == "good" }}
	t.Run("a token", func(t *testing.T) {
		t.Parallel()
		p := open(t, wanted, token("good", nil))
		p.sent(text("safe"))
		if err := p.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("wrong token", func(t *testing.T) {
		t.Parallel()
		refused(t, open(t, wanted, token("old", nil)), headsup.MeaningThrottled, "unauthorized")
	})
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		refused(t, open(t, wanted, token("", errors.New("Entra is away"))), headsup.MeaningTransient, "no_token")
	})
	t.Run("a token, and passwords only", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{Username: "bot", Password: "s3cret"}, token("good", nil))
		refused(t, p, headsup.MeaningThrottled, "unauthorized")
		if bytes.Contains(p.server.Wire(), []byte("Z29vZA")) {
			t.Error("the token was shown")
		}
	})
	t.Run("another's address", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{Answer: func(command, _ string) *fakesmtp.Reply {
			if command == "MAIL" {
				return &fakesmtp.Reply{Code: 553, Enhanced: [3]int{5, 7, 1}, Words: "not yours"}
			}
			return nil
		}}, nil)
		refused(t, p, headsup.MeaningThrottled, "sender_refused")
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{}, nil)
		_ = p.server.Close()
		_, err := p.send(text("x"), "k")
		if e := headsup.MeaningOf(err); e == nil || !e.Unreached || e.Meaning != headsup.MeaningTransient {
			t.Errorf("%v", err)
		}
	})
	t.Run("TLS at once", func(t *testing.T) {
		t.Parallel()
		p := open(t, fakesmtp.Config{TLS: true, Username: "bot", Password: "s3cret"}, nil)
		p.sent(text("safe"))
		if err := p.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := open(t, fakesmtp.Config{Answer: func(command, _ string) *fakesmtp.Reply {
		if command == "RCPT" {
			<-release
		}
		return nil
	}}, func(c *email.Config) { c.Timeout = 200 * time.Millisecond })
	t.Cleanup(func() { close(release) })
	began := time.Now()
	_, err := p.send(text("x"), "k")
	if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningTransient || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Send(ctx, headsup.Outgoing{Reference: p.Reference("ann@example.org"), Activity: text("x")}); headsup.MeaningOf(err).Meaning != headsup.MeaningTransient {
		t.Errorf("%v", err)
	}
}

func TestWhatServersDoNotTakeIsNotBegun(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{MaxSize: 4000}, nil)
	_, err := p.send(text(strings.Repeat("word ", 2000)), "k")
	if e := headsup.MeaningOf(err); e == nil || e.Reason != email.ReasonTooLarge || e.Meaning != headsup.MeaningPermanent {
		t.Errorf("%v", err)
	}
	if _, err := p.send(text("short"), "k"); err != nil {
		t.Error(err)
	}
}

func TestOnlyMessagesAreMailed(t *testing.T) {
	t.Parallel()
	p := open(t, fakesmtp.Config{}, nil)
	for _, kind := range []activity.Type{activity.TypeTyping, activity.TypeEvent, activity.TypeEndOfConversation, activity.TypeTrace} {
		if r, err := p.send(&activity.Activity{Type: kind}, "k"); err != nil || r.ID != "" {
			t.Errorf("%s: %v, %v", kind, r, err)
		}
	}
	_, err := p.send(text(""), "k")
	if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent {
		t.Errorf("an empty one: %v", err)
	}
	ref := p.Reference("ann@example.org")
	if _, err := p.Update(t.Context(), headsup.Outgoing{Reference: ref}); headsup.MeaningOf(err).Meaning != headsup.MeaningUnsupported {
		t.Error(err)
	}
	if err := p.Delete(t.Context(), ref, "x"); headsup.MeaningOf(err).Meaning != headsup.MeaningUnsupported {
		t.Error(err)
	}
	made, err := p.Create(t.Context(), headsup.Creation{ChannelID: "email", Parameters: activity.ConversationParameters{
		Bot: ref.Bot, Members: []activity.ChannelAccount{*ref.Bot, {ID: "Bob@Example.ORG"}}, Activity: text("hello"),
	}, Key: "c"})
	if err != nil || made.ID != "bob@example.org" || made.ActivityID == "" || len(p.server.Inbox()) != 1 {
		t.Errorf("%+v, %v", made, err)
	}
	if _, err := p.Create(t.Context(), headsup.Creation{Parameters: activity.ConversationParameters{
		Members: []activity.ChannelAccount{{ID: "a@example.org"}, {ID: "b@example.org"}}}}); err == nil {
		t.Error("one mail for two people")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := email.Config{Server: "mail.example.com", From: "bot@example.com", Secret: secret}
	for field, change := range map[string]func(*email.Config){
		"Server":   func(c *email.Config) { c.Server = "" },
		"Server ":  func(c *email.Config) { c.Server = "mail.example.com:smtp" },
		"Security": func(c *email.Config) { c.Security = email.SecurityNone },
		"From":     func(c *email.Config) { c.From = "bot" },
		"From ":    func(c *email.Config) { c.From = "" },
		"ReplyTo":  func(c *email.Config) { c.ReplyTo = "a@example.com, b@example.com" },
		"Password": func(c *email.Config) { c.Username = "bot" },
		"Username": func(c *email.Config) { c.Token = func(context.Context) (string, error) { return "", nil } },
		"Password ": func(c *email.Config) {
			c.Username, c.Password, c.Token = "bot", "x", func(context.Context) (string, error) { return "", nil }
		},
		"Secret":  func(c *email.Config) { c.Secret = []byte("short") },
		"Answers": func(c *email.Config) { c.Answers = []string{"guess"} },
		"Hello":   func(c *email.Config) { c.Hello = "a b" },
		"Timeout": func(c *email.Config) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		e, ok := errors.AsType[*email.FieldError](cfg.Validate())
		if !ok || e.Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, cfg.Validate())
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func reply(code int, enhanced [3]int, words string) fakesmtp.Reply {
	return fakesmtp.Reply{Code: code, Enhanced: enhanced, Words: words}
}
