package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/proactive"
)

type preferencesAnswer struct {
	Body api.Preferences
}

type personPreferenceRequest struct {
	PersonName

	Body api.PreferenceChange
}

type conversationPreferenceRequest struct {
	ConversationName

	Body api.PreferenceChange
}

// preferences registers what people want to be told.
func (s *service) preferences(a huma.API) {
	const (
		person       = "/v1/preferences/{id}" // /v1/people/{id}/preferences would be /v1/people/erasures/{id}, too
		conversation = "/v1/conversations/{id}/preferences"
		after        = " What waits goes by it at once; the answer leaves when nothing is being sent any more that was handed out before, " +
			"so that whoever has opted out is written to no more."
	)
	register(s, a, huma.Operation{
		OperationID: "get-preferences", Method: http.MethodGet, Path: person,
		Summary:     "See what somebody wants to be told",
		Description: "Returns what a person, and all who were merged with them, want to be told, and when.",
		Tags:        []string{"people"}, Security: needs(access.Manage),
		Errors: []int{404, 422, 503},
	}, s.getPreferences)
	register(s, a, huma.Operation{
		OperationID: "change-preferences", Method: http.MethodPatch, Path: person,
		Summary:     "Change what somebody wants to be told",
		Description: "Changes what a person wants, in all their conversations: those members that are given." + after,
		Tags:        []string{"people"}, Security: needs(access.Manage), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 413, 415, 422, 503},
	}, s.changePreferences)
	register(s, a, huma.Operation{
		OperationID: "get-conversation-preferences", Method: http.MethodGet, Path: conversation,
		Summary:     "See what is wanted in a conversation",
		Description: "Returns what whom a conversation is with wants to be told; of a group or a channel, what was said for the conversation itself.",
		Tags:        []string{"conversations"}, Security: needs(access.Manage),
		Errors: []int{404, 422, 503},
	}, s.getConversationPreferences)
	register(s, a, huma.Operation{
		OperationID: "change-conversation-preferences", Method: http.MethodPatch, Path: conversation,
		Summary: "Change what is wanted in a conversation",
		Description: "Changes what whom a conversation is with wants, in all their conversations; of a group or a channel, what goes for the " +
			"conversation itself." + after,
		Tags: []string{"conversations"}, Security: needs(access.Manage), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 413, 415, 422, 503},
	}, s.changeConversationPreferences)
}

func (s *service) getPreferences(ctx context.Context, r *PersonName) (*preferencesAnswer, error) {
	p, err := s.engine(ctx).PersonPreferences(ctx, r.ID)
	return s.showPreferences(ctx, p, err)
}

func (s *service) changePreferences(ctx context.Context, r *personPreferenceRequest) (*preferencesAnswer, error) {
	c, err := wishOf(r.Body)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	noteGiven(ctx, wished(r.Body))
	p, err := s.engine(ctx).PreferPerson(ctx, r.ID, c)
	return s.showPreferences(ctx, p, err)
}

func (s *service) getConversationPreferences(ctx context.Context, r *ConversationName) (*preferencesAnswer, error) {
	c, err := s.known(ctx, *r)
	if err != nil {
		return nil, err
	}
	return s.showPreferences(ctx, c.Preferences, nil)
}

func (s *service) changeConversationPreferences(ctx context.Context, r *conversationPreferenceRequest) (*preferencesAnswer, error) {
	change, err := wishOf(r.Body)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	c, err := s.known(ctx, r.ConversationName)
	if err != nil {
		return nil, err
	}
	noteGiven(ctx, wished(r.Body))
	change.Everywhere = true // nobody has said it there
	p, err := s.engine(ctx).Prefer(ctx, c.Key, change)
	return s.showPreferences(ctx, p, err)
}

func (s *service) showPreferences(ctx context.Context, p book.Preferences, err error) (*preferencesAnswer, error) {
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &preferencesAnswer{Body: event.PreferencesOf(p)}, nil
}

// wishOf reads a change.
func wishOf(b api.PreferenceChange) (c proactive.PreferenceChange, err error) {
	c = proactive.PreferenceChange{OptedOut: b.OptedOut, TimeZone: b.TimeZone, By: "api"}
	for name, word := range b.Topics {
		if c.Topics == nil {
			c.Topics = make(map[string]*bool, len(b.Topics))
		}
		switch word {
		case api.TopicOn, api.TopicOff:
			c.Topics[name] = new(word == api.TopicOn)
		case api.TopicDefault:
			c.Topics[name] = nil
		default:
			return c, &proactive.FieldError{Field: "topics", Reason: "has a word that is none of on, off, default"}
		}
	}
	switch {
	case b.Quiet != "" && b.QuietHours != nil:
		return c, &proactive.FieldError{Field: "quiet", Reason: "is not given together with quiet_hours"}
	case b.Quiet == "default":
		c.DefaultQuiet = true
	case b.Quiet == "none":
		c.Quiet = []book.Quiet{}
	case b.QuietHours != nil:
		c.Quiet = make([]book.Quiet, len(b.QuietHours))
	}
	for i, q := range b.QuietHours {
		for _, d := range q.Days {
			c.Quiet[i].Days = append(c.Quiet[i].Days, book.Weekday(d))
		}
		if c.Quiet[i].From, err = book.ParseTimeOfDay(q.From); err == nil {
			c.Quiet[i].To, err = book.ParseTimeOfDay(q.To)
		}
		if err != nil {
			return c, &proactive.FieldError{Field: "quiet_hours", Reason: err.Error()}
		}
	}
	if b.Cap != nil {
		c.Cap = &book.Cap{PerDay: b.Cap.PerDay, PerTopic: b.Cap.PerTopic}
	}
	if b.Digest == nil {
		return c, nil
	}
	c.Digest = &book.Digest{}
	if b.Digest.Every != "default" {
		c.Digest.Every = book.DigestEvery(b.Digest.Every)
	}
	if b.Digest.At != "" {
		if c.Digest.At, err = book.ParseTimeOfDay(b.Digest.At); err != nil {
			return c, &proactive.FieldError{Field: "digest", Reason: err.Error()}
		}
	}
	return c, nil
}

// wished are the members of a change, for the audit log.
func wished(b api.PreferenceChange) map[string]bool {
	return map[string]bool{
		"cap": b.Cap != nil, "digest": b.Digest != nil, "opted_out": b.OptedOut != nil, "quiet_hours": b.Quiet != "" || b.QuietHours != nil,
		"time_zone": b.TimeZone != nil, "topics": len(b.Topics) > 0,
	}
}
