// Package template makes what is said of a template and data: once for each recipient, in their language.
//
// A [Source] is a template as somebody wrote it: content in one or more languages, with expressions in its strings, and
// the parameters that the data has to have. [Compile] checks it whole, so that what is wrong is known when it is stored.
// [Template.Bind] puts data in. The JSON of a content is parsed before anything is bound, and values become nodes of that
// tree: they are never read as JSON, as an expression or as Markdown, whatever is in them.
//
//	t, err := template.Compile(template.Source{
//		Language:   "en",
//		Parameters: []template.Parameter{{Name: "build", Type: "integer", Required: true}},
//		Languages:  map[string]template.Content{"en": {Text: []byte(`"Build ${data.build} is done."`)}},
//	})
//	said, err := t.Bind(template.Input{Data: []byte(`{"build": 7}`), Recipient: template.Recipient{Locale: "en-GB"}})
//
// Expressions are those of the library expr (operators, members, conditions), without what loops, and with the functions
// of this package. [Store] keeps versions of templates, which never change.
package template

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/language"
)

// Limits of a template.
const (
	// MaxSource is the largest template in bytes, all languages together.
	MaxSource = 256 << 10
	// MaxLanguages and MaxParameters bound how many there are.
	MaxLanguages  = 50
	MaxParameters = 100
	// MaxDepth is how deep the JSON of a content may be nested.
	MaxDepth = 64
	// MaxExpressions bounds the expressions of a language, MaxExpression the length of one in bytes, and MaxNodes of how
	// many operators, members and values it consists.
	MaxExpressions = 500
	MaxExpression  = 1000
	MaxNodes       = 100
	// MaxDescription bounds the descriptions of a template and of a parameter, in bytes.
	MaxDescription = 1000
)

// Source is a template as it was written.
type Source struct {
	// Description is for people. At most [MaxDescription] bytes.
	Description string `json:"description,omitzero"`
	// Language is what is said to recipients in whose languages there is nothing. BCP 47; one of Languages.
	Language string `json:"default_language"`
	// Parameters are the members that the data may have. It has no others.
	Parameters []Parameter `json:"parameters,omitempty"`
	// Languages are the contents by language, BCP 47.
	Languages map[string]Content `json:"languages"`
}

// Content is what is said in one language. Exactly one of Text, Markdown, Card and Notice is set. Each is JSON with
// expressions in its strings; Text and Markdown are a string, or a list of lines: strings, and objects with the member
// line.
type Content struct {
	Text     jsontext.Value `json:"text,omitzero"`
	Markdown jsontext.Value `json:"markdown,omitzero"`
	Card     jsontext.Value `json:"card,omitzero"`
	Notice   jsontext.Value `json:"notice,omitzero"`
	Summary  string         `json:"summary,omitzero"`
}

// Error says what is wrong with a template, or with data for it.
type Error struct {
	// Field is where, such as languages.de.card.body[0].text, or data.deal.
	Field string
	// Column counts the characters of the string at Field from 1; 0 where it is not in an expression.
	Column int
	Reason string
}

func (e *Error) Error() string { return e.Field + ": " + e.Message() }

// Message is the error without its field.
func (e *Error) Message() string {
	if e.Column > 0 {
		return fmt.Sprintf("column %d: %s", e.Column, e.Reason)
	}
	return e.Reason
}

// within puts an error's field into another one.
func within(field string, err error) error {
	if wrong, ok := errors.AsType[*Error](err); ok {
		in := *wrong
		switch {
		case in.Field == "":
			in.Field = field
		case in.Field[0] == '[':
			in.Field = field + in.Field
		default:
			in.Field = field + "." + in.Field
		}
		return &in
	}
	return err
}

// Template is a template that was checked. Safe for concurrent use.
type Template struct {
	fallback   string
	parameters map[string]Parameter
	contents   map[string]*content // by canonical tag
	external   bool                // some expression reads recipient.external_id
}

// content is what is said in one language.
type content struct {
	tag     language.Tag
	form    string // text, markdown, card or notice
	tree    *node
	summary *node // nil for none
}

