package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/server"
)

// authority is a certificate authority that speaks as much of RFC 8555 as one certificate needs. It checks challenges by
// really asking the server that they are about.
type authority struct {
	*httptest.Server
	t         *testing.T
	challenge string // the kind that it offers
	tls       string // where the server speaks TLS
	plain     string // where it speaks HTTP

	key  *ecdsa.PrivateKey
	root *x509.Certificate

	mu     sync.Mutex
	valid  bool   // the challenge was met
	issued []byte // the certificate, as PEM
	orders int
}

func newAuthority(t *testing.T, challenge string) *authority {
	a := &authority{t: t, challenge: challenge}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.answer))
	t.Cleanup(a.Close)
	return a
}

func (a *authority) answer(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	say := func(status int, v any) {
		w.WriteHeader(status)
		if err := json.MarshalWrite(w, v); err != nil {
			a.t.Error(err)
		}
	}
	pending := func(done bool) string {
		if done {
			return "valid"
		}
		return "pending"
	}
	challenge := map[string]any{"type": a.challenge, "url": a.URL + "/challenge", "token": "tok", "status": pending(a.valid)}
	order := map[string]any{"status": "pending", "authorizations": []string{a.URL + "/authz"}, "finalize": a.URL + "/finalize"}
	switch {
	case a.issued != nil:
		order["status"], order["certificate"] = "valid", a.URL+"/certificate"
	case a.valid:
		order["status"] = "ready"
	}
	switch r.URL.Path {
	case "/directory":
		say(200, map[string]string{"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/orders"})
	case "/nonce":
	case "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		say(201, map[string]string{"status": "valid"})
	case "/orders":
		a.orders++
		w.Header().Set("Location", a.URL+"/order")
		say(201, order)
	case "/order":
		say(200, order)
	case "/authz":
		say(200, map[string]any{"status": pending(a.valid), "challenges": []any{challenge},
			"identifier": map[string]string{"type": "dns", "value": "bot.example.com"}})
	case "/challenge":
		a.valid = a.met()
		challenge["status"] = pending(a.valid)
		say(200, challenge)
	case "/finalize":
		a.issue(r)
		order["status"], order["certificate"] = "valid", a.URL+"/certificate"
		w.Header().Set("Location", a.URL+"/order")
		say(200, order)
	case "/certificate":
		_, _ = w.Write(a.issued)
	default:
		w.WriteHeader(404)
	}
}

// met asks the server for what only it can answer (RFC 8555, section 8.3; RFC 8737, section 3).
func (a *authority) met() bool {
	if a.challenge == "http-01" {
		r, err := http.NewRequest(http.MethodGet, a.plain+"/.well-known/acme-challenge/tok", nil)
		if err != nil {
			a.t.Error(err)
			return false
		}
		r.Host = "bot.example.com"
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			a.t.Error(err)
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && strings.HasPrefix(string(body), "tok.")
	}
	c, err := tls.Dial("tcp", a.tls, &tls.Config{ServerName: "bot.example.com", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		a.t.Error(err)
		return false
	}
	defer c.Close()
	for _, e := range c.ConnectionState().PeerCertificates[0].Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical && len(e.Value) == 34 {
			return true
		}
	}
	return false
}

func (a *authority) issue(r *http.Request) {
	var envelope struct {
		Payload string `json:"payload"`
	}
	if err := json.UnmarshalRead(r.Body, &envelope); err != nil {
		a.t.Error(err)
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(envelope.Payload)
	if err != nil {
		a.t.Error(err)
		return
	}
	var wish struct {
		CSR string `json:"csr"`
	}
	if err := json.Unmarshal(payload, &wish); err != nil {
		a.t.Error(err)
		return
	}
	raw, err := base64.RawURLEncoding.DecodeString(wish.CSR)
	if err != nil {
		a.t.Error(err)
		return
	}
	request, err := x509.ParseCertificateRequest(raw)
	if err != nil {
		a.t.Error(err)
		return
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(90 * 24 * time.Hour), DNSNames: request.DNSNames}
	signed, err := x509.CreateCertificate(rand.Reader, template, a.root, request.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.issued = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
}

func TestCertificatesComeFromTheAuthority(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			a, dir := newAuthority(t, challenge), t.TempDir()
			roots := filepath.Join(dir, "roots.pem")
			if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			settings := server.TLS{ACME: true, ACMEDirectory: a.URL + "/directory", ACMERoots: roots, ACMEEmail: "ops@example.com"}
			listen := func() string {
				material, plain, err := settings.Material(dir, "https://bot.example.com")
				if err != nil {
					t.Fatal(err)
				}
				https := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "ok") }))
				https.TLS = material
				https.Listener = tls.NewListener(https.Listener, material)
				https.Start()
				t.Cleanup(https.Close)
				http := httptest.NewServer(plain)
				t.Cleanup(http.Close)
				a.tls, a.plain = https.Listener.Addr().String(), http.URL
				return a.tls
			}
			trust := x509.NewCertPool()
			trust.AddCert(a.root)
			get := func(address, host string) error {
				c, err := tls.Dial("tcp", address, &tls.Config{ServerName: host, RootCAs: trust})
				if err == nil {
					_ = c.Close()
				}
				return err
			}
			address := listen()
			for _, other := range []string{"evil.example.com", "example.com", "a.bot.example.com"} {
				if err := get(address, other); err == nil {
					t.Errorf("there is a certificate for %s", other)
				}
			}
			a.mu.Lock()
			if a.orders != 0 {
				t.Errorf("%d orders for other hosts", a.orders)
			}
			a.mu.Unlock()
			if err := get(address, "bot.example.com"); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "acme"))
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the cache: %v, %v", info, err)
			}
			if err := get(listen(), "bot.example.com"); err != nil { // a restart
				t.Error(err)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.orders != 1 {
				t.Errorf("%d orders, want one: the certificate is kept", a.orders)
			}
		})
	}
}
