package cli_test

import (
	"strings"
	"testing"
)

func TestPausesOfAServerThatHasNone(t *testing.T) {
	t.Parallel()
	url := running(t)
	if out := called(t, url, "pauses", "list"); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "ID") {
		t.Errorf("pauses list printed %q", out)
	}
	code, _, errs := pipe(t, "", "pauses", "end", "pau_0123456789abcdef", "--server", url)
	if code != 1 || !strings.Contains(errs, "no such pause") {
		t.Errorf("ended what is not paused: %d, %q", code, errs)
	}
}
