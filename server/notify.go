package server

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// greeting is what the classic sample says when it is asked to notify everybody.
const greeting = "proactive hello"

// notifyPatience is how long the notify endpoint waits for deliveries before it answers.
const notifyPatience = 2 * time.Second

// notify is the classic sample's endpoint: it tells every known conversation, and answers a browser with a page and a
// program with JSON. The text may be given as {"text": "…"}.
func (s *Server) notify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead { // which the pattern of GET matches too
		w.Header().Set("Allow", "GET, POST")
		answerNotify(w, r, http.StatusMethodNotAllowed, notifyAnswer{Error: "only GET and POST are allowed here"})
		return
	}
	text, err := notifyText(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		answerNotify(w, r, status, notifyAnswer{Error: err.Error()})
		return
	}
	acting, _ := httpapi.Do(s.audit, s.keys, r, audit.BroadcastSend, audit.Detail{"to": "everyone"})
	accepted, err := s.engine.Notify(acting, headsup.Notification{To: headsup.Target{Everyone: true}, Text: text})
	wrong, isWrong := errors.AsType[*proactive.FieldError](err)
	switch {
	case isWrong:
		answerNotify(w, r, http.StatusBadRequest, notifyAnswer{Error: wrong.Error()})
		return
	case errors.Is(err, proactive.ErrNoTarget):
		answerNotify(w, r, http.StatusOK, notifyAnswer{})
		return
	case err != nil:
		s.log.ErrorContext(r.Context(), "notify failed", "error", err.Error())
		answerNotify(w, r, http.StatusServiceUnavailable, notifyAnswer{Error: "the notification could not be stored"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), notifyPatience)
	defer cancel()
	answer := notifyAnswer{ID: string(accepted.ID), Conversations: accepted.Deliveries}
	if status, err := s.engine.Wait(ctx, accepted.ID); err == nil {
		answer.Delivered = int(status.Counts[outbox.StateDelivered])
	}
	answerNotify(w, r, http.StatusOK, answer)
}

type notifyAnswer struct {
	ID            string `json:"id,omitzero"`
	Conversations int    `json:"conversations"`
	Delivered     int    `json:"delivered"`
	Error         string `json:"error,omitzero"`
}

// sentence says it in words.
func (a notifyAnswer) sentence() string {
	switch {
	case a.Error != "":
		return a.Error
	case a.Conversations == 0:
		return "The bot knows nobody yet. Say something to it first."
	case a.Delivered == a.Conversations:
		return "Proactive messages have been sent."
	}
	return fmt.Sprintf("Proactive messages are on their way: %d of %d delivered so far.", a.Delivered, a.Conversations)
}

var errTooLarge = errors.New("the body is too large")

func notifyText(w http.ResponseWriter, r *http.Request) (string, error) {
	const most = 128 << 10
	if r.ContentLength > most {
		return "", errTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return "", errTooLarge
	}
	if r.Method == http.MethodGet || len(body) == 0 {
		return greeting, nil
	}
	var ask struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(body, &ask, json.RejectUnknownMembers(true)); err != nil {
		return "", fmt.Errorf(`the body must be {"text": "…"}: %w`, err)
	}
	if ask.Text == "" {
		return "", errors.New("text: is missing")
	}
	return ask.Text, nil
}

func answerNotify(w http.ResponseWriter, r *http.Request, status int, a notifyAnswer) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body><h1>"+html.EscapeString(a.sentence())+"</h1></body></html>")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, a)
}
