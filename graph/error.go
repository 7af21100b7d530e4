package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/backoff"
)

var (
	// ErrNoUser: the tenant has no such person.
	ErrNoUser = errors.New("graph: the tenant has no such person")
	// ErrNoGroup: the tenant has no such group.
	ErrNoGroup = errors.New("graph: the tenant has no such group")
	// ErrNoApp: neither the organisation's catalog nor the store has an app with that manifest id.
	ErrNoApp = errors.New("graph: the catalog has no such app")
	// ErrNotInstalled: the app is not installed there.
	ErrNotInstalled = errors.New("graph: the app is not installed there")
	// ErrPermission is in the chain of an [Error] for a call that the app was granted no permission for. Its Permissions say
	// which would do.
	ErrPermission = errors.New("graph: a permission is missing")
	// ErrPolicy is in the chain of an [Error] for an installation that the tenant's policies do not let happen.
	ErrPolicy = errors.New("graph: a policy of the tenant forbids it")
	// ErrThrottled is in the chain of an [Error] for a call that Graph has put off more often, or for longer, than the client
	// waits.
	ErrThrottled = errors.New("graph: throttled")
)

// Error is a call that did not succeed.
type Error struct {
	// Op is what was tried, such as "install the app for a user".
	Op string
	// Status is Graph's answer; 0 if there was none.
	Status int
	// Code and Message are Graph's own words, and RequestID is what its support asks for.
	Code, Message, RequestID string
	// Permissions are those of which any one is needed, where one is missing: the application permissions of the app
	// registration, by name, which an administrator has to consent to.
	Permissions []string
	// RetryAfter is how long Graph asks to wait; 0 when it does not say.
	RetryAfter time.Duration
	// Err is why there was no answer, or what of this package's errors the answer is.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	text := "graph: " + e.Op + ": "
	switch {
	case len(e.Permissions) > 0:
		return text + "the app registration needs the permission " + strings.Join(e.Permissions, " or ") + ", with an administrator's consent"
	case e.Status == 0:
		return text + e.Err.Error()
	}
	text += fmt.Sprint(e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap implements the chain of errors.
func (e *Error) Unwrap() error { return e.Err }

// busy reports whether the same call may succeed later. An installation may be repeated: the second finds the first.
func (e *Error) busy() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		return !errors.Is(e.Err, context.Canceled)
	}
	return false
}

// maxMessage bounds what is kept of Graph's words.
const maxMessage = 500

// required finds the permissions that Graph names itself: "API requires one of 'A, B'".
var required = regexp.MustCompile(`(?i)requires (?:one of|any of)?[^']*'([A-Za-z., ]+)'`)

// refusal reads an answer that is no success.
func refusal(k call, answer *http.Response, body []byte) *Error {
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	// What is no JSON has no words of Graph's.
	_ = json.Unmarshal(body, &said, jsontext.AllowDuplicateNames(true))
	e := &Error{
		Op: k.name, Status: answer.StatusCode, Code: short(said.Error.Code), Message: short(said.Error.Message),
		RequestID: short(answer.Header.Get("Request-Id")), RetryAfter: backoff.RetryAfter(answer.Header, time.Now()),
	}
	switch {
	case e.Status == http.StatusTooManyRequests:
		e.Err = ErrThrottled
	case e.Status != http.StatusForbidden:
	case e.lacks():
		e.Err, e.Permissions = ErrPermission, k.needs
		if named := required.FindStringSubmatch(e.Message); named != nil {
			e.Permissions = slices.DeleteFunc(strings.FieldsFunc(named[1], func(r rune) bool { return r == ',' || r == ' ' }), func(s string) bool {
				return !strings.Contains(s, ".")
			})
		}
	default:
		e.Err = ErrPolicy
	}
	return e
}

// lacks reports whether a refusal is about the app's permissions.
func (e *Error) lacks() bool {
	low := strings.ToLower(e.Code + " " + e.Message)
	return slices.ContainsFunc([]string{"authorization_requestdenied", "missing role", "insufficient privileges", "scope permissions", "requires one of"}, func(s string) bool {
		return strings.Contains(low, s)
	})
}

func short(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// is404 makes Graph's "not found" an error of this package.
func is404(err, as error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
		return as
	}
	return err
}
