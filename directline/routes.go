package directline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// handle answers one operation; its error becomes the answer.
type handle func(w http.ResponseWriter, r *http.Request) error

// route is one path and what can be done there.
type route struct {
	path    string
	methods map[string]handle
	pages   sharing
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// clientRoutes is Direct Line 3.0 (bot-docs, "API reference - Direct Line API 3.0").
func (c *Channel) clientRoutes() []route {
	const conversation = "/v3/directline/conversations/{id}"
	return []route{
		{"/v3/directline/tokens/generate", map[string]handle{post: c.generate}, shared},
		{"/v3/directline/tokens/refresh", map[string]handle{post: c.refresh}, shared},
		{"/v3/directline/conversations", map[string]handle{post: c.startConversation}, shared},
		{conversation, map[string]handle{get: c.reconnect}, shared},
		{conversation + "/activities", map[string]handle{get: c.poll, post: c.post}, shared},
		{conversation + "/upload", map[string]handle{post: c.upload}, shared},
		{conversation + "/stream", map[string]handle{get: c.stream}, private},
		{"/v3/directline/session/getsessionid", map[string]handle{get: c.session}, sharedWithCookies},
		{"/v3/directline/attachments/{id}", map[string]handle{get: c.download}, shared},
	}
}

// connectorRoutes is the Connector API, as far as Direct Line has what it is about (bot-docs, "API reference for the Bot
// Framework Connector service").
func (c *Channel) connectorRoutes() []route {
	const conversation = "/v3/conversations/{cid}"
	no := c.fromBots(notHere)
	return []route{
		{"/v3/conversations", map[string]handle{
			get: c.fromBots(c.listConversations), post: c.fromBots(c.createConversation)}, private},
		{conversation + "/activities", map[string]handle{post: c.fromBots(c.botSends)}, private},
		{conversation + "/activities/history", map[string]handle{post: c.fromBots(c.botSendsHistory)}, private},
		{conversation + "/activities/{aid}", map[string]handle{
			post: c.fromBots(c.botSends), http.MethodPut: c.fromBots(c.botUpdates), http.MethodDelete: c.fromBots(c.botDeletes)}, private},
		{conversation + "/activities/{aid}/members", map[string]handle{get: c.fromBots(c.listMembers)}, private},
		{conversation + "/members", map[string]handle{get: c.fromBots(c.listMembers)}, private},
		{conversation + "/members/{uid}", map[string]handle{get: c.fromBots(c.member), http.MethodDelete: no}, private},
		{conversation + "/pagedmembers", map[string]handle{get: c.fromBots(c.pagedMembers)}, private},
		{conversation + "/attachments", map[string]handle{post: c.fromBots(c.botUploads)}, private},
		{"/v3/attachments/{id}", map[string]handle{get: c.fromBots(c.attachmentInfo)}, private},
		{"/v3/attachments/{id}/views/{view}", map[string]handle{get: c.download}, shared},
	}
}

// Handler serves both sides: everything below /v3/.
func (c *Channel) Handler() http.Handler {
	return c.serve(append(c.clientRoutes(), c.connectorRoutes()...))
}

// ClientHandler serves what clients call: everything below /v3/directline/.
func (c *Channel) ClientHandler() http.Handler { return c.serve(c.clientRoutes()) }

// ConnectorHandler serves what bots in other processes call: everything below /v3/conversations and /v3/attachments.
func (c *Channel) ConnectorHandler() http.Handler { return c.serve(c.connectorRoutes()) }

func (c *Channel) serve(routes []route) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.path, c.route(rt))
	}
	mux.Handle("/", c.answering(func(http.ResponseWriter, *http.Request) error { return errNoSuchPath }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		normal, ok := normalised(r)
		if !ok {
			c.refuse(w, r, errNoSuchPath)
			return
		}
		mux.ServeHTTP(w, normal)
		if normal.Pattern != "/" {
			r.Pattern = normal.Pattern // for those outside who look at which route it was
		}
	})
}

