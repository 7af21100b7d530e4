package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/internal/adminkey"
	"github.com/headsup-bot/headsup/server"
)

// authority is a company's own.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newECKey(t), file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a company"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	write(t, a.file, a.sign(a.cert, a.key))
	return a
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) string {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// issues writes a certificate for a host and this machine, and its key.
func (a *authority) issues(dir, host string, from, until time.Duration) (certFile, keyFile string) {
	a.t.Helper()
	cert, key := a.issue(host, from, until)
	return write(a.t, filepath.Join(dir, "cert.pem"), cert), write(a.t, filepath.Join(dir, "key.pem"), key)
}

func (a *authority) issue(host string, from, until time.Duration) (cert, private string) {
	a.t.Helper()
	key, now := newECKey(a.t), time.Now()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(from), NotAfter: now.Add(until), DNSNames: []string{host},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestCommandsTrustAPrivateAuthority: on the server's machine by themselves, elsewhere when it is named.
func TestCommandsTrustAPrivateAuthority(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), filepath.Join(t.TempDir(), "data")
	cert, key := a.issues(t.TempDir(), "bot.example.com", -time.Hour, time.Hour)
	s, err := server.New(t.Context(), server.Config{
		Listen: "127.0.0.1:0", DataDir: dir, PublicURL: "https://bot.example.com", DirectLineOnly: true,
		DirectLineSecret: strings.Repeat("s", 32), TLS: server.TLS{CertFile: cert, KeyFile: key},
	})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	entry, err := adminkey.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	apiKey := filepath.Join(t.TempDir(), "api.key")
	if code, _, stderr := run(t, "key", "create", "elsewhere", "--scope", "manage", "--data", dir, "--out", apiKey); code != 0 {
		t.Fatalf("over the data directory: %d, %q", code, stderr)
	}
	none := write(t, filepath.Join(t.TempDir(), "none.pem"), "nothing")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"named":            {[]string{"--ca-file", a.file}, 0, ""},
		"not named":        {nil, 1, "--ca-file"},
		"another's":        {[]string{"--ca-file", newAuthority(t).file}, 1, "--ca-file"},
		"no file":          {[]string{"--ca-file", filepath.Join(dir, "no")}, 2, "--ca-file: "},
		"no certificates":  {[]string{"--ca-file", none}, 2, "holds no certificate"},
		"of the directory": {[]string{"--data", dir}, 1, "--ca-file"}, // which is not this URL's
	} {
		url := "https://" + entry.Dial
		code, _, stderr := run(t, append([]string{"pauses", "list", "--server", url, "--key-file", apiKey}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d, %q", name, code, stderr)
		}
	}
}

// TestAdviceWithoutAKeyOfTheServer: it says which file is missing, and what would help.
func TestAdviceWithoutAKeyOfTheServer(t *testing.T) {
	t.Parallel()
	none := t.TempDir()
	file := filepath.Join(none, "admin.key")
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	_ = free.Close()
	_, _, stderr := run(t, "key", "list", "--server", nobody, "--data", none)
	if !strings.Contains(stderr, "no server is running at "+nobody+"; start one with \"headsup serve\"") {
		t.Errorf("a server that was named: %q", stderr)
	}
	dir := guarded(t)
	entry, err := os.ReadFile(filepath.Join(dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(entry), "\n")
	_, _, stderr = run(t, "key", "list", "--server", "http://"+strings.TrimPrefix(lines[1], "http://"), "--data", none)
	for _, want := range []string{"--key-file", "HEADSUP_KEY", "there is no " + file, "as long as it runs", "--data"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %q", want, stderr)
		}
	}
	lines[1] = nobody
	stale := t.TempDir()
	write(t, filepath.Join(stale, "admin.key"), strings.Join(lines, "\n"))
	_, _, stderr = run(t, "key", "list", "--data", stale)
	if !strings.Contains(stderr, "though it has left "+filepath.Join(stale, "admin.key")) || !strings.Contains(stderr, `start one with "headsup serve"`) {
		t.Errorf("of a server that was killed: %q", stderr)
	}
}

// TestDoctorLooksAtTheServersOwnCertificate.
func TestDoctorLooksAtTheServersOwnCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const host, year = "bot.example.com", 365 * 24 * time.Hour
	serves := func(host string, from, until time.Duration) func(*clinic) {
		return func(c *clinic) {
			c.directLineOnly()
			c.settings["tls.cert_file"], c.settings["tls.key_file"] = a.issues(c.dir, host, from, until)
		}
	}
	fetched := func(until time.Duration) func(*clinic) {
		return func(c *clinic) {
			c.directLineOnly()
			c.settings["tls.acme"] = "true"
			if until == 0 {
				return
			}
			cert, key := a.issue(host, -time.Hour, until)
			if err := os.MkdirAll(filepath.Join(c.data(), "acme"), 0o700); err != nil {
				t.Error(err)
			}
			write(t, filepath.Join(c.data(), "acme", host), key+cert)
		}
	}
	for name, c := range map[string]struct {
		change func(*clinic)
		want   string // check and fault, and part of what to do
	}{
		"good":                  {serves(host, -time.Hour, year), ""},
		"expired":               {serves(host, -year, -time.Hour), "tls.certificate expired: renew it"},
		"of tomorrow":           {serves(host, 24*time.Hour, year), "tls.certificate not_yet: the clock"},
		"ends in thirteen days": {serves(host, -time.Hour, 13*24*time.Hour), "tls.certificate expires: renew it"},
		"ends in fifteen days":  {serves(host, -time.Hour, 15*24*time.Hour), ""},
		"for another host":      {serves("old.example.com", -time.Hour, year), "tls.certificate other_host: get one for bot.example.com"},
		"of a company, for Azure": {func(c *clinic) {
			c.settings["tls.cert_file"], c.settings["tls.key_file"] = a.issues(c.dir, host, -time.Hour, year)
		}, "tls.certificate not_public: in between"},
		"fetched":         {fetched(year), ""},
		"not fetched yet": {fetched(0), ""},
		"not renewed":     {fetched(13 * 24 * time.Hour), "tls.certificate not_renewed: the server's log"},
		"half a file": {func(c *clinic) {
			fetched(year)(c)
			write(t, filepath.Join(c.data(), "acme", host), "half")
		}, "tls.certificate odd: fetches another"},
		"key of everybody": {func(c *clinic) {
			serves(host, -time.Hour, year)(c)
			for path, mode := range map[string]os.FileMode{c.settings["tls.key_file"]: 0o644, c.dir: 0o755, filepath.Dir(c.dir): 0o755} {
				if err := os.Chmod(path, mode); err != nil {
					t.Error(err)
				}
			}
		}, "config.secrets open_to_others: chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clinic := newClinic(t, fakechannel.Config{})
			clinic.args = []string{"--offline"}
			c.change(clinic)
			_, wrong := clinic.examine()
			clinic.finds(wrong, c.want)
		})
	}
}

