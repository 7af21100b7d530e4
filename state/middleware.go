package state

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Scope says whose a document is.
type Scope string

const (
	// Conversation is shared by everybody in a conversation.
	Conversation Scope = "conversation"
	// User follows a person through all conversations on a channel.
	User Scope = "user"
	// Private is one person's in one conversation.
	Private Scope = "private"
)

// KeyFor names a scope's document in a turn.
func KeyFor(t *headsup.Turn, s Scope) (Key, error) {
	ref, key := t.Reference(), t.Key()
	user := ""
	if ref.User != nil {
		user = string(ref.User.ID)
	}
	path := ""
	switch s {
	case Conversation:
		path = ConversationPath(key)
	case User:
		path = UserPath(key.Channel, activity.AccountID(user))
	case Private:
		path = PrivatePrefix(key) + user + "/"
	default:
		return Key{}, fmt.Errorf("state: unknown scope %q", s)
	}
	if s != Conversation && user == "" {
		return Key{}, ErrMissingID
	}
	return Key{AppID: key.AppID, Tenant: key.Tenant, Path: path}, nil
}

// ConversationPath is the path of what is remembered of a conversation.
func ConversationPath(key headsup.ConversationKey) string {
	return fmt.Sprintf("%s/conversations/%s/", key.Channel, key.Conversation)
}

// PrivatePrefix begins the paths of what is remembered of each person in a conversation.
func PrivatePrefix(key headsup.ConversationKey) string { return ConversationPath(key) + "users/" }

// UserPath is the path of what is remembered of a person in all conversations of a channel.
func UserPath(channel activity.ChannelID, user activity.AccountID) string {
	return fmt.Sprintf("%s/users/%s/", channel, user)
}

// Middleware gives every turn its state, and stages what has changed when the turn succeeds. Turns that nest share it.
func Middleware(store Store) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			if t.Value(cacheKey{}) != nil {
				return next.HandleTurn(ctx, t)
			}
			c := &cache{store: store, docs: make(map[Key]*document)}
			t.SetValue(cacheKey{}, c)
			if err := next.HandleTurn(ctx, t); err != nil {
				return err
			}
			writes, err := c.changes()
			if err != nil {
				return err
			}
			if len(writes) > 0 {
				t.Stage(Save{Writes: writes})
			}
			return nil
		})
	}
}

type cacheKey struct{}

// cache is the state of one turn.
type cache struct {
	store Store

	mu   sync.Mutex
	docs map[Key]*document
}

type document struct {
	etag    string
	members map[string]jsontext.Value
	changed bool
}

var errNoMiddleware = errors.New("state: the turn has no state; add state.Middleware to the bot")

func cacheOf(t *headsup.Turn) (*cache, error) {
	c, ok := t.Value(cacheKey{}).(*cache)
	if !ok {
		return nil, errNoMiddleware
	}
	return c, nil
}

// load returns a document, reading it once. c.mu is held, across the read too: a turn's own goroutines wait for it.
func (c *cache) load(ctx context.Context, key Key) (*document, error) {
	if d, ok := c.docs[key]; ok {
		return d, nil
	}
	found, err := c.store.ReadState(ctx, []Key{key})
	if err != nil {
		return nil, fmt.Errorf("state: read: %w", err)
	}
	d := &document{members: make(map[string]jsontext.Value)}
	if stored, ok := found[key]; ok {
		d.etag = stored.ETag
		if err := json.Unmarshal(stored.Value, &d.members); err != nil {
			return nil, fmt.Errorf("state: the document %s is not a JSON object: %w", key.Path, err)
		}
	}
	c.docs[key] = d
	return d, nil
}

func (c *cache) changes() ([]Write, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var writes []Write
	for key, d := range c.docs {
		if !d.changed {
			continue
		}
		w := Write{Key: key, ETag: d.etag}
		if len(d.members) > 0 {
			raw, err := json.Marshal(d.members, json.Deterministic(true))
			if err != nil {
				return nil, fmt.Errorf("state: encode: %w", err)
			}
			w.Value = raw
		}
		writes = append(writes, w)
	}
	return writes, nil
}
