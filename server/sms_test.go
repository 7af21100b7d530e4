package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/bottest/faketwilio"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// phoneCompany is Twilio for tests, with the settings that lead to it.
func phoneCompany(t *testing.T, cfg faketwilio.Config) (*faketwilio.Server, server.SMS) {
	t.Helper()
	s := faketwilio.Start(cfg)
	t.Cleanup(s.Close)
	return s, server.SMS{AccountSID: s.AccountSID(), AuthToken: s.AuthToken(), From: "+15550001111", URL: s.URL}
}

// notified posts a notification and returns its id.
func notified(t *testing.T, at, body string) string {
	t.Helper()
	resp, answer := request(t, http.MethodPost, at+"/v1/notifications", body)
	var n api.Notification
	if err := json.Unmarshal([]byte(answer), &n); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	return n.ID
}

// becomes waits until a notification's answer has a text in it.
func becomes(t *testing.T, at, id, want string) {
	t.Helper()
	answer := ""
	for until := time.Now().Add(arrives); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if _, answer = request(t, http.MethodGet, at+"/v1/notifications/"+id, ""); strings.Contains(answer, want) {
			return
		}
	}
	t.Errorf("no %s in %s", want, answer)
}

// TestTextMessagesGoBothWays: somebody who never wrote gets a text message, answers, stops it, and wants it again.
func TestTextMessagesGoBothWays(t *testing.T) {
	t.Parallel()
	twilio, settings := phoneCompany(t, faketwilio.Config{})
	at := running(t, server.Config{SMS: settings, Bot: answering})
	post := func(path string, form url.Values) {
		t.Helper()
		resp, body := request(t, http.MethodPost, at+path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded",
			"X-Twilio-Signature", twilio.Sign(at+path, form))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	writes := func(id, text string) {
		t.Helper()
		post("/v1/channels/sms/inbound", url.Values{"MessageSid": {id}, "From": {"+15551234567"}, "To": {"+15550001111"}, "Body": {text}, "NumMedia": {"0"}})
	}
	first := notified(t, at, `{"to":{"address":"sms:+1-555-123-4567"},"text":"Who comes?"}`)
	if sent, err := twilio.Wait(1, arrives); err != nil || sent[0].Form.Get("To") != "+15551234567" || sent[0].Form.Get("Body") != "Who comes?" {
		t.Fatalf("%v, %v", sent, err)
	}
	becomes(t, at, first, `"state":"delivered"`)
	_, answer := request(t, http.MethodGet, at+"/v1/notifications/"+first, "")
	var n api.Notification
	if err := json.Unmarshal([]byte(answer), &n); err != nil || len(n.Deliveries) != 1 {
		t.Fatalf("%v: %s", err, answer)
	}
	post("/v1/channels/sms/status?key="+url.QueryEscape(n.Deliveries[0].ID+":0"), url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}, "To": {"+15551234567"}})
	becomes(t, at, first, `"arrived"`)

	writes("SM2", "I do")
	if sent, err := twilio.Wait(2, arrives); err != nil || sent[1].Form.Get("Body") != "You said I do" {
		t.Fatalf("%v, %v", sent, err)
	}
	writes("SM3", "Stop")
	stopped := notified(t, at, `{"to":{"address":"sms:+15551234567"},"text":"After the stop"}`)
	becomes(t, at, stopped, `"state":"suppressed"`)
	writes("SM4", "START")
	notified(t, at, `{"to":{"address":"sms:+15551234567"},"text":"After the start"}`)
	if sent, err := twilio.Wait(3, arrives); err != nil || sent[2].Form.Get("Body") != "After the start" {
		t.Fatalf("%v, %v", sent, err)
	}
	if resp, _ := request(t, http.MethodPost, at+"/v1/channels/sms/inbound", "Body=STOP&From=%2B15551234567", "Content-Type", "application/x-www-form-urlencoded"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned: %d", resp.StatusCode)
	}
	post("/v1/channels/sms/status?key="+url.QueryEscape(n.Deliveries[0].ID+":0"),
		url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"30005"}, "To": {"+15551234567"}})
	resp, body := request(t, http.MethodPost, at+"/v1/notifications", `{"to":{"address":"sms:+15551234567"},"text":"x"}`)
	if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "target_blocked") || !strings.Contains(body, "number_unknown") {
		t.Errorf("a number where nobody is: %d %s", resp.StatusCode, body)
	}
	if wrong := twilio.Wrong(); len(wrong) > 0 {
		t.Errorf("by Twilio's description: %v", wrong)
	}
}

