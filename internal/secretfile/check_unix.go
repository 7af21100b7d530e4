//go:build unix

package secretfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	byOthers  fs.FileMode = 0o007
	byGroup   fs.FileMode = 0o070
	groupRead fs.FileMode = 0o040
)

func check(path string, info fs.FileInfo) error {
	mode := reach(path, info.Mode().Perm())
	switch {
	case mode&byOthers != 0:
		return &OpenError{path, "everybody", info.Mode()}
	case mode&byGroup == 0, mode&byGroup == groupRead && foreign(info):
		return nil
	}
	return &OpenError{path, "its group", info.Mode()}
}

// foreign reports whether a file belongs to somebody else than the user of this process, who then cannot close it.
func foreign(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}

// reach is what is left of a file's mode below directories that not everybody can enter. Where only a directory's group can,
// that group has what everybody would have.
func reach(path string, mode fs.FileMode) fs.FileMode {
	at, err := filepath.Abs(path)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	for err == nil && at != filepath.Dir(at) && mode&(byOthers|byGroup) != 0 {
		at = filepath.Dir(at)
		var dir fs.FileInfo
		if dir, err = os.Stat(at); err != nil {
			break
		}
		group, others := dir.Mode()&0o010 != 0, dir.Mode()&0o001 != 0
		switch {
		case !group && !others:
			return mode &^ (byGroup | byOthers)
		case !others:
			mode = mode&^byOthers | mode&byOthers<<3
		}
	}
	return mode
}
