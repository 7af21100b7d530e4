package fakechannel

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Ledger is what people would have seen. Safe for concurrent use.
type Ledger struct {
	mu            sync.Mutex
	conversations map[string]*seen
	order         []string // of conversations, as they were met
	total         Report
	sent          int // what was said, ever: where ids come from
	tenants       map[string]*TenantReport
	pauses        map[string]pause // by scope and its key
	news          chan struct{}
}

// seen is one conversation in the ledger.
type seen struct {
	Conversation
	byID  map[string]int  // index of a message
	texts map[string]bool // that were said
}

// pause is what a caller was told when it was refused.
type pause struct{ said, until time.Time }

// Conversation is one conversation as the people in it saw it.
type Conversation struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant,omitzero"`
	// Messages are in the order of their arrival, with those that were deleted later.
	Messages []Message `json:"messages"`
	// Early counts requests that came although the caller had been told to wait longer; Refused those that a limit refused.
	Early   int `json:"early,omitzero"`
	Refused int `json:"refused,omitzero"`
	// Tries counts requests to send or reply that came whole, by text, whatever became of them.
	Tries map[string]int `json:"tries"`
}

// Texts returns what was said, in order, as it was said first.
func (c Conversation) Texts() []string {
	texts := make([]string, len(c.Messages))
	for i, m := range c.Messages {
		texts[i] = m.Text
	}
	return texts
}

// Message is something that was said.
type Message struct {
	ID string `json:"id"`
	// Text is what was said first: the text, or the body of an activity without one.
	Text    string    `json:"text"`
	At      time.Time `json:"at"`
	ReplyTo string    `json:"reply_to,omitzero"`
	// Edits are the texts that replaced it, in order.
	Edits   []string `json:"edits,omitzero"`
	Deleted bool     `json:"deleted,omitzero"`
}

// Report is a ledger in figures.
type Report struct {
	// Requests counts all that came to the Connector API, by op in Ops and by answer in Statuses (0: none). Faults counts
	// rules that were met, by action. Broken counts requests that ended before they were read.
	Requests int            `json:"requests"`
	Ops      map[Op]int     `json:"ops"`
	Statuses map[string]int `json:"statuses"`
	Faults   map[Action]int `json:"faults"`
	Broken   int            `json:"broken"`
	// FirstRequest and LastRequest are when the first and the last of them came.
	FirstRequest time.Time `json:"first_request,omitzero"`
	LastRequest  time.Time `json:"last_request,omitzero"`

	// Messages counts what was said, Distinct without repeats, which are the same text in the same conversation, and
	// Duplicates only those.
	Messages   int `json:"messages"`
	Distinct   int `json:"distinct"`
	Duplicates int `json:"duplicates"`
	Updates    int `json:"updates"`
	Deletes    int `json:"deletes"`
	Created    int `json:"created"`

	// Refused counts what limits refused. Early counts requests that came although the caller had been told, more than
	// Config.Grace ago, to wait longer. Peaks has for every limit the most arrivals in one window, refused ones included.
	Refused int            `json:"refused"`
	Early   int            `json:"early"`
	Peaks   map[string]int `json:"peaks"`

	// Connections counts those that were opened, HTTP2 the requests over HTTP/2. Tokens counts answers of the token
	// endpoint, Unauthorized requests without a good token, Keys those for keys. Strayed counts requests to where
	// redirects lead, with or without a token.
	Connections  int `json:"connections"`
	HTTP2        int `json:"http2"`
	Tokens       int `json:"tokens"`
	Unauthorized int `json:"unauthorized"`
	Keys         int `json:"keys"`
	Strayed      int `json:"strayed"`

	// First and Last are when the first and last message was said.
	First   time.Time               `json:"first,omitzero"`
	Last    time.Time               `json:"last,omitzero"`
	Tenants map[string]TenantReport `json:"tenants"`
}

