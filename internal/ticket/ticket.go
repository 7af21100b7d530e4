// Package ticket signs what comes back to the bot from outside: what stands behind a button of a card, or a link in a mail.
//
// A [Ticket] says what is to be done, and binds that to whom it was given: a conversation, a person, a delivery, until a time.
// [Signer.Sign] writes it as a text which can stand in a URL, and [Signer.Verify] reads only what was signed so. It can be
// read by whoever has it: it holds no secrets.
//
//	text, err := signer.Sign(ticket.Ticket{Do: "mute", Conversation: "cnv_1", Topic: "deals", Expires: inAMonth})
//	t, err := signer.Verify(text, time.Now())
//	if err == nil && t.Conversation == "cnv_1" { … }
package ticket

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a ticket.
const (
	// MaxText is the longest text in bytes.
	MaxText = 8 << 10
	// MaxValue is the largest value in bytes.
	MaxValue = 4 << 10
	// MaxLife is how long a ticket may be good: keys are kept that long after they have signed the last one.
	MaxLife = 90 * 24 * time.Hour
)

// Errors of Verify, and ErrTooLong also of Sign.
var (
	ErrTooLong   = errors.New("ticket: too long")
	ErrMalformed = errors.New("ticket: not a ticket")
	ErrForged    = errors.New("ticket: not signed with a key of ours")
	ErrExpired   = errors.New("ticket: expired")
)

// Ticket is what is signed. What its strings are is its user's affair.
type Ticket struct {
	// Do is what it is for. Required. A ticket is never good for anything else.
	Do string
	// Conversation and Person are to whom it was given, Delivery with what.
	Conversation, Person, Delivery string
	// Topic, Name, Value and For, which is whole seconds, tell more of what is to be done.
	Topic, Name string
	Value       jsontext.Value
	For         time.Duration
	// Expires is when it is good no more, to the second. Required.
	Expires time.Time
}

// wire is a ticket as it is signed.
type wire struct {
	Do           string         `json:"a"`
	Conversation string         `json:"c,omitzero"`
	Person       string         `json:"p,omitzero"`
	Delivery     string         `json:"d,omitzero"`
	Topic        string         `json:"t,omitzero"`
	Name         string         `json:"n,omitzero"`
	Value        jsontext.Value `json:"v,omitzero"`
	For          int64          `json:"f,omitzero"`
	Expires      int64          `json:"e,omitzero"`
}

// ID names what a ticket is for, and to whom it was given. One that is signed again later has the same.
func (t Ticket) ID() string {
	t.Expires = time.Time{}
	raw, err := encode(t)
	if err != nil {
		raw = []byte(err.Error()) // Sign refuses it
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Key is a secret that signs. Its id is no secret: letters, digits, '-' and '_'.
type Key struct {
	ID     string
	Secret []byte
}

// Signer signs and verifies. Safe for concurrent use.
type Signer struct {
	keys func() []Key
}

// NewSigner makes a signer with what keys returns, whenever it is asked: the one that signs first, then those that are good
// for verifying.
func NewSigner(keys func() []Key) *Signer { return &Signer{keys} }

// encode writes a ticket always in the same bytes.
func encode(t Ticket) ([]byte, error) {
	w := wire{t.Do, t.Conversation, t.Person, t.Delivery, t.Topic, t.Name, t.Value.Clone(), int64(t.For / time.Second), 0}
	if len(w.Value) > 0 {
		if err := w.Value.Compact(); err != nil {
			return nil, err
		}
	}
	if !t.Expires.IsZero() {
		w.Expires = t.Expires.Unix()
	}
	return json.Marshal(w)
}

// decode reads what encode has written.
func decode(payload []byte) (Ticket, error) {
	var w wire
	if err := json.Unmarshal(payload, &w, json.RejectUnknownMembers(true)); err != nil {
		return Ticket{}, err
	}
	t := Ticket{
		w.Do, w.Conversation, w.Person, w.Delivery, w.Topic, w.Name, w.Value, time.Duration(w.For) * time.Second, time.Unix(w.Expires, 0).UTC(),
	}
	if again, err := encode(t); err != nil || !bytes.Equal(again, payload) || t.Do == "" {
		return Ticket{}, ErrMalformed
	}
	return t, nil
}

// Sign writes a ticket as text.
func (s *Signer) Sign(t Ticket) (string, error) {
	switch {
	case t.Do == "" || t.Expires.IsZero():
		return "", errors.New("ticket: Do and Expires are required")
	case len(t.Value) > MaxValue:
		return "", ErrTooLong
	}
	keys := s.keys()
	if len(keys) == 0 {
		return "", errors.New("ticket: there is no key to sign with")
	}
	payload, err := encode(t)
	if err != nil {
		return "", fmt.Errorf("ticket: %w", err)
	}
	signed := keys[0].ID + "." + base64.RawURLEncoding.EncodeToString(payload)
	text := signed + "." + base64.RawURLEncoding.EncodeToString(sum(keys[0], signed))
	if len(text) > MaxText {
		return "", ErrTooLong
	}
	return text, nil
}

// sum signs with a key that is for tickets alone, whatever else its secret is used for.
func sum(k Key, signed string) []byte {
	derive := hmac.New(sha256.New, k.Secret)
	derive.Write([]byte("headsup ticket"))
	mac := hmac.New(sha256.New, derive.Sum(nil))
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

// Verify reads the text of a ticket. The error is one of ErrTooLong, ErrMalformed, ErrForged and ErrExpired; with ErrExpired
// the ticket is returned all the same, for an answer to who had it.
func (s *Signer) Verify(text string, now time.Time) (Ticket, error) {
	if len(text) > MaxText {
		return Ticket{}, ErrTooLong
	}
	id, rest, _ := strings.Cut(text, ".")
	body, mark, found := strings.Cut(rest, ".")
	if !found || strings.ContainsAny(text, "\r\n") { // which base64 passes over
		return Ticket{}, ErrMalformed
	}
	strict := base64.RawURLEncoding.Strict()
	given, err := strict.DecodeString(mark)
	if err != nil || len(given) != sha256.Size {
		return Ticket{}, ErrMalformed
	}
	payload, err := strict.DecodeString(body)
	if err != nil {
		return Ticket{}, ErrMalformed
	}
	if !s.signed(id, id+"."+body, given) {
		return Ticket{}, ErrForged
	}
	t, err := decode(payload)
	if err != nil {
		return Ticket{}, ErrMalformed
	}
	if !now.Before(t.Expires) {
		return t, ErrExpired
	}
	return t, nil
}

func (s *Signer) signed(id, text string, given []byte) bool {
	for _, k := range s.keys() {
		if k.ID == id {
			return hmac.Equal(given, sum(k, text))
		}
	}
	return false
}
