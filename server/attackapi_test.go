package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// operation is one of the API, with the scope that it needs.
type operation struct {
	method, path, scope string
	body                bool
}

// operations reads the document that the server publishes.
func (b *besieged) operations() (all []operation) {
	b.t.Helper()
	_, text := request(b.t, http.MethodGet, "http://"+b.listen+"/openapi.json", "")
	var document struct {
		Paths map[string]map[string]struct {
			Security    []map[string][]string `json:"security"`
			RequestBody any                   `json:"requestBody"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		b.t.Fatal(err)
	}
	fill := strings.NewReplacer("{number}", "1")
	for path, methods := range document.Paths {
		for method, op := range methods {
			scope := "admin"
			if len(op.Security) == 1 && len(op.Security[0]["key"]) == 1 {
				scope = op.Security[0]["key"][0]
			}
			path := fill.Replace(path)
			for strings.Contains(path, "{") {
				path = path[:strings.Index(path, "{")] + "nobody" + path[strings.Index(path, "}")+1:]
			}
			all = append(all, operation{strings.ToUpper(method), path, scope, op.RequestBody != nil})
		}
	}
	if len(all) < 30 {
		b.t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// grants is what each scope includes.
var grants = map[string][]string{
	"send": {"send"}, "read": {"read"}, "broadcast": {"broadcast", "send"}, "manage": {"manage", "read"},
}

// TestAttackScopes is A03 and A05 on every operation of the document: without a key, with one in the wrong place, and with a key
// of every scope that is not enough, nothing happens.
func TestAttackScopes(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	keys := make(map[string]string)
	for scope := range grants {
		_, keys[scope] = b.newKey(scope)
	}
	for _, op := range b.operations() {
		name := op.method + " " + op.path
		body := ""
		if op.body {
			body = "{}"
		}
		url := "http://" + b.listen + op.path
		for how, ask := range map[string]func() (*http.Response, string){
			"no key": func() (*http.Response, string) { return request(t, op.method, url, body) },
			"key in query": func() (*http.Response, string) {
				return request(t, op.method, url+"?key="+b.key+"&access_token="+b.key, body)
			},
			"key in cookie": func() (*http.Response, string) { return request(t, op.method, url, body, "Cookie", "key="+b.key) },
			"another scheme": func() (*http.Response, string) {
				return request(t, op.method, url, body, "Authorization", "Basic "+b.key)
			},
			"X-API-Key": func() (*http.Response, string) { return request(t, op.method, url, body, "X-API-Key", b.key) },
		} {
			resp, answer := ask()
			// After a few wrong keys the address is told to wait (A06, A07), which keeps nobody with a good one away.
			limited := resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != ""
			if !limited && (resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "") || strings.Contains(answer, b.key) {
				t.Errorf("%s, %s: %s %s", name, how, resp.Status, answer)
			}
		}
		for scope, key := range keys {
			if op.path == "/v1/events" && slices.Contains(grants[scope], op.scope) {
				continue // it goes on for ever
			}
			resp, answer := request(t, op.method, url, body, "Authorization", "Bearer "+key)
			if enough := slices.Contains(grants[scope], op.scope); !enough && resp.StatusCode != http.StatusForbidden || enough && resp.StatusCode == http.StatusForbidden && strings.Contains(answer, "missing_scope") && op.scope != "send" {
				t.Errorf("%s needs %s, and with %s: %s %s", name, op.scope, scope, resp.Status, answer)
			}
		}
	}
	b.neverLogged(t, b.key)
}

// TestAttackAnswers is O13 and O14 on every operation: what every answer has, whether it is one or an error.
func TestAttackAnswers(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil, "--trusted-proxies", "127.0.0.1")
	paths := []string{
		"/", "/docs", "/openapi.json", "/healthz", "/playground", "/nowhere", "/api/messages", "/api/notify", "/proactive/sendactivity/x", "/proactive/continue", "/proactive/create", "/v1/nowhere", "/v3/nowhere",
		"/v3/directline/conversations", "/v3/conversations", "/v3/attachments/x/views/original", "/assets/none.js", "//x", "/%2e%2e/x",
	}
	for _, op := range b.operations() {
		paths = append(paths, op.path)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			for _, key := range []string{"", b.key} {
				if key != "" && method != "GET" && method != "HEAD" {
					continue // the others are asked for in vain only
				}
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.listen+path, strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "bot.example.com"
				r.Header.Set("X-Forwarded-Proto", "https")
				r.Header.Set("Origin", public)
				if key != "" {
					r.Header.Set("Authorization", "Bearer "+key)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				h, name := resp.Header, fmt.Sprintf("%s %s (%d)", method, path, resp.StatusCode)
				if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Server") != "" || h.Get("X-Powered-By") != "" ||
					!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || !strings.HasPrefix(h.Get("Strict-Transport-Security"), "max-age=") {
					t.Errorf("O13 %s: %v", name, h)
				}
				if (strings.HasPrefix(path, "/v1") || strings.HasPrefix(path, "/v3") || strings.HasPrefix(path, "/api")) && h.Get("Cache-Control") != "no-store" {
					t.Errorf("O14 %s: Cache-Control %q", name, h.Get("Cache-Control"))
				}
				if h.Get("Access-Control-Allow-Origin") == "*" || h.Get("Access-Control-Allow-Credentials") == "true" && !strings.Contains(path, "session") {
					t.Errorf("O08 %s: %v", name, h)
				}
			}
		}
	}
}

// compressed is a text in gzip.
func compressed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAttackAnnouncedBodies is B01: a body that its sender says is a gigabyte is refused for that, before any of it has come.
func TestAttackAnnouncedBodies(t *testing.T) {
	t.Parallel()
	b := besiegeDirectLine(t)
	_, token := request(b.t, http.MethodPost, "http://"+b.listen+"/v3/directline/tokens/generate", `{"user":{"id":"dl_ann"}}`, "Authorization", "Bearer "+nodesSecret)
	client := between(t, token, `"token":"`, `"`)
	conversation := "/v3/directline/conversations/" + between(t, token, `"conversationId":"`, `"`)
	if resp, answer := request(t, http.MethodPost, "http://"+b.listen+"/v3/directline/conversations", "", "Authorization", "Bearer "+client); resp.StatusCode != http.StatusCreated {
		t.Fatal(answer)
	}
	type place struct{ method, path, bearer string }
	places := []place{
		{"POST", "/api/messages", b.forger.Good()}, {"POST", conversation + "/activities", client}, {"POST", conversation + "/upload?userId=dl_ann", client},
		{"POST", "/v3/directline/tokens/generate", nodesSecret}, {"POST", "/api/notify", b.key},
	}
	for _, op := range b.operations() {
		if op.body {
			places = append(places, place{op.method, op.path, b.key})
		}
	}
	for _, p := range places {
		resp, answer := b.wire(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			p.method, p.path, b.listen, p.bearer, 1<<30))
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s: %s %s", p.method, p.path, resp.Status, answer)
		}
	}
}

// besiegeDirectLine starts the binary with the embedded channel open to a site, too.
func besiegeDirectLine(t *testing.T) *besieged {
	t.Helper()
	return besiege(t, nil, "--directline-secret-file", secretFile(t, nodesSecret))
}

// TestAttackBodiesOfRoutes is B01 to B07 on every operation that takes a body, with a key that may do everything, and on those
// that have no document.
func TestAttackBodiesOfRoutes(t *testing.T) {
	t.Parallel()
	const secret = "SECRET-directline-0123456789abcdef"
	b := besiege(t, nil, "--directline-secret-file", secretFile(t, secret))
	b.welcome("a:1", "1")
	operations := append(slices.DeleteFunc(b.operations(), func(op operation) bool { return !op.body }),
		operation{method: "POST", path: "/api/messages"}, operation{method: "POST", path: "/api/notify"},
		operation{method: "POST", path: "/proactive/sendactivity/a:1"}, operation{method: "POST", path: "/proactive/sendactivity"}, operation{method: "POST", path: "/proactive/create"})
	before := b.dump("api_keys")
	for _, op := range operations {
		key := b.key
		if op.path == "/api/messages" {
			key = b.forger.Good()
		}
		for name, bad := range map[string]struct {
			header []string
			body   string
			want   []int
		}{
			"B01 too large":        {nil, `{"text":"` + strings.Repeat("x", 9<<20) + `"}`, []int{413, 400}},
			"B02 gzip":             {[]string{"Content-Encoding", "gzip"}, compressed(t, `{"text":"x"}`), []int{415, 400}},
			"B03 deep":             {nil, `{"value":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, []int{400, 422, 413}},
			"B03 brackets":         {nil, strings.Repeat("[", 200_000), []int{400, 422, 413}},
			"B04 invalid UTF-8":    {nil, "{\"text\":\"\xff\xfe\",\"name\":\"\xff\"}", []int{400, 422}},
			"B04 UTF-16":           {nil, "\xff\xfe{\x00}\x00", []int{400, 422}},
			"B04 byte order mark":  {nil, "\xef\xbb\xbf{}", []int{400, 422}},
			"B04 lone surrogate":   {nil, `{"text":"\ud800","name":"\ud800"}`, []int{400, 422}},
			"B05 twice":            {nil, `{"to":{"conversation":"a:1"},"to":{"everyone":true},"text":"x","text":"y"}`, []int{400, 422}},
			"B05 another case":     {nil, `{"TO":{"everyone":true},"Text":"x","tExt":"y","TYPE":"message"}`, []int{400, 422}},
			"B06 text":             {[]string{"Content-Type", "text/plain"}, `{}`, []int{415, 400}},
			"B06 form":             {[]string{"Content-Type", "application/x-www-form-urlencoded"}, `{}`, []int{415, 400}},
			"B06 multipart":        {[]string{"Content-Type", "multipart/form-data; boundary=x"}, `{}`, []int{415, 400}},
			"B07 trailing garbage": {nil, `{"text":"x"} x`, []int{400, 422}},
			"B07 two":              {nil, `{"text":"x"}{"text":"y"}`, []int{400, 422}},
			"B07 comment":          {nil, `{"text":"x"/*x*/}`, []int{400, 422}},
			"A09 our own members":  {nil, `{"id":"x","state":"delivered","tenant_id":"x","attempts":0,"created_at":"2026-01-01T00:00:00Z"}`, []int{400, 422}},
		} {
			resp, answer := request(t, op.method, "http://"+b.listen+op.path, bad.body, append([]string{"Authorization", "Bearer " + key}, bad.header...)...)
			// What the path names is not there, which may be found first.
			if !slices.Contains(bad.want, resp.StatusCode) && !(resp.StatusCode == http.StatusNotFound && strings.Contains(op.path, "nobody")) {
				t.Errorf("%s: %s %s: %s %.200s", name, op.method, op.path, resp.Status, answer)
			}
			if len(answer) > 4<<10 {
				t.Errorf("%s: %s %s: an answer of %d bytes", name, op.method, op.path, len(answer))
			}
		}
	}
	b.unchanged(t, before, "api_keys")
}