// route picks the operation by the method.
func (c *Channel) route(rt route) http.Handler {
	allowed := []string{http.MethodOptions}
	for method := range rt.methods {
		allowed = append(allowed, method)
	}
	return c.answering(func(w http.ResponseWriter, r *http.Request) error {
		c.share(w, r, rt.pages)
		method := r.Method
		if method == http.MethodHead {
			method = get
		}
		if do := rt.methods[method]; do != nil {
			return do(w, r)
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return errNotAllowed
	})
}

// answering sets what every answer has and turns errors into answers.
func (c *Channel) answering(do handle) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if err := do(w, r); err != nil {
			c.refuse(w, r, err)
		}
	})
}

// normalised returns the request with its path in the form in which the routes are written: no slash at the end, words
// in lower case. SDKs differ in both. Ids stay as they are; the mux decodes each once. It reports false for paths that
// are no list of segments.
func normalised(r *http.Request) (*http.Request, bool) {
	raw := strings.TrimSuffix(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	segments := strings.Split(raw, "/")
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return nil, false
		}
		if !isID(segments, i) {
			segments[i] = strings.ToLower(s)
		}
	}
	raw = "/" + strings.Join(segments, "/")
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, false
	}
	out := new(http.Request)
	*out = *r
	out.URL = new(*r.URL)
	out.URL.Path, out.URL.RawPath = path, raw
	return out, true
}

// isID reports whether a segment is an id and not a word of the API. Those before it are normal already.
func isID(segments []string, i int) bool {
	if i < 2 || segments[0] != "v3" {
		return false
	}
	switch segments[1] {
	case "directline":
		return i == 3 && (segments[2] == "conversations" || segments[2] == "attachments")
	case "conversations":
		return i%2 == 0 && !(i == 4 && strings.EqualFold(segments[i], "history"))
	case "attachments":
		return i%2 == 0
	}
	return false
}

// apiError is a request that is refused. Codes are stable, messages are not (bot-docs, "Direct Line API 3.0 reference").
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("directline: %d %s: %s", e.status, e.code, e.message)
}

func badArgument(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "BadArgument", fmt.Sprintf(format, args...)}
}

var (
	errNoSuchPath = &apiError{http.StatusNotFound, "NotFound", "there is nothing at this path"}
	errNotAllowed = &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", "this method is not allowed here"}

	errUnauthorized = &apiError{http.StatusUnauthorized, "Unauthorized", "a bearer token is required"}
	errForbidden    = &apiError{http.StatusForbidden, "BadArgument", "the secret or token is not valid"}
	errExpired      = &apiError{http.StatusForbidden, "TokenExpired", "the token has expired"}

	errNotMember         = &apiError{http.StatusForbidden, "BadArgument", "the user is not in the conversation"}
	errOtherConversation = &apiError{http.StatusForbidden, "BadArgument", "the token is for another conversation"}
)

// refuse answers with an error. What went wrong in here stays in the log.
func (c *Channel) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*apiError](err)
	switch {
	case ok:
	case errors.Is(err, ErrNotFound):
		e = &apiError{http.StatusNotFound, "ConversationNotFound", "there is no such conversation"}
	case errors.Is(err, ErrEnded):
		e = &apiError{http.StatusNotFound, "ConversationEnded", "the conversation has ended"}
	default:
		e = &apiError{http.StatusInternalServerError, "ServiceError", "the server failed"}
		c.cfg.Logger.ErrorContext(r.Context(), "direct line request failed", "method", r.Method, "error", err.Error())
	}
	if later, ok := errors.AsType[*waitError](err); ok {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(later.wait.Seconds())), 10))
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	var body activity.ErrorResponse
	body.Error.Code, body.Error.Message = e.code, e.message
	_ = reply(w, e.status, body)
}

// reply writes a JSON answer.
func reply(w http.ResponseWriter, status int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return replyRaw(w, status, raw)
}

func replyRaw(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who is gone does not need it
	return nil
}

// readBody reads a request's body up to a limit.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit { // nobody need wait for what is too large in any case
		return nil, errTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	return body, bodyError(err)
}

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return errTooLarge
	}
	return &apiError{http.StatusBadRequest, "BadSyntax", "the body could not be read"}
}
