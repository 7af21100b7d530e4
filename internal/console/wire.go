package console

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Wire remembers the last calls between the channel and the bot, and tells the pages of new ones. It is for development:
// it keeps messages in memory, in clear. Safe for concurrent use; the zero value is ready.
//
// An entry is sent when its call has been answered, under an event id of its own. Its seq is given when the call begins,
// so that entries in the order of seq tell what happened: what the bot was asked comes before what it said meanwhile.
type Wire struct {
	mu        sync.Mutex
	begun     int64                   // calls; guarded by mu
	sent      int64                   // entries; guarded by mu
	recent    []entry                 // the last keep entries; guarded by mu
	listeners map[chan entry]struct{} // guarded by mu
}

// keep is how many entries a page that connects is shown.
const keep = 200

// entry is one row of the wire log, encoded once.
type entry struct {
	id   int64
	json []byte
}

type direction string

const (
	heard direction = "heard"
	said  direction = "said"
)

// call is one call between channel and bot, from its beginning to its answer.
type call struct {
	wire  *Wire
	start time.Time

	Seq          int64                   `json:"seq"`
	At           time.Time               `json:"at"`
	Direction    direction               `json:"direction"`
	Op           operation               `json:"op"`
	Channel      activity.ChannelID      `json:"channel"`
	Conversation activity.ConversationID `json:"conversation"`
	Person       activity.AccountID      `json:"person,omitzero"`
	Type         activity.Type           `json:"type"`
	InProcess    bool                    `json:"in_process,omitzero"`
	Error        string                  `json:"error,omitzero"`
	Activity     jsontext.Value          `json:"activity"`
	Request      request                 `json:"request"`
	Answer       answer                  `json:"answer"`
}

// request is the HTTP request of a call, or for one in this process that which it stands for.
type request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    jsontext.Value    `json:"body,omitzero"`
}

// answer is what came back. Its status is 0 when nothing did.
type answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitzero"`
	Body    jsontext.Value    `json:"body,omitzero"`
	MS      int64             `json:"ms"`
}

// begin notes that a call begins. The caller fills in what it knows and ends it.
func (w *Wire) begin(d direction, op operation) *call {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
	now := time.Now()
	return &call{wire: w, start: now, Seq: w.begun, At: now.UTC(), Direction: d, Op: op}
}

// about says which activity a call carries; nil when it carries none.
func (c *call) about(a *activity.Activity) {
	c.Type, c.Activity = activity.Type(c.Op), jsontext.Value("{}")
	if a == nil {
		return
	}
	if body, err := activity.Encode(a); err == nil {
		c.Type, c.Activity = a.Type, body
	}
}

// in says where a call belongs.
func (c *call) in(ref activity.Reference) {
	c.Channel, c.Conversation = ref.ChannelID, ref.Conversation.ID
	if ref.User != nil {
		c.Person = ref.User.ID
	}
}

// end notes the answer and shows the entry. A log that cannot be written is no reason to fail a call, so what does not
// encode is left out.
func (c *call) end() {
	c.Answer.MS = time.Since(c.start).Milliseconds()
	if c.Activity == nil {
		c.about(nil)
	}
	raw, err := json.Marshal(c, json.Deterministic(true))
	if err != nil {
		return
	}
	w := c.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	e := entry{id: w.sent, json: raw}
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

// listen returns what came after an entry, as far as it is remembered, and a channel of what comes; the channel is closed
// when the listener is too slow. stop ends it.
func (w *Wire) listen(after int64) (past []entry, next <-chan entry, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if after > w.sent { // the page remembers an earlier process
		after = 0
	}
	for _, e := range w.recent {
		if e.id > after {
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

// secrets are headers whose values nobody needs to see.
var secrets = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "Set-Cookie": true, "X-Api-Key": true,
}

// headers are a request's or an answer's headers, without secrets.
func headers(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[name] = strings.Join(values, ", ")
		if secrets[name] {
			out[name] = "redacted"
		}
	}
	return out
}

// mostShown is how much of a body the log keeps, in bytes.
const mostShown = 256 << 10

// body is a body as JSON: itself, if it is JSON, else its text.
func body(raw []byte) jsontext.Value {
	v := jsontext.Value(raw)
	switch {
	case len(raw) == 0:
		return nil
	case len(raw) <= mostShown && v.IsValid():
		return v
	}
	text, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(string(raw[:min(len(raw), mostShown)]), "\uFFFD"))
	if err != nil {
		return nil
	}
	return text
}
