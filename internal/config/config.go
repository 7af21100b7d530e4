// Package config is the operator's configuration: one struct that is flags, environment and file. A flag goes before
// the environment, that before the file, and that before the default.
package config

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// Serve configures "headsup serve". The file's keys are the flags' names with underscores.
type Serve struct {
	Listen           string        `default:"127.0.0.1:3978" env:"HEADSUP_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on; port 0 picks a free one. Without credentials only loopback is allowed (${default})."`
	Data             string        `default:"./headsup-data" env:"HEADSUP_DATA" placeholder:"DIR" help:"Directory that everything is kept in; created if missing (${default})."`
	PublicURL        string        `name:"public-url" env:"HEADSUP_PUBLIC_URL" placeholder:"URL" help:"Address by which others reach the server. The listening address, if not given."`
	DirectLineSecret string        `name:"directline-secret" env:"HEADSUP_DIRECTLINE_SECRET" placeholder:"SECRET" help:"Secret by which other servers ask the embedded Direct Line channel for tokens; better set in the environment."`
	WebDir           string        `name:"web-dir" env:"HEADSUP_WEB_DIR" placeholder:"DIR" help:"Serve the pages from a folder instead of those built in."`
	WebhookPrivate   bool          `name:"webhook-private" env:"HEADSUP_WEBHOOK_PRIVATE" help:"Let webhooks be on this machine and in private networks, with http too. In development mode they may."`
	WebhookRetention time.Duration `name:"webhook-retention" default:"72h" env:"HEADSUP_WEBHOOK_RETENTION" placeholder:"DURATION" help:"How long events are kept for webhooks that do not take them (${default})."`
	LogLevel         string        `name:"log-level" default:"info" enum:"debug,info,warn,error" env:"HEADSUP_LOG_LEVEL" help:"What to log, to standard error: ${enum} (${default})."`
	LogFormat        string        `name:"log-format" default:"text" enum:"text,json" env:"HEADSUP_LOG_FORMAT" help:"How to log: ${enum} (${default})."`
	Demo             bool          `env:"HEADSUP_DEMO" help:"Host the job bot, to try things with."`
}

// File reads a YAML file as a source of flags. An unknown key, a key given twice and a value that is not a plain one
// are errors.
func File(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, err
	}
	values := make(map[string]any)
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("not valid YAML: %s", strings.SplitN(yaml.FormatError(err, false, false), "\n", 2)[0])
	}
	for key, value := range values {
		switch value.(type) {
		case map[string]any, []any, nil:
			return nil, fmt.Errorf("%s: must be a single value", key)
		}
	}
	return file{values: values}, nil
}

type file struct {
	values map[string]any
}

// Validate implements [kong.Resolver]: it names every key that no flag has of a command that reads a file.
func (f file) Validate(app *kong.Application) error {
	known := make(map[string]bool)
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if command, ok := node.(*kong.Node); ok && slices.ContainsFunc(command.Flags, isConfig) {
			for _, flag := range command.Flags {
				known[keyOf(flag)] = true
			}
		}
		return next(nil)
	})
	var unknown []string
	for key := range f.values {
		if !known[key] {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("configuration file: unknown key %s", strings.Join(unknown, ", "))
}

// Resolve implements [kong.Resolver].
func (f file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Tag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil // the environment goes first
		}
	}
	value, ok := f.values[keyOf(flag)]
	if !ok {
		return nil, nil
	}
	return fmt.Sprint(value), nil
}

func isConfig(flag *kong.Flag) bool { return flag.Name == "config" }

func keyOf(flag *kong.Flag) string { return strings.ReplaceAll(flag.Name, "-", "_") }
