package template

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/markdown"
)

// Limits of what is bound.
const (
	// MaxOutput is the largest content in bytes.
	MaxOutput = 128 << 10
	// MaxSteps bounds the work of one binding: the nodes of each expression that runs, times the kilobytes of the data.
	MaxSteps = 250_000
	// MaxItems is how many items $each goes through.
	MaxItems = 1000
	// maxMemory is what an expression may allocate for itself, in values.
	maxMemory = 10_000
)

// Recipient is whom something is said to, as far as that is known.
type Recipient struct {
	Name string
	// Locale is BCP 47, TimeZone an IANA name.
	Locale, TimeZone string
	ExternalID       string
}

// Notification is what the content is said for.
type Notification struct{ ID, Topic string }

// Input is what a template is bound with.
type Input struct {
	// Data is what [Data.For] gives.
	Data         map[string]jsontext.Value
	Recipient    Recipient
	Notification Notification
}

// Bound is what is said to one recipient. One of the members is set, beside Language and Summary.
type Bound struct {
	// Language is the one that was found for the recipient.
	Language       string
	Text, Markdown string
	Card, Notice   jsontext.Value
	Summary        string
}

// Bind puts data into what is said in the recipient's language. What cannot be said gives an [*Error].
func (t *Template) Bind(in Input) (Bound, error) {
	return t.BindIn(t.LanguageOf(in.Recipient.Locale), in)
}

// BindIn is Bind in one of the template's languages.
func (t *Template) BindIn(name string, in Input) (Bound, error) {
	c := t.contents[name]
	if c == nil {
		return Bound{}, &Error{Field: "languages." + name, Reason: "is not there"}
	}
	b, err := newBinder(c, in)
	if err != nil {
		return Bound{}, err
	}
	out := Bound{Language: name}
	said, _, err := b.append(nil, c.tree)
	if err == nil && c.summary != nil {
		out.Summary, err = b.text(c.summary)
	}
	if err != nil {
		return Bound{}, within("languages."+name+"."+c.form, err)
	}
	switch c.form {
	case "card":
		out.Card = said
		return out, nil
	case "notice":
		out.Notice = said
		return out, nil
	}
	text, err := joined(said)
	if err != nil {
		return Bound{}, &Error{Field: "languages." + name + "." + c.form, Reason: err.Error()}
	}
	if c.form == "text" {
		out.Text = text
	} else {
		out.Markdown = text
	}
	return out, nil
}

// joined is a text of a string, or of a list of lines.
func joined(said jsontext.Value) (string, error) {
	if said.Kind() != jsontext.KindBeginArray {
		var text string
		err := json.Unmarshal(said, &text)
		return text, err
	}
	var items []jsontext.Value
	if err := json.Unmarshal(said, &items); err != nil {
		return "", err
	}
	lines := make([]string, len(items))
	for i, item := range items {
		var line struct {
			Line string `json:"line"`
		}
		into := any(&line.Line)
		if item.Kind() == jsontext.KindBeginObject {
			into = &line
		}
		if err := json.Unmarshal(item, into); err != nil {
			return "", err
		}
		lines[i] = line.Line
	}
	return strings.Join(lines, "\n"), nil
}

// binder binds one content.
type binder struct {
	vm    vm.VM
	env   map[string]any
	price int // of a node of an expression
	steps int
}

func newBinder(c *content, in Input) (*binder, error) {
	b := &binder{vm: vm.VM{MemoryBudget: maxMemory}, price: 1}
	data := make(map[string]any, len(in.Data))
	size := 0
	for name, raw := range in.Data {
		v, err := decode(raw)
		if err != nil {
			return nil, &Error{Field: "data." + name, Reason: err.Error()}
		}
		data[name] = v
		size += len(raw)
	}
	b.price += size >> 10
	b.env = make(map[string]any, len(signature)+2)
	newCaller(c.tag, in.Recipient).into(b.env)
	b.env["data"] = data
	b.env["recipient"] = map[string]any{
		"name": in.Recipient.Name, "locale": in.Recipient.Locale, "time_zone": in.Recipient.TimeZone, "external_id": in.Recipient.ExternalID,
	}
	b.env["notification"] = map[string]any{"id": in.Notification.ID, "topic": in.Notification.Topic}
	return b, nil
}

