package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
)

// apiKey is where a key is, or -1. The store's lock is held.
func (s *Store) apiKey(appID, id string) int {
	return slices.IndexFunc(s.apiKeys, func(k access.Key) bool { return k.ID == id && k.AppID == appID })
}

// CreateAPIKey implements [access.Store].
func (s *Store) CreateAPIKey(_ context.Context, k access.Key) (access.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.apiKeys, func(other access.Key) bool { return other.ID == k.ID }) {
		return access.Key{}, access.ErrExists
	}
	k.Row = int64(len(s.apiKeys) + 1)
	s.apiKeys = append(s.apiKeys, k)
	return k, nil
}

// APIKey implements [access.Store].
func (s *Store) APIKey(_ context.Context, appID, id string) (access.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.apiKey(appID, id)
	if i < 0 {
		return access.Key{}, access.ErrNotFound
	}
	return s.apiKeys[i], nil
}

// APIKeys implements [access.Store].
func (s *Store) APIKeys(_ context.Context, appID string, after int64, limit int) ([]access.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []access.Key
	for _, k := range s.apiKeys {
		if k.AppID == appID && k.Row > after && len(found) < limit {
			found = append(found, k)
		}
	}
	return found, nil
}

// RevokeAPIKey implements [access.Store].
func (s *Store) RevokeAPIKey(_ context.Context, appID, id string, at time.Time) (access.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.apiKey(appID, id)
	if i < 0 {
		return access.Key{}, access.ErrNotFound
	}
	if s.apiKeys[i].RevokedAt.IsZero() {
		s.apiKeys[i].RevokedAt = at
	}
	return s.apiKeys[i], nil
}

// TouchAPIKeys implements [access.Store].
func (s *Store) TouchAPIKeys(_ context.Context, appID string, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range used {
		if i := s.apiKey(appID, id); i >= 0 && at.After(s.apiKeys[i].LastUsedAt) {
			s.apiKeys[i].LastUsedAt = at
		}
	}
	return nil
}
