package fakechannel

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// elsewhere is where redirects lead.
const elsewhere = "/elsewhere"

func pathEscape(s string) string { return url.PathEscape(s) }

// routes serves everything. Paths are read as they came, since ids in them are escaped: what stands before /v3/ is the
// tenant.
func (s *Server) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
		if r.ProtoMajor == 2 {
			s.ledger.count(func(r *Report) { r.HTTP2++ })
		}
		switch {
		case strings.HasPrefix(path, controlPath):
			s.control(w, r, path)
			return
		case path == elsewhere:
			s.ledger.count(func(r *Report) { r.Strayed++ })
			w.WriteHeader(http.StatusNotFound)
			return
		case strings.HasSuffix(path, "/oauth2/v2.0/token") && r.Method == http.MethodPost:
			s.beside(w, r, call{op: OpToken}, s.token)
			return
		case strings.HasSuffix(path, discoveryPath):
			s.beside(w, r, call{op: OpToken}, s.discovery)
			return
		case strings.HasSuffix(path, "/openidconfiguration"), strings.HasSuffix(path, "/openid-configuration"):
			s.beside(w, r, call{op: OpKeys}, s.metadata)
			return
		case strings.HasSuffix(path, "/.well-known/keys"):
			s.beside(w, r, call{op: OpKeys}, s.jwks)
			return
		}
		before, after, found := strings.Cut(path, "/v3/")
		if !found && s.cfg.Beside != nil {
			s.cfg.Beside.ServeHTTP(w, r)
			return
		}
		segments := strings.Split(after, "/")
		c, id, ok := route(r.Method, segments)
		if c.op == OpTeams && s.cfg.World == nil {
			ok = false
		}
		if !found || !ok {
			s.complain(w, http.StatusNotFound, "NotFound", "there is no such operation")
			return
		}
		c.tenant = lastSegment(before)
		s.connector(w, r, c, Request{
			Op: c.op, Method: r.Method, Host: r.Host, Base: strings.Trim(before, "/"), Query: r.URL.Query(), Path: segments, ID: id,
		})
	})
}

func lastSegment(path string) string {
	name, err := url.PathUnescape(path[strings.LastIndex(path, "/")+1:])
	if err != nil {
		return ""
	}
	return name
}

// route reads the path of an operation ("Bot Connector REST API", API reference), from after /v3/. The id is that of an
// activity or a member.
func route(method string, segments []string) (c call, id string, ok bool) {
	for i := range segments {
		plain, err := url.PathUnescape(segments[i])
		if err != nil {
			return call{}, "", false
		}
		segments[i] = plain
	}
	switch {
	case strings.EqualFold(segments[0], "teams") && method == http.MethodGet && len(segments) > 1:
		return call{op: OpTeams, thread: segments[1]}, "", true
	case !strings.EqualFold(segments[0], "conversations"):
		return call{}, "", false
	}
	at := func(i int) string {
		if i < len(segments) {
			return segments[i]
		}
		return ""
	}
	c.conversation, id = at(1), at(3)
	what := strings.ToLower(at(2))
	switch n := len(segments); {
	case method == http.MethodPost && n == 1:
		c.op = OpCreate
	case method == http.MethodPost && n == 3 && what == "activities":
		c.op = OpSend
	case method == http.MethodPost && n == 4 && what == "activities":
		c.op = OpReply
	case method == http.MethodPut && n == 4 && what == "activities":
		c.op = OpUpdate
	case method == http.MethodDelete && n == 4 && what == "activities":
		c.op = OpDelete
	case method == http.MethodGet && (n == 3 || n == 4) && what == "members", method == http.MethodGet && n == 3 && what == "pagedmembers":
		c.op = OpMembers
		if what == "pagedmembers" {
			id = PagedID
		}
	default:
		return call{}, "", false
	}
	return c, id, true
}

// PagedID is the ID of a [Request] for members by page.
const PagedID = "\x00page"

