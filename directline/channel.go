package directline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/loglimit"
)

// maxCharacters is the largest activity, counted in characters of its JSON (bot-docs, "Send an activity to the bot").
const maxCharacters = 256 << 10

// Endpoint is who receives what people say; *headsup.Bot is one.
type Endpoint interface {
	Process(ctx context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error)
}

// Config makes a [Channel].
type Config struct {
	// AppID is the bot's application id.
	AppID string

	// BotID and BotName are the bot's account on this channel. BotID is required.
	BotID   activity.AccountID
	BotName string

	// Store keeps everything. Required.
	Store Store

	// PublicURL tells the absolute http or https URL under which clients and bots reach the channel's handlers, without
	// a trailing slash. All URLs that the channel hands out start with it, none with what a request calls its host. It
	// must not change while files are kept, since their URLs are part of the history. Required; it is first called when
	// it is first needed, from several goroutines.
	PublicURL func() string

	// Secret makes ids of conversations that bots open and of sessions, and signs tokens where TokenSecrets is nil; at least 32
	// bytes. It stays the same as long as conversations are kept. Required.
	Secret []byte

	// TokenSecrets returns the secrets of tokens, of at least 32 bytes each: the first one signs, and what any of them has
	// signed is good. It is called for every token, and may return others each time. Nil is Secret alone.
	TokenSecrets func() []string

	// SiteSecret is the Direct Line secret, with which servers ask for tokens, and SecondSiteSecret another one that is as
	// good, so that they can change from one to the other. Empty accepts none.
	SiteSecret, SecondSiteSecret string

	// Wrong is told of every request on the clients' side with a secret or token that is neither, and returns how long who
	// sent it has to wait if that was once too often; then the answer is 429. Tokens that have expired are not wrong. Nil
	// counts nothing.
	Wrong func(r *http.Request) (wait time.Duration)

	// Origins lists the web origins, such as "https://www.example.com", whose pages may use the channel. That of
	// PublicURL always may.
	Origins []string

	// Development is for a server that listens on loopback only. It lets pages use SiteSecret, and takes the names of
	// the loopback address for one origin.
	Development bool

	// AllowAnonymousBots lets programs on this machine use the bots' side without a token. Only with Development;
	// otherwise the bots' side answers 401.
	AllowAnonymousBots bool

	// Bots checks who calls the bots' side, by the Authorization headers: an [*auth.Error] refuses. With it the bots' side can be
	// reached from elsewhere, and AllowAnonymousBots does nothing. Nil knows no bots.
	Bots func(ctx context.Context, authorization []string) error

	// Opened is told of every conversation and thread that a bot in another process opens, before the bot is. Nil tells
	// nobody.
	Opened func(ctx context.Context, ref activity.Reference) error

	// Ended is told of every conversation that has ended, by whichever side: nothing can be said in it any more. It may be
	// told of one more than once. Nil tells nobody.
	Ended func(ctx context.Context, ref activity.Reference) error

	// Said is told of what a bot in another process has said in a conversation or thread, before the bot is. Nil tells nobody.
	// It must not block.
	Said func(conversation activity.ConversationID, id activity.ID)

	// BotTimeout is how long the bot has to take in what somebody said. Zero means 15 s.
	BotTimeout time.Duration

	// KeepAlive is the time between two signs of life on a WebSocket. Zero means 15 s.
	KeepAlive time.Duration

	// WriteTimeout is how long a client may take to accept one frame. One that is slower is disconnected and finds
	// what it missed when it comes back. Zero means 10 s.
	WriteTimeout time.Duration

	// MaxUpload is the largest upload in bytes, all its files together. Zero means 16 MiB.
	MaxUpload int64

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock of tokens and timestamps. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.BotTimeout == 0 {
		c.BotTimeout = 15 * time.Second
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = 15 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 10 * time.Second
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = 16 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.BotID == "":
		return errors.New("BotID is required")
	case c.Store == nil:
		return errors.New("Store is required")
	case c.PublicURL == nil:
		return errors.New("PublicURL is required")
	case len(c.Secret) < 32:
		return fmt.Errorf("Secret has %d bytes; it must have at least 32", len(c.Secret))
	case c.AllowAnonymousBots && !c.Development:
		return errors.New("AllowAnonymousBots is for Development only")
	case c.BotTimeout < 0 || c.KeepAlive < 0 || c.WriteTimeout < 0 || c.MaxUpload < 0:
		return errors.New("BotTimeout, KeepAlive, WriteTimeout and MaxUpload must not be negative")
	}
	for _, origin := range c.Origins {
		if !IsOrigin(origin) {
			return fmt.Errorf("Origins: %q is not an origin such as https://www.example.com", origin)
		}
	}
	return nil
}

