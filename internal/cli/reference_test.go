package cli_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/headsup-bot/headsup/internal/cli"
)

//go:generate go test . -run TestReferenceIsUpToDate -update

var update = flag.Bool("update", false, "write docs/cli.md anew")

const preface = `# The command line

This page is written from the program's source by ` + "`make generate`" + `; change it there. ` + "`headsup COMMAND --help`" + ` says the same.

` + "`headsup serve` runs the server, and `headsup playground` one to try bots with. The other commands go through the running one," + `
which ` + "`--server` or `HEADSUP_SERVER` names; `doctor`, `simulate`, `fake-channel`, `config`, `completion` and `version`" + `
need none.

**Exit codes.** 0: done. 1: something failed: the server refused, could not be reached, or a message was not delivered.
2: the call or the configuration is wrong, and nothing was done. Errors are lines on standard error that begin with
` + "`headsup: `" + `. A message that was accepted and waited for, but has no outcome yet, is no failure: it stays accepted.

**Keys.** A server that asks for API keys takes one from the file that ` + "`--key-file` or `HEADSUP_KEY_FILE`" + ` names, or from
` + "`HEADSUP_KEY`" + `. On the server's machine the user who runs it needs none: commands find a secret in its data directory, which
` + "`--data`" + ` names. No flag takes a key itself, since other users of a machine see what programs are called with.

**Output.** Lists are tables, whose columns stay as they are; new ones come last. With ` + "`--json`" + ` a list is one JSON value a line,
as ` + "`jq`" + ` likes it, and anything else is one indented JSON value, both with the members of the HTTP API. A list shows the first 50
entries, or as many as ` + "`--limit`" + ` says, and tells on standard error when there are more. Long work shows how far it has come on
standard error, if that is a terminal.

**Completion.** ` + "`source <(headsup completion bash)`" + ` completes commands, flags and values; zsh and fish have their own, see
[headsup completion](#headsup-completion).
`

// TestReferenceIsUpToDate compares docs/cli.md with the commands; with -update it writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := reference(cli.Model())
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
		t.Error("docs/cli.md is not what the commands say; make generate writes it")
	}
}

// TestExamplesAreValid parses the command line of every example in every command's help; each command has one.
func TestExamplesAreValid(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "headsup.yaml"), "log_level: warn\n")
	t.Chdir(dir)
	for _, command := range cli.Model().Leaves(true) {
		text, examples := split(command.Detail)
		if len(examples) == 0 {
			t.Errorf("%s has no example", command.FullPath())
		}
		if strings.Contains(text, "Examples") {
			t.Errorf("%s: its examples are not indented", command.FullPath())
		}
		for _, example := range examples {
			calls := callsIn(t, example)
			if len(calls) == 0 {
				t.Errorf("%s: %q does not call headsup", command.FullPath(), example)
			}
			for _, args := range calls {
				if err := cli.Parse(args); err != nil {
					t.Errorf("%s: %q: %v", command.FullPath(), example, err)
				}
			}
		}
		own := slices.ContainsFunc(examples, func(e string) bool { return strings.Contains(e, command.FullPath()) })
		if !own {
			t.Errorf("%s: no example has it", command.FullPath())
		}
	}
}

// callsIn are the arguments of every call of headsup in a line of a shell, read as simply as examples are written.
func callsIn(t *testing.T, line string) (calls [][]string) {
	t.Helper()
	var words []string
	end := func() {
		if i := slices.Index(words, "headsup"); i >= 0 {
			calls = append(calls, words[i+1:])
		}
		words = nil
	}
	var word strings.Builder
	inWord, quote := false, rune(0)
	done := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	for i, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune("|&;()<>", r):
			done()
			if r == '(' {
				words = nil // of what the call stands in
			} else {
				end()
			}
			if r == '>' || r == '<' && !strings.HasPrefix(line[i:], "<(") {
				words = []string{"file"}
			}
		case r == ' ':
			done()
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		t.Errorf("%q has an open quote", line)
	}
	done()
	end()
	return calls
}

// reference is docs/cli.md.
func reference(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("\n| command | |\n| --- | --- |\n")
	for _, command := range app.Leaves(true) {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", command.FullPath(), strings.ReplaceAll(command.FullPath(), " ", "-"), command.Help)
	}
	var serve []*kong.Flag
	for _, command := range app.Leaves(true) {
		if command.Name == "serve" {
			serve = command.Flags
		}
		describe(&b, command, serve)
	}
	return b.String()
}

// describe writes a command's section. Flags that are settings of the server have a page of their own.
func describe(b *strings.Builder, command *kong.Node, settings []*kong.Flag) {
	text, examples := split(command.Detail)
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n```sh\n%s\n```\n", command.FullPath(), command.Help, strings.Join(examples, "\n"))
	if text != "" {
		fmt.Fprintf(b, "\n%s\n", text)
	}
	var rows [][2]string
	for _, arg := range command.Positional {
		rows = append(rows, [2]string{arg.Summary(), arg.Help})
	}
	takesSettings := slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == "config" }) &&
		slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == "listen" }) // and so all, not a few
	for _, flag := range command.Flags {
		isSetting := takesSettings && slices.ContainsFunc(settings, func(s *kong.Flag) bool { return s.Name == flag.Name })
		if flag.Hidden || flag.Name == "help" || isSetting && flag.Name != "config" {
			continue
		}
		rows = append(rows, [2]string{flagText(flag), kong.DefaultHelpValueFormatter(flag.Value)})
	}
	if len(rows) > 0 {
		b.WriteString("\n| | |\n| --- | --- |\n")
		for _, row := range rows {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(row[0], "|", "\\|"), strings.ReplaceAll(row[1], "|", "\\|"))
		}
	}
	if takesSettings {
		b.WriteString("\nAnd a flag for every setting, see [configuration.md](configuration.md).\n")
	}
}

func flagText(flag *kong.Flag) string {
	text := "--" + flag.Name
	if flag.Tag.Negatable != "" {
		text = "--[no-]" + flag.Name
	}
	if flag.Short != 0 {
		text = "-" + string(flag.Short) + ", " + text
	}
	switch {
	case flag.IsBool() || flag.IsCounter():
		return text
	case flag.PlaceHolder == "" && flag.Enum != "":
		return text + "=" + strings.ReplaceAll(flag.Enum, ",", "|")
	}
	return text + "=" + flag.FormatPlaceHolder()
}

// split takes the examples, which are indented, out of a command's help.
func split(detail string) (text string, examples []string) {
	var rest []string
	for line := range strings.Lines(detail) {
		line = strings.TrimSuffix(line, "\n")
		switch example, indented := strings.CutPrefix(line, "    "); {
		case indented:
			examples = append(examples, example)
		case line != "Examples:":
			rest = append(rest, line)
		}
	}
	return strings.TrimSpace(strings.Join(rest, "\n")), examples
}
