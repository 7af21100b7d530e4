package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/outbox"
)

// verdict is what the ledger says of a load.
type verdict struct {
	accepted, seen, lost, phantoms, falsely, duplicates int
	// poison are those that were given up, since every one of their attempts was cut off by the end of a process.
	poison int
	states map[string]int
}

func (v verdict) String() string {
	states := ""
	for _, s := range slices.Sorted(maps.Keys(v.states)) {
		states += fmt.Sprintf(", %s %d", s, v.states[s])
	}
	if v.poison > 0 {
		states += fmt.Sprintf(", of which poison %d", v.poison)
	}
	return fmt.Sprintf("accepted %d, seen %d, lost %d, phantoms %d, falsely delivered %d, duplicates %d; states%s",
		v.accepted, v.seen, v.lost, v.phantoms, v.falsely, v.duplicates, states)
}

// copies are what people saw of one notification.
type copies struct {
	fakechannel.Conversation
	seen []fakechannel.Message
}

// base is what a text was before it was edited.
func base(text string) string { return strings.TrimSuffix(text, " (edited)") }

// judge waits until everything has an outcome, and then compares what the clients were told and what the server says with
// what the ledger has. Duplicates are allowed for attempts that were cut off, one each, and no more than most altogether.
func (l *load) judge(within time.Duration, most int) verdict {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	states := l.settled(ctx)
	conversations, err := l.channel.Conversations(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	seen := make(map[string]*copies)
	for _, c := range conversations {
		for _, m := range c.Messages {
			key := c.ID + " " + base(m.Text)
			if seen[key] == nil {
				seen[key] = &copies{Conversation: c}
			}
			seen[key].seen = append(seen[key].seen, m)
		}
	}
	v := verdict{states: make(map[string]int)}
	for _, a := range l.asked {
		key := a.conversation + " " + a.text
		got := seen[key]
		if got == nil {
			got = &copies{}
		}
		delete(seen, key)
		v.one(ctx, l, a, got, states[a.id])
		if len(got.seen) > 1 {
			l.excused(ctx, a, got)
		}
	}
	for key := range seen {
		v.phantoms++
		l.t.Errorf("I3: %q was said and never asked for", key)
	}
	if v.duplicates > most {
		l.t.Errorf("I2: %d duplicates, %d could have been in flight", v.duplicates, most)
	}
	if !l.quiet {
		l.t.Log(v)
	}
	return v
}

// one judges a notification.
func (v *verdict) one(ctx context.Context, l *load, a *asked, got *copies, stands *stands) {
	n := len(got.seen)
	v.duplicates += max(0, n-1)
	v.seen += min(n, 1)
	switch {
	case a.never && (n > 0 || stands != nil):
		v.phantoms++
		l.t.Errorf("I3: %s was refused, and is there all the same", a.text)
		return
	case a.id == "":
		return // no answer: it may be there or not
	}
	v.accepted++
	if stands == nil {
		v.lost++
		l.t.Errorf("I1: %s (%s) was accepted, and the server does not know it", a.text, a.id)
		return
	}
	v.states[stands.state]++
	switch {
	case stands.state == "delivered" && n == 0:
		v.falsely++
		l.t.Errorf("I4: %s (%s) is delivered, and nobody saw it", a.text, a.id)
	case stands.state == "cancelled" && n > 0: // what may have been said is unknown in the end

		l.t.Errorf("I12: %s (%s) is cancelled, and somebody saw it", a.text, a.id)
	case stands.state == "failed" || stands.state == "expired" || stands.state == "suppressed":
		l.t.Errorf("I1: %s (%s) is %s", a.text, a.id, stands.state)
	case stands.state == "unknown" && !a.hold && a.change != "cancel" && a.change != "recall":
		v.poison++
		l.poisoned(ctx, a)
	case a.hold && n > 1:
		l.t.Errorf("I2: %s (%s) was to be said at most once, and was said %d times", a.text, a.id, n)
	case a.change == "" && stands.state == "cancelled":
		v.lost++
		l.t.Errorf("I1: %s (%s) is cancelled, and nobody asked for that", a.text, a.id)
	}
	v.changes(l, a, got, stands)
}

// changes judges edits and recalls that were acknowledged. Of a message that was said twice only the last can be changed.
func (v *verdict) changes(l *load, a *asked, got *copies, stands *stands) {
	if !a.changed || len(got.seen) == 0 || stands.state != "delivered" && stands.state != "recalled" {
		return
	}
	right := func(m fakechannel.Message) bool {
		text := m.Text
		if n := len(m.Edits); n > 0 {
			text = m.Edits[n-1]
		}
		return a.change == "edit" && text == a.edited() || a.change == "recall" && m.Deleted || a.change == "cancel"
	}
	if !slices.ContainsFunc(got.seen, right) {
		l.t.Errorf("I12: %s (%s): %s was acknowledged and did not happen: %+v; it is %s", a.text, a.id, a.change, got.seen, stands.state)
	}
}

// poisoned checks that a message is unknown, although it was to be tried again, only because attempt after attempt at it was cut
// off: then it is taken for what kills the server.
func (l *load) poisoned(ctx context.Context, a *asked) {
	for _, d := range l.deliveries(ctx, a) {
		if d.State != "unknown" {
			continue
		}
		cut := 0
		for _, h := range d.History {
			switch h.Reason {
			case "process_stopped", "lease_lost":
				cut++
			}
		}
		if d.Reason != "poison" || cut < outbox.PoisonAfter-1 { // the last one is in the detail of the end
			l.t.Errorf("I1: %s (%s) is unknown, and was to be tried again: %+v", a.text, a.id, d)
		}
	}
}

// deliveries are those of a notification, with their history.
func (l *load) deliveries(ctx context.Context, a *asked) []api.Delivery {
	c, err := client.New(client.Config{BaseURL: l.url(), HTTPClient: l.http})
	if err != nil {
		l.t.Fatal(err)
	}
	n, err := c.Notification(ctx, a.id)
	if err != nil {
		l.t.Errorf("%s (%s): %v", a.text, a.id, err)
	}
	return n.Deliveries
}

// excused checks that a message was said twice only because attempts were cut off.
func (l *load) excused(ctx context.Context, a *asked, got *copies) {
	for _, d := range l.deliveries(ctx, a) {
		if d.Verb != "send" {
			continue
		}
		cut := 0
		for _, h := range d.History {
			switch h.Reason {
			case "process_stopped", "lease_lost", "no_answer", "service_error", "unreachable":
				cut++
			}
		}
		if len(got.seen)-1 > cut || len(got.seen) > d.Attempts {
			l.t.Errorf("I2: %s (%s) was said %d times in %d attempts, of which %d were cut off: %+v",
				a.text, a.id, len(got.seen), d.Attempts, cut, d.History)
		}
	}
}

// stands is where a notification stands, as the server says.
type stands struct{ state string }

// settled waits until every notification has an outcome (I10), and returns them by id. What the server counts by state must
// sum up to what it lists (I12).
func (l *load) settled(ctx context.Context) map[string]*stands {
	l.t.Helper()
	c, err := client.New(client.Config{BaseURL: l.url(), HTTPClient: l.http})
	if err != nil {
		l.t.Fatal(err)
	}
	for {
		all := make(map[string]*stands)
		waiting := make(map[string]int)
		var example api.NotificationSummary
		var failure error
		for n, err := range c.Notifications(ctx, client.NotificationFilter{}) {
			if err != nil {
				failure = err
				break
			}
			all[n.ID] = &stands{state: n.State}
			if !client.Settled(n.State) {
				waiting[n.State]++
				example = n
			}
		}
		if failure == nil && len(waiting) == 0 {
			return all
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("I10: not all has an outcome: %v, such as %+v; %v", waiting, example, failure)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
