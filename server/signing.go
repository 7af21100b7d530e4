package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/internal/rotation"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/proactive"
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

// openActionKeys reads the secrets that all nodes sign tickets with, or makes the first.
func (s *Server) openActionKeys(ctx context.Context) (err error) {
	s.actionKeys, err = rotation.Open(ctx, rotation.Config{
		Store: s.store, Name: "action_keys", Life: ticket.MaxLife, Lead: s.cfg.SigningLead,
		Make: func() (string, error) { return rand.Text() + rand.Text(), nil },
	})
	if err != nil {
		return fmt.Errorf("action keys: %w", err)
	}
	s.tickets = ticket.NewSigner(func() (all []ticket.Key) {
		for _, k := range s.signingActions() {
			all = append(all, ticket.Key(k))
		}
		return all
	})
	return nil
}

// signingActions are the secrets that are good, the one that signs first.
func (s *Server) signingActions() []proactive.ActionKey {
	good := s.actionKeys.Secrets()
	all := make([]proactive.ActionKey, len(good))
	for i, k := range good {
		all[i] = proactive.ActionKey{ID: k.ID, Secret: []byte(k.Text)}
	}
	return all
}

// signingKeys are those that can be replaced, by what they sign: tokens of the embedded channel, what comes back from
// buttons and links, and tokens that a bot in another process is shown.
func (s *Server) signingKeys() map[string]*rotation.Ring {
	all := map[string]*rotation.Ring{"directline": s.tokenKeys, "actions": s.actionKeys}
	if s.issuer != nil {
		all["bot"] = s.issuer.ring
	}
	return all
}

func (s *Server) ringFailed(err error) {
	s.log.Warn("signing keys not looked at", "error", err.Error())
}
