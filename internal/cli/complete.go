package cli

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completeWord is the first argument by which the shells' scripts ask for candidates: all words after the program's
// name follow, the last one, which may be empty, being the one to complete.
const completeWord = "__complete"

var (
	//go:embed scripts/headsup.bash
	bashScript string
	//go:embed scripts/headsup.zsh
	zshScript string
	//go:embed scripts/headsup.fish
	fishScript string
)

type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help shows examples.
func (completion) Help() string {
	return `Examples:

    source <(headsup completion bash)
    headsup completion bash > ~/.local/share/bash-completion/completions/headsup
    headsup completion zsh > ~/.zfunc/_headsup
    headsup completion fish > ~/.config/fish/completions/headsup.fish

The script asks the program itself, so it stays right when the program is replaced. zsh finds it in a folder of $fpath.`
}

// Run prints the script.
func (c completion) Run(s streams) error {
	_, err := io.WriteString(s.out, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// candidate is one way to go on.
type candidate struct {
	word, help string
}

// complete writes what may stand in place of the last word: "files" or "words" on a line, and then candidates with a
// tab before what they mean.
func complete(out io.Writer, app *kong.Application, words []string) error {
	files, found := candidates(app, rejoin(words))
	text := "words\n"
	if files {
		text = "files\n"
	}
	for _, c := range found {
		text += c.word + "\t" + printable(c.help) + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// candidates says how the last word may go on; files, that it is the name of one.
func candidates(app *kong.Application, words []string) (files bool, found []candidate) {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	at := walk(app, words[:len(words)-1])
	name, value, assigned := strings.Cut(last, "=")
	switch {
	case at.pending != nil:
		files, found = values(at.pending)
	case at.literal:
		files, found = at.arguments()
	case assigned && strings.HasPrefix(name, "--"):
		if flag := flagOf(at.node, name); flag != nil {
			files, found = values(flag)
		}
		last = value
	case strings.HasPrefix(last, "-"):
		found = at.flags()
	default:
		files, found = at.arguments()
		found = append(commandsOf(at.node), found...)
	}
	return files, slices.DeleteFunc(found, func(c candidate) bool { return !strings.HasPrefix(c.word, last) })
}

// place is where in a command line somebody is.
type place struct {
	node    *kong.Node
	given   []*kong.Flag
	pending *kong.Flag // the one whose value comes next
	args    int        // how many arguments the command has so far
	literal bool       // after "--", nothing is a flag
}

// walk reads the words before the one to complete. What is wrong among them is passed over: the person may not have
// finished, and the call itself complains.
func walk(app *kong.Application, words []string) place {
	p := place{node: app.Node}
	for _, w := range words {
		name, _, assigned := strings.Cut(w, "=")
		switch {
		case p.pending != nil:
			p.pending = nil
		case p.literal:
			p.args++
		case w == "--":
			p.literal = true
		case strings.HasPrefix(w, "-") && w != "-":
			flag := flagOf(p.node, name)
			if flag == nil {
				continue
			}
			p.given = append(p.given, flag)
			if !assigned && !flag.IsBool() && !flag.IsCounter() {
				p.pending = flag
			}
		default:
			i := slices.IndexFunc(p.node.Children, func(n *kong.Node) bool { return n.Name == w || slices.Contains(n.Aliases, w) })
			if i < 0 {
				p.args++
				continue
			}
			p.node, p.args = p.node.Children[i], 0
		}
	}
	return p
}

// flags are those that may still be given.
func (p place) flags() []candidate {
	var found []candidate
	for _, group := range p.node.AllFlags(true) {
		for _, flag := range group {
			if p.excludes(flag) {
				continue
			}
			found = append(found, candidate{"--" + flag.Name, flag.Help})
			if flag.Tag.Negatable != "" {
				found = append(found, candidate{"--no-" + flag.Name, "Not: " + flag.Help})
			}
		}
	}
	return found
}

// excludes reports whether the flags so far rule another one out.
func (p place) excludes(flag *kong.Flag) bool {
	return slices.ContainsFunc(p.given, func(given *kong.Flag) bool {
		if given == flag {
			return !flag.IsCumulative()
		}
		return slices.ContainsFunc(flag.Xor, func(group string) bool { return slices.Contains(given.Xor, group) })
	})
}

// arguments are what may come next if it is no flag.
func (p place) arguments() (files bool, found []candidate) {
	args := p.node.Positional
	switch {
	case p.args < len(args):
		return valuesOf(args[p.args], "")
	case len(args) > 0 && args[len(args)-1].IsCumulative():
		return valuesOf(args[len(args)-1], "")
	}
	return false, nil
}

func commandsOf(node *kong.Node) []candidate {
	var found []candidate
	for _, c := range node.Children {
		if !c.Hidden {
			found = append(found, candidate{c.Name, c.Help})
		}
	}
	return found
}

// flagOf finds a flag by what is typed: --name, --no-name, or -xyz, of which the last letter may take a value.
func flagOf(node *kong.Node, typed string) *kong.Flag {
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			switch {
			case typed == "--"+flag.Name, flag.Tag.Negatable != "" && typed == "--no-"+flag.Name:
				return flag
			case flag.Short != 0 && !strings.HasPrefix(typed, "--") && strings.HasSuffix(typed, string(flag.Short)):
				return flag
			}
		}
	}
	return nil
}

func values(flag *kong.Flag) (files bool, found []candidate) {
	return valuesOf(flag.Value, flag.PlaceHolder)
}

// valuesOf are the values that a flag or an argument may have. Files and folders are known by what the help calls them.
func valuesOf(v *kong.Value, placeholder string) (files bool, found []candidate) {
	if v.Enum != "" {
		for _, word := range v.EnumSlice() {
			if word != "" {
				found = append(found, candidate{word, ""})
			}
		}
		return false, found
	}
	return placeholder == "FILE" || placeholder == "DIR" || v.Name == "file", nil
}

// rejoin undoes what bash does to words with = and : in them, which are words of their own to it.
func rejoin(words []string) []string {
	var joined []string
	glue := false
	for _, w := range words {
		breaks := w == "=" || w == ":"
		if (breaks || glue) && len(joined) > 0 {
			joined[len(joined)-1] += w
		} else {
			joined = append(joined, w)
		}
		glue = breaks
	}
	return joined
}
