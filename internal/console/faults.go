package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// faultKind is how a channel misbehaves.
type faultKind string

const (
	// faultStatus: it answers with a status and does nothing.
	faultStatus faultKind = "status"
	// faultSlow: it does what it is asked, late.
	faultSlow faultKind = "slow"
	// faultOutage: nobody answers, and nothing is done.
	faultOutage faultKind = "outage"
	// faultLostAnswer: it does what it is asked, but the answer does not arrive.
	faultLostAnswer faultKind = "lost_answer"
)

// fault is something that the channel does wrong on purpose.
type fault struct {
	// ID names it; one is made if there is none.
	ID string `json:"id"`
	// On is what it happens to: send, update, delete, create, members.
	On []operation `json:"on"`
	// Conversation limits it to one conversation; a channel's includes its threads. Empty is all.
	Conversation activity.ConversationID `json:"conversation,omitzero"`
	Kind         faultKind               `json:"kind"`
	// Status is the answer's, for a status; for a lost answer, that of a gateway which gave up (0: the connection breaks).
	Status int `json:"status,omitzero"`
	// Code and Message are the service's; a code that fits the status if empty.
	Code    string `json:"code,omitzero"`
	Message string `json:"message,omitzero"`
	// RetryAfter is in seconds; 0 is no such header.
	RetryAfter int `json:"retry_after_s,omitzero"`
	// Delay is in milliseconds, before whatever else happens.
	Delay int `json:"delay_ms,omitzero"`
	// Remaining is how often it happens; nil is until it is removed.
	Remaining *int `json:"remaining,omitzero"`
}

const (
	mostFaults = 100
	mostDelay  = 120_000 // milliseconds
)

func (x fault) validate(at int) error {
	bad := func(field, reason string) error {
		return &httpError{http.StatusBadRequest, "bad_fault", fmt.Sprintf("faults[%d].%s: %s", at, field, reason)}
	}
	if len(x.On) == 0 {
		return bad("on", "is missing")
	}
	for _, op := range x.On {
		if !slices.Contains([]operation{opSend, opUpdate, opDelete, opCreate, opMembers}, op) {
			return bad("on", `must be some of "send", "update", "delete", "create" and "members"`)
		}
	}
	switch x.Kind {
	case faultStatus:
		if x.Status < 400 || x.Status > 599 {
			return bad("status", "must be between 400 and 599")
		}
	case faultLostAnswer:
		if x.Status != 0 && (x.Status < 500 || x.Status > 599) {
			return bad("status", "must be between 500 and 599")
		}
	case faultSlow:
		if x.Delay == 0 {
			return bad("delay_ms", "is missing")
		}
	case faultOutage:
	default:
		return bad("kind", `must be "status", "slow", "outage" or "lost_answer"`)
	}
	switch {
	case x.Delay < 0 || x.Delay > mostDelay:
		return bad("delay_ms", fmt.Sprintf("must be between 0 and %d", mostDelay))
	case x.RetryAfter < 0 || x.RetryAfter > 3600:
		return bad("retry_after_s", "must be between 0 and 3600")
	case x.Remaining != nil && *x.Remaining < 1:
		return bad("remaining", "must be at least 1")
	case len(x.ID) > 64 || len(x.Code) > 64 || len(x.Message) > 1024:
		return bad("id", "it, code (64 bytes) or message (1024 bytes) is too long")
	}
	return nil
}

// Faults makes a channel misbehave on purpose, for the bot in this process and for bots in others alike. It is for
// development. Safe for concurrent use; the zero value has none.
type Faults struct {
	mu   sync.Mutex
	made int     // guarded by mu
	list []fault // guarded by mu
}

// set replaces all faults and returns them with their ids.
func (f *Faults) set(list []fault) []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.Clone(list)
	for i := range f.list {
		if f.list[i].ID == "" {
			f.made++
			f.list[i].ID = fmt.Sprintf("fault-%d", f.made)
		}
	}
	return slices.Clone(f.list)
}

func (f *Faults) all() []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fault{}, f.list...)
}

// take returns the first fault that happens to an operation, and counts that it does.
func (f *Faults) take(op operation, id activity.ConversationID) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	channel, _, _ := strings.Cut(string(id), ";")
	at := slices.IndexFunc(f.list, func(x fault) bool {
		c := x.Conversation
		return slices.Contains(x.On, op) && (c == "" || c == id || string(c) == channel)
	})
	if at < 0 {
		return fault{}, false
	}
	found := f.list[at]
	if found.Remaining != nil {
		left := *found.Remaining - 1
		f.list[at].Remaining = &left // the one that was returned keeps its own
		if left == 0 {
			f.list = slices.Delete(f.list, at, at+1)
		}
	}
	return found, true
}

