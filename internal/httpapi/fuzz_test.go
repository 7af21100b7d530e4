package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// operations are those of the document that take a body, or a cursor.
func operations(tb testing.TB, f fixture, wanted func(method string, op map[string]any) bool) (all []string) {
	tb.Helper()
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	var document struct {
		Paths map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		tb.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if wanted(method, op) {
				all = append(all, strings.ToUpper(method)+" "+strings.NewReplacer("{id}", "c", "{number}", "1").Replace(path))
			}
		}
	}
	if len(all) == 0 {
		tb.Fatal("there are none")
	}
	slices.Sort(all)
	return all
}

// judge fails the test if an answer is the server's fault, or is no answer.
func judge(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 && w.Code != http.StatusNotImplemented && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%s: %d %s", what, w.Code, w.Body)
	}
	if kind := w.Header().Get("Content-Type"); w.Code >= 400 && (kind != "application/problem+json" || !jsontext.Value(w.Body.Bytes()).IsValid()) {
		t.Errorf("%s: %d of type %q: %s", what, w.Code, kind, w.Body)
	}
}

// FuzzBodies posts bodies to every operation that takes one.
func FuzzBodies(f *testing.F) {
	api := newAPI(f)
	routes := operations(f, api, func(_ string, op map[string]any) bool { return op["requestBody"] != nil })
	for i := range routes {
		for _, body := range []string{
			`{}`, `[]`, `null`, `{"to":{"conversation":"c"},"text":"x"}`, `{"to":{"reference":{"channelId":"test"}},"activity":{"type":"message"}}`,
			`{"to":{"everyone":true},"markdown":"x","in":"1h","policy":"wait","max_wait":"1m"}`, `{"name":"x","scopes":["read"],"expires_in":"1h"}`,
			`{"url":"http://127.0.0.1:1/","events":["message.received"]}`, `{"text":"x","cron":"* * * * *","time_zone":"Europe/Vienna"}`,
			`{"rrule":"FREQ=DAILY;COUNT=3","at":"2026-01-01T00:00:00Z"}`, `{"action":"retry"}`, `{"tags":["x"],"external_id":"e"}`, "\x00\xff", `{"a":1,"a":2}`,
		} {
			f.Add(uint(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, route uint, body string) {
		method, path, _ := strings.Cut(routes[route%uint(len(routes))], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.mux.ServeHTTP(w, r)
		judge(t, method+" "+path, w)
	})
}

// FuzzCursors asks for pages that begin somewhere, of every list.
func FuzzCursors(f *testing.F) {
	api := newAPI(f)
	routes := operations(f, api, func(method string, op map[string]any) bool {
		parameters, _ := op["parameters"].([]any)
		return method == "get" && slices.ContainsFunc(parameters, func(p any) bool {
			named, ok := p.(map[string]any)
			return ok && named["name"] == "cursor"
		})
	})
	for i := range routes {
		for _, cursor := range []string{"", "x", "MQ", "bm90IG91cnM", "99999999999999999999", "\x00", "../..", "%", "'; DROP TABLE x; --"} {
			f.Add(uint(i), cursor)
		}
	}
	f.Fuzz(func(t *testing.T, route uint, cursor string) {
		method, path, _ := strings.Cut(routes[route%uint(len(routes))], " ")
		w := httptest.NewRecorder()
		api.mux.ServeHTTP(w, httptest.NewRequest(method, path+"?cursor="+url.QueryEscape(cursor), nil))
		judge(t, path+" from "+cursor, w)
	})
}
