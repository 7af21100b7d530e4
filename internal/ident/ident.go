// Package ident makes the numbers that name things across nodes, and their text form.
//
// A number is 63 bits: 41 bits of milliseconds, so that numbers grow with time and rows lie beside their neighbours, 14
// random bits, counted up within a millisecond, and 8 bits for the node, so that nodes that share a store do not make the
// same number.
package ident

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// epoch is the first millisecond that a number can have.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

const (
	nodeBits   = 8
	randomBits = 14
	belowTime  = randomBits + nodeBits
)

// Nodes is how many nodes can share a store without making the same number.
const Nodes = 1 << nodeBits

var generator = struct {
	mu   sync.Mutex
	last int64
	node int64
}{node: rand.Int64N(Nodes)}

// SetNode tells which of up to [Nodes] processes that share a store this one is; it counts modulo that. Until then the
// process is one at random, which is good enough for those that share nothing.
func SetNode(n int) {
	generator.mu.Lock()
	defer generator.mu.Unlock()
	generator.node = int64(n) & (Nodes - 1)
}

// New returns a positive number that is greater than all that this process has made before, and that no process makes
// which is another node.
func New() int64 {
	now := (time.Now().UnixMilli()-epoch)<<randomBits | rand.Int64N(1<<randomBits)
	generator.mu.Lock()
	defer generator.mu.Unlock()
	last := generator.last >> nodeBits
	if now>>randomBits <= last>>randomBits {
		now = last + 1
	}
	generator.last = now<<nodeBits | generator.node
	return generator.last
}

// First is the smallest number that [New] could make at a time; 0 before there were any.
func First(t time.Time) int64 {
	return max(0, t.UnixMilli()-epoch) << belowTime
}

// alphabet is Crockford's base 32 in lower case: no i, l, o, u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const digits = 13 // of 5 bits: 65

// ErrSyntax: the text is not a number of the wanted kind.
var ErrSyntax = errors.New("not a valid id")

// Text is a number as people see it: prefix, underscore, 13 digits.
func Text(prefix string, n int64) string {
	var b [digits]byte
	for i := digits - 1; i >= 0; i-- {
		b[i] = alphabet[n&31]
		n >>= 5
	}
	return prefix + "_" + string(b[:])
}

// Parse reads what [Text] wrote with the same prefix.
func Parse(prefix, text string) (int64, error) {
	rest, ok := strings.CutPrefix(text, prefix+"_")
	if !ok || len(rest) != digits {
		return 0, ErrSyntax
	}
	var n uint64
	for i := range len(rest) {
		d := strings.IndexByte(alphabet, rest[i])
		if d < 0 || n > 1<<63>>5 {
			return 0, ErrSyntax
		}
		n = n<<5 | uint64(d)
	}
	if n == 0 || n >= 1<<63 {
		return 0, ErrSyntax
	}
	return int64(n), nil
}
