package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// freeSpace is how many bytes this user can still write.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return int64(s.Bavail) * s.Bsize, nil //nolint:gosec // far below the largest
}

// allocate gives an empty file its space.
func allocate(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return fillZeros(f, size)
	}
	return os.NewSyscallError("fallocate", err)
}