// TenantReport is the share of one tenant.
type TenantReport struct {
	Messages int       `json:"messages"`
	Refused  int       `json:"refused"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

func newLedger() *Ledger {
	l := &Ledger{}
	l.clear()
	return l
}

// Clear forgets everything. Ids of messages go on.
func (l *Ledger) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	l.changed()
}

func (l *Ledger) clear() {
	l.conversations, l.order = make(map[string]*seen), nil
	l.tenants, l.pauses = make(map[string]*TenantReport), make(map[string]pause)
	l.total = Report{Ops: make(map[Op]int), Statuses: make(map[string]int), Faults: make(map[Action]int)}
}

// changed wakes those who wait. l.mu is held.
func (l *Ledger) changed() {
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// Report returns the figures so far. Peaks are known to the server only, see [Server.Report].
func (l *Ledger) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.total
	r.Ops, r.Statuses, r.Faults = maps.Clone(r.Ops), maps.Clone(r.Statuses), maps.Clone(r.Faults)
	r.Duplicates = r.Messages - r.Distinct
	r.Peaks = make(map[string]int)
	r.Tenants = make(map[string]TenantReport, len(l.tenants))
	for name, t := range l.tenants {
		r.Tenants[name] = *t
	}
	return r
}

// Conversation returns what was said in a conversation; nothing, if it is not known.
func (l *Ledger) Conversation(id string) Conversation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.conversations[id]; s != nil {
		return s.copy()
	}
	return Conversation{ID: id}
}

// Conversations returns all conversations, in the order in which they were met.
func (l *Ledger) Conversations() []Conversation {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Conversation, len(l.order))
	for i, id := range l.order {
		all[i] = l.conversations[id].copy()
	}
	return all
}

func (s *seen) copy() Conversation {
	c := s.Conversation
	c.Messages, c.Tries = slices.Clone(c.Messages), maps.Clone(c.Tries)
	for i := range c.Messages {
		c.Messages[i].Edits = slices.Clone(c.Messages[i].Edits)
	}
	return c
}

// Await returns when n distinct messages have been said, or with ctx's error.
func (l *Ledger) Await(ctx context.Context, n int) error {
	return l.AwaitFunc(ctx, func(r Report) bool { return r.Distinct >= n })
}

// AwaitFunc returns when ok holds for the figures, or with ctx's error. The maps of what ok is given are the ledger's own:
// it must not keep them.
func (l *Ledger) AwaitFunc(ctx context.Context, ok func(Report) bool) error {
	for {
		l.mu.Lock()
		if ok(l.total) {
			l.mu.Unlock()
			return nil
		}
		if l.news == nil {
			l.news = make(chan struct{})
		}
		news := l.news
		l.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// at returns the page of a conversation. l.mu is held.
func (l *Ledger) at(c call) *seen {
	s := l.conversations[c.conversation]
	if s == nil {
		s = &seen{
			Conversation: Conversation{ID: c.conversation, Messages: []Message{}, Tries: make(map[string]int)},
			byID:         make(map[string]int), texts: make(map[string]bool),
		}
		l.conversations[c.conversation] = s
		l.order = append(l.order, c.conversation)
	}
	if s.Tenant == "" {
		s.Tenant = c.tenant
	}
	return s
}

// tenant returns the share of a tenant. l.mu is held.
func (l *Ledger) tenant(name string) *TenantReport {
	t := l.tenants[name]
	if t == nil {
		t = &TenantReport{}
		l.tenants[name] = t
	}
	return t
}

// tenantOf is the tenant that a conversation is known to belong to.
func (l *Ledger) tenantOf(conversation string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.conversations[conversation]; s != nil {
		return s.Tenant
	}
	return ""
}

// came notes a request that was read, and returns which try of its text it is. Early is whether the caller had been told
// more than grace ago to wait longer.
func (l *Ledger) came(c call, now time.Time, grace time.Duration) (try int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	early := false
	for _, scope := range []string{scopeKey(ByConversation, c), scopeKey(ByTenant, c)} {
		if p, paused := l.pauses[scope]; paused && now.After(p.said.Add(grace)) && now.Before(p.until) {
			early = true
		}
	}
	if early {
		l.total.Early++
	}
	if c.conversation == "" {
		return 1
	}
	s := l.at(c)
	if early {
		s.Early++
	}
	if c.op != OpSend && c.op != OpReply {
		return 1
	}
	s.Tries[c.text]++
	return s.Tries[c.text]
}

func scopeKey(s Scope, c call) string {
	if s == ByTenant {
		return string(s) + " " + c.tenant
	}
	return string(s) + " " + c.conversation
}

// paused notes that a caller was told to wait.
func (l *Ledger) paused(scope Scope, c call, until time.Time, limit bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := scopeKey(scope, c)
	if until.After(l.pauses[key].until) {
		l.pauses[key] = pause{said: time.Now(), until: until}
	}
	if !limit {
		return
	}
	l.total.Refused++
	l.tenant(c.tenant).Refused++
	if c.conversation != "" {
		l.at(c).Refused++
	}
	l.changed()
}

// said keeps a message and returns its id.
func (l *Ledger) said(c call, replyTo string, now time.Time) string {
	return l.keep(c, Message{Text: c.text, At: now, ReplyTo: replyTo})
}

// keep keeps a message, and gives it an id if it has none.
func (l *Ledger) keep(c call, m Message) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.at(c)
	if l.sent++; m.ID == "" {
		m.ID = "m" + strconv.Itoa(l.sent)
	}
	again := s.texts[c.text]
	s.texts[c.text] = true
	s.byID[m.ID] = len(s.Messages)
	s.Messages = append(s.Messages, m)
	l.total.Messages++
	if !again {
		l.total.Distinct++
	}
	if l.total.First.IsZero() {
		l.total.First = m.At
	}
	l.total.Last = m.At
	t := l.tenant(c.tenant)
	t.Messages++
	if t.First.IsZero() {
		t.First = m.At
	}
	t.Last = m.At
	l.changed()
	return m.ID
}

// revised changes or removes a message, and reports whether there is one.
func (l *Ledger) revised(c call, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.at(c)
	i, known := s.byID[id]
	if !known || s.Messages[i].Deleted {
		return false
	}
	if c.op == OpDelete {
		s.Messages[i].Deleted = true
		l.total.Deletes++
	} else {
		s.Messages[i].Edits = append(s.Messages[i].Edits, c.text)
		l.total.Updates++
	}
	l.changed()
	return true
}

// count changes the figures.
func (l *Ledger) count(change func(*Report)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.total)
	l.changed()
}
