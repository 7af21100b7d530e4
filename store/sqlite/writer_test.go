package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// waitQueued waits until n operations wait for the writer, which is blocked.
func waitQueued(t *testing.T, s *sqlite.Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.Queued() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d operations are queued, want %d", s.Queued(), n)
		}
	}
}

// commitsIn counts the transactions in a log: a frame that ends one tells the database's size (sqlite.org, "Database
// File Format", 4.1). Frames from before the log was begun anew have other salts.
func commitsIn(t *testing.T, dir string) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "headsup.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	const header, frameHeader = 32, 24
	page := int(binary.BigEndian.Uint32(log[8:]))
	n := 0
	for at := header; at+frameHeader+page <= len(log); at += frameHeader + page {
		frame := log[at:]
		if !bytes.Equal(frame[8:16], log[16:24]) {
			break
		}
		if binary.BigEndian.Uint32(frame[4:]) != 0 {
			n++
		}
	}
	return n
}

func TestConcurrentCallsShareACommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	const n = 100
	before := commitsIn(t, dir)
	release := s.Block()
	defer release()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := s.SubmitMessage(t.Context(), submissionTo(row), false); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(t, s, n)
	release()
	wg.Wait()
	if commits := commitsIn(t, dir) - before; commits != 1 {
		t.Errorf("%d commits for %d calls, want 1", commits, n)
	}
	counts, err := s.Counts(t.Context())
	if err != nil || counts[outbox.StateReady] != n {
		t.Errorf("%v are ready, %v", counts, err)
	}
}

// TestFailureHarmsNobodyElse: what SQLite refuses, and what is refused after it has written, share a batch with others.
func TestFailureHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	twice := submissionTo(row)
	if _, err := s.SubmitMessage(t.Context(), twice, false); err != nil {
		t.Fatal(err)
	}
	reused := submissionTo(row)
	reused.Message.Key, reused.Message.Fingerprint = "k", []byte("1")
	if _, err := s.SubmitMessage(t.Context(), reused, false); err != nil {
		t.Fatal(err)
	}
	reused.Message.Fingerprint = []byte("2")
	good := []outbox.Submission{submissionTo(row), submissionTo(row), submissionTo(row)}
	halfway := submissionTo(row) // comes before the one that is refused, in one commit
	lease, err := s.Lease(t.Context(), headsup.ConversationKey{AppID: "app", Conversation: "another"})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()

	release := s.Block()
	defer release()
	results := make(map[string]chan error)
	queue := func(name string, f func() error) {
		t.Helper()
		before := s.Queued()
		results[name] = make(chan error, 1)
		go func() { results[name] <- f() }()
		waitQueued(t, s, before+1)
	}
	submit := func(sub outbox.Submission) func() error {
		return func() error {
			_, err := s.SubmitMessage(t.Context(), sub, false)
			return err
		}
	}
	queue("first", submit(good[0]))
	queue("twice", submit(twice))
	queue("second", submit(good[1]))
	queue("reused", submit(reused))
	queue("halfway", func() error {
		return s.Commit(t.Context(), lease, []headsup.Op{outbox.Submit{Submissions: []outbox.Submission{halfway, reused}}})
	})
	queue("third", submit(good[2]))
	release()

	for name, fails := range map[string]bool{
		"first": false, "twice": true, "second": false, "reused": true, "halfway": true, "third": false,
	} {
		if err := <-results[name]; (err != nil) != fails {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, sub := range good {
		if _, err := s.MessageRecord(t.Context(), sub.Message.ID, 100); err != nil {
			t.Errorf("message %d: %v", sub.Message.ID, err)
		}
	}
	if _, err := s.MessageRecord(t.Context(), halfway.Message.ID, 100); !errors.Is(err, outbox.ErrNotFound) {
		t.Errorf("half of a commit that failed is there: %v", err)
	}
	counts, err := s.Counts(t.Context())
	if err != nil || counts[outbox.StateReady] != 5 {
		t.Errorf("%v, %v", counts, err)
	}
}

func TestCallThatGivesUpInTheQueueNeverHappens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	release := s.Block()
	defer release()
	ctx, cancel := context.WithCancelCause(t.Context())
	sub := submissionTo(row)
	gaveUp := make(chan error, 1)
	go func() {
		_, err := s.SubmitMessage(ctx, sub, false)
		gaveUp <- err
	}()
	waitQueued(t, s, 1)
	why := errors.New("the client went away")
	cancel(why)
	if err := <-gaveUp; !errors.Is(err, why) {
		t.Errorf("the error is %v", err)
	}
	release()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.MessageRecord(t.Context(), sub.Message.ID, 100); !errors.Is(err, outbox.ErrNotFound) {
		t.Errorf("it was accepted all the same: %v", err)
	}
}

