// Package state keeps what a bot remembers: per conversation, per user, per user in a conversation, or under a name of
// its own.
//
// Documents are JSON objects. Each is read when a turn first asks for it and saved once, when the turn commits, together
// with everything else that the turn decided. [Middleware] does that; [Property] is how handlers read and write one member
// of a document.
//
//	var visits = state.NewProperty[int](state.User, "visits")
//
//	n, err := visits.Load(ctx, t)
//	err = visits.Set(ctx, t, n+1)
//
// A document that somebody else has changed since it was read is never overwritten: the commit fails with [ErrConflict], and
// the bot runs the turn again if it has not said anything yet.
//
// The layout is that of the Bot Framework SDKs for JavaScript and .NET, so what they have stored can be read: [Import] takes
// it over, and [Property] reads values with the marks that they leave.
package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// ErrConflict: somebody else has written the document since it was read. Nothing was written. It is a
// [headsup.ErrConflict], so a turn that ends with it is run again if it has said nothing yet.
var ErrConflict = fmt.Errorf("state: the document was changed by somebody else: %w", headsup.ErrConflict)

// ErrMissingID: the turn's activity does not say what the scope needs, such as a user.
var ErrMissingID = errors.New("state: the activity lacks an id that the scope needs")

// MaxDocument is how large a document may be, in bytes of JSON. A turn that would save a larger one fails.
const MaxDocument = 1 << 20

// SizeError says that a document would be larger than [MaxDocument].
type SizeError struct {
	// Path is the document's.
	Path string
	// Size is what it would have, in bytes.
	Size int
	// Largest is the member that takes most of it.
	Largest string
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("state: the document %s would have %d bytes, more than %d; most of it is %q",
		e.Path, e.Size, MaxDocument, e.Largest)
}

// Key names a document. Paths have the shape that the Bot Framework SDKs use for their storage keys
// ("{channel}/conversations/{conversation}/"), so that what they wrote can be found.
type Key struct {
	AppID  string
	Tenant activity.TenantID
	Path   string
}

// Document is one stored JSON object and the version that was read.
type Document struct {
	// Value is a JSON object.
	Value jsontext.Value
	// ETag changes with every write, and no other version of the document ever has the same, not even after it was
	// deleted. Empty means that there is no such document.
	ETag string
}

// Write replaces or deletes one document.
type Write struct {
	Key Key
	// Value is the new JSON object; empty deletes the document.
	Value jsontext.Value
	// ETag is the version that was read: the write succeeds only if it is still the stored one. Empty means that there
	// must be no document, "*" writes whatever is there.
	ETag string
}

// Store keeps documents.
type Store interface {
	// ReadState returns the documents that exist.
	ReadState(ctx context.Context, keys []Key) (map[Key]Document, error)
	// WriteState does all writes or none, durably; [ErrConflict] when an ETag does not match.
	WriteState(ctx context.Context, writes []Write) error
}

// Save is the op that writes documents when a turn commits; a commit fails with [ErrConflict] as [Store.WriteState]
// does.
type Save struct {
	Writes []Write
}

// TurnOp implements headsup.Op.
func (Save) TurnOp() {}
