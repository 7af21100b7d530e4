package activity_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// vector is one file of testdata/vectors: an activity as a channel sends it, and what follows from it.
type vector struct {
	Name         string         `json:"name"`
	Why          string         `json:"why"`
	Input        jsontext.Value `json:"input"`
	Reference    jsontext.Value `json:"reference"`
	Continuation jsontext.Value `json:"continuation"`
	Reply        jsontext.Value `json:"reply"`
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	files, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) != 46 {
		tb.Fatalf("%d vectors, want 46", len(files))
	}
	var all []vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(data, &v); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	return all
}

func vectorNamed(tb testing.TB, name string) vector {
	tb.Helper()
	for _, v := range vectors(tb) {
		if v.Name == name {
			return v
		}
	}
	tb.Fatalf("no vector %s", name)
	return vector{}
}

// sameJSON compares as JSON values: the order of members does not matter, every digit of a number does.
func sameJSON(tb testing.TB, what string, got, want []byte) {
	tb.Helper()
	g, w := canonical(tb, got), canonical(tb, want)
	if g != w {
		tb.Errorf("%s\n got %s\nwant %s", what, g, w)
	}
}

func canonical(tb testing.TB, data []byte) string {
	tb.Helper()
	v := jsontext.Value(data).Clone()
	err := v.Format(jsontext.ReorderRawObjects(true), jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
	if err != nil {
		tb.Fatalf("%v in %s", err, data)
	}
	return v.String()
}

func decode(tb testing.TB, body string) *activity.Activity {
	tb.Helper()
	a, err := activity.Decode([]byte(body))
	if err != nil {
		tb.Fatalf("decode %.200s: %v", body, err)
	}
	return a
}

func encode(tb testing.TB, a *activity.Activity) string {
	tb.Helper()
	data, err := activity.Encode(a)
	if err != nil {
		tb.Fatalf("encode: %v", err)
	}
	return string(data)
}

// nested returns a JSON list in a list in a list, n deep.
func nested(n int) string {
	return strings.Repeat("[", n) + strings.Repeat("]", n)
}
