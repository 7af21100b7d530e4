package fakechannel

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Op is what a request asks the channel for.
type Op string

const (
	OpSend    Op = "send"
	OpReply   Op = "reply"
	OpUpdate  Op = "update"
	OpDelete  Op = "delete"
	OpCreate  Op = "create"
	OpMembers Op = "members" // one, all, or by page
	OpTeams   Op = "teams"   // a team, or its channels; only in a World
	OpToken   Op = "token"   // a token of the bot's own
	OpKeys    Op = "keys"    // how the channel's tokens are checked
)

// says reports whether an op puts an activity into a conversation, or changes one there.
func (o Op) says() bool {
	switch o {
	case OpSend, OpReply, OpUpdate, OpDelete:
		return true
	case OpCreate, OpMembers, OpTeams, OpToken, OpKeys:
		return false
	}
	return false
}

// Action is what the channel does instead of answering well.
type Action string

const (
	// Answer answers with the rule's Status, RetryAfter, Code and Body.
	Answer Action = "answer"
	// ResetBefore resets the connection before the body is read; ResetAfter does when the request was carried out.
	ResetBefore Action = "reset_before"
	ResetAfter  Action = "reset_after"
	// HangBefore takes a request in and neither carries it out nor answers; HangAfter carries it out and does not answer.
	// Both end when the caller goes away, when hanging requests are released, and when the channel closes.
	HangBefore Action = "hang_before"
	HangAfter  Action = "hang_after"
	// Drip carries the request out and sends the answer a byte a second, from the status line on (over HTTP/2 from the body
	// on).
	Drip Action = "drip"
	// Truncate carries the request out, answers 200 and breaks off in the body.
	Truncate Action = "truncate"
	// Redirect sends the caller to the rule's Location, 307; without one to a place where the ledger counts who follows.
	Redirect Action = "redirect"
	// Garbage answers with bytes that are not HTTP (over HTTP/2 it breaks the stream).
	Garbage Action = "garbage"
	// Huge carries the request out and answers 200 with a body that does not end before a gigabyte.
	Huge Action = "huge"
)

// carriesOut reports whether a person sees what a request says although it is answered like this.
func (r Rule) carriesOut() bool {
	if r.Kept != nil {
		return *r.Kept
	}
	switch r.Do {
	case ResetAfter, HangAfter, Drip, Truncate, Huge:
		return true
	case Answer, "":
		return r.Status == 0 || r.Status/100 == 2
	case ResetBefore, HangBefore, Redirect, Garbage:
	}
	return false
}

// Rule is one kind of misbehaviour and when it happens. A request meets the first rule that fits it and whose turn it is.
// It is data, and travels as JSON, see [ParseRules].
type Rule struct {
	// Which requests: those that fit every member that is set. Text is part of what is said.
	Op           Op     `json:"op,omitzero"`
	Conversation string `json:"conversation,omitzero"`
	Tenant       string `json:"tenant,omitzero"`
	Text         string `json:"text,omitzero"`

	// Of those that fit, the first Skip are left alone, and after that Times are met; zero means all. With Each they are
	// counted for every conversation and text by itself, so that Times: 1 meets every first try.
	Skip  int  `json:"skip,omitzero"`
	Times int  `json:"times,omitzero"`
	Each  bool `json:"each,omitzero"`

	// Share is the part of them that is met, up to 1; zero means all. Which ones depends on the channel's seed, and on
	// conversation, text and the number of the try only: not on the order in which requests arrive.
	Share float64 `json:"share,omitzero"`

	// Do is what happens; empty means Answer.
	Do Action `json:"do,omitzero"`
	// Delay is waited first.
	Delay time.Duration `json:"delay,omitzero"`
	// Status is answered; zero means that of a good answer. RetryAfter is sent as it is; Code is the error's code. Body replaces the whole
	// answer's body.
	Status     int    `json:"status,omitzero"`
	RetryAfter string `json:"retry_after,omitzero"`
	Code       string `json:"code,omitzero"`
	Body       string `json:"body,omitzero"`
	Location   string `json:"location,omitzero"`
	// Kept says whether people see what the request says all the same. Nil means what the action says: an answer of 2xx and
	// all that break after the request was carried out do.
	Kept *bool `json:"kept,omitzero"`
}

