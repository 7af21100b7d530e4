package httpapi

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/access"
)

// Transcripts is the history that a channel keeps; *directline.Channel implements it.
type Transcripts interface {
	// Takes reports whether a conversation is the channel's.
	Takes(channel activity.ChannelID, id activity.ConversationID) bool
	// Transcript returns up to limit activities with numbers greater than after, in order, or directline.ErrNotFound.
	Transcript(ctx context.Context, id activity.ConversationID, after int64, limit int) ([]directline.Stored, error)
}

type conversationsRequest struct {
	Paging

	Kind       string `query:"kind" enum:"personal,group,channel,meeting" doc:"Only conversations of this kind."`
	Channel    string `query:"channel" maxLength:"64" doc:"Only conversations on this channel." example:"msteams"`
	Reach      string `query:"reach" enum:"active,uninstalled,blocked,unreachable,prospective" doc:"Only conversations that can, or cannot, be written to."`
	Tag        string `query:"tag" maxLength:"64" doc:"Only conversations with this tag." example:"on-call"`
	Team       string `query:"team" maxLength:"2048" doc:"Only conversations in this team of Microsoft Teams, by its id there." example:"19:Qm4v_T0zKxYb7n-LrWj2Hc81@thread.tacv2"`
	Tenant     string `query:"tenant" maxLength:"255" doc:"Only conversations in this tenant of their channel."`
	User       string `query:"user" maxLength:"2048" doc:"Only conversations that this channel user id takes part in." example:"dl_ann"`
	ExternalID string `query:"external_id" maxLength:"255" doc:"Only conversations that the person with this id in your own system takes part in." example:"employee-4711"`
}

func (r *conversationsRequest) filter() book.Filter {
	return book.Filter{
		Kind: book.Kind(r.Kind), Channel: activity.ChannelID(r.Channel), Reach: book.Reach(r.Reach), Tag: r.Tag,
		User: activity.AccountID(r.User), ExternalID: r.ExternalID, Team: r.Team, Tenant: activity.TenantID(r.Tenant),
	}
}

// ConversationName names a conversation in a path.
type ConversationName struct {
	ID      string `path:"id" maxLength:"2048" doc:"The conversation's id on the channel, percent-encoded as one path segment: such ids contain slashes and colons."`
	Channel string `query:"channel" maxLength:"64" doc:"Which one, if several channels use the id. If not given, the one that was seen last." example:"msteams"`
}

type updateConversationRequest struct {
	ConversationName

	Body api.ConversationUpdate
}

