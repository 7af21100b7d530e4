package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted, err := parseProxies([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/8", "::ffff:172.16.0.0/108"})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		peer   string
		header []string
		want   string
	}{
		"nobody between":             {"203.0.113.5:1", nil, "203.0.113.5"},
		"a stranger's word":          {"203.0.113.5:1", []string{"X-Forwarded-For", "1.2.3.4"}, "203.0.113.5"},
		"a stranger's Forwarded":     {"203.0.113.5:1", []string{"Forwarded", "for=1.2.3.4"}, "203.0.113.5"},
		"a proxy's word":             {"10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"what the client made up":    {"10.1.2.3:1", []string{"X-Forwarded-For", "1.2.3.4, 203.0.113.5"}, "203.0.113.5"},
		"two proxies":                {"10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.5, 192.0.2.7"}, "203.0.113.5"},
		"in two headers":             {"10.1.2.3:1", []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"only proxies":               {"10.1.2.3:1", []string{"X-Forwarded-For", "10.9.9.9"}, "10.9.9.9"},
		"with a port":                {"10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.5:4711"}, "203.0.113.5"},
		"with brackets":              {"10.1.2.3:1", []string{"X-Forwarded-For", "[2001:db8::1]:4711"}, "2001:db8::1"},
		"unreadable":                 {"10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.5, rubbish"}, "invalid IP"},
		"empty":                      {"10.1.2.3:1", []string{"X-Forwarded-For", ""}, "invalid IP"},
		"Forwarded":                  {"10.1.2.3:1", []string{"Forwarded", `for=1.2.3.4, For="[2001:db8::1]:4711";proto=https`}, "2001:db8::1"},
		"comma in quotes":            {"10.1.2.3:1", []string{"Forwarded", `for=203.0.113.5;host="a,for=1.2.3.4"`}, "203.0.113.5"},
		"unknown":                    {"10.1.2.3:1", []string{"Forwarded", "for=unknown"}, "invalid IP"},
		"both, the same":             {"10.1.2.3:1", []string{"Forwarded", "for=203.0.113.5", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"both, one made up":          {"10.1.2.3:1", []string{"Forwarded", "for=1.2.3.4", "X-Forwarded-For", "203.0.113.5"}, "invalid IP"},
		"both, made up further away": {"10.1.2.3:1", []string{"Forwarded", "for=1.2.3.4, for=10.9.9.9", "X-Forwarded-For", "203.0.113.5, 10.9.9.9"}, "invalid IP"},
		"both, one unreadable":       {"10.1.2.3:1", []string{"Forwarded", "for=203.0.113.5", "X-Forwarded-For", "rubbish"}, "invalid IP"},
		"Forwarded without for":      {"10.1.2.3:1", []string{"Forwarded", "proto=https"}, "invalid IP"},
		"nothing said":               {"10.1.2.3:1", nil, "10.1.2.3"},
		"strangers contradict":       {"203.0.113.5:1", []string{"Forwarded", "for=1.2.3.4", "X-Forwarded-For", "rubbish"}, "203.0.113.5"},
		"a single trusted address":   {"192.0.2.7:1", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"its neighbour":              {"192.0.2.8:1", []string{"X-Forwarded-For", "203.0.113.5"}, "192.0.2.8"},
		"IPv6 proxy":                 {"[fd00::1]:1", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"IPv4 in IPv6":               {"[::ffff:10.1.2.3]:1", []string{"X-Forwarded-For", "::ffff:203.0.113.5"}, "203.0.113.5"},
		"network of IPv4 in IPv6":    {"172.16.0.1:1", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"a connection of some other": {"@", nil, "invalid IP"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Add(c.header[i], c.header[i+1])
			}
			if got := trusted.client(r).String(); got != c.want {
				t.Errorf("client is %s, want %s", got, c.want)
			}
			// The same once the headers are gone.
			trusted.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if got := trusted.client(r).String(); got != c.want {
					t.Errorf("further in, the client is %s, want %s", got, c.want)
				}
				if len(r.Header) != 0 {
					t.Errorf("headers are left: %v", r.Header)
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}

func TestHostAndSchemeAreTakenFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	trusted, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		peer   string
		header []string
		host   string
		secure bool
	}{
		"a proxy":              {"10.0.0.1:1", []string{"X-Forwarded-Host", "bot.example.com", "X-Forwarded-Proto", "https"}, "bot.example.com", true},
		"a proxy, Forwarded":   {"10.0.0.1:1", []string{"Forwarded", `host=bot.example.com;proto=HTTPS`}, "bot.example.com", true},
		"a proxy on HTTP":      {"10.0.0.1:1", []string{"X-Forwarded-Proto", "http"}, "own.example", false},
		"an impossible host":   {"10.0.0.1:1", []string{"X-Forwarded-Host", "evil.example/x", "X-Forwarded-Proto", "gopher"}, "own.example", false},
		"a stranger":           {"203.0.113.5:1", []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"}, "own.example", false},
		"a stranger,Forwarded": {"203.0.113.5:1", []string{"Forwarded", "host=evil.example;proto=https"}, "own.example", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Host = c.peer, "own.example"
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Add(c.header[i], c.header[i+1])
			}
			trusted.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Host != c.host || secure(r) != c.secure {
					t.Errorf("host %s, secure %v", r.Host, secure(r))
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}
