package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
)

type conversationRequest struct {
	ID string `path:"id" maxLength:"2048" doc:"The conversation's id on the channel."`
}

type conversationAnswer struct {
	Body api.Conversation
}

type conversationsAnswer struct {
	Body api.Conversations
}

func (s *service) conversations(a huma.API) {
	huma.Register(a, huma.Operation{
		OperationID: "list-conversations", Method: http.MethodGet, Path: "/v1/conversations",
		Summary:     "See whom the bot knows",
		Description: "Lists the reference book: every conversation that the bot has seen, a page at a time.",
		Security:    needs(access.Read),
		Tags:        []string{"conversations"},
		Errors:      []int{422, 503},
	}, s.listConversations)
	huma.Register(a, huma.Operation{
		OperationID: "get-conversation", Method: http.MethodGet, Path: "/v1/conversations/{id}",
		Summary:     "See one conversation",
		Description: "Returns a conversation of the reference book. When several channels use the id, it is the one that was seen last.",
		Security:    needs(access.Read),
		Tags:        []string{"conversations"},
		Errors:      []int{404, 503},
	}, s.getConversation)
}

func (s *service) listConversations(ctx context.Context, r *pageRequest) (*conversationsAnswer, error) {
	after, err := listConversations.after(r.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := s.cfg.Engine.Conversations(ctx, book.Row(after), r.Limit+1)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	found, next := page(listConversations, found, r.Limit, func(c book.Conversation) int64 { return int64(c.Row) })
	out := api.Conversations{Conversations: make([]api.Conversation, 0, len(found)), NextCursor: next}
	for _, c := range found {
		out.Conversations = append(out.Conversations, renderConversation(c))
	}
	return &conversationsAnswer{Body: out}, nil
}

func (s *service) getConversation(ctx context.Context, r *conversationRequest) (*conversationAnswer, error) {
	c, err := s.cfg.Engine.Conversation(ctx, activity.ConversationID(r.ID))
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &conversationAnswer{Body: renderConversation(c)}, nil
}

// renderConversation leaves the service URL out: it is where tokens are sent, and nobody's to read here.
func renderConversation(c book.Conversation) api.Conversation {
	out := api.Conversation{
		ID: string(c.Key.Conversation), Channel: string(c.Key.Channel), Kind: string(c.Kind), Tenant: string(c.Key.Tenant),
		Locale: c.Reference.Locale, TimeZone: c.TimeZone, Reach: string(c.Reach), Cause: c.Cause,
		LastInboundAt: optional(c.LastInboundAt), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
	if u := c.Reference.User; u != nil && c.Kind == book.KindPersonal { // elsewhere it is whoever spoke last
		out.User = &api.User{ID: string(u.ID), Name: u.Name}
	}
	return out
}
