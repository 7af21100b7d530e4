//go:build chaos

package chaos_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSyncBeforeAnswer reads the system calls of a server that accepts and delivers one notification after another (F08): what
// is accepted is written to the write-ahead log, the log is synced, and only then does the answer leave, and only then is the
// channel called. A kill cannot show that, since the page cache survives it.
func TestSyncBeforeAnswer(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	trace := filepath.Join(t.TempDir(), "trace")
	server.before = []string{
		"strace", "-f", "-y", "-s", "100000", "-o", trace, "-e", "trace=pwrite64,fdatasync,fsync,write,sendto,writev",
	}
	server.start()
	l := newLoad(t, ch, 5, server)
	l.plain = true
	l.introduce()
	const asked = 50
	for i := range asked {
		body := fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"marker-%03d-end"}`, i%5, i)
		if status, answer := l.post(t.Context(), "/v1/notifications", body); status != 202 {
			t.Fatalf("status %d: %s", status, answer)
		}
		await(t, ch, i+1)
	}
	server.kill()
	lines := strings.Split(read(t, trace), "\n")
	next := 0
	for i := range asked {
		next = checkOrder(t, lines, next, fmt.Sprintf("marker-%03d-end", i))
	}
	t.Logf("%d notifications, %d system calls", asked, len(lines))
}

var (
	walWrite = regexp.MustCompile(`pwrite64\(\d+<[^>]*headsup\.db-wal>`)
	walSync  = regexp.MustCompile(`f(data)?sync\(\d+<[^>]*headsup\.db-wal>( <unfinished|\) *= 0)`)
	resumed  = regexp.MustCompile(`<\.\.\. f(data)?sync resumed>\) *= 0`)
	thread   = regexp.MustCompile(`^\d+`)
)

// checkOrder finds the calls for one notification from a line on and returns where the next one's begin.
func checkOrder(t *testing.T, lines []string, from int, marker string) int {
	t.Helper()
	written, begun, synced, answered, said := -1, "", -1, -1, -1
	for i := from; i < len(lines); i++ {
		line := lines[i]
		switch {
		case walWrite.MatchString(line) && strings.Contains(line, marker) && written < 0:
			written = i
		case written >= 0 && synced < 0 && walSync.MatchString(line):
			if strings.Contains(line, "<unfinished") {
				begun = thread.FindString(line)
			} else {
				synced = i
			}
		case synced < 0 && begun != "" && resumed.MatchString(line) && thread.FindString(line) == begun:
			synced = i
		case strings.Contains(line, `"HTTP/1.1 202 Accepted`) && strings.Contains(line, marker):
			answered = i
		case strings.Contains(line, `"POST /t/v3/conversations/`), strings.Contains(line, `"POST /v3/conversations/`):
			if said < 0 && strings.Contains(line, marker) {
				said = i
			}
		}
		if answered >= 0 && said >= 0 {
			break
		}
	}
	if written < 0 || synced < written || answered < synced || said < synced {
		t.Errorf("%s: written to the log in line %d, synced in %d, answered in %d, said in %d", marker, written, synced, answered, said)
		return from
	}
	return max(answered, said)
}
