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
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/web"
)

// Config makes a [Server].
type Config struct {
	// Listen is the address to listen on. Empty means 127.0.0.1:3978; port 0 picks a free one. On loopback the server runs
	// in development mode. On any other address, or with a PublicURL that is not this machine's own, it asks for API keys,
	// has no playground, and needs Azure or DirectLineOnly; see [Server.Exposed].
	Listen string

	// DataDir is where everything is kept. Empty means ./headsup-data. It is created if it is missing.
	DataDir string

	// Database is the URL of a PostgreSQL database that everything is kept in, in place of a file in DataDir:
	// postgres://user@host/name. Several servers, the nodes, may share it; each has a DataDir of its own, for what is the
	// node's alone. Empty is the file.
	Database string

	// DatabasePassword is used in place of a password in Database. Empty leaves it at that.
	DatabasePassword string

	// PublicURL is the address by which others reach the server. Empty means the address that it listens on, which must be
	// loopback then. Others must reach it by https, unless InsecureHTTP allows http too, in a private network.
	PublicURL    string
	InsecureHTTP bool

	// DirectLineOnly lets others reach a server without a registration in Azure. The embedded channel is the only way to the
	// bot then: /api/messages lets nobody in, and channels elsewhere are not called with tokens. Where others can reach the
	// server it needs DirectLineSecret, without which nobody would get a token; on loopback the playground needs none.
	DirectLineOnly bool

	// RequireKey makes the HTTP API ask for API keys in development mode too.
	RequireKey bool

	// TrustedProxies are addresses and networks (CIDR) of reverse proxies. What they say in X-Forwarded-For, -Proto and
	// -Host, or in Forwarded, is believed; from anybody else these headers are dropped. Networks larger than /8, or /16 of
	// IPv6, are refused, unless they are private: they would be everybody.
	TrustedProxies []string

	// TLS makes the server speak TLS. The zero value is plain HTTP.
	TLS TLS

	// Azure is the bot's registration. The zero value is none.
	Azure Azure

	// Teams says how people of Microsoft Teams are reached who have never written to the bot.
	Teams Teams

	// Email says over which mail server people are written to. The zero value is none.
	Email Email

	// SMS says over which account people are written to by text message. The zero value is none.
	SMS SMS

	// Admin is the listener for operators. The zero value has none.
	Admin Admin

	// Trace says where traces go. The zero value sends none. TracerProvider, when set, is used instead; its owner shuts
	// it down.
	Trace          Trace
	TracerProvider trace.TracerProvider

	// DrainTimeout is how long requests and deliveries that run may go on when Run's context has ended. Zero means 10 s.
	DrainTimeout time.Duration

	// DrainDelay is how long the server goes on taking requests after /readyz has begun to say that it stops.
	DrainDelay time.Duration

	// DirectLineSecret is the secret by which other servers ask the embedded channel for tokens: 32 bytes or more. Empty
	// accepts none.
	DirectLineSecret string

	// DirectLineSecondSecret is another one that is as good as DirectLineSecret, so that servers can change from one to the
	// other. It needs DirectLineSecret. Empty is none.
	DirectLineSecondSecret string

	// SigningLead is how long a new signing key is known before it signs, which is longer than other nodes and the SDKs of bots
	// may take to hear of it. Zero is two minutes for tokens of the embedded channel, and 65 for those that a bot is shown.
	SigningLead time.Duration

	// DirectLineOrigins are the web origins, such as https://www.example.com, whose pages may be clients of the embedded
	// channel beside the server's own. They are compared exactly.
	DirectLineOrigins []string

	// WebDir serves the pages from a folder instead of those built into the binary.
	WebDir string

	// WebhookPrivate lets webhooks be on this machine and in private networks, with http too, as development mode does.
	WebhookPrivate bool

	// WebhookRetention is how long events are kept, and tried. Zero means 3 days; at least a minute.
	WebhookRetention time.Duration

	// MinInterval is how near two occurrences of a schedule may be to each other. Zero means 10 s; at least 1 s.
	// MaxSchedules is how many schedules there may be. Zero means 1,000,000.
	MinInterval  time.Duration
	MaxSchedules int

	// DiskReserve is how many bytes of the disk are kept for the outcomes of what was accepted; while less than that is free
	// beside it, no notifications are accepted. Zero keeps none; with a Database it must be zero, since the disk is another.
	DiskReserve int64

	// Topics says what goes for notifications of a topic that do not say so themselves, by its name.
	Topics map[string]proactive.Topic
	// TopicFallbacks are those of topics, by their names, as people write them, separated by commas: see
	// [headsup.ParseFallback]. They come after those that Topics has.
	TopicFallbacks map[string]string

	// Preferences are what goes for people who have not said otherwise.
	Preferences Preferences

	// Retention says how long what is over is kept. The zero value keeps it for ever.
	Retention proactive.Retention

	// Audit says how the log of who did what is kept. The zero value chains its entries without a key, and keeps them.
	Audit Audit

	// ConfigHash tells configurations apart in that log: a hash of all settings but secrets, as [Config] does not know
	// where they came from. Empty is none.
	ConfigHash string

	// Pace are the limits that channels are kept within, as [pace.ParseProfiles] reads them. None means the published ones.
	Pace []string

	// Bot makes the bot's handler. Nil is a small bot that welcomes people, and leaves what they say to whoever wants to
	// know of it (message.received). A handler with a method Dialogs() proactive.Interrupter has notifications interrupt
	// these; one with a method Outside() http.Handler has that serve what is below /demo/, in development mode with Demo.
	Bot func(*proactive.Engine) (headsup.Handler, error)

	// BotURL is the messaging endpoint of a bot in another process, such as http://localhost:3979/api/messages. The
	// embedded channel then is that bot's, in place of Bot. Empty is no such bot. BotAuth says how the two prove to each other
	// who they are, which is only left out on loopback.
	BotURL  string
	BotAuth BotAuth

	// Demo says that Bot is the one to try things with; the pages tell so.
	Demo bool

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
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	c.TLS = c.TLS.withDefaults()
	return c
}

// ConfigError is one thing that is wrong with a [Config].
type ConfigError struct {
	// Field is the setting by its name in the configuration file, such as tls.cert_file.
	Field string
	Err   error
}

func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// ConfigField returns Field.
func (e *ConfigError) ConfigField() string { return e.Field }

// wrong makes a [ConfigError] of a format.
func wrong(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Errorf(format, args...)}
}

// Validate reports everything that is wrong, not only the first: [*ConfigError] values, joined. It reads the files that
// the configuration names, and neither writes nor listens.
func (c Config) Validate() error {
	c = c.withDefaults()
	_, proxies := parseProxies(c.TrustedProxies)
	return errors.Join(c.validateListen(), c.validatePublicURL(), c.validateOpen(), c.validateWebDir(), proxies, c.validateDrain(), c.validateReserve(), c.validateRetention(), c.validateSchedules(), c.validateTopics(), c.validatePreferences(), c.validateBotURL(), c.validateDirectLine(),
		c.TLS.validate(c.PublicURL), c.Admin.validate(c.Listen), c.Trace.validate(), c.Azure.validate(), c.Teams.validate(c.Azure), c.Email.validate(c.Azure), c.SMS.validate(), c.Audit.validate(), c.validatePace(), c.validateDatabase())
}

func (c Config) validateDrain() error {
	switch {
	case c.DrainTimeout < 0:
		return wrong("drain_timeout", "is negative")
	case c.DrainDelay < 0:
		return wrong("drain_delay", "is negative")
	}
	return nil
}

func (c Config) validatePace() error {
	_, err := c.limits(slog.New(slog.DiscardHandler))
	return err
}

func (c Config) validateReserve() error {
	switch {
	case c.DiskReserve < 0:
		return wrong("disk_reserve", "is negative")
	case c.DiskReserve > 0 && c.Database != "":
		return wrong("disk_reserve", "is for the file in the data directory; the disk of a database must be watched where it is")
	}
	return nil
}

func (c Config) validateRetention() error {
	switch r := c.Retention; {
	case r.Content < 0:
		return wrong("retention.content", "is negative")
	case r.Records < 0 || r.Records > 0 && r.Records < 24*time.Hour:
		return wrong("retention.records", "is %v; idempotency keys are good for 24h at least (0s keeps everything)", r.Records)
	}
	return nil
}

func (c Config) validateSchedules() error {
	switch {
	case c.MinInterval != 0 && c.MinInterval < time.Second:
		return wrong("schedule.min_interval", "is %v; it must be at least 1s", c.MinInterval)
	case c.MaxSchedules < 0:
		return wrong("schedule.max", "is negative")
	}
	return nil
}

// ErrNoPublicURL: others can reach the server, and nobody said by which address.
var ErrNoPublicURL = errors.New("others can reach it, so public_url must say by which address they do")

func (c Config) validateListen() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return wrong("listen", "%q is not host:port", c.Listen)
	}
	var errs []error
	if badPort(port) {
		errs = append(errs, wrong("listen", "%q has no port from 0 to 65535", c.Listen))
	}
	if !loopback(host) && c.PublicURL == "" {
		errs = append(errs, wrong("listen", "%q: %w", c.Listen, ErrNoPublicURL))
	}
	return errors.Join(errs...)
}

// badPort reports whether a port is not a number from 0 to 65535.
func badPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return err != nil
}

// exposed reports whether others than this machine's own programs can reach the server.
func (c Config) exposed() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !loopback(host) {
		return true
	}
	public, err := url.Parse(c.PublicURL)
	return err != nil || c.PublicURL != "" && !loopback(public.Hostname())
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
		return wrong("public_url", "%w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return wrong("public_url", "%q is not an http or https URL", c.PublicURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return wrong("public_url", "%q must be scheme and host only", c.PublicURL)
	}
	return c.validateInsecure(u)
}

func (c Config) validateWebDir() error {
	if c.WebDir == "" {
		return nil
	}
	if !web.Built(os.DirFS(c.WebDir)) {
		return wrong("web_dir", "%q holds no built pages (playground/index.html is missing)", c.WebDir)
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
