package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/rotation"
)

// settings is a store of settings that nodes share.
type settings struct {
	mu     sync.Mutex
	values map[string]string // guarded by mu
	err    error             // guarded by mu
}

func (s *settings) Setting(_ context.Context, name string) (string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[name]
	return v, ok, s.err
}

func (s *settings) SetSettingOnce(_ context.Context, name, value string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.values[name]; !ok {
		s.values[name] = value
	}
	return s.values[name], s.err
}

func (s *settings) SwapSetting(_ context.Context, name, was, value string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[name] != was {
		return false, s.err
	}
	s.values[name] = value
	return true, s.err
}

func newSettings() *settings { return &settings{values: make(map[string]string)} }

const life = 30 * time.Minute

func open(t *testing.T, s *settings) *rotation.Ring {
	t.Helper()
	var made atomic.Int64
	r, err := rotation.Open(t.Context(), rotation.Config{
		Store: s, Name: "keys", Life: life, Make: func() (string, error) { return fmt.Sprintf("secret %d %p", made.Add(1), &made), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(r *rotation.Ring) (list []string) {
	for _, s := range r.Secrets() {
		list = append(list, s.ID)
	}
	return list
}

func rotate(t *testing.T, r *rotation.Ring, atOnce bool) string {
	t.Helper()
	id, err := r.Rotate(t.Context(), atOnce)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestNewSecretIsKnownBeforeItSigns and the old one as long as anything that it has signed is good.
func TestNewSecretIsKnownBeforeItSigns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, newSettings())
		first := ids(r)[0]
		second := rotate(t, r, false)
		want := func(want ...string) {
			t.Helper()
			if got := ids(r); !slices.Equal(got, want) {
				t.Errorf("good are %v, want %v", got, want)
			}
		}
		want(first, second)
		if _, err := r.Rotate(t.Context(), false); !errors.Is(err, rotation.ErrUnderWay) {
			t.Errorf("another one at once: %v", err)
		}
		time.Sleep(2 * time.Minute)
		want(second, first)
		states := r.States()
		if len(states) != 2 || !states[0].Signs || states[0].ID != second || !states[1].Until.After(time.Now().Add(life)) {
			t.Errorf("they stand %+v", states)
		}
		third := rotate(t, r, false)
		want(second, third, first)
		time.Sleep(life + 2*time.Minute)
		want(third, second)
		time.Sleep(life)
		want(third)
	})
}

// TestReplacedAtOnceNothingElseIsGood, whatever was under way.
func TestReplacedAtOnceNothingElseIsGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, newSettings())
		rotate(t, r, false)
		id := rotate(t, r, true)
		if got := ids(r); !slices.Equal(got, []string{id}) {
			t.Errorf("good are %v, want %s", got, id)
		}
	})
}

// TestNoTokenIsRefusedOnAnyNode: three nodes sign and check each other's tokens all the time, while one of them replaces the
// secret again and again, each by its own ring.
func TestNoTokenIsRefusedOnAnyNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSettings()
		nodes := []*rotation.Ring{open(t, s), open(t, s), open(t, s)}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, r := range nodes {
			running.Go(func() { r.Run(ctx, func(err error) { t.Error(err) }) })
		}
		type token struct {
			secret string
			until  time.Time
		}
		var tokens []token
		signed := make(map[string]bool)
		for minute := range 240 {
			if minute%7 == 3 {
				rotate(t, nodes[minute%3], false)
			}
			for range 60 {
				for _, r := range nodes {
					signs := r.Secrets()[0]
					signed[signs.ID] = true
					tokens = append(tokens, token{signs.Text, time.Now().Add(life)})
				}
				time.Sleep(time.Second)
			}
			for _, r := range nodes {
				good := make(map[string]bool)
				for _, secret := range r.Secrets() {
					good[secret.Text] = true
				}
				for _, tk := range tokens {
					if time.Now().Before(tk.until) && !good[tk.secret] {
						t.Fatalf("in minute %d a token is refused that is good for another %v", minute, time.Until(tk.until))
					}
				}
			}
			tokens = slices.DeleteFunc(tokens, func(tk token) bool { return !time.Now().Before(tk.until) })
		}
		if len(signed) < 30 {
			t.Errorf("%d secrets have signed", len(signed))
		}
		if kept := nodes[0].States(); len(kept) > 8 {
			t.Errorf("%d secrets are kept", len(kept))
		}
		if a, b := ids(nodes[0]), ids(nodes[2]); !slices.Equal(a, b) {
			t.Errorf("nodes have %v and %v", a, b)
		}
		cancel()
		running.Wait()
	})
}

// TestNodesThatReplaceTogether: of two that do it at once, one does.
func TestNodesThatReplaceTogether(t *testing.T) {
	t.Parallel()
	s := newSettings()
	a, b := open(t, s), open(t, s)
	var group sync.WaitGroup
	errs := make([]error, 2)
	for i, r := range []*rotation.Ring{a, b} {
		group.Go(func() { _, errs[i] = r.Rotate(t.Context(), false) })
	}
	group.Wait()
	failed := 0
	for _, err := range errs {
		if errors.Is(err, rotation.ErrUnderWay) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failed != 1 {
		t.Errorf("%d of two were too late", failed)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	r := open(t, newSettings())
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, r.Secrets()); !slices.Contains([]string{"[" + ids(r)[0] + "]"}, text) && format != "%#v" {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func TestWhatIsStoredIsLookedAt(t *testing.T) {
	t.Parallel()
	s := newSettings()
	s.values["keys"] = "nonsense"
	cfg := rotation.Config{Store: s, Name: "keys", Life: life, Make: func() (string, error) { return "x", nil }}
	if _, err := rotation.Open(t.Context(), cfg); err == nil {
		t.Error("nonsense is taken for secrets")
	}
	s.values["keys"] = `{"secrets":[]}`
	if _, err := rotation.Open(t.Context(), cfg); err == nil {
		t.Error("no secrets are taken for secrets")
	}
	for name, change := range map[string]func(*rotation.Config){
		"Store": func(c *rotation.Config) { c.Store = nil }, "Name": func(c *rotation.Config) { c.Name = "" },
		"Make": func(c *rotation.Config) { c.Make = nil }, "Life": func(c *rotation.Config) { c.Life = 0 },
	} {
		wrong := cfg
		change(&wrong)
		if _, err := rotation.Open(t.Context(), wrong); err == nil {
			t.Errorf("without %s it opens", name)
		}
	}
}
