package cli_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

func TestSchedulesFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	url := running(t)
	out := called(t, url, "schedules", "create", "--cron", "30 9 * * MON-FRI", "--zone", "Europe/Berlin", "--user", "dl_ann", "--name", "stand-up", "Stand up!")
	id, next, ok := strings.Cut(strings.TrimSpace(out), ": next ")
	if !ok || !strings.HasPrefix(id, "sch_") || !strings.Contains(next, "T09:30:00+0") || !strings.HasSuffix(next, " Europe/Berlin") {
		t.Fatalf("it is said to be %q", out)
	}
	for _, step := range []struct {
		want string
		args []string
	}{
		{id + "  active  " + next, []string{"schedules", "list"}},
		{"tells     user dl_ann: Stand up!", []string{"schedules", "show", id}},
		{"Europe/Berlin  20", []string{"schedules", "next", id, "-n", "1"}},
		{"T10:15:00+0", []string{"schedules", "edit", id, "--cron", "15 10 * * MON-FRI"}},
		{"tells     user dl_ann: Stand up!", []string{"schedules", "show", id}},
		{" Europe/London", []string{"schedules", "edit", id, "--zone", "Europe/London", "--user", "dl_bob", "Sit down."}},
		{"tells     user dl_bob: Sit down.", []string{"schedules", "show", id}},
		{"T10:15:00", []string{"schedules", "next", id, "-n", "1"}},
		{next, []string{"schedules", "edit", id, "--cron", "30 9 * * MON-FRI", "--zone", "Europe/Berlin", "--name", "break"}},
		{"name      break", []string{"schedules", "show", id}},
		{"paused\n", []string{"schedules", "pause", id}},
		{id + "  paused", []string{"schedules", "list", "--state", "paused"}},
		{"active: next " + next, []string{"schedules", "resume", id}},
		{"deleted, and cancelled 0 notifications\n", []string{"schedules", "delete", id, "--cancel"}},
	} {
		if out := called(t, url, step.args...); !strings.Contains(out, step.want) {
			t.Errorf("%v: %q, want %q", step.args, out, step.want)
		}
	}
	if code, _, stderr := pipe(t, "", "schedules", "edit", id, "--server", url); code != 1 {
		t.Errorf("of what is gone: exit code %d, %q", code, stderr)
	}
	code, _, stderr := pipe(t, "", "schedules", "show", id, "--server", url)
	if code != 1 || !strings.Contains(stderr, "there is no such schedule") {
		t.Errorf("after its end: exit code %d, %q", code, stderr)
	}
}

func TestEditOfAScheduleMustChangeSomething(t *testing.T) {
	t.Parallel()
	url := running(t)
	id, _, _ := strings.Cut(called(t, url, "schedules", "create", "--in", "1h", "--everyone", "x"), ":")
	for want, args := range map[string][]string{
		"say what to change":     {"schedules", "edit", id},
		"belong to a text":       {"schedules", "edit", id, "--markdown"},
		"is not a schedule's id": {"schedules", "edit", "sched", "x"},
		"can't be used together": {"schedules", "edit", id, "--cron", "* * * * *", "--at", "2030-01-01T00:00"},
	} {
		code, _, stderr := pipe(t, "", append(args, "--server", url)...)
		if code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, stderr, want)
		}
	}
}

func TestScheduleIsPreviewedAndMadeOnce(t *testing.T) {
	t.Parallel()
	url := running(t)
	out := called(t, url, "schedules", "create", "--cron", "30 2 29 3 *", "--zone", "Europe/Berlin", "--user", "dl_ann", "--dry-run", "--json", "x")
	var times []api.OccurrenceTime
	if err := json.Unmarshal([]byte(out), &times); err != nil || len(times) == 0 || times[0].Zone != "Europe/Berlin" {
		t.Errorf("previewed as %q, %v", out, err)
	}
	var first, again api.Schedule
	for _, s := range []*api.Schedule{&first, &again} {
		out := called(t, url, "schedules", "create", "--rrule", "FREQ=DAILY", "--everyone", "--key", "k", "--json", "x")
		if err := json.Unmarshal([]byte(out), s); err != nil {
			t.Fatal(err)
		}
	}
	if first.ID == "" || first.ID != again.ID {
		t.Errorf("first %s, then %s: want one for one key", first.ID, again.ID)
	}
}

func TestScheduleSaysWhichFlagIsWrong(t *testing.T) {
	t.Parallel()
	url := running(t)
	for _, tt := range []struct {
		want string
		code int
		args []string
	}{
		{"--cron: ", 1, []string{"--cron", "* * * * * *", "--user", "dl_ann", "x"}},
		{"--zone: ", 1, []string{"--cron", "@daily", "--zone", "Mars", "--user", "dl_ann", "x"}},
		{"--start: ", 1, []string{"--cron", "@daily", "--start", "soon", "--user", "dl_ann", "x"}},
		{"--grace: ", 1, []string{"--cron", "@daily", "--grace", "48h", "--user", "dl_ann", "x"}},
		{"must not be empty", 2, []string{"--cron", "", "--user", "dl_ann", "x"}},
		{"must not be empty", 2, []string{"--cron", "@daily", "--user", "", "x"}},
		{"nothing to say", 2, []string{"--cron", "@daily", "--user", "dl_ann", ""}},
	} {
		code, _, stderr := pipe(t, "", append([]string{"schedules", "create", "--server", url}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit code %d, %q, want %q", tt.args, code, stderr, tt.want)
		}
	}
	if code, _, stderr := pipe(t, "", "schedules", "pause", "job_1", "--server", url); code != 2 || !strings.Contains(stderr, "sch_") {
		t.Errorf("with another id: exit code %d, %q", code, stderr)
	}
}
