package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/pace"
)

// mailsPerConnection is how many mails go over one connection; servers end it after some (Postfix: smtpd_junk_command_limit, and
// relays of their own).
const mailsPerConnection = 100

// pool keeps connections to the mail server between mails.
type pool struct {
	cfg   Config
	slots chan struct{} // one for each connection that is in use

	mu     sync.Mutex
	idle   []*conn // guarded by mu; the one that was used last is the last
	closed bool    // guarded by mu
}

// conn is a session with the mail server.
type conn struct {
	net    net.Conn
	smtp   *smtp.Client
	mails  int
	expiry *time.Timer // while idle
}

// send gives the server a mail. The error is a [*headsup.SendError].
func (p *pool) send(ctx context.Context, from, to string, raw []byte) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "no_connection", Err: context.Cause(ctx)}
	}
	c, used := p.take()
	for {
		if c == nil {
			var err error
			if c, err = p.dial(ctx); err != nil {
				return err
			}
		}
		err := c.deliver(ctx, from, to, raw)
		if stale, ok := errors.AsType[*staleError](err); ok {
			c.cut()
			if used { // the server had ended it: nothing was sent yet
				c, used = nil, false
				continue
			}
			if told, ok := errors.AsType[*headsup.SendError](stale.err); ok {
				return told
			}
			return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "no_answer", Scope: pace.LevelBot, Err: stale.err}
		}
		p.give(c)
		return err
	}
}

// staleError says that a connection broke before the mail was begun, or that the server would have no more of it.
type staleError struct{ err error }

func (e *staleError) Error() string { return e.err.Error() }

// deliver makes one transaction. What it returns is a [*headsup.SendError], or a *staleError.
func (c *conn) deliver(ctx context.Context, from, to string, raw []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = c.net.Close() })
	defer stop()
	if limit, ok := c.limit(); ok && int64(len(raw)) > limit {
		return permanent(ReasonTooLarge, fmt.Errorf("the mail has %d bytes, and the server takes %d", len(raw), limit))
	}
	c.mails++
	if err := c.smtp.Mail("<" + from + ">"); err != nil {
		if !answered(err) {
			return &staleError{err}
		}
		told := c.refused(StageSender, err)
		if told.Status == statusClosing { // it may have been said long ago, for want of commands
			return &staleError{told}
		}
		return told
	}
	if err := c.smtp.Rcpt("<" + to + ">"); err != nil {
		return c.refused(StageRecipient, err)
	}
	body, err := c.smtp.Data()
	if err != nil {
		return c.refused(StageData, err)
	}
	if _, err := body.Write(raw); err != nil { // without its end the server throws the mail away (RFC 5321, section 4.1.1.4)
		c.cut()
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "no_answer", Scope: pace.LevelBot, Err: err}
	}
	if err := body.Close(); err != nil {
		if !answered(err) {
			c.cut()
			return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer", Err: err}
		}
		return c.refused(StageData, err)
	}
	return nil
}

// offer asks the server whether it takes mails from an address, and leaves it at that. What it returns is a [*headsup.SendError].
func (c *conn) offer(ctx context.Context, from string) error {
	stop := context.AfterFunc(ctx, func() { _ = c.net.Close() })
	defer stop()
	if err := c.smtp.Mail("<" + from + ">"); err != nil {
		return c.refused(StageSender, err)
	}
	if err := c.smtp.Reset(); err != nil {
		c.cut()
	}
	return nil
}

// limit is the largest mail that the server takes, if it tells (RFC 1870).
func (c *conn) limit() (int64, bool) {
	ok, text := c.smtp.Extension("SIZE")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n > 0
}

// refused is what an answer of the server means, or that there was none.
func (c *conn) refused(stage Stage, err error) *headsup.SendError {
	if !answered(err) {
		c.cut()
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "no_answer", Scope: pace.LevelBot, Err: err}
	}
	told := verdictOn(stage, err)
	if told.Status == statusClosing {
		c.cut()
	} else if reset := c.smtp.Reset(); reset != nil {
		c.cut()
	}
	return told
}

// statusClosing: the server ends the connection (RFC 5321, section 3.8).
const statusClosing = 421

// answered reports whether an error is the server's answer.
func answered(err error) bool {
	_, ok := errors.AsType[*textproto.Error](err)
	return ok
}

// take returns a connection that waits, if there is one.
func (p *pool) take() (c *conn, used bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c = p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if c.expiry.Stop() {
			return c, true
		}
	}
	return nil, false
}

// give keeps a connection for the next mail, also after one that was refused: that says nothing about the connection.
func (p *pool) give(c *conn) {
	if c.smtp == nil {
		return
	}
	p.mu.Lock()
	if p.closed || c.mails >= mailsPerConnection {
		p.mu.Unlock()
		c.quit()
		return
	}
	defer p.mu.Unlock()
	c.expiry = time.AfterFunc(idleFor, func() {
		p.drop(c)
		c.quit()
	})
	p.idle = append(p.idle, c)
}

