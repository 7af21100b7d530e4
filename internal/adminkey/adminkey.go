// Package adminkey hands a secret from a running server to the commands on its machine, so that they need no API key: a
// file in the data directory that only its owner can read. The server makes a new one at each start ([Write]) and takes it
// away at the end ([Remove]); commands read it ([Read]). [ReadKey] is for files that people keep API keys in.
package adminkey

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/headsup-bot/headsup/internal/access"
)

// FileName is the file's name in the data directory. Its first line is the secret, the second the URL at which the server
// is to be called, the third the address that leads there from this machine, where the URL's host does not, the fourth the URL
// of its admin listener, and the fifth the file of the certificate that the server shows, if it has one.
const FileName = "admin.key"

// maxFile is how much of a file is read, in bytes.
const maxFile = 4 << 10

// Entry is what the file says.
type Entry struct {
	// Secret goes where an API key would.
	Secret access.Secret
	// URL is the server's.
	URL string
	// Dial is the address to connect to, host:port. Empty is the URL's.
	Dial string
	// Admin is the URL of the admin listener; empty if there is none.
	Admin string
	// CertFile is the absolute path of the certificates that the server shows, as PEM, which commands on its machine trust;
	// empty if it speaks no TLS by itself, or has them from elsewhere.
	CertFile string
}

// ErrNone: there is no such file, or it is somebody else's.
var ErrNone = errors.New("no secret of a running server")

// Write makes the file anew, in one step, with access for its owner only.
func Write(dir string, e Entry) (err error) {
	path := filepath.Join(dir, FileName)
	fresh := path + "." + rand.Text()
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the secret for commands: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh)
			err = fmt.Errorf("write the secret for commands: %w", err)
		}
	}()
	_, err = fmt.Fprintf(f, "%s\n%s\n%s\n%s\n%s\n", e.Secret.Reveal(), e.URL, e.Dial, e.Admin, e.CertFile)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	info, err := os.Stat(fresh)
	if err != nil {
		return err
	}
	if open(info, 0o077) { // a file system that keeps no modes
		return fmt.Errorf("%s: others have access to files here", dir)
	}
	return os.Rename(fresh, path)
}

// Remove takes the file away, if it is still the one with this secret.
func Remove(dir string, s access.Secret) error {
	e, err := Read(dir)
	if err != nil || e.Secret.Reveal() != s.Reveal() {
		return nil
	}
	return os.Remove(filepath.Join(dir, FileName))
}

// Read reads the file in a data directory. It refuses one that others have access to; one that is not there or that this
// user may not read is [ErrNone].
func Read(dir string) (Entry, error) {
	path := filepath.Join(dir, FileName)
	lines, err := read(path, 0o077)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Entry{}, fmt.Errorf("%s is not there: %w", path, ErrNone)
	case errors.Is(err, os.ErrPermission):
		return Entry{}, fmt.Errorf("%s cannot be read by this user: %w (%w)", path, ErrNone, os.ErrPermission)
	case err != nil:
		return Entry{}, err
	}
	s, err := access.ParseSecret(lines[0])
	if err != nil {
		return Entry{}, fmt.Errorf("%s %w", path, err)
	}
	return Entry{Secret: s, URL: lines[1], Dial: lines[2], Admin: lines[3], CertFile: lines[4]}, nil
}

// ReadKey reads a file whose first line is an API key. Its owner and its group may have access to it, nobody else.
func ReadKey(path string) (access.Secret, error) {
	lines, err := read(path, 0o007)
	if err != nil {
		return access.Secret{}, err
	}
	s, err := access.ParseSecret(lines[0])
	if err != nil {
		return access.Secret{}, fmt.Errorf("%s: the first line %w", path, err)
	}
	return s, nil
}

// read returns the first lines of a file to which nobody in others has access.
func read(path string, others os.FileMode) (lines [5]string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return lines, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return lines, err
	case !info.Mode().IsRegular():
		return lines, fmt.Errorf("%s is not a file", path)
	case open(info, others):
		return lines, fmt.Errorf("%s: others have access to it; it must be its owner's alone (chmod 600)", path)
	}
	scan := bufio.NewScanner(io.LimitReader(f, maxFile))
	for i := 0; i < len(lines) && scan.Scan(); i++ {
		lines[i] = strings.TrimSpace(scan.Text())
	}
	return lines, scan.Err()
}
