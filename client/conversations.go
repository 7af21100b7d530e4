package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// ConversationFilter says which conversations are meant: those that match every member that is set.
type ConversationFilter struct {
	// Kind is personal, group or channel; Channel the channel, such as msteams; Reach active, uninstalled or blocked.
	Kind, Channel, Reach string
	// Tag is one of its tags.
	Tag string
	// User and ExternalID are somebody who takes part, by channel user id and by the id in your own system.
	User, ExternalID string
}

// ConversationName names a conversation: by its id on the channel and, where several channels use the id, the channel.
type ConversationName struct {
	ID string
	// Channel is such as msteams. If it is empty, the conversation is the one that was seen last.
	Channel string
}

// ConversationsPage returns a page of the reference book, in the order in which the bot first knew of them. The first
// page has an empty cursor; each names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) ConversationsPage(ctx context.Context, f ConversationFilter, cursor string, limit int) (api.Conversations, error) {
	page, err := ask(ctx, c, http.MethodGet, query(conversations, cursor, limit, map[string]string{
		"kind": f.Kind, "channel": f.Channel, "reach": f.Reach, "tag": f.Tag, "user": f.User, "external_id": f.ExternalID,
	}), func(p api.Conversations) bool { return p.Conversations != nil })
	if err != nil {
		return page, fmt.Errorf("conversations: %w", err)
	}
	return page, nil
}

// Conversations goes over the reference book, asking for a page at a time. It ends with the first error.
func (c *Client) Conversations(ctx context.Context, f ConversationFilter) iter.Seq2[api.Conversation, error] {
	return all(func(cursor string) ([]api.Conversation, string, error) {
		page, err := c.ConversationsPage(ctx, f, cursor, largestPage)
		return page.Conversations, page.NextCursor, err
	})
}

// Conversation returns a conversation with those who take part. One that the reference book does not have is an [*Error]
// with [api.CodeNotFound].
func (c *Client) Conversation(ctx context.Context, name ConversationName) (api.Conversation, error) {
	path, err := name.path()
	if err != nil {
		return api.Conversation{}, err
	}
	got, err := ask(ctx, c, http.MethodGet, path, isConversation)
	if err != nil {
		return got, fmt.Errorf("conversation %s: %w", name.ID, err)
	}
	return got, nil
}

// UpdateConversation sets what is given: the tags, or the id that the person has in your own system.
func (c *Client) UpdateConversation(ctx context.Context, name ConversationName, r api.ConversationUpdate) (got api.Conversation, err error) {
	path, err := name.path()
	if err != nil {
		return got, err
	}
	body, err := json.Marshal(r)
	if err == nil {
		got, err = answered(ctx, c, request{method: http.MethodPatch, path: path, body: body}, isConversation)
	}
	if err != nil {
		return got, fmt.Errorf("update conversation %s: %w", name.ID, err)
	}
	return got, nil
}

// ForgetConversation removes a conversation from the reference book, with all that waits to be said there.
func (c *Client) ForgetConversation(ctx context.Context, name ConversationName) error {
	path, err := name.path()
	if err != nil {
		return err
	}
	if err := c.do(ctx, request{method: http.MethodDelete, path: path}, nil); err != nil {
		return fmt.Errorf("forget conversation %s: %w", name.ID, err)
	}
	return nil
}

// TranscriptPage returns a page of what was said in a conversation, oldest first. The first page has an empty cursor;
// each names the next one's, the last one none. A limit of 0 leaves the size to the server. Where the channel keeps no
// transcript, the error is an [*Error] with [api.CodeNoTranscript].
func (c *Client) TranscriptPage(ctx context.Context, name ConversationName, cursor string, limit int) (api.Transcript, error) {
	segment, err := segment("conversation", name.ID)
	if err != nil {
		return api.Transcript{}, err
	}
	path := query(conversations+"/"+segment+"/activities", cursor, limit, map[string]string{"channel": name.Channel})
	page, err := ask(ctx, c, http.MethodGet, path, func(t api.Transcript) bool { return t.Activities != nil })
	if err != nil {
		return page, fmt.Errorf("transcript of %s: %w", name.ID, err)
	}
	return page, nil
}

// Transcript goes over what was said in a conversation, oldest first, asking for a page at a time. It ends with the
// first error.
func (c *Client) Transcript(ctx context.Context, name ConversationName) iter.Seq2[api.Utterance, error] {
	return all(func(cursor string) ([]api.Utterance, string, error) {
		page, err := c.TranscriptPage(ctx, name, cursor, largestTranscript)
		return page.Activities, page.NextCursor, err
	})
}

// largestTranscript is how many activities the server gives at once.
const largestTranscript = 100

func (n ConversationName) path() (string, error) {
	name, err := segment("conversation", n.ID)
	if err != nil {
		return "", err
	}
	return query(conversations+"/"+name, "", 0, map[string]string{"channel": n.Channel}), nil
}

func isConversation(c api.Conversation) bool { return c.ID != "" }
