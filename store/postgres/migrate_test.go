//go:build unix

package postgres_test

import (
	"errors"
	"testing"

	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/store/postgres"
)

// TestNodesMigrateAtOnce: nodes of a new deployment start at the same moment, on a database in which there is nothing.
func TestNodesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		cfg := postgres.Config{URL: pgtest.Shared(t).Database(t), Conns: 4}
		const nodes = 8
		opened := make(chan error, nodes)
		for range nodes {
			go func() {
				s, err := postgres.Open(t.Context(), cfg)
				if err != nil {
					opened <- err
					return
				}
				opened <- errors.Join(s.Check(t.Context()), s.Close())
			}()
		}
		for range nodes {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
	}
}
