package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/channel/email"
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
	// AnswersSecret signs the mails that come in at /v1/channels/email/inbound. Empty takes none.
	AnswersSecret string
}

func (e Email) on() bool { return e != Email{} }

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

func (e Email) validate() error {
	if !e.on() {
		return nil
	}
	cfg, err := e.config()
	cfg.Secret = make([]byte, 32)
	return errors.Join(err, named("email.", map[string]string{
		"Server": "server", "Security": "security", "Password": "password", "From": "from", "ReplyTo": "reply_to", "Answers": "answers_secret",
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
	secret, err := s.store.SetSettingOnce(ctx, "email_key", rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("e-mail key: %w", err)
	}
	cfg.Secret, cfg.Logger = []byte(secret), s.log
	cfg.Bounced = func(ctx context.Context, b email.Bounce) error {
		s.log.InfoContext(ctx, "mail bounced", "activity_id", string(b.Mail), "reason", b.Reason, "struck_out", b.Suspends)
		if !b.Suspends {
			return nil
		}
		return s.store.StrikeOut(ctx, headsup.KeyOf(appID, b.Reference), book.Standing{Reach: book.ReachBlocked, Cause: b.Reason, At: b.At})
	}
	s.mail, err = email.New(cfg)
	return err
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
	return all
}

// hearAddresses has the bot hear what people answer to what was sent to an address.
func (s *Server) hearAddresses(mux *http.ServeMux, bot *headsup.Bot) {
	if s.mail != nil && s.cfg.Email.AnswersSecret != "" {
		mux.Handle("POST /v1/channels/email/inbound", s.mail.Inbound(bot))
	}
}
