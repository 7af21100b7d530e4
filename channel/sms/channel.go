package sms

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/cardtext"
	"github.com/headsup-bot/headsup/internal/netguard"
)

// ID is the channel's.
const ID activity.ChannelID = "sms"

// MaxText is the longest text in characters (Twilio, "Error 21617"): ten segments.
const MaxText = card.MaxSMS

// API is where Twilio is.
const API = "https://api.twilio.com"

// Config makes a [Channel].
type Config struct {
	// AccountSID is the account's, "AC" and 32 hexadecimal digits. Required.
	AccountSID string

	// AuthToken is the account's. It is shown to Twilio if there is no APIKey, and webhooks are signed with it: without it none
	// are taken.
	AuthToken string

	// APIKey, "SK" and 32 hexadecimal digits, and APIKeySecret are shown to Twilio instead.
	APIKey, APIKeySecret string

	// From is the number that messages are from, and MessagingService, "MG" and 32 hexadecimal digits, what chooses one. One of
	// them is required.
	From, MessagingService string

	// BaseURL is where the API is. Empty means [API].
	BaseURL string

	// PublicURL is where Twilio reaches the server, without a trailing slash: webhooks are signed for it, and Twilio is told to
	// post there what becomes of messages if it is https. It is called when it is first needed. Nil has no webhooks.
	PublicURL func() string

	// Said is told when somebody has written one of the words by which they stop what is sent to them, or want it again.
	// Nil tells nobody.
	Said func(ctx context.Context, w Word) error

	// Told is told what became of a message. Nil tells nobody.
	Told func(ctx context.Context, s Status) error

	// RootCAs are the authorities that the API's certificate is checked against. Nil means those of the system.
	RootCAs *x509.CertPool

	// Timeout bounds a call. Zero means 9 s, which fits an attempt.
	Timeout time.Duration

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, API), "/")
	c.Timeout = cmp.Or(c.Timeout, 9*time.Second)
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

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keySID     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	serviceSID = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	// sender is a number, a short code, or a name of letters and digits.
	sender = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|[0-9A-Za-z ]{0,10}[A-Za-z][0-9A-Za-z ]{0,10})$`)
)

// Validate reports everything that is wrong: [*FieldError] values, joined. It calls nobody.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{field, fmt.Errorf(format, args...)})
	}
	if !accountSID.MatchString(c.AccountSID) {
		bad("AccountSID", "%q is not AC and 32 hexadecimal digits", c.AccountSID)
	}
	switch {
	case (c.APIKey == "") != (c.APIKeySecret == ""):
		bad("APIKeySecret", "is needed with an API key, and only then")
	case c.APIKey != "" && !keySID.MatchString(c.APIKey):
		bad("APIKey", "%q is not SK and 32 hexadecimal digits", c.APIKey)
	case c.APIKey == "" && c.AuthToken == "":
		bad("AuthToken", "is required, or an API key")
	}
	switch {
	case (c.From == "") == (c.MessagingService == ""):
		bad("From", "or a messaging service is required, and not both")
	case c.MessagingService != "" && !serviceSID.MatchString(c.MessagingService):
		bad("MessagingService", "%q is not MG and 32 hexadecimal digits", c.MessagingService)
	case c.From != "" && (!sender.MatchString(c.From) || len(c.From) > 16):
		bad("From", "%q is not a number such as +15551234567, a short code, or a name of up to 11 letters and digits", c.From)
	}
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		bad("BaseURL", "%q is not a URL", c.BaseURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !netguard.Loopback(u.Hostname())):
		bad("BaseURL", "%q is not https: the token could be read on its way", c.BaseURL)
	}
	if c.Timeout < 0 {
		bad("Timeout", "is negative")
	}
	return errors.Join(errs...)
}

// Channel sends text messages. It implements headsup.Channel. Safe for concurrent use.
type Channel struct {
	cfg       Config
	transport *http.Transport
	client    *http.Client
}

// New makes a channel. It calls nobody; [Channel.Check] does.
func New(cfg Config) (*Channel, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sms: config: %w", err)
	}
	at, err := url.Parse(cfg.BaseURL)
	transport := netguard.Transport(netguard.Config{
		RootCAs: cfg.RootCAs, AllowLoopback: err == nil && netguard.Loopback(at.Hostname()), MaxConns: 8,
	})
	return &Channel{cfg: cfg, transport: transport, client: &http.Client{
		Transport: transport, Timeout: cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends connections that wait for the next message.
func (c *Channel) Close() { c.transport.CloseIdleConnections() }

// Takes reports whether a conversation is of this channel; it is the predicate for headsup.Switch.
func (c *Channel) Takes(ch activity.ChannelID, _ activity.ConversationID) bool { return ch == ID }

// Capabilities implements headsup.Channel: what was sent stays as it is.
func (c *Channel) Capabilities(activity.Reference) headsup.Capabilities {
	return headsup.Capabilities{Create: true}
}

// Reference is the conversation with a number, which [Parse] has made.
func (c *Channel) Reference(number string) activity.Reference {
	return activity.Reference{
		ChannelID: ID, ServiceURL: c.cfg.BaseURL,
		Bot:          &activity.ChannelAccount{ID: activity.AccountID(cmp.Or(c.cfg.From, c.cfg.MessagingService)), Role: activity.RoleBot},
		User:         &activity.ChannelAccount{ID: activity.AccountID(number), Role: activity.RoleUser},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(number), ConversationType: activity.ConversationPersonal},
	}
}

// Send implements headsup.Channel. The id is Twilio's. What cannot be said in a text, such as typing, is not, and has no id.
// Twilio knows no repeats, so that one is a second message.
func (c *Channel) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	a := out.Activity
	switch {
	case a == nil:
		return activity.ResourceResponse{}, permanent("bad_argument", errors.New("nothing to send"))
	case a.Type != activity.TypeMessage && a.Type != "":
		return activity.ResourceResponse{}, nil
	}
	to, err := Parse(string(out.Reference.Conversation.ID))
	if err != nil {
		return activity.ResourceResponse{}, permanent(ReasonBadNumber, fmt.Errorf("the number %w", err))
	}
	text := cardtext.Of(a)
	if err := Check(text); err != nil {
		return activity.ResourceResponse{}, err
	}
	return c.post(ctx, to, text, out.Key)
}

// Check says what is wrong with a text: there is none, or it does not fit a message. The error is a [*headsup.SendError].
func Check(text string) error {
	if text == "" {
		return permanent("bad_message", errors.New("it says nothing that a text message can show"))
	}
	if n := characters(text); n > MaxText {
		segments, _ := card.Segments(text)
		return permanent(ReasonTooLarge, fmt.Errorf("it has %d characters, in %d segments; a message has up to %d", n, segments, MaxText))
	}
	return nil
}

// characters counts as networks do: in UTF-16.
func characters(text string) (n int) {
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// Update implements headsup.Channel: a message cannot be changed.
func (c *Channel) Update(context.Context, headsup.Outgoing) (activity.ResourceResponse, error) {
	return activity.ResourceResponse{}, unsupported()
}

// Delete implements headsup.Channel: a message cannot be taken back.
func (c *Channel) Delete(context.Context, activity.Reference, activity.ID) error {
	return unsupported()
}

func unsupported() error {
	return &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: "not_supported", Status: http.StatusMethodNotAllowed}
}

// Create implements headsup.Channel: the conversation with the one member that is not the bot, by their number. Nothing is sent
// unless the parameters have an activity.
func (c *Channel) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	self := c.Reference("").Bot.ID
	var members []activity.ChannelAccount
	for _, m := range cr.Parameters.Members {
		if m.ID != self {
			members = append(members, m)
		}
	}
	if len(members) != 1 {
		return activity.ConversationResource{}, permanent("bad_argument", errors.New("a text message has one recipient"))
	}
	to, err := Parse(string(members[0].ID))
	if err != nil {
		return activity.ConversationResource{}, permanent(ReasonBadNumber, fmt.Errorf("the number %w", err))
	}
	resource := activity.ConversationResource{ID: activity.ConversationID(to)}
	if cr.Parameters.Activity == nil {
		return resource, nil
	}
	sent, err := c.Send(ctx, headsup.Outgoing{Reference: c.Reference(to), Activity: cr.Parameters.Activity, Key: cr.Key})
	resource.ActivityID = sent.ID
	return resource, err
}

func permanent(reason string, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: reason, Err: err}
}
