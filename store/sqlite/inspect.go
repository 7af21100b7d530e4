package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/headsup-bot/headsup/book"
)

// Inspection is a database that is looked at, while a server works with it or not. Nothing in it is changed. Make it with
// [Inspect]; Close ends it.
type Inspection struct {
	dir, path string
	db        *sql.DB
	unused    bool // no process had it open
}

// Inspect opens the database of a data directory for reading. A directory without one is [os.ErrNotExist].
func Inspect(ctx context.Context, dir string) (*Inspection, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: data directory: %w", err)
	}
	i := &Inspection{dir: dir, path: filepath.Join(dir, fileName)}
	if _, err := os.Stat(i.path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	// Without a log nobody has it open, and it is read as if nothing could change, which makes no files beside it.
	i.unused = !i.hasLog()
	if i.db, err = sql.Open("sqlite", i.dsn()); err != nil {
		return nil, explain(i.path, err)
	}
	i.db.SetMaxOpenConns(1)
	var id int64
	if err := i.db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return nil, errors.Join(explain(i.path, err), i.db.Close())
	}
	if id != applicationID {
		return nil, errors.Join(fmt.Errorf("sqlite: %s is a database of another program (application id %#x)", i.path, id), i.db.Close())
	}
	return i, nil
}

func (i *Inspection) hasLog() bool {
	_, err := os.Stat(i.path + "-wal")
	return err == nil
}

func (i *Inspection) dsn() string {
	q := url.Values{"mode": {"ro"}, "_pragma": append(common[:len(common):len(common)], "query_only(1)")}
	if i.unused {
		q.Set("immutable", "1")
	}
	path := filepath.ToSlash(i.path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Path is where the database is.
func (i *Inspection) Path() string { return i.path }

// Close ends the inspection.
func (i *Inspection) Close() error { return i.db.Close() }

// Schema is the version of the tables, and the one that this program makes of them when it opens the database.
func (i *Inspection) Schema(ctx context.Context) (have, want int64, err error) {
	if want, err = newestMigration(); err != nil {
		return 0, 0, err
	}
	if err := i.db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&have); err != nil {
		return 0, 0, explain(i.path, err)
	}
	return have, want, nil
}

// newestMigration is the schema that this program knows.
func newestMigration() (newest int64, err error) {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	for _, n := range names {
		var version int64
		if _, err := fmt.Sscanf(n.Name(), "%d_", &version); err == nil {
			newest = max(newest, version)
		}
	}
	return newest, nil
}

// Check has SQLite look through the whole file for damage, which takes a while if it is large; an error of ctx means that
// it was not finished. Damage is [ErrDamaged].
func (i *Inspection) Check(ctx context.Context) error {
	var result string
	err := i.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result)
	switch {
	case i.unused && i.hasLog() && ctx.Err() == nil: // somebody has begun to work with it
		return i.checkAnew(ctx)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return explain(i.path, err)
	case result != "ok":
		return fmt.Errorf("sqlite: %s: %w: %s", i.path, ErrDamaged, strings.Join(strings.Fields(result), " "))
	}
	return nil
}

func (i *Inspection) checkAnew(ctx context.Context) (err error) {
	again, err := Inspect(ctx, i.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, again.Close()) }()
	return again.Check(ctx)
}

// Setting returns a stored setting and whether there is one.
func (i *Inspection) Setting(ctx context.Context, name string) (value string, found bool, err error) {
	err = i.db.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, err
}

// Services lists the service URLs of an app's conversations, most of them first, with one conversation of each, at most
// limit. A conversation that can be written to is preferred, and a newer one.
func (i *Inspection) Services(ctx context.Context, appID string, limit int) (found []book.Service, err error) {
	rows, err := i.db.QueryContext(ctx, `
		WITH urls AS (
			SELECT service_url, url_source, count(*) AS n, max(iif(reach = 'active', id, NULL)) AS active, max(id) AS newest
			FROM conversations WHERE app_id = ? GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?)
		SELECT u.service_url, u.url_source, u.n, c.channel_id, c.conversation_id, c.tenant_id
		FROM urls u JOIN conversations c ON c.id = coalesce(u.active, u.newest) ORDER BY u.n DESC, u.service_url`, appID, limit)
	if err != nil {
		return nil, explain(i.path, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s book.Service
		if err := rows.Scan(&s.URL, &s.Source, &s.Conversations, &s.Channel, &s.Conversation, &s.Tenant); err != nil {
			return nil, explain(i.path, err)
		}
		found = append(found, s)
	}
	return found, rows.Err()
}

// Free is how many bytes this user can still write beside the database; negative where nobody knows.
func (i *Inspection) Free() int64 {
	free, err := freeSpace(i.dir)
	if err != nil {
		return -1
	}
	return free
}

// Writable returns why this user cannot write to the database; nil if nothing is known to forbid it.
func (i *Inspection) Writable() error {
	for _, path := range []string{i.dir, i.path} {
		if err := mayWrite(path); err != nil {
			return fmt.Errorf("sqlite: %s: %w", path, err)
		}
	}
	return nil
}

// Network names the network file system that the database is on, such as nfs; empty if it is on none, or nobody knows.
func (i *Inspection) Network() string { return networkFileSystem(i.dir) }
