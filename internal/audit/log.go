package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Config makes a [Log].
type Config struct {
	// AppID is whose log it is.
	AppID string
	// Store keeps it. Required.
	Store Store
	// Key seals entries; nil is the plain chain.
	Key *Key
	// People is the key of the hashes that stand for people. Required; it stays the same as long as the log is kept.
	People []byte
	// Retention is how long entries are kept; 0 is for ever.
	Retention time.Duration
	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger
	// Now is the clock by which refusals are counted and entries become old; nil is time.Now. Entries have the store's.
	Now func() time.Time
}

// Log writes an app's audit log. A nil one writes nothing. Safe for concurrent use.
type Log struct {
	cfg      Config
	refusals refusals
}

// New makes a log. It does nothing by itself until [Log.Run].
func New(cfg Config) (*Log, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("audit: config: Store is required")
	case len(cfg.People) < minKey:
		return nil, errors.New("audit: config: People is required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Log{cfg: cfg, refusals: refusals{counts: make(map[refusal]*count)}}, nil
}

// Begin returns a context under which an act is done. It is written with the first change that a durable store makes
// under that context, or by [Log.Finish].
func (l *Log) Begin(ctx context.Context, a Act) (context.Context, *Pending) {
	if l == nil {
		return ctx, nil
	}
	p := &Pending{act: l.complete(ctx, a), open: a.Action != ""}
	return NewContext(ctx, p), p
}

// BeginMaybe is Begin for what is an act only once [Pending.Want] is called.
func (l *Log) BeginMaybe(ctx context.Context, a Act) (context.Context, *Pending) {
	ctx, p := l.Begin(ctx, a)
	p.Drop()
	return ctx, p
}

// Finish writes an act that no change has written. It is for acts that were done; call it before they are answered.
func (l *Log) Finish(ctx context.Context, p *Pending) error {
	a, open := p.Act()
	if l == nil || !open {
		return nil
	}
	if err := l.cfg.Store.WriteAudit(ctx, a); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	p.Written()
	return nil
}

// Write writes an act by itself.
func (l *Log) Write(ctx context.Context, a Act) error {
	if l == nil {
		return nil
	}
	if err := l.cfg.Store.WriteAudit(ctx, l.complete(ctx, a)); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

func (l *Log) complete(ctx context.Context, a Act) Act {
	a.AppID, a.Key = l.cfg.AppID, l.cfg.Key
	if span := trace.SpanContextFromContext(ctx); a.Trace == "" && span.HasTraceID() {
		a.Trace = span.TraceID().String()
	}
	return a
}

// Entries lists entries; the filter's AppID is the log's.
func (l *Log) Entries(ctx context.Context, f Filter) ([]Entry, error) {
	f.AppID = l.cfg.AppID
	return l.cfg.Store.AuditEntries(ctx, f)
}

// Ends returns where the log begins and ends.
func (l *Log) Ends(ctx context.Context) (Ends, error) { return l.cfg.Store.AuditEnds(ctx, l.cfg.AppID) }

// Seal tells how new entries are sealed.
func (l *Log) Seal() string { return l.cfg.Key.Seal() }

// Person names a person, or a conversation that may be one's, in the log: a keyed hash of what identifies them, by which
// entries can be found by those who know that, and nobody can be by the entries. kind is a word such as person or
// conversation.
func (l *Log) Person(kind string, id ...string) string {
	if l == nil {
		return ""
	}
	h := hmac.New(sha256.New, l.cfg.People)
	h.Write([]byte(kind))
	for _, part := range id {
		h.Write([]byte{0})
		h.Write([]byte(part))
	}
	return kind + ":" + hex.EncodeToString(h.Sum(nil)[:12])
}

const (
	flushEvery   = time.Minute
	cutEvery     = time.Hour
	cutAtOnce    = 5000
	flushTimeout = 5 * time.Second
)

// Run writes what was refused, once a minute and when ctx ends, and cuts off what is older than the retention.
func (l *Log) Run(ctx context.Context) {
	flush, cut := time.NewTicker(flushEvery), time.NewTicker(cutEvery)
	defer flush.Stop()
	defer cut.Stop()
	l.cut(ctx)
	for {
		select {
		case <-flush.C:
			l.flush(ctx, false)
		case <-cut.C:
			l.cut(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			l.flush(last, true)
			return
		}
	}
}

func (l *Log) flush(ctx context.Context, last bool) {
	acts := l.refusals.take(l.cfg.Now(), last)
	if len(acts) == 0 {
		return
	}
	for i := range acts {
		acts[i] = l.complete(ctx, acts[i])
	}
	if err := l.cfg.Store.WriteAudit(ctx, acts...); err != nil {
		l.cfg.Logger.WarnContext(ctx, "refusals not written to the audit log", "entries", len(acts), "error", err.Error())
	}
}

// cut removes entries that are old enough, and leaves one that says so.
func (l *Log) cut(ctx context.Context) {
	if l.cfg.Retention == 0 {
		return
	}
	before := l.cfg.Now().Add(-l.cfg.Retention)
	for {
		n, err := l.cfg.Store.CutAudit(ctx, l.cfg.AppID, before, cutAtOnce, func(foot Mark) Act {
			return l.complete(ctx, Act{Action: LogCut, Actor: Server, Detail: Detail{
				"through": foot.Number, "hash": foot.Hash.String(), "before": before.UTC().Format(time.RFC3339),
			}})
		})
		if err != nil && ctx.Err() == nil {
			l.cfg.Logger.WarnContext(ctx, "audit log not cut", "error", err.Error())
		}
		if err != nil || n < cutAtOnce {
			return
		}
	}
}
