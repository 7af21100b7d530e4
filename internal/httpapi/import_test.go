package httpapi_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

// TestReferencesOfOtherProgramsAreImported: each case of the vectors ends in the book with what it should have, or is refused
// for what it should; and then the bot can speak there.
func TestReferencesOfOtherProgramsAreImported(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../activity/testdata/foreign/references.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name             string         `json:"name"`
			Error            string         `json:"error"`
			Input, Reference jsontext.Value `json:",omitzero"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &vectors, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f := newAPI(t)
			body := `{"tenant":"t","references":[{"reference":` + string(c.Input) + `,"external_id":"e1","tags":["old"]}]}`
			w := f.call(t, "POST", "/v1/references", body)
			got := decode[api.ImportResult](t, w)
			if c.Reference == nil {
				want := map[string]string{
					"conversation.id missing": "reference.conversation.id", "channelId missing": "reference.channelId",
					"serviceUrl not allowed": "reference.serviceUrl",
				}[c.Error]
				if w.Code != http.StatusMultiStatus || got.Refused != 1 || got.Results[0].Problem == nil ||
					got.Results[0].Problem.Errors[0].Field != "body.references[0]."+want {
					t.Errorf("%d %s, want it refused for %s", w.Code, w.Body, want)
				}
				return
			}
			ref, err := activity.DecodeReference(c.Reference)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusOK || got.Added != 1 || got.Results[0].ID != string(ref.Conversation.ID) || got.Results[0].Known {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			found, err := f.engine.ConversationOn(t.Context(), ref.ChannelID, ref.Conversation.ID)
			if err != nil || found.Source != book.SourceImport || found.Reference.ServiceURL != ref.ServiceURL || !found.VerifiedAt.IsZero() ||
				found.Reference.Locale != ref.Locale || found.Reference.Bot.ID != ref.Bot.ID || found.Person() != ref.User.ID {
				t.Errorf("the book has %+v: %v", found, err)
			}
			if w := f.call(t, "POST", "/v1/references", body); decode[api.ImportResult](t, w).Known != 1 {
				t.Errorf("again: %s", w.Body)
			}
			w = f.call(t, "POST", "/v1/notifications", `{"to":{"external_id":"e1"},"text":"Hello!"}`)
			f.settled(t, decode[api.Notification](t, w).ID, "delivered")
			if sent := f.channel.Sent(); len(sent) != 1 || sent[0].Reference.Conversation.ID != ref.Conversation.ID || sent[0].Reference.ServiceURL != ref.ServiceURL {
				t.Errorf("said %+v", sent)
			}
		})
	}
}

// TestAnImportChangesNothingThatIsKnown: neither what an authenticated channel has told, nor anything when it only checks.
func TestAnImportChangesNothingThatIsKnown(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	key := f.sees(t, "msteams", "a:1", func(s *book.Sighting) { s.Source = book.SourceClaim })
	const reference = `{"channelId":"msteams","serviceUrl":"https://elsewhere.example/","bot":{"id":"b"},"user":{"id":"ben"},"conversation":{"id":"a:1","tenantId":"tenant"}}`
	w := f.call(t, "POST", "/v1/references", `{"references":[{"reference":`+reference+`,"tags":["old"]}]}`)
	if got := decode[api.ImportResult](t, w); got.Known != 1 || !got.Results[0].Known {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c, err := f.engine.Conversation(t.Context(), key.Conversation)
	if err != nil || c.Reference.ServiceURL != "https://secret.example.net" || c.Source != book.SourceClaim {
		t.Errorf("the book has %+v: %v", c, err)
	}
	if shown := decode[api.Conversation](t, f.call(t, "GET", "/v1/conversations/a:1", "")); len(shown.Tags) != 1 || shown.Tags[0] != "old" {
		t.Errorf("tags %q", shown.Tags)
	}
	w = f.call(t, "POST", "/v1/references",
		`{"check":true,"references":[{"reference":`+strings.ReplaceAll(reference, "a:1", "a:2")+`,"tags":["new"]}]}`)
	if got := decode[api.ImportResult](t, w); got.Added != 1 || got.Results[0].ID != "a:2" {
		t.Errorf("checked: %s", w.Body)
	}
	if w := f.call(t, "GET", "/v1/conversations/a:2", ""); w.Code != http.StatusNotFound {
		t.Errorf("a check has made %s", w.Body)
	}
}

func TestWhatCannotBeImportedIsToldOneByOne(t *testing.T) {
	t.Parallel()
	const good = `{"channelId":"slack","serviceUrl":"https://slack.botframework.com/","bot":{"id":"B:T"},"user":{"id":"U:T"},"conversation":{"id":"B:T:D"}}`
	f := newAPI(t)
	items := []struct{ item, field string }{
		{`{"reference":` + good + `,"time_zone":"Europe/Vienna"}`, ""},
		{`{"reference":` + good + `,"time_zone":"Mars/Olympus"}`, ".time_zone"},
		{`{"reference":` + good + `,"tags":[""]}`, ".tags"},
		{`{"reference":` + good + `,"external_id":"a\u0007"}`, ".external_id"},
		{`{"reference":` + good + `,"what":1}`, ".what"},
		{`{"reference":` + strings.ReplaceAll(good, `"bot":{"id":"B:T"},`, "") + `}`, ".reference.bot.id"},
		{`{"reference":` + strings.ReplaceAll(good, "slack", "msteams") + `}`, ".reference.conversation.tenantId"},
		{`{"reference":` + strings.ReplaceAll(good, `"https://slack.botframework.com/"`, `""`) + `}`, ".reference.serviceUrl"},
		{`{"reference":"H4sIAAAAAAAEAO29B2"}`, ".reference"},
		{`{"reference":[1]}`, ".reference"},
		{`7`, ""},
	}
	list := make([]string, len(items))
	for i := range items {
		list[i] = items[i].item
	}
	w := f.call(t, "POST", "/v1/references", `{"references":[`+strings.Join(list, ",")+`]}`)
	got := decode[api.ImportResult](t, w)
	if w.Code != http.StatusMultiStatus || got.Added != 1 || got.Refused != len(items)-1 || len(got.Results) != len(items) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for i, r := range got.Results[1:] {
		want := "body.references[" + string("123456789X"[i]) + "]" + items[i+1].field
		if i == 9 {
			want = "body.references[10]"
		}
		if r.Problem == nil || r.Problem.Errors[0].Field != want {
			t.Errorf("%s: %+v, want %s", items[i+1].item, r.Problem, want)
		}
	}
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"nothing":  {method: "POST", path: "/v1/references", body: `{"references":[]}`, status: 422, code: "invalid_field", field: "body.references"},
		"unknown":  {method: "POST", path: "/v1/references", body: `{"references":[{}],"all":true}`, status: 422, code: "invalid_field", field: "body.all"},
		"too many": {method: "POST", path: "/v1/references", body: `{"references":[` + strings.Repeat("{},", 1000) + `{}]}`, status: 422, code: "invalid_field", field: "body.references"},
	}, func(fixture) {})
}
