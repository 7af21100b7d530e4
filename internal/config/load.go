package config

import (
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/headsup-bot/headsup/internal/secretfile"
)

// Flags are the flags of a command that takes the configuration.
type Flags struct {
	Serve
	Config string `placeholder:"FILE" help:"YAML file of settings. \"headsup config print\" shows what is in effect."`
}

// configVariable names the file in the environment.
const configVariable = "HEADSUP_CONFIG"

// Loader reads the configuration. It collects flags while the command line is parsed, which happens once.
type Loader struct {
	environ []string
	flags   map[string]string // raw values by flag
	config  string            // --config
	known   map[string]bool   // variables of the environment
}

// binVariable names the program for the browser tests; the program inherits it and reads it not.
const binVariable = "HEADSUP_BIN"

// keyVariable holds an API key, for commands that call a server.
const keyVariable = "HEADSUP_KEY"

// NewLoader makes a loader that sees an environment, as [os.Environ] gives it.
func NewLoader(environ []string) *Loader {
	known := map[string]bool{configVariable: true, binVariable: true, keyVariable: true}
	return &Loader{environ: environ, flags: make(map[string]string), known: known}
}

// Attach takes over the settings' flags of every command that embeds [Flags], and notes which variables the other flags
// read. Kong then only splits the command line: what a value means, and what goes before what, is decided in Load.
func (l *Loader) Attach(k *kong.Kong) {
	all := make(map[string]setting)
	for _, s := range settings(new(Serve)) {
		all[s.flag()] = s
		l.known[s.env()] = true
	}
	_ = kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if command, ok := node.(*kong.Node); ok {
			ours := takesConfig(command)
			for _, flag := range command.Flags {
				for _, name := range flag.Tag.Envs {
					l.known[name] = true
				}
				switch s, found := all[flag.Name]; {
				case ours && flag.Name == "config":
					flag.Mapper = raw{loader: l, name: flag.Name}
					flag.Help += " ($" + configVariable + ")"
				case ours && found:
					l.takeOver(flag, s)
				}
			}
		}
		return next(nil)
	})
}

// Loads reports whether the command of a command line takes the configuration.
func (l *Loader) Loads(ctx *kong.Context) bool {
	return ctx.Selected() != nil && takesConfig(ctx.Selected())
}

func takesConfig(command *kong.Node) bool {
	return slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == "config" })
}

func (l *Loader) takeOver(flag *kong.Flag, s setting) {
	notes := "$" + s.env()
	if s.preset != "" {
		notes = s.preset + "; " + notes
	}
	if s.enum != nil {
		notes = strings.Join(s.enum, ", ") + "; " + notes
	}
	flag.Help += " (" + notes + ")"
	flag.HasDefault, flag.Default, flag.Enum, flag.Tag.Enum, flag.Tag.Envs = false, "", "", "", nil
	flag.Mapper = raw{l, flag.Name, s.bare, s.enum}
}

// raw keeps what a flag was given.
type raw struct {
	loader *Loader
	name   string
	bare   string   // without a value; empty where it must have one
	words  []string // of which the value may follow after a space nevertheless
}

// Decode implements [kong.Mapper].
func (r raw) Decode(ctx *kong.DecodeContext, _ reflect.Value) error {
	text := r.bare
	next := ctx.Scan.Peek()
	if r.bare == "" || next.Type == kong.FlagValueToken || next.IsValue() && slices.Contains(r.words, next.String()) {
		if err := ctx.Scan.PopValueInto("value", &text); err != nil {
			return err
		}
	}
	if r.name == "config" {
		r.loader.config = text
		return nil
	}
	r.loader.flags[r.name] = text
	return nil
}

// IsBool implements [kong.BoolMapper].
func (r raw) IsBool() bool { return r.bare != "" }

// Loaded is a configuration and where it came from.
type Loaded struct {
	Serve
	origins map[string]Origin
}

// Origin tells where a setting's value came from, by its path.
func (l Loaded) Origin(path string) Origin {
	if o, ok := l.origins[path]; ok {
		return o
	}
	return Origin{Source: SourceDefault}
}

// Load merges flags, environment, file and defaults. Its error is [Problems]: everything that is wrong, the unknown
// variables of the environment included.
func (l *Loader) Load() (Loaded, error) {
	loaded := Loaded{origins: make(map[string]Origin)}
	problems := l.Unknown()
	environment := l.environment()
	path := l.config
	if path == "" {
		path = environment[configVariable]
	}
	f := &file{}
	if path != "" {
		f = readFile(path)
		problems = append(problems, f.problems...)
	}
	all := settings(&loaded.Serve)
	for _, e := range f.entries {
		if !slices.ContainsFunc(all, func(s setting) bool { return s.path == e.path }) {
			problems = append(problems, Problem{e.path, Origin{SourceFile, f.name, e.line}, unknownSetting(e.path, all)})
		}
	}
	for _, s := range all {
		text, origin := s.preset, Origin{Source: SourceDefault}
		for _, e := range f.entries {
			if e.path == s.path {
				text, origin = e.text, Origin{SourceFile, f.name, e.line}
			}
		}
		if origin.Source == SourceFile && s.secret && f.closed != nil {
			problems = append(problems, Problem{s.path, origin, "a file with a secret in it must be closed to others: " + f.closed.Error()})
		}
		if value, set := environment[s.env()]; set {
			text, origin = value, Origin{Source: SourceEnvironment, Name: s.env()}
		}
		if value, set := l.flags[s.flag()]; set {
			text, origin = value, Origin{Source: SourceFlag, Name: "--" + s.flag()}
		}
		if origin.Source != SourceDefault {
			loaded.origins[s.path] = origin
		}
		if origin.Source == SourceDefault && text == "" {
			continue
		}
		if err := s.set(text); err != nil {
			problems = append(problems, Problem{s.path, origin, err.Error()})
		}
	}
	problems = append(problems, loaded.readSecrets(all)...)
	problems = append(problems, loaded.setTopics(f)...)
	problems = append(problems, loaded.closeDatabase()...)
	if len(problems) > 0 {
		return loaded, problems
	}
	return loaded, nil
}

