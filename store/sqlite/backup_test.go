package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// TestBackupHoldsWhatWasAcceptedBefore: the backup is made while others write, who are not held up.
func TestBackupHoldsWhatWasAcceptedBefore(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	rows := meet(t, s, 50)
	var before []outbox.MessageID
	submit := func() outbox.MessageID {
		sub := submissionTo(rows[len(before)%len(rows)])
		if _, err := s.SubmitMessage(t.Context(), sub, false); err != nil {
			t.Error(err)
		}
		return sub.Message.ID
	}
	for range 500 {
		before = append(before, submit())
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				submit()
			}
		})
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	err := s.Backup(t.Context(), file)
	stop()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	dir := filepath.Join(t.TempDir(), "restored")
	if err := sqlite.Restore(t.Context(), sqlite.Restoration{From: file, Config: sqlite.Config{Dir: dir}}); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, dir); strings.Join(names, " ") != "headsup.db headsup.lock" {
		t.Errorf("the directory holds %v", names)
	}
	restored := openStore(t, dir)
	for _, id := range before {
		if r, err := restored.MessageRecord(t.Context(), id, 100); err != nil || r.Deliveries[0].State != outbox.StateReady {
			t.Fatalf("message %d: %v, %v", id, r.Deliveries, err)
		}
	}
	if found, err := restored.Conversations(t.Context(), "app", book.Filter{}, 0, 1000); err != nil || len(found) != len(rows) {
		t.Errorf("%d conversations, %v", len(found), err)
	}
}

func TestRestoreHoldsWhatMayHaveBeenSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	rows := meet(t, s, 3)
	ready, sending, later := submissionTo(rows[0]), submissionTo(rows[1]), submissionTo(rows[2])
	later.Deliveries[0].DueAt = time.Now().Add(time.Hour)
	for _, sub := range []*outbox.Submission{&sending, &ready, &later} {
		if _, err := s.SubmitMessage(t.Context(), *sub, sub == &sending); err != nil {
			t.Fatal(err)
		}
	}
	everyone := submissionTo(0) // a broadcast that has not begun
	everyone.Deliveries, everyone.Spread = nil, &outbox.Spread{Last: slices.Max(rows), Conversations: 3}
	if _, err := s.SubmitMessage(t.Context(), everyone, false); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Millisecond)
	hourly := schedule.Schedule{
		ID: 1, AppID: "app", Rule: schedule.Rule{Cron: "0 * * * *"}, Missed: schedule.FireLate, Grace: time.Minute,
		Template: []byte(`{}`), CreatedAt: now, UpdatedAt: now,
		Clocks: []schedule.Clock{{Zone: "UTC", NextAt: now.Truncate(time.Hour).Add(-2 * time.Hour)}},
	}
	if _, _, err := s.CreateSchedule(t.Context(), hourly, 10); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "restored")
	held := 0
	if err := sqlite.Restore(t.Context(), sqlite.Restoration{
		From: file, Config: sqlite.Config{Dir: into}, Prepare: func(ctx context.Context, s *sqlite.Store) (err error) {
			held, err = proactive.HoldRestored(ctx, s, time.Now())
			return err
		},
	}); err != nil || held != 2+len(rows) {
		t.Fatalf("%d held, %v", held, err)
	}
	restored := openStore(t, into)
	if claimed, err := restored.Claim(t.Context(), 10, time.Now()); len(claimed.Attempts) != 0 || err != nil {
		t.Errorf("handed out are %v, %v", claimed.Attempts, err)
	}
	if due, err := restored.DueClocks(t.Context(), 10, time.Now()); err != nil || len(due.Clocks) != 0 || !due.Next.After(now) {
		t.Errorf("due are %+v, %v", due, err)
	}
	if had, err := restored.Occurrences(t.Context(), "app", 1, 0, 10); err != nil || len(had) != 1 ||
		had[0].Reason != schedule.ReasonRestored || had[0].Others < 2 {
		t.Errorf("occurrences are %+v, %v", had, err)
	}
	for id, want := range map[outbox.MessageID]outbox.State{
		ready.Message.ID: outbox.StateUnknown, sending.Message.ID: outbox.StateUnknown, later.Message.ID: outbox.StateScheduled,
	} {
		r, err := restored.MessageRecord(t.Context(), id, 100)
		if err != nil || r.Deliveries[0].State != want {
			t.Errorf("%s, %v; want %s", r.Deliveries[0].State, err, want)
		}
	}
}

