package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/state"
)

func (s suite) state(t *testing.T) {
	s.promise(t, "WhatIsWrittenIsRead", writtenIsRead)
	s.promise(t, "ETagGuardsAgainstOthers", etagGuards)
	s.promise(t, "NoETagCreatesOnly", noETagCreates)
	s.promise(t, "StarWritesWhateverIsThere", starWrites)
	s.promise(t, "DeletedIsGone", deletedIsGone)
	s.promise(t, "WrittenAgainIsNotTheOldOne", writtenAgainIsNew)
	s.promise(t, "ConflictWritesNothing", conflictWritesNothing)
	s.promise(t, "AppsAndTenantsAreApart", appsAndTenantsAreApart)
	s.promise(t, "ManyDocumentsAtOnce", manyDocuments)
	s.promise(t, "OneOfManyWritersWins", oneWriterWins)
}

func docKey(path string) state.Key { return state.Key{AppID: app, Tenant: tenant, Path: path} }

// doc is the document at a path, or none.
func (e *env) doc(path string) state.Document {
	e.Helper()
	found, err := e.ReadState(e.ctx, []state.Key{docKey(path)})
	e.ok(err)
	return found[docKey(path)]
}

func write(path, value, etag string) state.Write {
	return state.Write{Key: docKey(path), Value: jsontext.Value(value), ETag: etag}
}

// writes expects that the writes succeed.
func (e *env) writes(ws ...state.Write) {
	e.Helper()
	e.ok(e.WriteState(e.ctx, ws))
}

// conflicts expects that they do not.
func (e *env) conflicts(ws ...state.Write) {
	e.Helper()
	e.is(e.WriteState(e.ctx, ws), state.ErrConflict)
}

func writtenIsRead(e *env) {
	found, err := e.ReadState(e.ctx, []state.Key{docKey("x")})
	e.ok(err)
	if len(found) != 0 {
		e.Errorf("an empty store has %v", found)
	}
	found, err = e.ReadState(e.ctx, nil)
	e.ok(err)
	if len(found) != 0 {
		e.Errorf("nothing was asked for, but there is %v", found)
	}
	e.ok(e.WriteState(e.ctx, nil))

	odd := "channel/conversations/a;b=1@c|d%20é\u202e'\"/users/*/"
	big := `{"id":9007199254740993,"text":"é\"\\ 🙂","nested":{"a":[1,2.50,null]}}`
	e.writes(write("x", big, ""), write(odd, `{}`, ""))
	found, err = e.ReadState(e.ctx, []state.Key{docKey("x"), docKey("missing"), docKey(odd), docKey("x")})
	e.ok(err)
	if len(found) != 2 {
		e.Errorf("found %d documents, want 2", len(found))
	}
	equal(e.T, "x", found[docKey("x")].Value, jsontext.Value(big))
	equal(e.T, "odd path", found[docKey(odd)].Value, jsontext.Value(`{}`))
	if found[docKey("x")].ETag == "" {
		e.Error("a stored document has no ETag")
	}
}

func etagGuards(e *env) {
	e.writes(write("x", `{"n":1}`, ""))
	first := e.doc("x").ETag
	e.writes(write("x", `{"n":2}`, first))
	second := e.doc("x").ETag
	if second == first {
		e.Error("the ETag did not change with the write")
	}
	e.conflicts(write("x", `{"n":3}`, first))
	equal(e.T, "x", e.doc("x").Value, jsontext.Value(`{"n":2}`))
	e.writes(write("x", `{"n":2}`, second))
	if e.doc("x").ETag == second {
		e.Error("the ETag did not change when the same was written again")
	}
	e.conflicts(write("missing", `{}`, first))
	equal(e.T, "missing", e.doc("missing"), state.Document{})
}

func noETagCreates(e *env) {
	e.writes(write("x", `{"n":1}`, ""))
	e.conflicts(write("x", `{"n":2}`, ""))
	equal(e.T, "x", e.doc("x").Value, jsontext.Value(`{"n":1}`))
}

