package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

var databaseChecks = []Check{
	{
		ID:    "database.open",
		About: "The database can be opened: the file in the data directory, or PostgreSQL, of which at least one host must take writes.",
		Faults: []Fault{
			{"refused", Fail, "The setting is no connection string, or has a password in it.", "change database; docs/configuration.md says how it looks"},
			{"unreadable", Fail, "The file cannot be opened by this user.", "run this command as the user who runs the server, or give that user the data directory"},
			{"damaged", Fail, "The file is no database, or is damaged.", "stop the server, keep the file, and restore a backup: headsup restore"},
			{"foreign", Fail, "The file is another program's.", "choose another data directory"},
			{"unreachable", Fail, "No host of the database answers.", "start it, look at its address and port, at pg_hba.conf, and at firewalls between here and there"},
			{"login", Fail, "The database does not let this user in.", "look at the user in database, at database_password, and at pg_hba.conf"},
			{"no_primary", Fail, "All hosts that answer are standbys or take no writes.", "name the primary in database too, or promote one"},
		},
		run: checkOpen,
	},
	{
		ID:    "database.hosts",
		About: "Each host of PostgreSQL: whether it answers, its version, and whether it takes writes.",
		Faults: []Fault{
			{"down", Warn, "A host that is configured does not answer. Another one is used.", "start it, or take it out of database"},
			{"old", Fail, "Its version is older than those that Headsup is tested with.", "move to PostgreSQL 14 or later"},
		},
		run: checkHosts,
	},
	{
		ID:    "database.schema",
		About: "The tables are of a version that this program knows. Older ones are brought up to date when the server starts.",
		Faults: []Fault{
			{"newer", Fail, "A newer version of the program has written the database; this one does not touch it.", "run the newer version; going back needs a backup from before"},
			{"unreadable", Fail, "The version cannot be read.", "look at what was found; a database of Headsup always has one"},
		},
		run: checkSchema,
	},
	{
		ID:    "database.writable",
		About: "This user can write there. Nothing is written to find out.",
		Faults: []Fault{
			{"read_only", Fail, "It cannot be written to.", "give the user who runs the server the data directory (chown), or the role its tables (deploy/postgres.sql); mount the disk for writing. If another user runs the server, run this command as that one"},
		},
		run: checkWritable,
	},
	{
		ID:    "database.space",
		About: "Free space on the disk of the data directory. The disk of PostgreSQL cannot be seen from here.",
		Faults: []Fault{
			{"full", Fail, "Less is free than disk_reserve and the log of the database take: notifications are refused now, or soon.", "make room, or move the data directory to a larger disk"},
			{"low", Warn, "Less than 1 GiB is free.", "make room before it is full"},
		},
		run: checkSpace,
	},
	{
		ID:    "database.integrity",
		About: "SQLite looks through the whole file for damage, for as long as a check may take. PostgreSQL looks after itself.",
		Faults: []Fault{
			{"damaged", Fail, "The file is damaged.", "stop the server, keep the file, and restore a backup: headsup restore; then look at the disk"},
		},
		run: checkIntegrity,
	},
	{
		ID:    "database.disk",
		About: "The data directory is on a disk of this machine. On network file systems locks and syncs may not do what they say (Linux only).",
		Faults: []Fault{
			{"network", Warn, "The data directory is on a network file system.", "move it to a local disk, or keep everything in PostgreSQL (database)"},
		},
		run: checkDisk,
	},
	{
		ID:    "database.transactions",
		About: "Transactions of other programs in the database of PostgreSQL that have been open for more than five minutes: while they are, nothing that is deleted goes away, and claims become slower.",
		Faults: []Fault{
			{"held_open", Warn, "Another program has a transaction open for long.", "end it: SELECT pg_terminate_backend({pid}), or ROLLBACK PREPARED; keep such programs from it with idle_in_transaction_session_timeout"},
		},
		run: checkTransactions,
	},
}

// databaseLook is what is known of the database.
type databaseLook struct {
	open   database             // nil if there is none
	file   *sqlite.Inspection   // nil with PostgreSQL
	server *postgres.Inspection // nil with a file
	none   string               // why open is nil
	empty  bool                 // it has no tables yet
}

// database is what both kinds can tell.
type database interface {
	io.Closer
	Schema(ctx context.Context) (have, want int64, err error)
	Services(ctx context.Context, appID string, limit int) ([]book.Service, error)
	Setting(ctx context.Context, name string) (value string, found bool, err error)
}

func checkOpen(ctx context.Context, p *patient) []Result {
	p.database.none = "the database was not opened"
	if p.Loaded.Database != "" || p.configured("database") {
		return checkPostgres(ctx, p)
	}
	file, err := sqlite.Inspect(ctx, p.Loaded.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.database.none = "there is no database yet"
		return p.ok("none yet in %s; the server makes it when it starts", p.Loaded.Data)
	case err != nil && strings.Contains(err.Error(), "another program"):
		return p.fault("foreign", err.Error())
	case errors.Is(err, sqlite.ErrDamaged):
		return p.fault("damaged", err.Error())
	case err != nil:
		return p.fault("unreadable", err.Error())
	}
	p.database.open, p.database.file = file, file
	return p.ok("%s", file.Path())
}

// configured reports whether something is wrong with a setting, which was set then.
func (p *patient) configured(path string) bool {
	_, wrong := p.problem(path)
	return wrong
}

