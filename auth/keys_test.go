package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// clock is moved by hand, and stands still otherwise, however slow the machine is.
type clock struct{ ahead atomic.Int64 }

var start = time.Now()

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// watched is a verifier with its login server and clock.
type watched struct {
	*auth.Tokens
	login *fakelogin.Server
	clock *clock
}

func newWatched(t *testing.T) watched {
	t.Helper()
	w := watched{login: newLogin(t), clock: new(clock)}
	w.Tokens = newTokens(t, w.login, func(c *auth.Config) { c.Now = w.clock.now })
	return w
}

// try verifies a good token that a key has signed.
func (w watched) try(t *testing.T, key *fakelogin.Key) error {
	t.Helper()
	return w.show(t, w.good(key))
}

// good is a token that is good now.
func (w watched) good(key *fakelogin.Key) string {
	now := w.clock.now()
	return key.Sign(claims(map[string]any{"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix()}))
}

// show verifies a token.
func (w watched) show(t *testing.T, token string) error {
	t.Helper()
	_, err := w.Verify(t.Context(), bearer(token), said(nil))
	return err
}

// settles waits until something that happens beside the calls has happened.
func settles(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never came to that", what)
		}
	}
}

// newKey has an id of its own; the numbers are those of a key that exists, since they take long to make.
func newKey(id string) *fakelogin.Key {
	k := *otherKey()
	k.ID = id
	return &k
}

func serve(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestManyFirstCallersFetchTheKeysOnce (J59).
func TestManyFirstCallersFetchTheKeysOnce(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	token := w.good(channelKey()) // signed once: to sign a thousand keeps a slow machine from fetching
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			if err := w.show(t, token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.login.Channel.Fetches(); n != (fakelogin.Fetches{Metadata: 1, Keys: 1}) {
		t.Errorf("fetched %+v", n)
	}
}

// TestNewKeysAreLearntWhenTheyAreUsed (J18, J17): a key that was withdrawn is refused from then on.
func TestNewKeysAreLearntWhenTheyAreUsed(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	next := newKey("channel-2")
	w.login.Channel.Publish(next)
	if err := w.try(t, next); err != nil {
		t.Errorf("a new key: %v", err)
	}
	if err := w.try(t, channelKey()); status(t, err) != http.StatusUnauthorized {
		t.Errorf("a key that was withdrawn: %v", err)
	}
}

// TestWithdrawnKeysAreForgottenWithinTheDay (J17), without anybody asking for a new one.
func TestWithdrawnKeysAreForgottenWithinTheDay(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	w.login.Channel.Publish(newKey("channel-2"))
	w.clock.advance(2 * time.Hour)
	settles(t, "the key is still good", func() bool { return w.try(t, channelKey()) != nil })
}

// TestUnknownKeysFetchLittle (J15, J16).
func TestUnknownKeysFetchLittle(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	storm := func() {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for j := range 20 {
					if err := w.try(t, newKey(fmt.Sprint(i, "-", j))); status(t, err) != http.StatusUnauthorized {
						t.Errorf("an unknown key: %v", err)
					}
					if err := w.try(t, channelKey()); err != nil {
						t.Errorf("a good key meanwhile: %v", err)
					}
				}
			})
		}
		all.Wait()
	}
	storm()
	if n := w.login.Channel.Fetches(); n.Keys > 3 {
		t.Errorf("a thousand unknown keys had them fetched %d times", n.Keys-1)
	}
	w.clock.advance(6 * time.Minute)
	storm()
	if n := w.login.Channel.Fetches(); n.Keys > 5 {
		t.Errorf("in the next minutes they were fetched %d times in all", n.Keys-1)
	}
}

// TestWithoutKeysNobodyIsLetIn (J54): callers are asked to come again, and the keys are fetched when they can be.
func TestWithoutKeysNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.login.Channel.Answer(serve(http.StatusServiceUnavailable, ""), nil)
	for range 50 {
		if err := w.try(t, channelKey()); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Fatalf("without keys: %v", err)
		}
	}
	if n := w.login.Channel.Fetches(); n.Metadata > 2 {
		t.Errorf("50 callers had the metadata fetched %d times", n.Metadata)
	}
	w.login.Channel.Answer(nil, nil)
	w.clock.advance(2 * time.Minute)
	if err := w.try(t, channelKey()); err != nil {
		t.Errorf("when the keys are there again: %v", err)
	}
}

// TestKeysOutliveTheirIssuer (J55): for 24 hours.
func TestKeysOutliveTheirIssuer(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	w.login.Channel.Answer(nil, serve(http.StatusBadGateway, ""))
	for range 23 {
		w.clock.advance(time.Hour)
		if err := w.try(t, channelKey()); err != nil {
			t.Fatal(err)
		}
	}
	settles(t, "the keys are still good", func() bool {
		w.clock.advance(2 * time.Minute)
		return errors.Is(w.try(t, channelKey()), auth.ErrKeysUnavailable)
	})
	if ahead := time.Duration(w.clock.ahead.Load()); ahead < 24*time.Hour-time.Minute || ahead > 24*time.Hour+10*time.Minute {
		t.Errorf("the keys were good for %v", ahead)
	}
}