type transcriptRequest struct {
	ConversationName

	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"64" doc:"Where to go on: next_cursor of the page before. From the start, if not given."`
}

type conversationAnswer struct {
	Body api.Conversation
}

type conversationsAnswer struct {
	Body api.Conversations
}

type transcriptAnswer struct {
	Body api.Transcript
}

func (s *service) conversations(a huma.API) {
	const path = "/v1/conversations/{id}"
	tags := []string{"conversations"}
	register(s, a, huma.Operation{
		OperationID: "list-conversations", Method: http.MethodGet, Path: "/v1/conversations",
		Summary:     "See whom the bot knows",
		Description: "Lists the reference book, which has every conversation that the bot has seen, a page at a time. Of several filters all must fit.",
		Security:    needs(access.Read),
		Tags:        tags,
		Errors:      []int{422, 503},
	}, s.listConversations)
	register(s, a, huma.Operation{
		OperationID: "get-conversation", Method: http.MethodGet, Path: path,
		Summary:     "See one conversation",
		Description: "Returns a conversation of the reference book, with those who take part.",
		Security:    needs(access.Read),
		Tags:        tags,
		Errors:      []int{404, 422, 503},
	}, s.getConversation)
	register(s, a, huma.Operation{
		OperationID: "update-conversation", Method: http.MethodPatch, Path: path,
		Summary:      "File a conversation under your own words",
		Description:  "Sets the tags of a conversation, or adds and removes some, and the id that its person has in your own system. Both can be targets of notifications.",
		Security:     needs(access.Manage),
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 413, 415, 422, 503},
	}, s.updateConversation)
	register(s, a, huma.Operation{
		OperationID: "delete-conversation", Method: http.MethodDelete, Path: path,
		Summary: "Forget a conversation",
		Description: "Removes a conversation from the reference book. What waits to be said there is cancelled, jobs that run there " +
			"end and tell nothing, and what the bot remembers of the conversation is deleted; whoever is in no other conversation " +
			"is forgotten too. What stays: notifications with their deliveries, finished jobs, and the history that a channel keeps " +
			"itself. If somebody speaks there again, the bot meets them for the first time.",
		Security:      needs(access.Manage),
		Tags:          tags,
		DefaultStatus: http.StatusNoContent,
		Errors:        []int{404, 422, 503},
	}, s.deleteConversation)
	register(s, a, huma.Operation{
		OperationID: "get-transcript", Method: http.MethodGet, Path: path + "/activities",
		Summary: "Read what was said",
		Description: "Returns the transcript of a conversation, a page at a time. The embedded Direct Line channel keeps one; a " +
			"channel that keeps none is answered with 404 and the code no_transcript.",
		Security: needs(access.Read),
		Tags:     tags,
		Errors:   []int{404, 422, 503},
	}, s.getTranscript)
	s.roster(a, path)
	s.busy(a)
}

func (s *service) listConversations(ctx context.Context, r *conversationsRequest) (*conversationsAnswer, error) {
	found, next, err := page(ctx, s, listConversations, r.Paging, func(after int64, limit int) ([]book.Conversation, error) {
		return s.engine(ctx).Conversations(ctx, r.filter(), book.Row(after), limit)
	}, func(c book.Conversation) int64 { return int64(c.Row) })
	if err != nil {
		return nil, err
	}
	details, err := s.engine(ctx).Details(ctx, found...)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	render := func(c book.Conversation) api.Conversation {
		out := renderConversation(c, details[c.Row])
		out.Members = nil // a page of large groups would be very large
		return out
	}
	return &conversationsAnswer{Body: api.Conversations{Conversations: each(found, render), NextCursor: next}}, nil
}

// known finds the conversation that a request names.
func (s *service) known(ctx context.Context, r ConversationName) (book.Conversation, error) {
	c, err := s.engine(ctx).ConversationOn(ctx, activity.ChannelID(r.Channel), activity.ConversationID(r.ID))
	if err != nil {
		return c, s.problemOf(ctx, err)
	}
	return c, nil
}

func (s *service) getConversation(ctx context.Context, r *ConversationName) (*conversationAnswer, error) {
	c, err := s.known(ctx, *r)
	if err != nil {
		return nil, err
	}
	return s.showConversation(ctx, c)
}

func (s *service) showConversation(ctx context.Context, c book.Conversation) (*conversationAnswer, error) {
	details, err := s.engine(ctx).Details(ctx, c)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &conversationAnswer{Body: renderConversation(c, details[c.Row])}, nil
}

func (s *service) updateConversation(ctx context.Context, r *updateConversationRequest) (*conversationAnswer, error) {
	c, err := s.known(ctx, r.ConversationName)
	if err != nil {
		return nil, err
	}
	noteGiven(ctx, map[string]bool{
		"external_id": r.Body.ExternalID != nil, "tags": r.Body.Tags != nil || len(r.Body.AddTags)+len(r.Body.RemoveTags) > 0,
	})
	labels := book.Labels{ExternalID: r.Body.ExternalID, AddTags: r.Body.AddTags, RemoveTags: r.Body.RemoveTags}
	if r.Body.Tags != nil {
		labels.Tags = &r.Body.Tags
	}
	if err := s.engine(ctx).Label(ctx, c.Key, labels); err != nil {
		return nil, s.problemOf(ctx, err)
	}
	if c, err = s.known(ctx, r.ConversationName); err != nil {
		return nil, err
	}
	return s.showConversation(ctx, c)
}

func (s *service) deleteConversation(ctx context.Context, r *ConversationName) (*struct{}, error) {
	c, err := s.known(ctx, *r)
	if err != nil {
		return nil, err
	}
	if err := s.engine(ctx).Forget(ctx, c.Key); err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return nil, nil //nolint:nilnil // an answer without a body
}

func (s *service) getTranscript(ctx context.Context, r *transcriptRequest) (*transcriptAnswer, error) {
	if _, err := listTranscript.after(r.Cursor); err != nil { // what is wrong with the request comes first
		return nil, err
	}
	c, err := s.known(ctx, r.ConversationName)
	if err != nil {
		return nil, err
	}
	if s.cfg.Transcripts == nil || !s.cfg.Transcripts.Takes(c.Key.Channel, c.Key.Conversation) {
		return nil, noTranscript()
	}
	pages := Paging{Limit: r.Limit, Cursor: r.Cursor}
	found, next, err := page(ctx, s, listTranscript, pages, func(after int64, limit int) ([]directline.Stored, error) {
		return s.cfg.Transcripts.Transcript(ctx, c.Key.Conversation, after, limit)
	}, func(a directline.Stored) int64 { return a.Seq })
	if err != nil {
		return nil, err
	}
	render := func(a directline.Stored) api.Utterance {
		return api.Utterance{Number: a.Seq, Activity: stdjson.RawMessage(a.Body)}
	}
	return &transcriptAnswer{Body: api.Transcript{Activities: each(found, render), NextCursor: next}}, nil
}

func noTranscript() error {
	return newProblem(http.StatusNotFound, api.CodeNoTranscript, "the conversation's channel keeps no transcript here")
}

// bookProblem is the answer to an error about the book; nil for others.
func bookProblem(err error) error {
	switch {
	case errors.Is(err, book.ErrNotFound):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "the reference book has no such conversation")
	case errors.Is(err, book.ErrNobody):
		return newProblem(http.StatusNotFound, api.CodeNotFound, "the reference book has no such person, or they are not who is said")
	case errors.Is(err, book.ErrTooManyPeople):
		return newProblem(http.StatusConflict, api.CodeTooMany, fmt.Sprintf("one human may be %d people at most", book.MaxMerged))
	case errors.Is(err, book.ErrNoPerson):
		f := api.ProblemField{Field: "body.external_id", Message: "is for conversations with one person"}
		return newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
	case errors.Is(err, book.ErrTooManyTags):
		f := api.ProblemField{Field: "body.add_tags", Message: fmt.Sprintf("would make more than %d", book.MaxTags)}
		return newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
	case errors.Is(err, directline.ErrNotFound):
		return noTranscript()
	}
	return nil
}

func renderPlace(p book.Place) *api.Place {
	if p == (book.Place{}) {
		return nil
	}
	return &api.Place{Team: p.Team, TeamName: p.TeamName, Group: p.Group, Channel: p.Room, ChannelName: p.RoomName, Meeting: p.Meeting}
}

// renderConversation leaves the service URL out: it is where tokens are sent, and nobody's to read here.
func renderConversation(c book.Conversation, d book.Details) api.Conversation {
	out := api.Conversation{
		ID: string(c.Key.Conversation), Channel: string(c.Key.Channel), Kind: string(c.Kind), Tenant: string(c.Key.Tenant),
		Locale: c.Reference.Locale, TimeZone: c.TimeZone, Reach: string(c.Reach), Cause: c.Cause,
		Since: optional(c.ReachAt), Until: optional(c.Until), Place: renderPlace(c.Place), Tags: each(d.Tags, func(t string) string { return t }),
		LastInboundAt: optional(c.LastInboundAt), Busy: renderBusy(c), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		Members: each(d.People, func(p book.Person) api.User {
			return api.User{ID: string(p.ID), Name: p.Name, ExternalID: p.ExternalID}
		}),
	}
	person := c.Person()
	if person == "" { // elsewhere the reference's user is whoever spoke last
		return out
	}
	out.User = &api.User{ID: string(person), Name: c.Reference.User.Name}
	for _, p := range d.People {
		if p.ID == person {
			out.User.ExternalID, out.ExternalID = p.ExternalID, p.ExternalID
		}
	}
	return out
}
