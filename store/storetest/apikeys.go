package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
)

func (s suite) apiKeys(t *testing.T) {
	s.promise(t, "KeyIsKeptAsItWasMade", apiKeyIsKept)
	s.promise(t, "IdsAreUnique", apiKeyIDs)
	s.promise(t, "AppsDoNotSeeEachOthersKeys", apiKeysOfApps)
	s.promise(t, "KeysAreListedOldestFirst", apiKeysAreListed)
	s.promise(t, "RevokedStaysRevoked", apiKeyRevoked)
	s.promise(t, "OneOfManyRevocationsCounts", apiKeyRevokedByMany)
	s.promise(t, "LastUseOnlyGoesForward", apiKeyTouched)
	s.promise(t, "UnknownKeys", unknownAPIKeys)
}

func (e *env) apiKey(id string) access.Key {
	return access.Key{
		ID: id, AppID: app, Name: "builds", Scopes: access.ScopesOf(access.Send, access.Read), Hash: access.Hash{1, 2, 255},
		Tenant: string(tenant), RatePerMinute: 60, CreatedAt: e.start, CreatedBy: "parent", ExpiresAt: e.at(time.Hour),
	}
}

func (e *env) makesAPIKey(k access.Key) access.Key {
	e.Helper()
	got, err := e.CreateAPIKey(e.ctx, k)
	e.ok(err)
	return got
}

func (e *env) isAPIKey(want access.Key) {
	e.Helper()
	got, err := e.APIKey(e.ctx, want.AppID, want.ID)
	e.ok(err)
	equal(e.T, "key", got, want)
}

func apiKeyIsKept(e *env) {
	want := e.apiKey("a")
	want.Row = 77 // the store's to set
	got := e.makesAPIKey(want)
	want.Row = got.Row
	if got.Row < 1 {
		e.Errorf("the row is %d", got.Row)
	}
	equal(e.T, "made", got, want)
	e.isAPIKey(want)

	plain := access.Key{ID: "b", AppID: app, Name: "n", Scopes: access.ScopesOf(access.Admin), CreatedAt: e.at(time.Second)}
	plain.Row = e.makesAPIKey(plain).Row
	e.isAPIKey(plain)
	if plain.Row <= want.Row {
		e.Errorf("row %d comes after row %d", plain.Row, want.Row)
	}
}

func apiKeyIDs(e *env) {
	first := e.makesAPIKey(e.apiKey("a"))
	other := e.apiKey("a")
	other.Name = "other"
	_, err := e.CreateAPIKey(e.ctx, other)
	e.is(err, access.ErrExists)
	other.AppID = "other"
	_, err = e.CreateAPIKey(e.ctx, other)
	e.is(err, access.ErrExists)
	e.isAPIKey(first)

	var made atomic.Int32
	together(20, func(int) {
		if _, err := e.CreateAPIKey(e.ctx, e.apiKey("b")); err == nil {
			made.Add(1)
		}
	})
	if made.Load() != 1 {
		e.Errorf("%d keys were made with one id", made.Load())
	}
}

func apiKeysOfApps(e *env) {
	k := e.makesAPIKey(e.apiKey("a"))
	_, err := e.APIKey(e.ctx, "other", "a")
	e.is(err, access.ErrNotFound)
	_, err = e.RevokeAPIKey(e.ctx, "other", "a", e.start)
	e.is(err, access.ErrNotFound)
	e.ok(e.TouchAPIKeys(e.ctx, "other", map[string]time.Time{"a": e.start}))
	found, err := e.APIKeys(e.ctx, "other", 0, 10)
	e.ok(err)
	if len(found) > 0 {
		e.Errorf("another app sees %+v", found)
	}
	e.isAPIKey(k)
}

func apiKeysAreListed(e *env) {
	var want []access.Key
	for i := range 5 {
		want = append(want, e.makesAPIKey(e.apiKey(fmt.Sprint("k", i))))
	}
	revoked, err := e.RevokeAPIKey(e.ctx, app, "k1", e.at(time.Minute))
	e.ok(err)
	want[1] = revoked
	page := func(after int64, limit int, want ...access.Key) {
		e.Helper()
		got, err := e.APIKeys(e.ctx, app, after, limit)
		e.ok(err)
		if len(got) != len(want) {
			e.Fatalf("%d keys, want %d", len(got), len(want))
		}
		for i := range want {
			equal(e.T, "listed", got[i], want[i])
		}
	}
	page(0, 10, want...)
	page(0, 2, want[:2]...)
	page(want[1].Row, 2, want[2:4]...)
	page(want[4].Row, 2)
}

func apiKeyRevoked(e *env) {
	k := e.makesAPIKey(e.apiKey("a"))
	k.RevokedAt = e.at(time.Minute)
	got, err := e.RevokeAPIKey(e.ctx, app, "a", k.RevokedAt)
	e.ok(err)
	equal(e.T, "revoked", got, k)
	e.isAPIKey(k)
	got, err = e.RevokeAPIKey(e.ctx, app, "a", e.at(time.Hour))
	e.ok(err)
	equal(e.T, "revoked again", got, k)
	e.isAPIKey(k)
}

func apiKeyRevokedByMany(e *env) {
	e.makesAPIKey(e.apiKey("a"))
	var got [20]access.Key
	together(len(got), func(i int) {
		k, err := e.RevokeAPIKey(e.ctx, app, "a", e.at(time.Duration(i+1)*time.Second))
		if err != nil {
			e.Error(err)
		}
		got[i] = k
	})
	for _, k := range got[1:] {
		equal(e.T, "revoked at once", k, got[0])
	}
	e.isAPIKey(got[0])
}

func apiKeyTouched(e *env) {
	a, b := e.makesAPIKey(e.apiKey("a")), e.makesAPIKey(e.apiKey("b"))
	touch := func(used map[string]time.Time) {
		e.Helper()
		e.ok(e.TouchAPIKeys(e.ctx, app, used))
		e.isAPIKey(a)
		e.isAPIKey(b)
	}
	a.LastUsedAt, b.LastUsedAt = e.at(time.Minute), e.at(time.Second)
	touch(map[string]time.Time{"a": e.at(time.Minute), "b": e.at(time.Second), "unknown": e.start})
	b.LastUsedAt = e.at(2 * time.Minute)
	touch(map[string]time.Time{"a": e.at(time.Second), "b": e.at(2 * time.Minute)})
	touch(nil)
}

func unknownAPIKeys(e *env) {
	_, err := e.APIKey(e.ctx, app, "none")
	e.is(err, access.ErrNotFound)
	_, err = e.RevokeAPIKey(e.ctx, app, "none", e.start)
	e.is(err, access.ErrNotFound)
	e.ok(e.TouchAPIKeys(e.ctx, app, map[string]time.Time{"none": e.start}))
	found, err := e.APIKeys(e.ctx, app, 0, 10)
	e.ok(err)
	if len(found) > 0 {
		e.Errorf("found %+v", found)
	}
}

func apiKeysAreThere(e *env, again func(*env)) {
	kept := e.makesAPIKey(e.apiKey("a"))
	e.makesAPIKey(e.apiKey("b"))
	revoked, err := e.RevokeAPIKey(e.ctx, app, "b", e.at(time.Minute))
	e.ok(err)
	again(e)

	e.isAPIKey(kept)
	e.isAPIKey(revoked)
}
