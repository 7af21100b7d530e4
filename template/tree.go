package template

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/vm"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type kind byte

const (
	kindLiteral kind = iota // is said as it is
	kindString              // has expressions
	kindArray
	kindObject
)

// node is a part of a content's JSON.
type node struct {
	kind    kind
	raw     jsontext.Value // of a literal
	parts   []part         // of a string
	role    role           // of a string
	field   string         // where it is
	members []member       // of an object
	items   []*node        // of an array
	when    *part          // of an object: whether it is said
	each    *part          // of an object: it is said for each item of this list
	lines   bool           // an array that is one text
}

type member struct {
	name string
	node *node
}

// part is a piece of a string: a text, or an expression.
type part struct {
	text    string
	program *vm.Program // nil for a text
	nodes   int         // of the expression
	column  int
	link    link // where in a link of Markdown it stands
}

// only is the expression that a string consists of, if it does.
func (n *node) only() *part {
	if len(n.parts) == 1 && n.parts[0].program != nil {
		return &n.parts[0]
	}
	return nil
}

// parser reads one content.
type parser struct {
	t           *Template
	expressions int
	depth       int
}

// place is what is known of where a value stands.
type place struct {
	form   string
	field  string
	name   string // of the member, or of the one whose list it is in
	object string // the type of the object that the member is of
	list   string // the member whose list the object is in
	data   bool   // for programs: nothing of it is shown
	item   bool   // within $each
}

// tree parses the JSON of a form.
func (p *parser) tree(form string, raw jsontext.Value) (*node, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	whole, err := dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	whole = whole.Clone()
	if _, err := dec.ReadToken(); err != io.EOF { //nolint:errorlint // the decoder documents it bare
		return nil, &Error{Reason: "is more than one JSON value"}
	}
	return p.value(whole, place{form: form})
}

// text parses a string by itself.
func (p *parser) text(field, text string) (*node, error) {
	return p.str(text, place{form: "text", field: field})
}

func syntax(err error) error {
	return &Error{Reason: "is not right as JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ")}
}

func (p *parser) value(raw jsontext.Value, at place) (*node, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, &Error{Field: at.field, Reason: fmt.Sprintf("is nested more than %d deep", MaxDepth)}
	}
	defer func() { p.depth-- }()
	switch raw.Kind() {
	case jsontext.KindString:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, &Error{Field: at.field, Reason: err.Error()}
		}
		return p.str(text, at)
	case jsontext.KindBeginArray:
		return p.array(raw, at)
	case jsontext.KindBeginObject:
		return p.object(raw, at)
	}
	return &node{kind: kindLiteral, raw: raw.Clone()}, nil
}

func (p *parser) array(raw jsontext.Value, at place) (*node, error) {
	var items []jsontext.Value
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, &Error{Field: at.field, Reason: err.Error()}
	}
	n := &node{kind: kindArray, lines: at.field == "" && (at.form == "text" || at.form == "markdown")}
	in := at
	in.list = at.name
	for i, item := range items {
		in.field = at.field + "[" + strconv.Itoa(i) + "]"
		child, err := p.value(item, in)
		if err != nil {
			return nil, err
		}
		if n.lines && child.kind == kindObject {
			if len(child.members) != 1 || child.members[0].name != "line" {
				return nil, &Error{Field: in.field, Reason: "has not just the member line, $when and $each"}
			}
		} else if n.lines && child.kind != kindString {
			return nil, &Error{Field: in.field, Reason: "is neither a string nor an object with the member line"}
		}
		n.items = append(n.items, child)
	}
	return n, nil
}

// object parses an object. Its members keep their order; $when and $each are not among them.
func (p *parser) object(raw jsontext.Value, at place) (*node, error) {
	n := &node{kind: kindObject, field: at.field}
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntax(err)
	}
	type pair struct {
		name string
		raw  jsontext.Value
	}
	var pairs []pair
	in := at
	in.object, in.item = "", at.item
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, &Error{Field: at.field, Reason: err.Error()}
		}
		text := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, &Error{Field: at.field, Reason: err.Error()}
		}
		if text == "type" && value.Kind() == jsontext.KindString {
			_ = json.Unmarshal(value, &in.object)
		}
		if text == "$each" {
			in.item = true
		}
		pairs = append(pairs, pair{text, value.Clone()})
	}
	for _, one := range pairs {
		inside := in
		inside.field, inside.name, inside.list = strings.TrimPrefix(at.field+"."+one.name, "."), one.name, at.list
		switch one.name {
		case "$when", "$each":
			if one.name == "$each" {
				if inside.item = at.item; !strings.HasSuffix(at.field, "]") {
					return nil, &Error{Field: inside.field, Reason: "is only for objects in a list"}
				}
			} else if at.field == "" {
				return nil, &Error{Field: inside.field, Reason: "is not for the content as a whole"}
			}
			x, err := p.directive(one.raw, inside)
			if err != nil {
				return nil, err
			}
			if one.name == "$when" {
				n.when = x
			} else {
				n.each = x
			}
			continue
		}
		inside.data = at.data || raises(inside)
		child, err := p.value(one.raw, inside)
		if err != nil {
			return nil, err
		}
		if one.name == "type" && !inside.data && child.kind == kindString && child.dynamic() {
			return nil, &Error{Field: inside.field, Reason: "cannot be an expression"}
		}
		n.members = append(n.members, member{one.name, child})
	}
	return n, nil
}

// dynamic reports whether a string has expressions.
func (n *node) dynamic() bool {
	for i := range n.parts {
		if n.parts[i].program != nil {
			return true
		}
	}
	return false
}

// directive reads what $when and $each say, which is one expression.
func (p *parser) directive(raw jsontext.Value, at place) (*part, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		at.data = true
		n, err := p.str(text, at)
		if err != nil {
			return nil, err
		}
		if x := n.only(); x != nil {
			return x, nil
		}
	}
	return nil, &Error{Field: at.field, Reason: "is not one expression such as ${data.items}"}
}

// str takes a string apart. $${ stands for ${.
func (p *parser) str(text string, at place) (*node, error) {
	n := &node{kind: kindString, field: at.field, role: roleOf(at)}
	if strings.Contains(text, "\x00") {
		return nil, &Error{Field: at.field, Reason: "contains NUL"}
	}
	var before strings.Builder // what stands before an expression, with x for what others give
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			n.parts = append(n.parts, part{text: plain.String()})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, "$${"):
			plain.WriteString("${")
			before.WriteString("${")
			i += 3
		case strings.HasPrefix(rest, "${"):
			flush()
			column := utf8.RuneCountInString(text[:i]) + 3
			length := expressionLength(rest[2:])
			if length < 0 {
				return nil, &Error{Field: at.field, Column: column - 2, Reason: "${ has no end"}
			}
			x, err := p.expression(rest[2:2+length], column, at)
			if err != nil {
				return nil, err
			}
			if n.role == roleMarkdown {
				x.link = linkAt(before.String())
			}
			n.parts = append(n.parts, x)
			before.WriteByte('x')
			i += length + 3
		default:
			plain.WriteByte(text[i])
			before.WriteByte(text[i])
			i++
		}
	}
	flush()
	if n.role == roleLink && !n.dynamic() {
		if reason := wrongLink(plainText(n)); reason != "" {
			return nil, &Error{Field: at.field, Reason: reason}
		}
	}
	return n, nil
}

// plainText is a string without expressions.
func plainText(n *node) string {
	var b strings.Builder
	for i := range n.parts {
		b.WriteString(n.parts[i].text)
	}
	return b.String()
}

// expressionLength finds the } that ends an expression; -1 if there is none.
func expressionLength(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}
