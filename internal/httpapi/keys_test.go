package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/httpapi"
)

func TestEveryOperationDeclaresItsScope(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	if w := f.call(t, "GET", "/openapi.json", ""); !strings.Contains(w.Body.String(), `"securitySchemes":{"key":{`) {
		t.Error("the document does not say what a key is")
	}
	for path, operations := range f.document(t).Paths {
		for method, op := range operations {
			if len(op.Security) != 1 || len(op.Security[0]["key"]) != 1 || !slices.Contains(access.AllScopes, access.Scope(op.Security[0]["key"][0])) {
				t.Errorf("%s %s declares %v, not the scope that it needs", method, path, op.Security)
			}
			for _, status := range []string{"401", "403", "429"} {
				if _, ok := op.Responses[status]; !ok {
					t.Errorf("%s %s does not declare the answer %s", method, path, status)
				}
			}
			if !strings.Contains(string(op.Responses["429"]), `"Retry-After"`) {
				t.Errorf("%s %s does not declare Retry-After", method, path)
			}
		}
	}
}

// guarded is the API where a key is needed, with keys of all kinds.
type guarded struct {
	fixture
	calls   atomic.Int64
	scoped  map[access.Scope]string
	revoked string
	expired string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{fixture: newAPI(t), scoped: make(map[access.Scope]string)}
	engine := g.engine
	var late atomic.Int64
	var err error
	g.keys, err = access.New(access.Config{AppID: "app", Store: g.store, Now: func() time.Time {
		return time.Now().Add(time.Duration(late.Load()))
	}})
	if err != nil {
		t.Fatal(err)
	}
	g.mux = http.NewServeMux()
	closed := make(chan struct{}) // streams end as soon as they begin
	close(closed)
	httpapi.Register(g.mux, httpapi.Config{Engine: engine, Keys: g.keys, Webhooks: g.hooks, Closing: closed, Version: "test"})
	create := func(want access.NewKey) (access.Key, string) {
		k, s, err := g.keys.Create(t.Context(), access.Identity{Kind: access.KindLocal, Scopes: access.ScopesOf(access.Admin)}, want)
		if err != nil {
			t.Fatal(err)
		}
		return k, s.Reveal()
	}
	for _, s := range access.AllScopes {
		_, g.scoped[s] = create(access.NewKey{Name: string(s), Scopes: access.ScopesOf(s)})
	}
	k, revoked := create(access.NewKey{Name: "revoked", Scopes: access.ScopesOf(access.Admin)})
	g.revoked = revoked
	if _, err := g.keys.Revoke(t.Context(), access.Identity{}, k.ID); err != nil {
		t.Fatal(err)
	}
	_, g.expired = create(access.NewKey{Name: "expired", Scopes: access.ScopesOf(access.Admin), ExpiresAt: time.Now().Add(time.Hour)})
	late.Store(int64(2 * time.Hour))
	return g
}

// as calls with a key, each time from another address, so that wrong ones are not counted together.
func (g *guarded) as(t *testing.T, key, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	n := g.calls.Add(1)
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255)
	if method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	g.mux.ServeHTTP(w, r)
	return w
}

var place = regexp.MustCompile(`\{[^}]+\}`)

