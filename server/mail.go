package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/channel/sms"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// Email is the mail server over which people are written to. The zero value is none.
type Email struct {
	// Server takes the mails, as host:port; see [email.Config], whose names the others have too.
	Server   string
	Security string
	Username string
	Password string
	From     string
	ReplyTo  string
	// RootsFile are certificates, as PEM, that vouch for the server beside those that the system trusts.
	RootsFile string
	// OAuth shows the mail server an access token of the app in Azure in place of a password. OAuthTenant is the tenant of the
	// mailbox; empty is the app's own.
	OAuth       bool
	OAuthTenant string
	// AnswersSecret signs the mails that come in at /v1/channels/email/inbound. Empty takes none.
	AnswersSecret string
}

func (e Email) on() bool { return e != Email{} }

// mailboxes are the scopes of tokens for Exchange Online, by the cloud ("Authenticate an IMAP, POP or SMTP connection using
// OAuth").
var mailboxes = map[string]string{
	"": "https://outlook.office365.com/.default", "public": "https://outlook.office365.com/.default",
	"usgov": "https://outlook.office365.us/.default", "china": "https://partner.outlook.cn/.default",
}

// token gives what the mail server is shown; nil for passwords.
func (e Email) token(a Azure, log *slog.Logger) (func(context.Context) (string, error), error) {
	if !e.OAuth {
		return nil, nil
	}
	a.Tenant = cmp.Or(e.OAuthTenant, a.Tenant)
	source, err := a.tokensFor(mailboxes[a.Cloud], log)
	if err != nil {
		return nil, err
	}
	return source.Token, nil
}

// validateToken finds what is wrong with the settings of tokens.
func (e Email) validateToken(a Azure) error {
	switch {
	case !e.OAuth && e.OAuthTenant != "":
		return wrong("email.oauth_tenant", "is for email.oauth")
	case !e.OAuth:
		return nil
	case a.AppID == "":
		return wrong("email.oauth", "needs azure.app_id with a credential: the tokens are that app's")
	case e.OAuthTenant != "" && !guid.MatchString(e.OAuthTenant) && !domain.MatchString(e.OAuthTenant):
		return wrong("email.oauth_tenant", "%q is neither a GUID nor a domain of the tenant, such as example.onmicrosoft.com", e.OAuthTenant)
	case cmp.Or(e.OAuthTenant, a.Tenant) == "" && !a.ManagedIdentity:
		return wrong("email.oauth_tenant", "is needed: azure.tenant is not set, and a mailbox is in one tenant")
	}
	return nil
}

// config is what the channel is made of, but for what only a running server has.
func (e Email) config() (email.Config, error) {
	cfg := email.Config{
		Server: e.Server, Security: email.Security(e.Security), Username: e.Username, Password: e.Password, From: e.From, ReplyTo: e.ReplyTo,
	}
	if e.AnswersSecret != "" {
		cfg.Answers = []string{e.AnswersSecret}
	}
	roots, err := rootsIn("email.roots_file", e.RootsFile)
	cfg.RootCAs = roots
	return cfg, err
}

func (e Email) validate(a Azure) error {
	if !e.on() {
		return nil
	}
	cfg, err := e.config()
	cfg.Secret = make([]byte, 32)
	if e.OAuth {
		cfg.Token = func(context.Context) (string, error) { return "", nil }
	}
	return errors.Join(err, e.validateToken(a), named("email.", map[string]string{
		"Server": "server", "Security": "security", "Username": "username", "Password": "password", "From": "from", "ReplyTo": "reply_to", "Answers": "answers_secret",
	}, cfg.Validate()))
}

// named makes the errors of a channel's fields those of settings.
func named(group string, settings map[string]string, err error) error {
	var all []error
	joined, many := err.(interface{ Unwrap() []error }) //nolint:errorlint // what errors.Join makes
	switch {
	case err == nil:
		return nil
	case many:
		for _, one := range joined.Unwrap() {
			all = append(all, named(group, settings, one))
		}
		return errors.Join(all...)
	}
	var field interface {
		error
		ConfigField() string
	}
	if errors.As(err, &field) {
		return &ConfigError{group + cmp.Or(settings[field.ConfigField()], field.ConfigField()), errors.Unwrap(field)}
	}
	return err
}

// rootsIn are the system's authorities and those in a file; nil where there is no file.
func rootsIn(setting, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, wrong(setting, "%w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, wrong(setting, "%q has no certificates", file)
	}
	return pool, nil
}

// makeMail makes the channel of mails, if there is one. Their ids are sealed with a key that all nodes share.
func (s *Server) makeMail(ctx context.Context, appID string) error {
	if !s.cfg.Email.on() {
		return nil
	}
	cfg, err := s.cfg.Email.config()
	if err != nil {
		return err
	}
	if cfg.Token, err = s.cfg.Email.token(s.cfg.Azure, s.log); err != nil {
		return err
	}
	secret, err := s.store.SetSettingOnce(ctx, "email_key", rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("e-mail key: %w", err)
	}
	cfg.Secret, cfg.Logger = []byte(secret), s.log
	cfg.Bounced = func(ctx context.Context, b email.Bounce) error {
		return s.lost(ctx, lost{headsup.KeyOf(appID, b.Reference), b.Key, b.Reason, b.Suspends, b.At})
	}
	cfg.Unsubscribe = func(ctx context.Context, out headsup.Outgoing) string {
		link, err := s.engine.OptOutURL(ctx, out.Key)
		if err != nil {
			s.log.WarnContext(ctx, "mail without a link to unsubscribe", "error", err.Error())
		}
		return link
	}
	s.mail, err = email.New(cfg)
	return err
}

