package template

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/types"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// function is one that expressions may call.
type function = func(args ...any) (any, error)

// signature is what expressions may name, for the compiler; in $each there are item and index, too.
var signature, itemSignature = func() (types.Map, types.Map) {
	object := types.Map{types.Extra: types.Any}
	all := types.Map{"data": object, "recipient": object, "notification": object}
	calls := make(map[string]any)
	(&caller{}).into(calls)
	for name, call := range calls {
		all[name] = types.TypeOf(call)
	}
	inEach := types.Map{"item": types.Any, "index": types.Int}
	maps.Copy(inEach, all)
	return all, inEach
}()

// functionNames are those of the functions.
var functionNames = func() map[string]bool {
	names := make(map[string]bool)
	all := make(map[string]any)
	(&caller{}).into(all)
	for name := range all {
		names[name] = true
	}
	return names
}()

// caller is what expressions may call, for one recipient.
type caller struct {
	tag     language.Tag
	printer *message.Printer
	clock   *clock
}

func newCaller(content language.Tag, r Recipient) *caller {
	tag := formatTag(content, r.Locale)
	return &caller{tag: tag, clock: newClock(tag, r.TimeZone)}
}

func (c *caller) into(env map[string]any) {
	for name, call := range map[string]function{
		"number": c.number, "percent": c.percent, "plural": c.plural,
		"date": c.date, "time": c.time, "datetime": c.datetime,
		"upper": texts(strings.ToUpper), "lower": texts(strings.ToLower), "trim": texts(strings.TrimSpace),
		"truncate": truncate, "join": join, "len": length, "string": toString, "round": round, "raw": raw,
	} {
		env[name] = call
	}
}

func takes(args []any, least, most int) error {
	if len(args) < least || len(args) > most {
		if least == most {
			return fmt.Errorf("takes %d arguments", most)
		}
		return fmt.Errorf("takes %d to %d arguments", least, most)
	}
	return nil
}

func numberOf(v any) (float64, error) {
	switch v := v.(type) {
	case int:
		return float64(v), nil
	case float64:
		return v, nil
	}
	return 0, errors.New("is no number")
}

// decimals is an argument that says how many digits there are after the point; -1 if it is not given.
func decimals(args []any) (int, error) {
	if len(args) < 2 {
		return -1, nil
	}
	n, ok := args[1].(int)
	if !ok || n < 0 || n > 10 {
		return 0, errors.New("the number of digits is not from 0 to 10")
	}
	return n, nil
}

// number writes a number as the recipient's language does: number(1234.5), number(1234.5, 2).
func (c *caller) number(args ...any) (any, error) { return c.format(args, number.Decimal) }

// percent writes a share as the recipient's language does: percent(0.25).
func (c *caller) percent(args ...any) (any, error) { return c.format(args, number.Percent) }

func (c *caller) format(args []any, how func(any, ...number.Option) number.Formatter) (any, error) {
	if err := takes(args, 1, 2); err != nil {
		return nil, err
	}
	if _, err := numberOf(args[0]); err != nil {
		return nil, err
	}
	digits, err := decimals(args)
	if err != nil {
		return nil, err
	}
	var options []number.Option
	if digits >= 0 {
		options = append(options, number.Scale(digits))
	}
	return c.print(how(args[0], options...)), nil
}

func (c *caller) print(v any) string {
	if c.printer == nil {
		c.printer = message.NewPrinter(c.tag)
	}
	return c.printer.Sprint(v)
}

var pluralForms = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// plural picks a text by a number, and puts the number in for #: plural(n, "one file", "# files"), and for languages with
// other forms plural(n, "one", "# plik", "few", "# pliki", "other", "# plików").
func (c *caller) plural(args ...any) (any, error) {
	if len(args) < 3 || len(args) != 3 && len(args)%2 == 0 || len(args) > 13 {
		return nil, errors.New("takes a number, and two texts or pairs of a form and a text")
	}
	n, err := numberOf(args[0])
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string)
	names := []any{"one", args[1], "other", args[2]}
	if len(args) > 3 {
		names = args[1:]
	}
	for i := 0; i < len(names); i += 2 {
		form, ok := names[i].(string)
		text, also := names[i+1].(string)
		if !ok || !also {
			return nil, errors.New("takes a number, and two texts or pairs of a form and a text")
		}
		texts[form] = text
	}
	text, ok := texts[pluralForms[formOf(c.tag, n)]]
	if !ok {
		if text, ok = texts["other"]; !ok {
			return nil, errors.New("has no text for the form other")
		}
	}
	return strings.ReplaceAll(text, "#", c.print(number.Decimal(args[0]))), nil
}

