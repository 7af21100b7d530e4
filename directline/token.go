package directline

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

const (
	// tokenLife is what Direct Line gives (bot-docs, "Authentication in Direct Line API 3.0").
	tokenLife = 30 * time.Minute
	// streamLife is how long the URL of a stream can be opened (bot-docs, "Receive activities from the bot").
	streamLife = 60 * time.Second
	// clockSkew is how far the clocks of two of our nodes may be apart.
	clockSkew = time.Minute
	maxToken  = 8192
)

// Token opens one conversation for one user.
type Token struct {
	ConversationID activity.ConversationID
	Token          string
	ExpiresIn      time.Duration
	User           activity.ChannelAccount
}

// MintRequest asks for a token.
type MintRequest struct {
	// User is who the token is for. The id must start with "dl_", which tells clients not to choose their own.
	User activity.ChannelAccount
	// ConversationID resumes a conversation of that user. Empty is a new one.
	ConversationID activity.ConversationID
}

// MintToken makes a token for a caller in this process that knows who the user is. It returns [ErrNotFound] when there is
// no such conversation of that user, and [ErrEnded] when it has ended.
func (c *Channel) MintToken(ctx context.Context, req MintRequest) (Token, error) {
	user := activity.ChannelAccount{ID: req.User.ID, Name: req.User.Name, Role: activity.RoleUser}
	if err := checkTokenUser(user); err != nil {
		return Token{}, fmt.Errorf("mint a token: %w", err)
	}
	id := req.ConversationID
	if id == "" {
		id = newConversationID()
		if err := c.open(ctx, id, user); err != nil {
			return Token{}, fmt.Errorf("mint a token: %w", err)
		}
	} else if err := c.resumable(ctx, id, user.ID); err != nil {
		return Token{}, fmt.Errorf("mint a token: %w", err)
	}
	return Token{
		ConversationID: id,
		Token:          c.grant(claims{Conversation: id, User: user.ID, Name: user.Name, Session: rand.Text()}),
		ExpiresIn:      tokenLife,
		User:           user,
	}, nil
}

func (c *Channel) open(ctx context.Context, id activity.ConversationID, user activity.ChannelAccount) error {
	_, _, err := c.cfg.Store.OpenConversation(ctx, Conversation{
		ID: id, AppID: c.cfg.AppID, User: user, CreatedAt: c.cfg.Now(),
	})
	return err
}

func (c *Channel) resumable(ctx context.Context, id activity.ConversationID, user activity.AccountID) error {
	conv, err := c.conversation(ctx, id)
	switch {
	case err != nil:
		return err
	case !conv.has(user):
		return ErrNotFound
	case conv.Ended:
		return ErrEnded
	}
	return nil
}

func checkTokenUser(user activity.ChannelAccount) error {
	if err := checkUserID(user.ID); err != nil {
		return err
	}
	if !strings.HasPrefix(string(user.ID), userPrefix) {
		return fmt.Errorf("the user's id must start with %q", userPrefix)
	}
	if len(user.Name) > 512 {
		return errors.New("the user's name is longer than 512 bytes")
	}
	return nil
}

