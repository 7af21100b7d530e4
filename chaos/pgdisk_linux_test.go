//go:build chaos

package chaos_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/pgtest"
)

// TestPostgresDiskFull fills the disk under the database, log and all, until PostgreSQL gives up (F26, F31): the nodes answer 503
// and acknowledge nothing, and go on by themselves when the database is there again. Needs root, to mount a small disk.
func TestPostgresDiskFull(t *testing.T) {
	disk := smallDisk(t, 512<<20)
	if err := os.Chmod(filepath.Dir(disk), 0o711); err != nil { // PostgreSQL is another user
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", disk) // where the cluster goes
	cluster := pgtest.Start(t)
	t.Setenv("TMPDIR", "")
	ch, servers := channel(t, "--delay", "2ms"), nodes(t, 2, cluster.NetworkURL(nameOf(t, cluster)))
	for _, s := range servers {
		s.start()
	}
	l := newLoad(t, ch, people, servers...)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	ballast := filepath.Join(disk, "ballast")
	for range 3 {
		time.Sleep(2 * time.Second)
		before := l.count503()
		fill(t, ballast)
		for deadline := time.Now().Add(time.Minute); l.count503() == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing was refused")
			}
		}
		time.Sleep(5 * time.Second)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		cluster.Stop(t, pgtest.Immediate) // it may have ended, and whoever runs it starts it again
		cluster.Run(t)
	}
	close(stop)
	wait()
	l.judge(3*time.Minute, 3*people)
	t.Logf("answers by status: %v", l.statuses)
}

// count503 is how often a server has said that it cannot just now.
func (l *load) count503() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[503]
}
