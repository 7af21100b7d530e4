package directline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// parameters is what clients may say when they ask for a token or start a conversation.
type parameters struct {
	User struct {
		ID   activity.AccountID `json:"id"`
		Name string             `json:"name"`
	} `json:"user"`
	Locale string `json:"locale"`
}

func readParameters(w http.ResponseWriter, r *http.Request) (parameters, error) {
	var p parameters
	body, err := readBody(w, r, 64<<10)
	if err != nil || len(body) == 0 {
		return p, err
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, &apiError{http.StatusBadRequest, "BadSyntax", "the body is not what it should be"}
	}
	return p, nil
}

func (p parameters) user() activity.ChannelAccount {
	return activity.ChannelAccount{ID: p.User.ID, Name: p.User.Name, Role: activity.RoleUser}
}

// opened tells a client its conversation.
type opened struct {
	ConversationID   activity.ConversationID `json:"conversationId"`
	Token            string                  `json:"token"`
	ExpiresIn        int                     `json:"expires_in"`
	StreamURL        string                  `json:"streamUrl,omitzero"`
	ReferenceGrammar string                  `json:"referenceGrammarId,omitzero"`
}

func (c *Channel) opened(who claims) opened {
	return opened{ConversationID: who.Conversation, Token: c.grant(who), ExpiresIn: int(tokenLife.Seconds())}
}

// streaming is opened with the URL of a stream.
func (c *Channel) streaming(who claims, after int64) opened {
	o := c.opened(who)
	o.StreamURL = c.streamURL(who, after)
	o.ReferenceGrammar = string(who.Conversation)
	return o
}

// generate makes a token for a new conversation, which is there from then on: a token whose conversation is not has outlived
// it. The bot does not hear of it.
func (c *Channel) generate(w http.ResponseWriter, r *http.Request) error {
	who, err := c.caller(r)
	if err != nil {
		return err
	}
	if !who.site {
		return &apiError{http.StatusForbidden, "BadArgument", "a token cannot be used to make others"}
	}
	p, err := readParameters(w, r)
	if err != nil {
		return err
	}
	grant := claims{Conversation: newConversationID(), Session: rand.Text()}
	var user activity.ChannelAccount
	if p.User.ID != "" {
		user = p.user()
		if err := checkTokenUser(user); err != nil {
			return badArgument("%s", err)
		}
		grant.User, grant.Name = user.ID, user.Name
	}
	if err := c.open(r.Context(), grant.Conversation, user); err != nil {
		return fmt.Errorf("open a conversation: %w", err)
	}
	return reply(w, http.StatusOK, c.opened(grant))
}

// refresh replaces a token that is still good, and whose conversation is there.
func (c *Channel) refresh(w http.ResponseWriter, r *http.Request) error {
	who, err := c.caller(r)
	if err != nil {
		return err
	}
	if who.site {
		return badArgument("a secret cannot be refreshed")
	}
	conv, err := c.conversation(r.Context(), who.Conversation)
	switch {
	case err != nil:
		return err
	case conv.Ended:
		return ErrEnded
	case kindOf(conv.ID) != KindPersonal && !conv.has(who.User):
		return errNotMember
	}
	return reply(w, http.StatusOK, c.opened(who.claims))
}

// startConversation starts the conversation of a token, or a new one for who has the secret: 201 the first time, 200
// when it had been started. One that was erased since the token was made is not there, and is not started again.
func (c *Channel) startConversation(w http.ResponseWriter, r *http.Request) error {
	who, err := c.caller(r)
	if err != nil {
		return err
	}
	p, err := readParameters(w, r)
	if err != nil {
		return err
	}
	user, err := c.starter(&who, p)
	if err != nil {
		return err
	}
	conv, err := c.toStart(r.Context(), who, user)
	switch {
	case err != nil:
		return fmt.Errorf("open a conversation: %w", err)
	case conv.Ended:
		return ErrEnded
	case kindOf(conv.ID) != KindPersonal && !conv.has(who.User):
		return errNotMember
	}
	first, err := c.start(context.WithoutCancel(r.Context()), conv, p.Locale)
	if err != nil {
		return fmt.Errorf("start a conversation: %w", err)
	}
	status := http.StatusOK
	if first {
		status = http.StatusCreated
	}
	return reply(w, status, c.streaming(who.claims, 0)) // a client that starts has seen nothing yet
}

