// Package memory is a store that forgets everything when the process ends. It is for tests only: of bots, of handlers,
// and of everything else that needs a store and no disk. It starts no goroutines and takes its time from package time
// where it needs the present, so it works inside testing/synctest bubbles.
//
//	store := memory.New()
//	bot, err := headsup.New(headsup.Config{Turns: store, …}, handler)
//
// [Store] keeps the same promises as the durable drivers, save durability; package storetest checks them. It does not tell and
// erase what it keeps of people, as those do for the server: what it keeps is gone with the process.
package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/internal/turnlock"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/template"
)

var (
	_ headsup.Turns    = (*Store)(nil)
	_ state.Store      = (*Store)(nil)
	_ book.Store       = (*Store)(nil)
	_ outbox.Store     = (*Store)(nil)
	_ directline.Store = (*Store)(nil)
	_ proactive.Store  = (*Store)(nil)
	_ event.Store      = (*Store)(nil)
	_ access.Store     = (*Store)(nil)
	_ schedule.Store   = (*Store)(nil)
	_ template.Store   = (*Store)(nil)
	_ headsup.Lease    = (*lease)(nil)
)

// lease is a conversation's lease.
type lease = turnlock.Lease[headsup.ConversationKey]

// Store keeps everything in maps. Make it with [New]. Safe for concurrent use.
type Store struct {
	leases    *turnlock.Table[headsup.ConversationKey]
	leaseTime time.Duration
	wakeups   chan struct{}
	limits    *pace.Limiter // nil for none
	loosened  atomic.Bool   // the limiter has freed something early

	mu      sync.Mutex // guards all below
	answers map[answerKey]headsup.Answer
	docs    map[state.Key]document
	version int64 // of the newest document
	book    bookTables
	queue   queue
	line    lineTables
	jobs    jobTables
	events  eventTables
	apiKeys []access.Key         // row n is at n-1
	audits  map[string]*auditLog // by app

	schedules scheduleTables
	templates []*template.Version // in the order in which they were made
}

type answerKey struct {
	conversation headsup.ConversationKey
	id           activity.ID
}

// New makes an empty store.
func New() *Store { return newStore(headsup.LeaseTime, nil) }

// NewPaced makes an empty store that hands out no more than a limiter lets through. A nil one limits nothing.
func NewPaced(limits *pace.Limiter) *Store { return newStore(headsup.LeaseTime, limits) }

func newStore(leaseTime time.Duration, limits *pace.Limiter) *Store {
	s := &Store{
		limits:    limits,
		leaseTime: leaseTime,
		wakeups:   make(chan struct{}, 1),
		answers:   make(map[answerKey]headsup.Answer),
		docs:      make(map[state.Key]document),
		book:      newBookTables(),
		queue:     newQueue(),
		line:      newLineTables(),
		jobs:      newJobTables(),
		events:    newEventTables(),
		schedules: newScheduleTables(),
	}
	s.queue.ended = s.tellOutcome
	s.leases = turnlock.New[headsup.ConversationKey](leaseTime, s.wake)
	limits.OnFreed(s.freed)
	return s
}

// wake tells the workers that there may be something to claim.
func (s *Store) wake() {
	select {
	case s.wakeups <- struct{}{}:
	default: // they are told already
	}
}

// Lease implements [headsup.Turns].
func (s *Store) Lease(ctx context.Context, key headsup.ConversationKey) (headsup.Lease, error) {
	l, err := s.leases.Acquire(ctx, key)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Answered implements [headsup.Turns].
func (s *Store) Answered(_ context.Context, key headsup.ConversationKey, id activity.ID) (headsup.Answer, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.answers[answerKey{key, id}]
	a.Body = slices.Clone(a.Body)
	return a, ok, nil
}

// Commit implements [headsup.Turns].
func (s *Store) Commit(_ context.Context, l headsup.Lease, ops []headsup.Op) error {
	held, ok := l.(*lease)
	if !ok {
		return fmt.Errorf("memory: commit: %T is not a lease of this store", l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !held.Held() {
		return headsup.ErrLeaseLost
	}
	t := s.begin()
	for _, op := range ops {
		if err := t.do(held.Key(), op); err != nil {
			return err
		}
	}
	t.commit()
	return nil
}

// tx collects changes, so that all of them happen or none. It is made, filled and ended while the store's lock is held.
type tx struct {
	s        *Store
	docs     map[state.Key]document // a document without version is deleted
	messages map[outbox.MessageID]*message
	keys     map[messageKey]*message
	ids      map[outbox.DeliveryID]bool

	schedules map[scheduleKey]*scheduled

	then []func()
}

func (s *Store) begin() *tx {
	return &tx{
		s: s, docs: make(map[state.Key]document), messages: make(map[outbox.MessageID]*message),
		keys: make(map[messageKey]*message), ids: make(map[outbox.DeliveryID]bool),
		schedules: make(map[scheduleKey]*scheduled),
	}
}

// do checks one part of a turn's commit and plans it.
func (t *tx) do(key headsup.ConversationKey, op headsup.Op) error {
	switch op := op.(type) {
	case headsup.RecordAnswer:
		t.answer(key, op)
	case state.Save:
		return t.write(op.Writes)
	case headsup.Mark:
		t.then = append(t.then, func() {
			if e, known := t.s.book.byKey[key]; known {
				t.s.mark(e, op)
			}
		})
	case outbox.Submit:
		for _, sub := range op.Submissions {
			if _, err := t.submit(sub, nil); err != nil {
				return err
			}
		}
	case outbox.Conclude:
		return t.end(op.Outcome)
	case schedule.Create:
		_, _, err := t.schedule(op.Schedule, op.Most)
		return err
	case event.Heard:
		t.then = append(t.then, func() { t.s.hear(key, op) })
	case event.Acted:
		t.then = append(t.then, func() { t.s.acted(key, op) })
	default:
		return fmt.Errorf("memory: commit: unknown op %T", op)
	}
	return nil
}

func (t *tx) answer(key headsup.ConversationKey, op headsup.RecordAnswer) {
	op.Answer.Body = slices.Clone(op.Answer.Body)
	t.then = append(t.then, func() {
		t.s.answers[answerKey{key, op.Activity}] = op.Answer
		if e, ok := t.s.book.byKey[key]; ok {
			e.LastInboundAt = op.At
		}
	})
}

// commit makes the planned changes.
func (t *tx) commit() {
	for key, doc := range t.docs {
		if doc.version == 0 {
			delete(t.s.docs, key)
		} else {
			t.s.docs[key] = doc
		}
	}
	for _, f := range t.then {
		f()
	}
}
