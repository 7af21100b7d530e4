package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/headsup-bot/headsup/server"
)

// TestDirectLineSecretIsLong enough not to be guessed.
func TestDirectLineSecretIsLong(t *testing.T) {
	t.Parallel()
	for n, ok := range map[int]bool{0: true, 1: false, 31: false, 32: true} {
		err := server.Config{DirectLineSecret: strings.Repeat("x", n)}.Validate()
		if named := err != nil && strings.Contains(err.Error(), "directline_secret: has "+strconv.Itoa(n)+" bytes"); named == ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestGuessingTheDirectLineSecretIsSlowAndSeen: an address has 30 tries, with those at the API; who is right is let in all the same.
func TestGuessingTheDirectLineSecretIsSlowAndSeen(t *testing.T) {
	t.Parallel()
	n := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret, Admin: server.Admin{Listen: "127.0.0.1:0"}})
	n.host = "bot.example.com"
	forbidden, limited := 0, 0
	for i := range 100 {
		resp, body := n.call(fmt.Sprint("guess", i), http.MethodPost, "/v3/directline/tokens/generate", "")
		switch {
		case resp.StatusCode == http.StatusForbidden:
			forbidden++
		case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
			limited++
		default:
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	if forbidden < 30 || limited < 50 { // a try comes back every minute
		t.Errorf("%d forbidden, %d told to wait", forbidden, limited)
	}
	if resp, _ := n.call("hup_000000000000_"+strings.Repeat("0", 40), http.MethodGet, "/v1/keys", ""); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("at the API: %s", resp.Status)
	}
	if resp, body := n.call(nodesSecret, http.MethodPost, "/v3/directline/tokens/generate", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("with the secret: %s %s", resp.Status, body)
	}
	_, metrics := request(t, http.MethodGet, n.AdminURL()+"/metrics", "")
	if !strings.Contains(metrics, `headsup_auth_refusals_total{reason="directline_credential"} 100`) {
		t.Error("the metric does not count them")
	}
}

// TestPagesOfOtherSitesAreClientsOnly: a page of an origin that is configured may use the client side of the embedded channel, its
// stream too, and nothing else; one whose origin is almost that may use nothing.
func TestPagesOfOtherSitesAreClientsOnly(t *testing.T) {
	t.Parallel()
	const page = "https://www.example.com"
	n := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret, DirectLineOrigins: []string{page}})
	n.host = "bot.example.com"
	_, token := n.call(nodesSecret, http.MethodPost, "/v3/directline/tokens/generate", `{"user":{"id":"dl_ann"}}`)
	token = between(t, token, `"token":"`, `"`)

	const start = "/v3/directline/conversations"
	resp, _ := n.call("", http.MethodOptions, start, "", "Origin", page, "Access-Control-Request-Method", "POST")
	h := resp.Header
	if resp.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != page ||
		h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("preflight: %s %v", resp.Status, h)
	}
	resp, body := n.call(token, http.MethodPost, start, "{}", "Origin", page)
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("Access-Control-Allow-Origin") != page {
		t.Fatalf("start: %s %s", resp.Status, body)
	}
	stream := "ws" + strings.TrimPrefix(n.url, "http") + strings.TrimPrefix(between(t, strings.ReplaceAll(body, `\u0026`, "&"), `"streamUrl":"`, `"`), "wss://bot.example.com")
	dial := func(origin string) error {
		c, _, err := websocket.Dial(t.Context(), stream, &websocket.DialOptions{Host: n.host, HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			err = c.CloseNow()
		}
		return err
	}
	for _, origin := range []string{
		"null", "http://www.example.com", page + ":8443", page + ".evil.example", "https://evilwww.example.com", "https://example.com",
		"https://WWW.example.com", page + "/", page + " https://evil.example", "*",
	} {
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			if resp, _ := n.call(token, method, start, "", "Origin", origin); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s from %s: %s %v", method, origin, resp.Status, resp.Header)
			}
		}
		if dial(origin) == nil {
			t.Errorf("a stream is opened from %s", origin)
		}
	}
	if err := dial(page); err != nil {
		t.Errorf("the stream: %v", err)
	}
	for _, path := range []string{"/", "/v1/keys", "/api/messages", "/v3/conversations", "/v3/directline/../../v1/keys", "/v3/directline", "/openapi.json"} {
		for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
			if resp, _ := n.call(n.admin, method, path, "", "Origin", page); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %s", method, path, resp.Status)
			}
		}
	}
	for origin, ok := range map[string]bool{
		page: true, "http://localhost:8080": true, "*": false, "https://*.example.com": false, "https://www.example.com/": false, "www.example.com": false,
		"https://WWW.example.com": false, "https://www.example.com:443": false, "null": false, "": false,
	} {
		if err := (server.Config{DirectLineOrigins: []string{origin}}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

// TestPicturesAreShownOnOtherSites: browsers do not say which page a picture is for, and send nothing with it. Where other origins
// may be clients a file of the channel is given to whoever knows its address, and nothing else is.
func TestPicturesAreShownOnOtherSites(t *testing.T) {
	t.Parallel()
	const page = "https://www.example.com"
	open := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret, DirectLineOrigins: []string{page}})
	closed := startNode(t, server.Config{PublicURL: public, DirectLineSecret: nodesSecret})
	open.host, closed.host = "bot.example.com", "bot.example.com"
	const file = "/v3/directline/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, tt := range []struct {
		node         *node
		method, path string
		want         int
	}{
		{open, http.MethodGet, file, http.StatusNotFound}, // there is none, which is no matter of sites
		{open, http.MethodHead, file, http.StatusNotFound},
		{open, http.MethodGet, "/v3/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA/views/original", http.StatusNotFound},
		{open, http.MethodPost, file, http.StatusForbidden},
		{open, http.MethodGet, "/v3/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA", http.StatusForbidden},
		{open, http.MethodGet, "/v3/directline/attachments/x/../../conversations", http.StatusForbidden},
		{open, http.MethodGet, "/v3/directline/conversations", http.StatusForbidden},
		{open, http.MethodGet, "/v1/keys", http.StatusForbidden},
		{open, http.MethodGet, "/", http.StatusForbidden},
		{closed, http.MethodGet, file, http.StatusForbidden},
	} {
		for _, site := range []string{"cross-site", "same-site"} {
			resp, answer := tt.node.call("", tt.method, tt.path, "", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image")
			if resp.StatusCode != tt.want {
				t.Errorf("%s %s, %s: %s %s, want %d", tt.method, tt.path, site, resp.Status, answer, tt.want)
			}
		}
	}
	resp, answer := open.call("", http.MethodGet, "/v3/attachments/AAAAAAAAAAAAAAAAAAAAAAAAAA/views/original", "", "Origin", page)
	if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("a file that a bot has put there, for a page that is a client: %s %s", resp.Status, answer)
	}
}