// TestManyThatGiveUpHoldUpNobody: more than two batches of calls that gave up stand before one that waits.
func TestManyThatGiveUpHoldUpNobody(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	row := meet(t, s, 1)[0]
	release := s.Block()
	defer release()
	const many = 2 * 512
	ctx, cancel := context.WithCancel(t.Context())
	var gaveUp sync.WaitGroup
	for range many {
		gaveUp.Go(func() {
			if _, err := s.SubmitMessage(ctx, submissionTo(row), false); !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	waitQueued(t, s, many)
	cancel()
	gaveUp.Wait()
	done := make(chan error, 1)
	go func() {
		_, err := s.SubmitMessage(t.Context(), submissionTo(row), false)
		done <- err
	}()
	waitQueued(t, s, many+1)
	release()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody serves the call behind them")
	}
}

// TestFullDiskIsAnErrorAndPasses: the limit on the number of pages stands for the disk.
func TestFullDiskIsAnErrorAndPasses(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	row := meet(t, s, 1)[0]
	if err := s.Exec(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // SQLite makes it the present size
		t.Fatal(err)
	}
	accepted := int64(0)
	var full error
	for full == nil && accepted < 1000 {
		if _, full = s.SubmitMessage(t.Context(), submissionTo(row), true); full == nil {
			accepted++
		}
	}
	if full == nil || !strings.Contains(full.Error(), "full") {
		t.Fatalf("after %d: %v", accepted, full)
	}
	if _, err := s.Counts(t.Context()); err != nil {
		t.Error("reading does not work:", err)
	}
	if err := s.Exec(t.Context(), "INSERT INTO settings VALUES ('big', hex(zeroblob(100000)))"); err == nil {
		t.Error("the disk is not full after all")
	}
	if err := s.Exec(t.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SubmitMessage(t.Context(), submissionTo(row), false); err != nil {
		t.Error("it does not recover:", err)
	}
	counts, err := s.Counts(t.Context())
	if n := counts[outbox.StateReady] + counts[outbox.StateSending]; err != nil || n != accepted+1 {
		t.Errorf("%v, %v; %d were accepted", counts, err, accepted+1)
	}
}

// TestFailedCommitIsToldToAll: a foreign key that is checked only at the commit makes it fail.
func TestFailedCommitIsToldToAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	release := s.Block()
	defer release()
	broken, lost := make(chan error, 1), make(chan error, 1)
	go func() {
		broken <- s.Exec(t.Context(), "PRAGMA defer_foreign_keys = 1", "INSERT INTO members VALUES (1000, 1000)")
	}()
	waitQueued(t, s, 1)
	sub := submissionTo(row)
	go func() {
		_, err := s.SubmitMessage(t.Context(), sub, true)
		lost <- err
	}()
	waitQueued(t, s, 2)
	release()
	if err := <-broken; err == nil {
		t.Fatal("the commit did not fail")
	}
	if err := <-lost; err == nil {
		t.Error("a call was acknowledged whose commit failed")
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error("the store does not recover:", err)
	}
	if _, err := s.MessageRecord(t.Context(), sub.Message.ID, 100); !errors.Is(err, outbox.ErrNotFound) {
		t.Errorf("what was not committed is there: %v", err)
	}
	// The conversation's lease was given back, and the numbers were not counted.
	r, err := s.SubmitMessage(t.Context(), submissionTo(row), true)
	if err != nil || r.Attempt == nil {
		t.Errorf("attempt %v, %v", r.Attempt, err)
	}
	counts, err := s.Counts(t.Context())
	if err != nil || len(counts) != 1 || counts[outbox.StateSending] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestNobodyIsToldOfWhatDidNotHappen: a call that is refused because of what another has written, in a commit that fails,
// is not refused for that.
func TestNobodyIsToldOfWhatDidNotHappen(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	row := meet(t, s, 1)[0]
	first := submissionTo(row)
	first.Message.Key, first.Message.Fingerprint = "k", []byte("1")
	second := submissionTo(row)
	second.Message.Key, second.Message.Fingerprint = "k", []byte("2")
	release := s.Block()
	defer release()
	results := make(chan error, 3)
	go func() {
		results <- s.Exec(t.Context(), "PRAGMA defer_foreign_keys = 1", "INSERT INTO members VALUES (1000, 1000)")
	}()
	waitQueued(t, s, 1)
	for i, sub := range []outbox.Submission{first, second} {
		go func() {
			_, err := s.SubmitMessage(t.Context(), sub, false)
			results <- err
		}()
		waitQueued(t, s, i+2)
	}
	release()
	for range 3 {
		if err := <-results; err == nil || errors.Is(err, outbox.ErrKeyReused) {
			t.Errorf("the commit failed, but somebody is told %v", err)
		}
	}
	if _, err := s.SubmitMessage(t.Context(), second, false); err != nil {
		t.Error("the key is free:", err)
	}
}

func TestDatabaseLockedByAnotherProgramIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	row := meet(t, s, 1)[0]
	db, err := sql.Open("sqlite", filepath.Join(dir, "headsup.db")+"?_pragma=busy_timeout(20000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	sub := submissionTo(row)
	if _, err := s.SubmitMessage(t.Context(), sub, false); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("the error is %v", err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SubmitMessage(t.Context(), sub, false); err != nil {
		t.Error(err)
	}
}