func (p *pool) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		if c.expiry.Stop() {
			c.quit()
		}
	}
}

// cut ends a connection without a word.
func (c *conn) cut() {
	if c.smtp != nil {
		_ = c.net.Close()
		c.smtp = nil
	}
}

// quitTime is how long a good-bye may take.
const quitTime = 2 * time.Second

// quit ends a connection as it should be.
func (c *conn) quit() {
	if c.smtp == nil {
		return
	}
	_ = c.net.SetDeadline(time.Now().Add(quitTime))
	_ = c.smtp.Quit()
	c.cut()
}

// dial connects, begins TLS and shows the password. The error is a [*headsup.SendError].
func (p *pool) dial(ctx context.Context) (*conn, error) {
	host, _, err := net.SplitHostPort(p.cfg.Server)
	if err != nil {
		return nil, unreached("unreachable", err)
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", p.cfg.Server)
	if err != nil {
		return nil, unreached("unreachable", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	client, err := p.begin(ctx, raw, host)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{net: raw, smtp: client}, nil
}

// begin makes a session of a connection.
func (p *pool) begin(ctx context.Context, raw net.Conn, host string) (*smtp.Client, error) {
	secure := &tls.Config{ServerName: host, RootCAs: p.cfg.RootCAs, MinVersion: tls.VersionTLS12}
	over := raw
	if p.cfg.Security == SecurityTLS {
		wrapped := tls.Client(raw, secure)
		if err := wrapped.HandshakeContext(ctx); err != nil {
			return nil, untrusted(err)
		}
		over = wrapped
	}
	client, err := smtp.NewClient(over, host)
	if err != nil {
		return nil, connecting(err)
	}
	client.SkipSMTPUTF8(true) // all addresses are ASCII, and servers behind may lack it
	if err := client.Hello(p.cfg.Hello); err != nil {
		return nil, connecting(err)
	}
	if p.cfg.Security == SecuritySTARTTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return nil, misconfigured(ReasonNoTLS, errors.New("the mail server does not offer STARTTLS"))
		}
		if err := client.StartTLS(secure); err != nil {
			if answered(err) {
				return nil, connecting(err)
			}
			return nil, untrusted(err)
		}
	}
	if p.cfg.Username == "" {
		return client, nil
	}
	auth, err := p.auth(ctx, client, host)
	if err != nil {
		return nil, err
	}
	if err := client.Auth(auth); err != nil {
		if answered(err) {
			return nil, verdictOn(StageConnection, err)
		}
		return nil, unreached("no_answer", err)
	}
	return client, nil
}

// auth is how the token is shown, or the best way to show the password that the server knows.
func (p *pool) auth(ctx context.Context, client *smtp.Client, host string) (smtp.Auth, error) {
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	if p.cfg.Token != nil {
		if !slices.Contains(ways, "XOAUTH2") {
			return nil, misconfigured(ReasonUnauthorized, fmt.Errorf("the mail server takes no tokens (XOAUTH2); it offers %q", offered))
		}
		token, err := p.cfg.Token(ctx)
		if err != nil {
			return nil, unreached(ReasonNoToken, err)
		}
		return smtp.XOAuth2Auth(p.cfg.Username, token), nil
	}
	for _, way := range ways {
		if way == "SCRAM-SHA-256" {
			return smtp.ScramSHA256Auth(p.cfg.Username, p.cfg.Password), nil
		}
	}
	for _, way := range ways {
		switch way {
		case "PLAIN":
			return smtp.PlainAuth("", p.cfg.Username, p.cfg.Password, host, false), nil
		case "LOGIN":
			return smtp.LoginAuth(p.cfg.Username, p.cfg.Password, host, false), nil
		}
	}
	return nil, misconfigured(ReasonUnauthorized, fmt.Errorf("the mail server takes no password in a way that is known here; it offers %q", offered))
}

// connecting is what a refusal to begin a session means.
func connecting(err error) *headsup.SendError {
	if answered(err) {
		return verdictOn(StageConnection, err)
	}
	return unreached("unreachable", err)
}

func unreached(reason string, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: reason, Scope: pace.LevelBot, Unreached: true, Err: err}
}

// untrusted is what a failed handshake means.
func untrusted(err error) *headsup.SendError {
	e := unreached("unreachable", err)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.Reason = headsup.ReasonTLS
	}
	return e
}

// misconfigured is for what somebody has to put right: everything waits for that.
func misconfigured(reason string, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: reason, Scope: pace.LevelBot, Err: err}
}
