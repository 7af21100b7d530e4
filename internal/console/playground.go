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
	"github.com/headsup-bot/headsup/state"
)

// Channel is the embedded channel as the playground uses it; *directline.Channel implements it.
type Channel interface {
	MintToken(ctx context.Context, r directline.MintRequest) (directline.Token, error)
	Open(ctx context.Context, r directline.OpenRequest) (directline.Conversation, error)
	AddMembers(ctx context.Context, id activity.ConversationID, people []activity.ChannelAccount) (directline.Conversation, error)
	RemoveMember(ctx context.Context, id activity.ConversationID, user activity.AccountID) (directline.Conversation, error)
	Rename(ctx context.Context, user activity.ChannelAccount) error
	Install(ctx context.Context, id activity.ConversationID) error
	Uninstall(ctx context.Context, id activity.ConversationID) error
}

// Conversations lists the channel's conversations; a directline.Store implements it.
type Conversations interface {
	DirectLineConversations(ctx context.Context, appID string, user activity.AccountID, limit int) ([]directline.Conversation, error)
}

// Setup tells the page what it plays with.
type Setup struct {
	// URL is the server's.
	URL   string `json:"url"`
	AppID string `json:"app_id"`
	// Bot is the bot's account on the channel.
	Bot person `json:"bot"`
	// External: the bot runs in another process, at BotURL.
	External bool   `json:"external"`
	BotURL   string `json:"bot_url,omitzero"`
	// Demo: the bot is the one that comes with the program.
	Demo bool `json:"demo"`
	// Teams: there is a tenant of Teams that only pretends.
	Teams bool `json:"teams"`
}

// NewSetup tells of a bot.
func NewSetup(url, appID string, bot activity.ChannelAccount, botURL string, demo bool) Setup {
	return Setup{
		URL: url, AppID: appID, Bot: person{bot.ID, bot.Name}, External: botURL != "", BotURL: botURL, Demo: demo,
	}
}

// Playground is what the playground page asks for. It gives tokens to whoever asks, so it belongs in development mode
// only. Everything is below /playground/api and is JSON; errors are {"error": {"code", "message"}}.
type Playground struct {
	Setup         Setup
	Channel       Channel
	Conversations Conversations
	Talks         Talks
	State         state.Store
	Wire          *Wire
	Faults        *Faults
	Logger        *slog.Logger
	// Closing ends the streams when it is closed, so that a server can stop.
	Closing <-chan struct{}
}

// Register adds the routes to mux.
func (p *Playground) Register(mux *http.ServeMux) {
	const conversation = "/playground/api/conversations/{id}"
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /playground/api/setup":                  p.setup,
		"POST /playground/api/token":                 p.token,
		"GET /playground/api/conversations":          p.conversations,
		"POST /playground/api/conversations":         p.open,
		"POST " + conversation + "/members":          p.addMembers,
		"DELETE " + conversation + "/members/{user}": p.removeMember,
		"POST " + conversation + "/install":          p.install,
		"POST " + conversation + "/uninstall":        p.uninstall,
		"GET " + conversation + "/going":             p.goingOn,
		"DELETE " + conversation + "/going":          p.free,
		"PATCH /playground/api/people/{id}":          p.rename,
		"GET /playground/api/faults":                 p.faults,
		"PUT /playground/api/faults":                 p.setFaults,
		"DELETE /playground/api/faults":              p.clearFaults,
		"GET /playground/api/wire":                   p.stream,
	} {
		mux.Handle(pattern, p.handle(h))
	}
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
		known, ok := refusal(err)
		if !ok {
			p.Logger.ErrorContext(r.Context(), "playground request failed", "path", r.URL.Path, "error", err.Error())
			known = &httpError{http.StatusInternalServerError, "internal", "something went wrong"}
		}
		w.WriteHeader(known.status)
		reply(w, map[string]any{"error": map[string]string{"code": known.code, "message": known.message}})
	})
}

// refusal is what an error of the channel means to the page.
func refusal(err error) (*httpError, bool) {
	if known, ok := errors.AsType[*httpError](err); ok {
		return known, true
	}
	if wrong, ok := errors.AsType[*directline.ArgumentError](err); ok {
		return &httpError{http.StatusBadRequest, "bad_request", wrong.Error()}, true
	}
	if errors.Is(err, directline.ErrNotFound) || errors.Is(err, directline.ErrEnded) {
		return &httpError{http.StatusNotFound, "not_found", "there is no such conversation of that person"}, true
	}
	return nil, false
}

// read decodes a request's body. What it says is wrong is in terms of the body.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	if err != nil {
		return &httpError{http.StatusRequestEntityTooLarge, "too_large", "the body is too large"}
	}
	err = json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	message := "the body is not valid JSON"
	if wrong, ok := errors.AsType[*json.SemanticError](err); ok {
		at := strings.ReplaceAll(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/", ".")
		switch {
		case errors.Is(err, json.ErrUnknownName):
			message = at + ": is not known here"
		case at == "":
			message = "the body must be a JSON object"
		default:
			message = at + ": is not of the right type"
		}
	}
	return &httpError{http.StatusBadRequest, "bad_request", message}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.MarshalWrite(w, v, json.Deterministic(true))
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
	if err := read(w, r, &ask); err != nil {
		return err
	}
	if id := string(ask.User.ID); !strings.HasPrefix(id, "dl_") || len(id) > 64 || len(ask.User.Name) > 64 {
		return &httpError{http.StatusBadRequest, "bad_user", `user.id must start with "dl_"; it and user.name have at most 64 bytes`}
	}
	t, err := p.Channel.MintToken(r.Context(), directline.MintRequest{
		User: activity.ChannelAccount{ID: ask.User.ID, Name: ask.User.Name}, ConversationID: ask.ConversationID,
	})
	if err != nil {
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
	_, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.id, e.json)
	return err
}
