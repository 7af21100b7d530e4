package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/directline"
)

// operation is what a call does.
type operation string

const (
	opHear    operation = "hear" // the channel tells the bot something
	opSend    operation = "send"
	opUpdate  operation = "update"
	opDelete  operation = "delete"
	opCreate  operation = "create"
	opMembers operation = "members"
	opOther   operation = "other"
)

// plainHeaders are those of a request or an answer that happens inside this process.
var plainHeaders = map[string]string{"Content-Type": "application/json; charset=utf-8"}

// Hear notes what the channel tells a bot in this process, as the HTTP request to endpoint that it stands for.
func (w *Wire) Hear(e directline.Endpoint, endpoint string) directline.Endpoint {
	return hearing{bot: e, wire: w, url: endpoint}
}

type hearing struct {
	bot  directline.Endpoint
	wire *Wire
	url  string
}

func (h hearing) Process(ctx context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error) {
	c := h.wire.begin(heard, opHear)
	c.InProcess = true
	c.in(headsup.ReferenceOf(a))
	c.about(a)
	c.Request = request{http.MethodPost, h.url, plainHeaders, c.Activity}
	got, err := h.bot.Process(ctx, id, a)
	c.Answer.Status, c.Answer.Body = got.Status, body(got.Body)
	if err != nil {
		c.Error = err.Error()
		c.Answer.Status, c.Answer.Body = http.StatusInternalServerError, complaint("ServiceError", "the turn failed")
	}
	c.end()
	return got, err
}

// Transport notes what is posted through next to a bot in another process.
func (w *Wire) Transport(next http.RoundTripper) http.RoundTripper { return transport{next, w} }

type transport struct {
	http.RoundTripper
	wire *Wire
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := t.wire.begin(heard, opHear)
	var sent []byte
	if r.GetBody != nil {
		if b, err := r.GetBody(); err == nil {
			sent, _ = io.ReadAll(b) // from memory
		}
	}
	if a, err := activity.Decode(sent); err == nil {
		c.in(headsup.ReferenceOf(a))
		c.about(a)
	}
	c.Request = request{r.Method, r.URL.String(), headers(r.Header), body(sent)}
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		c.Error = err.Error()
		c.end()
		return resp, err
	}
	c.Answer.Status, c.Answer.Headers = resp.StatusCode, headers(resp.Header)
	if resp.StatusCode >= 400 {
		c.Error = "the bot answered " + resp.Status
	}
	resp.Body = &noted{ReadCloser: resp.Body, call: c}
	return resp, nil
}

// noted is the body of an answer, which is shown when it has been read.
type noted struct {
	io.ReadCloser
	call  *call
	read  []byte
	ended bool
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.ReadCloser.Read(p)
	if room := mostShown + 1 - len(n.read); room > 0 {
		n.read = append(n.read, p[:min(k, room)]...)
	}
	return k, err
}

func (n *noted) Close() error {
	if !n.ended {
		n.ended = true
		n.call.Answer.Body = body(n.read)
		n.call.end()
	}
	return n.ReadCloser.Close()
}

// Inbound notes what channels post to the messaging endpoint.
func (w *Wire) Inbound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c := w.begin(heard, opHear)
		sent := c.serve(rw, r, next)
		if a, err := activity.Decode(sent); err == nil {
			c.in(headsup.ReferenceOf(a))
			c.about(a)
		}
		c.end()
	})
}

// Connector notes what a bot in another process asks of the channel: the routes below /v3/conversations.
func (w *Wire) Connector(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		op, conversation := operationOf(r)
		c := w.begin(said, op)
		c.Channel, c.Conversation = activity.ChannelDirectLine, conversation
		sent := c.serve(rw, r, next)
		switch op {
		case opSend, opUpdate:
			if a, err := activity.Decode(sent); err == nil {
				c.about(a)
				if a.Recipient != nil {
					c.Person = a.Recipient.ID
				}
			}
		case opCreate:
			c.created(sent)
		case opHear, opDelete, opMembers, opOther:
		}
		c.end()
	})
}

// created reads which conversation a bot has opened, with what.
func (c *call) created(sent []byte) {
	var p activity.ConversationParameters
	if json.Unmarshal(sent, &p) == nil {
		c.about(p.Activity)
		if len(p.Members) > 0 {
			c.Person = p.Members[0].ID
		}
	}
	var r activity.ConversationResource
	if json.Unmarshal(c.Answer.Body, &r) == nil {
		c.Conversation = r.ID
	}
}

// serve lets next answer a request, notes both, and returns the request's body. Nothing is an answer of its own: status
// 0 stands for a connection that was cut.
func (c *call) serve(w http.ResponseWriter, r *http.Request, next http.Handler) []byte {
	// Read beforehand, since a request that is refused at once is never read. A body that ends early does so again for next.
	sent, _ := io.ReadAll(io.LimitReader(r.Body, mostShown+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(sent), r.Body), r.Body}
	rec := &recorder{ResponseWriter: w}
	address := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	next.ServeHTTP(rec, r)
	c.Request = request{r.Method, address.String(), headers(r.Header), body(sent)}
	c.Answer = answer{Status: rec.status, Body: body(rec.body)}
	if rec.cut {
		c.Error = "the connection was cut without an answer"
		c.Answer = answer{}
	} else {
		c.Answer.Headers = headers(w.Header())
	}
	if rec.status >= 400 {
		c.Error = fmt.Sprintf("answered with %d %s", rec.status, http.StatusText(rec.status))
	}
	return sent
}