// TestEveryOperationWithEveryKey is the matrix: each operation of the document with no key, with keys that are not good,
// and with a key of each scope.
func TestEveryOperationWithEveryKey(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	admin := g.scoped[access.Admin]
	doc := g.document(t)
	checked := 0
	for path, operations := range doc.Paths {
		for method, op := range operations {
			method, path := strings.ToUpper(method), place.ReplaceAllString(path, "1")
			name := method + " " + path
			for why, c := range map[string]struct{ key, query string }{
				"no key":                  {},
				"a wrong key":             {key: admin[:len(admin)-4] + "0000"},
				"a revoked key":           {key: g.revoked},
				"an expired key":          {key: g.expired},
				"a key in the query":      {query: "?access_token=" + admin},
				"a key in query and head": {key: admin, query: "?key=" + admin},
			} {
				w := g.as(t, c.key, method, path+c.query, "{}")
				p := decode[api.Problem](t, w)
				challenge := w.Header().Get("WWW-Authenticate")
				if w.Code != http.StatusUnauthorized || p.Code != api.CodeUnauthorized || !strings.HasPrefix(challenge, "Bearer ") ||
					strings.Contains(challenge, "invalid_token") != (c.key+c.query != "") || strings.Contains(w.Body.String(), "hup_1") {
					t.Errorf("%s with %s: %d %+v %q", name, why, w.Code, p, challenge)
				}
				checked++
			}
			needed := access.Scope(op.Security[0]["key"][0])
			for scope, key := range g.scoped {
				w := g.as(t, key, method, path, "")
				checked++
				if access.ScopesOf(scope).Has(needed) {
					if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code == http.StatusTooManyRequests || w.Code >= 500 {
						t.Errorf("%s with scope %s: %d %s", name, scope, w.Code, w.Body)
					}
					continue
				}
				p := decode[api.Problem](t, w)
				if w.Code != http.StatusForbidden || p.Code != api.CodeMissingScope || !strings.Contains(p.Detail, string(needed)) ||
					!strings.Contains(w.Header().Get("WWW-Authenticate"), `scope="`+string(needed)+`"`) {
					t.Errorf("%s with scope %s: %d %+v", name, scope, w.Code, p)
				}
			}
		}
	}
	if checked < 11*len(doc.Paths) {
		t.Errorf("only %d calls", checked)
	}
}

func TestPathsAndMethodsDoNotPassBy(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	for _, path := range []string{
		"/v1/keys", "//v1/keys", "/v1//keys", "/v1/./keys", "/v1/../v1/keys", "/v1/x/../keys", "/x/../v1/keys", "/v1/keys/", "/v1/keys/.",
		"/%76%31/keys", "/v1/%6beys", "/v1%2fkeys", "/v1/%2e/keys", "/v1/%2e%2e/v1/keys", "/v1/x/%2e%2e/keys", "/./v1/keys", "/v1/keys;x=1",
		"/v1/keys%00", "/v1/keys%20", "/V1/keys", "/v1/KEYS", "/v1", "/v1/", "/v1/none", "/openapi.json/../v1/keys", "/v1/keys?limit=1", "/v1/keys#x",
		"*", "http://127.0.0.1/v1/keys",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			func() {
				defer func() {
					if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "invalid NewRequest arguments") {
						panic(p)
					}
				}()
				w := g.as(t, "", method, path, "")
				if w.Code < 300 || w.Code >= 500 || strings.Contains(w.Body.String(), "hup") && w.Code != http.StatusUnauthorized {
					t.Errorf("%s %s without a key: %d %s", method, path, w.Code, w.Body)
				}
			}()
		}
	}
	for method, want := range map[string]int{"PUT": 405, "TRACE": 405, "OPTIONS": 405} {
		if w := g.as(t, g.scoped[access.Send], method, "/v1/keys", ""); w.Code != want {
			t.Errorf("%s with a key: %d, want %d", method, w.Code, want)
		}
	}
	if w := g.as(t, g.scoped[access.Admin], "HEAD", "/v1/keys", ""); w.Code != http.StatusOK {
		t.Errorf("HEAD as an admin: %d", w.Code)
	}
	if w := g.as(t, g.scoped[access.Send], "HEAD", "/v1/keys", ""); w.Code != http.StatusForbidden {
		t.Errorf("HEAD without the scope: %d", w.Code)
	}
}

func TestWhomOneMayTellIsDecidedByTheTarget(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	for to, most := range map[string]struct {
		scope access.Scope
		field string
	}{
		`{"everyone":true}`: {access.Broadcast, "body.to.everyone"}, `{"tag":"t"}`: {access.Broadcast, "body.to.tag"},
		`{"reference":{}}`: {access.Admin, "body.to.reference"}, `{"address":{}}`: {access.Admin, "body.to.address"},
	} {
		for scope, key := range g.scoped {
			w := g.as(t, key, "POST", "/v1/notifications", `{"to":`+to+`,"text":"x"}`)
			if access.ScopesOf(scope).Has(most.scope) {
				if w.Code == http.StatusForbidden || w.Code >= 500 {
					t.Errorf("%s with scope %s: %d %s", to, scope, w.Code, w.Body)
				}
				continue
			}
			p := decode[api.Problem](t, w)
			if w.Code != http.StatusForbidden || access.ScopesOf(scope).Has(access.Send) && p.Errors[0].Field != most.field {
				t.Errorf("%s with scope %s: %d %s", to, scope, w.Code, w.Body)
			}
		}
	}
	w := g.as(t, g.scoped[access.Send], "POST", "/v1/notifications", `{"to":{"everyone":true},"text":"x"}`)
	p := decode[api.Problem](t, w)
	if p.Code != api.CodeMissingScope || len(p.Errors) != 1 || p.Errors[0].Field != "body.to.everyone" || !strings.Contains(p.Detail, "broadcast") ||
		!strings.Contains(w.Header().Get("WWW-Authenticate"), `scope="broadcast"`) {
		t.Errorf("%+v", p)
	}
	if w := g.as(t, g.scoped[access.Send], "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"x"}`); w.Code != http.StatusAccepted {
		t.Errorf("one person with scope send: %d %s", w.Code, w.Body)
	}
}

