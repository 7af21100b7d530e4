package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// conn is a connection with the statements that were prepared on it. It is used without database/sql, whose pool and
// locks cost as much as a small statement. Not safe for concurrent use.
//
// Statements that are run often have +? where SQLite's planner would look at the value of a bare parameter, since it
// prepares a statement anew when such a value changes: limits, ranges, and equalities whose value is sometimes 0 or 1.
type conn struct {
	dc    driver.Conn
	stmts map[string]stmt
	args  []driver.NamedValue
	dest  []driver.Value
}

type stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// dsn names an existing database file and how connections to it behave.
func dsn(path string, pragmas ...string) string {
	q := url.Values{
		"mode":    {"rw"}, // never makes a file
		"_txlock": {"immediate"},
		"_pragma": append([]string{"busy_timeout(5000)", "foreign_keys(1)", "trusted_schema(0)"}, pragmas...),
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// writerDSN: a log that is synced at every commit and written back every 4 MiB, so that a commit is never held up for
// long; deleted content is overwritten, which costs nothing that can be measured.
func writerDSN(path string) string {
	return dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(1000)", "secure_delete(1)",
		"temp_store(MEMORY)", "cache_size(-16384)")
}

func readerDSN(path string) string {
	return dsn(path, "query_only(1)", "cache_size(-8192)")
}

func openConn(name string) (*conn, error) {
	dc, err := new(sqlite.Driver).Open(name)
	if err != nil {
		return nil, err
	}
	return &conn{dc: dc, stmts: make(map[string]stmt)}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.dc.Close())...)
}

func (c *conn) prepare(sql string) (stmt, error) {
	if st, ok := c.stmts[sql]; ok {
		return st, nil
	}
	prepared, err := c.dc.Prepare(sql)
	if err != nil {
		return nil, err
	}
	st, ok := prepared.(stmt)
	if !ok {
		return nil, fmt.Errorf("%T does not execute with a context", prepared)
	}
	c.stmts[sql] = st
	return st, nil
}

// bind makes the arguments ready for the driver: times become microseconds, empty strings and slices NULL. Columns that
// are never NULL get their strings as text.
func (c *conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch x := a.(type) {
		case string:
			if x == "" {
				a = nil
			}
		case text:
			a = string(x)
		case []byte:
			if len(x) == 0 {
				a = nil
			}
		case time.Time:
			a = micros(x)
		case int:
			a = int64(x)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// text is a string that is stored as it is, even when it is empty.
type text string

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(sql string, args ...any) (int64, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// interruptible runs a long statement, which ends early with an error when ctx does.
func (c *conn) interruptible(ctx context.Context, sql string, args ...any) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, c.bind(args))
	return err
}

// each runs a query and calls f with every row. The row belongs to f until it returns; its values may be kept.
func (c *conn) each(f func(row) error, sql string, args ...any) (err error) {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return err
	}
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	n := len(rows.Columns())
	dest := c.dest // a query inside f gets its own
	c.dest = nil
	defer func() { c.dest = dest }()
	dest = slices.Grow(dest[:0], n)[:n]
	for {
		switch err := rows.Next(dest); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := f(dest); err != nil {
			return err
		}
	}
}

// one runs a query and calls f with its first row; it reports whether there is one.
func (c *conn) one(f func(row), sql string, args ...any) (found bool, err error) {
	err = c.each(func(r row) error {
		if !found {
			found = true
			f(r)
		}
		return nil
	}, sql, args...)
	return found, err
}

// row is one result of a query.
type row []driver.Value

func (r row) int(i int) int64 {
	n, _ := r[i].(int64) // NULL is 0
	return n
}

func (r row) bool(i int) bool { return r.int(i) != 0 }

func (r row) text(i int) string {
	switch v := r[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r row) bytes(i int) []byte {
	switch v := r[i].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

func (r row) time(i int) time.Time { return fromMicros(r.int(i)) }

// micros and fromMicros convert times; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// exact is t as it comes back from the database.
func exact(t time.Time) time.Time { return fromMicros(micros(t)) }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
