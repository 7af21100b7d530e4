// Package storetest checks that a store keeps the promises that are written beside the interfaces. Every driver passes
// it; a new one is done when it does.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Options{
//			Open:      func(t *testing.T) storetest.Store { return open(t, headsup.LeaseTime) },
//			OpenLease: func(t *testing.T, lease time.Duration) storetest.Store { return open(t, lease) },
//			Durable:   true,
//			Reopen:    func(t *testing.T, s storetest.Store) storetest.Store { … },
//		})
//	}
//
// [Run] is everything; [Model] alone is for running the model of the queue longer (go test -rapid.checks=10000).
// [Options] tells what the driver is. What a failing subtest is named after is the promise that was broken.
//
// Where an interface takes the time as an argument the suite makes it up, counting from the present; it keeps times to
// the millisecond, and expects a driver to do so.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/template"
)

// Store is all that a driver keeps.
type Store interface {
	headsup.Turns
	state.Store
	book.Store
	outbox.Store
	directline.Store
	proactive.JobStore
	schedule.Store
	template.Store
	event.Store
	access.Store
	audit.Store
	proactive.Forgetter
}

// Options describes a driver. The functions close what they open with t.Cleanup.
type Options struct {
	// Open opens an empty store. Required. It is called by many subtests at once.
	Open func(t *testing.T) Store

	// OpenLease opens an empty store whose leases last only that long, in place of [headsup.LeaseTime]. Required.
	OpenLease func(t *testing.T, leaseTime time.Duration) Store

	// OpenPaced opens an empty store that keeps to what a limiter lets through. Required.
	OpenPaced func(t *testing.T, limits *pace.Limiter) Store

	// OpenShared is OpenPaced for a store that shares limits with other processes, by clocks that tests cannot make up, and
	// NodePaced is Node for one. Nil when one process has a store for itself.
	OpenShared func(t *testing.T, limits *pace.Limiter) Store
	NodePaced  func(t *testing.T, s Store, limits *pace.Limiter) Store

	// Durable: the store outlives its process.
	Durable bool

	// Reopen ends s as a crash would, as far as a test can, and opens its data again. Required when Durable.
	Reopen func(t *testing.T, s Store) Store

	// Node opens the data of s once more, as another process that works on it at the same time. Nil when one process has a
	// store for itself.
	Node func(t *testing.T, s Store) Store

	// ReopenPaced is Reopen with a limiter, which is a new one; s is of OpenShared if there is that. Required when Durable.
	ReopenPaced func(t *testing.T, s Store, limits *pace.Limiter) Store

	// Bubble: Open may be called in a testing/synctest bubble, so the suite looks closer at waiting.
	Bubble bool
}

// Run checks everything that a driver promises.
func Run(t *testing.T, o Options) {
	t.Helper()
	switch {
	case o.Open == nil:
		t.Fatal("storetest: Options.Open is required")
	case o.OpenLease == nil:
		t.Fatal("storetest: Options.OpenLease is required")
	case o.OpenPaced == nil:
		t.Fatal("storetest: Options.OpenPaced is required")
	case o.Durable && (o.Reopen == nil || o.ReopenPaced == nil):
		t.Fatal("storetest: Options.Reopen and ReopenPaced are required of a durable store")
	}
	s := suite{o}
	t.Run("Turns", s.turns)
	t.Run("State", s.state)
	t.Run("Book", s.book)
	t.Run("BookPeople", s.bookPeople)
	t.Run("BookReach", s.bookReach)
	t.Run("Submit", s.submit)
	t.Run("Spread", s.spread)
	t.Run("Claim", s.claim)
	t.Run("Busy", s.busy)
	t.Run("Digest", s.digest)
	t.Run("Fair", s.fair)
	t.Run("Paced", s.paced)
	t.Run("Outcome", s.outcome)
	t.Run("Aside", s.aside)
	t.Run("Prefer", s.prefer)
	t.Run("Move", s.move)
	t.Run("Doubt", s.doubt)
	t.Run("Collapse", s.collapse)
	t.Run("Races", s.races)
	t.Run("Cancel", s.cancel)
	t.Run("Batch", s.batch)
	t.Run("Reschedule", s.reschedule)
	t.Run("Revise", s.revise)
	t.Run("Sweep", s.sweep)
	t.Run("Replay", s.replay)
	t.Run("Sends", s.sends)
	t.Run("Park", s.park)
	t.Run("Purge", s.purge)
	t.Run("List", s.list)
	t.Run("Tenant", s.tenant)
	t.Run("Observe", s.observe)
	t.Run("DirectLine", s.directLine)
	t.Run("Jobs", s.jobs)
	t.Run("Schedules", s.schedules)
	t.Run("Templates", s.templates)
	t.Run("Receipts", s.receipts)
	t.Run("Fallback", s.fallback)
	t.Run("Events", s.events)
	t.Run("Webhooks", s.webhooks)
	t.Run("APIKeys", s.apiKeys)
	t.Run("Audit", s.audit)
	t.Run("Progress", s.progress)
	t.Run("Forget", s.forget)
	if s.Durable {
		t.Run("People", s.people)
	}
	t.Run("Memory", s.memory)
	if o.Durable {
		t.Run("Durable", s.durable)
		t.Run("DurablePace", s.durablePace)
	}
	if o.Node != nil {
		t.Run("Nodes", s.nodes)
	}
	if o.OpenShared != nil {
		t.Run("PacedNodes", s.pacedNodes)
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		Model(t, o)
	})
}

type suite struct{ Options }

// promise runs one subtest on a store of its own.
func (s suite) promise(t *testing.T, name string, f func(e *env)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		f(newEnv(t, s.Open(t)))
	})
}

// shortLease is for tests that wait until a lease has run out. They do nothing under it that takes time.
const shortLease = 250 * time.Millisecond

// expiring runs one subtest on a store whose leases run out soon.
func (s suite) expiring(t *testing.T, name string, f func(e *env)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		f(newEnv(t, s.OpenLease(t, shortLease)))
	})
}

// patience is how long the suite waits for something that must happen. It is only ever used up by a driver that is
// broken, so it is generous.
const patience = 2 * time.Minute

// within returns a context that ends the test's patience.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
