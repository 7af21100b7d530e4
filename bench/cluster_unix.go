//go:build unix

package main

import (
	"fmt"
	"os"

	"github.com/headsup-bot/headsup/internal/pgtest"
)

// startDatabase starts a PostgreSQL of the bench's own. It is as careful as one in production, and has as much memory as a
// small one.
func startDatabase() (url string, pid int, stop func(), err error) {
	c, err := pgtest.Launch("shared_buffers = 1GB", "max_wal_size = 4GB", "jit = on", "timezone = UTC")
	if err != nil {
		return "", 0, nil, err
	}
	return c.URL("postgres"), c.Pid(), func() {
		if err := c.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, nil
}
