package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
)

// Limits of what is said, which the server has too: here they come before anything is read into memory.
const (
	maxText  = 65536          // bytes
	maxInput = maxText + 1024 // bytes, newlines at the end included
	maxFile  = 1 << 20        // bytes of a file or the input with JSON
)

// content are the flags that say what, besides the text.
type content struct {
	Markdown bool   `xor:"content" help:"The text is Markdown."`
	Card     string `xor:"content" placeholder:"FILE" help:"Show an Adaptive Card, as JSON; - reads standard input."`
	Notice   string `xor:"content" placeholder:"FILE" help:"Say it in its parts (what, item, actor, actions, ...), as JSON; - reads standard input."`
	Template string `xor:"content,summary" placeholder:"NAME" help:"Say a template of the server, to each recipient in their language."`
	Values   string `placeholder:"FILE" help:"With --template: its data, as JSON; - reads standard input."`
	Activity string `xor:"content,summary" placeholder:"FILE" help:"Send an activity of the Bot Framework protocol, as JSON; - reads standard input."`
	Summary  string `xor:"summary" placeholder:"TEXT" help:"The same in a few words, for pop-ups and channels that cannot show it."`
}

// said is what is said: one of all but the summary.
type said struct {
	text, markdown string
	activity, card []byte
	notice         *api.Notice
	template       *api.TemplateUse
	summary        string
}

// silent reports whether nothing is to be said.
func (c content) silent(text *string) bool {
	return text == nil && c.Card == "" && c.Notice == "" && c.Activity == "" && c.Template == ""
}

// read is what the flags, the text or the input have to say.
func (c content) read(text *string, in io.Reader) (s said, err error) {
	s.summary = c.Summary
	switch {
	case text != nil && (c.Card != "" || c.Notice != "" || c.Activity != "" || c.Template != ""):
		return s, errors.New("--card, --notice, --activity, --template: are instead of a text")
	case c.Values != "" && c.Template == "":
		return s, errors.New("--values: is for --template")
	case c.Template != "":
		s.template, err = templateUse(c.Template, c.Values, in)
	case c.Card != "":
		s.card, err = jsonFile("--card", c.Card, in)
	case c.Notice != "":
		s.notice, err = noticeFile(c.Notice, in)
	case c.Activity != "":
		s.activity, err = jsonFile("--activity", c.Activity, in)
	case c.Markdown:
		s.markdown, err = textOf(text, in)
	default:
		s.text, err = textOf(text, in)
	}
	return s, err
}

// textOf is what to say: the argument, or what the input has, without the newlines that commands end their output with.
func textOf(arg *string, in io.Reader) (string, error) {
	text := ""
	switch {
	case arg != nil && *arg != "-":
		text = *arg
	case arg == nil && terminal(in):
		return "", errors.New("nothing to say: give the text, or pipe it in")
	default:
		raw, err := io.ReadAll(io.LimitReader(in, maxInput))
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		if len(raw) == maxInput {
			return "", fmt.Errorf("the text is longer than %d bytes", maxText)
		}
		text = strings.TrimRight(string(raw), "\r\n")
	}
	switch {
	case text == "":
		return "", errors.New("nothing to say: the text is empty")
	case len(text) > maxText:
		return "", fmt.Errorf("the text is longer than %d bytes", maxText)
	case !utf8.ValidString(text):
		return "", errors.New("the text is not valid UTF-8")
	}
	return text, nil
}

// templateUse is a template with the data in a file.
func templateUse(name, values string, in io.Reader) (*api.TemplateUse, error) {
	use := &api.TemplateUse{Name: name}
	if values == "" {
		return use, nil
	}
	var err error
	use.Data, err = jsonFile("--values", values, in)
	return use, err
}

// noticeFile is the notice in a file. What is in its members is for the server to check.
func noticeFile(name string, in io.Reader) (*api.Notice, error) {
	raw, err := jsonFile("--notice", name, in)
	if err != nil {
		return nil, err
	}
	n := new(api.Notice)
	if err := written(raw, n); err != nil {
		return nil, fmt.Errorf("--notice: %w", err)
	}
	return n, nil
}

// jsonFile is the JSON object in a file, or in the input if the file is called -.
func jsonFile(flag, name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", flag, err)
	case len(raw) > maxFile:
		return nil, fmt.Errorf("%s: %s is larger than %d bytes", flag, name, maxFile)
	}
	return object(flag, raw)
}

// written reads what people have written as JSON. What is wrong is told in terms of that, and not of ours.
func written(raw []byte, into any) error {
	err := json.Unmarshal(raw, into, json.RejectUnknownMembers(true))
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return err
	}
	at := strings.ReplaceAll(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/", ".")
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("%s: is no member of it", at)
	}
	return fmt.Errorf("%s: is not of the right type", cmp.Or(at, "it"))
}

// object is a flag's JSON object, with nothing around it.
func object(flag string, raw []byte) ([]byte, error) {
	v := jsontext.Value(raw)
	if err := v.Compact(); err != nil {
		return nil, fmt.Errorf("%s: is not JSON: %s", flag, strings.TrimPrefix(err.Error(), "jsontext: "))
	}
	if v.Kind() != '{' {
		return nil, fmt.Errorf("%s: is not a JSON object", flag)
	}
	return v, nil
}
