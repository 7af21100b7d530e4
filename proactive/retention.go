package proactive

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// Retention says how long what is over is kept. Zero keeps it for ever.
type Retention struct {
	// Content is for what was said, counted from when it was accepted: afterwards it can be neither read nor replayed.
	// What is under way keeps it.
	Content time.Duration
	// Records is for notifications and their deliveries with their history, counted from the last delivery's end. With
	// them go idempotency keys. At least a day, for those.
	Records time.Duration
}

// shortestRecords is how long at least idempotency keys are good for.
const shortestRecords = 24 * time.Hour

func (r Retention) validate() error {
	switch {
	case r.Content < 0:
		return fmt.Errorf("Retention.Content is %v; it must not be negative", r.Content)
	case r.Records != 0 && r.Records < shortestRecords:
		return fmt.Errorf("Retention.Records is %v; it must be at least %v, or 0", r.Records, shortestRecords)
	}
	return nil
}

const (
	// purgeAtOnce bounds one step of a purge in messages, and purgePause is the rest after one, so that deliveries hardly
	// notice.
	purgeAtOnce = 200
	purgePause  = 20 * time.Millisecond
	// purgeEvery is how often it is looked for what has become old meanwhile; every purgeWhole the walk begins anew, with
	// what was under way when it came by.
	purgeEvery = time.Hour
	purgeWhole = 24 * time.Hour
)

// retain forgets what is old until ctx ends.
func (e *Engine) retain(ctx context.Context) {
	r := e.cfg.Retention
	if r == (Retention{}) {
		return
	}
	var after outbox.MessageID
	for began := e.cfg.Now(); ctx.Err() == nil; {
		if now := e.cfg.Now(); now.Sub(began) >= purgeWhole {
			began, after = now, 0
		}
		var err error
		if after, err = e.purge(ctx, after); err != nil && ctx.Err() == nil {
			e.cfg.Logger.WarnContext(ctx, "old notifications stay", "error", err.Error())
		}
		rest(ctx, purgeEvery)
	}
}

// purge walks on from a message as far as there is something old, and returns how far it has come.
func (e *Engine) purge(ctx context.Context, after outbox.MessageID) (outbox.MessageID, error) {
	now, total := e.cfg.Now(), outbox.Purged{}
	defer func() {
		if total.Contents+total.Records > 0 {
			e.cfg.Logger.InfoContext(ctx, "purged", "contents", total.Contents, "records", total.Records)
		}
	}()
	p := outbox.Purge{After: after, Limit: purgeAtOnce}
	if d := e.cfg.Retention.Content; d != 0 {
		p.ContentBefore = now.Add(-d)
	}
	if d := e.cfg.Retention.Records; d != 0 {
		p.RecordsBefore = now.Add(-d)
	}
	for {
		done, err := e.cfg.Store.Purge(ctx, p)
		if err != nil {
			return p.After, err
		}
		total.Contents += done.Contents
		total.Records += done.Records
		if done.Next == 0 {
			_, err := e.cfg.Store.PurgeTemplates(ctx, e.cfg.AppID, now.Add(-templateGrace), purgeAtOnce)
			return p.After, err
		}
		p.After = done.Next
		rest(ctx, purgePause)
		if ctx.Err() != nil {
			return p.After, context.Cause(ctx)
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