// wait is the fault's delay.
func (x fault) wait(ctx context.Context) error {
	if x.Delay == 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(x.Delay) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// codes are what the Connector API says with a status, if a fault does not (Microsoft, "Build conversational capability").
var codes = map[int]string{
	400: "BadArgument", 401: "BotNotRegistered", 403: "ForbiddenOperationException", 404: "ConversationNotFound",
	405: "MethodNotAllowed", 412: "PreconditionFailed", 413: "MessageSizeTooBig", 429: "Throttled",
}

// response is what a fault answers with.
func (x fault) response() (status int, header http.Header, body []byte) {
	header = http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	if x.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(x.RetryAfter))
	}
	code, message := x.Code, x.Message
	if code == "" {
		if code = codes[x.Status]; code == "" {
			code = "ServiceError"
		}
	}
	if message == "" {
		message = "The playground was told to refuse this."
	}
	if code == "MessageWritesBlocked" {
		// The chat service of Teams has an answer of its own (Teams, "Send proactive messages").
		inner, _ := json.Marshal(struct {
			SubCode string `json:"subCode"`
			Details string `json:"details"`
		}{code, message})
		body, _ = json.Marshal(struct {
			ErrorCode int    `json:"errorCode"`
			Message   string `json:"message"`
		}{209, string(inner)})
		return x.Status, header, body
	}
	return x.Status, header, complaint(code, message)
}

// Around makes c misbehave. Failures are those that the Connector client has for the same answers.
func (f *Faults) Around(c headsup.Channel) headsup.Channel { return faulty{Channel: c, faults: f} }

type faulty struct {
	headsup.Channel
	faults *Faults
}

// refusing is a channel over HTTP whose every call ends as the fault says.
func (x fault) refusing() (headsup.Channel, error) {
	client, err := connector.New(connector.Config{
		AllowHost: func(string) bool { return true }, AllowLoopback: true, Transport: x,
	})
	if err != nil {
		return nil, err
	}
	return headsup.NewConnectorChannel(client), nil
}

// RoundTrip implements [http.RoundTripper].
func (x fault) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if x.Kind != faultOutage { // as if it had been sent
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_ = r.Body.Close()
	}
	if x.Kind == faultOutage {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if x.Kind == faultLostAnswer && x.Status == 0 {
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	status, header, body := x.response()
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// somewhere is a service URL for calls that reach none.
const somewhere = "http://127.0.0.1"

// through does an operation, or what a fault makes of it.
func through[T any](ctx context.Context, f faulty, op operation, id activity.ConversationID, do func(headsup.Channel, bool) (T, error)) (T, error) {
	x, ok := f.faults.take(op, id)
	if !ok {
		return do(f.Channel, false)
	}
	var none T
	if err := x.wait(ctx); err != nil {
		return none, &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "unreachable", Unreached: true, Err: err}
	}
	switch x.Kind {
	case faultSlow:
		return do(f.Channel, false)
	case faultLostAnswer:
		_, _ = do(f.Channel, false) // whatever it says does not arrive
	case faultStatus, faultOutage:
	}
	refusing, err := x.refusing()
	if err != nil {
		return none, err
	}
	return do(refusing, true)
}

func (f faulty) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	return through(ctx, f, opSend, out.Reference.Conversation.ID, func(c headsup.Channel, fake bool) (activity.ResourceResponse, error) {
		if fake {
			out.Reference.ServiceURL = somewhere
		}
		return c.Send(ctx, out)
	})
}

func (f faulty) Update(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	return through(ctx, f, opUpdate, out.Reference.Conversation.ID, func(c headsup.Channel, fake bool) (activity.ResourceResponse, error) {
		if fake {
			out.Reference.ServiceURL = somewhere
		}
		return c.Update(ctx, out)
	})
}

func (f faulty) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	_, err := through(ctx, f, opDelete, ref.Conversation.ID, func(c headsup.Channel, fake bool) (struct{}, error) {
		if fake {
			ref.ServiceURL = somewhere
		}
		return struct{}{}, c.Delete(ctx, ref, id)
	})
	return err
}

func (f faulty) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	return through(ctx, f, opCreate, "", func(c headsup.Channel, fake bool) (activity.ConversationResource, error) {
		if fake {
			cr.ServiceURL = somewhere
		}
		return c.Create(ctx, cr)
	})
}

// Connector makes the channel misbehave to bots in other processes, whose routes next has.
func (f *Faults) Connector(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, id := operationOf(r)
		x, ok := f.take(op, id)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		if x.wait(r.Context()) != nil {
			return // who asked has gone
		}
		switch x.Kind {
		case faultSlow:
			next.ServeHTTP(w, r)
			return
		case faultOutage:
			cut(w)
			return
		case faultLostAnswer:
			next.ServeHTTP(&unsaid{header: make(http.Header)}, r)
			if x.Status == 0 {
				cut(w)
				return
			}
		case faultStatus:
		}
		status, header, body := x.response()
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// unsaid is an answer that nobody gets.
type unsaid struct{ header http.Header }

func (u *unsaid) Header() http.Header         { return u.header }
func (u *unsaid) Write(p []byte) (int, error) { return len(p), nil }
func (u *unsaid) WriteHeader(int)             {}
