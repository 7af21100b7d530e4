package postgres

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/book"
)

// notes remember what was told of conversations that can be reached when nothing of it was new. Who tells the same again soon,
// in a turn, need not ask the database: the version that came with the turn says that the conversation is as it was then.
// They keep two generations, like the cache.
type notes struct {
	mu         sync.Mutex
	turns      map[int64]int64 // versions of the turns that this process has, by their keys; guarded by mu
	young, old map[int64]note  // by keys of turns; guarded by mu
}

// note is what was told, of which version, and when that was noted last.
type note struct {
	told    uint64
	version int64
	at      time.Time
}

// notesSize is how many a generation holds.
const notesSize = 20_000

func newNotes() *notes { return &notes{turns: make(map[int64]int64), young: make(map[int64]note)} }

// begins and ends tell of turns of this process.
func (n *notes) begins(turn, version int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.turns[turn] = version
}

func (n *notes) ends(turn int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.turns, turn)
}

// has reports whether the same was noted shortly before, of the conversation as it was when its turn began.
func (n *notes) has(turn int64, told uint64, at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	version, ours := n.turns[turn]
	if !ours {
		return false
	}
	known, ok := n.young[turn]
	if !ok {
		known, ok = n.old[turn]
	}
	return ok && known.told == told && known.version == version && at.Sub(known.at).Abs() < book.SightedWithin
}

func (n *notes) put(turn int64, told note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.young) >= notesSize {
		n.old, n.young = n.young, make(map[int64]note)
	}
	n.young[turn] = told
}

// Note implements [book.Noter].
func (s *Store) Note(ctx context.Context, sighting book.Sighting) (book.Conversation, error) {
	turn := turnKey(sighting.Key)
	told, plain := hashOf(sighting)
	if plain && s.notes.has(turn, told, sighting.At) {
		return book.Conversation{}, nil
	}
	seen, at, err := s.sighting(ctx, sighting)
	if err != nil {
		return book.Conversation{}, err
	}
	if plain && seen.conv.Reach == book.ReachActive {
		s.notes.put(turn, note{told, seen.version, at})
	}
	return seen.copy(), nil
}

var toldSeed = maphash.MakeSeed()

// hashOf is a hash of all that a sighting tells but for its times. It is not plain if it tells of more than what is seen.
func hashOf(s book.Sighting) (told uint64, plain bool) {
	if s.Installed || s.Recreated || s.Prospect.Reach != "" {
		return 0, false
	}
	s.Reference.ActivityID = ""
	reference, err := json.Marshal(s.Reference)
	if err != nil {
		return 0, false
	}
	var h maphash.Hash
	h.SetSeed(toldSeed)
	_, _ = h.Write(reference) // never fails
	maphash.WriteComparable(&h, s.Key)
	maphash.WriteComparable(&h, s.Kind)
	maphash.WriteComparable(&h, s.Source)
	maphash.WriteComparable(&h, s.TimeZone)
	maphash.WriteComparable(&h, s.Place)
	maphash.WriteComparable(&h, s.VerifiedAt.IsZero())
	for p := range s.Everybody {
		maphash.WriteComparable(&h, s.PersonOf(p))
	}
	return h.Sum64(), true
}