// recorder remembers an answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   []byte
	cut    bool
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if room := mostShown + 1 - len(r.body); room > 0 {
		r.body = append(r.body, p[:min(len(p), room)]...)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Tap notes everything that goes out through c, and what became of it, as the HTTP requests that it stands for. own is
// this server's address: what goes there stays in this process.
func (w *Wire) Tap(c headsup.Channel, own string) headsup.Channel {
	return tap{Channel: c, wire: w, own: strings.TrimSuffix(own, "/")}
}

type tap struct {
	headsup.Channel
	wire *Wire
	own  string
}

// begin notes that the bot in this process says something. Segments are appended to the service URL.
func (t tap) begin(op operation, ref activity.Reference, a *activity.Activity, method string, segments ...string) *call {
	c := t.wire.begin(said, op)
	c.in(ref)
	c.about(a)
	service := strings.TrimSuffix(ref.ServiceURL, "/")
	if service == "" {
		service = t.own
	}
	c.InProcess = service == t.own
	address := service + "/v3/conversations"
	for _, s := range segments {
		address += "/" + url.PathEscape(s)
	}
	c.Request = request{Method: method, URL: address, Headers: plainHeaders}
	if a != nil {
		c.Request.Body = c.Activity
	}
	return c
}

func (c *call) finish(result any, err error) {
	c.Answer.Status = http.StatusOK
	if e := headsup.MeaningOf(err); e != nil {
		c.Error = err.Error()
		c.Answer.Status = e.Status
		if e.Status != 0 {
			c.Answer.Body = complaint(e.Reason, e.Error())
		}
		if e.RetryAfter > 0 {
			c.Answer.Headers = map[string]string{"Retry-After": fmt.Sprint(int64(e.RetryAfter.Seconds()))}
		}
	} else if raw, err := json.Marshal(result); err == nil && result != nil {
		c.Answer.Body = raw
	}
	c.end()
}

func complaint(code, message string) jsontext.Value {
	var e activity.ErrorResponse
	e.Error.Code, e.Error.Message = code, message
	raw, err := json.Marshal(e)
	if err != nil {
		return nil
	}
	return raw
}

func (t tap) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	segments := []string{string(out.Reference.Conversation.ID), "activities"}
	if out.Activity != nil && out.Activity.ReplyToID != "" {
		segments = append(segments, string(out.Activity.ReplyToID))
	}
	c := t.begin(opSend, out.Reference, out.Activity, http.MethodPost, segments...)
	r, err := t.Channel.Send(ctx, out)
	c.finish(r, err)
	return r, err
}

func (t tap) Update(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	id := ""
	if out.Activity != nil {
		id = string(out.Activity.ID)
	}
	c := t.begin(opUpdate, out.Reference, out.Activity, http.MethodPut, string(out.Reference.Conversation.ID), "activities", id)
	r, err := t.Channel.Update(ctx, out)
	c.finish(r, err)
	return r, err
}

func (t tap) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	c := t.begin(opDelete, ref, nil, http.MethodDelete, string(ref.Conversation.ID), "activities", string(id))
	err := t.Channel.Delete(ctx, ref, id)
	c.finish(nil, err)
	return err
}

func (t tap) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	ref := activity.Reference{ChannelID: cr.ChannelID, ServiceURL: cr.ServiceURL}
	if len(cr.Parameters.Members) > 0 {
		ref.User = &cr.Parameters.Members[0]
	}
	c := t.begin(opCreate, ref, cr.Parameters.Activity, http.MethodPost)
	if raw, err := json.Marshal(cr.Parameters); err == nil {
		c.Request.Body = raw
	}
	r, err := t.Channel.Create(ctx, cr)
	c.Conversation = r.ID
	c.finish(r, err)
	return r, err
}

// operationOf reads what a request to the Connector API asks for, and in which conversation.
func operationOf(r *http.Request) (operation, activity.ConversationID) {
	segments := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	if len(segments) < 2 || !strings.EqualFold(segments[1], "conversations") {
		return opOther, ""
	}
	conversation, rest := "", segments[2:]
	if len(rest) > 0 {
		conversation, _ = url.PathUnescape(rest[0])
		rest = rest[1:]
	}
	id := activity.ConversationID(conversation)
	switch {
	case conversation == "" && r.Method == http.MethodPost:
		return opCreate, ""
	case len(rest) == 0:
		return opOther, id
	case strings.HasSuffix(strings.ToLower(rest[0]), "members"), len(rest) == 3 && strings.EqualFold(rest[2], "members"):
		return opMembers, id
	case !strings.EqualFold(rest[0], "activities"):
		return opOther, id
	case r.Method == http.MethodPost:
		return opSend, id
	case r.Method == http.MethodPut:
		return opUpdate, id
	case r.Method == http.MethodDelete:
		return opDelete, id
	}
	return opOther, id
}

// cut ends the connection of an answer that was not given.
func cut(w http.ResponseWriter) {
	if rec, ok := w.(*recorder); ok {
		rec.cut = true
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		if !errors.Is(err, http.ErrNotSupported) {
			return
		}
		panic(http.ErrAbortHandler) // net/http cuts the connection then, or the stream in HTTP/2
	}
	_ = conn.Close()
}