func starWrites(e *env) {
	e.writes(write("x", `{"n":1}`, "*"))
	first := e.doc("x")
	equal(e.T, "x", first.Value, jsontext.Value(`{"n":1}`))
	e.writes(write("x", `{"n":2}`, "*"))
	equal(e.T, "x", e.doc("x").Value, jsontext.Value(`{"n":2}`))
	e.conflicts(write("x", `{"n":3}`, first.ETag))
	e.writes(write("x", "", "*"))
	e.writes(write("x", "", "*"))
	equal(e.T, "x", e.doc("x"), state.Document{})
}

func deletedIsGone(e *env) {
	e.writes(write("x", `{"n":1}`, ""))
	old := e.doc("x").ETag
	e.writes(write("x", `{"n":2}`, old))
	e.conflicts(write("x", "", old))
	e.conflicts(write("x", "", ""))
	now := e.doc("x").ETag
	e.writes(write("x", "", now))
	equal(e.T, "x", e.doc("x"), state.Document{})
	e.conflicts(write("x", "", now))
	e.conflicts(write("x", `{"n":3}`, now))
	e.writes(write("x", "", ""))
}

// writtenAgainIsNew: whoever read a document before it was deleted must not overwrite the one that came after.
func writtenAgainIsNew(e *env) {
	e.writes(write("x", `{"n":1}`, ""))
	old := e.doc("x").ETag
	e.writes(write("x", "", old))
	e.writes(write("x", `{"n":1}`, ""))
	e.conflicts(write("x", `{"n":2}`, old))
}

func conflictWritesNothing(e *env) {
	e.writes(write("x", `{"n":1}`, ""), write("gone", `{"n":1}`, ""))
	before := e.doc("x")
	e.conflicts(write("new", `{"n":1}`, ""), write("x", `{"n":2}`, before.ETag), write("gone", "", "*"),
		write("x2", `{"n":2}`, "stale"))
	equal(e.T, "x", e.doc("x"), before)
	equal(e.T, "new", e.doc("new"), state.Document{})
	equal(e.T, "gone", e.doc("gone").Value, jsontext.Value(`{"n":1}`))
}

func appsAndTenantsAreApart(e *env) {
	keys := []state.Key{
		{AppID: "a", Tenant: "t", Path: "x"}, {AppID: "b", Tenant: "t", Path: "x"}, {AppID: "a", Tenant: "u", Path: "x"},
		{AppID: "a", Path: "x"}, {Tenant: "t", Path: "x"}, {AppID: "at", Path: "x"},
	}
	for i, key := range keys {
		e.writes(state.Write{Key: key, Value: jsontext.Value(fmt.Sprintf(`{"n":%d}`, i))})
	}
	found, err := e.ReadState(e.ctx, keys)
	e.ok(err)
	for i, key := range keys {
		equal(e.T, fmt.Sprintf("%+v", key), found[key].Value, jsontext.Value(fmt.Sprintf(`{"n":%d}`, i)))
	}
}

func manyDocuments(e *env) {
	const n = 2000
	ws := make([]state.Write, n)
	keys := make([]state.Key, n)
	for i := range n {
		ws[i] = write(fmt.Sprintf("users/%d/", i), fmt.Sprintf(`{"n":%d}`, i), "")
		keys[i] = ws[i].Key
	}
	e.writes(ws...)
	found, err := e.ReadState(e.ctx, keys)
	e.ok(err)
	if len(found) != n {
		e.Fatalf("read %d documents, want %d", len(found), n)
	}
	for i, key := range keys {
		equal(e.T, key.Path, found[key].Value, ws[i].Value)
	}
}

func oneWriterWins(e *env) {
	e.writes(write("x", `{"n":0}`, ""))
	etag := e.doc("x").ETag
	var won atomic.Int32
	together(20, func(i int) {
		err := e.WriteState(e.ctx, []state.Write{write("x", fmt.Sprintf(`{"n":%d}`, i), etag)})
		switch {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, state.ErrConflict):
			e.Error(err)
		}
	})
	if n := won.Load(); n != 1 {
		e.Errorf("%d writers won with the same ETag, want 1", n)
	}
}
