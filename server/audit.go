package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// Audit says how the log of who did what is kept.
type Audit struct {
	// Key seals the entries, so that whoever can write the database cannot make them up: 32 bytes or more. Empty chains
	// them by their hashes alone.
	Key string
	// Retention is how long entries are kept. Zero is for ever.
	Retention time.Duration
}

func (a Audit) validate() error {
	if a.Key != "" {
		if _, err := audit.NewKey(a.Key); err != nil {
			return wrong("audit.key", "%w", err)
		}
	}
	if a.Retention < 0 || a.Retention > 0 && a.Retention < 24*time.Hour {
		return wrong("audit.retention", "is %v; it must be at least 24h (0s keeps everything)", a.Retention)
	}
	return nil
}

// openAudit begins to keep an app's log.
func (s *Server) openAudit(ctx context.Context, appID string) (err error) {
	people, err := s.store.SetSettingOnce(ctx, "audit_people_key", rand.Text()+rand.Text())
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	var key *audit.Key
	if s.cfg.Audit.Key != "" {
		if key, err = audit.NewKey(s.cfg.Audit.Key); err != nil {
			return err
		}
	}
	s.audit, err = audit.New(audit.Config{
		AppID: appID, Store: s.store, Key: key, People: []byte(people), Retention: s.cfg.Audit.Retention, Logger: s.log,
	})
	return err
}

// auditStart notes that a server begins, and what with; also when it is asked to stop at once, which is no failure.
func (s *Server) auditStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
	defer cancel()
	detail := audit.Detail{"version": s.cfg.Version, "listen": s.listener.Addr().String(), "keys_required": s.KeysRequired()}
	if s.cfg.ConfigHash != "" {
		detail["config"] = s.cfg.ConfigHash
	}
	return s.audit.Write(ctx, audit.Act{Action: audit.ServerStart, Actor: audit.Server, Detail: detail})
}

const auditPatience = 5 * time.Second

// auditStop notes that it ends in good order. A server that was killed leaves no such entry.
func (s *Server) auditStop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
	defer cancel()
	if err := s.audit.Write(ctx, audit.Act{Action: audit.ServerStop, Actor: audit.Server}); err != nil {
		s.log.WarnContext(ctx, "the end is not in the audit log", "error", err.Error())
		return
	}
	if ends, err := s.audit.Ends(ctx); err == nil {
		s.log.InfoContext(ctx, "audit log ends", "number", ends.Head.Number, "hash", ends.Head.Hash.String())
	}
}

// door lets callers of the API in, and counts the others.
func (s *Server) door() httpapi.Door {
	return httpapi.Door{Keys: s.keys, Audit: s.audit, Logger: s.log}
}

// watched is a verifier whose refusals are counted in the audit log. A nil one lets nobody in.
type watched struct {
	inner auth.Verifier
	log   *audit.Log
}

// Verify implements [auth.Verifier].
func (v watched) Verify(ctx context.Context, header []string, a *activity.Activity) (auth.Identity, error) {
	return verify(ctx, v, header, a)
}

// Admit implements [auth.Doorkeeper].
func (v watched) Admit(ctx context.Context, header []string) (auth.Admitted, error) {
	check, err := auth.Admit(ctx, v.inner, header)
	if err != nil {
		v.count(ctx, err)
		return nil, err
	}
	return func(ctx context.Context, a *activity.Activity) (auth.Identity, error) {
		id, err := check(ctx, a)
		v.count(ctx, err)
		return id, err
	}, nil
}

// count notes an error that refuses somebody.
func (v watched) count(ctx context.Context, err error) {
	refused, ok := asRefusal(err)
	if !ok {
		return
	}
	action := audit.TokenRefused
	if strings.HasPrefix(refused.Reason, "service_url") {
		action = audit.URLRefused
	}
	v.log.Refused(action, refused.Reason, audit.Nobody, clientOf(ctx))
}

// clientOf is the address that the request of a context comes from.
func clientOf(ctx context.Context) netip.Addr {
	h, _ := ctx.Value(heardKey{}).(heard)
	return h.client
}

func asRefusal(err error) (*auth.Error, bool) {
	refused, ok := errors.AsType[*auth.Error](err)
	return refused, ok && refused.Status < http.StatusInternalServerError
}

// endings counts in the audit log, beside the metrics, what was not said since nobody vouches for where it would have gone.
type endings struct {
	*metrics
	log *audit.Log
}

// Ended implements [outbox.Observer].
func (e endings) Ended(end outbox.End) {
	e.metrics.Ended(end)
	if end.Reason == proactive.ReasonUnproven {
		e.log.Refused(audit.URLRefused, "unproven", audit.Server, netip.Addr{})
	}
}
