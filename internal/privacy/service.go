package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/headsup-bot/headsup/internal/ident"
)

// Config makes a [Service].
type Config struct {
	// AppID is the bot's.
	AppID string
	// Store is required.
	Store Store
	// Content is how long the embedded channel keeps what was said and files, and Records how long it keeps that something
	// was said; zero is for ever.
	Content, Records time.Duration
	// Silenced is called when people have been silenced, here and not on other nodes: conversations of the embedded channel
	// have ended, of which those who watch them have not heard. Nil tells nobody.
	Silenced func(context.Context)
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Logger hears of erasures by their ids, never of people. Nil discards.
	Logger *slog.Logger
}

// Service tells and erases what is kept of people, and forgets what is old of the embedded channel. Make it with [New];
// it is safe for concurrent use.
type Service struct {
	cfg  Config
	more chan struct{} // has a token when an erasure has begun
}

// New checks the configuration.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("privacy: Store is required")
	case cfg.Content < 0 || cfg.Records < 0:
		return nil, errors.New("privacy: Content and Records must not be negative")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, more: make(chan struct{}, 1)}, nil
}

const (
	// silenceWithin is how long a caller waits until nothing is said any more; it goes on without them.
	silenceWithin = 20 * time.Second
	// eraseAtOnce is about how many rows one step erases, and erasePause the rest after it, so that deliveries hardly notice.
	eraseAtOnce = 200
	erasePause  = 10 * time.Millisecond
	// erasePoll is how often it is looked for what another process has left.
	erasePoll = 30 * time.Second
	// openAtOnce is how many erasures are looked at together.
	openAtOnce = 20
	// purgeEvery is how often the transcripts are walked through, and purgeAtOnce how much of them in one step.
	purgeEvery  = 24 * time.Hour
	purgeAtOnce = 200
)

// People lists the entries that w means, or returns [ErrNotFound].
func (s *Service) People(ctx context.Context, w Who) ([]Entry, error) {
	w.AppID = s.cfg.AppID
	entries, err := s.cfg.Store.People(ctx, w)
	if err == nil && len(entries) == 0 {
		err = ErrNotFound
	}
	return entries, err
}

// Export calls yield with everything that is kept of the entries, which it may do a million times.
func (s *Service) Export(ctx context.Context, entries []Entry, yield func(Record) error) error {
	for _, e := range entries {
		if err := s.cfg.Store.ExportPerson(ctx, e, yield); err != nil {
			return err
		}
	}
	return nil
}

// Erase begins to erase what is kept of entries, and returns when nothing is said to them any more, or after some seconds, if something
// that is being said takes so long: the result's SilentAt tells which. From the moment that it returns without an error,
// the erasure goes on by itself until it is done, whatever is killed; see [Store.Silence] for what is promised.
func (s *Service) Erase(ctx context.Context, entries []Entry) (Erasure, error) {
	x := Erasure{ID: ErasureID(ident.New()), AppID: s.cfg.AppID, Entries: entries, StartedAt: s.cfg.Now()}
	if err := s.cfg.Store.BeginErasure(ctx, x); err != nil {
		return Erasure{}, err
	}
	s.cfg.Logger.InfoContext(ctx, "erasure begun", "erasure_id", x.ID.String(), "entries", len(entries))
	defer s.wake()
	soon, cancel := context.WithTimeout(ctx, silenceWithin)
	defer cancel()
	if err := s.silence(soon, x.ID); err != nil && soon.Err() == nil {
		s.cfg.Logger.WarnContext(ctx, "erasure held up", "erasure_id", x.ID.String(), "error", err.Error())
	}
	return s.cfg.Store.Erasure(context.WithoutCancel(ctx), s.cfg.AppID, x.ID)
}

// Erasure returns an erasure as it stands, or [ErrNoErasure].
func (s *Service) Erasure(ctx context.Context, id ErasureID) (Erasure, error) {
	return s.cfg.Store.Erasure(ctx, s.cfg.AppID, id)
}

func (s *Service) wake() {
	select {
	case s.more <- struct{}{}:
	default: // it is told already
	}
}

// Run goes on with erasures, those of before and those that begin, and purges transcripts, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	poll := time.NewTicker(erasePoll)
	defer poll.Stop()
	var purged time.Time
	for ctx.Err() == nil {
		if err := s.eraseAll(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "erasures held up", "error", err.Error())
		}
		if now := s.cfg.Now(); now.Sub(purged) >= purgeEvery {
			purged = now
			if err := s.purge(ctx, now); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "old transcripts stay", "error", err.Error())
			}
		}
		select {
		case <-s.more:
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// eraseAll brings open erasures to their end. One that fails does not hold up the others.
func (s *Service) eraseAll(ctx context.Context) error {
	open, err := s.cfg.Store.Erasing(ctx, openAtOnce)
	if err != nil {
		return err
	}
	var failed error
	for _, x := range open {
		if err := s.erase(ctx, x); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", x.ID, err))
		}
	}
	if failed == nil && len(open) == openAtOnce {
		s.wake()
	}
	return failed
}

func (s *Service) erase(ctx context.Context, x Erasure) error {
	if len(x.Entries) > 0 {
		if err := s.silence(ctx, x.ID); err != nil {
			return err
		}
		if err := s.repeat(ctx, func() (bool, error) { return s.cfg.Store.Erase(ctx, x.ID, eraseAtOnce) }); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.FinishErasure(ctx, x.ID, s.cfg.Now()); err != nil {
		return err
	}
	s.cfg.Logger.InfoContext(ctx, "erasure done", "erasure_id", x.ID.String())
	return nil
}

// silence silences a person. Streams are told even if it was cut short: some conversations may have ended.
func (s *Service) silence(ctx context.Context, id ErasureID) error {
	if s.cfg.Silenced != nil {
		defer s.cfg.Silenced(context.WithoutCancel(ctx))
	}
	return s.repeat(ctx, func() (bool, error) { return s.cfg.Store.Silence(ctx, id, s.cfg.Now()) })
}

// repeat calls step until there is no more to do, with a rest after each.
func (s *Service) repeat(ctx context.Context, step func() (more bool, err error)) error {
	for {
		more, err := step()
		if err != nil || !more {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

func rest(ctx context.Context) error {
	t := time.NewTimer(erasePause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// purge walks through the transcripts once.
func (s *Service) purge(ctx context.Context, now time.Time) error {
	p := TranscriptPurge{Limit: purgeAtOnce}
	if s.cfg.Content > 0 {
		p.ContentBefore = now.Add(-s.cfg.Content)
	}
	if s.cfg.Records > 0 {
		p.RecordsBefore = now.Add(-s.cfg.Records)
	}
	if p.ContentBefore.IsZero() && p.RecordsBefore.IsZero() {
		return nil
	}
	var total TranscriptPurged
	err := s.repeat(ctx, func() (more bool, err error) {
		done, err := s.cfg.Store.PurgeTranscripts(ctx, p)
		total.Contents += done.Contents
		total.Records += done.Records
		total.Files += done.Files
		total.Unused += done.Unused
		p.After = done.Next
		return done.Next != (TranscriptMark{}), err
	})
	if total.Contents+total.Records+total.Files+total.Unused > 0 {
		s.cfg.Logger.InfoContext(ctx, "transcripts purged", "contents", total.Contents, "records", total.Records, "files", total.Files,
			"unused", total.Unused)
	}
	return err
}