// claims are what a token says. The official client reads the claim "user" and then refuses to change the user's id.
type claims struct {
	Issuer       string                  `json:"iss"`
	Audience     string                  `json:"aud"`
	Bot          string                  `json:"bot"`
	Site         string                  `json:"site"`
	Conversation activity.ConversationID `json:"conv"`
	// User and Name are set when the token is for a user.
	User activity.AccountID `json:"user,omitzero"`
	Name string             `json:"name,omitzero"`
	// Session is the same in all tokens that were refreshed from each other: it is one client.
	Session string `json:"sid"`
	// ID is set in what can be used once.
	ID        string `json:"jti,omitzero"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

const (
	issuer         = "urn:headsup:directline"
	audienceClient = "urn:headsup:directline:client"
	audienceStream = "urn:headsup:directline:stream"
	site           = "embedded"
)

// keys are derived from the one secret that stays, one for each purpose, so that what is made for one cannot serve another.
type keys struct{ session, conversation []byte }

func newKeys(secret []byte) keys {
	return keys{derive(secret, "session"), derive(secret, "conversation")}
}

// purpose is what a token is for. Each has a key of its own for each secret.
type purpose string

const (
	forClient purpose = "client"
	forStream purpose = "stream"
)

func derive(secret []byte, what purpose) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("headsup directline " + what))
	return mac.Sum(nil)
}

// grant makes a token for a conversation out of who it is for.
func (c *Channel) grant(who claims) string {
	who.ID = ""
	return c.sign(forClient, audienceClient, tokenLife, who)
}

// grantStream makes the credential in the URL of a stream.
func (c *Channel) grantStream(who claims) string {
	return c.sign(forStream, audienceStream, streamLife, claims{
		Conversation: who.Conversation, User: who.User, Session: who.Session, ID: rand.Text(),
	})
}

// header is the only one that is written or accepted: nobody but us says which algorithm is used.
var header = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

func (c *Channel) sign(what purpose, audience string, life time.Duration, who claims) string {
	now := c.cfg.Now()
	who.Issuer, who.Audience, who.Bot, who.Site = issuer, audience, c.cfg.AppID, site
	who.NotBefore, who.Expires = now.Unix(), now.Add(life).Unix()
	payload, err := json.Marshal(who, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	signed := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sum(derive([]byte(c.cfg.TokenSecrets()[0]), what), signed))
}

func sum(key []byte, signed string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

var (
	errTokenInvalid = errors.New("directline: not a valid token")
	errTokenExpired = errors.New("directline: the token has expired")
)

// signed reports whether a signature is one of ours, with any of the secrets.
func (c *Channel) signed(what purpose, text string, signature []byte) bool {
	for _, secret := range c.cfg.TokenSecrets() {
		if hmac.Equal(signature, sum(derive([]byte(secret), what), text)) {
			return true
		}
	}
	return false
}

// check reads a token that sign made for the same purpose and audience.
func (c *Channel) check(what purpose, audience, token string) (claims, error) {
	var who claims
	if len(token) > maxToken {
		return who, errTokenInvalid
	}
	first, rest, _ := strings.Cut(token, ".")
	second, third, found := strings.Cut(rest, ".")
	if !found || first != header {
		return who, errTokenInvalid
	}
	strict := base64.RawURLEncoding.Strict()
	signature, err := strict.DecodeString(third)
	if err != nil || strings.ContainsAny(third, "\r\n") || !c.signed(what, first+"."+second, signature) {
		return who, errTokenInvalid
	}
	payload, err := strict.DecodeString(second)
	if err != nil || json.Unmarshal(payload, &who, json.RejectUnknownMembers(true)) != nil {
		return claims{}, errTokenInvalid
	}
	now := c.cfg.Now()
	switch {
	case who.Issuer != issuer, who.Audience != audience, who.Bot != c.cfg.AppID, who.Site != site,
		!minted(who.Conversation), who.Session == "", now.Add(clockSkew).Unix() < who.NotBefore:
		return claims{}, errTokenInvalid
	case now.Unix() >= who.Expires:
		return claims{}, errTokenExpired
	}
	return who, nil
}

// sessionID names a client without telling its token.
func (k keys) sessionID(who claims) string {
	return base64.RawURLEncoding.EncodeToString(sum(k.session, string(who.Conversation)+"|"+who.Session))
}

// spent remembers credentials that can be used once until they expire. The zero value is ready.
type spent struct {
	mu     sync.Mutex
	until  map[string]int64 // guarded by mu
	pruned int64            // guarded by mu
}

// spend reports whether it is the first use.
func (s *spent) spend(who claims, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.until[who.ID]; used {
		return false
	}
	if s.until == nil {
		s.until = make(map[string]int64)
	}
	if t := now.Unix(); t != s.pruned { // at most once a second
		s.pruned = t
		for id, until := range s.until {
			if until < t {
				delete(s.until, id)
			}
		}
	}
	s.until[who.ID] = who.Expires
	return true
}
