//go:build unix

package adminkey

import "io/fs"

// open reports whether any of others has access to a file.
func open(info fs.FileInfo, others fs.FileMode) bool { return info.Mode().Perm()&others != 0 }