// TestYesIsAnAnswer: who has opted out elsewhere, and answers YES to what is mandatory, has still opted out; and nobody but they
// takes a STOP back.
func TestYesIsAnAnswer(t *testing.T) {
	t.Parallel()
	twilio, settings := phoneCompany(t, faketwilio.Config{})
	at := running(t, server.Config{SMS: settings, Topics: map[string]proactive.Topic{"approvals": {Mandatory: true}}})
	writes := func(id, text string) {
		t.Helper()
		form := url.Values{"MessageSid": {id}, "From": {"+15551234567"}, "Body": {text}}
		resp, body := request(t, http.MethodPost, at+"/v1/channels/sms/inbound", form.Encode(), "Content-Type", "application/x-www-form-urlencoded",
			"X-Twilio-Signature", twilio.Sign(at+"/v1/channels/sms/inbound", form))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	prefer := func(body string) string {
		t.Helper()
		resp, answer := request(t, http.MethodPatch, at+"/v1/conversations/"+url.PathEscape("+15551234567")+"/preferences", body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		return answer
	}
	const to = `{"to":{"address":"sms:+15551234567"},`
	becomes(t, at, notified(t, at, to+`"topic":"approvals","text":"May Ben?"}`), `"state":"delivered"`)
	prefer(`{"opted_out":true}`)
	writes("SM1", "YES")
	becomes(t, at, notified(t, at, to+`"text":"by the way"}`), `"state":"suppressed"`)
	writes("SM2", "STOP")
	if answer := prefer(`{"opted_out":false}`); !strings.Contains(answer, `"sms"`) {
		t.Errorf("the API has taken a STOP back: %s", answer)
	}
	becomes(t, at, notified(t, at, to+`"topic":"approvals","text":"May Eve?"}`), `"state":"suppressed"`)
	writes("SM3", "Yes")
	becomes(t, at, notified(t, at, to+`"text":"again"}`), `"state":"delivered"`)
}

// TestMailsAreUnsubscribedWithOneClick: the link in the header of a mail changes nothing when it is looked at, and mutes the
// topic when a mail program posts to it.
func TestMailsAreUnsubscribedWithOneClick(t *testing.T) {
	t.Parallel()
	office, settings := postOffice(t, fakesmtp.Config{})
	at := running(t, server.Config{Email: settings})
	const to = `{"to":{"address":"mailto:ann@example.org"},`
	for _, content := range []string{`"text":"x"`, `"notice":{"what":"Deal won","text":"x"}`} {
		topic := fmt.Sprintf(`"topic":"deals-%d",`, len(office.Inbox()))
		before := len(office.Inbox())
		notified(t, at, to+topic+content+`}`)
		inbox, err := office.Wait(before+1, arrives)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(inbox[before].Raw))
		if err != nil {
			t.Fatal(err)
		}
		link := strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
		if !strings.HasPrefix(link, at+"/actions/") {
			t.Fatalf("headers %v", m.Header)
		}
		resp, page := request(t, http.MethodGet, link, "")
		if resp.StatusCode != http.StatusOK || !strings.Contains(page, `<form method="post">`) || resp.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%d %s", resp.StatusCode, page)
		}
		notified(t, at, to+topic+`"text":"still told"}`)
		if _, err := office.Wait(before+2, arrives); err != nil {
			t.Error(err)
		}
		resp, page = request(t, http.MethodPost, link, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded")
		if resp.StatusCode != http.StatusOK || !strings.Contains(page, "muted") {
			t.Errorf("%d %s", resp.StatusCode, page)
		}
		becomes(t, at, notified(t, at, to+topic+`"text":"muted"}`), `"state":"suppressed"`)
		notified(t, at, to+`"topic":"other","text":"of another topic"}`)
		if _, err := office.Wait(before+3, arrives); err != nil {
			t.Error(err)
		}
		forged := link[:len(link)-4] + "AAAA"
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if resp, page := request(t, method, forged, ""); resp.StatusCode != http.StatusNotFound || strings.Contains(page, "<form") {
				t.Errorf("forged: %d %s", resp.StatusCode, page)
			}
		}
	}
}