// formOf is the form of a number in a language (CLDR, "Plural Operand Meanings").
func formOf(tag language.Tag, n float64) plural.Form {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(math.Abs(n), 'f', -1, 64), ".")
	if len(whole) > 9 {
		whole = whole[len(whole)-9:]
	}
	if len(fraction) > 6 {
		fraction = fraction[:6]
	}
	i, _ := strconv.Atoi(whole)
	f, _ := strconv.Atoi(fraction)
	return plural.Cardinal.MatchPlural(tag, i, len(fraction), len(fraction), f, f)
}

// date writes a day as the recipient's language does, in their zone: date(t), date(t, "full").
func (c *caller) date(args ...any) (any, error) {
	at, day, style, err := timeArguments(args)
	if err != nil {
		return nil, err
	}
	return c.clock.date(at, day, style), nil
}

// time writes a time of day.
func (c *caller) time(args ...any) (any, error) {
	if err := takes(args, 1, 1); err != nil {
		return nil, err
	}
	at, day, _, err := timeArguments(args)
	switch {
	case err != nil:
		return nil, err
	case day:
		return nil, errors.New("is a day, not a time")
	}
	return c.clock.time(at), nil
}

// datetime writes both.
func (c *caller) datetime(args ...any) (any, error) {
	at, day, style, err := timeArguments(args)
	if err != nil {
		return nil, err
	}
	if day {
		return c.clock.date(at, day, style), nil
	}
	return c.clock.date(at, day, style) + ", " + c.clock.time(at), nil
}

func timeArguments(args []any) (at time.Time, day bool, style string, err error) {
	if err := takes(args, 1, 2); err != nil {
		return at, false, "", err
	}
	text, _ := args[0].(string)
	at, day, ok := readTime(text)
	if !ok {
		return at, false, "", errors.New("is neither a time such as 2026-12-24T18:00:00Z nor a day such as 2026-12-24")
	}
	style = "long"
	if len(args) == 2 {
		if style, ok = args[1].(string); !ok || !styles[style] {
			return at, false, "", errors.New("the style is none of short, medium, long, full")
		}
	}
	return at, day, style, nil
}

// texts makes a function of one that changes a text.
func texts(change func(string) string) function {
	return func(args ...any) (any, error) {
		if err := takes(args, 1, 1); err != nil {
			return nil, err
		}
		text, ok := textOf(args[0])
		if !ok {
			return nil, errors.New("is no text")
		}
		return change(text), nil
	}
}

// truncate shortens a text to so many characters, the last of which says so: truncate(text, 80).
func truncate(args ...any) (any, error) {
	if err := takes(args, 2, 2); err != nil {
		return nil, err
	}
	text, ok := textOf(args[0])
	most, isInt := args[1].(int)
	if !ok || !isInt || most < 1 {
		return nil, errors.New("takes a text and how many characters it may have")
	}
	if utf8.RuneCountInString(text) <= most {
		return text, nil
	}
	return strings.TrimRight(string([]rune(text)[:most-1]), " ") + "…", nil
}

// join joins the items of a list: join(names, ", ").
func join(args ...any) (any, error) {
	if err := takes(args, 1, 2); err != nil {
		return nil, err
	}
	if args[0] == nil {
		return "", nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, errors.New("is no list")
	}
	by := ", "
	if len(args) == 2 {
		if by, ok = args[1].(string); !ok {
			return nil, errors.New("what is put between the items is no text")
		}
	}
	var out strings.Builder
	for i, item := range list {
		text, ok := textOf(item)
		if !ok {
			return nil, errors.New("has items that are no texts")
		}
		if i > 0 {
			out.WriteString(by)
		}
		if out.WriteString(text); out.Len() > MaxOutput {
			return nil, errors.New("is too long")
		}
	}
	return out.String(), nil
}

// length is how many characters a text has, or items a list.
func length(args ...any) (any, error) {
	if err := takes(args, 1, 1); err != nil {
		return nil, err
	}
	switch v := args[0].(type) {
	case nil:
		return 0, nil
	case string:
		return utf8.RuneCountInString(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, errors.New("has no length")
}

// toString is a value as text.
func toString(args ...any) (any, error) {
	if err := takes(args, 1, 1); err != nil {
		return nil, err
	}
	text, ok := textOf(args[0])
	if !ok {
		return nil, errors.New("is no text")
	}
	return text, nil
}

// round rounds a number: round(2.345, 2).
func round(args ...any) (any, error) {
	if err := takes(args, 1, 2); err != nil {
		return nil, err
	}
	n, err := numberOf(args[0])
	if err != nil {
		return nil, err
	}
	digits, err := decimals(args)
	if err != nil {
		return nil, err
	}
	scale := math.Pow10(max(digits, 0))
	return math.Round(n*scale) / scale, nil
}

// raw has a text put in as it is: as Markdown where that is shown, as a part of a URL where that is followed. It has to be
// all of its expression.
func raw(args ...any) (any, error) {
	if err := takes(args, 1, 1); err != nil {
		return nil, err
	}
	text, ok := textOf(args[0])
	if !ok {
		return nil, errors.New("is no text")
	}
	return rawText(text), nil
}
