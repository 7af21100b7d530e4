// Package secretfile reads files that hold secrets, and refuses those that others can read too. [Check] says whether a file
// is closed, [Read] returns the secret that is in one.
//
// Closed means that nobody but its owner can read it, by its mode or since a directory above lets nobody else enter. A file
// that belongs to another user and that this process reads as one of its group may be open to that group for reading: it is
// how a secret reaches a process that may not own it, such as in Kubernetes with fsGroup, or in /etc with a group for the
// service. Where files have no such modes (Windows), every file counts as closed.
package secretfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// maxSecret bounds a secret, in bytes.
const maxSecret = 64 << 10

// OpenError says that others can read a file.
type OpenError struct {
	// Path is the file's.
	Path string
	// Who can read it: "everybody" or "its group".
	Who string
	// Mode is the file's.
	Mode fs.FileMode
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s: %s has access to it (mode %04o); it must be its owner's alone (chmod 600 %s)", e.Path, e.Who, e.Mode.Perm(), e.Path)
}

// Check returns an [*OpenError] for a file that others can read, and the error of the file system for one that cannot be
// looked at.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return check(path, info)
}

// Read returns what is in a closed file, without the end of its last line.
func Read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, reason(err))
	}
	if err := check(path, info); err != nil {
		return "", err
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("%s: is too large for a secret", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, reason(err))
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s: is empty", path)
	}
	return secret, nil
}

// reason is an error of the file system without the path.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
