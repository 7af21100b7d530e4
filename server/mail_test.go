package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/internal/signed"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// arrives is how long a mail or a text message may take in tests.
const arrives = 10 * time.Second

// postOffice is a mail server for tests, with the settings that lead to it.
func postOffice(t *testing.T, cfg fakesmtp.Config) (*fakesmtp.Server, server.Email) {
	t.Helper()
	cfg.Username, cfg.Password = "bot", "s3cret"
	s, err := fakesmtp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, s.RootsPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, server.Email{Server: s.Addr(), Username: "bot", Password: "s3cret", From: "Headsup <bot@example.com>", RootsFile: roots}
}

// answering is a bot that says what it has heard.
func answering(*proactive.Engine) (headsup.Handler, error) {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if t.Activity().Type != activity.TypeMessage {
			return nil
		}
		_, err := t.Send(ctx, activity.Message("You said "+t.Activity().Text))
		return err
	}), nil
}

// TestMailGoesBothWays: somebody who never wrote gets a mail, answers, and gets an answer in the same thread; a bounce strikes
// their address out.
func TestMailGoesBothWays(t *testing.T) {
	t.Parallel()
	office, settings := postOffice(t, fakesmtp.Config{})
	key := signed.NewSecret()
	settings.AnswersSecret = key.Text()
	url := running(t, server.Config{Email: settings, Bot: answering})
	resp, body := request(t, http.MethodPost, url+"/v1/notifications", `{"to":{"address":"mailto:Ann@Example.ORG"},"text":"Who comes?","summary":"Lunch"}`)
	if resp.StatusCode != http.StatusAccepted || !strings.Contains(body, `"address":"mailto:Ann@Example.ORG"`) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	inbox, err := office.Wait(1, arrives)
	if err != nil {
		t.Fatal(err)
	}
	first, err := mail.ReadMessage(bytes.NewReader(inbox[0].Raw))
	if err != nil {
		t.Fatal(err)
	}
	if inbox[0].To[0] != "ann@example.org" || first.Header.Get("Subject") != "Lunch" {
		t.Errorf("to %v, headers %v", inbox[0].To, first.Header)
	}
	arrive := func(raw string) string {
		t.Helper()
		raw = strings.ReplaceAll(raw, "\n", "\r\n")
		h := make(http.Header)
		signed.Headers(h, []signed.Secret{key}, "msg_1", time.Now(), []byte(raw))
		resp, body := request(t, http.MethodPost, url+"/v1/channels/email/inbound", raw, "Content-Type", "message/rfc822",
			signed.HeaderID, h.Get(signed.HeaderID), signed.HeaderTimestamp, h.Get(signed.HeaderTimestamp), signed.HeaderSignature, h.Get(signed.HeaderSignature))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		return body
	}
	answer := "From: Ann <Ann@example.org>\nMessage-Id: <a1@mail.example.org>\nIn-Reply-To: " + first.Header.Get("Message-Id") + "\n\nI do.\n\n> Who comes?\n"
	for range 2 { // whoever sends it again does no harm
		if got := arrive(answer); !strings.Contains(got, `"message"`) {
			t.Fatal(got)
		}
	}
	if inbox, err = office.Wait(2, arrives); err != nil {
		t.Fatal(err)
	}
	second, err := mail.ReadMessage(bytes.NewReader(inbox[1].Raw))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(inbox[1].Raw, []byte("You said I do.")) || second.Header.Get("In-Reply-To") != "<a1@mail.example.org>" {
		t.Errorf("answered %s", inbox[1].Raw)
	}
	if resp, body := request(t, http.MethodPost, url+"/v1/channels/email/inbound", answer, "Content-Type", "message/rfc822"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("unsigned: %d %s", resp.StatusCode, body)
	}

	bounce := fmt.Sprintf("From: MAILER-DAEMON@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"+
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; ANN@example.org\nAction: failed\nStatus: 5.1.1\n\n"+
		"--b\nContent-Type: text/rfc822-headers\n\nMessage-Id: %s\n\n--b--\n", first.Header.Get("Message-Id"))
	if got := arrive(bounce); !strings.Contains(got, `"bounce"`) {
		t.Fatal(got)
	}
	resp, body = request(t, http.MethodPost, url+"/v1/notifications", `{"to":{"address":"mailto:Ann@example.org"},"text":"Again"}`)
	if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "target_blocked") || !strings.Contains(body, "mailbox_unknown") {
		t.Errorf("after the bounce: %d %s", resp.StatusCode, body)
	}
	if n := len(office.Inbox()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

func TestAddressesNeedTheirChannel(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	for address, want := range map[string]string{
		"mailto:ann@example.com": "first_contact_free", "sms:+15551234567": "first_contact_free", "ann@example.com": "body.to.address", "": "body.to.address",
	} {
		resp, body := request(t, http.MethodPost, url+"/v1/notifications", fmt.Sprintf(`{"to":{"address":%q},"text":"x"}`, address))
		if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s; want %s", address, resp.StatusCode, body, want)
		}
	}
	if resp, _ := request(t, http.MethodPost, url+"/v1/channels/email/inbound", "x", "Content-Type", "message/rfc822"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the webhook is there without a channel: %d", resp.StatusCode)
	}
}

func TestMailSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for field, e := range map[string]server.Email{
		"email.server":         {From: "bot@example.com"},
		"email.from":           {Server: "mail.example.com"},
		"email.security":       {Server: "mail.example.com", From: "bot@example.com", Security: "none"},
		"email.password":       {Server: "mail.example.com", From: "bot@example.com", Username: "bot"},
		"email.reply_to":       {Server: "mail.example.com", From: "bot@example.com", ReplyTo: "x"},
		"email.answers_secret": {Server: "mail.example.com", From: "bot@example.com", AnswersSecret: "x"},
		"email.roots_file":     {Server: "mail.example.com", From: "bot@example.com", RootsFile: "/nowhere"},
	} {
		err := server.Config{Email: e}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestMailWithATokenOfEntra: where passwords have ended, the mail server is shown an access token of the app in Azure.
func TestMailWithATokenOfEntra(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	office, settings := postOffice(t, fakesmtp.Config{Token: a.channel.Issued})
	settings.Password, settings.OAuth = "", true
	cfg := server.Config{Email: settings, Azure: a.config(), Bot: answering}
	url := running(t, cfg)
	resp, body := request(t, http.MethodPost, url+"/v1/notifications", `{"to":{"address":"mailto:ann@example.org"},"text":"Who comes?"}`)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if _, err := office.Wait(1, arrives); err != nil {
		_, body := request(t, http.MethodGet, url+"/v1/deliveries", "")
		t.Fatal(err, body)
	}
	for want, change := range map[string]func(*server.Config){
		"email.oauth: needs azure.app_id":                             func(c *server.Config) { c.Azure = server.Azure{} },
		"email.oauth_tenant: is needed":                               func(c *server.Config) { c.Azure.Tenant = "" },
		`email.oauth_tenant: "x" is neither a GUID nor a domain`:      func(c *server.Config) { c.Email.OAuthTenant = "x" },
		"email.oauth_tenant: is for email.oauth":                      func(c *server.Config) { c.Email.OAuth, c.Email.OAuthTenant, c.Email.Password = false, azureTenant, "x" },
		"email.username: is needed with a token":                      func(c *server.Config) { c.Email.Username = "" },
		"email.password: is in place of a token: give one of the two": func(c *server.Config) { c.Email.Password = "x" },
	} {
		wrong := cfg
		change(&wrong)
		if err := wrong.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
