//go:build unix

package config

import "io/fs"

// private reports whether nobody but a file's owner has access to it.
func private(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }
