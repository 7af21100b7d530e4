package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/examples/jobs"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

type serve struct {
	config.Serve
	Config kong.ConfigFlag `placeholder:"FILE" help:"YAML file with the same names as the flags, - written as _."`
}

// Run serves until ctx ends.
func (c serve) Run(ctx context.Context, s streams) error {
	cfg := server.Config{
		Listen: c.Listen, DataDir: c.Data, PublicURL: c.PublicURL, WebDir: c.WebDir,
		DirectLineSecret: c.DirectLineSecret, WebhookPrivate: c.WebhookPrivate, WebhookRetention: c.WebhookRetention,
		Version: buildVersion(), Logger: logger(s.err, c.LogLevel, c.LogFormat),
	}
	if c.Demo {
		cfg.Bot = func(e *proactive.Engine) headsup.Handler { return jobs.Bot(e) }
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// One thread is nearly always waiting for the disk; a processor more lets the others go on.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300) // little is kept in memory, and much passes through it
	}
	srv, err := server.New(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.out, banner(srv.URL(), srv.Pages())); err != nil {
		return err
	}
	return srv.Run(ctx)
}

func logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // the flag's enum leaves nothing else
	}
	opts := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// banner says where things are. Its first line is for programs too.
func banner(url string, pages bool) string {
	text := "headsup: listening on " + url + "\n" +
		"headsup: DEVELOPMENT MODE: no credentials; everybody on this machine may use it, nobody else can\n\n"
	if pages {
		text += "  Chat with the bot   " + url + "/playground\n"
	} else {
		text += "  The pages have not been built; \"make run\" builds them.\n"
	}
	return text +
		"  Messaging endpoint  " + url + "/api/messages\n" +
		"  API document        " + url + "/openapi.json\n\n" +
		"Once somebody has opened a chat, make the bot speak to everybody it knows:\n\n" +
		"  curl -X POST " + url + "/v1/notifications -H 'Content-Type: application/json' \\\n" +
		"    -d '{\"to\": {\"everyone\": true}, \"text\": \"Heads up!\"}'\n\n"
}
