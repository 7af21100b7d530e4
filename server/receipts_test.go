package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakesmtp"
	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/server"
)

// TestTeamsTellsWhatBecameOfIt: somebody in Teams reads what the bot said, likes it and takes that back; each shows at the
// notification.
func TestTeamsTellsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nadia := w.AddPerson(faketeams.Person{Name: "Nadia Berg", UPN: "nadia@contoso.example"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Install(t.Context(), nadia.ObjectID, nadia.ObjectID))
	must(w.Settle())
	to := fmt.Sprintf(`{"object_id":%q}`, nadia.ObjectID)
	var said []string
	for _, text := range []string{"one", "two"} {
		w.told(to, text, "delivered")
		var page api.Notifications
		w.do("GET", "/v1/notifications?limit=1", "", http.StatusOK, &page)
		said = append(said, page.Notifications[0].ID)
	}
	must(w.Read(t.Context(), nadia.ObjectID))
	must(w.Read(t.Context(), nadia.ObjectID))
	chat := w.Personal(nadia.ObjectID)
	posts := w.Posts(chat)
	must(w.React(t.Context(), nadia.ObjectID, chat, posts[0].ID, "like", false))
	must(w.React(t.Context(), nadia.ObjectID, chat, posts[1].ID, "heart", false))
	must(w.React(t.Context(), nadia.ObjectID, chat, posts[1].ID, "heart", true))

	for i, want := range []string{"read  reacted like", "read"} {
		var n api.Notification
		w.do("GET", "/v1/notifications/"+said[i], "", http.StatusOK, &n)
		var got []string
		for _, r := range n.Deliveries[0].Receipts {
			if r.Person != string(nadia.ID) || r.At.IsZero() {
				t.Errorf("a receipt is %+v", r)
			}
			got = append(got, r.Kind+" "+r.Detail)
		}
		if got := strings.TrimSpace(strings.Join(got, " ")); got != want {
			t.Errorf("of message %d there is %q, want %q", i, got, want)
		}
		if n.Receipts["read"] != 1 || n.Receipts["reacted"] != 1-i {
			t.Errorf("of message %d are counted %v", i, n.Receipts)
		}
	}
	var page api.Notifications
	w.do("GET", "/v1/notifications", "", http.StatusOK, &page)
	if page.Notifications[1].Receipts["reacted"] != 1 {
		t.Errorf("the list counts %v", page.Notifications[1].Receipts)
	}
}

// TestChatThenMail: what nobody reads in Teams comes by mail, what was read or answered there does not.
func TestChatThenMail(t *testing.T) {
	t.Parallel()
	office, settings := postOffice(t, fakesmtp.Config{})
	w := newWorldWith(t, server.Config{Email: settings})
	nadia := w.AddPerson(faketeams.Person{Name: "Nadia Berg", UPN: "nadia@contoso.example"})
	notify := func(text, fallback string) (n api.Notification) {
		t.Helper()
		w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"email":"nadia@contoso.example"},"text":%q,"fallback":[%s]}`, text, fallback), http.StatusAccepted, &n)
		eventually(t, func() string { return fmt.Sprintf("the deliveries are %+v", n.Deliveries) }, func() bool {
			w.do("GET", "/v1/notifications/"+n.ID, "", http.StatusOK, &n)
			return n.Deliveries[0].State == "delivered" && n.Deliveries[1].State != "ready" && n.Deliveries[1].State != "sending"
		})
		return n
	}
	becomes := func(n api.Notification, state, detail string) {
		t.Helper()
		eventually(t, func() string { return fmt.Sprintf("the mail is %+v", n.Deliveries[1]) }, func() bool {
			w.do("GET", "/v1/notifications/"+n.ID, "", http.StatusOK, &n)
			return n.Deliveries[1].State == state
		})
		if h := n.Deliveries[1].History; !strings.Contains(h[len(h)-1].Detail, detail) {
			t.Errorf("its history is %+v", h)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n := notify("unread", `{"channel":"email","after":"1s","unless":"read"}`)
	if len(n.Fallback) != 1 || n.Fallback[0].Channel != "email" || n.Fallback[0].Unless != "read" || n.Fallback[0].Delivery != n.Deliveries[1].ID {
		t.Errorf("the fallback is %+v", n.Fallback)
	}
	becomes(n, "delivered", "")
	inbox, err := office.Wait(1, arrives)
	must(err)
	if len(inbox) != 1 || inbox[0].To[0] != "nadia@contoso.example" || !strings.Contains(string(inbox[0].Raw), "unread") {
		t.Errorf("in the inbox are %+v", inbox)
	}

	n = notify("read", `{"channel":"email","after":"1h","unless":"read"}`)
	if d := n.Deliveries[1]; d.State != "held" || d.Reason != "fallback" || d.DueAt == nil {
		t.Errorf("the mail is %+v", d)
	}
	must(w.Read(t.Context(), nadia.ObjectID))
	becomes(n, "suppressed", "was read")

	n = notify("answered", `{"channel":"email","after":"3s","unless":"answered"}`)
	must(w.Read(t.Context(), nadia.ObjectID)) // which is no answer
	_, err = w.Say(t.Context(), nadia.ObjectID, w.Personal(nadia.ObjectID), "yes")
	must(err)
	becomes(n, "suppressed", "was answered")
	w.do("GET", "/v1/notifications/"+n.ID, "", http.StatusOK, &n)
	if n.Receipts["answered"] != 1 || n.Receipts["read"] != 1 {
		t.Errorf("its receipts are %v", n.Receipts)
	}
	if inbox := office.Inbox(); len(inbox) != 1 {
		t.Errorf("%d mails have come", len(inbox))
	}
	for field, body := range map[string]string{
		"body.fallback[0]":        `[{}]`,
		"body.fallback[0].to":     `[{"to":{"tag":"x"}}]`,
		"body.fallback[0].after":  `[{"channel":"email","after":"0s"}]`,
		"body.fallback[1].after":  `[{"channel":"email"},{"channel":"sms","after":"9999h"}]`,
		"body.fallback[0].unless": `[{"channel":"email","unless":"x"}]`,
	} {
		var p api.Problem
		w.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"email":"nadia@contoso.example"},"text":"x","fallback":%s}`, body), http.StatusUnprocessableEntity, &p)
		if len(p.Errors) == 0 || p.Errors[0].Field != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
}