func checkPostgres(ctx context.Context, p *patient) []Result {
	if problem, wrong := p.problem("database"); wrong {
		return p.fault("refused", problem.Message)
	}
	i, err := postgres.Inspect(ctx, postgres.Config{URL: p.Loaded.Database, Password: p.Loaded.DatabasePassword.Reveal()})
	if err != nil {
		return p.fault("refused", err.Error())
	}
	p.database.server = i
	if i.Connected() {
		p.database.open = i
		return p.ok("PostgreSQL, %s, one of which takes writes", many(int64(len(i.Hosts())), "host"))
	}
	answered, refused := 0, ""
	var last error
	for _, h := range i.Hosts() {
		switch {
		case h.Err == nil:
			answered++
		case postgres.LoginRefused(h.Err):
			refused = h.Err.Error()
		default:
			last = h.Err
		}
	}
	switch {
	case answered > 0:
		return p.fault("no_primary", fmt.Sprintf("%s of %d, none of which takes writes", many(int64(answered), "host"), len(i.Hosts())))
	case refused != "":
		return p.fault("login", refused)
	}
	return p.fault("unreachable", fmt.Sprint(last))
}

// oldestPostgres is the first version that Headsup is made for, as the server numbers it.
const oldestPostgres = 140000

func checkHosts(_ context.Context, p *patient) (all []Result) {
	if p.database.server == nil {
		return p.skip("the database is a file")
	}
	for _, h := range p.database.server.Hosts() {
		if h.Err != nil {
			all = append(all, about(h.Address, p.fault("down", h.Err.Error()))...)
			continue
		}
		p.clocks = append(p.clocks, clock{"the database " + h.Address, -h.Clock, h.Blur})
		kind := "takes writes"
		switch {
		case h.Standby:
			kind = "a standby, which takes no writes"
		case h.ReadOnly:
			kind = "takes no writes (default_transaction_read_only)"
		}
		found := fmt.Sprintf("PostgreSQL %d.%d, %s", h.Version/10000, h.Version%10000, kind)
		if h.Version < oldestPostgres {
			all = append(all, about(h.Address, p.fault("old", found))...)
			continue
		}
		all = append(all, about(h.Address, p.ok("%s", found))...)
	}
	return all
}

func checkSchema(ctx context.Context, p *patient) []Result {
	if p.database.open == nil {
		return p.skip("%s", p.database.none)
	}
	have, want, err := p.database.open.Schema(ctx)
	switch {
	case err != nil:
		return p.fault("unreadable", err.Error())
	case have > want:
		return p.fault("newer", fmt.Sprintf("version %d; this program knows %d", have, want))
	case have == 0:
		p.database.empty = true
		return p.ok("no tables yet; the server makes them when it starts")
	case have < want:
		return p.ok("version %d, which the server brings up to %d when it starts", have, want)
	}
	return p.ok("version %d, which this program knows", have)
}

func checkWritable(ctx context.Context, p *patient) []Result {
	var err error
	switch {
	case p.database.open == nil:
		return p.skip("%s", p.database.none)
	case p.database.file != nil:
		err = p.database.file.Writable()
	default:
		err = p.database.server.Writable(ctx)
	}
	if err != nil {
		return p.fault("read_only", err.Error())
	}
	return p.ok("by this user")
}

func checkSpace(_ context.Context, p *patient) []Result {
	const mib, log, plenty = 1 << 20, 64 << 20, 1 << 30
	if p.database.file == nil {
		return p.skip("there is no file whose disk could be looked at")
	}
	free := p.database.file.Free()
	found := fmt.Sprintf("%d MiB free, disk_reserve %d MiB", free/mib, p.Server.DiskReserve/mib)
	switch {
	case free < 0 || free == math.MaxInt64:
		return p.skip("it cannot be told here")
	case free < p.Server.DiskReserve+log:
		return p.fault("full", found)
	case free < plenty:
		return p.fault("low", found)
	}
	return p.ok("%s", found)
}

func checkIntegrity(ctx context.Context, p *patient) []Result {
	if p.database.file == nil {
		return p.skip("there is no file that could be looked through")
	}
	began := p.Now()
	switch err := p.database.file.Check(ctx); {
	case ctx.Err() != nil:
		return p.skip("the file is too large to be looked through in %s; --timeout gives it longer", p.Timeout)
	case err != nil:
		return p.fault("damaged", err.Error())
	}
	return p.ok("no damage, after %s", p.Now().Sub(began).Round(time.Millisecond))
}

func checkDisk(_ context.Context, p *patient) []Result {
	if p.database.file == nil {
		return p.skip("there is no file")
	}
	if kind := p.database.file.Network(); kind != "" {
		return p.fault("network", kind)
	}
	return p.ok("no network file system that is known")
}

func checkTransactions(ctx context.Context, p *patient) (all []Result) {
	if p.database.server == nil || p.database.open == nil {
		return p.skip("there is no PostgreSQL to ask")
	}
	found, err := p.database.server.Foreign(ctx, p.LongTransaction)
	if err != nil {
		return p.skip("the database does not tell: %v", err)
	}
	for _, t := range found {
		what := fmt.Sprintf("%q of %s, %s, open for %s", t.Program, t.User, t.State, t.Age)
		all = append(all, about(fmt.Sprint("pid ", t.PID), p.fault("held_open", what, "pid", fmt.Sprint(t.PID)))...)
	}
	if len(all) > 0 {
		return all
	}
	return p.ok("none has been open for more than %s", p.LongTransaction)
}
