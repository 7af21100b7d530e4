package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/adminkey"
)

// keyVariable holds an API key.
const keyVariable = "HEADSUP_KEY"

// config finds the server and a key for it: a file that is named, the environment, or what a server on this machine has put
// into its data directory. The last is for that server and for no other.
func (r *remote) config() (client.Config, error) {
	cfg := client.Config{UserAgent: "headsup/" + strings.Trim(buildVersion(), "()")}
	entry, unreadable := adminkey.Read(r.Data)
	r.missing, r.named = unreadable, r.Server != ""
	local := unreadable == nil && (r.Server == "" || sameServer(r.Server, entry.URL))
	if r.Server == "" {
		r.Server = cmp.Or(entry.URL, client.DefaultBaseURL)
	}
	cfg.BaseURL = r.Server
	if err := r.trust(&cfg, entry, local); err != nil {
		return cfg, err
	}
	key, err := r.key()
	switch {
	case err != nil:
		return cfg, err
	case key != (access.Secret{}):
		cfg.Key = key.Reveal()
	case local:
		cfg.Key, r.own = entry.Secret.Reveal(), true
	case unreadable != nil && !errors.Is(unreadable, adminkey.ErrNone) && onThisMachine(r.Server):
		return cfg, unreadable
	}
	return cfg, nil
}

// noKeyIn refuses a command line with an API key in it, whatever it is meant for.
func noKeyIn(args []string) error {
	for _, arg := range args {
		_, value, _ := strings.Cut(arg, "=")
		for _, text := range []string{arg, value} {
			if _, err := access.ParseSecret(text); err == nil {
				return errors.New("an API key does not belong on the command line, where other users see it: revoke it by its id, " +
					"the part between hup_ and the next _, and put the next one into a file (--key-file) or " + keyVariable)
			}
		}
	}
	return nil
}

// key is the key that the caller names; the zero Secret when there is none.
func (r *remote) key() (access.Secret, error) {
	if r.KeyFile != "" {
		key, err := adminkey.ReadKey(r.KeyFile)
		if err != nil {
			return key, fmt.Errorf("--key-file: %w", err)
		}
		return key, nil
	}
	text := os.Getenv(keyVariable)
	if text == "" {
		return access.Secret{}, nil
	}
	key, err := access.ParseSecret(text)
	if err != nil {
		return key, fmt.Errorf("%s %w", keyVariable, err)
	}
	return key, nil
}

// keyHint says what to do about a key that is missing or not good.
func (r *remote) keyHint(detail string) string {
	switch {
	case r.own:
		return detail + "; the one in " + r.Data + " is another server's: name its data directory with --data"
	case r.KeyFile != "" || os.Getenv(keyVariable) != "":
		return detail
	}
	return "an API key is needed: name its file with --key-file, or put it into " + keyVariable +
		"; the user who runs the server needs none, with --data" + r.whereFrom()
}

// whereFrom says why the file that a running server leaves for commands was not used; empty if nobody has looked for it.
func (r *remote) whereFrom() string {
	file := filepath.Join(r.Data, adminkey.FileName)
	switch {
	case r.missing == nil && !r.own:
		return ""
	case r.missing == nil:
		return ", though it has left " + file + " there: it was ended without notice"
	case !errors.Is(r.missing, adminkey.ErrNone):
		return " (" + r.missing.Error() + ")"
	case errors.Is(r.missing, fs.ErrPermission):
		return " (" + file + " cannot be read by this user: call this as the user who runs the server, such as sudo -u headsup)"
	}
	return " (there is no " + file + ", which a server leaves for commands as long as it runs: name its data directory with --data)"
}

// trust says by what way the server is called: to another address than the URL's, and by which certificates.
func (r *remote) trust(cfg *client.Config, entry adminkey.Entry, local bool) error {
	dial, shown := "", ""
	if local {
		dial, shown = entry.Dial, entry.CertFile
	}
	roots, err := authorities(r.CAFile, shown)
	if err != nil {
		return err
	}
	if roots != nil || dial != "" {
		cfg.HTTPClient = dialing(dial, roots)
	}
	return nil
}

// authorities are those of the system, with the certificates of a file, and those that a server on this machine says are its
// own; nil if there are neither.
func authorities(file, shown string) (*x509.CertPool, error) {
	if file == "" && shown == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate", file)
		}
	}
	if raw, err := os.ReadFile(shown); err == nil { // else those of the system have to do
		pool.AppendCertsFromPEM(raw)
	}
	return pool, nil
}

// sameServer reports whether two URLs lead to one server. This machine has several names.
func sameServer(a, b string) bool {
	x, err := url.Parse(a)
	y, err2 := url.Parse(b)
	return err == nil && err2 == nil && x.Scheme == y.Scheme && x.Port() == y.Port() && strings.Trim(x.Path, "/") == "" &&
		(strings.EqualFold(x.Hostname(), y.Hostname()) || onThisMachine(a) && onThisMachine(b))
}

func onThisMachine(server string) bool {
	u, err := url.Parse(server)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// dialing makes a client that connects to one address, if it is not empty, whatever the URL's host is. TLS goes by the host.
func dialing(address string, roots *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if address == "" {
		return &http.Client{Transport: t}
	}
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: t}
}