// TestRestoreFinishesWhatWasBeingTakenBack: a cancellation of very many that was acknowledged, and not come to its end, when the
// backup was made leaves nothing for people to look at.
func TestRestoreFinishesWhatWasBeingTakenBack(t *testing.T) {
	t.Parallel()
	const crowd = 1200 // more than are changed in one step
	s := openStore(t, t.TempDir())
	rows := meet(t, s, crowd)
	everyone := submissionTo(0)
	everyone.Deliveries, everyone.Spread = nil, &outbox.Spread{Last: slices.Max(rows), Conversations: crowd}
	if _, err := s.SubmitMessage(t.Context(), everyone, false); err != nil {
		t.Fatal(err)
	}
	next := outbox.DeliveryID(1 << 40)
	nextID := func() outbox.DeliveryID { next++; return next }
	for more := true; more; {
		var err error
		if _, more, err = s.SpreadMessages(t.Context(), 500, time.Now(), nextID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CancelMessage(t.Context(), everyone.Message.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Message(t.Context(), everyone.Message.ID); err != nil || !m.Changing {
		t.Fatalf("it is not being changed, so that this shows nothing: %v", err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "restored")
	if err := sqlite.Restore(t.Context(), sqlite.Restoration{
		From: file, Config: sqlite.Config{Dir: into}, Prepare: func(ctx context.Context, s *sqlite.Store) error {
			held, err := proactive.HoldRestored(ctx, s, time.Now())
			if held != 0 {
				t.Errorf("%d are held", held)
			}
			return err
		},
	}); err != nil {
		t.Fatal(err)
	}
	r, err := openStore(t, into).MessageRecord(t.Context(), everyone.Message.ID, 0)
	if err != nil || r.Message.Changing || r.Counts[outbox.StateCancelled] != crowd || len(r.Counts) != 1 {
		t.Errorf("it is being changed: %v; it has %v, %v", r.Message.Changing, r.Counts, err)
	}
}

func TestBackupOfADirectoryThatNobodyHasOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "backup.db")
	if err := sqlite.BackupDir(t.Context(), dir, file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory without a database gives %v", err)
	}
	s := openStore(t, dir)
	meet(t, s, 10)
	if err := sqlite.BackupDir(t.Context(), dir, file); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("an open directory gives %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.BackupDir(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.BackupDir(t.Context(), dir, file); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file that is there gives %v", err)
	}
}

// TestRestoreRefuses: each refusal leaves the directory as it was.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	meet(t, s, 2000)
	top := t.TempDir()
	good, damaged, text := filepath.Join(top, "good"), filepath.Join(top, "damaged"), filepath.Join(top, "text")
	if err := s.Backup(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write(t, damaged, data)
	flip(t, damaged, len(data)/2, len(data)/2+20_000)
	write(t, text, []byte(strings.Repeat("no database\n", 1000)))
	inUse := openStore(t, filepath.Join(top, "in use"))
	closed := openStore(t, filepath.Join(top, "closed"))
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	meet(t, inUse, 1)
	for name, c := range map[string]struct {
		from, into string
		want       error
	}{
		"InUse":       {good, "in use", sqlite.ErrLocked},
		"HasDatabase": {good, "closed", sqlite.ErrExists},
		"Damaged":     {damaged, "new", sqlite.ErrDamaged},
		"NoDatabase":  {text, "new", sqlite.ErrDamaged},
		"NotThere":    {filepath.Join(top, "nothing"), "new", os.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			into := filepath.Join(top, c.into)
			var before []string
			if c.into != "new" {
				before = namesIn(t, into)
			}
			err := sqlite.Restore(t.Context(), sqlite.Restoration{From: c.from, Config: sqlite.Config{Dir: into}})
			if !errors.Is(err, c.want) {
				t.Fatalf("the error is %v, want %v", err, c.want)
			}
			oneLine(t, err, "")
			if after := namesIn(t, into); c.into != "new" && strings.Join(after, " ") != strings.Join(before, " ") ||
				c.into == "new" && strings.Join(after, " ") != "headsup.lock" {
				t.Errorf("the directory holds %v, before %v", after, before)
			}
		})
	}
}
