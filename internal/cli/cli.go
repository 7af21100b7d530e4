// Package cli is the command line: flags in, output and exit codes out. [Main] is the whole program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/headsup-bot/headsup/internal/config"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

type commands struct {
	Serve         serve         `cmd:"" help:"Run the server."`
	Send          send          `cmd:"" help:"Make the bot say something."`
	Notifications notifications `cmd:"" help:"See what became of what was said."`
	Webhooks      webhooks      `cmd:"" help:"Say where events are posted to."`
	Listen        listen        `cmd:"" help:"Print events as they happen."`
	Version       version       `cmd:"" help:"Print the version."`
}

// streams are where commands read and write.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a wrong call that only the command itself can see.
type usageError struct {
	error
}

// Main runs the program and returns its exit code: 0 when all is well, 1 when something failed, 2 when it was called
// wrongly. It ends early when the process is asked to stop with SIGINT or SIGTERM; a second signal ends it at once.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cmd commands
	left := -1 // set when kong wants to leave, after --help
	parser, err := kong.New(&cmd,
		kong.Name("headsup"),
		kong.Description("Headsup lets a bot speak first."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { left = code }),
		kong.Configuration(config.File),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the grammar is fixed; a test parses every command
	}
	parsed, err := parser.Parse(args)
	if left >= 0 {
		return left
	}
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal kills
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(streams{stdin, stdout, stderr})
	if err := parsed.Run(); err != nil {
		complain(stderr, err)
		if _, wrong := errors.AsType[usageError](err); wrong {
			return exitUsage
		}
		return exitError
	}
	return exitOK
}

// complain writes an error as one line.
func complain(w io.Writer, err error) {
	_, _ = fmt.Fprintln(w, "headsup: "+printable(strings.ReplaceAll(err.Error(), "\n", "; ")))
}

type version struct{}

// Run prints the version.
func (version) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "headsup", buildVersion())
	return err
}

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
