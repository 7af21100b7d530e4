package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/server"
)

// certificate writes a certificate for this machine, signed by itself, and returns the pool that trusts it.
func certificate(t *testing.T, dir, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	for path, content := range map[string][]byte{
		certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey}),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func TestServesTLSAndTakesUpRenewedCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir, "first")
	s, _ := start(t, server.Config{TLS: server.TLS{CertFile: cert, KeyFile: key, HTTPListen: "127.0.0.1:0"}})
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Fatalf("the URL is %s", s.URL())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.URL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Proto != "HTTP/2.0" || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%s %s %v; this machine's names get no HSTS", resp.Proto, resp.Status, resp.Header)
	}
	address := strings.TrimPrefix(s.URL(), "https://")
	if c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	serves := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	until := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); serves() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it serves the certificate %q, want %q", serves(), want)
			}
		}
	}
	until("first")
	if err := os.WriteFile(cert, []byte("half a renewal"), 0o600); err != nil {
		t.Fatal(err)
	}
	until("first") // what cannot be used does no harm
	certificate(t, dir, "second")
	until("second")
}

func TestPlainHTTPLeadsToThePublicURL(t *testing.T) {
	t.Parallel()
	cert, key, _ := certificate(t, t.TempDir(), "x")
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := free.Addr().String()
	_ = free.Close()
	s, _ := start(t, server.Config{TLS: server.TLS{CertFile: cert, KeyFile: key, HTTPListen: plain}})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+plain+"/playground?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != s.URL()+"/playground?x=1" {
		t.Errorf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp, body := request(t, http.MethodPost, "http://"+plain+"/v1/notifications", "{}"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("what would be sent unprotected: %s %s", resp.Status, body)
	}
}

func TestKeyFileThatEverybodyMayReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir, "x")
	for path, mode := range map[string]os.FileMode{key: 0o644, dir: 0o755, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	err := server.Config{TLS: server.TLS{CertFile: cert, KeyFile: key}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "tls.key_file: ") || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error %v", err)
	}
}

func TestBehindAProxyThatSpeaksTLS(t *testing.T) {
	t.Parallel()
	s, _ := start(t, server.Config{TrustedProxies: []string{"127.0.0.1"}, PublicURL: "https://localhost:8443"})
	resp, body := request(t, http.MethodGet, s.AdminURL()+"/readyz", "")
	if resp.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	listen := "http://" + s.Addr()
	resp, _ = request(t, http.MethodGet, listen+"/healthz", "", "X-Forwarded-Host", "localhost:8443", "X-Forwarded-Proto", "https")
	if resp.StatusCode != http.StatusOK {
		t.Errorf("for the public host: %s", resp.Status)
	}
	resp, _ = request(t, http.MethodGet, listen+"/healthz", "", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https")
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("for another host: %s %v", resp.Status, resp.Header)
	}
}