// Channel is the embedded Direct Line. It implements headsup.Channel. Safe for concurrent use.
type Channel struct {
	cfg   Config
	keys  keys
	hub   hub
	lines lines
	// strangers bounds what bots that are not let in write into the log.
	strangers loglimit.Reasons
	// storing has the order in which what clients say is stored; lines, behind it, that in which the bot hears it.
	storing lines
	spent   spent
	known   known

	mu     sync.Mutex
	bot    Endpoint // guarded by mu
	closed bool     // guarded by mu; nothing is added to work any more
	work   sync.WaitGroup
}

// New makes a channel. It hears nobody before [Channel.Serve].
func New(cfg Config) (*Channel, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("directline: config: %w", err)
	}
	c := &Channel{cfg: cfg, keys: newKeys(cfg.Secret)}
	if c.cfg.TokenSecrets == nil {
		c.cfg.TokenSecrets = func() []string { return []string{string(cfg.Secret)} }
	}
	if shared, ok := cfg.Store.(Shared); ok {
		c.hub.others = tellOthers(shared)
	}
	return c, nil
}

// Serve sets who receives what people say. It is a step of its own because bot and channel need each other.
func (c *Channel) Serve(e Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bot = e
}

func (c *Channel) endpoint() Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bot
}

// errClosed: the channel is shutting down.
var errClosed = &apiError{http.StatusServiceUnavailable, "ServiceError", "the server is shutting down"}

// begin counts one more piece of work that Close waits for; the caller ends it with c.work.Done.
func (c *Channel) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	c.work.Add(1)
	return nil
}

// Close disconnects all clients, takes no new ones, and waits for what is still being handed to the bot. When ctx ends
// first, connections are cut and its error is returned.
func (c *Channel) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.hub.closeAll(closing)
	done := make(chan struct{})
	go func() { // ends with the work, which ends by itself: sockets are told to close, the bot has a deadline
		c.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		c.hub.cutAll()
		return context.Cause(ctx)
	}
}

// Takes reports whether a conversation lives here; it is the predicate for headsup.Switch. An empty conversation id asks
// about opening one.
func (c *Channel) Takes(ch activity.ChannelID, id activity.ConversationID) bool {
	base, _ := split(id)
	return ch == activity.ChannelDirectLine && (id == "" || minted(base))
}

// Capabilities implements headsup.Channel.
func (c *Channel) Capabilities(activity.Reference) headsup.Capabilities {
	return headsup.Capabilities{Update: true, Delete: true, Create: true, Once: true}
}

// Send implements headsup.Channel. What has a key is stored once. Typing reaches those who are connected and is not
// stored; what clients are never shown, such as traces, goes nowhere: both return no id. An endOfConversation ends the
// conversation.
func (c *Channel) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	if out.Activity == nil {
		return activity.ResourceResponse{}, permanent("bad_argument", http.StatusBadRequest, errors.New("nothing to send"))
	}
	id := out.Reference.Conversation.ID
	if base, _ := split(id); !minted(base) {
		return activity.ResourceResponse{}, permanent("not_found", http.StatusNotFound, ErrNotFound)
	}
	key := ""
	if out.Key != "" {
		key = "send:" + out.Key
	}
	sent, err := c.say(ctx, id, key, out.Activity)
	if err != nil {
		return activity.ResourceResponse{}, asSendError(err, out.Key != "")
	}
	return activity.ResourceResponse{ID: sent}, nil
}