// TestAnAddressIsTheSameInAnyCase: who has taken themselves off under one spelling is off under all.
func TestAnAddressIsTheSameInAnyCase(t *testing.T) {
	t.Parallel()
	office, settings := postOffice(t, fakesmtp.Config{})
	at := running(t, server.Config{Email: settings})
	notified(t, at, `{"to":{"address":"mailto:Ann.Berg@Example.org"},"text":"x"}`)
	inbox, err := office.Wait(1, arrives)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(inbox[0].Raw))
	if err != nil {
		t.Fatal(err)
	}
	link := strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
	if resp, page := request(t, http.MethodPost, link, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded"); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, page)
	}
	becomes(t, at, notified(t, at, `{"to":{"address":"mailto:ann.berg@example.org"},"text":"x"}`), `"state":"suppressed"`)
}

// TestKilledInTheMiddleLosesNoMailAndNoText: the shipped binary is killed while mails and text messages are under way, and each
// arrives; one whose answer was lost may arrive twice, and then has the same id.
func TestKilledInTheMiddleLosesNoMailAndNoText(t *testing.T) {
	t.Parallel()
	const each = 30
	var once sync.Once
	kill := make(chan struct{})
	reached := func(n int) {
		if n == each/2 {
			once.Do(func() { close(kill) })
		}
	}
	var mails int
	var mu sync.Mutex
	office, _ := postOffice(t, fakesmtp.Config{Taken: func(fakesmtp.Mail, func()) {
		mu.Lock()
		defer mu.Unlock()
		mails++
		reached(mails)
	}})
	twilio, account := phoneCompany(t, faketwilio.Config{})
	secret := func(text string) string {
		name := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	p := build(t)
	flags := []string{
		"--email-server", office.Addr(), "--email-username", "bot", "--email-password-file", secret("s3cret"), "--email-from", "bot@example.com",
		"--email-roots-file", secret(string(office.RootsPEM())), "--sms-account-sid", account.AccountSID, "--sms-auth-token-file", secret(account.AuthToken),
		"--sms-from", account.From, "--sms-url", account.URL, "--pace", "off",
	}
	r := launch(t, p, flags...)
	for i := range each {
		for _, address := range []string{"mailto:ann%d@example.org", "sms:+1555123%04d"} {
			body := fmt.Sprintf(`{"to":{"address":%q},"text":"number %d."}`, fmt.Sprintf(address, i), i)
			if status, answer := p.post("/v1/notifications", body); status != http.StatusAccepted {
				t.Fatalf("%d %s", status, answer)
			}
		}
	}
	select {
	case <-kill:
	case <-time.After(arrives):
		t.Fatal("nothing arrives")
	}
	r.kill()
	t.Cleanup(launch(t, p, flags...).kill)
	told := func() (lost []string) {
		all := make(map[string]bool)
		for _, m := range office.Inbox() {
			all[m.To[0]] = true
		}
		for _, m := range twilio.Messages() {
			all[m.Form.Get("To")] = true
		}
		for i := range each {
			for _, to := range []string{fmt.Sprintf("ann%d@example.org", i), fmt.Sprintf("+1555123%04d", i)} {
				if !all[to] {
					lost = append(lost, to)
				}
			}
		}
		return lost
	}
	lost := told()
	for until := time.Now().Add(60 * time.Second); len(lost) > 0 && time.Now().Before(until); lost = told() {
		time.Sleep(50 * time.Millisecond)
	}
	if len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	ids := make(map[string]string)
	for _, m := range office.Inbox() {
		read, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		if id, seen := ids[m.To[0]]; seen && id != read.Header.Get("Message-Id") {
			t.Errorf("%s has two mails with different ids", m.To[0])
		}
		ids[m.To[0]] = read.Header.Get("Message-Id")
	}
}
