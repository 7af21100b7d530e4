package email_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/internal/signed"
)

// ear is a bot that keeps what it hears.
type ear struct {
	heard []*activity.Activity
	fail  error
}

func (e *ear) Process(_ context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error) {
	if id.Kind != auth.KindEmbedded {
		return headsup.Answer{}, errors.New("who is it")
	}
	e.heard = append(e.heard, a)
	return headsup.Answer{Status: http.StatusOK}, e.fail
}

// door is the webhook of a channel that has sent one mail to ann@example.org.
type door struct {
	t       *testing.T
	bot     *ear
	handler http.Handler
	key     signed.Secret
	sent    activity.ID
	bounces []email.Bounce
}

func openDoor(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, bot: &ear{}, key: signed.NewSecret()}
	p := open(t, fakesmtp.Config{}, func(c *email.Config) {
		c.Answers = []string{d.key.Text()}
		c.Bounced = func(_ context.Context, b email.Bounce) error {
			d.bounces = append(d.bounces, b)
			return nil
		}
	})
	r, err := p.send(text("Who comes?"), "dlv_1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.sent, d.handler = r.ID, p.Inbound(d.bot)
	return d
}

// post sends a mail to the webhook; lines end with LF in it, for reading.
func (d *door) post(raw string) (int, string) {
	body := []byte(strings.ReplaceAll(raw, "\n", "\r\n"))
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, "/v1/channels/email/inbound", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "message/rfc822")
	signed.Headers(r.Header, []signed.Secret{d.key}, "msg_1", time.Now(), body)
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// taken posts a mail and says what became of it.
func (d *door) taken(raw string) string {
	d.t.Helper()
	code, body := d.post(raw)
	if code != http.StatusOK {
		d.t.Fatalf("%d %s", code, body)
	}
	_, rest, _ := strings.Cut(body, `"taken":"`)
	taken, _, _ := strings.Cut(rest, `"`)
	return taken
}

const answer = `From: =?utf-8?q?Ann_B=C3=A9rg?= <ann@EXAMPLE.org>
To: bot@example.com
Subject: =?iso-8859-1?q?Re:_Z=FCrich?=
Message-Id: <CA+1@mail.example.org>
In-Reply-To: <%s>
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Ich komme aus Z=FCrich.

Am Mo., 1. Juni 2026 um 12:00 Uhr schrieb Headsup <
bot@example.com>:

> Who comes?
`

func TestAnAnswerIsHeard(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	if got := d.taken(fmt.Sprintf(answer, d.sent)); got != email.TakenMessage {
		t.Fatal(got)
	}
	a := d.bot.heard[0]
	if a.Text != "Ich komme aus Zürich." || a.Type != activity.TypeMessage || a.ID != "CA+1@mail.example.org" || a.ReplyToID != d.sent ||
		a.From.ID != "ann@example.org" || a.From.Name != "Ann Bérg" || a.Recipient.ID != "bot@example.com" || a.Conversation.ID != "ann@example.org" ||
		a.ChannelID != "email" || string(a.ChannelData) != `{"subject":"Re: Zürich"}` || a.TextFormat != activity.TextPlain {
		t.Errorf("heard %+v, channel data %s", a, a.ChannelData)
	}
	if err := a.CheckInbound(); err != nil {
		t.Error(err)
	}
	both := "From: ann@example.org\nReferences: <x@y> <" + string(d.sent) + ">\nContent-Type: multipart/alternative; boundary=b\n\n" +
		"--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\nPHA+eWVzPC9wPg==\n--b--\n"
	if got := d.taken(both); got != email.TakenMessage || d.bot.heard[1].Text != "yes" || d.bot.heard[1].ID == "" {
		t.Errorf("%s, %+v", got, d.bot.heard)
	}
}