// TestDoctorFindsAServerInTheClear: one that others may reach, and that says that only this machine does.
func TestDoctorFindsAServerInTheClear(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"0.0.0.0:3978 http://localhost:3978":   "config.address clear: podman run -p 127.0.0.1:3978:3978",
		":3978 http://127.0.0.1:3978":          "config.address clear: listen on 127.0.0.1",
		"0.0.0.0:3978 https://bot.example.com": "",
		"127.0.0.1:3978 http://localhost:3978": "",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, fakechannel.Config{})
			c.directLineOnly()
			c.args = []string{"--offline"}
			listen, public, _ := strings.Cut(address, " ")
			c.settings["listen"], c.settings["public_url"] = `"`+listen+`"`, public
			_, wrong := c.examine()
			c.finds(wrong, want)
		})
	}
}

// finds compares what was found with faults, each with a part of what to do; an empty one is none.
func (c *clinic) finds(wrong []finding, want ...string) {
	c.t.Helper()
	want = slices.DeleteFunc(slices.Clone(want), func(w string) bool { return w == "" })
	fits := len(wrong) == len(want)
	for i := 0; fits && i < len(wrong); i++ {
		head, do, _ := strings.Cut(want[i], ": ")
		fits = wrong[i].ID+" "+wrong[i].Fault == head && strings.Contains(wrong[i].Do, do) && wrong[i].Found != ""
	}
	if !fits {
		c.t.Errorf("finds\n%v\nwant %q", wrong, want)
	}
}
