package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/headsup-bot/headsup/outbox"
)

// room sees to it that what was accepted can be finished when the disk fills up: a full SQLite database cannot even
// delete. While little is free nothing new is accepted, and when others have taken the rest too, a file that only holds
// space is given up for outcomes. Both are undone when there is space again.
type room struct {
	dir     string
	path    string // of the file
	reserve int64  // its size in bytes; 0: nothing is watched
	log     *slog.Logger
	free    func(dir string) (int64, error)
	remove  func(path string) error

	short atomic.Bool // nothing new is accepted

	mu   sync.Mutex
	kept bool // the file is there; guarded by mu
}

// reserveName is the file's name in the data directory.
const reserveName = "headsup.reserve"

// lookForRoom is how often the free space is looked at.
const lookForRoom = time.Second

func newRoom(cfg Config) *room {
	r := &room{
		dir: cfg.Dir, path: filepath.Join(cfg.Dir, reserveName), reserve: cfg.Reserve, log: cfg.Logger, free: cfg.free, remove: os.Remove,
	}
	if r.free == nil {
		r.free = freeSpace
	}
	return r
}

// low is how much must be free, beside the file, for something new to be accepted.
func (r *room) low() int64 { return r.reserve }

// open is called before anything is written. What an earlier process has left is kept, and given up at once if there is next to
// nothing beside it: already opening takes some space, and so does what stands around the store.
func (r *room) open() {
	if r.reserve == 0 {
		return
	}
	info, err := os.Stat(r.path)
	r.mu.Lock()
	r.kept = err == nil && info.Size() == r.reserve
	r.mu.Unlock()
	free, err := r.free(r.dir)
	switch {
	case err != nil: // the next look tells it
	case free >= r.low():
	case free >= r.reserve/8 || !r.spend():
		r.shut(free)
	}
}

// shut has nothing new accepted.
func (r *room) shut(free int64) {
	if !r.short.Swap(true) {
		r.log.Error("the disk is nearly full: no notifications are accepted", "directory", r.dir, "free_bytes", free)
	}
}

// watch looks at the free space until ctx ends.
func (r *room) watch(ctx context.Context) {
	if r.reserve == 0 {
		return
	}
	tick := time.NewTicker(lookForRoom)
	defer tick.Stop()
	for {
		r.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *room) look() {
	r.mu.Lock()
	measure := r.free
	r.mu.Unlock()
	free, err := measure(r.dir)
	if err != nil {
		r.log.Debug("free space unknown", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := r.low()
	if !r.kept {
		wanted += r.reserve
	}
	switch short := r.short.Load(); {
	case free < r.low():
		r.shut(free)
	case free < wanted: // between the two it stays as it is
	case !r.kept:
		if err := keepSpace(r.path, r.reserve); err != nil {
			r.log.Warn("no space is reserved", "error", err)
			return
		}
		r.kept = true
		fallthrough
	default:
		if short {
			r.short.Store(false)
			r.log.Info("there is room on the disk again", "free_bytes", free)
		}
	}
}

// spend gives the reserved space up, and reports whether there was any.
func (r *room) spend() bool {
	if r.reserve == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.short.Store(true)
	if !r.kept {
		return false
	}
	r.kept = false
	if err := r.remove(r.path); err != nil {
		r.log.Error("the reserved space cannot be given up", "error", err)
		return false
	}
	r.log.Error("the disk is full: the reserved space is used for what was accepted", "directory", r.dir)
	return true
}

// Short reports whether there is too little room on the disk for anything new to be accepted.
func (s *Store) Short() bool { return s.room.short.Load() }

// full reports whether an error says that there is no room on the disk.
func full(err error) bool {
	return codeOf(err)&0xff == sqliteFull || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// accept is submit for what may be refused when there is no room. What was accepted before is told all the same.
func (t *tx) accept(sub *outbox.Submission, take bool) (outbox.Accepted, error) {
	if t.store.room.short.Load() {
		earlier, replayed, err := t.earlier(&sub.Message)
		if !replayed && err == nil {
			err = fmt.Errorf("sqlite: %s: %w", t.store.path, outbox.ErrNoRoom)
		}
		return outbox.Accepted{Message: earlier, Replayed: replayed}, err
	}
	return t.submit(sub, take)
}

// fillZeros makes a file of a size where the file system cannot reserve space by itself.
func fillZeros(f *os.File, size int64) error {
	block := make([]byte, min(size, 1<<20))
	for size > 0 {
		n, err := f.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return f.Sync()
}

// keepSpace makes a file that takes as many bytes of the disk.
func keepSpace(path string, size int64) (err error) {
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	return allocate(f, size)
}
