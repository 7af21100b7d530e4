package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

func TestTellSomebodyByEntraKeys(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "msteams", "a:ann", func(s *book.Sighting) {
		s.Reference.User = &activity.ChannelAccount{
			ID: "29:ann", AADObjectID: "OID-Ann", Extra: jsontext.Value(`{"userPrincipalName":"Ann@Corp.example","email":"ann.b@corp.example"}`),
		}
	})
	for i, to := range []string{`{"object_id":"oid-ANN"}`, `{"upn":"ann@corp.EXAMPLE"}`, `{"email":"Ann.B@corp.example"}`} {
		if w := f.call(t, "POST", "/v1/notifications", `{"to":`+to+`,"text":"hi"}`); w.Code != http.StatusAccepted {
			t.Fatalf("%s: %d %s", to, w.Code, w.Body)
		}
		f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == i+1 })
	}
	if got := f.channel.Texts("a:ann"); len(got) != 3 {
		t.Errorf("said %q", got)
	}
}

// TestWhyNobodyIsTold: the code says exactly why.
func TestWhyNobodyIsTold(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for id, to := range map[string]book.Standing{
		"gone":     {Reach: book.ReachUninstalled, Cause: book.CauseBotRemoved},
		"blocked":  {Reach: book.ReachBlocked, Cause: "blocked"},
		"disabled": {Reach: book.ReachUnreachable, Cause: "bot_disabled", Until: time.Now().Add(time.Hour)},
	} {
		key := f.sees(t, "msteams", id, func(s *book.Sighting) {
			s.Reference.User = &activity.ChannelAccount{ID: activity.AccountID("29:" + id), AADObjectID: id}
		})
		to.At = time.Now()
		if err := f.store.StrikeOut(t.Context(), key, to); err != nil {
			t.Fatal(err)
		}
	}
	f.sees(t, "msteams", "19:r", func(s *book.Sighting) { s.Kind, s.Place = book.KindChannel, book.Place{Team: "t", Room: "19:r"} })
	for to, want := range map[string][2]string{
		`{"object_id":"gone"}`:       {api.CodeTargetUninstalled, "bot_removed"},
		`{"conversation":"gone"}`:    {api.CodeTargetUninstalled, "bot_removed"},
		`{"user":"29:blocked"}`:      {api.CodeTargetBlocked, "since"},
		`{"object_id":"disabled"}`:   {api.CodeTargetUnreachable, "until"},
		`{"object_id":"stranger"}`:   {api.CodeContactInstalled, "installed"},
		`{"upn":"x@corp.example"}`:   {api.CodeContactInstalled, "msteams"},
		`{"email":"x@mail.example"}`: {api.CodeContactInstalled, "msteams"},
		`{"user":"29:stranger"}`:     {api.CodeContactInstalled, "msteams"},
		`{"user":"stranger"}`:        {api.CodeNoTarget, ""},
		`{"reference":{"channelId":"telegram","serviceUrl":"https://telegram.botframework.com/","bot":{"id":"b"},"conversation":{"id":"7"}}}`: {
			api.CodeContactNever, "telegram",
		},
		`{"team":"19:t"}`:            {api.CodeUnknownTeam, "installed"},
		`{"team":"t","channel":"x"}`: {api.CodeUnknownChannel, "channel"},
	} {
		w := f.call(t, "POST", "/v1/notifications", `{"to":`+to+`,"text":"hi"}`)
		p := decode[api.Problem](t, w)
		if w.Code != http.StatusUnprocessableEntity || p.Code != want[0] || !strings.Contains(p.Detail, want[1]) || p.Errors[0].Field != "body.to" {
			t.Errorf("%s: %d %s, want %s with %q", to, w.Code, w.Body, want[0], want[1])
		}
		if _, known := api.Meaning(p.Code); !known {
			t.Errorf("%s has no meaning", p.Code)
		}
	}
}

// TestTellATeam: a post in its channels, an answer to a post, and one to what was said by a delivery.
func TestTellATeam(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "msteams", "19:r;messageid=1", func(s *book.Sighting) {
		s.Kind, s.Place = book.KindChannel, book.Place{Team: "19:g", Room: "19:r"}
	})
	for i, want := range []struct{ to, conversation string }{
		{`{"team":"19:g"}`, "19:g"}, {`{"team":"19:g","channel":"19:r"}`, "19:r"}, {`{"team":"19:g","channel":"19:r","thread":"7"}`, "19:r;messageid=7"},
		{`{"reply_to":"DELIVERY"}`, "19:r;messageid=7"},
	} {
		to := strings.ReplaceAll(want.to, "DELIVERY", f.delivered(t, i))
		w := f.call(t, "POST", "/v1/notifications", `{"to":`+to+`,"text":"hi"}`)
		n := decode[api.Notification](t, w)
		if w.Code != http.StatusAccepted || n.To.Team+n.To.ReplyTo == "" {
			t.Fatalf("%s: %d %s", to, w.Code, w.Body)
		}
		f.channel.Await(t.Context(), func(sent []headsup.Outgoing) bool { return len(sent) == i+1 })
		if got := f.channel.Sent()[i].Reference.Conversation.ID; string(got) != want.conversation {
			t.Errorf("%s is said in %s", to, got)
		}
	}
}

// delivered is the latest of n deliveries, once all are delivered; nothing for none.
func (f *fixture) delivered(t *testing.T, n int) string {
	t.Helper()
	for give := time.Now().Add(10 * time.Second); n > 0; {
		page := decode[api.Deliveries](t, f.call(t, "GET", "/v1/deliveries?state=delivered", ""))
		if len(page.Deliveries) == n {
			return page.Deliveries[0].ID
		}
		if time.Now().After(give) {
			t.Fatalf("%d are delivered, not %d", len(page.Deliveries), n)
		}
	}
	return ""
}

// TestRosterOfAnotherChannel is none.
func TestRosterOfAnotherChannel(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/conversations/c/roster", "")
	if p := decode[api.Problem](t, w); w.Code != http.StatusNotFound || p.Code != api.CodeNoRoster {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
