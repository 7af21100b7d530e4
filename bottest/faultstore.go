package bottest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// ErrInjected is the error of every fault that this package makes.
var ErrInjected = errors.New("bottest: injected fault")

// Faults says how often something fails. The zero value never does.
type Faults struct {
	// Before is the share of calls that fail before they have done anything, After the share of those that fail although
	// they have done it, as when a connection breaks while a commit is answered. Both are from 0 to 1.
	Before, After float64

	// Seed decides which calls: the nth call fares the same with the same seed.
	Seed uint64

	mu     sync.Mutex
	chance *rand.Rand
	made   int
	off    bool
}

// Made returns how many faults there have been.
func (f *Faults) Made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made
}

// Stop ends the faults for good.
func (f *Faults) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// next decides about a call.
func (f *Faults) next() (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chance == nil {
		f.chance = rand.New(rand.NewPCG(f.Seed, 0))
	}
	x := f.chance.Float64()
	before, after = x < f.Before, x >= f.Before && x < f.Before+f.After
	if f.off || !before && !after {
		return false, false
	}
	f.made++
	return before, after
}

// FaultStore is a store some of whose changes fail: those of [outbox.Store], by Faults. What only reads does not fail.
type FaultStore struct {
	proactive.Store
	*Faults
}

// failing makes a call, or does not.
func failing[T any](f *Faults, call func() (T, error)) (T, error) {
	var none T
	before, after := f.next()
	if before {
		return none, ErrInjected
	}
	result, err := call()
	if after && err == nil {
		return none, ErrInjected
	}
	return result, err
}

// do is failing for a call without a result.
func (f *Faults) do(call func() error) error {
	_, err := failing(f, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// SubmitMessage implements [outbox.Store].
func (s *FaultStore) SubmitMessage(ctx context.Context, sub outbox.Submission, take bool) (outbox.Accepted, error) {
	return failing(s.Faults, func() (outbox.Accepted, error) { return s.Store.SubmitMessage(ctx, sub, take) })
}

// SubmitMessages implements [outbox.Store].
func (s *FaultStore) SubmitMessages(ctx context.Context, subs []outbox.Submission) ([]outbox.SubmitResult, error) {
	return failing(s.Faults, func() ([]outbox.SubmitResult, error) { return s.Store.SubmitMessages(ctx, subs) })
}

// Claim implements [outbox.Store]. One that fails after its commit leaves its deliveries to their leases' end.
func (s *FaultStore) Claim(ctx context.Context, n int, now time.Time) (outbox.Claimed, error) {
	return failing(s.Faults, func() (outbox.Claimed, error) { return s.Store.Claim(ctx, n, now) })
}

// RecordOutcome implements [outbox.Store].
func (s *FaultStore) RecordOutcome(ctx context.Context, o outbox.Outcome) error {
	return s.do(func() error { return s.Store.RecordOutcome(ctx, o) })
}

// Extend implements [outbox.Store].
func (s *FaultStore) Extend(ctx context.Context, attempts []outbox.Attempt, until time.Time) ([]outbox.DeliveryID, error) {
	return failing(s.Faults, func() ([]outbox.DeliveryID, error) { return s.Store.Extend(ctx, attempts, until) })
}

// ReclaimExpired implements [outbox.Store].
func (s *FaultStore) ReclaimExpired(ctx context.Context, now time.Time) (int, error) {
	return failing(s.Faults, func() (int, error) { return s.Store.ReclaimExpired(ctx, now) })
}

// CancelMessage implements [outbox.Store].
func (s *FaultStore) CancelMessage(ctx context.Context, id outbox.MessageID, at time.Time) error {
	return s.do(func() error { return s.Store.CancelMessage(ctx, id, at) })
}

// ReviseMessage implements [outbox.Store].
func (s *FaultStore) ReviseMessage(ctx context.Context, r outbox.Revision) error {
	return s.do(func() error { return s.Store.ReviseMessage(ctx, r) })
}

// RescheduleMessage implements [outbox.Store].
func (s *FaultStore) RescheduleMessage(ctx context.Context, id outbox.MessageID, due, at time.Time) error {
	return s.do(func() error { return s.Store.RescheduleMessage(ctx, id, due, at) })
}
