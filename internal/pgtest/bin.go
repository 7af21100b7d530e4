//go:build unix

package pgtest

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// debian is where Debian and its kin keep the programs of each version, out of PATH.
const debian = "/usr/lib/postgresql/*/bin"

// ErrMissing: there is no PostgreSQL on this machine.
var ErrMissing = errors.New("pgtest: PostgreSQL's programs (initdb, postgres) are neither in PATH nor in " + debian +
	"; install them, with apt-get install postgresql for example, as make unit does")

// Bin is the directory with PostgreSQL's programs: that of the newest version in /usr/lib/postgresql, or else the one in
// PATH. [ErrMissing] when there is none.
func Bin() (string, error) {
	found, _ := filepath.Glob(filepath.Join(debian, "initdb")) // the pattern is well formed
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(real), nil
		}
	}
	return "", ErrMissing
}

// version is the number in the path of a program of Debian's, 0 when there is none.
func version(program string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program))))
	return n
}
