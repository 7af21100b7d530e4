package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/faketeams"
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
