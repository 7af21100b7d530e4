package doctor_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/doctor"
)

//go:generate go test . -run TestReferenceIsUpToDate -update

var update = flag.Bool("update", false, "write docs/doctor.md anew")

// TestReferenceIsUpToDate compares docs/doctor.md with the checks; with -update it writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "doctor.md")
	want := doctor.Reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/doctor.md is not what the checks say; make generate writes it")
	}
}

// TestChecksAreNamedOnceAndSayWhatToDo: programs go by their ids.
func TestChecksAreNamedOnceAndSayWhatToDo(t *testing.T) {
	t.Parallel()
	id, word := regexp.MustCompile(`^[a-z]+(\.[a-z_]+)?$`), regexp.MustCompile(`^[a-z_0-9]+$`)
	seen := map[string]bool{}
	for _, c := range doctor.Checks() {
		if !id.MatchString(c.ID) || seen[c.ID] || c.About == "" || len(c.Faults) == 0 {
			t.Errorf("%+v", c)
		}
		seen[c.ID] = true
		faults := map[string]bool{}
		for _, f := range c.Faults {
			if !word.MatchString(f.Code) || faults[f.Code] || f.Status != doctor.Warn && f.Status != doctor.Fail || f.Means == "" || f.Do == "" || strings.HasSuffix(f.Do, ".") {
				t.Errorf("%s: %+v", c.ID, f)
			}
			faults[f.Code] = true
		}
	}
}
