package chaos_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// TestBadCertificates has the channel's host show certificates that are not good (F18): nothing is sent to it, the history
// says why, and everything is delivered once the certificate is good again.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	fake, err := fakechannel.New(fakechannel.Config{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fake.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, fake.AuthorityPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	server := newNode(t)
	server.env = []string{"SSL_CERT_FILE=" + roots}
	server.start()
	ch := fakechannel.Connect(fake.URL(), &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: fake.RootCAs()}}})
	l := newLoad(t, ch, 3, server)
	l.introduce()
	for i, kind := range []fakechannel.Certificate{fakechannel.Expired, fakechannel.WrongHost, fakechannel.SelfSigned} {
		if err := fake.SetCertificate(kind); err != nil {
			t.Fatal(err)
		}
		a := &asked{conversation: fmt.Sprintf("c%d", i), text: fmt.Sprintf("past %s", kind)}
		status, answer := l.post(t.Context(), "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":%q,"on_unknown":"hold"}`, a.conversation, a.text))
		if status != http.StatusAccepted {
			t.Fatalf("status %d: %s", status, answer)
		}
		a.id, a.hold = idOf(t, answer), true
		l.asked = append(l.asked, a)
		refused := func(c api.Change) bool { return c.Reason == "tls" && c.State == "ready" }
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			d := l.deliveries(t.Context(), a)
			if len(d) == 1 && slices.ContainsFunc(d[0].History, refused) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", kind, d)
			}
		}
	}
	if r := fake.Report(); r.Requests != 0 {
		t.Errorf("%d requests were sent to a host that nobody can trust", r.Requests)
	}
	if err := fake.SetCertificate(fakechannel.Good); err != nil {
		t.Fatal(err)
	}
	if v := l.judge(time.Minute, 0); v.states["delivered"] != 3 {
		t.Errorf("delivered were %d of 3", v.states["delivered"])
	}
}
