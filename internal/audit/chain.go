package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Hash is an entry's seal: SHA-256, or HMAC-SHA-256 with a [Key].
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what [Hash.String] wrote.
func ParseHash(text string) (h Hash, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return Hash{}, errors.New("is not a hash of 64 hexadecimal digits")
	}
	copy(h[:], raw)
	return h, nil
}

// Plain is the seal of entries that are chained without a key.
const Plain = "sha256"

// Key seals entries, so that whoever can write the database cannot make them up.
type Key struct {
	mac  func() hash.Hash // a function, since fmt prints what fields hold
	seal string
}

// minKey is how many bytes a key has at least.
const minKey = 32

// NewKey makes a key of what a file holds, white space around it left out: 32 bytes or more.
func NewKey(text string) (*Key, error) {
	if len(text) < minKey {
		return nil, fmt.Errorf("has %d bytes, and must have at least %d random ones, as \"openssl rand -hex 32\" makes them", len(text), minKey)
	}
	id := sha256.Sum256([]byte("headsup audit key id\x00" + text))
	return &Key{
		mac:  func() hash.Hash { return hmac.New(sha256.New, []byte(text)) },
		seal: "hmac-sha256:" + hex.EncodeToString(id[:4]),
	}, nil
}

// Seal is what entries that are sealed with the key say of it: the method, and which key it is.
func (k *Key) Seal() string {
	if k == nil {
		return Plain
	}
	return k.seal
}

// String tells which key it is, not the key.
func (k *Key) String() string { return k.Seal() }

// LogValue implements [slog.LogValuer].
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.Seal()) }

func (k *Key) hash() hash.Hash {
	if k == nil {
		return sha256.New()
	}
	return k.mac()
}

// Entry is an act as it stands in the log. It does not change.
type Entry struct {
	// Number counts the entries of the app's log from 1, without gaps.
	Number int64
	AppID  string
	// At is when it was written, by the store's clock, to the microsecond.
	At     time.Time
	Action Action
	Actor  string
	From   string
	Object string
	// Detail is a JSON object; empty for none.
	Detail string
	Trace  string
	// Sealed is how Hash was made: [Plain], or hmac-sha256 and the id of the key.
	Sealed string
	// Prev is the hash of the entry before; zero for the first.
	Prev Hash
	Hash Hash
}

// Described is the detail as JSON: the object that is kept, and nothing for none. What is no object, as only somebody else can
// have put it into the store, is told as a string.
func (e *Entry) Described() jsontext.Value {
	if e.Detail == "" || e.described() {
		return jsontext.Value(e.Detail)
	}
	quoted, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(e.Detail, "\ufffd")) // it fails for what is not UTF-8
	return quoted
}

func (e *Entry) described() bool {
	v := jsontext.Value(e.Detail)
	return v.IsValid() && v.Kind() == '{'
}

// KeptHash is a hash as a store has it. Bytes of another length, which somebody else has put there, are the zero hash, which
// nothing has.
func KeptHash(raw []byte) (h Hash) {
	if len(raw) == len(h) {
		copy(h[:], raw)
	}
	return h
}

// Mark is the entry's place.
func (e Entry) Mark() Mark { return Mark{e.Number, e.Hash} }

// Follow makes the entry that follows another one.
func (a Act) Follow(prev Mark, at time.Time) Entry {
	e := Entry{
		Number: prev.Number + 1, AppID: a.AppID, At: at.UTC().Truncate(time.Microsecond), Action: a.Action, Actor: clean(a.Actor),
		From: clean(a.From), Object: clean(a.Object), Detail: a.Detail.text(), Trace: clean(a.Trace), Sealed: a.Key.Seal(), Prev: prev.Hash,
	}
	e.Hash = e.sum(a.Key)
	return e
}

// Damaged is the act that is written before another one when somebody has taken the end of the log away or back: known is the
// number of the newest entry by what the store says of it, and there are later ones.
func (a Act) Damaged(known int64) Act {
	return Act{AppID: a.AppID, Action: LogDamaged, Actor: Server, Key: a.Key, Detail: Detail{"end": known}}
}

// maxField bounds a field's text in bytes.
const maxField = 256

// clean is text that others may have made as every database takes it.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	if len(s) > maxField {
		s = strings.ToValidUTF8(s[:maxField], "")
	}
	return s
}

// sum is the hash over an entry: of the line "headsup audit 1", the hash before it, and then of each field its length in
// bytes, as eight of them with the most significant first, and its text. Numbers are decimal, the time is in microseconds
// since 1970.
func (e *Entry) sum(key *Key) (h Hash) {
	s := key.hash()
	s.Write([]byte("headsup audit 1\n"))
	s.Write(e.Prev[:])
	for _, field := range []string{
		strconv.FormatInt(e.Number, 10), e.AppID, strconv.FormatInt(e.At.UnixMicro(), 10), string(e.Action), e.Actor, e.From,
		e.Object, e.Detail, e.Trace, e.Sealed,
	} {
		s.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		s.Write([]byte(field))
	}
	s.Sum(h[:0])
	return h
}
