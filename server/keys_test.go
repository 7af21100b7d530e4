package server_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/server"
)

// node is a server that tests start and stop, and how to reach it from this machine.
type node struct {
	*server.Server
	t     *testing.T
	dir   string
	url   string
	admin string // the secret for commands on this machine
	host  string // the Host header of requests; empty is the URL's
	stop  func()
}

func startNode(t *testing.T, cfg server.Config) *node {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if strings.HasPrefix(cfg.PublicURL, public) && cfg.Azure.AppID == "" {
		cfg.DirectLineOnly = true
		cfg.DirectLineSecret = cmp.Or(cfg.DirectLineSecret, nodesSecret)
	}
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := adminkey.Read(cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	n := &node{Server: s, t: t, dir: cfg.DataDir, url: e.URL, admin: e.Secret.Reveal()}
	n.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// call makes a request with a key, if it is not empty.
func (n *node) call(key, method, path, body string, header ...string) (*http.Response, string) {
	n.t.Helper()
	if key != "" {
		header = append(header, "Authorization", "Bearer "+key)
	}
	if n.host != "" {
		header = append([]string{"Host", n.host}, header...)
	}
	return request(n.t, method, n.url+path, body, header...)
}

// key makes a key and returns its id and secret.
func (n *node) key(body string) (id, secret string) {
	n.t.Helper()
	resp, answer := n.call(n.admin, http.MethodPost, "/v1/keys", body)
	var made api.CreatedKey
	if err := json.Unmarshal([]byte(answer), &made); err != nil || resp.StatusCode != http.StatusCreated {
		n.t.Fatalf("%s: %s %v", resp.Status, answer, err)
	}
	return made.ID, made.Secret
}

const public = "https://bot.example.com"

const aMessage = `{"type":"message","id":"1","channelId":"test","serviceUrl":"http://127.0.0.1:1","from":{"id":"u"},` +
	`"recipient":{"id":"b"},"conversation":{"id":"c"},"text":"hi"}`

func TestWhereOthersReachItNobodyComesInWithoutAKey(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"behind a proxy": "127.0.0.1:0", "everywhere": "0.0.0.0:0", "IPv6 too": ":0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, server.Config{Listen: listen, PublicURL: public, DirectLineSecret: nodesSecret})
			n.host = "bot.example.com"
			if !n.Exposed() || !n.KeysRequired() || n.URL() != public {
				t.Errorf("exposed %v, keys required %v, URL %s", n.Exposed(), n.KeysRequired(), n.URL())
			}
			for route, want := range map[string]struct {
				status int
				code   string
			}{
				"POST /v1/notifications":              {401, api.CodeUnauthorized},
				"GET /v1/notifications/x":             {401, api.CodeUnauthorized},
				"GET /v1/none":                        {401, api.CodeUnauthorized},
				"GET /v1/keys":                        {401, api.CodeUnauthorized},
				"POST /v1/keys":                       {401, api.CodeUnauthorized},
				"POST /api/notify":                    {401, api.CodeUnauthorized},
				"POST /proactive/sendactivity":        {401, api.CodeUnauthorized},
				"POST /proactive/sendactivity/x":      {401, api.CodeUnauthorized},
				"POST /proactive/continue":            {401, api.CodeUnauthorized},
				"POST /proactive/continue/x":          {401, api.CodeUnauthorized},
				"POST /proactive/continue/x/y":        {401, api.CodeUnauthorized},
				"POST /proactive/create":              {401, api.CodeUnauthorized},
				"GET /api/notify":                     {404, api.CodeDevelopmentOnly},
				"HEAD /api/notify":                    {404, ""},
				"GET /playground":                     {404, api.CodeDevelopmentOnly},
				"GET /playground/":                    {404, api.CodeDevelopmentOnly},
				"GET /playground/index.html":          {404, api.CodeDevelopmentOnly},
				"GET /%70layground":                   {404, api.CodeDevelopmentOnly},
				"POST /playground/api/token":          {404, api.CodeDevelopmentOnly},
				"GET /playground/api/wire":            {404, api.CodeDevelopmentOnly},
				"GET /playground/api/conversations":   {404, api.CodeDevelopmentOnly},
				"POST /api/messages":                  {401, "Unauthorized"},
				"POST /v3/conversations":              {401, "Unauthorized"},
				"GET /v3/conversations":               {401, "Unauthorized"},
				"POST /v3/conversations/x/activities": {401, "Unauthorized"},
				"GET /v3/attachments/x":               {401, "Unauthorized"},
				"POST /v3/directline/tokens/generate": {401, "Unauthorized"},
				"POST /v3/directline/conversations":   {401, "Unauthorized"},
				"GET /healthz":                        {200, ""},
				"GET /openapi.json":                   {200, ""},
			} {
				method, path, _ := strings.Cut(route, " ")
				body := ""
				if method == http.MethodPost {
					body = aMessage
				}
				resp, answer := n.call("", method, path, body)
				if resp.StatusCode != want.status || want.code != "" && !strings.Contains(answer, `"code":"`+want.code+`"`) {
					t.Errorf("%s: %s %s, want %d %s", route, resp.Status, answer, want.status, want.code)
				}
			}
			_, send := n.key(`{"name":"send"}`)
			_, broadcast := n.key(`{"name":"broadcast","scopes":["broadcast"]}`)
			if resp, answer := n.call(send, "POST", "/api/notify", ""); resp.StatusCode != 403 || !strings.Contains(answer, `"missing_scope"`) {
				t.Errorf("to everybody with scope send: %s %s", resp.Status, answer)
			}
			if resp, answer := n.call(broadcast, "POST", "/api/notify", ""); resp.StatusCode != 200 {
				t.Errorf("to everybody with scope broadcast: %s %s", resp.Status, answer)
			}
			if resp, answer := n.call(nodesSecret, "POST", "/v3/directline/tokens/generate", "{}"); resp.StatusCode != 200 {
				t.Errorf("a token for the site: %s %s", resp.Status, answer)
			}
			if resp, _ := n.call(nodesSecret, "POST", "/v3/directline/tokens/generate", "{}", "Origin", public); resp.StatusCode != 403 {
				t.Errorf("a page uses the site's secret: %s", resp.Status)
			}
			if resp, _ := n.call(nodesSecret, "GET", "/v1/jobs", ""); resp.StatusCode != 401 {
				t.Errorf("the site's secret is a key: %s", resp.Status)
			}
		})
	}
}

