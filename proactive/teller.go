package proactive

import (
	"context"
	"errors"
	"fmt"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
)

// teller is the engine as the schedules' runner sees it.
type teller Engine

// engine is what a schedule may see of it: the view of its tenant, if it is bound to one, whoever asks.
func (t *teller) engine(s schedule.Schedule) *Engine {
	e := (*Engine)(t)
	if s.Tenant == "" {
		return e
	}
	return e.Bound(s.Tenant)
}

// Tell implements [schedule.Teller].
func (t *teller) Tell(ctx context.Context, s schedule.Schedule, o schedule.Occurrence) (*outbox.Submission, string, error) {
	e := t.engine(s)
	told, err := readSchedule(s)
	if err != nil {
		return nil, "", err
	}
	n := told.Notification
	if told.ExpiresIn > 0 {
		if n.ExpiresAt = o.At.Add(told.ExpiresIn); !n.ExpiresAt.After(o.FiredAt) {
			return nil, schedule.ReasonExpired, nil
		}
	}
	var sub outbox.Submission
	if s.Rule.PerRecipient() {
		sub, err = e.submissionIn(ctx, n, s.Rule, o.Zone)
	} else {
		sub, err = e.submission(ctx, n)
	}
	_, invalid := errors.AsType[*FieldError](err)
	switch {
	case errors.Is(err, ErrNoTarget):
		return nil, schedule.ReasonNobody, nil
	case invalid:
		e.cfg.Logger.WarnContext(ctx, "occurrence cannot be told", "schedule_id", s.ID.String(), "error", err.Error())
		return nil, schedule.ReasonInvalid, nil
	case err != nil:
		return nil, "", err
	}
	if s.Tenant != "" { // the runner hands it to the store by itself
		sub = tenantStore{tenant: s.Tenant}.submission(sub)
	}
	return &sub, "", nil
}

// submissionIn is a submission to those of a target who live in a zone.
func (e *Engine) submissionIn(
	ctx context.Context, n headsup.Notification, r schedule.Rule, zone string,
) (outbox.Submission, error) {
	sub, due, err := e.draft(ctx, n)
	if err != nil {
		return sub, err
	}
	all, err := e.everyOne(ctx, n.To)
	if err != nil {
		return sub, err
	}
	there := all[:0]
	for _, c := range all {
		if zoneOf(c, r) == zone {
			there = append(there, c)
		}
	}
	if len(there) == 0 {
		return sub, ErrNoTarget
	}
	deliver(&sub, there, due)
	return sub, nil
}

// zoneOf is the zone by whose clock a conversation is told.
func zoneOf(c book.Conversation, r schedule.Rule) string {
	if schedule.Known(c.TimeZone) {
		return c.TimeZone
	}
	return r.BaseZone()
}

// everyOne finds all conversations of a target, however many there are.
func (e *Engine) everyOne(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	f, several := filterOf(to)
	if !several {
		return e.resolve(ctx, to)
	}
	const page = 1000
	var all []book.Conversation
	for after := book.Row(0); ; after = all[len(all)-1].Row {
		found, err := e.cfg.Store.Conversations(ctx, e.cfg.AppID, f, after, page)
		if err != nil {
			return nil, fmt.Errorf("proactive: look in the book: %w", err)
		}
		if all = append(all, found...); len(found) < page {
			return all, nil
		}
	}
}

// Zones implements [schedule.Teller].
func (t *teller) Zones(ctx context.Context, s schedule.Schedule) ([]string, error) {
	e := t.engine(s)
	told, err := readSchedule(s)
	if err != nil {
		return nil, err
	}
	to := told.Notification.To
	var found []string
	if f, several := filterOf(to); several {
		if found, err = e.cfg.Store.RecipientZones(ctx, e.cfg.AppID, s.Tenant, f.Tag); err != nil {
			return nil, fmt.Errorf("proactive: look in the book: %w", err)
		}
	} else {
		all, err := e.resolve(ctx, to)
		_, invalid := errors.AsType[*FieldError](err)
		if err != nil && !invalid && !errors.Is(err, ErrNoTarget) {
			return nil, err
		}
		for _, c := range all {
			found = append(found, c.TimeZone)
		}
	}
	zones := make([]string, 0, len(found))
	for _, z := range found {
		if schedule.Known(z) {
			zones = append(zones, z)
		}
	}
	return zones, nil
}

// Occurred implements [schedule.Observer].
func (t *teller) Occurred(s schedule.Schedule, o schedule.Occurrence) {
	e := (*Engine)(t)
	e.spreadSoon() // it may be to very many
	if also, ok := e.cfg.Observer.(schedule.Observer); ok {
		also.Occurred(s, o)
	}
}
