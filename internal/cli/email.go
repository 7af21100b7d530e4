package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/internal/secretfile"
	"github.com/headsup-bot/headsup/internal/signed"
)

type emailCommands struct {
	Receive receiveMail `cmd:"" help:"Give the server a mail that has come in, from a mail server's pipe."`
}

type receiveMail struct {
	remote
	SecretFile string `required:"" name:"secret-file" placeholder:"FILE" help:"File with the server's email.answers_secret, closed to others."`
}

// Help shows examples.
func (receiveMail) Help() string {
	return `Examples:

    headsup email receive --server https://bot.example.com --secret-file /etc/headsup/mail-answers < reply.eml

Reads a whole mail from standard input, as mail servers write it to a pipe. In Postfix's /etc/aliases, or a .forward, the call
stands in quotes behind a bar, with its whole path: bot: "|/usr/local/bin/headsup email receive …". It prints nothing when the
server has taken the mail, also one that it drops, such as an out of office reply. The exit code is 75 when the mail server is
to try again later: the server cannot be reached, or is busy. It is 65 for what is no mail, and 77 when the secret is wrong:
then the mail server tells the sender that the mail has not arrived.`
}

// Exit codes that mail servers understand (sysexits.h).
const (
	exitNoMail  = 65 // EX_DATAERR
	exitLater   = 75 // EX_TEMPFAIL
	exitRefused = 77 // EX_NOPERM
)

// exitWith is an error that has an exit code of its own.
type exitWith struct {
	error
	code int
}

// maxMail is more than the server takes.
const maxMail = 26 << 20

// Run posts the mail.
func (c *receiveMail) Run(ctx context.Context, s streams) error {
	text, err := secretfile.Read(c.SecretFile)
	if err != nil {
		return exitWith{fmt.Errorf("--secret-file: %w", err), exitLater}
	}
	secret, err := signed.ParseSecret(text)
	if err != nil {
		return exitWith{fmt.Errorf("--secret-file: %s: %w", c.SecretFile, err), exitLater}
	}
	mail, err := io.ReadAll(io.LimitReader(s.in, maxMail))
	if err != nil {
		return exitWith{fmt.Errorf("the mail cannot be read: %w", err), exitLater}
	}
	cfg, err := c.config()
	if err != nil {
		return exitWith{err, exitLater}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.Server, "/")+"/v1/channels/email/inbound", bytes.NewReader(mail))
	if err != nil {
		return exitWith{fmt.Errorf("--server: %w", err), exitLater}
	}
	r.Header.Set("Content-Type", "message/rfc822")
	signed.Headers(r.Header, []signed.Secret{secret}, "msg_"+rand.Text(), time.Now(), mail)
	h := http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if cfg.HTTPClient != nil {
		h.Transport = cfg.HTTPClient.Transport
	}
	resp, err := h.Do(r)
	if err != nil {
		return exitWith{c.explain(err), exitLater}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return exitWith{c.explain(err), exitLater}
	}
	refused := fmt.Errorf("%s answers %s: %s", c.Server, resp.Status, answer)
	switch resp.StatusCode {
	case http.StatusOK:
		if c.JSON {
			_, err = s.out.Write(append(bytes.TrimSpace(answer), '\n'))
		}
		return err
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return exitWith{refused, exitNoMail}
	case http.StatusUnauthorized:
		return exitWith{refused, exitRefused}
	case http.StatusNotFound:
		return exitWith{errors.Join(refused, errors.New("does the server have email.server and email.answers_secret?")), exitLater}
	}
	return exitWith{refused, exitLater}
}
