package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/headsup-bot/headsup/internal/secretfile"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// entry is a value in a file.
type entry struct {
	path string
	text string
	line int
}

// file is a configuration file as it was read.
type file struct {
	name     string
	closed   error // why it may hold no secrets: others have access to it
	entries  []entry
	topics   []fileTopic
	problems Problems
}

// readFile reads a YAML file of settings. What is wrong in it is among its problems.
func readFile(path string) *file {
	f := &file{name: filepath.Base(path)}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = errors.New("is too large for a configuration file")
	}
	var raw []byte
	if err == nil {
		f.closed = secretfile.Check(path)
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		f.problems = Problems{{Origin: Origin{Source: SourceFile, Name: path}, Message: reason(err)}}
		return f
	}
	doc, err := parser.ParseBytes(raw, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, message := 0, err.Error()
		if bad, ok := errors.AsType[yaml.Error](err); ok {
			message = bad.GetMessage()
			if t := bad.GetToken(); t != nil {
				line = t.Position.Line
			}
		}
		message, _, _ = strings.Cut(message, "\n")
		f.complain("", line, "not valid YAML: "+message)
		return f
	}
	for i, d := range doc.Docs {
		switch {
		case d.Body == nil:
		case i > 0:
			f.complain("", d.Body.GetToken().Position.Line, "a second document is not read")
		default:
			f.read(d.Body, "")
		}
	}
	return f
}

// reason is an error of the file system without the path.
func reason(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func (f *file) complain(path string, line int, message string) {
	f.problems = append(f.problems, Problem{path, Origin{SourceFile, f.name, line}, message})
}

// read takes the settings out of a mapping.
func (f *file) read(node ast.Node, prefix string) {
	seen := make(map[string]bool)
	for _, m := range f.members(node, strings.TrimSuffix(prefix, ".")) {
		key := m.Key.GetToken()
		path := prefix + key.Value
		line := key.Position.Line
		switch {
		case seen[path]:
			f.complain(path, line, "is given twice")
		case path == topicsPath:
			f.readTopics(m.Value)
		case group(path):
			f.read(m.Value, path+".")
		default:
			text, ok := scalar(m.Value)
			if !ok {
				f.complain(path, line, "must be a single value or a list of values")
				break
			}
			f.entries = append(f.entries, entry{path, text, line})
		}
		seen[path] = true
	}
}

// members are the names in a mapping, with their values.
func (f *file) members(node ast.Node, path string) []*ast.MappingValueNode {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.CommentGroupNode:
		return nil
	}
	f.complain(path, node.GetToken().Position.Line, "must be names with values")
	return nil
}

// group reports whether a path has settings below it.
func group(path string) bool {
	for _, s := range settings(new(Serve)) {
		if strings.HasPrefix(s.path, path+".") {
			return true
		}
	}
	return false
}

// scalar is a single value as it is written, or a list of them joined by commas.
func scalar(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.SequenceNode:
		parts := make([]string, len(n.Values))
		for i, v := range n.Values {
			if _, list := v.(*ast.SequenceNode); list {
				return "", false
			}
			if parts[i], ok = scalar(v); !ok {
				return "", false
			}
		}
		return strings.Join(parts, ","), true
	}
	return "", false
}