func TestKeyIsMadeShownUsedAndRevoked(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/keys", `{"name":"builds","scopes":["read","send"],"rate_per_minute":60,"expires_at":"2090-01-01T00:00:00Z"}`)
	made := decode[api.CreatedKey](t, w)
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/keys/"+made.ID || w.Header().Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(made.Secret, "hup_"+made.ID+"_") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if made.Name != "builds" || !slices.Equal(made.Scopes, []string{"send", "read"}) || made.State != "active" || made.RatePerMinute != 60 ||
		made.ExpiresAt == nil || made.ExpiresAt.Year() != 2090 || made.CreatedAt.IsZero() || made.LastUsedAt != nil || made.CreatedBy != "development" {
		t.Errorf("made %+v", made)
	}
	bearer := []string{"Authorization", "Bearer " + made.Secret}
	if w := f.call(t, "GET", "/v1/jobs", "", bearer...); w.Code != http.StatusOK {
		t.Errorf("the key is not good: %d %s", w.Code, w.Body)
	}
	if w := f.call(t, "GET", "/v1/keys", "", bearer...); w.Code != http.StatusForbidden {
		t.Errorf("the key is good for more: %d %s", w.Code, w.Body)
	}
	w = f.call(t, "GET", "/v1/keys/"+made.ID, "")
	shown := decode[api.Key](t, w)
	if w.Code != http.StatusOK || shown.LastUsedAt == nil || strings.Contains(w.Body.String(), made.Secret) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("shown as %d %s", w.Code, w.Body)
	}
	least := decode[api.CreatedKey](t, f.call(t, "POST", "/v1/keys", `{"name":"least"}`))
	if !slices.Equal(least.Scopes, []string{"send"}) {
		t.Errorf("a key without scopes gets %v", least.Scopes)
	}
	w = f.call(t, "GET", "/v1/keys?limit=1", "")
	first := decode[api.Keys](t, w)
	second := decode[api.Keys](t, f.call(t, "GET", "/v1/keys?limit=1&cursor="+first.NextCursor, ""))
	if len(first.Keys) != 1 || first.Keys[0].ID != made.ID || len(second.Keys) != 1 || second.Keys[0].ID != least.ID || second.NextCursor != "" {
		t.Errorf("listed %+v and %+v", first, second)
	}
	for range 2 {
		w = f.call(t, "DELETE", "/v1/keys/"+made.ID, "")
		if k := decode[api.Key](t, w); w.Code != http.StatusOK || k.State != "revoked" || k.RevokedAt == nil {
			t.Errorf("revoked: %d %s", w.Code, w.Body)
		}
	}
	if w := f.call(t, "GET", "/v1/jobs", "", bearer...); w.Code != http.StatusUnauthorized {
		t.Errorf("the key is still good: %d", w.Code)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for body, field := range map[string]string{
		`{}`:                                               "body.name",
		`{"name":""}`:                                      "body.name",
		`{"name":" "}`:                                     "body.name",
		`{"name":"a\nb"}`:                                  "body.name",
		`{"name":"x","scopes":["root"]}`:                   "body.scopes[0]",
		`{"name":"x","scopes":["Admin"]}`:                  "body.scopes[0]",
		`{"name":"x","scopes":"send"}`:                     "body.scopes",
		`{"name":"x","rate_per_minute":-1}`:                "body.rate_per_minute",
		`{"name":"x","rate_per_minute":1000001}`:           "body.rate_per_minute",
		`{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`: "body.expires_at",
		`{"name":"x","expires_at":"soon"}`:                 "body.expires_at",
		`{"name":"x","id":"000000000000"}`:                 "body.id",
		`{"name":"x","created_by":"me"}`:                   "body.created_by",
		`{"name":"x","secret":"hup_"}`:                     "body.secret",
	} {
		w := f.call(t, "POST", "/v1/keys", body)
		if p := decode[api.Problem](t, w); w.Code != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Field != field {
			t.Errorf("%s: %d %+v, want the field %s", body, w.Code, p, field)
		}
	}
	for _, path := range []string{"/v1/keys/000000000000", "/v1/keys/x"} {
		for _, method := range []string{"GET", "DELETE"} {
			if w := f.call(t, method, path, ""); w.Code != http.StatusNotFound || decode[api.Problem](t, w).Code != api.CodeNotFound {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	secret := decode[api.CreatedKey](t, f.call(t, "POST", "/v1/keys", `{"name":"x"}`)).Secret
	if w := f.call(t, "GET", "/v1/keys/"+secret, ""); w.Code != http.StatusUnprocessableEntity || strings.Contains(w.Body.String(), secret) {
		t.Errorf("a whole key for its id: %d %s", w.Code, w.Body)
	}
}

func TestKeysMadeWithAKeyEndWithIt(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	parent := decode[api.CreatedKey](t, f.call(t, "POST", "/v1/keys", `{"name":"parent","scopes":["admin"],"expires_at":"2090-01-01T00:00:00Z"}`))
	bearer := []string{"Authorization", "Bearer " + parent.Secret}
	child := decode[api.CreatedKey](t, f.call(t, "POST", "/v1/keys", `{"name":"child","scopes":["admin"]}`, bearer...))
	if child.CreatedBy != parent.ID || child.ExpiresAt == nil || !child.ExpiresAt.Equal(*parent.ExpiresAt) {
		t.Errorf("made %+v", child)
	}
	w := f.call(t, "POST", "/v1/keys", `{"name":"child","expires_at":"2091-01-01T00:00:00Z"}`, bearer...)
	if p := decode[api.Problem](t, w); w.Code != http.StatusUnprocessableEntity || p.Errors[0].Field != "body.expires_at" {
		t.Errorf("%d %+v", w.Code, p)
	}
}

func TestTooManyAreToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	slow := decode[api.CreatedKey](t, f.call(t, "POST", "/v1/keys", `{"name":"x","scopes":["read"],"rate_per_minute":2}`))
	for i, want := range []int{200, 200, 429} {
		w := f.call(t, "GET", "/v1/jobs", "", "Authorization", "Bearer "+slow.Secret)
		if w.Code != want {
			t.Fatalf("request %d: %d %s", i+1, w.Code, w.Body)
		}
		if p := decode[api.Problem](t, w); want == 429 && (p.Code != api.CodeRateLimited || w.Header().Get("Retry-After") != "30") {
			t.Errorf("%+v, Retry-After %q", p, w.Header().Get("Retry-After"))
		}
	}
	for i := range 31 {
		w := f.call(t, "GET", "/v1/jobs", "", "Authorization", "Bearer hup_wrong")
		if limited := w.Code == 429 && w.Header().Get("Retry-After") == "60"; limited != (i == 30) || !limited && w.Code != 401 {
			t.Fatalf("wrong key %d: %d %v", i+1, w.Code, w.Header())
		}
	}
}

// TestScopesHoldForEachOfABatch: what a key may not say is refused by itself, at its field, and the rest is accepted.
func TestScopesHoldForEachOfABatch(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	w := g.as(t, g.scoped[access.Send], "POST", "/v1/notifications/batch",
		`{"notifications":[{"to":{"user":"ann"},"text":"x"},{"to":{"everyone":true},"text":"x"}]}`)
	r := decode[api.BatchResult](t, w)
	if w.Code != http.StatusMultiStatus || r.Accepted != 1 || r.Refused != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	p := r.Results[1].Problem
	if p == nil || p.Status != http.StatusForbidden || p.Code != api.CodeMissingScope || p.Errors[0].Field != "body.notifications[1].to.everyone" {
		t.Errorf("refused as %+v", p)
	}
}
