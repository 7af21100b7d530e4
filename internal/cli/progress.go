package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// When a bar shows: work that is quickly done needs none, and eyes need no more than a few drawings a second.
const (
	showAfter = 500 * time.Millisecond
	drawEvery = 100 * time.Millisecond
	barWidth  = 20
)

// progress draws one line about long work, again and again in the same place. Where nobody looks, because the output is
// not a terminal, it writes nothing. The zero value is of no use; newProgress makes one.
type progress struct {
	out     io.Writer // nil where nobody looks
	verb    string    // such as "delivered"
	started time.Time
	drawn   time.Time
}

func newProgress(out io.Writer, verb string) *progress {
	p := &progress{verb: verb, started: time.Now()}
	if terminal(out) && os.Getenv("TERM") != "dumb" {
		p.out = out
	}
	return p
}

// show draws how far the work has come, if it is time to. A total of 0 is not known.
func (p *progress) show(done, failed, total int) {
	now := time.Now()
	if p.out == nil || now.Sub(p.started) < showAfter || now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn = now
	_, _ = io.WriteString(p.out, "\r"+progressLine(p.verb, done, failed, total, now.Sub(p.started))+"\x1b[K")
}

// clear removes the line, so that what follows stands in its place.
func (p *progress) clear() {
	if p.out != nil && !p.drawn.IsZero() {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}

// progressLine is a line like "delivered 420/1000 [########            ] 42%, 3 failed, 12s, 35/s".
func progressLine(verb string, done, failed, total int, elapsed time.Duration) string {
	settled := done + failed
	line := fmt.Sprintf("%s %d", verb, done)
	if total > 0 {
		part := min(1, float64(settled)/float64(total))
		bar := strings.Repeat("#", int(part*barWidth))
		line += fmt.Sprintf("/%d [%-*s] %d%%", total, barWidth, bar, int(part*100))
	}
	if failed > 0 {
		line += fmt.Sprintf(", %d failed", failed)
	}
	return line + fmt.Sprintf(", %s, %.0f/s", elapsed.Round(time.Second), float64(settled)/elapsed.Seconds())
}

// terminal reports whether a stream is a person's: one reads it or types there.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