func TestOnlyOurOwnNamesAndPagesWhereOthersReachIt(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{PublicURL: public + ":443"})
	port := n.url[strings.LastIndex(n.url, ":"):]
	for name, c := range map[string]struct {
		header []string
		want   int
	}{
		"public host":                {[]string{"Host", "bot.example.com"}, 200},
		"public host with port":      {[]string{"Host", "bot.example.com:443"}, 200},
		"public host in capitals":    {[]string{"Host", "Bot.Example.Com"}, 200},
		"this machine":               {[]string{"Host", "localhost" + port}, 200},
		"public page":                {[]string{"Host", "bot.example.com", "Origin", public}, 200},
		"other host":                 {[]string{"Host", "evil.example"}, 403},
		"public host, wrong port":    {[]string{"Host", "bot.example.com:80"}, 403},
		"public host, our port":      {[]string{"Host", "bot.example.com" + port}, 403},
		"host below":                 {[]string{"Host", "x.bot.example.com"}, 403},
		"this machine, wrong port":   {[]string{"Host", "localhost:1"}, 403},
		"other page":                 {[]string{"Host", "bot.example.com", "Origin", "https://evil.example"}, 403},
		"public page without TLS":    {[]string{"Host", "bot.example.com", "Origin", "http://bot.example.com"}, 403},
		"public page, other port":    {[]string{"Host", "bot.example.com", "Origin", public + ":8443"}, 403},
		"opaque page":                {[]string{"Host", "bot.example.com", "Origin", "null"}, 403},
		"image on a foreign page":    {[]string{"Host", "bot.example.com", "Sec-Fetch-Site", "cross-site"}, 403},
		"forwarded host of no proxy": {[]string{"Host", "evil.example", "X-Forwarded-Host", "bot.example.com"}, 403},
	} {
		if resp, body := request(t, "GET", n.url+"/openapi.json", "", c.header...); resp.StatusCode != c.want {
			t.Errorf("%s: %s %.200s", name, resp.Status, body)
		}
	}
}

