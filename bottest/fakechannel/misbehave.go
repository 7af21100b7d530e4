package fakechannel

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// done is a request that was read: how to carry it out.
type done struct {
	call
	carryOut func() (int, any)
}

// misbehave answers a request as a rule says. There is no request to carry out before its body is read, nor at the other
// endpoints.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, rule Rule, request *done) {
	if rule.Do == "" {
		rule.Do = Answer
	}
	s.ledger.count(func(r *Report) { r.Faults[rule.Do]++ })
	if !s.wait(r.Context(), rule.Delay) {
		return
	}
	status, body := http.StatusOK, []byte(`{}`)
	if request != nil && rule.carriesOut() {
		var answer any
		status, answer = request.carryOut()
		body, _ = json.Marshal(answer) // maps of text and numbers
	}
	switch rule.Do {
	case Answer, "":
		s.scripted(w, r, rule, request, status, body)
	case ResetBefore, ResetAfter:
		s.count(0)
		reset(r)
	case HangBefore, HangAfter:
		s.count(0)
		s.hang(r.Context())
		panic(http.ErrAbortHandler)
	case Drip:
		s.drip(w, r, body)
	case Truncate:
		s.count(http.StatusOK)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1000))
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Redirect:
		to := rule.Location
		if to == "" {
			to = s.URL() + elsewhere
		}
		w.Header().Set("Location", to)
		s.write(w, http.StatusTemporaryRedirect, "text/plain", nil)
	case Garbage:
		s.count(0)
		garbage(w)
	case Huge:
		s.huge(w, r)
	}
}

// scripted answers with a status and a body.
func (s *Server) scripted(w http.ResponseWriter, r *http.Request, rule Rule, request *done, status int, body []byte) {
	if rule.Status != 0 {
		status = rule.Status
	}
	contentType := "application/json; charset=utf-8"
	switch {
	case rule.Body != "":
		body = []byte(rule.Body)
		if strings.HasPrefix(rule.Body, "<") {
			contentType = "text/html"
		}
	case status/100 != 2:
		code := rule.Code
		if code == "" {
			code = strings.ReplaceAll(http.StatusText(status), " ", "")
		}
		body, _ = json.Marshal(problem(code, "as the rules say"))
	}
	if rule.RetryAfter != "" {
		w.Header().Set("Retry-After", rule.RetryAfter)
		if request != nil && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
			scope := ByConversation
			if rule.Conversation == "" && rule.Tenant != "" {
				scope = ByTenant
			}
			s.ledger.paused(scope, request.call, announced(time.Now(), rule.RetryAfter), false)
		}
	}
	if s.way(r.Context()) {
		s.write(w, status, contentType, body)
	}
}

// reset ends a request's connection as a crash of the machine would; over HTTP/2 only its stream.
func reset(r *http.Request) {
	if r.ProtoMajor == 1 {
		c := connection(r)
		if t, ok := c.(*tls.Conn); ok {
			c = t.NetConn()
		}
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // so that Close sends a reset
		}
		_ = c.Close()
	}
	panic(http.ErrAbortHandler)
}

// dripPause is how long a drip takes to fall.
const dripPause = time.Second

func (s *Server) drip(w http.ResponseWriter, r *http.Request, body []byte) {
	s.count(http.StatusOK)
	var to io.Writer = w
	flush := http.NewResponseController(w).Flush
	hijacked, buffer, err := http.NewResponseController(w).Hijack()
	if err == nil {
		defer hijacked.Close()
		to, flush = hijacked, func() error { return nil }
		_ = buffer.Flush()
		body = append([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"), body...)
	}
	for i := range body {
		if _, err := to.Write(body[i : i+1]); err != nil {
			return
		}
		if err := flush(); err != nil || !s.wait(r.Context(), dripPause) {
			return
		}
	}
}

func garbage(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2
		panic(http.ErrAbortHandler)
	}
	_, _ = c.Write([]byte("\x16\x03\x01 this is no HTTP at all\r\n\x00\xff\r\n\r\n"))
	_ = c.Close()
}

// hugeBytes is how long a huge body is.
const hugeBytes = 1 << 30

func (s *Server) huge(w http.ResponseWriter, r *http.Request) {
	s.count(http.StatusOK)
	w.Header().Set("Content-Type", "application/json")
	chunk := bytes.Repeat([]byte(" "), 64<<10)
	for range hugeBytes / len(chunk) {
		if _, err := w.Write(chunk); err != nil || r.Context().Err() != nil {
			return
		}
	}
}