// ParseRules reads a JSON array of rules, with members in snake case and durations like "1.5s". Members that there are not
// are refused, and rules that make no sense.
func ParseRules(text []byte) ([]Rule, error) {
	var list []Rule
	if err := json.Unmarshal(text, &list, wire, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("fakechannel: rules: %w", err)
	}
	_, err := newRules(0, list)
	return list, err
}

// wire has durations as text.
var wire = json.JoinOptions(
	json.WithMarshalers(json.MarshalFunc(func(d time.Duration) ([]byte, error) { return json.Marshal(d.String()) })),
	json.WithUnmarshalers(json.UnmarshalFunc(func(b []byte, d *time.Duration) error {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		var err error
		*d, err = time.ParseDuration(text)
		return err
	})),
)

func (r Rule) validate() error {
	switch r.Do {
	case "", Answer, ResetAfter, HangBefore, HangAfter, Drip, Truncate, Redirect, Garbage, Huge:
	case ResetBefore:
		if r.Text != "" || r.Each || r.Share != 0 {
			return errors.New("reset_before happens before the text is known: no text, each or share")
		}
	default:
		return fmt.Errorf("there is no action %q", r.Do)
	}
	switch {
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("status %d is not from 200 to 599", r.Status)
	case r.Share < 0 || r.Share > 1 || math.IsNaN(r.Share):
		return fmt.Errorf("share %v is not from 0 to 1", r.Share)
	case r.Skip < 0, r.Times < 0, r.Delay < 0:
		return errors.New("skip, times and delay cannot be negative")
	}
	return nil
}

// call is a request as rules see it.
type call struct {
	op                         Op
	conversation, tenant, text string
	thread                     string // what windows count by where there is no conversation
	try                        int    // of this conversation and text, from 1
}

// rules are the rules in force, with what they have counted. Its owner guards it.
type rules struct {
	seed  uint64
	rules []Rule
	met   []map[string]int
}

func newRules(seed uint64, list []Rule) (*rules, error) {
	rs := &rules{seed: seed, rules: list, met: make([]map[string]int, len(list))}
	for i, r := range list {
		if err := r.validate(); err != nil {
			return nil, fmt.Errorf("fakechannel: rule %d: %w", i+1, err)
		}
		rs.met[i] = make(map[string]int)
	}
	return rs, nil
}

// meet returns the rule for a request, if one is for it. Those that reset before the body is read are asked for apart.
func (rs *rules) meet(c call, beforeBody bool) (Rule, bool) {
	for i, r := range rs.rules {
		if beforeBody != (r.Do == ResetBefore) || !r.fits(c) {
			continue
		}
		key := ""
		if r.Each {
			key = c.conversation + "\x00" + c.text
		}
		n := rs.met[i][key]
		rs.met[i][key] = n + 1
		if n < r.Skip || r.Times > 0 && n >= r.Skip+r.Times {
			continue
		}
		if r.Share > 0 && rs.chance(i, c) >= r.Share {
			continue
		}
		return r, true
	}
	return Rule{}, false
}

func (r Rule) fits(c call) bool {
	return (r.Op == "" || r.Op == c.op) && (r.Conversation == "" || r.Conversation == c.conversation) &&
		(r.Tenant == "" || r.Tenant == c.tenant) && strings.Contains(c.text, r.Text)
}

// chance is a number from 0 up to 1 that depends on the seed, the rule and the request.
func (rs *rules) chance(rule int, c call) float64 {
	h := fnv.New64a()
	for _, part := range []string{
		strconv.FormatUint(rs.seed, 10), strconv.Itoa(rule), string(c.op), c.conversation, c.text, strconv.Itoa(c.try),
	} {
		_, _ = h.Write([]byte(part + "\x00"))
	}
	x := h.Sum64() // its last input moves the high bits too little
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// announced is when a caller may come back, as it was told.
func announced(now time.Time, retryAfter string) time.Time {
	if s, err := strconv.Atoi(retryAfter); err == nil {
		return now.Add(time.Duration(s) * time.Second)
	}
	at, err := http.ParseTime(retryAfter)
	if err != nil {
		return time.Time{}
	}
	return at
}
