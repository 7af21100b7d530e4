// Package privacy answers what is kept of a person, and forgets it.
//
// [Service] is what the API and the commands use: [Service.Export] writes everything down, [Service.Erase] erases it.
// [Store] is what the drivers do for it. [Who] names a person by any of the keys that the reference book has, and [Entry]
// is one entry of the book: a human who writes on two channels has two, which an external id, an object id or a merge joins.
package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
)

var (
	// ErrNotFound: nobody is known by that key.
	ErrNotFound = errors.New("privacy: nobody is known by that key")
	// ErrTooMany: the key means more entries than one person has.
	ErrTooMany = errors.New("privacy: the key means too many entries of the book")
	// ErrNoErasure: there is no such erasure.
	ErrNoErasure = errors.New("privacy: no such erasure")
)

// MaxEntries is how many entries of the book one person may have.
const MaxEntries = 100

// Who names a person by one key. Exactly one of User, ExternalID, ObjectID, UPN and Email is set.
type Who struct {
	AppID string
	// User is an id on a channel.
	User activity.AccountID
	// Channel and Tenant narrow what the key means; empty is any.
	Channel activity.ChannelID
	Tenant  activity.TenantID
	// ExternalID is the id in the operator's own system.
	ExternalID string
	// ObjectID is the id in Microsoft Entra. It, UPN and Email are compared as [book.Fold] leaves them.
	ObjectID, UPN, Email string
}

// Keys is how many keys are set.
func (w Who) Keys() (n int) {
	for _, key := range []string{string(w.User), w.ExternalID, w.ObjectID, w.UPN, w.Email} {
		if key != "" {
			n++
		}
	}
	return n
}

// Entry is a person on a channel.
type Entry struct {
	// Row is the store's own number; 0 for somebody who is not in the book any more, but is in what is left of
	// conversations that were removed from it, or in the embedded channel.
	Row        int64              `json:"row,omitzero"`
	AppID      string             `json:"app_id"`
	Tenant     activity.TenantID  `json:"tenant,omitzero"`
	Channel    activity.ChannelID `json:"channel"`
	User       activity.AccountID `json:"user"`
	Name       string             `json:"name,omitzero"`
	ObjectID   string             `json:"object_id,omitzero"`
	UPN        string             `json:"upn,omitzero"`
	Email      string             `json:"email,omitzero"`
	ExternalID string             `json:"external_id,omitzero"`
}

// Record is one thing that is kept of a person.
type Record struct {
	// Type says what it is, such as delivery. docs/people.md lists them.
	Type string
	// Data is a JSON object.
	Data jsontext.Value
}

// ErasureID names an erasure. It is positive, unique over all nodes and grows with time.
type ErasureID int64

// String is the id as people see it.
func (id ErasureID) String() string { return ident.Text("era", int64(id)) }

// ParseErasureID reads what [ErasureID.String] wrote, or returns [ErrNoErasure].
func ParseErasureID(text string) (ErasureID, error) {
	n, err := ident.Parse("era", text)
	if err != nil {
		return 0, ErrNoErasure
	}
	return ErasureID(n), nil
}

// Erasure is what became of a request to erase a person. It tells nothing of who that is once it is done.
type Erasure struct {
	ID    ErasureID
	AppID string
	// Entries are those that are erased; none when it is done.
	Entries   []Entry
	StartedAt time.Time
	// SilentAt is since when nothing is said to the person any more; zero while that is not so.
	SilentAt time.Time
	// DoneAt is when nothing was left; zero while it goes on.
	DoneAt time.Time
	// Counts tells how much was erased of each type of [Record].
	Counts map[string]int64
}

// Store finds, tells and erases what is kept of people. Methods are safe for concurrent use, also by several nodes; those
// that change something return when it is on disk.
type Store interface {
	// People lists the entries that w means: those of the book, and those whom only what is left of removed
	// conversations or the embedded channel knows. [ErrTooMany] for more than [MaxEntries].
	People(ctx context.Context, w Who) ([]Entry, error)

	// ExportPerson calls yield with everything that is kept of an entry, page by page, so that memory does not grow with it
	// and no transaction stays open: what changes meanwhile may be told as it was before or after. It ends with the first
	// error of yield.
	ExportPerson(ctx context.Context, e Entry, yield func(Record) error) error

	// BeginErasure notes that the entries are to be erased, so that it goes on wherever the process is killed.
	BeginErasure(ctx context.Context, e Erasure) error

	// Erasure returns one of an app's, or [ErrNoErasure].
	Erasure(ctx context.Context, appID string, id ErasureID) (Erasure, error)

	// Erasing lists up to n erasures that are not done, oldest first.
	Erasing(ctx context.Context, n int) ([]Erasure, error)

	// Silence takes the next of the person's conversations out of the book, as [proactive.Forgetter] does: it waits for
	// the conversation's lease, so nothing is being sent there by anybody who holds it, and cancels what waits. What is
	// the person's own in a conversation with others goes: membership, state, and the place in the reference. When there
	// is none left it notes SilentAt. It reports whether there is more to do. A repeat does no harm.
	Silence(ctx context.Context, id ErasureID, at time.Time) (more bool, err error)

	// Erase erases some of what is left, about n rows, and notes in the same step how far it has come. It reports whether
	// there may be more. It does nothing before SilentAt, nor while another node is at it, when there is more.
	Erase(ctx context.Context, id ErasureID, n int) (more bool, err error)

	// FinishErasure overwrites what the database has kept of deleted rows, as far as it is a store's affair, and notes
	// that the erasure is done.
	FinishErasure(ctx context.Context, id ErasureID, at time.Time) error

	// PurgeTranscripts forgets what is old of the embedded channel, of about limit activities, files or conversations: a step
	// of a walk over all of them, which begins with the zero mark and is over when it returns that. Of conversations those go
	// that somebody was given a token for and nobody has started.
	PurgeTranscripts(ctx context.Context, p TranscriptPurge) (TranscriptPurged, error)
}

// TranscriptPurge says what is old.
type TranscriptPurge struct {
	// ContentBefore: what was said before loses its content, and files that were put in before are removed. Zero for none.
	ContentBefore time.Time
	// RecordsBefore: activities before it are removed, but for the last of each conversation, by which the next one is
	// numbered, and so are conversations that were made before it and never used; before ContentBefore if it is zero. Zero
	// for none.
	RecordsBefore time.Time
	After         TranscriptMark
	Limit         int
}

// TranscriptMark is how far a purge has come.
type TranscriptMark struct {
	Conversation, Seq int64
	File              string
	Files, Lines      bool
}

// TranscriptPurged is what a step has done.
type TranscriptPurged struct {
	Contents, Records, Files, Unused int
	Next                             TranscriptMark
}
