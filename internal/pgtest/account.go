//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as. The zero value is the one that the tests run as.
type account struct{ uid, gid uint32 }

// unprivileged is an account that PostgreSQL accepts: it refuses to run as root.
func unprivileged() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("pgtest: the id of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("pgtest: the group of %s: %w", name, err)
		}
		return account{uint32(uid), uint32(gid)}, nil
	}
	return account{}, errors.New("pgtest: PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// own gives a file to the account.
func (a account) own(path string) error {
	if a == (account{}) {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// apply has a command run as the account.
func (a account) apply(cmd *exec.Cmd) {
	if a != (account{}) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: []uint32{}}}
	}
}
