package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

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
