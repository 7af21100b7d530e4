//go:build unix

package server_test

import (
	"testing"

	"github.com/headsup-bot/headsup/internal/pgtest"
)

// withDatabase is m with an end to the database that tests have started.
func withDatabase(m *testing.M) pgtest.M { return pgtest.Tests(m) }