// SMS is the account at Twilio over which people are written to. The zero value is none.
type SMS struct {
	// AccountSID is the account; see [sms.Config], whose names the others have too.
	AccountSID       string
	AuthToken        string
	APIKey           string
	APIKeySecret     string
	From             string
	MessagingService string
	// URL is where the API is. Empty means Twilio's.
	URL string
}

func (c SMS) on() bool { return c != SMS{} }

func (c SMS) config() sms.Config {
	return sms.Config{
		AccountSID: c.AccountSID, AuthToken: c.AuthToken, APIKey: c.APIKey, APIKeySecret: c.APIKeySecret, From: c.From,
		MessagingService: c.MessagingService, BaseURL: c.URL,
	}
}

func (c SMS) validate() error {
	if !c.on() {
		return nil
	}
	return named("sms.", map[string]string{
		"AccountSID": "account_sid", "AuthToken": "auth_token", "APIKey": "api_key", "APIKeySecret": "api_key_secret", "From": "from",
		"MessagingService": "messaging_service", "BaseURL": "url",
	}, c.config().Validate())
}

// makePhone makes the channel of text messages, if there is one.
func (s *Server) makePhone(appID string) (err error) {
	if !s.cfg.SMS.on() {
		return nil
	}
	cfg := s.cfg.SMS.config()
	cfg.PublicURL, cfg.Logger = s.URL, s.log
	cfg.Said = func(ctx context.Context, w sms.Word) error {
		return s.stopsOrStarts(ctx, headsup.KeyOf(appID, w.Reference), w)
	}
	cfg.Told = func(ctx context.Context, t sms.Status) error {
		key := headsup.KeyOf(appID, t.Reference)
		switch t.State {
		case sms.StateFailed, sms.StateUndelivered:
			return s.lost(ctx, lost{key, t.Key, t.Reason, t.Suspends, t.At})
		case sms.StateDelivered:
			return s.receive(ctx, proactive.Receipt{Delivery: t.Key, Kind: outbox.ReceiptArrived, By: activity.AccountID(key.Conversation), At: t.At})
		case sms.StateRead:
			return s.receive(ctx, proactive.Receipt{Delivery: t.Key, Kind: outbox.ReceiptRead, By: activity.AccountID(key.Conversation), At: t.At})
		case sms.StateSent:
		}
		return nil
	}
	s.phone, err = sms.New(cfg)
	return err
}

// stopsOrStarts notes that somebody wants no text messages, or wants them again. They may be somebody who was never written to.
// Who answers YES, and has opted out elsewhere, has not taken that back.
func (s *Server) stopsOrStarts(ctx context.Context, key headsup.ConversationKey, w sms.Word) error {
	known, err := s.store.Sight(ctx, book.Sighting{
		Key: key, Reference: w.Reference, Kind: book.KindPersonal, Source: book.SourceConfig, VerifiedAt: w.At, At: w.At,
	})
	if err != nil {
		return err
	}
	if w.Answer && !slices.Contains(known.Preferences.Stopped, key.Channel) {
		return nil
	}
	_, err = s.engine.Prefer(ctx, key, proactive.PreferenceChange{OptedOut: &w.Stop, By: "word"})
	return err
}

// lost is a message that a channel had taken, and that did not arrive.
type lost struct {
	key      headsup.ConversationKey
	sent     string // the key that it was sent under
	reason   string
	suspends bool
	at       time.Time
}

// lost notes that a message did not arrive, and strikes the address out where nothing does.
func (s *Server) lost(ctx context.Context, l lost) error {
	if err := s.receive(ctx, proactive.Receipt{Delivery: l.sent, Kind: outbox.ReceiptBounced, Detail: l.reason, At: l.at}); err != nil {
		return err
	}
	if !l.suspends {
		return nil
	}
	return s.store.StrikeOut(ctx, l.key, book.Standing{Reach: book.ReachBlocked, Cause: l.reason, At: l.at})
}

// receive notes what became of a delivery; what was sent in a turn is none.
func (s *Server) receive(ctx context.Context, r proactive.Receipt) error {
	if _, err := s.engine.Receive(ctx, r); err != nil && !errors.Is(err, proactive.ErrNoDelivery) {
		return err
	}
	return nil
}

// addresses are the channels that write to addresses.
func (s *Server) addresses() map[activity.ChannelID]func(string) (activity.Reference, error) {
	all := make(map[activity.ChannelID]func(string) (activity.Reference, error))
	if s.mail != nil {
		all[email.ID] = func(address string) (activity.Reference, error) {
			address, err := email.Parse(address)
			if err != nil {
				return activity.Reference{}, err
			}
			return s.mail.Reference(address), nil
		}
	}
	if s.phone != nil {
		all[sms.ID] = func(number string) (activity.Reference, error) {
			number, err := sms.Parse(number)
			if err != nil {
				return activity.Reference{}, err
			}
			return s.phone.Reference(number), nil
		}
	}
	return all
}

// hearAddresses has the bot hear what people answer to what was sent to an address.
func (s *Server) hearAddresses(mux *http.ServeMux, bot *headsup.Bot) {
	if s.mail != nil && s.cfg.Email.AnswersSecret != "" {
		inbound := s.mail.Inbound(bot)
		mux.Handle("POST /v1/channels/email/inbound", inbound)
		mux.Handle("POST /v1/channels/email/inbound/mime", inbound) // what Mailgun sends whole mails to ends so
	}
	if s.phone != nil && s.cfg.SMS.AuthToken != "" {
		mux.Handle("POST "+sms.InboundPath, s.phone.Inbound(bot))
		mux.Handle("POST "+sms.StatusPath, s.phone.Statuses())
	}
}