// TestBadAnswersReplaceNoKeys (J56).
func TestBadAnswersReplaceNoKeys(t *testing.T) {
	t.Parallel()
	published := func(w watched, change func(map[string]any)) http.HandlerFunc {
		m := w.login.Channel.Metadata()
		change(m)
		return fakelogin.JSON(m)
	}
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/keys", http.StatusMovedPermanently)
	}
	for name, answers := range map[string]func(w watched) (metadata, keys http.HandlerFunc){
		"HTML":    func(watched) (http.HandlerFunc, http.HandlerFunc) { return nil, serve(200, "<html>welcome</html>") },
		"nothing": func(watched) (http.HandlerFunc, http.HandlerFunc) { return nil, serve(200, "") },
		"no keys": func(watched) (http.HandlerFunc, http.HandlerFunc) { return nil, serve(200, `{"keys":[]}`) },
		"too much": func(watched) (http.HandlerFunc, http.HandlerFunc) {
			return nil, serve(200, `{"keys":[],"x":"`+strings.Repeat("x", 2<<20)+`"}`)
		},
		"a redirect":          func(watched) (http.HandlerFunc, http.HandlerFunc) { return nil, elsewhere },
		"redirected metadata": func(watched) (http.HandlerFunc, http.HandlerFunc) { return elsewhere, nil },
		"two of a name":       func(watched) (http.HandlerFunc, http.HandlerFunc) { return nil, serve(200, `{"keys":[],"keys":[]}`) },
		"metadata not found":  func(watched) (http.HandlerFunc, http.HandlerFunc) { return serve(404, `{}`), nil },
		"another issuer": func(w watched) (http.HandlerFunc, http.HandlerFunc) {
			return published(w, func(m map[string]any) { m["issuer"] = "https://api.botframework.us" }), nil
		},
		"keys of another host": func(w watched) (http.HandlerFunc, http.HandlerFunc) {
			return published(w, func(m map[string]any) { m["jwks_uri"] = "https://evil.example/keys" }), nil
		},
		"keys at another port": func(w watched) (http.HandlerFunc, http.HandlerFunc) {
			return published(w, func(m map[string]any) { m["jwks_uri"] = "http://127.0.0.1:1/keys" }), nil
		},
		"keys of a file": func(w watched) (http.HandlerFunc, http.HandlerFunc) {
			return published(w, func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" }), nil
		},
		"another algorithm": func(w watched) (http.HandlerFunc, http.HandlerFunc) {
			return published(w, func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"HS256"} }), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			if err := w.try(t, channelKey()); err != nil {
				t.Fatal(err)
			}
			w.login.Channel.Answer(answers(w))
			before := w.login.Channel.Fetches()
			if err := w.try(t, newKey("nobody's")); status(t, err) != http.StatusUnauthorized {
				t.Errorf("an unknown key: %v", err)
			}
			if w.login.Channel.Fetches() == before {
				t.Error("nothing was fetched")
			}
			if err := w.try(t, channelKey()); err != nil {
				t.Errorf("a good key after it: %v", err)
			}
		})
	}
}

// TestWeakAndForeignKeysSignNothing (J57): they are left out, and the others are not.
func TestWeakAndForeignKeysSignNothing(t *testing.T) {
	t.Parallel()
	encode := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	for name, change := range map[string]func(map[string]any){
		"symmetric":         func(k map[string]any) { k["kty"], k["k"] = "oct", k["n"] },
		"512 bits":          func(k map[string]any) { k["n"] = encode(new(big.Int).Lsh(big.NewInt(3), 510)) },
		"even":              func(k map[string]any) { k["n"] = encode(new(big.Int).Lsh(big.NewInt(3), 2047)) },
		"exponent 1":        func(k map[string]any) { k["e"] = "AQ" },
		"no modulus":        func(k map[string]any) { delete(k, "n") },
		"number as modulus": func(k map[string]any) { k["n"] = 7 },
		"padded modulus":    func(k map[string]any) { k["n"] = k["n"].(string) + "=" },
		"for encryption":    func(k map[string]any) { k["use"] = "enc" },
		"for HS256":         func(k map[string]any) { k["alg"] = "HS256" },
		"without an id":     func(k map[string]any) { delete(k, "kid") },
	} {
		w := newWatched(t)
		bad := newKey("bad").Published()
		change(bad)
		w.login.Channel.Publish(bad, channelKey())
		if err := w.try(t, newKey("bad")); status(t, err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.try(t, channelKey()); err != nil {
			t.Errorf("%s: the good key beside it: %v", name, err)
		}
	}

	w := newWatched(t)
	w.login.Channel.Publish(newKey("twice"), channelKey(), newKey("twice"))
	if err := w.try(t, newKey("twice")); status(t, err) != http.StatusUnauthorized {
		t.Errorf("an id that two keys have: %v", err)
	}
}

// TestSlowIssuersHoldUpNobodyWithAGoodKey (J16, J56).
func TestSlowIssuersHoldUpNobodyWithAGoodKey(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	began, stop := make(chan struct{}, 10), make(chan struct{})
	defer close(stop)
	w.login.Channel.Answer(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}, nil)
	w.clock.advance(2 * time.Hour)
	for range 100 { // the first of them has the keys fetched, which hangs
		if err := w.try(t, channelKey()); err != nil {
			t.Fatal(err)
		}
	}
	<-began
}
