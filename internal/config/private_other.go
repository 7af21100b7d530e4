//go:build !unix

package config

import "io/fs"

// private cannot be told from a mode here: access lists decide.
func private(fs.FileInfo) bool { return true }
