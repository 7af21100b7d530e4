package email

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// Security is how the connection to the mail server is kept to itself.
type Security string

const (
	// SecuritySTARTTLS begins in the clear and goes on with TLS, or not at all. Also the zero value's meaning.
	SecuritySTARTTLS Security = "starttls"
	// SecurityTLS is TLS from the first byte (RFC 8314), usually on port 465.
	SecurityTLS Security = "tls"
	// SecurityNone is for a server on this machine.
	SecurityNone Security = "none"
)

// Config makes a [Channel].
type Config struct {
	// Server is the mail server that takes what is sent, as host:port. Without a port it is 587, or 465 with SecurityTLS.
	// Required.
	Server string

	// Security of the connection. Empty is starttls; none is refused for a server that is not on this machine.
	Security Security

	// Username and Password are shown to the server, if Username is not empty; never without TLS, but on this machine.
	Username, Password string

	// Token is an access token for Username's mailbox, in place of a password, by XOAUTH2. It is called for each connection. Nil
	// shows the password.
	Token func(ctx context.Context) (string, error)

	// From is who mails are from: an address with or without a name, such as Headsup <bot@example.com>. It is also where bounces
	// go. Required.
	From string

	// ReplyTo is where answers go. Empty is From.
	ReplyTo string

	// Hello is how this machine names itself to the server. Empty is its host name.
	Hello string

	// RootCAs are the authorities that the server's certificate is checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Timeout bounds what one mail takes, with the connection that is made for it. Zero means 9 s, which fits an attempt.
	Timeout time.Duration

	// Connections bounds how many there are to the server at once. Zero means 2.
	Connections int

	// Secret makes ids of mails that nobody else can make, by which answers and bounces are known; at least 32 bytes.
	// Required. All nodes have the same one.
	Secret []byte

	// Unsubscribe returns the https URL by which whom a mail goes to takes themselves off, for mails that do not name one. Nil, or
	// an empty text, adds none.
	Unsubscribe func(ctx context.Context, out headsup.Outgoing) string

	// Bounced is told of mail that did not arrive, some time after it was sent. Nil tells nobody. See [Bounce].
	Bounced func(ctx context.Context, b Bounce) error

	// Answers are the secrets of the webhook by which answers and bounces come in, as internal/signed reads them. None refuses
	// everything.
	Answers []string

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Security = cmp.Or(c.Security, SecuritySTARTTLS)
	if _, _, err := net.SplitHostPort(c.Server); err != nil && c.Server != "" {
		port := "587"
		if c.Security == SecurityTLS {
			port = "465"
		}
		c.Server = net.JoinHostPort(strings.Trim(c.Server, "[]"), port)
	}
	if c.Hello == "" {
		name, err := os.Hostname()
		if err != nil || !netguard.PlainHost(strings.ToLower(name)) {
			name = "localhost"
		}
		c.Hello = name
	}
	c.Timeout = cmp.Or(c.Timeout, 9*time.Second)
	c.Connections = cmp.Or(c.Connections, 2)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// FieldError says which field of a [Config] is wrong.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// ConfigField returns Field.
func (e *FieldError) ConfigField() string { return e.Field }

// Validate reports everything that is wrong: [*FieldError] values, joined. It calls nobody.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{field, fmt.Errorf(format, args...)})
	}
	host, port, err := net.SplitHostPort(c.Server)
	switch n, bad2 := strconv.ParseUint(port, 10, 16); {
	case c.Server == "":
		bad("Server", "is required")
	case err != nil || bad2 != nil || n == 0 || !netguard.PlainHost(strings.ToLower(host)):
		bad("Server", "%q is not host:port", c.Server)
	case c.Security == SecurityNone && !netguard.Loopback(host):
		bad("Security", "none is for a mail server on this machine, and %q is not: mails and the password could be read on their way", host)
	}
	if c.Security != SecuritySTARTTLS && c.Security != SecurityTLS && c.Security != SecurityNone {
		bad("Security", "%q is not starttls, tls or none", c.Security)
	}
	switch {
	case c.Token == nil && (c.Username == "") != (c.Password == ""):
		bad("Password", "is needed with a user name, and only then")
	case c.Token != nil && c.Username == "":
		bad("Username", "is needed with a token: the mailbox that it is for")
	case c.Token != nil && c.Password != "":
		bad("Password", "is in place of a token: give one of the two")
	}
	if c.From == "" {
		bad("From", "is required")
	} else if _, err := parseMailbox(c.From); err != nil {
		errs = append(errs, &FieldError{"From", err})
	}
	if c.ReplyTo != "" {
		if _, err := parseMailbox(c.ReplyTo); err != nil {
			errs = append(errs, &FieldError{"ReplyTo", err})
		}
	}
	if strings.ContainsFunc(c.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("Hello", "%q is not a host name", c.Hello)
	}
	if c.Timeout < 0 || c.Connections < 0 {
		bad("Timeout", "and Connections must not be negative")
	}
	if len(c.Secret) < minSecret {
		bad("Secret", "has %d bytes; it must have at least %d", len(c.Secret), minSecret)
	}
	if _, err := parseSecrets(c.Answers); err != nil {
		errs = append(errs, &FieldError{"Answers", err})
	}
	return errors.Join(errs...)
}

const minSecret = 32

// sender is who mails are from, and where answers go; Validate has checked both.
func (c Config) mailboxes() (from, replyTo mail.Address) {
	from, _ = parseMailbox(c.From)
	if c.ReplyTo != "" {
		replyTo, _ = parseMailbox(c.ReplyTo)
	}
	return from, replyTo
}
