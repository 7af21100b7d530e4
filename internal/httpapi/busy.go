package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/proactive"
)

// How long a flag lasts that says nothing of it, and at most: whoever has set it may not come back to take it down.
const (
	usualBusy   = 15 * time.Minute
	longestBusy = 24 * time.Hour
)

type busyRequest struct {
	ConversationName

	Body api.BusyRequest
}

func (s *service) busy(a huma.API) {
	const path = "/v1/conversations/{id}/busy"
	register(s, a, huma.Operation{
		OperationID: "set-busy", Method: http.MethodPut, Path: path,
		Summary: "Say that a conversation is in the middle of something",
		Description: "Sets the bot's flag, in place of what it said before: notifications whose policy is to wait are held there, until " +
			"it is taken down or has expired. It may be repeated, to make it last longer.",
		Security:     needs(access.Manage),
		Tags:         []string{"conversations"},
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 413, 415, 422, 503, 507},
	}, s.setBusy)
	register(s, a, huma.Operation{
		OperationID: "clear-busy", Method: http.MethodDelete, Path: path,
		Summary: "Say that it is not any more",
		Description: "Takes the bot's flag down. What is held for nothing else is ready when the answer leaves, in its order. A dialog " +
			"of the bot, or a question that was not answered, still keeps the conversation busy. It may be repeated.",
		Security: needs(access.Manage),
		Tags:     []string{"conversations"},
		Errors:   []int{404, 422, 503},
	}, s.clearBusy)
}

func (s *service) setBusy(ctx context.Context, r *busyRequest) (*conversationAnswer, error) {
	now := time.Now()
	until, err := busyUntil(r.Body, now)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	c, err := s.known(ctx, r.ConversationName)
	if err != nil {
		return nil, err
	}
	if c, err = s.engine(ctx).SetBusy(ctx, c.Key, headsup.Busy{
		Reason: r.Body.Reason, Priority: r.Body.Priority, Until: until,
	}); err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return s.showConversation(ctx, c)
}

// busyUntil is when a flag is over.
func busyUntil(b api.BusyRequest, now time.Time) (until time.Time, err error) {
	in, err := durationOf("expires_in", b.ExpiresIn)
	switch {
	case err != nil:
		return until, err
	case b.ExpiresIn != "" && b.ExpiresAt != nil:
		return until, &proactive.FieldError{Field: "expires_at", Reason: "give expires_in or expires_at, not both"}
	case b.ExpiresIn != "" && (in <= 0 || in > longestBusy):
		return until, &proactive.FieldError{Field: "expires_in", Reason: "is not between 1ms and 24h"}
	case b.ExpiresAt == nil:
		return now.Add(cmp.Or(in, usualBusy)), nil
	case !b.ExpiresAt.After(now) || b.ExpiresAt.Sub(now) > longestBusy:
		return until, &proactive.FieldError{Field: "expires_at", Reason: "is not within the next 24 hours"}
	}
	return *b.ExpiresAt, nil
}

func (s *service) clearBusy(ctx context.Context, r *ConversationName) (*conversationAnswer, error) {
	c, err := s.known(ctx, *r)
	if err != nil {
		return nil, err
	}
	if c, err = s.engine(ctx).Free(ctx, c.Key, headsup.BusyFlag); err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return s.showConversation(ctx, c)
}

// renderBusy leaves out what has run out, and what is kept for whoever says so.
func renderBusy(c book.Conversation) []api.Busy {
	if len(c.Busy) == 0 {
		return nil
	}
	return each(headsup.StillBusy(c.Busy, time.Now()), func(b headsup.Busy) api.Busy {
		return api.Busy{By: b.By, Reason: b.Reason, Priority: b.Priority, Since: b.Since.UTC(), Until: optional(b.Until)}
	})
}

// policyOf reads the members that say how a notification takes part.
func policyOf(m api.Manners) (p headsup.Policy, err error) {
	p = headsup.Policy{
		Name: headsup.PolicyName(m.Policy), Then: headsup.PolicyName(m.Then), With: m.With, Priority: m.Priority,
		Release: headsup.Release(m.Release),
		Expects: headsup.Reply{Wanted: m.Expects != "", To: m.ReplyTo},
	}
	for _, d := range []struct {
		field, text string
		to          *time.Duration
	}{
		{"max_wait", m.MaxWait, &p.MaxWait}, {"quiet", m.Quiet, &p.Quiet}, {"reply_within", m.ReplyWithin, &p.Expects.Within},
	} {
		if *d.to, err = durationOf(d.field, d.text); err != nil {
			return p, err
		}
	}
	return p, nil
}

func mannersOf(p headsup.Policy) api.Manners {
	m := api.Manners{
		Policy: string(p.Name), Then: string(p.Then), With: p.With, Priority: p.Priority, Release: string(p.Release), ReplyTo: p.Expects.To,
		MaxWait: durationText(p.MaxWait), Quiet: durationText(p.Quiet), ReplyWithin: durationText(p.Expects.Within),
	}
	if p.Expects.Wanted {
		m.Expects = "reply"
	}
	return m
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
