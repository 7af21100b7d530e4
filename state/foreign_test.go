package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// profile is what the bots of the samples keep of a person.
type profile struct {
	Name  string   `json:"name"`
	Age   int64    `json:"age"`
	Likes []string `json:"likes"`
}

func TestWhatOtherSDKsHaveStoredIsRead(t *testing.T) {
	t.Parallel()
	want := profile{"Ann", 9007199254740993, []string{"tea", "rain"}}
	for name, doc := range map[string]state.Foreign{
		"JavaScript": {Key: "test/users/ann/", Body: jsontext.Value(
			`{"profile":{"name":"Ann","age":9007199254740993,"likes":["tea","rain"]},"eTag":"*"}`)},
		".NET": {Key: "test/users/ann/", Body: jsontext.Value(`{"$type":"System.Collections.Concurrent.ConcurrentDictionary",
			"profile":{"$type":"Bot.Profile, Bot","Name":"Ann","Age":9007199254740993,
			"Likes":{"$type":"System.Collections.Generic.List","$values":["tea","rain"]}}}`)},
		"Python": {Key: "test/users/ann/", Body: jsontext.Value(`{"profile":{"py/object":"bot.Profile","name":"Ann",
			"age":9007199254740993,"likes":{"py/tuple":["tea","rain"]}}}`)},
		"Cosmos DB": {Body: jsontext.Value(`{"id":"test*2fusers*2fann*2f","realId":"test/users/ann/","_etag":"\"1\"",
			"document":{"profile":{"name":"Ann","age":9007199254740993,"likes":["tea","rain"]}}}`)},
		"Cosmos DB without the key": {Body: jsontext.Value(`{"id":"test*2fusers*2fann*2f",
			"document":{"profile":{"name":"Ann","age":9007199254740993,"likes":["tea","rain"]}}}`)},
		"blob": {Key: "test%2Fusers%2Fann%2F", Body: jsontext.Value(
			`{"profile":{"name":"Ann","age":9007199254740993,"likes":["tea","rain"]}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			w, err := state.Import("app", "", doc)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.WriteState(t.Context(), []state.Write{w}); err != nil {
				t.Fatal(err)
			}
			kept := state.NewProperty[profile](state.User, "profile")
			err = say(t, store, "ann", "c", func(ctx context.Context, turn *headsup.Turn) error {
				got, err := kept.Load(ctx, turn)
				if got.Name != want.Name || got.Age != want.Age || strings.Join(got.Likes, " ") != "tea rain" {
					t.Errorf("read %+v, want %+v", got, want)
				}
				return errors.Join(err, kept.Set(ctx, turn, got))
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(t, store, "test/users/ann/"); got != `{"profile":{"name":"Ann","age":9007199254740993,"likes":["tea","rain"]}}` {
				t.Errorf("saved %s", got)
			}
		})
	}
}

func TestOwnDataIsNotTakenForAnothersMarks(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"text":"she wrote \"$type\" and \"py/object\""}`, `{"card":{"$type":"mine","$values":[1]}}`, `["$type"]`, `"py/object"`, `1`,
	} {
		clean, writer, err := state.Plain(jsontext.Value(raw))
		if err != nil || writer != state.WriterPlain || string(clean) != raw {
			t.Errorf("%s became %s of %q, error %v", raw, clean, writer, err)
		}
	}
}

func TestImportRefusesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for _, f := range []state.Foreign{
		{Key: "x/", Body: jsontext.Value(`[1]`)}, {Key: "x/", Body: jsontext.Value(`{"a":`)}, {Body: jsontext.Value(`{"a":1}`)},
		{Key: "a%2zb%2F", Body: jsontext.Value(`{}`)},
	} {
		if _, err := state.Import("app", "", f); err == nil {
			t.Errorf("imported %q: %s", f.Key, f.Body)
		}
	}
	var size *state.SizeError
	_, err := state.Import("app", "", state.Foreign{Key: "x/", Body: jsontext.Value(`{"a":1,"b":"` + strings.Repeat("b", state.MaxDocument) + `"}`)})
	if !errors.As(err, &size) || size.Largest != "b" {
		t.Errorf("error %v, want a SizeError because of b", err)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte(`{"$type":"T","a":{"$type":"L","$values":[{"$type":"T","b":1}]}}`))
	f.Add([]byte(`{"py/object":"x","a":{"py/set":[1]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		clean, _, err := state.Plain(raw)
		if err != nil {
			return
		}
		again, _, err := state.Plain(clean)
		if jsontext.Value(raw).IsValid() && (err != nil || !again.IsValid()) {
			t.Errorf("%s became %s, then %s, error %v", raw, clean, again, err)
		}
	})
}