// Compile checks a template. What is wrong gives an [*Error].
func Compile(src Source) (*Template, error) {
	t := &Template{parameters: make(map[string]Parameter), contents: make(map[string]*content)}
	if len(src.Description) > MaxDescription {
		return nil, &Error{Field: "description", Reason: fmt.Sprintf("is longer than %d bytes", MaxDescription)}
	}
	if err := t.declare(src.Parameters); err != nil {
		return nil, err
	}
	switch {
	case len(src.Languages) == 0:
		return nil, &Error{Field: "languages", Reason: "has none"}
	case len(src.Languages) > MaxLanguages:
		return nil, &Error{Field: "languages", Reason: fmt.Sprintf("has more than %d", MaxLanguages)}
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(src.Languages)) {
		c := src.Languages[name]
		if size += len(c.Text) + len(c.Markdown) + len(c.Card) + len(c.Notice) + len(c.Summary); size > MaxSource {
			return nil, &Error{Field: "languages", Reason: fmt.Sprintf("are more than %d bytes together", MaxSource)}
		}
		tag, err := canonical(name)
		if err != nil {
			return nil, &Error{Field: "languages." + name, Reason: err.Error()}
		}
		if t.contents[tag.String()] != nil {
			return nil, &Error{Field: "languages." + name, Reason: "is there twice, as " + tag.String()}
		}
		if t.contents[tag.String()], err = t.content(tag, c); err != nil {
			return nil, within("languages."+name, err)
		}
	}
	fallback, err := canonical(src.Language)
	if err != nil {
		return nil, &Error{Field: "default_language", Reason: err.Error()}
	}
	if t.fallback = fallback.String(); t.contents[t.fallback] == nil {
		return nil, &Error{Field: "default_language", Reason: "is none of languages"}
	}
	return t, nil
}

// UsesExternalID reports whether what is said depends on the recipient's id in the caller's own system.
func (t *Template) UsesExternalID() bool { return t.external }

// Languages are the languages that there is something in, in the order of their names.
func (t *Template) Languages() []string { return slices.Sorted(maps.Keys(t.contents)) }

// content parses what is said in one language.
func (t *Template) content(tag language.Tag, c Content) (*content, error) {
	out := &content{tag: tag}
	var raw jsontext.Value
	for _, form := range [...]struct {
		name string
		raw  jsontext.Value
	}{{"text", c.Text}, {"markdown", c.Markdown}, {"card", c.Card}, {"notice", c.Notice}} {
		switch {
		case len(form.raw) == 0:
		case out.form != "":
			return nil, &Error{Field: form.name, Reason: "give only one of text, markdown, card and notice"}
		default:
			out.form, raw = form.name, form.raw
		}
	}
	if out.form == "" {
		return nil, &Error{Reason: "give one of text, markdown, card and notice"}
	}
	p := &parser{t: t}
	var err error
	if out.tree, err = p.tree(out.form, raw); err != nil {
		return nil, within(out.form, err)
	}
	switch lines := out.tree.kind == kindArray; {
	case out.form == "card" || out.form == "notice":
		if out.tree.kind != kindObject {
			return nil, &Error{Field: out.form, Reason: "is not a JSON object"}
		}
	case !lines && out.tree.kind != kindString:
		return nil, &Error{Field: out.form, Reason: "is neither a string nor a list of lines"}
	}
	if c.Summary != "" {
		if out.summary, err = p.text("summary", c.Summary); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// declare notes the parameters.
func (t *Template) declare(all []Parameter) error {
	if len(all) > MaxParameters {
		return &Error{Field: "parameters", Reason: fmt.Sprintf("has more than %d", MaxParameters)}
	}
	for i, p := range all {
		at := fmt.Sprintf("parameters[%d]", i)
		switch {
		case !parameterName.MatchString(p.Name):
			return &Error{Field: at + ".name", Reason: "is not a name of letters, digits and _ that begins with no digit"}
		case t.parameters[p.Name].Name != "":
			return &Error{Field: at + ".name", Reason: "is there twice"}
		case !slices.Contains(Types, p.Type):
			return &Error{Field: at + ".type", Reason: fmt.Sprintf("is none of %q", Types)}
		case len(p.Description) > MaxDescription:
			return &Error{Field: at + ".description", Reason: fmt.Sprintf("is longer than %d bytes", MaxDescription)}
		}
		if len(p.Example) > 0 {
			if reason := p.wrong(p.Example); reason != "" {
				return &Error{Field: at + ".example", Reason: reason}
			}
		}
		t.parameters[p.Name] = p
	}
	return nil
}

// Example is data of the parameters' examples, as far as they have some.
func (s Source) Example() jsontext.Value {
	data := make(map[string]jsontext.Value)
	for _, p := range s.Parameters {
		if len(p.Example) > 0 {
			data[p.Name] = p.Example
		}
	}
	raw, err := json.Marshal(data, json.Deterministic(true))
	if err != nil {
		return jsontext.Value("{}")
	}
	return raw
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