// say puts something that the bot says into a conversation.
func (c *Channel) say(
	ctx context.Context, id activity.ConversationID, key string, a *activity.Activity,
) (activity.ID, error) {
	base, root := split(id)
	if err := c.admitBot(ctx, base, root); err != nil {
		return "", err
	}
	a = c.fromBot(base, a)
	a.ChannelData = withThread(a.ChannelData, root)
	switch {
	case a.Type == activity.TypeTyping:
		return "", c.showTyping(base, a, "")
	case !shown(a.Type):
		return "", nil
	}
	seq, err := c.append(ctx, base, key, a)
	if err != nil {
		return "", err
	}
	if a.Type == activity.TypeEndOfConversation && kindOf(base) == KindPersonal {
		if err := c.end(ctx, base); err != nil {
			return "", err
		}
	}
	return activityID(base, seq), nil
}

// fromBot returns a copy of a as clients see it.
func (c *Channel) fromBot(id activity.ConversationID, a *activity.Activity) *activity.Activity {
	out := a.Clone()
	if out.Type == "" {
		out.Type = activity.TypeMessage
	}
	if out.From == nil {
		out.From = new(activity.ChannelAccount)
	}
	out.From.ID, out.From.Role = c.cfg.BotID, activity.RoleBot
	if out.From.Name == "" {
		out.From.Name = c.cfg.BotName
	}
	out.DeliveryMode = ""
	if !inHistory(id, out.ReplyToID) {
		out.ReplyToID = "" // SDKs make ids up for proactive turns, and Web Chat waits 5 s for what is answered to appear
	}
	c.place(id, out)
	return out
}

// place makes a part of the conversation: what the channel alone says about an activity is overwritten. The service URL
// is no business of clients.
func (c *Channel) place(id activity.ConversationID, a *activity.Activity) {
	a.ID, a.ServiceURL = "", ""
	a.ChannelID = activity.ChannelDirectLine
	a.Conversation = accountOf(id)
	a.Timestamp = activity.TimeOf(c.cfg.Now())
}

// shown reports whether clients see activities of a type. Typing is shown, but not kept.
func shown(t activity.Type) bool {
	switch t {
	case activity.TypeInvoke, activity.TypeInvokeResponse, activity.TypeTrace, activity.TypeDelay, activity.TypePing,
		activity.TypeConversationUpdate, activity.TypeContactRelationUpdate, activity.TypeInstallationUpdate,
		activity.TypeMessageUpdate, activity.TypeMessageDelete, activity.TypeDeleteUserData:
		return false
	}
	return true
}

// errTooLarge: the activity has more than maxCharacters.
var errTooLarge = &apiError{http.StatusRequestEntityTooLarge, "MessageSizeTooBig", "the activity is too large"}

// append adds an activity to the history and wakes those who watch it.
func (c *Channel) append(
	ctx context.Context, id activity.ConversationID, key string, a *activity.Activity,
) (int64, error) {
	body, err := encode(a)
	if err != nil {
		return 0, err
	}
	seq, _, err := c.cfg.Store.Append(ctx, id, key, body, c.cfg.Now())
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", id, err)
	}
	c.hub.publish(id, seq)
	return seq, nil
}

// encode is an activity as it is stored.
func encode(a *activity.Activity) ([]byte, error) {
	body, err := activity.Encode(a)
	switch {
	case err != nil:
		return nil, &apiError{http.StatusBadRequest, "BadArgument", err.Error()}
	case utf8.RuneCount(body) > maxCharacters:
		return nil, errTooLarge
	}
	return body, nil
}