// decode reads JSON as expressions have it: numbers without a fraction are int.
func decode(raw jsontext.Value) (any, error) {
	var v any
	err := json.Unmarshal(raw, &v, json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
		if dec.PeekKind() != jsontext.KindNumber {
			return errors.ErrUnsupported
		}
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(token.String()); err == nil {
			*v = n
			return nil
		}
		*v, err = strconv.ParseFloat(token.String(), 64)
		return err
	})))
	return v, err
}

func (b *binder) run(x *part, field string) (any, error) {
	if b.steps += x.nodes * b.price; b.steps > MaxSteps {
		return nil, &Error{Field: field, Column: x.column, Reason: "with this data the content takes too many steps"}
	}
	v, err := b.vm.Run(x.program, b.env)
	if err == nil {
		return v, nil
	}
	reason, column := err.Error(), x.column
	if told, ok := errors.AsType[*file.Error](err); ok {
		reason, column = told.Message, x.column+told.From
	}
	return nil, &Error{Field: field, Column: column, Reason: reason}
}

// append appends what is said of a node, unless nothing is.
func (b *binder) append(dst []byte, n *node) (_ []byte, said bool, err error) {
	if len(dst) > MaxOutput {
		return nil, false, &Error{Field: n.field, Reason: fmt.Sprintf("with this data the content is larger than %d bytes", MaxOutput)}
	}
	switch n.kind {
	case kindLiteral:
		return append(dst, n.raw...), true, nil
	case kindString:
		return b.appendString(dst, n)
	case kindArray:
		dst = append(dst, '[')
		for _, item := range n.items {
			if dst, err = b.appendItem(dst, item); err != nil {
				return nil, false, err
			}
		}
		return append(dst, ']'), true, nil
	case kindObject:
		return b.appendObject(dst, n)
	}
	return dst, false, nil
}

func (b *binder) appendObject(dst []byte, n *node) (_ []byte, said bool, err error) {
	if said, err := b.holds(n); err != nil || !said {
		return dst, false, err
	}
	dst = append(dst, '{')
	for _, m := range n.members {
		before := len(dst)
		dst = comma(dst, '{')
		if dst, err = jsontext.AppendQuote(dst, m.name); err != nil {
			return nil, false, &Error{Field: n.field, Reason: err.Error()}
		}
		var said bool
		if dst, said, err = b.append(append(dst, ':'), m.node); err != nil {
			return nil, false, err
		}
		if !said {
			dst = dst[:before]
		}
	}
	return append(dst, '}'), true, nil
}

// comma parts what follows from what is there.
func comma(dst []byte, begin byte) []byte {
	if dst[len(dst)-1] != begin {
		return append(dst, ',')
	}
	return dst
}

