package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
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
	local := unreadable == nil && (r.Server == "" || sameServer(r.Server, entry.URL))
	if r.Server == "" {
		r.Server = cmp.Or(entry.URL, client.DefaultBaseURL)
	}
	cfg.BaseURL = r.Server
	if local && entry.Dial != "" {
		cfg.HTTPClient = dialing(entry.Dial)
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
		"; the user who runs the server needs none, with --data"
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

// dialing makes a client that connects to one address, whatever the URL's host is. TLS goes by the host.
func dialing(address string) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: t}
}
