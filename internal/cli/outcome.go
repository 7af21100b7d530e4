package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// waiting are the flags of a command that waits for deliveries.
type waiting struct {
	Wait     *bool         `negatable:"" help:"Wait for the outcome as long as there is something to see; on for what is said at once."`
	Patience time.Duration `default:"10s" placeholder:"DURATION" help:"Stop waiting when nothing has changed for so long (${default})."`
}

// errBlind: the key may send, and may not look.
var errBlind = errors.New("this key may not read what became of it")

// await follows a notification that is due after a while, and returns it when every delivery has an outcome or patience
// ends, which is no error.
func (w waiting) await(ctx context.Context, server *client.Client, n api.Notification, due time.Duration, eyes io.Writer) (api.Notification, error) {
	bar := newProgress(eyes, "delivered")
	defer bar.clear()
	limited, stop := context.WithCancel(ctx)
	defer stop()
	patience := time.AfterFunc(due+w.Patience, stop)
	defer patience.Stop()
	before := tallyOf(n)
	for seen, err := range server.Watch(limited, n.ID) {
		if err != nil {
			if limited.Err() != nil && ctx.Err() == nil {
				return n, nil
			}
			if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Code == api.CodeMissingScope {
				return n, errBlind
			}
			return n, err
		}
		n = seen
		now := tallyOf(n)
		if now.settledOnes() > before.settledOnes() {
			before = now
			patience.Reset(w.Patience)
		}
		bar.show(now.delivered, now.failed, now.all)
	}
	return n, nil
}

// tally counts a notification's deliveries.
type tally struct {
	all, delivered, failed int
	why                    map[string]int // those that failed, or are held, by state and reason
}

func tallyOf(n api.Notification) tally {
	t := tally{why: make(map[string]int)}
	if n.More { // the reasons of those that are shown would not be those of all
		for state, some := range n.Counts {
			t.add(state, state, some)
		}
	} else {
		for _, d := range n.Deliveries {
			why := d.State
			if d.Reason != "" {
				why += " (" + d.Reason + ")"
			}
			t.add(d.State, why, 1)
		}
	}
	t.all = max(t.all, n.Recipients)
	return t
}

// add counts some that are in a state, for a reason.
func (t *tally) add(state, why string, some int) {
	t.all += some
	switch {
	case state == "delivered":
		t.delivered += some
	case client.Settled(state):
		t.failed += some
		t.why[why] += some
	case state == "held":
		t.why[why] += some
	}
}

func (t tally) settledOnes() int { return t.delivered + t.failed }

func (t tally) settled() bool { return t.all > 0 && t.delivered+t.failed == t.all }

// String says it as in "delivered to 1 of 2 conversations, 1 failed (not_found)", what there is most of first.
func (t tally) String() string {
	line := "delivered to "
	if t.delivered < t.all {
		line += fmt.Sprintf("%d of ", t.delivered)
	}
	line += count(t.all, "conversation")
	reasons := slices.SortedFunc(maps.Keys(t.why), func(a, b string) int {
		return cmp.Or(t.why[b]-t.why[a], strings.Compare(a, b))
	})
	for _, why := range reasons {
		line += fmt.Sprintf(", %d %s", t.why[why], why)
	}
	return line
}
