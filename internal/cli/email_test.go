package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/signed"
)

// TestEmailReceive gives mails to a server as a mail server's pipe does, which goes by the exit code.
func TestEmailReceive(t *testing.T) {
	t.Parallel()
	key := signed.NewSecret()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(key.Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const mail = "From: ann@example.org\r\n\r\nhello\r\n"
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, len(mail)+1)
		n, _ := r.Body.Read(body)
		if _, err := signed.Verify([]signed.Secret{key}, r.Header, body[:n], time.Now()); err != nil || string(body[:n]) != mail {
			t.Errorf("posted %q: %v", body[:n], err)
		}
		if r.URL.Path != "/v1/channels/email/inbound" || r.Header.Get("Content-Type") != "message/rfc822" {
			t.Errorf("posted to %s as %s", r.URL, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"taken":"message"}`))
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct{ status, code int }{
		{http.StatusOK, 0}, {http.StatusBadRequest, 65}, {http.StatusRequestEntityTooLarge, 65}, {http.StatusUnauthorized, 77},
		{http.StatusInternalServerError, 75}, {http.StatusServiceUnavailable, 75}, {http.StatusNotFound, 75}, {http.StatusFound, 75},
	} {
		status = c.status
		code, out, errs := pipe(t, mail, "email", "receive", "--server", server.URL, "--secret-file", file)
		if code != c.code || out != "" || (errs == "") != (code == 0) {
			t.Errorf("%d: exit code %d, %q, %q", c.status, code, out, errs)
		}
	}
	status = http.StatusOK
	if code, out, _ := pipe(t, mail, "email", "receive", "--server", server.URL, "--secret-file", file, "--json"); code != 0 || out != `{"taken":"message"}`+"\n" {
		t.Errorf("as JSON: %d %q", code, out)
	}
	server.Close()
	if code, _, errs := pipe(t, mail, "email", "receive", "--server", server.URL, "--secret-file", file); code != 75 || !strings.Contains(errs, "no server is running") {
		t.Errorf("no server: %d %q", code, errs)
	}
	if code, _, errs := pipe(t, mail, "email", "receive", "--secret-file", file+"x"); code != 75 || !strings.Contains(errs, "--secret-file") {
		t.Errorf("no secret: %d %q", code, errs)
	}
	if code, _, _ := pipe(t, mail, "email", "receive"); code != 2 {
		t.Errorf("a wrong call: %d", code)
	}
}
