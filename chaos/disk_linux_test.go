//go:build chaos

package chaos_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// smallDisk mounts a disk in memory of a number of bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Fatalf("mount a small disk (this needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills the disk under the server (F30): it refuses what it cannot keep with 507, goes on telling what it knows and
// saying what it has accepted, loses nothing, and takes new messages when there is room again. Needs root, to mount a small one.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 256<<20) // the write-ahead log alone may take a quarter of it
	ch, server := channel(t), newNode(t)
	server.args[1] = filepath.Join(disk, "data")
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	time.Sleep(time.Second)
	ballast := filepath.Join(disk, "ballast")
	for round := range 3 {
		p := &probe{t: t, load: l, name: fmt.Sprintf("probe %d", round)}
		p.ask(p.name, `,"in":"2s"`).is(http.StatusAccepted, "")
		fill(t, ballast)
		p.until(2*time.Second, http.StatusInsufficientStorage) // it looks once a second
		for range 50 {
			p.new().is(http.StatusInsufficientStorage, api.CodeNoRoom)
		}
		p.ask(p.name, `,"in":"2s"`).is(http.StatusAccepted, "") // it knows that one
		p.delivered()
		if round == 1 { // on the full disk
			server.kill()
			more := filepath.Join(disk, "more")
			if _, err := os.Stat(filepath.Join(server.args[1], "headsup.reserve")); err == nil {
				fill(t, more) // it starts on what it has kept
			}
			server.start()
			p.delivered()
			if err := os.Remove(more); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		p.until(5*time.Second, http.StatusAccepted)
		time.Sleep(time.Second)
	}
	close(stop)
	wait()
	l.judge(2*time.Minute, people)
	t.Logf("answers by status: %v", l.statuses)
}

// probe is a client that looks at every answer.
type probe struct {
	t    *testing.T
	load *load
	name string
	id   string // of the first notification
	n    int
}

type reply struct {
	p      *probe
	status int
	body   string
}

// ask asks for a notification under a key.
func (p *probe) ask(key, extra string) reply {
	p.t.Helper()
	status, answer := p.load.post(p.t.Context(), "/v1/notifications", `{"to":{"conversation":"c0"},"text":"`+key+`"`+extra+`}`, "Idempotency-Key", key)
	asked := &asked{key: key, conversation: "c0", text: key, never: status == http.StatusInsufficientStorage}
	if status == http.StatusAccepted {
		asked.id = idOf(p.t, answer)
	}
	if key == p.name && p.id != "" {
		if asked.id != p.id {
			p.t.Errorf("the same key gives %s and %s", p.id, asked.id)
		}
		return reply{p, status, string(answer)}
	}
	if key == p.name {
		p.id = asked.id
	}
	p.load.mu.Lock()
	defer p.load.mu.Unlock()
	p.load.asked = append(p.load.asked, asked)
	return reply{p, status, string(answer)}
}

// new asks for another one every time.
func (p *probe) new() reply {
	p.t.Helper()
	p.n++
	return p.ask(fmt.Sprint(p.name, ", ", p.n), "")
}

func (r reply) is(status int, code string) {
	r.p.t.Helper()
	if r.status != status || !strings.Contains(r.body, code) {
		r.p.t.Errorf("%s: status %d, want %d %s: %s", r.p.name, r.status, status, code, r.body)
	}
}

// until asks until the status of the answer is the one that is waited for.
func (p *probe) until(within time.Duration, status int) {
	p.t.Helper()
	var last reply
	for began := time.Now(); time.Since(began) < within; time.Sleep(10 * time.Millisecond) {
		if last = p.new(); last.status == status {
			return
		}
	}
	p.t.Fatalf("%s: status %d after %v, want %d: %s", p.name, last.status, within, status, last.body)
}

// delivered waits until the first notification is, and everything can be read meanwhile.
func (p *probe) delivered() {
	p.t.Helper()
	c, err := client.New(client.Config{BaseURL: p.load.url(), HTTPClient: p.load.http})
	if err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		n, err := c.Notification(p.t.Context(), p.id)
		if err != nil {
			p.t.Fatalf("%s cannot be read: %v", p.name, err)
		}
		if n.State == "delivered" {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is %s while the disk is full: %+v", p.name, n.State, n.Deliveries)
		}
	}
}

// fill writes a file until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
