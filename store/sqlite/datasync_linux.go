package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// datasync returns when what was written to a file, by anybody, is on disk.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
