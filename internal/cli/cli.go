// Package cli is the command line: flags in, output and exit codes out. [Main] is the whole program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	Serve         serve                `cmd:"" help:"Run the server."`
	Playground    playground           `cmd:"" help:"Try any bot in the browser, without a cloud."`
	Send          send                 `cmd:"" help:"Make the bot say something."`
	Jobs          jobCommands          `cmd:"" help:"Start long work, and tell its end."`
	Schedules     scheduleCommands     `cmd:"" help:"Say things at times, and again and again."`
	Notifications notifications        `cmd:"" help:"See what became of what was said, and change it."`
	Deliveries    deliveryCommands     `cmd:"" help:"See the ways to single conversations, and try again."`
	Conversations conversationCommands `cmd:"" help:"See whom the bot knows, and file them under your own words."`
	Import        importReferences     `cmd:"" help:"Bring what other bots and SDKs have stored of conversations."`
	People        peopleCommands       `cmd:"" help:"Export what is kept of a person, or erase it."`
	Teams         teamsCommands        `cmd:"" help:"Make the bot an app of Microsoft Teams."`
	Email         emailCommands        `cmd:"" help:"Give the server mails that have come in."`
	Webhooks      webhooks             `cmd:"" help:"Say where events are posted to."`
	Listen        listen               `cmd:"" help:"Print events as they happen."`
	Preferences   preferenceCommands   `cmd:"" help:"See and change what people want to be told."`
	Templates     templateCommands     `cmd:"" help:"Write templates of what is said often, and see how they are shown."`
	Topics        topicCommands        `cmd:"" help:"See what goes for topics."`
	Pauses        pauseCommands        `cmd:"" help:"See what is left alone because a channel asks for it."`
	Key           keys                 `cmd:"" help:"Make, list and revoke API keys."`
	Auth          authCommands         `cmd:"" help:"Look after the keys of those who call."`
	SigningKey    signing              `cmd:"" name:"signing-key" help:"List and replace what tokens are signed with."`
	Audit         auditCommands        `cmd:"" help:"See who did what, and check that the record is whole."`
	Backup        backup               `cmd:"" help:"Copy everything that the server keeps into a file."`
	Restore       restore              `cmd:"" help:"Make a data directory from a backup."`
	Simulate      simulate             `cmd:"" help:"Tell many people something on a channel that only pretends, and see how it went."`
	FakeChannel   fakeChannel          `cmd:"" name:"fake-channel" help:"Be a channel that only pretends, for tests of bots."`
	Doctor        doctorCommand        `cmd:"" help:"Say what is wrong with the installation, and what to do."`
	Config        configuration        `cmd:"" help:"Look at the configuration."`
	Completion    completion           `cmd:"" help:"Print the completion script of a shell."`
	Version       version              `cmd:"" help:"Print the version."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
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
// wrongly; commands for other programs may have codes of their own. It ends early when the process is asked to stop with SIGINT or SIGTERM; a second signal ends it at once.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cmd commands
	left := -1 // set when kong wants to leave, after --help
	parser := newParser(&cmd, stdout, stderr, func(code int) { left = code })
	if len(args) > 0 && args[0] == completeWord {
		if err := complete(stdout, parser.Model, args[1:]); err != nil {
			return exitError
		}
		return exitOK
	}
	if err := noKeyIn(args); err != nil {
		complain(stderr, err)
		return exitUsage
	}
	loader := config.NewLoader(os.Environ())
	loader.Attach(parser)
	parsed, err := parser.Parse(args)
	if left >= 0 {
		return left
	}
	if err == nil && !bystander(parsed) && !loader.Loads(parsed) { // which tells it with all the rest
		if unknown := loader.Unknown(); len(unknown) > 0 {
			err = unknown
		}
	}
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(streams{stdin, stdout, stderr}, loader)
	if err := parsed.Run(); err != nil {
		complain(stderr, err)
		if _, wrong := config.ProblemsOf(err); wrong {
			return exitUsage
		}
		if _, wrong := errors.AsType[usageError](err); wrong {
			return exitUsage
		}
		if own, ok := errors.AsType[exitWith](err); ok {
			return own.code
		}
		return exitError
	}
	return exitOK
}

// bystander reports whether a command has nothing to do with settings, and works whatever is wrong with them.
func bystander(parsed *kong.Context) bool {
	name, _, _ := strings.Cut(parsed.Command(), " ")
	return name == "version" || name == "completion"
}

// newParser knows every command; it fills cmd.
func newParser(cmd *commands, stdout, stderr io.Writer, exit func(code int)) *kong.Kong {
	parser, err := kong.New(cmd,
		kong.Name("headsup"),
		kong.Description("Headsup lets a bot speak first."),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": "headsup " + buildVersion()},
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the grammar is fixed; a test parses every command
	}
	return parser
}

// untilSignal returns a context that ends when the process is asked to stop. By then signals do again what they do to
// any process, so that the next one kills.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		select {
		case <-asked:
		case <-ctx.Done():
		}
		signal.Stop(asked)
	}()
	return ctx, func() { cancel(); <-ended }
}

// complain writes an error as one line, and problems of the configuration as one each.
func complain(w io.Writer, err error) {
	if problems, ok := config.ProblemsOf(err); ok && len(problems) > 1 {
		for _, p := range problems {
			complain(w, p)
		}
		return
	}
	_, _ = fmt.Fprintln(w, "headsup: "+printable(strings.ReplaceAll(err.Error(), "\n", "; ")))
}