// appendItem appends an item of a list, which may be none or several.
func (b *binder) appendItem(dst []byte, n *node) ([]byte, error) {
	one := func(dst []byte) ([]byte, error) {
		before := len(dst)
		dst = comma(dst, '[')
		dst, said, err := b.append(dst, n)
		if err == nil && !said {
			dst = dst[:before]
		}
		return dst, err
	}
	if n.each == nil {
		return one(dst)
	}
	list, err := b.run(n.each, n.field+".$each")
	if err != nil {
		return nil, err
	}
	items, ok := list.([]any)
	switch {
	case list == nil:
		return dst, nil
	case !ok:
		return nil, &Error{Field: n.field + ".$each", Column: n.each.column, Reason: "is no list"}
	case len(items) > MaxItems:
		return nil, &Error{Field: n.field + ".$each", Column: n.each.column, Reason: fmt.Sprintf("has more than %d items", MaxItems)}
	}
	item, index := b.env["item"], b.env["index"]
	defer func() { b.env["item"], b.env["index"] = item, index }()
	for i := range items {
		b.env["item"], b.env["index"] = items[i], i
		if dst, err = one(dst); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// holds reports whether an object is said.
func (b *binder) holds(n *node) (bool, error) {
	if n.when == nil {
		return true, nil
	}
	v, err := b.run(n.when, n.field+".$when")
	if err != nil {
		return false, err
	}
	holds, ok := v.(bool)
	if !ok && v != nil {
		return false, &Error{Field: n.field + ".$when", Column: n.when.column, Reason: "is neither true nor false"}
	}
	return holds, nil
}

// appendString appends a string, or what the only expression of it gives. Of nothing it appends nothing.
func (b *binder) appendString(dst []byte, n *node) ([]byte, bool, error) {
	if x := n.only(); x != nil {
		v, err := b.run(x, n.field)
		if err != nil || v == nil {
			return dst, false, err
		}
		if n.role == roleData || n.role == roleValue && scalar(v) {
			if raw, err := json.Marshal(v, json.Deterministic(true)); err == nil {
				return append(dst, raw...), true, nil
			}
		}
		text, err := b.put(nil, n, x, v)
		return b.quote(dst, n, string(text), err)
	}
	text, err := b.text(n)
	return b.quote(dst, n, text, err)
}

func (b *binder) quote(dst []byte, n *node, text string, err error) ([]byte, bool, error) {
	if err == nil {
		err = checked(n, text)
	}
	if err != nil {
		return nil, false, err
	}
	if dst, err = jsontext.AppendQuote(dst, text); err != nil {
		return nil, false, &Error{Field: n.field, Reason: err.Error()}
	}
	return dst, true, nil
}

// text is a string with its expressions' values.
func (b *binder) text(n *node) (string, error) {
	var text []byte
	for i := range n.parts {
		x := &n.parts[i]
		if x.program == nil {
			text = append(text, x.text...)
			continue
		}
		v, err := b.run(x, n.field)
		if err == nil {
			text, err = b.put(text, n, x, v)
		}
		if err != nil {
			return "", err
		}
		if len(text) > MaxOutput {
			return "", &Error{Field: n.field, Column: x.column, Reason: fmt.Sprintf("with this data the content is larger than %d bytes", MaxOutput)}
		}
	}
	return string(text), nil
}

// put puts a value into a string, as its role wants it.
func (b *binder) put(text []byte, n *node, x *part, v any) ([]byte, error) {
	value, ok := textOf(v)
	if !ok {
		return nil, &Error{Field: n.field, Column: x.column, Reason: "gives no text, number or truth value"}
	}
	if _, raw := v.(rawText); raw {
		return append(text, value...), nil
	}
	switch n.role {
	case roleMarkdown:
		switch x.link {
		case linkWhole:
			if reason := wrongLink(value); reason != "" {
				return nil, &Error{Field: n.field, Column: x.column, Reason: reason}
			}
			value = inDestination.Replace(value)
		case linkPart:
			value = escapePart(value)
		case linkNone:
			value = markdown.Escape(value)
		}
	case roleRun:
		value = escapeRun(value)
	case roleLink:
		if len(text) > 0 {
			value = escapePart(value)
		}
	case roleSpeech:
		value = speechMarks.Replace(value)
	case rolePlain, roleValue, roleData:
	}
	return append(text, value...), nil
}

// checked refuses links that nobody is to follow.
func checked(n *node, text string) error {
	switch {
	case n.role == roleLink:
		if reason := wrongLink(text); reason != "" {
			return &Error{Field: n.field, Reason: reason}
		}
	case n.role == roleMarkdown && n.dynamic() && dangerous.MatchString(escaped.ReplaceAllString(text, "")):
		return &Error{Field: n.field, Reason: "has a link with a scheme that runs programs"}
	}
	return nil
}

func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any, rawText:
		return false
	}
	return true
}

// rawText is a text that is put in as it is.
type rawText string

// textOf is a value as text; an object and a list are none.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case rawText:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
