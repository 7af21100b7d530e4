package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stalled is how long a backup may bring nothing before it counts as lost. Before its first byte the server makes it,
// which takes longer the more there is.
const stalled = 2 * time.Minute

// Backup writes everything that the server keeps to w, as one SQLite database that "headsup restore" takes, and returns
// its size in bytes. When it returns an error, what it has written is not a backup. It is not tried again by itself.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/backup", nil)
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	req.Header.Set("Accept", "application/vnd.sqlite3, application/problem+json")
	c.introduce(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("backup: %w", problemOf(resp))
	}
	watchdog := time.AfterFunc(stalled, cancel)
	defer watchdog.Stop()
	n, err := io.Copy(w, alive{resp.Body, watchdog})
	if err == nil && n != resp.ContentLength {
		err = fmt.Errorf("%w: %d bytes came of %d", errAnswer, n, resp.ContentLength)
	}
	if err != nil {
		return n, fmt.Errorf("backup: %w", err)
	}
	return n, nil
}

// alive sets a watchdog back whenever something is read.
type alive struct {
	io.Reader
	watchdog *time.Timer
}

func (a alive) Read(p []byte) (int, error) {
	a.watchdog.Reset(stalled)
	return a.Reader.Read(p)
}
