package cli

import (
	"context"
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
	Server string `default:"http://127.0.0.1:3978" env:"HEADSUP_SERVER" placeholder:"URL" help:"The running server (${default})."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (r remote) client() (*client.Client, error) {
	c, err := client.New(client.Config{BaseURL: r.Server, UserAgent: "headsup/" + strings.Trim(buildVersion(), "()")})
	if err != nil {
		return nil, usageError{fmt.Errorf("--server: %s", strings.TrimPrefix(err.Error(), "client: "))}
	}
	return c, nil
}

// explain says what a person can do about a call's error.
func (r remote) explain(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		if e.Problem.Code == "" {
			return fmt.Errorf("%s %s", r.Server, e.Problem.Detail)
		}
		return errors.New(inFlags(e.Problem))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server is running at %s; start one with \"headsup serve\", or name another with --server", r.Server)
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
		case "in", "at", "topic", "lane":
			name = "--" + name
		case "to.conversation", "to.user":
			name = "--" + strings.TrimPrefix(name, "to.")
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
