package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/access"
)

// patience is how long send waits for deliveries, from when they are due.
const patience = 10 * time.Second

// maxText is how many characters the API takes.
const maxText = 65536

type send struct {
	Conversation string `required:"" xor:"to" placeholder:"ID" help:"Say it in a conversation, by its id on the channel."`
	User         string `required:"" xor:"to" placeholder:"ID" help:"Say it to a person, by channel user id."`
	Everyone     bool   `required:"" xor:"to" help:"Say it in every conversation that can be reached."`

	In    time.Duration `xor:"when" placeholder:"DURATION" help:"Say it later, such as 90s or 1h30m from now."`
	At    time.Time     `xor:"when" placeholder:"TIME" help:"Say it at an instant, such as 2026-12-24T18:00:00Z."`
	Key   string        `placeholder:"TEXT" help:"Idempotency key: the same message with the same key is said once, however often it is sent."`
	Topic string        `placeholder:"TEXT" help:"Groups messages of one kind."`
	Lane  string        `default:"normal" enum:"urgent,normal,bulk" help:"How pressing it is: ${enum} (${default})."`
	New   bool          `help:"Open a new conversation with the person, where the channel can."`
	Wait  *bool         `negatable:"" help:"Wait up to 10 s for the outcome; on for what is said at once."`
	remote

	Text *string `arg:"" optional:"" help:"What to say. Read from standard input when it is left out or -."`
}

// Help shows examples.
func (send) Help() string {
	return `Examples:

    headsup send --everyone "Heads up!"
    headsup send --user dl_ann --in 10m "Tea is ready."
    make && echo done | headsup send --everyone

The exit code is 0 when it was accepted, and delivered if waited for; 1 when something failed; 2 when the call is wrong.
What is not delivered when the wait is over stays accepted, and "headsup notifications get ID" tells the rest.`
}

// Run has the server accept the message, and waits for it.
func (c send) Run(ctx context.Context, s streams) error {
	if _, err := access.ParseSecret(c.Key); err == nil {
		return usageError{errors.New("--key is the idempotency key, which is stored; an API key goes into a file (--key-file) or " + keyVariable)}
	}
	r, err := c.request(s.in)
	if err != nil {
		return usageError{err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	var opts []client.CallOption
	if c.Key != "" {
		opts = append(opts, client.IdempotencyKey(c.Key))
	}
	n, err := server.CreateNotification(ctx, r, opts...)
	if err != nil {
		return c.explain(err)
	}
	waits := c.immediate()
	if c.Wait != nil {
		waits = *c.Wait
	}
	if waits {
		if n, err = c.await(ctx, server, n); err != nil {
			return fmt.Errorf("accepted as %s, but then: %w", n.ID, c.explain(err))
		}
	}
	if c.JSON {
		if err := printJSON(s.out, n); err != nil {
			return err
		}
	}
	t := tallyOf(n)
	if t.failed > 0 {
		return fmt.Errorf("%s; see: headsup notifications get %s", t, n.ID)
	}
	if c.JSON {
		return nil
	}
	line := t.String()
	if !t.settled() {
		if waits {
			line += " so far"
		} else {
			line = "accepted for " + count(t.all, "conversation")
		}
		line += "; see: headsup notifications get " + n.ID
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}

func (c send) immediate() bool { return c.In == 0 && c.At.IsZero() }

// await returns the notification when it has an outcome or patience ends, which is no error.
func (c send) await(ctx context.Context, server *client.Client, n api.Notification) (api.Notification, error) {
	due := c.In
	if !c.At.IsZero() {
		due = max(0, time.Until(c.At))
	}
	limited, cancel := context.WithTimeout(ctx, due+patience)
	defer cancel()
	seen, err := server.Wait(limited, n.ID)
	if seen.ID != "" {
		n = seen
	}
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return n, nil
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Code == api.CodeMissingScope {
		return n, nil // a key that may send and not look
	}
	return n, err
}

// request is what the flags and the input ask for.
func (c send) request(in io.Reader) (api.NotificationRequest, error) {
	r := api.NotificationRequest{
		To:    api.Target{Conversation: c.Conversation, User: c.User, Everyone: c.Everyone},
		Topic: c.Topic, Lane: c.Lane,
	}
	switch {
	case !c.Everyone && c.Conversation == "" && c.User == "": // --user "$UNSET", or --no-everyone
		return r, errors.New("--conversation, --user: must not be empty")
	case c.In != 0 && c.In < time.Millisecond:
		return r, errors.New("--in: must be a time from now, at least 1ms")
	case c.New && c.Everyone:
		return r, errors.New("--new: is for one person, not for --everyone")
	}
	if c.In > 0 {
		r.In = c.In.Round(time.Millisecond).String()
	}
	if !c.At.IsZero() {
		r.At = &c.At
	}
	if c.New {
		r.Conversation = "new"
	}
	var err error
	r.Text, err = c.text(in)
	return r, err
}

// text is the argument, or what the input has, without the newlines that commands end their output with.
func (c send) text(in io.Reader) (string, error) {
	text := ""
	switch {
	case c.Text != nil && *c.Text != "-":
		text = *c.Text
	case c.Text == nil && terminal(in):
		return "", errors.New("nothing to say: give the text, or pipe it in")
	default:
		raw, err := io.ReadAll(io.LimitReader(in, maxText*utf8.UTFMax+1))
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		text = strings.TrimRight(string(raw), "\r\n")
	}
	switch {
	case text == "":
		return "", errors.New("nothing to say: the text is empty")
	case utf8.RuneCountInString(text) > maxText:
		return "", fmt.Errorf("the text is longer than %d characters", maxText)
	case !utf8.ValidString(text):
		return "", errors.New("the text is not valid UTF-8")
	}
	return text, nil
}

// terminal reports whether a person would have to type.
func terminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tally counts a notification's deliveries.
type tally struct {
	all, delivered, failed int
	why                    map[string]int // failed ones by state and reason
}

func tallyOf(n api.Notification) tally {
	t := tally{all: len(n.Deliveries), why: make(map[string]int)}
	for _, d := range n.Deliveries {
		switch {
		case d.State == "delivered":
			t.delivered++
		case client.Settled(d.State):
			t.failed++
			why := d.State
			if d.Reason != "" {
				why += " (" + d.Reason + ")"
			}
			t.why[why]++
		}
	}
	return t
}

func (t tally) settled() bool { return t.all > 0 && t.delivered+t.failed == t.all }

// String says it as in "delivered to 1 of 2 conversations, 1 failed (not_found)", what failed most first.
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
