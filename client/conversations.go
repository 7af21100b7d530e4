package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// Filter chooses conversations: those that fit all members that are set. The zero value chooses all.
type Filter struct {
	Kind, Channel, Reach, Tag string
	// User and ExternalID are of somebody who takes part.
	User, ExternalID string
	// Team is a team of Microsoft Teams by its id there, and Tenant a tenant of a channel.
	Team, Tenant string
}

// ConversationsPage returns a page of the conversations that the bot knows, in the order in which it met them. The first
// page has an empty cursor; each names the next one's, the last one none. A limit of 0 leaves the size to the server.
func (c *Client) ConversationsPage(ctx context.Context, f Filter, cursor string, limit int) (page api.Conversations, err error) {
	path := "/v1/conversations" + parameters(
		"kind", f.Kind, "channel", f.Channel, "reach", f.Reach, "tag", f.Tag, "user", f.User, "external_id", f.ExternalID, "team", f.Team, "tenant", f.Tenant,
		"cursor", cursor, "limit", positive(limit))
	if err := c.do(ctx, request{method: http.MethodGet, path: path}, &page); err != nil {
		return api.Conversations{}, fmt.Errorf("conversations: %w", err)
	}
	return page, nil
}

// Conversations goes over the conversations that the bot knows, asking for a page at a time. It ends with the first error.
func (c *Client) Conversations(ctx context.Context, f Filter) iter.Seq2[api.Conversation, error] {
	return all(func(cursor string) ([]api.Conversation, string, error) {
		page, err := c.ConversationsPage(ctx, f, cursor, largestPage)
		return page.Conversations, page.NextCursor, err
	})
}

// Conversation returns a conversation by its id on the channel; an empty channel means the one that was seen last, if
// several use the id. One that the bot does not know is an [*Error] with [api.CodeNotFound].
func (c *Client) Conversation(ctx context.Context, channel, id string) (api.Conversation, error) {
	return c.conversation(ctx, request{method: http.MethodGet}, channel, id)
}

// UpdateConversation changes the tags of a conversation, or the id that its person has in the caller's own system. What
// is nil stays as it is; empty tags that are not nil remove all.
func (c *Client) UpdateConversation(ctx context.Context, channel, id string, r api.ConversationUpdate) (api.Conversation, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return api.Conversation{}, fmt.Errorf("conversation %s: %w", id, err)
	}
	return c.conversation(ctx, request{method: http.MethodPatch, body: body}, channel, id)
}

func (c *Client) conversation(ctx context.Context, r request, channel, id string) (api.Conversation, error) {
	return c.conversationAt(ctx, r, channel, id, "")
}

func (c *Client) conversationAt(ctx context.Context, r request, channel, id, below string) (api.Conversation, error) {
	var err error
	var out api.Conversation
	if r.path, err = conversationPath(channel, id, below); err == nil {
		err = c.do(ctx, r, &out)
	}
	if err == nil && out.ID == "" {
		err = fmt.Errorf("%w: it has no id", errAnswer)
	}
	if err != nil {
		return api.Conversation{}, fmt.Errorf("conversation %s: %w", id, err)
	}
	return out, nil
}

// Import brings references of other programs into the reference book, up to 1,000 at once. A refused one does not hinder the
// others: see their results.
func (c *Client) Import(ctx context.Context, r api.ImportRequest) (api.ImportResult, error) {
	return post(ctx, c, "/v1/references", r, func(out api.ImportResult) bool { return len(out.Results) == len(r.References) })
}

// ForgetConversation removes a conversation from the reference book, and what waits for it; see the API's documentation
// for what stays. One that is not there, perhaps because an earlier try has removed it, is an [*Error] with
// [api.CodeNotFound].
func (c *Client) ForgetConversation(ctx context.Context, channel, id string) error {
	path, err := conversationPath(channel, id, "")
	if err == nil {
		err = c.do(ctx, request{method: http.MethodDelete, path: path}, nil)
	}
	if err != nil {
		return fmt.Errorf("forget conversation %s: %w", id, err)
	}
	return nil
}

// NoteRoster has the server ask Microsoft Teams who takes part in a conversation, and note them in the reference book. A channel
// without rosters is an [*Error] with [api.CodeNoRoster].
func (c *Client) NoteRoster(ctx context.Context, channel, id string) (r api.Roster, err error) {
	path, err := conversationPath(channel, id, "/roster")
	if err == nil {
		err = c.do(ctx, request{method: http.MethodPost, path: path}, &r)
	}
	if err != nil {
		return api.Roster{}, fmt.Errorf("roster of %s: %w", id, err)
	}
	return r, nil
}

// TranscriptPage returns a page of what was said in a conversation, oldest first. A channel that keeps nothing is an
// [*Error] with [api.CodeNoTranscript].
func (c *Client) TranscriptPage(ctx context.Context, channel, id, cursor string, limit int) (page api.Transcript, err error) {
	path, err := conversationPath(channel, id, "/activities", "cursor", cursor, "limit", positive(limit))
	if err == nil {
		err = c.do(ctx, request{method: http.MethodGet, path: path}, &page)
	}
	if err != nil {
		return api.Transcript{}, fmt.Errorf("transcript of %s: %w", id, err)
	}
	return page, nil
}

// conversationPath is the path of a conversation. Its id is one segment, whatever is in it; dots are written out, since
// segments of nothing else go up a path.
func conversationPath(channel, id, below string, more ...string) (string, error) {
	if id == "" {
		return "", errors.New("the id is empty")
	}
	segment := strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
	return "/v1/conversations/" + segment + below + parameters(append([]string{"channel", channel}, more...)...), nil
}
