package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/book"
)

// Host is one server of those that a connection string names.
type Host struct {
	// Address is its name with the port, or the path of its socket.
	Address string
	// Err is why it cannot be used; nil if it can. The rest is zero if it could not be reached.
	Err error
	// Version is that of PostgreSQL, such as 150004 for 15.4.
	Version int
	// Standby: it follows another server. ReadOnly: it takes no writes, for that or another reason.
	Standby, ReadOnly bool
	// Clock is how much its clock is ahead of this machine's, as far as one answer tells: less than Blur wrong.
	Clock, Blur time.Duration
}

// Inspection is a database that is looked at, whoever works with it. Nothing in it is changed. Make it with [Inspect]; Close
// ends it.
type Inspection struct {
	conn  *pgx.Conn // to the host that takes writes
	hosts []Host
}

// Inspect asks every host of the configuration who it is, and stays connected to the one that takes writes. The error is about
// the configuration; that no host can be used is told by [Inspection.Hosts].
func Inspect(ctx context.Context, cfg Config) (*Inspection, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("postgres: config: %w", err)
	}
	pc, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	i := &Inspection{}
	all := pc.ConnConfig
	type way struct {
		host string
		port uint16
	}
	ways := []way{{all.Host, all.Port}}
	for _, f := range all.Fallbacks { // there may be one with TLS and one without for a host
		if w := (way{f.Host, f.Port}); w != ways[len(ways)-1] {
			ways = append(ways, w)
		}
	}
	for _, w := range ways {
		i.hosts = append(i.hosts, i.meet(ctx, all, w.host, w.port))
	}
	return i, nil
}

// meet connects to one host, and keeps the connection if it is the first that takes writes.
func (i *Inspection) meet(ctx context.Context, all *pgx.ConnConfig, host string, port uint16) Host {
	cc := all.Copy()
	cc.Fallbacks = nil
	for _, f := range append(all.Fallbacks, nil) {
		if f != nil && f.Host == host && f.Port == port {
			if cc.Host != host || cc.Port != port {
				cc.Host, cc.Port, cc.TLSConfig = f.Host, f.Port, f.TLSConfig
				continue
			}
			cc.Fallbacks = append(cc.Fallbacks, f)
		}
	}
	cc.ValidateConnect = nil // a standby is to be seen too
	h := Host{Address: net.JoinHostPort(host, strconv.Itoa(int(port)))}
	if len(host) > 0 && host[0] == '/' {
		h.Address = host
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		h.Err = explain(err)
		return h
	}
	if h.Err = h.ask(ctx, conn); h.Err == nil && !h.ReadOnly && i.conn == nil {
		i.conn = conn
		return h
	}
	_ = conn.Close(ctx)
	return h
}

