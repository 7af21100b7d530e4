package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Statements are the same few again and again, and to parse and plan one costs more than to run it for a handful of rows.
// A connection that leads to one process of the server, the same for as long as it lasts, has them prepared there. Behind
// a pooler that gives out connections by transaction it may not: the statement would be known to a process that somebody
// else talks to next. Then only descriptions of statements are kept, by the client, and the server reads each anew.
//
// Which of the two it is shows at the start of a connection: the server says by which process it is served, for
// cancelling (PostgreSQL documentation, Frontend/Backend Protocol, BackendKeyData). A pooler makes that up, since it cannot
// know it yet, so that it differs from what the process answers that runs a statement.

// errPooled: a connection that was taken for one to a process of the server is not.
var errPooled = errors.New("postgres: the connection leads to a pooler")

// direct reports whether a connection leads to the process of the server that it was told of.
func direct(ctx context.Context, c *pgx.Conn) (bool, error) {
	var pid uint32
	err := c.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid == c.PgConn().PID(), err
}

// chooseMode has statements prepared if that may be, and the connection string asks for nothing else
// (default_query_exec_mode).
func chooseMode(ctx context.Context, url string, cc *pgx.ConnConfig) error {
	asked, err := pgx.ParseConfig(url)
	if err != nil || asked.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil //nolint:nilerr // it was parsed before
	}
	c, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	may, err := direct(ctx, c)
	if may {
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	return errors.Join(err, c.Close(ctx))
}

// settleIn makes a new connection ready. It refuses one on which statements would be prepared and may not.
func settleIn(ctx context.Context, c *pgx.Conn) error {
	if c.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil
	}
	may, err := direct(ctx, c)
	switch {
	case err != nil:
		return err
	case !may:
		return errPooled
	}
	c.PgConn().CustomData()[planned] = plans{at: time.Now(), good: shortestPlan}
	_, err = c.Exec(ctx, "SET enable_seqscan = off; SET jit = off; SET statement_timeout = '"+statementTimeout+
		"'; SET lock_timeout = '"+lockTimeout+"'; SET idle_in_transaction_session_timeout = '"+idleTimeout+"'", pgx.QueryExecModeSimpleProtocol)
	return err
}

// settledIn reports whether a connection is one that settleIn has made settings for.
func settledIn(c *pgx.Conn) bool {
	_, ok := c.PgConn().CustomData()[planned].(plans)
	return ok
}

// Plans are kept with prepared statements, also those that were made while a table was almost empty, until somebody
// analyses it. So they are made anew now and then: soon on a new connection, and later more and more seldom.
const (
	shortestPlan = time.Second
	longestPlan  = time.Minute
)

// planned is where a connection has its plans.
const planned = "headsup plans"

// plans are as old as the time, and good for so long.
type plans struct {
	at   time.Time
	good time.Duration
}

// planAnew has a connection that is about to be used forget its plans if they are old.
func planAnew(ctx context.Context, c *pgx.Conn) (bool, error) {
	p, prepared := c.PgConn().CustomData()[planned].(plans)
	if !prepared || time.Since(p.at) < p.good {
		return true, nil
	}
	c.PgConn().CustomData()[planned] = plans{at: time.Now(), good: min(2*p.good, longestPlan)}
	if _, err := c.Exec(ctx, "DISCARD PLANS", pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, nil //nolint:nilerr // the pool closes it, and takes another one
	}
	return true, nil
}