// TestAttackHTTP is A10 and A12: requests by hand that two readers might understand differently.
func TestAttackHTTP(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	b.welcome("a:1", "1")
	before := b.dump("api_keys")
	const body = `{"to":{"conversation":"a:1"},"text":"smuggled"}`
	head := "Host: " + b.listen + "\r\nAuthorization: Bearer " + b.key + "\r\nContent-Type: application/json\r\nConnection: close\r\n"
	long := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for name, c := range map[string]struct {
		text string
		want []int
	}{
		"A12 length and chunks":  {"POST /v1/notifications HTTP/1.1\r\n" + head + long + "Transfer-Encoding: chunked\r\nX: y\r\n\r\n0\r\n\r\n" + body, []int{400, 422}},
		"A12 two lengths":        {"POST /v1/notifications HTTP/1.1\r\n" + head + long + "Content-Length: 3\r\n\r\n" + body, []int{400}},
		"A12 negative length":    {"POST /v1/notifications HTTP/1.1\r\n" + head + "Content-Length: -1\r\n\r\n" + body, []int{400}},
		"A12 signed length":      {"POST /v1/notifications HTTP/1.1\r\n" + head + fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(body)) + body, []int{400}},
		"A12 other coding":       {"POST /v1/notifications HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n" + body, []int{400, 501}},
		"A12 space before colon": {"POST /v1/notifications HTTP/1.1\r\n" + head + "Content-Length : 3\r\n\r\n" + body, []int{400}},
		"A12 bad chunk":          {"POST /v1/notifications HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + "\r\n0\r\n\r\n", []int{400, 422}},
		"A12 two hosts":          {"POST /v1/notifications HTTP/1.1\r\nHost: evil.example\r\n" + head + long + "\r\n" + body, []int{400}},
		"A12 no host":            {"POST /v1/notifications HTTP/1.1\r\nAuthorization: Bearer " + b.key + "\r\n" + long + "\r\n" + body, []int{400}},
		"A10 other method":       {"PUT /v1/notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{405}},
		"A10 override":           {"GET /v1/keys/nobody HTTP/1.1\r\n" + head + "X-HTTP-Method-Override: DELETE\r\n\r\n", []int{404, 405}},
		"A10 trace":              {"TRACE /v1/notifications HTTP/1.1\r\n" + head + "\r\n", []int{405, 404}},
		"A10 double slash":       {"POST //v1/notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{301, 307, 308, 404, 405}},
		"A10 dots":               {"POST /x/../v1/notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{301, 307, 308, 404, 405}},
		"A10 escaped dots":       {"POST /x/%2e%2e/v1/notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{301, 307, 308, 404, 405}},
		"A10 escaped slash":      {"POST /v1%2fnotifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{404, 405}},
		"A10 case":               {"POST /V1/Notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{404, 405}},
		"A10 absolute":           {"POST http://evil.example/v1/notifications HTTP/1.1\r\n" + head + long + "\r\n" + body, []int{403, 400}},
		"A10 authority":          {"CONNECT 127.0.0.1:" + b.canary.port() + " HTTP/1.1\r\n" + head + "\r\n", []int{400, 403, 404, 405}},
		"A10 without a key":      {"POST /v1/../v1/notifications HTTP/1.1\r\nHost: " + b.listen + "\r\nConnection: close\r\n" + long + "\r\n" + body, []int{301, 307, 308, 401, 404, 405}},
	} {
		t.Run(name, func(t *testing.T) {
			resp, answer := b.wire(c.text)
			if !slices.Contains(c.want, resp.StatusCode) || strings.Contains(answer, "TRACE /v1") {
				t.Errorf("%s %s, want %d", resp.Status, answer, c.want)
			}
		})
	}
	if changes := before.changes(b.dump("api_keys")); len(changes) > 0 {
		t.Errorf("the database has changed: %s", strings.Join(changes, "; "))
	}
	b.canary.quietly(t)
}

// TestAttackSecrets is L01: every secret that the binary knows or is shown, looked for in the log, the metrics, every answer and the
// database.
func TestAttackSecrets(t *testing.T) {
	t.Parallel()
	const secret = "SECRET-directline-0123456789abcdef"
	b := besiege(t, nil, "--directline-secret-file", secretFile(t, secret))
	b.welcome("a:1", "1")
	_, apiKey := b.newKey("admin")
	good := b.forger.Good()
	answers := map[string]string{}
	note := func(what string, status int, answer string) { answers[fmt.Sprint(what, " ", status)] += answer }
	for _, key := range []string{apiKey, b.key, secret, good, "hup_" + strings.Repeat("x", 40), azureSecret} {
		for _, op := range []string{"GET /v1/keys", "GET /v1/nowhere", "POST /v1/notifications", "POST /v3/directline/tokens/generate", "GET /v3/conversations", "POST /api/messages"} {
			method, path, _ := strings.Cut(op, " ")
			body := ""
			if method == "POST" {
				body = `{"text":"` + key + `",`
			}
			status, answer := b.api(key, method, path, body)
			if !strings.Contains(path, "tokens") {
				note(op, status, answer)
			}
			resp, answer := request(t, method, "http://"+b.listen+path+"?key="+key, body, "Authorization", "Basic "+key)
			note(op, resp.StatusCode, answer)
		}
	}
	if err := b.azure.channel.SetRules(); err != nil {
		t.Fatal(err)
	}
	b.azure.channel.Revoke()
	status, answer := b.api(apiKey, http.MethodPost, "/v1/notifications", `{"to":{"conversation":"a:1"},"text":"said"}`)
	note("notify", status, answer)
	b.azure.awaitsIn(t, "a:1", "said")
	resp, metrics := request(t, http.MethodGet, b.admin+"/metrics", "")
	note("metrics", resp.StatusCode, metrics)
	secrets := map[string]string{
		"an API key": apiKey[len(apiKey)-30:], "the local secret": b.key[len(b.key)-30:], "the Direct Line secret": secret,
		"a channel's token": good[len(good)-40:], "the client secret": azureSecret, "Entra's token": "SECRET-aad-",
	}
	look := func(where, text string) {
		for name, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s is in %s", name, where)
			}
		}
	}
	for what, answer := range answers {
		look("the answer to "+what, answer)
	}
	for table, rows := range b.dump() {
		for row := range rows {
			look("table "+table, row)
		}
	}
	b.signal()
	if err := b.exit(); err != nil {
		t.Error(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.raw {
		look("the log", line)
	}
	if len(b.raw) < 20 {
		t.Errorf("only %d lines are logged; nothing is shown by this", len(b.raw))
	}
}
