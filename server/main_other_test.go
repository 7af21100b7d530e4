//go:build !unix

package server_test

import "testing"

// withDatabase is m.
func withDatabase(m *testing.M) *testing.M { return m }