func (c *Channel) end(ctx context.Context, id activity.ConversationID) error {
	if err := c.cfg.Store.EndConversation(ctx, id); err != nil {
		return fmt.Errorf("end %s: %w", id, err)
	}
	c.hub.end(id)
	if c.cfg.Ended == nil {
		return nil
	}
	conversation := accountOf(id)
	conversation.ID = id
	if err := c.cfg.Ended(ctx, activity.Reference{
		ChannelID: activity.ChannelDirectLine, ServiceURL: c.publicURL(), Bot: new(c.botAccount()), Conversation: *conversation,
	}); err != nil {
		return fmt.Errorf("note the end of %s: %w", id, err)
	}
	return nil
}

// Create implements headsup.Channel: it opens a conversation for the one member that is not the bot, or a group of
// several if the parameters say so. Members find it when somebody gives them tokens ([Channel.MintToken]). Channel data
// that names a channel makes a thread there, which begins with the activity. A repeat with the same key finds the same
// conversation.
func (c *Channel) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	if channel := channelIn(cr.Parameters.ChannelData); channel != "" {
		return c.createThread(ctx, channel, cr)
	}
	conv, err := c.conversationFor(cr)
	if err != nil {
		return activity.ConversationResource{}, permanent("bad_argument", http.StatusBadRequest, err)
	}
	first := ""
	if cr.Key != "" {
		first = "first"
	}
	conv, _, err = c.cfg.Store.OpenConversation(ctx, conv)
	if err != nil {
		return activity.ConversationResource{}, asSendError(fmt.Errorf("open a conversation: %w", err), cr.Key != "")
	}
	resource := activity.ConversationResource{ID: conv.ID, ServiceURL: c.publicURL()}
	if cr.Parameters.Activity == nil {
		return resource, nil
	}
	resource.ActivityID, err = c.say(ctx, conv.ID, first, cr.Parameters.Activity)
	if err != nil {
		return activity.ConversationResource{}, asSendError(err, cr.Key != "")
	}
	return resource, nil
}

func (c *Channel) onlyMember(members []activity.ChannelAccount) (activity.ChannelAccount, error) {
	var user activity.ChannelAccount
	for _, m := range members {
		if m.ID == c.cfg.BotID {
			continue
		}
		if user.ID != "" {
			return user, errors.New("a conversation has one member besides the bot")
		}
		user = m
	}
	if err := checkUserID(user.ID); err != nil {
		return user, fmt.Errorf("members: %w", err)
	}
	if user.Role == "" {
		user.Role = activity.RoleUser
	}
	return user, nil
}

func (c *Channel) botAccount() activity.ChannelAccount {
	return activity.ChannelAccount{ID: c.cfg.BotID, Name: c.cfg.BotName, Role: activity.RoleBot}
}

func (c *Channel) publicURL() string { return strings.TrimSuffix(c.cfg.PublicURL(), "/") }

func permanent(reason string, status int, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: reason, Status: status, Err: err}
}

// asSendError says what a failure means. When the store failed, the activity may be kept all the same; a repeat with the
// same key tells.
func asSendError(err error, keyed bool) *headsup.SendError {
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, errNoActivity):
		return permanent("not_found", http.StatusNotFound, err)
	case errors.Is(err, ErrEnded):
		return permanent("ended", http.StatusNotFound, err)
	case errors.Is(err, errBlocked):
		return permanent("blocked", http.StatusForbidden, err)
	case errors.Is(err, errNotInRoster):
		return permanent("not_in_conversation", http.StatusForbidden, err)
	case errors.Is(err, errTooLarge):
		return permanent("too_large", http.StatusRequestEntityTooLarge, err)
	}
	if e, ok := errors.AsType[*apiError](err); ok && e.status < 500 {
		return permanent("bad_argument", e.status, err)
	}
	meaning := headsup.MeaningUnknown
	if keyed {
		meaning = headsup.MeaningTransient
	}
	return &headsup.SendError{Meaning: meaning, Reason: "store_failed", Err: err}
}
