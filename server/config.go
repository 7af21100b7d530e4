package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/web"
)

// Config makes a [Server].
type Config struct {
	// Listen is the address to listen on. Empty means 127.0.0.1:3978; port 0 picks a free one. As long as the server
	// has no credentials it runs in development mode, and that only on loopback.
	Listen string

	// DataDir is where everything is kept. Empty means ./headsup-data. It is created if it is missing.
	DataDir string

	// PublicURL is the address by which others reach the server. Empty means the address that it listens on.
	PublicURL string

	// DirectLineSecret is the secret by which other servers ask the embedded channel for tokens. Empty accepts none.
	DirectLineSecret string

	// WebDir serves the pages from a folder instead of those built into the binary.
	WebDir string

	// WebhookPrivate lets webhooks be on this machine and in private networks, with http too, as development mode does.
	WebhookPrivate bool

	// WebhookRetention is how long events are kept, and tried. Zero means 3 days; at least a minute.
	WebhookRetention time.Duration

	// Bot makes the bot's handler. Nil is a small bot that welcomes people, and leaves what they say to whoever wants to
	// know of it (message.received).
	Bot func(*proactive.Engine) headsup.Handler

	// Version is shown in the API's document.
	Version string

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:3978"
	}
	if c.DataDir == "" {
		c.DataDir = "headsup-data"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate reports everything that is wrong, not only the first.
func (c Config) validate() error {
	return errors.Join(c.validateListen(), c.validatePublicURL(), c.validateWebDir())
}

// ErrOpen: the server would take messages from anybody.
var ErrOpen = errors.New("without credentials the server runs in development mode, on loopback only (127.0.0.1, [::1] or localhost)")

func (c Config) validateListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q is not host:port: %w", c.Listen, err)
	}
	if !loopback(host) {
		return fmt.Errorf("listen: %q: %w", c.Listen, ErrOpen)
	}
	return nil
}

// loopback reports whether a host is this machine's own. Names are not looked up.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (c Config) validatePublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	switch {
	case err != nil:
		return fmt.Errorf("public-url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("public-url: %q is not an http or https URL", c.PublicURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return fmt.Errorf("public-url: %q must be scheme and host only", c.PublicURL)
	case !loopback(u.Hostname()):
		return fmt.Errorf("public-url: %q: %w", c.PublicURL, ErrOpen)
	}
	return nil
}

func (c Config) validateWebDir() error {
	if c.WebDir == "" {
		return nil
	}
	if !web.Built(os.DirFS(c.WebDir)) {
		return fmt.Errorf("web-dir: %q holds no built pages (playground/index.html is missing)", c.WebDir)
	}
	return nil
}

// pages are the files of the pages.
func (c Config) pages() fs.FS {
	if c.WebDir != "" {
		return os.DirFS(c.WebDir)
	}
	return web.Files()
}
