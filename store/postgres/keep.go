package postgres

import (
	"context"
	"errors"
	"time"
)

// The household is done by every node; steps that several do at once share the rows.
const (
	keepAnswers  = 24 * time.Hour
	keepTokens   = "10 minutes" // of commits; nobody asks for one that is older
	forgetAtOnce = 1000
)

// forgetOld deletes what is old, a few rows in each transaction.
func (s *Store) forgetOld(ctx context.Context) error {
	for more := true; more && ctx.Err() == nil; {
		if err := s.write(ctx, func(ctx context.Context, t *tx) error {
			tag, err := t.Exec(ctx, `DELETE FROM inbound WHERE ctid = ANY (ARRAY (
				SELECT ctid FROM inbound WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`, s.cfg.Now().Add(-keepAnswers), forgetAtOnce)
			more = tag.RowsAffected() == forgetAtOnce
			return err
		}); err != nil {
			return err
		}
	}
	if s.cfg.Pace.Shared() {
		if err := errors.Join(s.forgetShares(ctx), s.forgetPauses(ctx), s.forgetCalls(ctx)); err != nil {
			return err
		}
	}
	return s.foldCommits(ctx)
}

// foldCommits adds old rows of commits up into the first. Whoever holds that one's lock does it alone.
func (s *Store) foldCommits(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `WITH base AS MATERIALIZED (SELECT token FROM commits WHERE token = 0 FOR UPDATE SKIP LOCKED),
			old AS (DELETE FROM commits c USING base WHERE c.token <> 0 AND c.at < clock_timestamp() - $1::text::interval RETURNING c.*),
			added AS (SELECT coalesce(sum(scheduled), 0)::bigint AS scheduled, coalesce(sum(ready), 0)::bigint AS ready,
				coalesce(sum(held), 0)::bigint AS held, coalesce(sum(sending), 0)::bigint AS sending,
				coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(failed), 0)::bigint AS failed,
				coalesce(sum(unknown), 0)::bigint AS unknown, coalesce(sum(expired), 0)::bigint AS expired,
				coalesce(sum(suppressed), 0)::bigint AS suppressed, coalesce(sum(cancelled), 0)::bigint AS cancelled FROM old)
			UPDATE commits c SET scheduled = c.scheduled + a.scheduled, ready = c.ready + a.ready, held = c.held + a.held,
				sending = c.sending + a.sending, delivered = c.delivered + a.delivered, failed = c.failed + a.failed,
				unknown = c.unknown + a.unknown, expired = c.expired + a.expired, suppressed = c.suppressed + a.suppressed,
				cancelled = c.cancelled + a.cancelled
			FROM added a, base b WHERE c.token = b.token`, keepTokens)
		return err
	})
}
