package postgres

import (
	"context"
	"time"
)

// Hindrance is what keeps the database from clearing away row versions that nobody needs. As long as the oldest snapshot of
// anybody's transaction lasts, in this database, none that is younger can go. Work goes on, but tables grow.
type Hindrance struct {
	// DeadRows is how many versions of this installation's rows wait to be cleared away, as far as the database's statistics
	// tell.
	DeadRows int64
	// Age is how old the oldest snapshot is, by the time at which its transaction began; 0 when there is none, or none of which
	// this role is told: of others' transactions that needs membership in the role pg_read_all_stats.
	Age time.Duration
	// PID is the process of the server that has it, and Application what its client calls itself.
	PID         int64
	Application string
}

// oldestSnapshot is the one that holds up most, in this database.
const oldestSnapshot = `SELECT pid, coalesce(application_name, ''), coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 FROM pg_stat_activity
	WHERE datname = current_database() AND backend_xmin IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
	ORDER BY age(backend_xmin) DESC, xact_start LIMIT 1`

// Hindrance tells what holds up the clearing away of rows.
func (s *Store) Hindrance(ctx context.Context) (h Hindrance, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		h = Hindrance{}
		if err := q.QueryRow(ctx, "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables WHERE schemaname = current_schema()").Scan(&h.DeadRows); err != nil {
			return err
		}
		rows, err := q.Query(ctx, oldestSnapshot)
		if err != nil {
			return err
		}
		defer rows.Close()
		var seconds float64
		for rows.Next() {
			if err := rows.Scan(&h.PID, &h.Application, &seconds); err != nil {
				return err
			}
			h.Age = time.Duration(seconds * float64(time.Second))
		}
		return rows.Err()
	})
	return h, err
}

const (
	// longSnapshot is how old a snapshot is of which a warning tells. No transaction of ours lasts that long.
	longSnapshot = time.Minute
	// hindranceEvery is how often it is looked for one.
	hindranceEvery = 10 * time.Second
)

// warnOfHindrance tells once of each transaction that has kept rows from being cleared away for so long. told is the process
// of which it has told last.
func (s *Store) warnOfHindrance(ctx context.Context, long time.Duration, told *int64) error {
	h, err := s.Hindrance(ctx)
	if err != nil {
		return err
	}
	switch {
	case h.Age < long:
		*told = 0
	case h.PID != *told:
		*told = h.PID
		s.cfg.Logger.WarnContext(ctx, "somebody's transaction keeps the database from clearing away old rows", "pid", h.PID,
			"application", h.Application, "age", h.Age.Round(time.Second), "dead_rows", h.DeadRows)
	}
	return nil
}
