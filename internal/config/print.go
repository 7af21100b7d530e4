package config

import (
	"net/url"
	"strings"
)

// Value is a setting's value in effect and where it came from. Secrets are redacted.
type Value struct {
	Path   string `json:"path"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
}

// Values lists all settings.
func (l Loaded) Values() []Value {
	all := settings(&l.Serve)
	values := make([]Value, len(all))
	for i, s := range all {
		values[i] = Value{s.path, withoutPassword(s.text()), l.Origin(s.path)}
	}
	return append(values, l.topicValues()...)
}

// Secrets are those that are set, to be looked for where they must not be.
func (l Loaded) Secrets() (all []Secret) {
	for _, s := range settings(&l.Serve) {
		if secret, is := s.value.Interface().(Secret); is && secret.Set() {
			all = append(all, secret)
		}
	}
	return all
}

// SecretFiles are the files that secrets are read from, by the settings that name them.
func (l Loaded) SecretFiles() map[string]string {
	all, files := settings(&l.Serve), make(map[string]string)
	for _, s := range all {
		if !s.secret {
			continue
		}
		for _, f := range all {
			if f.path == s.path+"_file" && f.value.String() != "" {
				files[f.path] = f.value.String()
			}
		}
	}
	return files
}

// withoutPassword redacts the password that somebody has put into a URL, whatever setting it is for.
func withoutPassword(value string) string {
	if !strings.Contains(value, "@") {
		return value
	}
	if u, err := url.Parse(value); err == nil {
		if _, has := u.User.Password(); has {
			u.User = url.User(u.User.Username())
			return strings.Replace(u.String(), "@", ":"+redacted+"@", 1)
		}
		return value
	}
	if before, after, ok := strings.Cut(value, "://"); ok && strings.Contains(after, "@") { // a password that breaks the URL
		return before + "://" + redacted + after[strings.LastIndex(after, "@"):]
	}
	return value
}

// Sample is a configuration file with every setting in it, commented out and at its default.
func Sample() string {
	var b strings.Builder
	b.WriteString(`# Configuration of "headsup serve". Every setting is here, at its default: take the # away from those that you change.
# A flag (--tls-cert-file) or a variable (HEADSUP_TLS_CERT_FILE) goes before this file. Try it with:
#
#     headsup config check --config headsup.yaml
`)
	group := ""
	for _, s := range settings(new(Serve)) {
		indent, name := "", s.path
		if before, after, nested := strings.Cut(s.path, "."); nested {
			if before != group {
				b.WriteString("\n#" + before + ":\n")
			}
			group, indent, name = before, "  ", after
		}
		if indent == "" || !strings.HasSuffix(b.String(), "#"+group+":\n") {
			b.WriteString("\n")
		}
		for _, line := range wrap(s.sentence(), 112) {
			b.WriteString(indent + "# " + line + "\n")
		}
		value := s.preset
		if value == "" {
			value = `""`
		}
		if s.value.Kind().String() == "bool" {
			value = "false"
		}
		b.WriteString("#" + indent + name + ": " + value + "\n")
	}
	b.WriteString(topicsSample())
	return b.String()
}

// sentence is the help with what it can be.
func (s setting) sentence() string {
	if s.enum == nil {
		return s.help
	}
	return s.help + " One of " + strings.Join(s.enum, ", ") + "."
}

// wrap breaks a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// Reference is the documentation of all settings, as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

This page is written from the program's source by ` + "`make generate`" + `; change it there.

` + "`headsup serve`" + ` takes each setting from the first of these places that has it:

1. a flag: ` + "`--tls-cert-file cert.pem`" + `
2. the environment: ` + "`HEADSUP_TLS_CERT_FILE=cert.pem`" + `; a variable that is empty counts as not set
3. a YAML file, named with ` + "`--config FILE`" + ` or ` + "`HEADSUP_CONFIG`" + `; [headsup.sample.yaml](headsup.sample.yaml) has every setting
4. the default

` + "```yaml" + `
listen: 127.0.0.1:3978
tls:
  cert_file: cert.pem
  key_file: key.pem
` + "```" + `

Unknown settings in the file and unknown ` + "`HEADSUP_`" + ` variables are errors, so that a typing mistake does not go unseen;
variables that Kubernetes sets for a service named headsup (` + "`HEADSUP_PORT…`, `HEADSUP_SERVICE_…`" + `) are left alone. All problems
are told at once, each with its place:

` + "```console" + `
$ headsup config check --config headsup.yaml
headsup: headsup.yaml:2: lisen: unknown setting; did you mean listen?
headsup: headsup.yaml:5: tls.cert_file: cert.pem: no such file or directory
` + "```" + `

` + "`headsup config check`" + ` says whether the server would take the configuration, without starting it; its exit code is 2 when
not. ` + "`headsup config print`" + ` shows every value in effect and where it came from; both take the flags of ` + "`headsup serve`" + `, and
` + "`--json`" + `.

Secrets have no flag, since everybody on a machine can read the flags of its programs. Set the variable, or name a file that
only its owner can read (mode 0600) in the setting that ends in ` + "`_file`" + `. A configuration file that has a secret in it must be
as closed. Secrets print as ` + "`[redacted]`" + ` everywhere.

## Settings

`)
	group := ""
	for _, s := range settings(new(Serve)) {
		if before, _, nested := strings.Cut(s.path, "."); nested && before != group {
			group = before
			b.WriteString("## " + before + "\n\n")
		}
		b.WriteString("### `" + s.path + "`\n\n" + s.sentence() + "\n\n")
		facts := []string{"flag `--" + s.flag() + "`", "variable `" + s.env() + "`"}
		if s.secret {
			facts = facts[1:]
		}
		if s.preset != "" {
			facts = append(facts, "default `"+s.preset+"`")
		}
		b.WriteString("- " + strings.Join(facts, "\n- ") + "\n\n")
	}
	b.WriteString(topicsReference())
	return strings.TrimRight(b.String(), "\n") + "\n"
}