// closeDatabase refuses a password in the URL of the database, which would be shown with it, and forgets it.
func (l *Loaded) closeDatabase() Problems {
	u, err := url.Parse(l.Database)
	if err != nil { // it may have one
		l.Database = ""
		return Problems{{"database", l.Origin("database"), "is not a URL such as postgres://user@host/name"}}
	}
	query := u.Query()
	_, has := u.User.Password()
	if !has && !query.Has("password") {
		return nil
	}
	u.User = url.User(u.User.Username())
	query.Del("password")
	u.RawQuery = query.Encode()
	l.Database = u.String()
	return Problems{{"database", l.Origin("database"), "has a password in it, which everybody could read; set database_password or database_password_file"}}
}

// readSecrets fills secrets from the files that are named for them.
func (l *Loaded) readSecrets(all []setting) (problems Problems) {
	for _, s := range all {
		if !s.secret {
			continue
		}
		i := slices.IndexFunc(all, func(f setting) bool { return f.path == s.path+"_file" })
		if i < 0 || all[i].value.String() == "" {
			continue
		}
		f := all[i]
		if s.value.Interface().(Secret).Set() {
			problems = append(problems, Problem{f.path, l.Origin(f.path), "give " + s.path + " or " + f.path + ", not both"})
			continue
		}
		text, err := secretfile.Read(f.value.String())
		if err != nil {
			problems = append(problems, Problem{f.path, l.Origin(f.path), err.Error()})
			continue
		}
		s.value.Set(reflect.ValueOf(Secret{text}))
		l.origins[s.path] = Origin{Source: SourceFile, Name: f.value.String()}
	}
	return problems
}

// variablePrefix begins the variables that are ours.
const variablePrefix = "HEADSUP_"

// environment is what of the environment is ours. An empty variable is like one that is not there.
func (l *Loader) environment() map[string]string {
	ours := make(map[string]string)
	for _, pair := range l.environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, variablePrefix) && value != "" {
			ours[name] = value
		}
	}
	return ours
}

// injected are variables that Kubernetes sets in every container beside a service named headsup.
func injected(name string) bool {
	return name == "HEADSUP_PORT" || strings.HasPrefix(name, "HEADSUP_PORT_") ||
		strings.HasPrefix(name, "HEADSUP_SERVICE_HOST") || strings.HasPrefix(name, "HEADSUP_SERVICE_PORT")
}

// Unknown lists the HEADSUP_ variables of the environment that nothing reads, which are misspelt or of another version.
func (l *Loader) Unknown() (problems Problems) {
	for name := range l.environment() {
		if l.known[name] || injected(name) {
			continue
		}
		message := "no setting has this name"
		if near := nearest(name, l.known); near != "" {
			message += "; did you mean " + near + "?"
		}
		problems = append(problems, Problem{Origin: Origin{Source: SourceEnvironment, Name: name}, Message: message})
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Origin.Name, b.Origin.Name) })
	return problems
}

func unknownSetting(path string, all []setting) string {
	names := make(map[string]bool)
	for _, s := range all {
		names[s.path] = true
	}
	names[topicsPath] = true
	if near := nearest(path, names); near != "" {
		return "unknown setting; did you mean " + near + "?"
	}
	return "unknown setting"
}

// nearest is the name that is one or two keystrokes away, or that lacks the name of its group; empty for none.
func nearest(name string, names map[string]bool) string {
	best, least := "", 3
	for candidate := range names {
		if d := min(distance(name, candidate), misplaced(name, candidate)); d < least || d == least && candidate < best {
			best, least = candidate, d
		}
	}
	return best
}

// misplaced is 2 for a name that is that of a setting in a group, elsewhere: app_id for azure.app_id, or HEADSUP_APP_ID for
// HEADSUP_AZURE_APP_ID. For any other it is more than counts.
func misplaced(name, candidate string) int {
	const far = 3
	leaf := name[strings.LastIndex(name, ".")+1:]
	if _, last, grouped := strings.Cut(candidate, "."); grouped && last == leaf {
		return 2
	}
	if rest, ours := strings.CutPrefix(name, variablePrefix); ours && len(rest) > 4 && strings.HasSuffix(candidate, "_"+rest) {
		return 2
	}
	return far
}

// distance counts the letters to change, add or leave out between two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(before+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
