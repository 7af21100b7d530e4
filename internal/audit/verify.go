package audit

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// Verifier checks a log: give it every entry, oldest first, and then its end.
type Verifier struct {
	keys map[string]*Key // by their seals

	last    Mark
	part    bool   // it may begin anywhere
	keyed   bool   // an entry was sealed with a key
	plain   int64  // through which entry seals without a key do, if there are keys
	expect  *Mark  // an anchor that must be met
	met     bool   // it was
	cut     string // what the last entry that tells of a cut says
	foot    Mark   // where the log begins
	entries int64
}

// NewVerifier makes a verifier of a log that begins after foot. Keys are those that its entries were sealed with: with one,
// every entry must be sealed with a key, but for those that [Verifier.PlainThrough] leaves out.
func NewVerifier(foot Mark, keys ...*Key) *Verifier {
	v := &Verifier{keys: make(map[string]*Key), last: foot, foot: foot}
	for _, k := range keys {
		if k != nil {
			v.keys[k.Seal()] = k
		}
	}
	return v
}

// NewPartVerifier makes a verifier of entries that follow each other, wherever they begin.
func NewPartVerifier(keys ...*Key) *Verifier {
	v := NewVerifier(Mark{}, keys...)
	v.part = true
	return v
}

// Expect has the verifier look for an entry with that hash: one that somebody has noted elsewhere.
func (v *Verifier) Expect(h Hash) { v.expect = &Mark{Hash: h} }

// PlainThrough has entries without a key pass up to that number, which a log has that was given its key later. The newest
// must be sealed with one all the same, and whatever comes after one that is.
func (v *Verifier) PlainThrough(number int64) { v.plain = number }

// Broken is the first thing that is wrong with a log.
type Broken struct {
	// Number is the entry that is wrong, or is missing.
	Number int64
	Reason string
}

func (e *Broken) Error() string { return fmt.Sprintf("entry %d: %s", e.Number, e.Reason) }

// Add checks the next entry. Its error is a [*Broken].
func (v *Verifier) Add(e Entry) error {
	if v.part && v.entries == 0 {
		v.last = Mark{e.Number - 1, e.Prev}
	}
	want := v.last.Number + 1
	wrong := func(format string, args ...any) error { return &Broken{e.Number, fmt.Sprintf(format, args...)} }
	switch key := v.keys[e.Sealed]; {
	case e.Number > want:
		return &Broken{want, fmt.Sprintf("is missing: entry %d comes next", e.Number)}
	case e.Number < want:
		return wrong("stands where entry %d should", want)
	case e.Prev != v.last.Hash:
		return wrong("does not follow entry %d as that is now: one of the two was changed or replaced", v.last.Number)
	case e.Sealed != Plain && key == nil:
		return wrong("is sealed with %s, a key that was not given", e.Sealed)
	case e.Sealed == Plain && v.keyed:
		return wrong("is sealed without a key, after entries that are sealed with one")
	case e.Sealed == Plain && len(v.keys) > 0 && e.Number > v.plain:
		return wrong("is sealed without a key, and one was given: from entry %d on, all must be sealed with it", v.plain+1)
	case e.sum(key) != e.Hash:
		return wrong("is not as it was written: its hash does not fit")
	}
	v.last, v.keyed = e.Mark(), v.keyed || e.Sealed != Plain
	v.entries++
	if e.Action == LogCut {
		v.cut = e.Detail
	}
	v.met = v.met || v.expect != nil && e.Hash == v.expect.Hash
	return nil
}

// Entries is how many were checked.
func (v *Verifier) Entries() int64 { return v.entries }

// Last is the place of the last entry that was checked.
func (v *Verifier) Last() Mark { return v.last }

// End checks that the log ends where it should: head is what the store says is the newest entry, or the zero Mark when
// nobody says. Its error is a [*Broken].
func (v *Verifier) End(head Mark) error {
	switch {
	case head.Number > v.last.Number:
		return &Broken{v.last.Number + 1, fmt.Sprintf("is missing: the log is said to end with entry %d", head.Number)}
	case head != Mark{} && head != v.last:
		return &Broken{v.last.Number, "is not the entry that the log is said to end with"}
	case len(v.keys) > 0 && !v.keyed:
		return &Broken{v.last.Number, "is sealed without a key, and one was given"}
	case v.expect != nil && !v.met && v.expect.Hash != v.foot.Hash:
		return &Broken{v.last.Number, "is the last one, and none of them has the hash " + v.expect.Hash.String()}
	}
	return v.checkFoot()
}

// checkFoot holds the beginning against what the log tells of it: a cut is an entry, too.
func (v *Verifier) checkFoot() error {
	if v.part || v.foot.Number == 0 || v.entries == 0 {
		return nil
	}
	var cut struct {
		Through int64  `json:"through"`
		Hash    string `json:"hash"`
	}
	if v.cut == "" {
		return &Broken{v.foot.Number, "and those before it are missing, and no entry says that they were cut off"}
	}
	if err := json.Unmarshal([]byte(v.cut), &cut); err != nil || cut.Through != v.foot.Number || cut.Hash != v.foot.Hash.String() {
		return &Broken{v.foot.Number, "is not the last one that was cut off, by what the log says"}
	}
	return nil
}