func TestOnlyAnswersOfPeopleAreHeard(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	mail := func(headers, body string) string { return headers + "\n\n" + body + "\n" }
	reply := "In-Reply-To: <" + string(d.sent) + ">"
	for name, c := range map[string]struct{ raw, want string }{
		"out of office":     {mail("From: ann@example.org\n"+reply+"\nAuto-Submitted: auto-replied", "Away"), email.TakenAutomatic},
		"precedence":        {mail("From: ann@example.org\n"+reply+"\nPrecedence: bulk", "Away"), email.TakenAutomatic},
		"a list":            {mail("From: ann@example.org\n"+reply+"\nList-Id: <l.example.org>", "Hi"), email.TakenAutomatic},
		"empty return path": {mail("Return-Path: <>\nFrom: ann@example.org\n"+reply, "Hi"), email.TakenAutomatic},
		"no answer":         {mail("From: ann@example.org", "stop"), email.TakenStranger},
		"somebody else":     {mail("From: eve@example.net\n"+reply, "stop"), email.TakenStranger},
		"a made-up id":      {mail("From: ann@example.org\nIn-Reply-To: <dlv_1.0.aaaaaaaaaaaaaaaa@example.com>", "stop"), email.TakenStranger},
		"two senders":       {mail("From: ann@example.org, eve@example.net\n"+reply, "Hi"), email.TakenStranger},
		"no sender":         {mail("To: bot@example.com\n"+reply, "Hi"), email.TakenStranger},
		"only a quote":      {mail("From: ann@example.org\n"+reply, "> Who comes?\n"), email.TakenEmpty},
		"explicit no":       {mail("From: ann@example.org\n"+reply+"\nAuto-Submitted: no", "me"), email.TakenMessage},
	} {
		if got := d.taken(c.raw); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
	if n := len(d.bot.heard); n != 1 {
		t.Errorf("the bot has heard %d", n)
	}
}

func TestTheWebhookIsSigned(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	body := strings.ReplaceAll(fmt.Sprintf(answer, d.sent), "\n", "\r\n")
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"unsigned": {func(r *http.Request) { r.Header.Del("Webhook-Signature") }, http.StatusUnauthorized},
		"another key": {func(r *http.Request) {
			signed.Headers(r.Header, []signed.Secret{signed.NewSecret()}, "m", time.Now(), []byte(body))
		}, http.StatusUnauthorized},
		"another body": {func(r *http.Request) {
			signed.Headers(r.Header, []signed.Secret{d.key}, "m", time.Now(), []byte(body+" "))
		}, http.StatusUnauthorized},
		"long ago": {func(r *http.Request) {
			signed.Headers(r.Header, []signed.Secret{d.key}, "m", time.Now().Add(-time.Hour), []byte(body))
		}, http.StatusUnauthorized},
		"another type":  {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		"no type":       {func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
		"as it must be": {func(*http.Request) {}, http.StatusOK},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "message/rfc822")
		signed.Headers(r.Header, []signed.Secret{d.key}, "m", time.Now(), []byte(body))
		c.change(r)
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d %s; want %d", name, w.Code, w.Body, c.want)
		}
	}
	if n := len(d.bot.heard); n != 1 {
		t.Errorf("the bot has heard %d", n)
	}
	d.bot.fail = errors.New("busy")
	if code, _ := d.post(fmt.Sprintf(answer, d.sent)); code != http.StatusInternalServerError {
		t.Errorf("a bot that fails: %d", code)
	}
	if code, _ := d.post("no mail at all"); code != http.StatusBadRequest {
		t.Errorf("no mail: %d", code)
	}
}

const bounce = `From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
To: bot@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you
--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Arrival-Date: Mon,  1 Jun 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; %[2]s
Original-Recipient: rfc822;%[2]s
Action: %[3]s
Status: %[4]s
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <%[2]s>: Recipient address rejected: User
    unknown in virtual mailbox table

--b1
Content-Type: text/rfc822-headers

Message-ID: <%[1]s>
To: ann@example.org
Subject: Who comes?

--b1--
`

