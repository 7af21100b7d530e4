package server_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/server"
)

// start runs a server on free ports, with an admin listener, until the test ends or stop is called.
func start(t *testing.T, cfg server.Config) (s *server.Server, stop func()) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	if cfg.DataDir == "" {
		cfg.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if cfg.Admin.Listen == "" {
		cfg.Admin.Listen = "127.0.0.1:0"
	}
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(stop)
	return s, stop
}

func TestAdminListenerTellsHowItIs(t *testing.T) {
	t.Parallel()
	s, _ := start(t, server.Config{Version: "v9"})
	eventually(t, func() string { return "the server is ready" }, func() bool { // the engine begins a moment after the listener
		resp, _ := request(t, http.MethodGet, s.AdminURL()+"/readyz", "")
		return resp.StatusCode == http.StatusOK
	})
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": `{"ready":true}`, "/metrics": `headsup_build_info{go_version="go`,
	} {
		resp, body := request(t, http.MethodGet, s.AdminURL()+path, "")
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %s %.200s", path, resp.Status, body)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has %v", path, resp.Header)
		}
		if resp, _ := request(t, http.MethodGet, s.AdminURL()+path, "", "Host", "evil.example"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s for a foreign host: %s", path, resp.Status)
		}
	}
	for _, path := range []string{"/", "/debug/pprof/", "/v1/notifications"} {
		if resp, body := request(t, http.MethodGet, s.AdminURL()+path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	for _, path := range []string{"/readyz", "/metrics", "/debug/pprof/"} { // not for the public
		if resp, body := request(t, http.MethodGet, s.URL()+path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("public %s: %s %s", path, resp.Status, body)
		}
	}
}

func TestProfilesAreThereWhenAskedFor(t *testing.T) {
	t.Parallel()
	s, _ := start(t, server.Config{Admin: server.Admin{Listen: "127.0.0.1:0", Pprof: true}})
	if resp, body := request(t, http.MethodGet, s.AdminURL()+"/debug/pprof/goroutine?debug=1", ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%s %.100s", resp.Status, body)
	}
}

func TestAdminListenerThatIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := server.Config{Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data"), Admin: server.Admin{Listen: taken.Addr().String()}}
	if _, err := server.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("error %v, want one about admin.listen", err)
	}
	cfg.Admin.Optional = true
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.AdminURL() != "" {
		t.Errorf("there is an admin listener at %s", s.AdminURL())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfigurationThatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, cfg := range map[string]server.Config{
		"admin.listen: \"0.0.0.0:1\" can be reached by others":    {Admin: server.Admin{Listen: "0.0.0.0:1"}},
		"admin.listen: \"nowhere\" is not host:port":              {Admin: server.Admin{Listen: "nowhere"}},
		"listen: \"127.0.0.1:99999\" has no port from 0 to 65535": {Listen: "127.0.0.1:99999"},
		"admin.listen: \"127.0.0.1:3978\" is the address of":      {Admin: server.Admin{Listen: "127.0.0.1:3978"}},
		"admin.pprof: needs admin.listen":                         {Admin: server.Admin{Pprof: true}},
		"drain_timeout: is negative":                              {DrainTimeout: -1},
		"drain_delay: is negative":                                {DrainDelay: -1},
		"trusted_proxies: \"0.0.0.0/0\" is everybody":             {TrustedProxies: []string{"10.0.0.0/8", "fc00::/7", "0.0.0.0/0"}},
		"trusted_proxies: \"128.0.0.0/1\" is everybody":           {TrustedProxies: []string{"128.0.0.0/1"}},
		"trusted_proxies: \"::/0\" is everybody":                  {TrustedProxies: []string{"::/0"}},
		"trusted_proxies: \"::ffff:0:0/96\" is everybody":         {TrustedProxies: []string{"::ffff:0:0/96"}},
		"trusted_proxies: \"2000::/3\" is everybody":              {TrustedProxies: []string{"2000::/3"}},
		"trusted_proxies: \"proxy\" is neither":                   {TrustedProxies: []string{"proxy"}},
		"trace.sample: 2 is not between":                          {Trace: server.Trace{Sample: 2}},
		"trace.endpoint: \"x:1\" is not":                          {Trace: server.Trace{Endpoint: "x:1"}},
		"tls.key_file: is missing":                                {TLS: server.TLS{CertFile: "x"}},
		"tls.cert_file: is missing":                               {TLS: server.TLS{KeyFile: "x"}},
		"tls.acme: give certificate files or acme":                {TLS: server.TLS{ACME: true, CertFile: "x"}},
		"tls.acme: needs a public_url":                            {TLS: server.TLS{ACME: true}},
		"tls.acme_directory: \"x\" is not an https URL":           {TLS: server.TLS{ACMEDirectory: "x"}},
		"tls.http_listen: needs":                                  {TLS: server.TLS{HTTPListen: ":80"}},
	} {
		cfg.DataDir = dir + "/data"
		err := cfg.Validate()
		wrong, ok := errors.AsType[*server.ConfigError](err)
		if !ok || !strings.Contains(err.Error(), want) || !strings.HasPrefix(wrong.Error(), wrong.Field+": ") {
			t.Errorf("error %v, want %q", err, want)
		}
		if _, err := server.New(t.Context(), cfg); err == nil {
			t.Errorf("%s: it starts", want)
		}
	}
	for _, admin := range []server.Admin{{Listen: "0.0.0.0:1", AllowRemote: true}, {Listen: "off"}, {Listen: "[::1]:1"}} {
		if err := (server.Config{Admin: admin}).Validate(); err != nil {
			t.Errorf("%+v: %v", admin, err)
		}
	}
}
