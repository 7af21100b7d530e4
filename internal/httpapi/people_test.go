package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/store/storetest"
)

// newPeopleAPI serves the API on a store that keeps something of a person in every place.
func newPeopleAPI(t *testing.T, name string) (fixture, *audit.Log) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Seed(t, store, name)
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: &bottest.Recorder{}})
	if err != nil {
		t.Fatal(err)
	}
	people, err := privacy.New(privacy.Config{AppID: "app", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.New(audit.Config{AppID: "app", Store: store, People: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{mux: http.NewServeMux()}
	httpapi.Register(f.mux, httpapi.Config{Engine: engine, Keys: everybody(t, store), People: people, Audit: log, Version: "test"})
	return f, log
}

func TestPersonIsFoundByOneKeyOnly(t *testing.T) {
	t.Parallel()
	f, _ := newPeopleAPI(t, "ann")
	for body, want := range map[string]struct {
		status int
		has    string
	}{
		`{"user":"user-ann"}`:                      {200, `"email":"mail-ann@example.com"`},
		`{"email":"MAIL-ann@example.com"}`:         {200, `"user":"user-ann"`},
		`{"external_id":"ext-ann"}`:                {200, `"user":"user-ann"`},
		`{"user":"user-ann","channel":"msteams"}`:  {404, `"code":"not_found"`},
		`{"user":"nobody"}`:                        {404, `"code":"not_found"`},
		`{}`:                                       {422, `"field":"body.user"`},
		`{"user":"user-ann","email":"a"}`:          {422, `"field":"body.user"`},
		`{"upn":"a\nb"}`:                           {422, `"field":"body.upn"`},
		`{"channel":"directline","tenant":"x"}`:    {422, `"field":"body.user"`},
		`{"user":"user-ann","name":"unknown one"}`: {422, `"code":"invalid_field"`},
	} {
		for _, path := range []string{"/v1/people/search", "/v1/people/export", "/v1/people/erasures"} {
			if want.status == http.StatusOK && !strings.HasSuffix(path, "search") {
				continue
			}
			if w := f.call(t, http.MethodPost, path, body); w.Code != want.status || !strings.Contains(w.Body.String(), want.has) {
				t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
			}
		}
	}
}

// records are the lines of an export.
func records(t *testing.T, w *httptest.ResponseRecorder) (all []api.PersonRecord) {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/x-ndjson" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for line := range strings.Lines(w.Body.String()) {
		var r api.PersonRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

func TestExportBeginsAndEndsAndTellsOfItself(t *testing.T) {
	t.Parallel()
	f, _ := newPeopleAPI(t, "ann")
	all := records(t, f.call(t, http.MethodPost, "/v1/people/export", `{"user":"user-ann"}`))
	first, last, act := all[0], all[len(all)-1], all[len(all)-2]
	if first.Type != "export" || !strings.Contains(string(first.Data), `"format":1`) || !strings.Contains(string(first.Data), `"user":"user-ann"`) {
		t.Errorf("it begins with %s %s", first.Type, first.Data)
	}
	var end struct {
		Records int `json:"records"`
	}
	if err := json.Unmarshal(last.Data, &end); err != nil || last.Type != "end" || end.Records != len(all)-2 {
		t.Errorf("%d lines end with %s %s", len(all), last.Type, last.Data)
	}
	if act.Type != "audit" || !strings.Contains(string(act.Data), `"action":"person.export"`) {
		t.Errorf("before the end there is %s %s", act.Type, act.Data)
	}
}

func TestErasureIsAcknowledgedAndLogged(t *testing.T) {
	t.Parallel()
	f, log := newPeopleAPI(t, "ann")
	w := f.call(t, http.MethodPost, "/v1/people/erasures", `{"user":"user-ann"}`)
	var x api.Erasure
	if err := json.Unmarshal(w.Body.Bytes(), &x); err != nil || w.Code != http.StatusAccepted || x.State != "silent" || x.SilentAt == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := f.call(t, http.MethodGet, w.Header().Get("Location"), ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), x.ID) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.call(t, http.MethodGet, "/v1/people/erasures/era_0000000000000", ""); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	entries, err := log.Entries(t.Context(), audit.Filter{Action: "person.", Limit: 10})
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	e := entries[0]
	if e.Action != audit.PersonErase || e.Object != log.Person("person", "directline", "tenant", "user-ann") || strings.Contains(e.Object+e.Detail, "ann") {
		t.Errorf("logged as %+v", e)
	}
	if e.At.After(time.Now().Add(time.Minute)) {
		t.Errorf("at %v", e.At)
	}
}
