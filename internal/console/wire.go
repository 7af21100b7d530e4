package console

import (
	"context"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Wire remembers the last activities that the bot heard and said, and tells the pages of new ones. It is for
// development: it keeps messages in memory, in clear. Safe for concurrent use; the zero value is ready.
type Wire struct {
	mu        sync.Mutex
	seq       int64
	recent    []entry                 // the last keep entries; guarded by mu
	listeners map[chan entry]struct{} // guarded by mu
}

// keep is how many entries a page that connects is shown.
const keep = 200

// entry is one row of the wire log, encoded once.
type entry struct {
	seq  int64
	json []byte
}

type direction string

const (
	heard direction = "heard"
	said  direction = "said"
)

// Middleware notes every inbound activity.
func (w *Wire) Middleware(next headsup.Handler) headsup.Handler {
	return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if !t.Proactive() {
			w.note(heard, t.Reference(), t.Activity(), nil)
		}
		return next.HandleTurn(ctx, t)
	})
}

// Tap notes every activity that goes out through c, and what became of it.
func (w *Wire) Tap(c headsup.Channel) headsup.Channel { return tap{Channel: c, wire: w} }

type tap struct {
	headsup.Channel
	wire *Wire
}

func (t tap) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	r, err := t.Channel.Send(ctx, out)
	t.wire.note(said, out.Reference, out.Activity, err)
	return r, err
}

func (t tap) Update(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	r, err := t.Channel.Update(ctx, out)
	t.wire.note(said, out.Reference, out.Activity, err)
	return r, err
}

// note adds an entry. A log that cannot be written is no reason to fail a send, so what does not encode is left out.
func (w *Wire) note(d direction, ref activity.Reference, a *activity.Activity, failure error) {
	body, err := activity.Encode(a)
	if err != nil {
		return
	}
	row := struct {
		Seq          int64                   `json:"seq"`
		At           time.Time               `json:"at"`
		Direction    direction               `json:"direction"`
		Channel      activity.ChannelID      `json:"channel"`
		Conversation activity.ConversationID `json:"conversation"`
		Person       activity.AccountID      `json:"person,omitzero"`
		Type         activity.Type           `json:"type"`
		Error        string                  `json:"error,omitzero"`
		Activity     jsontext.Value          `json:"activity"`
	}{
		At: time.Now().UTC(), Direction: d, Channel: ref.ChannelID, Conversation: ref.Conversation.ID, Type: a.Type, Activity: body,
	}
	if ref.User != nil {
		row.Person = ref.User.ID
	}
	if failure != nil {
		row.Error = failure.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	row.Seq = w.seq + 1
	raw, err := json.Marshal(row)
	if err != nil {
		return
	}
	w.seq++
	e := entry{seq: w.seq, json: raw}
	w.recent = append(w.recent, e)
	if len(w.recent) > keep {
		w.recent = append(w.recent[:0:0], w.recent[len(w.recent)-keep:]...)
	}
	for l := range w.listeners {
		select {
		case l <- e:
		default: // a page that does not keep up is cut off, and asks again from where it was
			delete(w.listeners, l)
			close(l)
		}
	}
}

// listen returns what came after seq, as far as it is remembered, and a channel of what comes; the channel is closed
// when the listener is too slow. stop ends it.
func (w *Wire) listen(after int64) (past []entry, next <-chan entry, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if after > w.seq { // the page remembers an earlier process
		after = 0
	}
	for _, e := range w.recent {
		if e.seq > after {
			past = append(past, e)
		}
	}
	l := make(chan entry, 2*keep)
	if w.listeners == nil {
		w.listeners = make(map[chan entry]struct{})
	}
	w.listeners[l] = struct{}{}
	return past, l, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, ok := w.listeners[l]; ok {
			delete(w.listeners, l)
			close(l)
		}
	}
}
