package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Source is a kind of place that values come from.
type Source string

const (
	SourceDefault     Source = "default"
	SourceFile        Source = "file"
	SourceEnvironment Source = "environment"
	SourceFlag        Source = "flag"
)

// Origin is where a value came from. The zero value is the default.
type Origin struct {
	Source Source `json:"source"`
	// Name is the flag, the variable or the file's name; Line the line in the file.
	Name string `json:"name,omitzero"`
	Line int    `json:"line,omitzero"`
}

func (o Origin) String() string {
	switch {
	case o.Source == SourceFile && o.Line > 0:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case o.Name != "":
		return o.Name
	}
	return string(SourceDefault)
}

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// Path is the setting, such as tls.cert_file; empty when the problem has none.
	Path    string
	Origin  Origin
	Message string
}

func (p Problem) Error() string {
	where := p.Path
	switch {
	case p.Origin.Source == SourceFile && p.Path != "":
		where = p.Origin.String() + ": " + p.Path
	case p.Origin.Name != "" && p.Path != "":
		where += " (" + p.Origin.Name + ")"
	case p.Origin.Name != "":
		where = p.Origin.String()
	}
	return where + ": " + p.Message
}

// Problems is everything that is wrong. It is an error unless it is empty.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// fieldError is implemented by errors about one setting.
type fieldError interface {
	error
	// ConfigField is the setting's path.
	ConfigField() string
}

// Explain adds to what others found wrong with the configuration where the values came from: err may join any number of
// errors that have a method ConfigField. Others are returned as they are.
func (l Loaded) Explain(err error) error {
	if err == nil {
		return nil
	}
	var found Problems
	var rest []error
	for _, e := range parts(err) {
		about, ok := errors.AsType[fieldError](e)
		if !ok {
			rest = append(rest, e)
			continue
		}
		message := strings.TrimPrefix(e.Error(), about.ConfigField()+": ")
		found = append(found, Problem{about.ConfigField(), l.origins[about.ConfigField()], message})
	}
	if len(found) > 0 {
		rest = append([]error{found}, rest...)
	}
	return errors.Join(rest...)
}

// parts takes joined errors apart.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}

// ProblemsOf finds the problems in an error, and reports whether there are any.
func ProblemsOf(err error) (Problems, bool) { return errors.AsType[Problems](err) }

// About reports whether one of the problems is with a setting.
func (ps Problems) About(path string) bool {
	return path != "" && slices.ContainsFunc(ps, func(p Problem) bool { return p.Path == path })
}
