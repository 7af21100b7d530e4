package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is said, which the server has too: here they come before anything is read into memory.
const (
	maxText  = 65536          // bytes
	maxInput = maxText + 1024 // bytes, newlines at the end included
	maxFile  = 1 << 20        // bytes of a file or the input with JSON
)

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

// object is a flag's JSON object, with nothing around it.
func object(flag string, raw []byte) ([]byte, error) {
	v := jsontext.Value(raw)
	if err := v.Compact(); err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if v.Kind() != '{' {
		return nil, fmt.Errorf("%s: is not a JSON object", flag)
	}
	return v, nil
}
