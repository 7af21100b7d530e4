//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Dump writes a database to a file, as pg_dump does while others work with it, and returns a function that makes a new
// database from it, with pg_restore, and returns the URL. The file and the databases are removed with the test.
func (c *Cluster) Dump(tb testing.TB, database string) (restore func(tb testing.TB) string) {
	tb.Helper()
	c.mu.Lock()
	c.databases++
	file := filepath.Join(c.dir, "dump_"+strconv.Itoa(c.databases))
	c.mu.Unlock()
	if err := c.program("pg_dump", append(c.asClient(), "--format", "custom", "--file", file, database)...); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.Remove(file); err != nil {
			tb.Error(err)
		}
	})
	return func(tb testing.TB) string {
		tb.Helper()
		url := c.Database(tb)
		if err := c.program("pg_restore", append(c.asClient(), "--exit-on-error", "--dbname", Name(url), file)...); err != nil {
			tb.Fatal(err)
		}
		return url
	}
}

// Text is a database as pg_dump writes it down for people to read; bytes are in it as hexadecimal digits.
func (c *Cluster) Text(tb testing.TB, database string) []byte {
	tb.Helper()
	c.mu.Lock()
	c.databases++
	file := filepath.Join(c.dir, "text_"+strconv.Itoa(c.databases))
	c.mu.Unlock()
	if err := c.program("pg_dump", append(c.asClient(), "--format", "plain", "--file", file, database)...); err != nil {
		tb.Fatal(err)
	}
	defer os.Remove(file)
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// asClient says how PostgreSQL's programs reach the cluster.
func (c *Cluster) asClient() []string {
	return []string{"--host", c.dir, "--port", c.port, "--username", superuser}
}
