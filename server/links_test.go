package server_test

import (
	"bytes"
	"net/http"
	"net/mail"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/server"
)

// TestLinksOfMailsTakePeopleOut: a notice that arrives by mail has a link to mute its topic, which asks a person, and does it for
// a mail program at once (RFC 8058); then no more of the topic is sent.
func TestLinksOfMailsTakePeopleOut(t *testing.T) {
	t.Parallel()
	office, settings := postOffice(t, fakesmtp.Config{})
	n := startNode(t, server.Config{PublicURL: public, Email: settings, Bot: answering})
	n.host = "bot.example.com"
	tell := func(what string) string {
		t.Helper()
		resp, body := n.call(n.admin, http.MethodPost, "/v1/notifications",
			`{"to":{"address":"mailto:ann@example.org"},"topic":"deals","locale":"de","notice":{"what":"`+what+`","severity":"warning","text":"Half the price"}}`)
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s %s", resp.Status, body)
		}
		return between(t, body, `"id":"`, `"`)
	}
	tell("A deal on Reno")
	inbox, err := office.Wait(1, arrives)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(inbox[0].Raw))
	if err != nil {
		t.Fatal(err)
	}
	link := strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
	path, ours := strings.CutPrefix(link, public)
	if !ours || m.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || m.Header.Get("Subject") != "Warnung: A deal on Reno" ||
		!strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/alternative") {
		t.Fatalf("headers are %v", m.Header)
	}

	forged := strings.Replace(path, ".ey", ".ez", 1)
	for method, want := range map[string]int{http.MethodGet: http.StatusNotFound, http.MethodPost: http.StatusNotFound} {
		if resp, body := n.call("", method, forged, ""); resp.StatusCode != want || !strings.Contains(body, "This button is not valid.") {
			t.Errorf("%s of a forged one: %s %s", method, resp.Status, body)
		}
	}
	resp, page := n.call("", http.MethodGet, path, "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "<button type=\"submit\">„deals“ stummschalten</button>") || !strings.Contains(page, `lang="de"`) ||
		!strings.Contains(page, "ann@example.org") {
		t.Errorf("the page: %s %s", resp.Status, page)
	}
	if h := resp.Header; !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("its headers are %v", h)
	}
	tell("Another deal") // since nobody has asked yet
	if _, err := office.Wait(2, arrives); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		resp, page = n.call("", http.MethodPost, path, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded")
		if resp.StatusCode != http.StatusOK || !strings.Contains(page, "„deals“ ist stummgeschaltet.") || strings.Contains(page, "<button") {
			t.Errorf("posted: %s %s", resp.Status, page)
		}
	}
	if resp, body := n.call("", http.MethodPost, path, "", "Origin", "https://evil.example"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("from a page of another site: %s %s", resp.Status, body)
	}
	id := tell("One more deal")
	body := ""
	eventually(t, func() string { return "the mail is not suppressed: " + body }, func() bool {
		_, body = n.call(n.admin, http.MethodGet, "/v1/notifications/"+id, "")
		return strings.Contains(body, `"state":"suppressed"`)
	})
	if got := len(office.Inbox()); got != 2 {
		t.Errorf("%d mails", got)
	}
}