func TestKeysOnLoopback(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{})
	if n.Exposed() || n.KeysRequired() {
		t.Error("development mode asks for keys")
	}
	if resp, _ := n.call("", "GET", "/v1/keys", ""); resp.StatusCode != 200 {
		t.Errorf("without a key: %s", resp.Status)
	}
	_, secret := n.key(`{"name":"x","scopes":["read"]}`)
	for path, want := range map[string]int{"/v1/jobs": 200, "/v1/keys": 403, "/api/notify": 403} {
		if resp, answer := n.call(secret, "GET", path, ""); resp.StatusCode != want {
			t.Errorf("%s with scope read: %s %s", path, resp.Status, answer)
		}
	}
	if resp, _ := n.call("hup_wrong", "GET", "/v1/jobs", ""); resp.StatusCode != 401 {
		t.Errorf("with a wrong key: %s", resp.Status)
	}

	n = startNode(t, server.Config{RequireKey: true})
	if n.Exposed() || !n.KeysRequired() {
		t.Errorf("exposed %v, keys required %v", n.Exposed(), n.KeysRequired())
	}
	for _, route := range []string{"GET /v1/jobs", "GET /api/notify", "POST /api/notify"} {
		method, path, _ := strings.Cut(route, " ")
		if resp, _ := n.call("", method, path, ""); resp.StatusCode != 401 {
			t.Errorf("%s without a key: %s", route, resp.Status)
		}
	}
	if resp, _ := n.call(n.admin, "GET", "/v1/jobs", ""); resp.StatusCode != 200 {
		t.Errorf("this machine's own commands: %s", resp.Status)
	}
	if resp, _ := n.call("", "POST", "/playground/api/token", `{"user":{"id":"dl_ann"}}`); resp.StatusCode != 200 {
		t.Errorf("the playground is off in development mode: %s", resp.Status)
	}
}