func TestBouncesAreTold(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	if got := d.taken(fmt.Sprintf(bounce, d.sent, "ann@example.org", "failed", "5.1.1")); got != email.TakenBounce || len(d.bounces) != 1 {
		t.Fatalf("%s, %+v", got, d.bounces)
	}
	if b := d.bounces[0]; b.Reference.Conversation.ID != "ann@example.org" || b.Mail != d.sent || b.Key != "dlv_1:0" || b.Reason != email.ReasonMailboxUnknown || !b.Suspends ||
		!strings.Contains(b.Words, "User unknown in virtual") {
		t.Errorf("%+v", b)
	}
	// It was forwarded: the host that refused it knows another address.
	if got := d.taken(fmt.Sprintf(bounce, d.sent, "ann@elsewhere.example", "failed", "5.0.0")); got != email.TakenBounce ||
		d.bounces[1].Reference.Conversation.ID != "ann@example.org" || d.bounces[1].Reason != email.ReasonMailboxUnknown {
		t.Errorf("%s, %+v", got, d.bounces)
	}
	if got := d.taken(fmt.Sprintf(bounce, d.sent, "ann@example.org", "failed", "5.2.2")); got != email.TakenBounce || d.bounces[2].Suspends || d.bounces[2].Reason != email.ReasonMailboxFull {
		t.Errorf("%s, %+v", got, d.bounces)
	}
	for name, raw := range map[string]string{
		"only late":        fmt.Sprintf(bounce, d.sent, "ann@example.org", "delayed", "4.4.1"),
		"delivered":        fmt.Sprintf(bounce, d.sent, "ann@example.org", "delivered", "2.0.0"),
		"of another mail":  fmt.Sprintf(bounce, "dlv_1.0.aaaaaaaaaaaaaaaa@example.com", "ann@example.org", "failed", "5.1.1"),
		"of somebody else": strings.ReplaceAll(fmt.Sprintf(bounce, d.sent, "bob@example.org", "failed", "5.1.1"), "To: ann@example.org", "To: bob@example.org"),
	} {
		if got := d.taken(raw); got != email.TakenNothing {
			t.Errorf("%s: %s", name, got)
		}
	}
	if len(d.bounces) != 3 || len(d.bot.heard) != 0 {
		t.Errorf("%d bounces, %d heard", len(d.bounces), len(d.bot.heard))
	}
}

func TestWhatIsQuotedIsLeftOut(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	for name, c := range map[string]struct{ body, want string }{
		"Gmail":         {"Yes.\n\nOn Mon, Jun 1, 2026 at 12:00 PM Headsup <bot@example.com> wrote:\n\n> Who comes?\n> \n", "Yes."},
		"two lines":     {"Yes.\n\nOn Mon, Jun 1, 2026 at 12:00 PM Headsup, who has a long name <bot@example.com>\nwrote:\n\n> Who comes?\n", "Yes."},
		"Outlook":       {"Yes.\n\n________________________________\nFrom: Headsup <bot@example.com>\nSent: Monday\nTo: Ann\nSubject: x\n\nWho comes?\n", "Yes."},
		"Outlook, old":  {"Yes.\n\n-----Original Message-----\nFrom: Headsup\n\nWho comes?\n", "Yes."},
		"without rule":  {"Yes.\n\nFrom: Headsup <bot@example.com>\nSent: Monday\nTo: Ann\n\nWho comes?\n", "Yes."},
		"German":        {"Ja.\n\nVon: Headsup\nGesendet: Montag\nAn: Ann\nBetreff: x\n\nWho comes?\n", "Ja."},
		"in between":    {"> Who comes?\nI do.\n> When?\nAt nine.\n", "I do.\nAt nine."},
		"signature":     {"Yes.\n-- \nAnn Berg\nExample Ltd\n", "Yes."},
		"telephone":     {"Yes.\n\nSent from my iPhone\n\n> On 1 Jun 2026, at 12:00, Headsup wrote:\n> \n> Who comes?\n", "Yes."},
		"no quote":      {"From: nine to five.\n\nOn the way:\nyes -- really\n", "From: nine to five.\n\nOn the way:\nyes -- really"},
		"says it comes": {"Sent from my desk I come.\nReally.\n", "Sent from my desk I come.\nReally."},
	} {
		before := len(d.bot.heard)
		if got := d.taken("From: ann@example.org\nIn-Reply-To: <" + string(d.sent) + ">\n\n" + c.body); got != email.TakenMessage {
			t.Errorf("%s: %s", name, got)
			continue
		}
		if got := d.bot.heard[before].Text; got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}

func FuzzInbound(f *testing.F) {
	f.Add(fmt.Sprintf(answer, "x@example.com"))
	f.Add(fmt.Sprintf(bounce, "x@example.com", "ann@example.org", "failed", "5.1.1"))
	f.Add("From: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c--\n--b--\n")
	key := signed.NewSecret()
	c, err := email.New(email.Config{Server: "mail.example.com", From: "bot@example.com", Secret: secret, Answers: []string{key.Text()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		bot := &ear{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(raw))
		r.Header.Set("Content-Type", "message/rfc822")
		signed.Headers(r.Header, []signed.Secret{key}, "m", time.Now(), []byte(raw))
		w := httptest.NewRecorder()
		c.Inbound(bot).ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if len(bot.heard) > 0 { // nobody can make an id
			t.Errorf("heard %+v", bot.heard)
		}
	})
}
