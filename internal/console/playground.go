package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

// Minter makes Direct Line tokens; *directline.Channel implements it.
type Minter interface {
	MintToken(ctx context.Context, r directline.MintRequest) (directline.Token, error)
}

// Conversations lists the channel's conversations; a directline.Store implements it.
type Conversations interface {
	DirectLineConversations(ctx context.Context, appID string, user activity.AccountID, limit int) ([]directline.Conversation, error)
}

// Playground is what the playground page asks for. It gives tokens to whoever asks, so it belongs in development mode
// only.
type Playground struct {
	AppID         string
	Minter        Minter
	Conversations Conversations
	Wire          *Wire
	Logger        *slog.Logger
	// Closing ends the streams when it is closed, so that a server can stop.
	Closing <-chan struct{}
}

// Register adds the routes to mux.
func (p *Playground) Register(mux *http.ServeMux) {
	mux.Handle("POST /playground/api/token", p.handle(p.token))
	mux.Handle("GET /playground/api/conversations", p.handle(p.conversations))
	mux.Handle("GET /playground/api/wire", p.handle(p.stream))
}

// httpError is an answer that is not 200.
type httpError struct {
	status  int
	code    string
	message string
}

func (e *httpError) Error() string { return e.message }

func (p *Playground) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		err := h(w, r)
		if err == nil {
			return
		}
		known, ok := errors.AsType[*httpError](err)
		if !ok {
			p.Logger.ErrorContext(r.Context(), "playground request failed", "path", r.URL.Path, "error", err.Error())
			known = &httpError{http.StatusInternalServerError, "internal", "something went wrong"}
		}
		w.WriteHeader(known.status)
		reply(w, map[string]any{"error": map[string]string{"code": known.code, "message": known.message}})
	})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.MarshalWrite(w, v)
}

type person struct {
	ID   activity.AccountID `json:"id"`
	Name string             `json:"name,omitzero"`
}

func (p *Playground) token(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		User           person                  `json:"user"`
		ConversationID activity.ConversationID `json:"conversationId"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<10))
	if err != nil {
		return &httpError{http.StatusRequestEntityTooLarge, "too_large", "the body is too large"}
	}
	if err := json.Unmarshal(body, &ask, json.RejectUnknownMembers(true)); err != nil {
		return &httpError{http.StatusBadRequest, "bad_request", "the body is not what is expected: " + err.Error()}
	}
	if id := string(ask.User.ID); !strings.HasPrefix(id, "dl_") || len(id) > 64 || len(ask.User.Name) > 64 {
		return &httpError{http.StatusBadRequest, "bad_user", `user.id must start with "dl_"; it and user.name have at most 64 bytes`}
	}
	t, err := p.Minter.MintToken(r.Context(), directline.MintRequest{
		User: activity.ChannelAccount{ID: ask.User.ID, Name: ask.User.Name}, ConversationID: ask.ConversationID,
	})
	switch {
	case errors.Is(err, directline.ErrNotFound), errors.Is(err, directline.ErrEnded):
		return &httpError{http.StatusNotFound, "not_found", "there is no such conversation of that person"}
	case err != nil:
		return err
	}
	reply(w, struct {
		ConversationID activity.ConversationID `json:"conversationId"`
		Token          string                  `json:"token"`
		ExpiresIn      int                     `json:"expires_in"`
		User           person                  `json:"user"`
	}{t.ConversationID, t.Token, int(t.ExpiresIn / time.Second), person{t.User.ID, t.User.Name}})
	return nil
}

func (p *Playground) conversations(w http.ResponseWriter, r *http.Request) error {
	const most = 200
	found, err := p.Conversations.DirectLineConversations(r.Context(), p.AppID, activity.AccountID(r.URL.Query().Get("user")), most)
	if err != nil {
		return err
	}
	type row struct {
		ID        activity.ConversationID `json:"id"`
		User      person                  `json:"user"`
		CreatedBy string                  `json:"createdBy"`
	}
	rows := make([]row, 0, len(found))
	for _, c := range found {
		if c.Ended {
			continue
		}
		by := "user"
		if c.ByBot {
			by = "bot"
		}
		rows = append(rows, row{c.ID, person{c.User.ID, c.User.Name}, by})
	}
	reply(w, map[string]any{"conversations": rows})
	return nil
}

// stream sends the wire log as server-sent events.
func (p *Playground) stream(w http.ResponseWriter, r *http.Request) error {
	after, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64) // garbage is as good as none
	past, next, stop := p.Wire.listen(after)
	defer stop()
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if _, err := io.WriteString(w, "retry: 500\n\n"); err != nil { // a page that lost us comes back soon
		return nil
	}
	for _, e := range past {
		if err := send(w, e); err != nil {
			return nil
		}
	}
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for {
		if err := control.Flush(); err != nil {
			return nil
		}
		select {
		case e, ok := <-next:
			if !ok || send(w, e) != nil {
				return nil
			}
		case <-alive.C:
			if _, err := io.WriteString(w, ": alive\n\n"); err != nil {
				return nil
			}
		case <-p.Closing:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

func send(w io.Writer, e entry) error {
	_, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.seq, e.json)
	return err
}
