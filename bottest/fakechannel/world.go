package fakechannel

import (
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// World is what a channel is like where it behaves well: which conversations there are, who is in them, and what may be said
// there. Without one, every conversation exists. Rules, limits and tokens come before it. Its methods are called by many
// requests at once.
type World interface {
	// Counted is what windows count a request by: the tenant, and in place of the conversation, where the request names none
	// since it creates one, what stands for that. Empty ones are those of the request.
	Counted(r Request) (thread, tenant string)
	// Answer does what a request asks for and returns the status and the body, which is encoded as JSON. What people see of
	// it belongs in the ledger.
	Answer(l *Ledger, r Request) (status int, body any)
}

// Request is a request that came whole.
type Request struct {
	Op Op
	// Method, Host and Query are those of HTTP. Base is what stands before /v3/ in the path, without slashes around it, and
	// Path what stands after that, with its ids as they are.
	Method, Host, Base string
	Query              url.Values
	Path               []string
	// Conversation, ID and Tenant are those that the request names, ID being of an activity or a member; empty for none.
	Conversation, ID, Tenant string
	// Text is what is said, or the body where there is no text in it.
	Text string
	Body jsontext.Value
	At   time.Time
}

// Problem is the body of an error.
func Problem(code, message string) any { return problem(code, message) }

// Say keeps a message that a bot has sent, under an id that the world gives it.
func (l *Ledger) Say(conversation, tenant string, m Message) {
	l.keep(call{conversation: conversation, tenant: tenant, text: m.Text}, m)
}

// Revise changes a message, for OpUpdate, or removes it, for OpDelete, and reports whether there is one.
func (l *Ledger) Revise(op Op, conversation, id, text string) bool {
	return l.revised(call{op: op, conversation: conversation, text: text}, id)
}

// Opened counts a conversation that was created.
func (l *Ledger) Opened() { l.count(func(r *Report) { r.Created++ }) }