// toStart is the conversation that is to be started: a new one for who has the secret.
func (c *Channel) toStart(ctx context.Context, who caller, user activity.ChannelAccount) (Conversation, error) {
	if who.site {
		if err := c.open(ctx, who.Conversation, user); err != nil {
			return Conversation{}, err
		}
	}
	conv, err := c.conversation(ctx, who.Conversation)
	if err == nil && user.ID != "" && conv.User.ID == "" {
		return c.cfg.Store.NameUser(ctx, conv.ID, user)
	}
	return conv, err
}

// starter tells for whom a conversation is started, and completes the claims of who started it with the secret.
func (c *Channel) starter(who *caller, p parameters) (activity.ChannelAccount, error) {
	user := p.user()
	if who.site {
		who.Conversation, who.Session = newConversationID(), rand.Text()
		if checkTokenUser(user) == nil {
			who.User, who.Name = user.ID, user.Name
		}
	} else if who.User != "" {
		return activity.ChannelAccount{ID: who.User, Name: who.Name, Role: activity.RoleUser}, nil
	}
	if user.ID == "" {
		return activity.ChannelAccount{}, nil
	}
	return user, c.checkClaimed(*who, user.ID)
}

// reconnect gives a client a fresh token and stream. The stream starts after the watermark, and without one with what is
// new; an empty watermark is that of a client which has seen nothing.
func (c *Channel) reconnect(w http.ResponseWriter, r *http.Request) error {
	who, conv, err := c.enter(r)
	switch {
	case err != nil:
		return err
	case conv.Ended:
		return ErrEnded
	}
	if who.site {
		who.Session = rand.Text()
	}
	if _, err := c.start(context.WithoutCancel(r.Context()), conv, ""); err != nil {
		return fmt.Errorf("start a conversation: %w", err)
	}
	query := r.URL.Query()
	after := watermark(query.Get("watermark"))
	if !query.Has("watermark") {
		if after, err = c.lastSeq(r.Context(), conv.ID); err != nil {
			return fmt.Errorf("read the history: %w", err)
		}
	}
	return reply(w, http.StatusOK, c.streaming(who.claims, after))
}

// lastSeq is the number of the last activity, 0 if there is none. Numbers have no gaps, so it is found by halving.
func (c *Channel) lastSeq(ctx context.Context, id activity.ConversationID) (int64, error) {
	more := func(after int64) (bool, error) {
		page, err := c.cfg.Store.History(ctx, id, after, 1)
		return len(page) > 0, err
	}
	beyond := int64(1) // nothing comes after it, once the loop is over
	for {
		ok, err := more(beyond)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		beyond *= 2
	}
	low := beyond / 2 // something comes after it, unless it is 0
	for low < beyond {
		middle := low + (beyond-low)/2
		ok, err := more(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle + 1
		} else {
			beyond = middle
		}
	}
	return low, nil
}

const (
	// pollSize is where an activity set is full, in bytes, and pollCount in activities. The client comes back for more.
	pollSize  = 2 << 20
	pollCount = 1000
)