func (h *Host) ask(ctx context.Context, conn *pgx.Conn) error {
	var readOnly string
	var now time.Time
	asked := time.Now()
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
		current_setting('transaction_read_only'), clock_timestamp()`).Scan(&h.Version, &h.Standby, &readOnly, &now)
	if err != nil {
		return explain(err)
	}
	h.ReadOnly = readOnly == "on"
	h.Blur = time.Since(asked)
	h.Clock = now.Sub(asked.Add(h.Blur / 2))
	return nil
}

// Hosts are those that the configuration names.
func (i *Inspection) Hosts() []Host { return i.hosts }

// Connected reports whether there is a host that takes writes. Without one the methods below fail with [ErrClosed].
func (i *Inspection) Connected() bool { return i.conn != nil }

// Close ends the inspection.
func (i *Inspection) Close() error {
	if i.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	return i.conn.Close(ctx)
}

// Schema is the version of the tables, 0 if there are none yet, and the one that this program makes of them when it opens the
// database.
func (i *Inspection) Schema(ctx context.Context) (have, want int64, err error) {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, 0, err
	}
	for _, n := range names {
		var version int64
		if _, err := fmt.Sscanf(n.Name(), "%d_", &version); err == nil {
			want = max(want, version)
		}
	}
	if i.conn == nil {
		return 0, want, ErrClosed
	}
	var there bool
	if err := i.conn.QueryRow(ctx, "SELECT to_regclass('headsup_schema') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, want, explain(err)
	}
	err = i.conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM headsup_schema").Scan(&have)
	return have, want, explain(err)
}

// Writable returns why this role cannot write what the program writes; nil if it can.
func (i *Inspection) Writable(ctx context.Context) error {
	if i.conn == nil {
		return ErrClosed
	}
	var may bool
	err := i.conn.QueryRow(ctx, `SELECT CASE WHEN to_regclass('conversations') IS NULL
		THEN has_schema_privilege(current_schema(), 'CREATE')
		ELSE has_table_privilege('conversations', 'SELECT') AND has_table_privilege('conversations', 'INSERT')
			AND has_table_privilege('conversations', 'UPDATE') AND has_table_privilege('conversations', 'DELETE') END`).Scan(&may)
	switch {
	case err != nil:
		return explain(err)
	case !may:
		return errors.New("postgres: the role may not write to the tables")
	}
	return nil
}

// Transaction is one of another program that has been open for long: what it could see is kept for it, in every table of the
// database.
type Transaction struct {
	// PID is its process in PostgreSQL; Program, User and Database whose it is, as they say.
	PID                     int64
	Program, User, Database string
	// State is idle in transaction, active or prepared; Age for how long it has been open.
	State string
	Age   time.Duration
}

// Foreign lists transactions of others than Headsup that have been open for longer than least, the oldest first, at most ten.
// Roles without pg_read_all_stats see only their own.
func (i *Inspection) Foreign(ctx context.Context, least time.Duration) (found []Transaction, err error) {
	if i.conn == nil {
		return nil, ErrClosed
	}
	rows, err := i.conn.Query(ctx, `
		SELECT * FROM (
			SELECT pid::bigint AS pid, coalesce(application_name, ''), coalesce(usename, ''), coalesce(datname, ''), coalesce(state, ''),
				extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
			FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend' AND application_name <> 'headsup'
				AND datname = current_database()
			UNION ALL
			SELECT 0, gid, owner, database, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::float8
			FROM pg_prepared_xacts WHERE database = current_database()) AS t
		WHERE age > $1 ORDER BY age DESC LIMIT 10`, least.Seconds())
	if err != nil {
		return nil, explain(err)
	}
	found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (t Transaction, err error) {
		var seconds float64
		err = r.Scan(&t.PID, &t.Program, &t.User, &t.Database, &t.State, &seconds)
		t.Age = time.Duration(seconds * float64(time.Second)).Round(time.Second)
		return t, err
	})
	return found, explain(err)
}

// Setting returns a stored setting and whether there is one.
func (i *Inspection) Setting(ctx context.Context, name string) (value string, found bool, err error) {
	if i.conn == nil {
		return "", false, ErrClosed
	}
	err = i.conn.QueryRow(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, explain(err)
}

// Services lists the service URLs of an app's conversations, most of them first, with one conversation of each, at most
// limit. A conversation that can be written to is preferred, and a newer one.
func (i *Inspection) Services(ctx context.Context, appID string, limit int) (found []book.Service, err error) {
	if i.conn == nil {
		return nil, ErrClosed
	}
	rows, err := i.conn.Query(ctx, `
		WITH urls AS (
			SELECT service_url, url_source, count(*) AS n, max(id) FILTER (WHERE reach = 'active') AS active, max(id) AS newest
			FROM conversations WHERE app_id = $1 GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT $2)
		SELECT u.service_url, u.url_source, u.n, c.channel_id, c.conversation_id, c.tenant_id
		FROM urls u JOIN conversations c ON c.id = coalesce(u.active, u.newest) ORDER BY u.n DESC, u.service_url`, appID, limit)
	if err != nil {
		return nil, explain(err)
	}
	found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (s book.Service, err error) {
		err = r.Scan(&s.URL, &s.Source, &s.Conversations, &s.Channel, &s.Conversation, &s.Tenant)
		return s, err
	})
	return found, explain(err)
}

// LoginRefused reports whether the server has answered that it does not let the user in, or knows no such database (PostgreSQL
// documentation, appendix A: class 28 and code 3D000).
func LoginRefused(err error) bool {
	code := codeOf(err)
	return strings.HasPrefix(code, "28") || code == "3D000"
}