// content is as much of a body as the ledger looks at.
type content struct {
	Type         string         `json:"type"`
	Text         string         `json:"text"`
	ReplyToID    string         `json:"replyToId"`
	TenantID     string         `json:"tenantId"` // of a new conversation
	Activity     jsontext.Value `json:"activity"` // in a new conversation
	Conversation struct {
		TenantID string `json:"tenantId"`
	} `json:"conversation"`
	ChannelData jsontext.Value `json:"channelData"`
	Members     []struct {
		ID string `json:"id"`
	} `json:"members"`
}

func (b content) tenant() string {
	var data struct {
		Tenant struct {
			ID string `json:"id"`
		} `json:"tenant"`
	}
	if b.ChannelData.Kind() == jsontext.KindBeginObject && json.Unmarshal(b.ChannelData, &data) == nil && data.Tenant.ID != "" {
		return data.Tenant.ID
	}
	if b.TenantID != "" {
		return b.TenantID
	}
	return b.Conversation.TenantID
}

// connector answers an operation of the Connector API.
func (s *Server) connector(w http.ResponseWriter, r *http.Request, c call, came Request) {
	arrived := time.Now()
	s.ledger.count(func(r *Report) {
		r.Requests++
		r.Ops[c.op]++
		if r.LastRequest = arrived; r.FirstRequest.IsZero() {
			r.FirstRequest = arrived
		}
	})
	if c.tenant == "" && c.conversation != "" {
		c.tenant = s.ledger.tenantOf(c.conversation)
	}
	if rule, met := s.meet(c, true); met {
		s.misbehave(w, r, rule, nil)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			s.complain(w, http.StatusRequestEntityTooLarge, "MessageSizeTooBig", "the activity is too large")
			return
		}
		s.ledger.count(func(r *Report) { r.Broken++ })
		return
	}
	if !s.way(r.Context()) {
		s.ledger.count(func(r *Report) { r.Broken++ })
		return
	}
	var b content
	if len(body) > 0 {
		if err := json.Unmarshal(body, &b); err != nil {
			s.complain(w, http.StatusBadRequest, "BadSyntax", "the body is not an activity in JSON")
			return
		}
	}
	if tenant := b.tenant(); tenant != "" {
		c.tenant = tenant
	}
	if c.text = b.Text; c.text == "" && c.op != OpDelete {
		c.text = string(body)
	}
	came.Conversation, came.Tenant, came.Text, came.Body = c.conversation, c.tenant, c.text, body
	if s.cfg.World != nil {
		thread, tenant := s.cfg.World.Counted(came)
		c.thread, c.tenant = cmp.Or(thread, c.thread), cmp.Or(tenant, c.tenant)
	}
	if s.refused(w, r, &c) {
		return
	}
	carryOut := func() (int, any) {
		if came.At = time.Now(); s.cfg.World != nil {
			return s.cfg.World.Answer(s.ledger, came)
		}
		return s.carryOut(c, came.ID, b, came.At)
	}
	if rule, met := s.meet(c, false); met {
		s.misbehave(w, r, rule, &done{call: c, carryOut: carryOut})
		return
	}
	status, answer := carryOut()
	if s.way(r.Context()) {
		s.answer(w, status, answer)
	}
}

// refused answers a request that comes without a token or is more than a limit allows, and sets which try it is.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, c *call) bool {
	s.mu.Lock()
	now := time.Now() // under the lock, so that times of arrival are in order
	over := s.limits.arrive(*c, now)
	s.mu.Unlock()
	c.try = s.ledger.came(*c, now, s.cfg.Grace+s.cfg.Delay)
	if over != nil {
		s.ledger.paused(over.scope, *c, announced(now, over.retryAfter), true)
		if over.retryAfter != "" {
			w.Header().Set("Retry-After", over.retryAfter)
		}
		if s.way(r.Context()) {
			s.complain(w, http.StatusTooManyRequests, "Throttled", "too many requests")
		}
		return true
	}
	if s.cfg.RequireToken && !s.tokens.good(r) {
		s.ledger.count(func(r *Report) { r.Unauthorized++ })
		s.complain(w, http.StatusUnauthorized, "Unauthorized", "the token is missing, unknown or expired")
		return true
	}
	return false
}

// meet returns the rule that a request meets.
func (s *Server) meet(c call, beforeBody bool) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules.meet(c, beforeBody)
}

