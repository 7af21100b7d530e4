package template

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Types are the types that a parameter may have. A time is a string of RFC 3339, or a day such as 2026-12-24; any is any
// JSON.
var Types = []string{"string", "integer", "number", "boolean", "time", "object", "array", "any"}

// Limits of data.
const (
	// MaxData is the largest data in bytes, and MaxEach that of the values of all recipients.
	MaxData = 64 << 10
	MaxEach = 192 << 10
	// MaxRecipients is of how many recipients there may be values.
	MaxRecipients = 1000
)

// Parameter is a member that the data may have.
type Parameter struct {
	// Name is letters, digits and _.
	Name string `json:"name"`
	// Type is one of [Types].
	Type string `json:"type"`
	// Description is for people.
	Description string `json:"description,omitzero"`
	// Required: the data has to have it, and not null. What is not there is null in expressions.
	Required bool `json:"required,omitzero"`
	// Example is what previews show. May be empty.
	Example jsontext.Value `json:"example,omitzero"`
}

// wrong says why a value is none of the parameter, or nothing.
func (p Parameter) wrong(v jsontext.Value) string {
	kind := v.Kind()
	fits := true
	switch p.Type {
	case "string":
		fits = kind == jsontext.KindString
	case "time":
		var text string
		fits = json.Unmarshal(v, &text) == nil
		if _, _, ok := readTime(text); fits && !ok {
			return "is neither a time such as 2026-12-24T18:00:00Z nor a day such as 2026-12-24"
		}
	case "integer":
		f, ok := floatOf(v)
		fits = ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53
	case "number":
		_, fits = floatOf(v)
	case "boolean":
		fits = kind == jsontext.KindTrue || kind == jsontext.KindFalse
	case "object":
		fits = kind == jsontext.KindBeginObject
	case "array":
		fits = kind == jsontext.KindBeginArray
	}
	if fits {
		return ""
	}
	return fmt.Sprintf("is not %s %s", map[bool]string{true: "an", false: "a"}[strings.ContainsRune("aeiou", rune(p.Type[0]))], p.Type)
}

func floatOf(v jsontext.Value) (f float64, ok bool) {
	if v.Kind() != jsontext.KindNumber {
		return 0, false
	}
	return f, json.Unmarshal(v, &f) == nil
}

// members reads an object's members.
func members(field string, raw jsontext.Value, most int) (map[string]jsontext.Value, error) {
	all := make(map[string]jsontext.Value)
	if len(raw) == 0 {
		return all, nil
	}
	if len(raw) > most {
		return nil, &Error{Field: field, Reason: fmt.Sprintf("is larger than %d bytes", most)}
	}
	if raw.Kind() != jsontext.KindBeginObject {
		return nil, &Error{Field: field, Reason: "is not a JSON object"}
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, &Error{Field: field, Reason: "is not right as JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	return all, nil
}

// fits checks data against the parameters.
func (t *Template) fits(field string, data map[string]jsontext.Value, whole bool) error {
	for _, name := range slices.Sorted(maps.Keys(data)) {
		p, known := t.parameters[name]
		if !known {
			return &Error{Field: field + "." + name, Reason: "is no parameter of the template"}
		}
		if data[name].Kind() == jsontext.KindNull {
			continue
		}
		if reason := p.wrong(data[name]); reason != "" {
			return &Error{Field: field + "." + name, Reason: reason}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		if v, given := data[name]; whole && t.parameters[name].Required && (!given || v.Kind() == jsontext.KindNull) {
			return &Error{Field: field + "." + name, Reason: "is required"}
		}
	}
	return nil
}

// Data is what a template is bound with: values for everybody, and values for some recipients in their place.
type Data struct {
	all  map[string]jsontext.Value
	each map[string]map[string]jsontext.Value
}

// ReadData reads data and the values of single recipients, which are objects by whatever names the recipients. It checks
// them against the parameters; what is wrong gives an [*Error] with a field such as data.deal or each.ann.deal.
func (t *Template) ReadData(data, each jsontext.Value) (Data, error) {
	all, err := members("data", data, MaxData)
	if err == nil {
		err = t.fits("data", all, true)
	}
	if err != nil {
		return Data{}, err
	}
	d := Data{all: all, each: make(map[string]map[string]jsontext.Value)}
	some, err := members("each", each, MaxEach)
	if err != nil {
		return Data{}, err
	}
	if len(some) > MaxRecipients {
		return Data{}, &Error{Field: "each", Reason: fmt.Sprintf("has more than %d recipients", MaxRecipients)}
	}
	for _, who := range slices.Sorted(maps.Keys(some)) {
		own, err := members("each."+who, some[who], MaxEach)
		if err == nil {
			err = t.fits("each."+who, own, false)
		}
		if err == nil {
			err = t.fits("each."+who, over(all, own), true)
		}
		if err != nil {
			return Data{}, err
		}
		d.each[who] = own
	}
	return d, nil
}

// over is values with some in their place.
func over(all, own map[string]jsontext.Value) map[string]jsontext.Value {
	if len(own) == 0 {
		return all
	}
	merged := maps.Clone(all)
	maps.Copy(merged, own)
	return merged
}

// Recipients are those who have values of their own, in the order of their names.
func (d Data) Recipients() []string { return slices.Sorted(maps.Keys(d.each)) }

// For is the data of a recipient; that of everybody else for a name that has no values of its own.
func (d Data) For(name string) map[string]jsontext.Value { return over(d.all, d.each[name]) }

// ReadFor is the data of one recipient, of data that [Template.ReadData] has read before. The recipient is who has values of
// their own under a name that is names some.
func ReadFor(data, each jsontext.Value, is func(name string) bool) (map[string]jsontext.Value, error) {
	all, err := members("data", data, MaxData)
	if err != nil || len(each) == 0 {
		return all, err
	}
	some, err := members("each", each, MaxEach)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(some)) {
		if is(name) {
			own, err := members("each."+name, some[name], MaxEach)
			return over(all, own), err
		}
	}
	return all, nil
}

// readTime reads a time, or a day.
func readTime(text string) (at time.Time, day, ok bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, false, true
	}
	at, err := time.Parse(time.DateOnly, text)
	return at, true, err == nil
}
