//go:build unix

package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// nodeName is the name of this node among those that share a database: it is kept in the data directory, so that the next
// process has it too. The file is locked until the process ends; while another one has the directory, this one has no name.
// The file is to be closed when the server has ended.
func nodeName(dir string) (name string, lock io.Closer, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "node"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("data: the node's name: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil { // somebody else has it, or the file system has no locks
		return "", f, nil
	}
	const longest = 64
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return "", f, errors.Join(fmt.Errorf("data: the node's name: %w", err), f.Close())
	}
	if name = strings.TrimSpace(string(text)); name != "" {
		return name, f, nil
	}
	name = rand.Text()[:16]
	if _, err := f.WriteAt([]byte(name+"\n"), 0); err != nil {
		return "", f, errors.Join(fmt.Errorf("data: the node's name: %w", err), f.Close())
	}
	return name, f, nil
}