// carryOut does what a request asks for and returns the answer.
func (s *Server) carryOut(c call, id string, b content, now time.Time) (int, any) {
	switch c.op {
	case OpSend, OpReply:
		if b.Type == "" {
			return http.StatusBadRequest, problem("BadArgument", "the activity has no type")
		}
		if b.Type != "message" {
			return http.StatusOK, map[string]any{} // typing and the like have no id
		}
		replyTo := b.ReplyToID
		if c.op == OpReply {
			replyTo = id
		}
		return http.StatusCreated, map[string]any{"id": s.ledger.said(c, replyTo, now)}
	case OpUpdate, OpDelete:
		if !s.ledger.revised(c, id) {
			return http.StatusNotFound, problem("ActivityNotFoundInConversation", "there is no such activity")
		}
		return http.StatusOK, map[string]any{"id": id}
	case OpCreate:
		return s.create(c, b, now)
	case OpMembers:
		return s.members(c, id)
	case OpTeams, OpToken, OpKeys:
	}
	return http.StatusNotFound, problem("NotFound", "there is no such operation")
}

// create opens a conversation. The same person of the same tenant gets the same one again, as in Teams.
func (s *Server) create(c call, b content, now time.Time) (int, any) {
	if len(b.Members) == 0 && len(b.Activity) == 0 {
		return http.StatusBadRequest, problem("BadArgument", "there are no members")
	}
	opened := c
	opened.conversation = fmt.Sprintf("a:%s:%d", c.tenant, now.UnixNano())
	if len(b.Members) == 1 {
		opened.conversation = "a:" + c.tenant + ":" + b.Members[0].ID
	}
	answer := map[string]any{"id": opened.conversation}
	if len(b.Activity) > 0 {
		var first content
		if err := json.Unmarshal(b.Activity, &first); err != nil {
			return http.StatusBadRequest, problem("BadSyntax", "the activity is not one")
		}
		if opened.text = first.Text; opened.text == "" {
			opened.text = string(b.Activity)
		}
		answer["activityId"] = s.ledger.said(opened, "", now)
	}
	s.ledger.count(func(r *Report) { r.Created++ })
	return http.StatusCreated, answer
}

// members answers for one, for all, or by page.
func (s *Server) members(c call, id string) (int, any) {
	member := func(i int) map[string]any {
		name := fmt.Sprintf("29:%s:%d", c.conversation, i)
		return map[string]any{"id": name, "name": "Member " + strconv.Itoa(i), "tenantId": c.tenant, "userRole": "user"}
	}
	switch id {
	case "", PagedID:
		all := make([]any, s.cfg.Members)
		for i := range all {
			all[i] = member(i)
		}
		if id == PagedID {
			return http.StatusOK, map[string]any{"members": all}
		}
		return http.StatusOK, all
	}
	for i := range s.cfg.Members {
		if m := member(i); m["id"] == id {
			return http.StatusOK, m
		}
	}
	return http.StatusNotFound, problem("MemberNotFoundInConversation", "there is no such member")
}

// beside answers an endpoint that is not the Connector API's, unless a rule has it misbehave.
func (s *Server) beside(w http.ResponseWriter, r *http.Request, c call, well http.HandlerFunc) {
	for _, beforeBody := range []bool{true, false} {
		if rule, met := s.meet(c, beforeBody); met {
			s.misbehave(w, r, rule, nil)
			return
		}
	}
	well(w, r)
}

func problem(code, message string) any {
	return map[string]any{"error": map[string]any{"code": code, "message": message}}
}

func (s *Server) complain(w http.ResponseWriter, status int, code, message string) {
	s.answer(w, status, problem(code, message))
}

// answer writes JSON.
func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // maps of text and numbers
		panic(err)
	}
	s.write(w, status, "application/json; charset=utf-8", body)
}

func (s *Server) write(w http.ResponseWriter, status int, contentType string, body []byte) {
	s.count(status)
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may be gone
}

func (s *Server) count(status int) {
	s.ledger.count(func(r *Report) { r.Statuses[strconv.Itoa(status)]++ })
}

// connection is what a request came on.
func connection(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
