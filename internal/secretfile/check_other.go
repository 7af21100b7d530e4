//go:build !unix

package secretfile

import "io/fs"

// check finds every file closed: a mode tells nothing here, access lists decide.
func check(string, fs.FileInfo) error { return nil }