// poll returns what came after the watermark. Clients of Direct Line stop polling, silently and for good, when a poll
// answers anything but 200, 403 or 404: a store that fails for a moment looks like nothing new.
func (c *Channel) poll(w http.ResponseWriter, r *http.Request) error {
	_, conv, err := c.enter(r)
	if err != nil {
		if _, refused := errors.AsType[*apiError](err); refused || errors.Is(err, ErrNotFound) {
			return err
		}
		return c.nothingNew(w, r, err)
	}
	text := r.URL.Query().Get("watermark")
	after := watermark(text)
	page, err := c.since(r.Context(), conv.ID, after)
	switch {
	case err != nil:
		return c.nothingNew(w, r, err)
	case len(page) > 0:
		after = page[len(page)-1].Seq
	case conv.Ended:
		return ErrEnded // everything has been seen
	}
	return replyRaw(w, http.StatusOK, set(conv.ID, page, strconv.FormatInt(after, 10)))
}

func (c *Channel) nothingNew(w http.ResponseWriter, r *http.Request, err error) error {
	c.cfg.Logger.ErrorContext(r.Context(), "history not readable", "error", err.Error())
	after := watermark(r.URL.Query().Get("watermark"))
	return replyRaw(w, http.StatusOK, set("", nil, strconv.FormatInt(after, 10)))
}

// since reads the history after a number, as much of it as one answer holds.
func (c *Channel) since(ctx context.Context, id activity.ConversationID, after int64) ([]Stored, error) {
	var all []Stored
	for size := 0; size < pollSize && len(all) < pollCount; {
		page, err := c.cfg.Store.History(ctx, id, after, historyPage)
		if err != nil {
			return nil, err
		}
		for _, stored := range page {
			size += len(stored.Body)
			after = stored.Seq
		}
		all = append(all, page...)
		if len(page) < historyPage {
			break
		}
	}
	return all, nil
}

// post takes in what a client says.
func (c *Channel) post(w http.ResponseWriter, r *http.Request) error {
	who, conv, err := c.enter(r)
	switch {
	case err != nil:
		return err
	case conv.Ended:
		return ErrEnded
	}
	body, err := readBody(w, r, activity.DefaultBytes)
	if err != nil {
		return err
	}
	a, err := decode(body)
	if err != nil {
		return err
	}
	return c.accept(w, r, who, conv, a)
}

// decode reads an activity that came over the network.
func decode(body []byte) (*activity.Activity, error) {
	if utf8.RuneCount(body) > maxCharacters {
		return nil, errTooLarge
	}
	a, err := activity.Decode(body)
	if err == nil {
		return a, nil
	}
	e, ok := errors.AsType[*activity.DecodeError](err)
	switch {
	case errors.Is(err, activity.ErrTooLarge):
		return nil, errTooLarge
	case ok && e.Path == "/type" && e.Err == nil:
		return nil, &apiError{http.StatusBadRequest, "MissingProperty", err.Error()}
	}
	return nil, &apiError{http.StatusBadRequest, "BadSyntax", err.Error()}
}

// session names the browser session that a sign-in belongs to: the one of the token, cookies are not believed.
func (c *Channel) session(w http.ResponseWriter, r *http.Request) error {
	who, err := c.caller(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]string{"sessionId": c.keys.sessionID(who.claims)})
}

// conversation returns a conversation of this bot.
func (c *Channel) conversation(ctx context.Context, id activity.ConversationID) (Conversation, error) {
	if !minted(id) {
		return Conversation{}, ErrNotFound
	}
	conv, err := c.cfg.Store.DirectLineConversation(ctx, id)
	if err == nil && conv.AppID != c.cfg.AppID {
		return Conversation{}, ErrNotFound
	}
	return conv, err
}

// accept hands what a client said on and answers with its id, always with a body: the official client takes an answer
// without one for a failure. A conversation that was not started, because the bot opened it or the client resumed it at
// once, is now.
func (c *Channel) accept(w http.ResponseWriter, r *http.Request, who caller, conv Conversation, a *activity.Activity) error {
	ctx := context.WithoutCancel(r.Context())
	if _, err := c.starting(ctx, conv, a.Locale); err != nil {
		return err
	}
	id, err := c.receive(ctx, who, conv, a)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, activity.ResourceResponse{ID: id})
}
