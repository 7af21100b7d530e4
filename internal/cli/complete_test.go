package cli_test

import (
	"slices"
	"strings"
	"testing"
)

// TestBashCompletes has bash itself ask the function that the script registers, as the Tab key does.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	const press = `
source <(headsup completion bash) || exit
press() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  eval "$(complete -p headsup | sed -E 's/.*-F ([^ ]+) .*/\1/')"
  echo "${COMPREPLY[*]}"
}
`
	cases := map[string]struct {
		words string // the last one is being completed
		want  string
	}{
		"a command":                   {"no", "notifications"},
		"a command of a command":      {"jobs s", "start"},
		"all of them":                 {"jobs ''", "start list get progress complete"},
		"a flag":                      {"send --every", "--everyone"},
		"one that can be off":         {"send --no-w", "--no-wait"},
		"not one that is given":       {"send --topic x --topi", ""},
		"not one that is ruled out":   {"send --everyone --us", ""},
		"a value":                     {"send --lane b", "bulk"},
		"a value after =":             {"send --lane = u", "urgent"},
		"nothing yet after =":         {"send --lane =", "urgent normal bulk"},
		"a value where = is no break": {"send --lane=no", "--lane=normal"},
		"an argument":                 {"completion f", "fish"},
		"after colons":                {"send --server http : //x : 1 --lan", "--lane"},
		"a value that nobody knows":   {"send --user a", ""},
		"no flag after --":            {"send -- --ev", ""},
		"an unknown command":          {"nonsense --he", "--help"},
		"not what is hidden":          {"__", ""},
	}
	script := press
	names := make([]string, 0, len(cases))
	for name, c := range cases {
		names = append(names, name)
		script += "press headsup " + c.words + "\n"
	}
	got := strings.Split(strings.TrimSuffix(bash(t, script), "\n"), "\n")
	if len(got) != len(cases) {
		t.Fatalf("bash says %q", got)
	}
	for i, name := range names {
		if c := cases[name]; got[i] != c.want {
			t.Errorf("%s: %q is completed to %q, want %q", name, c.words, got[i], c.want)
		}
	}
}

// TestFilesAreLeftToTheShell: the shells know them better.
func TestFilesAreLeftToTheShell(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"serve", "--config", "x"}, {"serve", "--data="}, {"send", "--activity", ""}} {
		if code, out, _ := run(t, append([]string{"__complete"}, words...)...); code != 0 || out != "files\n" {
			t.Errorf("%q: exit code %d, %q", words, code, out)
		}
	}
	for _, words := range [][]string{{"serve", "--listen", ""}, {"send", ""}, {}} {
		if _, out, _ := run(t, append([]string{"__complete"}, words...)...); !strings.HasPrefix(out, "words\n") {
			t.Errorf("%q: %q", words, out)
		}
	}
}

func TestCandidatesSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	_, out, _ := run(t, "__complete", "serv")
	if lines := strings.Split(out, "\n"); !slices.Contains(lines, "serve\tRun the server.") {
		t.Errorf("says %q", out)
	}
}

func TestEveryShellHasAScript(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, out, stderr := run(t, "completion", shell)
		if code != 0 || stderr != "" || !strings.Contains(out, " __complete ") {
			t.Errorf("%s: exit code %d, %q, %q", shell, code, out, stderr)
		}
	}
	if code, _, stderr := run(t, "completion", "tcsh"); code != 2 || !strings.Contains(stderr, "bash") {
		t.Errorf("another shell: exit code %d, %q", code, stderr)
	}
}
