package headsup

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// ServeHTTP is the messaging endpoint, usually at /api/messages. It answers 200 when the turn has ended and is
// committed, an invoke's own status and body, 501 for an invoke that nobody handled, 400 for what is not an activity,
// 401 and 403 for senders that are not let in, and 500 when the turn failed, so that the channel may send again.
func (b *Bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	answer, err := b.serve(w, r)
	if err != nil {
		b.refuse(w, r, err)
		return
	}
	if len(answer.Body) > 0 {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
}

// serve lets in the sender before it reads what was sent.
func (b *Bot) serve(w http.ResponseWriter, r *http.Request) (Answer, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return Answer{}, &protocolError{http.StatusMethodNotAllowed, "only POST is allowed here"}
	}
	check, err := auth.Admit(r.Context(), b.cfg.Verifier, r.Header.Values("Authorization"))
	if err != nil {
		return Answer{}, err
	}
	a, err := b.read(w, r)
	if err != nil {
		return Answer{}, err
	}
	id, err := check(r.Context(), a)
	if err != nil {
		return Answer{}, err
	}
	return b.Process(r.Context(), id, a)
}

// protocolError is a request that is refused before anybody looks into it.
type protocolError struct {
	status int
	reason string
}

func (e *protocolError) Error() string { return e.reason }

func (b *Bot) read(w http.ResponseWriter, r *http.Request) (*activity.Activity, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &protocolError{http.StatusUnsupportedMediaType, "the content type must be application/json"}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &protocolError{http.StatusUnsupportedMediaType, "the body must not be compressed"}
	}
	if r.ContentLength > b.cfg.MaxBody { // nobody need wait for what is too large in any case
		return nil, &protocolError{http.StatusRequestEntityTooLarge, "the body is too large"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, b.cfg.MaxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, &protocolError{http.StatusRequestEntityTooLarge, "the body is too large"}
		}
		return nil, &protocolError{http.StatusBadRequest, "the body could not be read"}
	}
	return activity.Decode(body)
}

// refuse answers a request that did not become a finished turn. Only what the caller can mend is told in words.
func (b *Bot) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, code, message := refusal(err)
	stranger, _ := errors.AsType[*auth.Error](err)
	if status < http.StatusInternalServerError && stranger != nil {
		b.refused(stranger)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	switch {
	case errors.Is(err, auth.ErrKeysUnavailable):
		b.cfg.Logger.WarnContext(r.Context(), "nobody can be let in", "error", err.Error())
	case status >= http.StatusInternalServerError:
		b.cfg.Logger.ErrorContext(r.Context(), "turn failed", "error", err.Error())
	case stranger != nil:
		b.cfg.Logger.Log(r.Context(), b.strangers.Level(stranger.Reason, b.cfg.Now()), "activity refused", "status", status, "reason", stranger.Reason)
	default:
		b.cfg.Logger.DebugContext(r.Context(), "activity refused", "status", status, "error", err.Error())
	}
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = code, message
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, body)
}

func refusal(err error) (status int, code, message string) {
	_, handled := errors.AsType[*handlerError](err)
	if e, ok := errors.AsType[*protocolError](err); ok && !handled {
		return e.status, "BadArgument", e.reason
	}
	if e, ok := errors.AsType[*activity.DecodeError](err); ok && !handled {
		return http.StatusBadRequest, "BadSyntax", e.Error()
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && !handled {
		switch e.Status {
		case http.StatusForbidden:
			return e.Status, "Forbidden", http.StatusText(e.Status)
		case http.StatusBadRequest:
			return e.Status, "BadArgument", "the activity does not say what its token is checked against"
		}
		return http.StatusUnauthorized, "Unauthorized", http.StatusText(http.StatusUnauthorized)
	}
	if errors.Is(err, auth.ErrKeysUnavailable) && !handled {
		return http.StatusServiceUnavailable, "ServiceError", "try again later"
	}
	if errors.Is(err, errTurnTimeout) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable, "ServiceError", "the turn took too long"
	}
	return http.StatusInternalServerError, "ServiceError", "the turn failed"
}
