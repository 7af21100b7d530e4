package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// remote are the flags of a command that goes through the running server.
type remote struct {
	Server  string `env:"HEADSUP_SERVER" placeholder:"URL" help:"The running server. That of --data, if not given, or http://127.0.0.1:3978."`
	KeyFile string `name:"key-file" env:"HEADSUP_KEY_FILE" placeholder:"FILE" help:"File whose first line is the API key, closed to others. A key may also be in HEADSUP_KEY; no flag takes it, since flags are seen by all users of a machine."`
	Data    string `default:"./headsup-data" env:"HEADSUP_DATA" placeholder:"DIR" help:"Data directory of a server on this machine: the user who runs it needs no key (${default})."`
	CAFile  string `name:"ca-file" env:"HEADSUP_CA_FILE" placeholder:"FILE" help:"Certificates, as PEM, that vouch for the server beside those that the system knows, such as a company's own authority. With --data those of tls.cert_file are trusted."`
	JSON    bool   `name:"json" help:"Print the answer as JSON."`

	own     bool  // the key is that of Data
	missing error // why there is none there
	named   bool  // the caller has said which server
}

func (r *remote) client() (*client.Client, error) {
	cfg, err := r.config()
	if err != nil {
		return nil, usageError{err}
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, usageError{fmt.Errorf("--server: %s", strings.TrimPrefix(err.Error(), "client: "))}
	}
	return c, nil
}

// explain says what a person can do about a call's error.
func (r *remote) explain(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		switch e.Problem.Code {
		case "":
			return fmt.Errorf("%s %s", r.Server, e.Problem.Detail)
		case api.CodeUnauthorized:
			return fmt.Errorf("%s: %s", r.Server, r.keyHint(e.Problem.Detail))
		}
		return errors.New(inFlags(e.Problem))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		where := ""
		if !r.named {
			where = r.whereFrom()
		}
		return fmt.Errorf("no server is running at %s%s; start one with \"headsup serve\", or name another with --server", r.Server, where)
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("cannot reach %s: its certificate is of an authority that this system does not know; name that one's certificates with --ca-file", r.Server)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("cannot reach %s: %w", r.Server, u.Err)
	}
	return fmt.Errorf("%s: %w", r.Server, err)
}

// inFlags is a problem's sentence with the names that the command line has for fields.
func inFlags(p api.Problem) string {
	if p.Code == api.CodeInvalidField && len(p.Errors) > 0 {
		f := p.Errors[0]
		name := strings.TrimPrefix(f.Field, "body.")
		switch name {
		case "header.Idempotency-Key":
			name = "--key"
		case "conversation":
			name = "--new"
		case "rule.fallback_zone", "notification.expires_in", "rule.in", "rule.at", "rule.cron", "rule.rrule", "rule.start", "rule.until", "rule.zone", "grace", "missed":
			_, member, nested := strings.Cut(name, ".")
			if !nested {
				member = name
			}
			name = "--" + strings.ReplaceAll(member, "_", "-")
		case "in", "at", "topic", "lane", "percent", "locale", "name", "value", "markdown", "card", "activity", "summary":
			name = "--" + name
		case "rate_per_minute":
			name = "--rate"
		case "expires_at":
			name = "--expires"
		case "to.conversation", "to.user", "to.tag", "to.external_id":
			name = "--" + strings.ReplaceAll(strings.TrimPrefix(name, "to."), "_", "-")
		}
		if strings.HasPrefix(name, "scopes") {
			name = "--scope"
		}
		return name + ": " + f.Message
	}
	return p.Detail
}

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	if err := json.MarshalWrite(w, v, jsontext.WithIndent("  "), json.FormatNilSliceAsNull(false)); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// printable keeps what others have written from moving the terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
