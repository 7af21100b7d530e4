package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

type restore struct {
	File         string `arg:"" optional:"" help:"The backup of a data directory; none for a database."`
	AfterRestore string `name:"after-restore" default:"hold" enum:"hold,send" placeholder:"WHAT" help:"What to do with what waits to be said: hold it, since it may have been said after the backup was made, or send it (${default})."`

	// What of the configuration says where everything is. Their values are the loader's.
	Config               string `placeholder:"FILE" help:"YAML file of settings. What the flags below say may be there or in the environment, as for serve."`
	Data                 string `placeholder:"DIR" help:"Data directory to make."`
	Database             string `placeholder:"URL" help:"PostgreSQL database that was restored with PostgreSQL's tools, as postgres://user@host/name."`
	DatabasePasswordFile string `name:"database-password-file" placeholder:"FILE" help:"File that holds the password for the database; only its owner may have access to it."`
}

// Help shows examples.
func (restore) Help() string {
	return `Examples:

    headsup restore headsup-2026-11-20.db --data ./restored
    headsup serve --data ./restored
    headsup deliveries list --state unknown --reason restored
    headsup deliveries replay --state unknown --reason restored

    headsup restore --database postgres://headsup@db.example/headsup

What was sent after the backup was made is not in it, so what waits in it may have been said already. "hold" makes everything
that is due unknown, with the reason restored, and says nothing; look at it, and replay or settle it. What is due later stays.
"send" says it all, some of it again perhaps. What people did since the backup is lost either way: whoever was forgotten must be
forgotten again.

A PostgreSQL database is restored with PostgreSQL's own tools, from a dump or to a point in time, while no server works with it.
Then, before the first server is started, this command holds what is due in it. Servers that are started too early wait for the
command; if one was there before, the command fails, which it may take 20 seconds to find out, and changes nothing.

The exit code is 0 when all is ready, 1 when something failed, 2 when the call is wrong.`
}

// Run makes a data directory, or prepares a database.
func (c restore) Run(ctx context.Context, s streams, l *config.Loader) error {
	loaded, err := l.Load()
	switch {
	case err != nil:
		return err
	case c.File == "" && loaded.Database == "":
		return usageError{errors.New("name the backup; for a database that PostgreSQL has restored, give --database")}
	case c.File != "" && loaded.Database != "":
		return usageError{fmt.Errorf("%s is for a data directory, and the configuration names a database; restore that with PostgreSQL's tools, and then call this without a file", c.File)}
	case loaded.Database != "" && c.AfterRestore == "send":
		return usageError{errors.New("a database whose messages are to be sent needs no command: start the servers")}
	}
	held, where := 0, filepath.Clean(loaded.Data)
	if loaded.Database != "" {
		where = "the database"
		held, err = holdDatabase(ctx, loaded)
	} else {
		held, err = c.makeData(ctx, loaded)
	}
	if err != nil {
		return err
	}
	text := "restored into " + where
	if c.AfterRestore == "hold" {
		text += fmt.Sprintf("; deliveries held: %d", held)
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}

// makeData makes a data directory from the file, and returns how many deliveries are held.
func (c restore) makeData(ctx context.Context, loaded config.Loaded) (held int, err error) {
	dir := loaded.Data
	err = sqlite.Restore(ctx, sqlite.Restoration{From: c.File, Config: sqlite.Config{Dir: dir}, Prepare: func(ctx context.Context, s *sqlite.Store) (err error) {
		if c.AfterRestore == "hold" {
			if held, err = holdAll(ctx, s); err != nil {
				return err
			}
		}
		return auditRestore(ctx, s, loaded, held)
	}})
	if errors.Is(err, sqlite.ErrExists) {
		return 0, usageError{fmt.Errorf("%s has a database already; choose another --data, or move it away", dir)}
	}
	return held, err
}

// holdDatabase returns how many deliveries it holds.
func holdDatabase(ctx context.Context, loaded config.Loaded) (held int, err error) {
	cfg := postgres.Config{URL: loaded.Database, Password: loaded.DatabasePassword.Reveal()}
	err = postgres.Restored(ctx, cfg, func(ctx context.Context, s *postgres.Store) (err error) {
		if held, err = holdAll(ctx, s); err != nil {
			return err
		}
		return auditRestore(ctx, s, loaded, held)
	})
	switch {
	case errors.Is(err, postgres.ErrServed):
		return 0, errors.New("a server works with the database; stop all of them before the database is restored")
	case errors.Is(err, postgres.ErrEmpty):
		return 0, errors.New("there is nothing of Headsup in the database; restore it with PostgreSQL's tools first")
	case err != nil:
		return 0, fmt.Errorf("database: %w", err)
	}
	return held, nil
}

func holdAll(ctx context.Context, s proactive.RestoredStore) (int, error) {
	return proactive.HoldRestored(ctx, s, time.Now().Truncate(time.Microsecond))
}

// restored is what is needed of a store to write into its audit log.
type restored interface {
	audit.Store
	Setting(ctx context.Context, name string) (value string, found bool, err error)
}

// auditRestore notes in the audit log that it, with everything else, comes from a backup. A backup in which no server has
// ever begun has no log.
func auditRestore(ctx context.Context, s restored, loaded config.Loaded, held int) (err error) {
	appID := strings.ToLower(loaded.Azure.AppID)
	if appID == "" {
		if appID, _, err = s.Setting(ctx, "app_id"); err != nil || appID == "" {
			return err
		}
	}
	var key *audit.Key
	if loaded.Audit.Key.Set() {
		if key, err = audit.NewKey(loaded.Audit.Key.Reveal()); err != nil {
			return fmt.Errorf("audit.key: %w", err)
		}
	}
	return s.WriteAudit(ctx, audit.Act{
		AppID: appID, Action: audit.BackupRestore, Actor: audit.Local, Key: key, Detail: audit.Detail{"held": held},
	})
}
