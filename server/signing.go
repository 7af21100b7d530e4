package server

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/headsup-bot/headsup/internal/rotation"
)

// lineTokenLife is how long tokens of the embedded channel are good (package directline).
const lineTokenLife = 30 * time.Minute

// openTokenKeys reads the secrets that all nodes sign tokens of the embedded channel with, or makes the first.
func (s *Server) openTokenKeys(ctx context.Context) (err error) {
	s.tokenKeys, err = rotation.Open(ctx, rotation.Config{
		Store: s.store, Name: "directline_token_keys", Life: lineTokenLife, Lead: s.cfg.SigningLead,
		Make: func() (string, error) { return rand.Text() + rand.Text(), nil },
	})
	return err
}

// tokenSecrets are those that are good, the one that signs first.
func (s *Server) tokenSecrets() []string {
	good := s.tokenKeys.Secrets()
	all := make([]string, len(good))
	for i := range good {
		all[i] = good[i].Text
	}
	return all
}

// signingKeys are those that can be replaced, by what they sign: tokens of the embedded channel, and those that a bot in
// another process is shown.
func (s *Server) signingKeys() map[string]*rotation.Ring {
	all := map[string]*rotation.Ring{"directline": s.tokenKeys}
	if s.issuer != nil {
		all["bot"] = s.issuer.ring
	}
	return all
}

func (s *Server) ringFailed(err error) {
	s.log.Warn("signing keys not looked at", "error", err.Error())
}
