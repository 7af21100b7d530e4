//go:build !linux

package sqlite

import "os"

// datasync returns when what was written to a file, by anybody, is on disk.
func datasync(f *os.File) error { return f.Sync() }
