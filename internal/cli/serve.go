package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/examples/jobs"
	"github.com/headsup-bot/headsup/examples/survey"
	"github.com/headsup-bot/headsup/examples/travel"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/internal/headroom"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

type serve struct {
	config.Flags
}

// demos are the bots to try things with.
var demos = map[string]func(*proactive.Engine) (headsup.Handler, error){
	"jobs":   func(e *proactive.Engine) (headsup.Handler, error) { return jobs.Bot(e), nil },
	"travel": func(e *proactive.Engine) (headsup.Handler, error) { return travel.New(e) },
	"survey": func(e *proactive.Engine) (headsup.Handler, error) { return survey.New(e) },
}

// Help shows examples.
func (serve) Help() string {
	return `Examples:

    headsup serve
    headsup serve --demo travel
    headsup serve --demo --listen 127.0.0.1:4000 --data /var/lib/headsup
    headsup serve --config headsup.yaml

The first line of the output says where the server listens. SIGTERM or SIGINT ends it in good order, a second one at once.`
}

// Run serves until ctx ends.
func (c serve) Run(ctx context.Context, s streams, l *config.Loader) error {
	loaded, err := loadServer(l)
	if err != nil {
		return err
	}
	cfg := serverConfig(loaded)
	cfg.ConfigHash = configHash(loaded)
	log, end := quietLogger(s.err, loaded.LogLevel, loaded.LogFormat)
	defer end()
	cfg.Logger = log
	if bot, ok := demos[loaded.Demo]; ok {
		cfg.Demo = true
		cfg.Bot = bot
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// One thread is nearly always waiting for the disk; a processor more lets the others go on.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if os.Getenv("GOGC") == "" {
		headroom.Keep() // little is kept in memory, and much passes through it
	}
	srv, err := server.New(ctx, cfg)
	if err != nil {
		return loaded.Explain(err)
	}
	if _, err := fmt.Fprint(s.out, banner(srv)); err != nil {
		return err
	}
	return srv.Run(ctx)
}

// configHash tells configurations apart: it is over all settings as "headsup config print" shows them, so without secrets.
func configHash(loaded config.Loaded) string {
	h := sha256.New()
	for _, v := range loaded.Values() {
		_, _ = fmt.Fprintf(h, "%q %q\n", v.Path, v.Value) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// maxLogged bounds a text in the log, in bytes, so that nobody fills the disk through it.
const maxLogged = 8 << 10

// logger writes one line per event. What others have sent stays within its line and is cut when it is long.
func logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // the setting's enum leaves nothing else
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(cut(a.Value.String()))
		}
		return a
	}}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// quietLogger is a logger that never holds up who logs. What is left over is written when it ends.
func quietLogger(w io.Writer, level, format string) (log *slog.Logger, end func()) {
	sink := newLogSink(w, func(lines int) {
		log.WarnContext(context.Background(), "lines of the log were dropped", "lines", lines)
	})
	return logger(sink, level, format), func() { sink.close(logPatience) }
}

// logPatience is how long the last lines may take.
const logPatience = time.Second

func cut(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}
