package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/headsup-bot/headsup/server"
	"github.com/headsup-bot/headsup/store/postgres"
)

// simulatedNodes are the servers of a simulation: one on a file, or any number that share a database.
type simulatedNodes struct {
	urls []string

	dir   string
	drop  func(context.Context) error
	end   context.CancelFunc
	ended chan error
	runs  int // servers that run, each of which tells its end
}

// checkDatabase reports what is wrong with the flags that name nodes and their database.
func (c simulate) checkDatabase() error {
	switch u, err := url.Parse(c.Database); {
	case c.Nodes < 1:
		return errors.New("--nodes: must be positive")
	case c.Database == "" && c.Nodes > 1:
		return errors.New("--nodes: several share a PostgreSQL; name one with --database")
	case err != nil:
		return errors.New("--database: must be a URL") // the error would tell its password
	case hasPassword(u):
		return errors.New("--database: has a password in it, which other users of this machine could read; set PGPASSWORD")
	}
	return nil
}

func hasPassword(u *url.URL) bool {
	_, set := u.User.Password()
	return set || u.Query().Has("password")
}

// start starts the nodes, each with a directory of its own. What the error does not tell of was cleared away.
// Change, unless it is nil, changes how each is configured.
func (c simulate) start(ctx context.Context, log io.Writer, change func(*server.Config)) (_ *simulatedNodes, err error) {
	work, end := context.WithCancel(ctx)
	n := &simulatedNodes{end: end, ended: make(chan error, c.Nodes), drop: func(context.Context) error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop(context.WithoutCancel(ctx)))
		}
	}()
	if n.dir, err = os.MkdirTemp("", "headsup-simulate-"); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	database := ""
	if c.Database != "" {
		made, drop, err := postgres.Scratch(ctx, c.Database)
		if err != nil {
			return nil, err
		}
		database, n.drop = made, drop
	}
	for i := range c.Nodes {
		cfg := server.Config{
			Listen: "127.0.0.1:0", DataDir: filepath.Join(n.dir, fmt.Sprint("node-", i+1)), Database: database,
			Version: buildVersion(), Logger: logger(log, "error", "text"),
		}
		if change != nil {
			change(&cfg)
		}
		srv, err := server.New(ctx, cfg)
		if err != nil {
			return nil, err
		}
		n.urls = append(n.urls, srv.URL())
		n.runs++
		go func() { n.ended <- srv.Run(work) }()
	}
	return n, nil
}

// stop ends the nodes and forgets what they kept.
func (n *simulatedNodes) stop(ctx context.Context) (err error) {
	n.end()
	for range n.runs {
		err = errors.Join(err, <-n.ended)
	}
	return errors.Join(err, n.drop(ctx), os.RemoveAll(n.dir))
}
