package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/store/sqlite"
)

const reserve = 1 << 20

func openWithReserve(t *testing.T) (s *sqlite.Store, file string) {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Reserve: reserve})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	s.PretendRoom(1 << 40)
	return s, filepath.Join(dir, "headsup.reserve")
}

// TestNothingIsAcceptedWhileTheDiskIsNearlyFull: what was accepted goes on, and what was accepted before is told.
func TestNothingIsAcceptedWhileTheDiskIsNearlyFull(t *testing.T) {
	t.Parallel()
	s, file := openWithReserve(t)
	if info, err := os.Stat(file); err != nil || info.Size() != reserve || info.Mode() != 0o600 {
		t.Fatal(info, err)
	}
	rows := meet(t, s, 2)
	early := submissionTo(rows[0])
	early.Message.Key = "k"
	if _, err := s.SubmitMessage(t.Context(), early, false); err != nil {
		t.Fatal(err)
	}
	s.PretendRoom(reserve - 1)
	if _, err := s.SubmitMessage(t.Context(), submissionTo(rows[1]), false); !errors.Is(err, outbox.ErrNoRoom) {
		t.Errorf("a new one gives %v", err)
	}
	again := submissionTo(rows[0])
	again.Message.Key = "k"
	if r, err := s.SubmitMessage(t.Context(), again, false); err != nil || !r.Replayed || r.Message != early.Message.ID {
		t.Errorf("an earlier one gives %+v, %v", r, err)
	}
	results, err := s.SubmitMessages(t.Context(), []outbox.Submission{submissionTo(rows[1]), again})
	if err != nil || !errors.Is(results[0].Err, outbox.ErrNoRoom) || !results[1].Accepted.Replayed {
		t.Errorf("several give %+v, %v", results, err)
	}
	claimed, err := s.Claim(t.Context(), 10, time.Now())
	if err != nil || len(claimed.Attempts) != 1 {
		t.Fatal(claimed, err)
	}
	if err := s.RecordOutcome(t.Context(), delivered(claimed.Attempts[0])); err != nil {
		t.Error(err)
	}
	s.PretendRoom(reserve)
	if _, err := s.SubmitMessage(t.Context(), submissionTo(rows[1]), false); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestReservedSpaceIsForOutcomes: on a full disk it is given up for what was accepted, and reserved again when there is
// space.
func TestReservedSpaceIsForOutcomes(t *testing.T) {
	t.Parallel()
	s, file := openWithReserve(t)
	rows := meet(t, s, 300)
	for _, row := range rows {
		if _, err := s.SubmitMessage(t.Context(), submissionTo(row), false); err != nil {
			t.Fatal(err)
		}
	}
	claimed, err := s.Claim(t.Context(), len(rows), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.PretendRoom(2*reserve - 1) // too little for a new reserve
	if err := s.FillUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	parallel(t, 64, len(claimed.Attempts), func(i int) error {
		o := delivered(claimed.Attempts[i])
		o.State, o.Reason, o.Detail = outbox.StateFailed, "bad_request", string(make([]byte, 2000))
		return s.RecordOutcome(t.Context(), o)
	})
	if n, err := s.Counts(t.Context()); err != nil || n[outbox.StateFailed] != int64(len(rows)) {
		t.Errorf("counted are %v, %v", n, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserved space is still there: %v", err)
	}
	if _, err := s.SubmitMessage(t.Context(), submissionTo(rows[0]), false); !errors.Is(err, outbox.ErrNoRoom) {
		t.Errorf("a new one gives %v", err)
	}
	s.PretendRoom(2 * reserve)
	if _, err := s.SubmitMessage(t.Context(), submissionTo(rows[0]), false); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestReservedSpaceIsForOpening: a process that was killed on a full disk starts again on the reserved space, since already
// taking back what was being sent writes something, and so does the server around it.
func TestReservedSpaceIsForOpening(t *testing.T) {
	t.Parallel()
	cfg := sqlite.Config{Dir: t.TempDir(), Reserve: reserve}
	file := filepath.Join(cfg.Dir, "headsup.reserve")
	s, err := sqlite.Open(t.Context(), sqlite.Believing(cfg, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	s.PretendRoom(1 << 40) // so that the file is there
	closeStore(t, s)
	for _, c := range []struct {
		free int64
		kept bool
	}{{reserve, true}, {reserve - 1, true}, {0, false}, {0, false}, {2 * reserve, true}} {
		s, err := sqlite.Open(t.Context(), sqlite.Believing(cfg, c.free))
		if err != nil {
			t.Fatal(err)
		}
		_, missing := os.Stat(file)
		if c.kept && c.free >= 2*reserve { // made by the first look, which is soon
			s.PretendRoom(c.free)
			_, missing = os.Stat(file)
		}
		if (missing == nil) != c.kept {
			t.Errorf("%d bytes free: %v", c.free, missing)
		}
		if short := s.Short(); short != (c.free < reserve) {
			t.Errorf("%d bytes free: short is %t", c.free, short)
		}
		closeStore(t, s)
	}
}
