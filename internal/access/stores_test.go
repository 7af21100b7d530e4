package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestRevokedElsewhereWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	k, secret := r.create(access.NewKey{})
	if _, refused := r.enter(secret, far); refused != nil {
		t.Fatal(refused)
	}
	if _, err := r.store.RevokeAPIKey(t.Context(), "app", k.ID, r.clock.Now()); err != nil { // by another node
		t.Fatal(err)
	}
	r.clock.add(5 * time.Second)
	if _, refused := r.enter(secret, far); refused == nil {
		t.Error("the key is still good")
	}
}

// slowStore holds a look-up back after it has read.
type slowStore struct {
	*memory.Store
	read, answer chan struct{}
}

func (s slowStore) APIKey(ctx context.Context, appID, id string) (access.Key, error) {
	k, err := s.Store.APIKey(ctx, appID, id)
	select {
	case s.read <- struct{}{}:
		<-s.answer
	default:
	}
	return k, err
}

func TestLookUpDuringRevocationDoesNotBringTheKeyBack(t *testing.T) {
	t.Parallel()
	slow := slowStore{read: make(chan struct{}), answer: make(chan struct{})}
	r := newRing(t, func(c *access.Config) {
		slow.Store = memory.New()
		c.Store = slow
	})
	k, secret := r.create(access.NewKey{})
	done := make(chan *access.Refusal)
	go func() {
		_, refused := r.enter(secret, far)
		done <- refused
	}()
	<-slow.read
	if _, err := r.Revoke(t.Context(), admin, k.ID); err != nil {
		t.Fatal(err)
	}
	close(slow.answer)
	if refused := <-done; refused == nil {
		t.Error("let in by what was read before")
	}
	if _, refused := r.enter(secret, far); refused == nil {
		t.Error("what was read before is remembered")
	}
}

type brokenStore struct{ access.Store }

func (brokenStore) APIKey(context.Context, string, string) (access.Key, error) {
	return access.Key{}, errors.New("the disk is gone")
}

func TestNobodyIsRefusedForTheDisk(t *testing.T) {
	t.Parallel()
	k, err := access.New(access.Config{AppID: "app", Store: brokenStore{}})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, secret := newRing(t).create(access.NewKey{})
	req.Header.Set("Authorization", "Bearer "+secret)
	who, err := k.Enter(req)
	if _, refused := errors.AsType[*access.Refusal](err); err == nil || refused || who != (access.Identity{}) {
		t.Errorf("%+v, %v", who, err)
	}
}

// countingStore counts writes of last uses.
type countingStore struct {
	*memory.Store
	mu      sync.Mutex
	touches int  // guarded by mu
	broken  bool // guarded by mu
}

func (s *countingStore) TouchAPIKeys(ctx context.Context, appID string, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touches++
	if s.broken {
		return errors.New("the disk is full")
	}
	return s.Store.TouchAPIKeys(ctx, appID, used)
}

func TestLastUseIsKeptWithoutAWritePerRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &countingStore{Store: memory.New()}
		r := newRing(t, func(c *access.Config) { c.Store, c.Now = store, nil })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		k, secret := r.create(access.NewKey{})
		touches := func() int {
			store.mu.Lock()
			defer store.mu.Unlock()
			return store.touches
		}
		stored := func() time.Time {
			kept, err := store.APIKey(t.Context(), "app", k.ID)
			if err != nil {
				t.Fatal(err)
			}
			return kept.LastUsedAt
		}
		use := func() time.Time {
			if _, refused := r.enter(secret, far); refused != nil {
				t.Fatal(refused)
			}
			return time.Now()
		}
		var last time.Time
		for range 1000 {
			last = use()
			time.Sleep(time.Millisecond)
		}
		if shown, err := r.Key(t.Context(), k.ID); err != nil || !shown.LastUsedAt.Equal(last) || !stored().IsZero() {
			t.Errorf("shown as used at %v, stored as %v, %v", shown.LastUsedAt, stored(), err)
		}
		if listed, err := r.Keys(t.Context(), 0, 10); err != nil || !listed[0].LastUsedAt.Equal(last) {
			t.Errorf("listed %+v, %v", listed, err)
		}
		time.Sleep(time.Minute)
		if touches() != 1 || !stored().Equal(last) {
			t.Errorf("%d writes for 1000 requests, stored %v, want %v", touches(), stored(), last)
		}
		time.Sleep(time.Hour)
		if touches() != 1 {
			t.Errorf("%d writes without a request", touches())
		}
		store.mu.Lock()
		store.broken = true
		store.mu.Unlock()
		last = use()
		time.Sleep(2 * time.Minute)
		store.mu.Lock()
		store.broken = false
		store.mu.Unlock()
		stop()
		<-done
		if !stored().Equal(last) {
			t.Errorf("at the end %v is stored, want %v", stored(), last)
		}
	})
}
