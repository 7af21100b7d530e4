package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"github.com/headsup-bot/headsup/internal/config"
)

// Model is every command, for the reference.
func Model() *kong.Application {
	return newParser(new(commands), io.Discard, io.Discard, func(int) {}).Model
}

// Parse reads a command line without running it.
func Parse(args []string) error {
	parser := newParser(new(commands), io.Discard, io.Discard, func(int) {})
	config.NewLoader(os.Environ()).Attach(parser)
	_, err := parser.Parse(args)
	return err
}

// QuietLogger is the logger of the server.
func QuietLogger(w io.Writer, level, format string) (*slog.Logger, func()) {
	return quietLogger(w, level, format)
}
