package server

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// database is what the server needs of the driver that keeps everything.
type database interface {
	headsup.Turns
	state.Store
	proactive.Store
	directline.Store
	event.Store
	access.Store
	privacy.Store
	audit.Store

	// Setting returns what is kept under a name, and whether anything is; SetSetting keeps something else there.
	Setting(ctx context.Context, name string) (value string, found bool, err error)
	SetSetting(ctx context.Context, name, value string) error
	// SetSettingOnce keeps what an installation makes up once, for all its nodes.
	SetSettingOnce(ctx context.Context, name, value string) (stored string, err error)
	// SwapSetting replaces one that is as it was, and reports whether it did.
	SwapSetting(ctx context.Context, name, was, value string) (swapped bool, err error)
	// Check reports whether something can be written.
	Check(ctx context.Context) error
	Close() error
}

var (
	_ database = (*sqlite.Store)(nil)
	_ database = (*postgres.Store)(nil)
)

// openStore opens the file in the data directory, or the database that several nodes share.
func (s *Server) openStore(ctx context.Context) error {
	if s.cfg.Database == "" {
		file, err := sqlite.Open(ctx, sqlite.Config{Dir: s.cfg.DataDir, Logger: s.log, Committed: s.metrics.committed, Pace: s.limits, Reserve: s.cfg.DiskReserve})
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		s.store = file
		s.backup = s.backupOf(file)
		s.tidyBackups()
		return nil
	}
	// What is this node's own is kept there: the secret for commands, and certificates.
	if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	name, lock, err := nodeName(s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.node = lock
	shared, err := postgres.Open(ctx, postgres.Config{
		URL: s.cfg.Database, Password: s.cfg.DatabasePassword, Logger: s.log, Committed: s.metrics.committed, Pace: s.limits, Node: name,
	})
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	s.store = shared
	return nil
}

// kept tells in the log where everything is, without any password.
func (s *Server) kept() string {
	if s.cfg.Database == "" {
		return "sqlite"
	}
	return "postgres"
}

func (c Config) validateDatabase() error {
	switch {
	case c.Database == "" && c.DatabasePassword != "":
		return wrong("database_password", "is set, and database is not")
	case c.Database == "":
		return nil
	case !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://"):
		return wrong("database", "must begin with postgres://")
	}
	if err := postgres.CheckURL(c.Database); err != nil {
		return wrong("database", "%w", err)
	}
	return nil
}

// backupFunc makes a copy of the database.
type backupFunc func(context.Context) (httpapi.Backup, error)
