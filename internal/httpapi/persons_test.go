package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

func (f fixture) people(t *testing.T, query string) api.People {
	t.Helper()
	w := f.call(t, "GET", "/v1/people"+query, "")
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.People](t, w)
}

func (f fixture) knowsPeople(t *testing.T) []api.KnownPerson {
	t.Helper()
	for channel, id := range map[string]string{"msteams": "29:ann", "slack": "U1"} {
		f.sees(t, channel, "with "+id, func(s *book.Sighting) {
			s.Reference.User = &activity.ChannelAccount{ID: activity.AccountID(id), AADObjectID: "OID-" + id}
			s.Country = "CH"
		})
	}
	return append(f.people(t, "?channel=msteams").People, f.people(t, "?channel=slack").People...)
}

func TestPeopleAreListed(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	two := f.knowsPeople(t)
	if len(two) != 2 || two[0].ObjectID != "oid-29:ann" || two[0].Country != "CH" || two[0].Merged {
		t.Fatalf("known are %+v", two)
	}
	all := f.people(t, "").People
	first := f.people(t, "?limit=1")
	rest := f.people(t, "?cursor="+first.NextCursor)
	if len(all) < 3 || len(first.People) != 1 || len(rest.People) != len(all)-1 || first.People[0] != all[0] {
		t.Errorf("%d, then %d of %d", len(first.People), len(rest.People), len(all))
	}
	if w := f.call(t, "GET", "/v1/people?cursor=x", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a wrong cursor is answered %d", w.Code)
	}
}

func TestPeopleAreMergedAndSplit(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	two := f.knowsPeople(t)
	ann, slack := two[0].ID, two[1].ID
	human := func(method, path, body string) api.Human {
		t.Helper()
		w := f.call(t, method, path, body)
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return decode[api.Human](t, w)
	}
	if h := human("GET", "/v1/people/"+ann, ""); len(h.People) != 1 {
		t.Errorf("alone they are %+v", h)
	}
	if h := human("POST", "/v1/people/"+ann+"/merge", `{"with":["`+slack+`"]}`); len(h.People) != 2 || !h.People[0].Merged {
		t.Errorf("merged they are %+v", h)
	}
	if h := human("GET", "/v1/people/"+slack, ""); len(h.People) != 2 {
		t.Errorf("by the other one they are %+v", h)
	}
	if h := human("POST", "/v1/people/"+slack+"/split", `{}`); len(h.People) != 1 || h.People[0].ID != slack || h.People[0].Merged {
		t.Errorf("split they are %+v", h)
	}
	for path, body := range map[string]string{
		"/v1/people/" + ann + "/split": `{"with":["` + slack + `"]}`, "/v1/people/per_0000000004711/merge": `{"with":["` + slack + `"]}`,
		"/v1/people/" + ann + "/merge": `{"with":["nobody"]}`,
	} {
		if w := f.call(t, "POST", path, body); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), api.CodeNotFound) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