func TestSecretForCommandsIsMadeAnewAtEachStart(t *testing.T) {
	t.Parallel()
	cfg := server.Config{DataDir: filepath.Join(t.TempDir(), "data"), RequireKey: true}
	n := startNode(t, cfg)
	info, err := os.Stat(filepath.Join(n.dir, adminkey.FileName))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	first := n.admin
	n.stop()
	if _, err := adminkey.Read(n.dir); !errors.Is(err, adminkey.ErrNone) {
		t.Errorf("after the end: %v", err)
	}
	n = startNode(t, cfg)
	for key, want := range map[string]int{first: 401, n.admin: 200} {
		if resp, _ := n.call(key, "GET", "/v1/keys", ""); resp.StatusCode != want {
			t.Errorf("%s, want %d", resp.Status, want)
		}
	}
	s, err := server.New(t.Context(), server.Config{DataDir: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// safeBuffer is a log that tests read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestSecretsAreNeitherLoggedNorStored uses keys in all ways, right and wrong, and looks for them in the log and in every
// file of the data directory.
func TestSecretsAreNeitherLoggedNorStored(t *testing.T) {
	t.Parallel()
	log := &safeBuffer{}
	n := startNode(t, server.Config{
		PublicURL: public, Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	id, secret := n.key(`{"name":"x","scopes":["admin"]}`)
	unknown := secret[:len(secret)-8] + "00000000"
	for _, key := range []string{secret, unknown, n.admin} {
		n.call(key, "GET", "/v1/jobs", "")
		n.call(key, "POST", "/v1/notifications", "{")
		n.call("", "GET", "/v1/jobs?key="+key, "")
		n.call("", "GET", "/v1/keys/"+key, "")
		n.call("", "GET", "/"+key+"?"+key, "")
		n.call(secret, "POST", "/v1/keys", `{"name":"`+key+`"}`)
		n.call(key, "POST", "/api/messages", aMessage)
		n.call(key, "POST", "/v3/directline/conversations", "{}")
		request(t, "GET", n.url+"/v1/jobs", "", "Authorization", "Basic "+key)
		request(t, "GET", n.url+"/v1/jobs", "", "Host", "evil.example", "Authorization", "Bearer "+key)
	}
	n.call(secret, "DELETE", "/v1/keys/"+id, "")
	look := func(where, text string) {
		t.Helper()
		for _, key := range []string{secret, unknown, n.admin} {
			if strings.Contains(text, key[len(key)-40:]) {
				t.Errorf("a secret is in %s", where)
			}
		}
	}
	files := func() {
		t.Helper()
		entries, err := os.ReadDir(n.dir)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(n.dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if e.Name() != adminkey.FileName {
				look(e.Name(), string(text))
			}
			found = found || strings.Contains(string(text), id)
		}
		if !found {
			t.Error("the key's id is in no file: this test looks at the wrong ones")
		}
	}
	files()
	n.stop()
	files()
	look("the log", log.String())
	if !strings.Contains(log.String(), id) {
		t.Error("the log does not name the key: this test looks at the wrong one")
	}
}

func TestWrongKeysFromOneAddress(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{RequireKey: true})
	_, good := n.key(`{"name":"x","scopes":["read"]}`)
	limited := 0
	for i := range 40 { // nobody is a proxy here, so what a header says changes nothing
		resp, _ := n.call("hup_wrong", "GET", "/v1/jobs", "", "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i), "Forwarded", fmt.Sprintf("for=192.0.2.%d", i))
		switch resp.StatusCode {
		case http.StatusUnauthorized:
		case http.StatusTooManyRequests:
			limited++
			if after := resp.Header.Get("Retry-After"); after == "" || after == "0" {
				t.Errorf("Retry-After is %q", after)
			}
		default:
			t.Fatalf("try %d: %s", i+1, resp.Status)
		}
	}
	if limited != 10 {
		t.Errorf("%d of 40 tries are told to wait", limited)
	}
	if resp, _ := n.call(good, "GET", "/v1/jobs", ""); resp.StatusCode != 200 {
		t.Errorf("a good key: %s", resp.Status)
	}
	if resp, answer := n.call("", "GET", "/v1/jobs", ""); resp.StatusCode != 401 {
		t.Errorf("no key: %s %s", resp.Status, answer)
	}
}

func TestProxiesClientsAreToldApart(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{PublicURL: public, TrustedProxies: []string{"127.0.0.1"}})
	n.host = "bot.example.com"
	for i := range 31 {
		resp, _ := n.call("hup_wrong", "GET", "/v1/jobs", "", "X-Forwarded-For", "198.51.100.1")
		if want := 401 + 28*(i/30); resp.StatusCode != want {
			t.Fatalf("try %d: %s", i+1, resp.Status)
		}
	}
	if resp, _ := n.call("hup_wrong", "GET", "/v1/jobs", "", "X-Forwarded-For", "198.51.100.2"); resp.StatusCode != 401 {
		t.Errorf("another client of the proxy: %s", resp.Status)
	}
	if resp, _ := n.call(n.admin, "GET", "/v1/keys", "", "X-Forwarded-For", "198.51.100.2"); resp.StatusCode != 401 {
		t.Errorf("this machine's secret from elsewhere: %s", resp.Status)
	}
	for name, header := range map[string][]string{
		"a proxy and a stranger contradict each other": {"X-Forwarded-For", "198.51.100.2", "Forwarded", "for=192.0.2.1"},
		"a stranger names this machine":                {"X-Forwarded-For", "198.51.100.2", "Forwarded", "for=127.0.0.1"},
		"unreadable":                                   {"X-Forwarded-For", "garbage"},
		"empty":                                        {"X-Forwarded-For", ""},
		"without an address":                           {"Forwarded", "for=unknown"},
	} {
		if resp, _ := n.call(n.admin, "GET", "/v1/keys", "", header...); resp.StatusCode != 401 {
			t.Errorf("this machine's secret, %s: %s", name, resp.Status)
		}
	}
	if resp, _ := n.call(n.admin, "GET", "/v1/keys", ""); resp.StatusCode != 200 {
		t.Errorf("this machine's secret from here: %s", resp.Status)
	}
}

func TestWhatIsSaidOfReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg   server.Config
		field string // at fault
	}{
		"loopback":                       {server.Config{}, ""},
		"loopback, own name":             {server.Config{PublicURL: "http://localhost:3978"}, ""},
		"loopback behind a proxy":        {server.Config{PublicURL: public, DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"everywhere":                     {server.Config{Listen: ":3978", PublicURL: public, DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"a container's port, local only": {server.Config{Listen: ":3978", PublicURL: "http://localhost:3978", DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"http all the same":              {server.Config{Listen: ":80", PublicURL: "http://bot.lan", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"http at a private address":      {server.Config{Listen: ":80", PublicURL: "http://10.1.2.3", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"http in public all the same":    {server.Config{Listen: ":80", PublicURL: "http://bot.example.com", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, "insecure_http"},
		"http at a public address":       {server.Config{Listen: ":80", PublicURL: "http://192.88.98.7", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, "insecure_http"},
		"http at a number":               {server.Config{Listen: ":80", PublicURL: "http://2130706433", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, "insecure_http"},
		"http at a hexadecimal number":   {server.Config{Listen: ":80", PublicURL: "http://0x08080808:80", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, "insecure_http"},
		"http at a name with digits":     {server.Config{Listen: ":80", PublicURL: "http://bot2", InsecureHTTP: true, DirectLineOnly: true, DirectLineSecret: nodesSecret}, ""},
		"nobody is let in or kept out":   {server.Config{Listen: ":3978", PublicURL: public}, "azure.app_id"},
		"the same behind a proxy":        {server.Config{PublicURL: public}, "azure.app_id"},
		"the same on a local port":       {server.Config{Listen: "0.0.0.0:3978", PublicURL: "http://localhost:3978"}, "azure.app_id"},
		"an app id without a credential": {server.Config{PublicURL: public, Azure: server.Azure{AppID: azureApp}}, "azure.secret"},
		"an app id and none":             {server.Config{PublicURL: public, DirectLineOnly: true, Azure: server.Azure{AppID: azureApp, Secret: azureSecret}}, "directline_only"},
		"Direct Line without a secret":   {server.Config{PublicURL: public, DirectLineOnly: true}, "directline_secret"},
		"e-mail alone":                   {server.Config{PublicURL: public, DirectLineOnly: true, Email: server.Email{Server: "mail.example.com:587", From: "bot@example.com"}}, ""},
		"the same in a container":        {server.Config{Listen: ":3978", PublicURL: "http://localhost:3978", DirectLineOnly: true}, "directline_secret"},
		"the same in development":        {server.Config{DirectLineOnly: true}, ""},
		"nobody knows where":             {server.Config{Listen: ":3978"}, "listen"},
		"by name, nobody knows where":    {server.Config{Listen: "bot.lan:3978"}, "listen"},
		"http":                           {server.Config{Listen: ":80", PublicURL: "http://bot.lan"}, "public_url"},
		"http behind a proxy":            {server.Config{PublicURL: "http://bot.lan"}, "public_url"},
		"path":                           {server.Config{PublicURL: public + "/x"}, "public_url"},
	} {
		err := c.cfg.Validate()
		wrong, ok := errors.AsType[*server.ConfigError](err)
		if c.field == "" && err != nil || c.field != "" && (!ok || wrong.Field != c.field) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatReachesFurtherIsNamed(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]server.Config{
		"(listen :20001)":             {Listen: ":20001", PublicURL: "http://127.0.0.1:20001"},
		"(public_url " + public + ")": {Listen: ":20001", PublicURL: public},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}
