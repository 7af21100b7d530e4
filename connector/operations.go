package connector

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// ErrNoConversation is in the chain of the error for a conversation that was created, as the status said, but whose id
// did not arrive.
var ErrNoConversation = errors.New("created conversation has no id")

// The paths of the Connector API. The words in braces name the ids.
const (
	conversationsPath   = "/v3/conversations"
	activitiesPath      = "/v3/conversations/{conversation id}/activities"
	activityPath        = "/v3/conversations/{conversation id}/activities/{activity id}"
	historyPath         = "/v3/conversations/{conversation id}/activities/history"
	activityMembersPath = "/v3/conversations/{conversation id}/activities/{activity id}/members"
	reactionPath        = "/v3/conversations/{conversation id}/activities/{activity id}/reactions/{reaction type}"
	membersPath         = "/v3/conversations/{conversation id}/members"
	memberPath          = "/v3/conversations/{conversation id}/members/{member id}"
	pagedMembersPath    = "/v3/conversations/{conversation id}/pagedmembers"
	uploadPath          = "/v3/conversations/{conversation id}/attachments"
	attachmentPath      = "/v3/attachments/{attachment id}"
	attachmentViewPath  = "/v3/attachments/{attachment id}/views/{view id}"
)

const sendToConversation = "send to conversation"

// Option changes one call that sends, updates or deletes an activity.
type Option func(*Call)

// Targeted marks an activity of a group as visible to its recipient only ("Targeted messages" of Teams). Activities with
// the entity that says so are marked without it.
func Targeted() Option {
	return func(call *Call) { call.Query = url.Values{"isTargetedActivity": {"true"}} }
}

// CreateConversation starts a conversation and, where params has an activity, sends it there. A service URL in the
// result, when present, is to be used from then on.
func (c *Client) CreateConversation(ctx context.Context, serviceURL string, params activity.ConversationParameters) (activity.ConversationResource, error) {
	call := Call{Op: "create conversation", Method: http.MethodPost, ServiceURL: serviceURL, Path: conversationsPath, Body: &params}
	got, err := c.do(ctx, call, c.cfg.MaxResponse)
	if err != nil {
		return activity.ConversationResource{}, err
	}
	var created activity.ConversationResource
	got.hint(&created)
	if created.ID == "" {
		return activity.ConversationResource{}, &Error{
			Op: call.Op, Status: got.status, Class: ClassDoNotRetryPost, MaybeDelivered: true,
			CorrelationID: correlationID(got.header), Err: ErrNoConversation,
		}
	}
	return created, nil
}

// SendToConversation appends an activity to a conversation. The id in the result is empty when the channel gave none,
// which is no failure. The activity's own id is not sent (A2031).
func (c *Client) SendToConversation(ctx context.Context, serviceURL string, conversation activity.ConversationID, a *activity.Activity, opts ...Option) (activity.ResourceResponse, error) {
	return c.post(ctx, Call{
		Op: sendToConversation, Method: http.MethodPost, ServiceURL: serviceURL,
		Path: activitiesPath, IDs: []string{string(conversation)},
	}, a, "", opts)
}

// SendBody is SendToConversation for an activity that is JSON already: an object without an id, and not a targeted one.
func (c *Client) SendBody(ctx context.Context, serviceURL string, conversation activity.ConversationID, body jsontext.Value) (activity.ResourceResponse, error) {
	var sent activity.ResourceResponse
	err := c.acknowledge(ctx, Call{
		Op: sendToConversation, Method: http.MethodPost, ServiceURL: serviceURL,
		Path: activitiesPath, IDs: []string{string(conversation)}, Body: body,
	}, &sent)
	return sent, err
}

// ReplyToActivity sends an activity as an answer to another. Channels with threads put it there, others append it. The
// result is that of SendToConversation.
func (c *Client) ReplyToActivity(ctx context.Context, serviceURL string, conversation activity.ConversationID, to activity.ID, a *activity.Activity, opts ...Option) (activity.ResourceResponse, error) {
	call := Call{
		Op: "reply to activity", Method: http.MethodPost, ServiceURL: serviceURL,
		Path: activityPath, IDs: []string{string(conversation), string(to)},
	}
	if strings.EqualFold(string(to), "history") { // the URL would be that of SendHistory
		return activity.ResourceResponse{}, call.refused(&ArgumentError{Argument: "activity id", Reason: "names another operation"})
	}
	return c.post(ctx, call, a, "", opts)
}

// UpdateActivity replaces an activity that the bot sent.
func (c *Client) UpdateActivity(ctx context.Context, serviceURL string, conversation activity.ConversationID, id activity.ID, a *activity.Activity, opts ...Option) (activity.ResourceResponse, error) {
	return c.post(ctx, Call{
		Op: "update activity", Method: http.MethodPut, ServiceURL: serviceURL,
		Path: activityPath, IDs: []string{string(conversation), string(id)},
	}, a, id, opts)
}

// post sends a with the given id in place of its own.
func (c *Client) post(ctx context.Context, call Call, a *activity.Activity, id activity.ID, opts []Option) (activity.ResourceResponse, error) {
	if a.Targeted() {
		opts = append(opts[:len(opts):len(opts)], Targeted())
	}
	call.apply(opts)
	body := *a
	body.ID = id
	if call.Method == http.MethodPut && call.Query.Has("isTargetedActivity") {
		body.Recipient = nil // Teams refuses an update that names one
	}
	call.Body = &body
	var sent activity.ResourceResponse
	err := c.acknowledge(ctx, call, &sent)
	return sent, err
}

func (call *Call) apply(opts []Option) {
	for _, opt := range opts {
		opt(call)
	}
}

// DeleteActivity deletes an activity that the bot sent.
func (c *Client) DeleteActivity(ctx context.Context, serviceURL string, conversation activity.ConversationID, id activity.ID, opts ...Option) error {
	call := Call{
		Op: "delete activity", Method: http.MethodDelete, ServiceURL: serviceURL,
		Path: activityPath, IDs: []string{string(conversation), string(id)},
	}
	call.apply(opts)
	return c.acknowledge(ctx, call, nil)
}

// SendHistory uploads past activities to a conversation.
func (c *Client) SendHistory(ctx context.Context, serviceURL string, conversation activity.ConversationID, history activity.Transcript) (activity.ResourceResponse, error) {
	var sent activity.ResourceResponse
	err := c.acknowledge(ctx, Call{
		Op: "send history", Method: http.MethodPost, ServiceURL: serviceURL,
		Path: historyPath, IDs: []string{string(conversation)}, Body: &history,
	}, &sent)
	return sent, err
}

// Conversations returns one page of the bot's conversations. The token is empty for the first page and that of the
// previous page for the next. Only Direct Line and Web Chat have this operation.
func (c *Client) Conversations(ctx context.Context, serviceURL, continuationToken string) (activity.ConversationsResult, error) {
	call := Call{Op: "list conversations", Method: http.MethodGet, ServiceURL: serviceURL, Path: conversationsPath}
	if continuationToken != "" {
		call.Query = url.Values{"continuationToken": {continuationToken}}
	}
	return read[activity.ConversationsResult](ctx, c, call)
}

// Members returns everybody in a conversation. In Teams it fails for large rosters; PagedMembers does not.
func (c *Client) Members(ctx context.Context, serviceURL string, conversation activity.ConversationID) ([]activity.ChannelAccount, error) {
	return read[[]activity.ChannelAccount](ctx, c, Call{
		Op: "list members", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: membersPath, IDs: []string{string(conversation)},
	})
}

// Member returns one member of a conversation. The status of the error is 404 when there is none with that id.
func (c *Client) Member(ctx context.Context, serviceURL string, conversation activity.ConversationID, member activity.AccountID) (activity.ChannelAccount, error) {
	return read[activity.ChannelAccount](ctx, c, Call{
		Op: "get member", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: memberPath, IDs: []string{string(conversation), string(member)},
	})
}

// PagedMembers returns one page of a conversation's members. A pageSize of zero leaves the size to the channel; the
// token is empty for the first page and that of the previous page for the next.
func (c *Client) PagedMembers(ctx context.Context, serviceURL string, conversation activity.ConversationID, pageSize int, continuationToken string) (activity.PagedMembers, error) {
	call := Call{
		Op: "list members by page", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: pagedMembersPath, IDs: []string{string(conversation)}, Query: url.Values{},
	}
	if pageSize > 0 {
		call.Query.Set("pageSize", strconv.Itoa(pageSize))
	}
	if continuationToken != "" {
		call.Query.Set("continuationToken", continuationToken)
	}
	return read[activity.PagedMembers](ctx, c, call)
}

// DeleteMember removes a member from a conversation; the last one takes the conversation along.
func (c *Client) DeleteMember(ctx context.Context, serviceURL string, conversation activity.ConversationID, member activity.AccountID) error {
	return c.acknowledge(ctx, Call{
		Op: "delete member", Method: http.MethodDelete, ServiceURL: serviceURL,
		Path: memberPath, IDs: []string{string(conversation), string(member)},
	}, nil)
}

// ActivityMembers returns who an activity concerns.
func (c *Client) ActivityMembers(ctx context.Context, serviceURL string, conversation activity.ConversationID, id activity.ID) ([]activity.ChannelAccount, error) {
	return read[[]activity.ChannelAccount](ctx, c, Call{
		Op: "list members of activity", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: activityMembersPath, IDs: []string{string(conversation), string(id)},
	})
}

// UploadAttachment stores a file with the channel. The id in the result is that of the attachment.
func (c *Client) UploadAttachment(ctx context.Context, serviceURL string, conversation activity.ConversationID, data activity.AttachmentData) (activity.ResourceResponse, error) {
	var stored activity.ResourceResponse
	err := c.acknowledge(ctx, Call{
		Op: "upload attachment", Method: http.MethodPost, ServiceURL: serviceURL,
		Path: uploadPath, IDs: []string{string(conversation)}, Body: &data,
	}, &stored)
	return stored, err
}

// AttachmentInfo returns the description of a stored file.
func (c *Client) AttachmentInfo(ctx context.Context, serviceURL, attachmentID string) (activity.AttachmentInfo, error) {
	return read[activity.AttachmentInfo](ctx, c, Call{
		Op: "get attachment", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: attachmentPath, IDs: []string{attachmentID},
	})
}

// AddReaction puts the bot's reaction under an activity. Only newer services of Teams have this operation.
func (c *Client) AddReaction(ctx context.Context, serviceURL string, conversation activity.ConversationID, id activity.ID, reaction activity.ReactionType) error {
	return c.react(ctx, "add reaction", http.MethodPut, serviceURL, conversation, id, reaction)
}

// DeleteReaction takes the bot's reaction back.
func (c *Client) DeleteReaction(ctx context.Context, serviceURL string, conversation activity.ConversationID, id activity.ID, reaction activity.ReactionType) error {
	return c.react(ctx, "delete reaction", http.MethodDelete, serviceURL, conversation, id, reaction)
}

func (c *Client) react(ctx context.Context, op, method, serviceURL string, conversation activity.ConversationID, id activity.ID, reaction activity.ReactionType) error {
	return c.acknowledge(ctx, Call{
		Op: op, Method: method, ServiceURL: serviceURL,
		Path: reactionPath, IDs: []string{string(conversation), string(id), string(reaction)},
	}, nil)
}

// AttachmentContent is one rendition of a stored file: its bytes, or where they are.
type AttachmentContent struct {
	ContentType string
	Data        []byte
	// Location is the URL that the service redirects to, as it wrote it. The client does not go there: it is another host, which must
	// see no token and may be anywhere.
	Location string
}

// AttachmentView returns one rendition of a stored file, up to Config.MaxContent bytes.
func (c *Client) AttachmentView(ctx context.Context, serviceURL, attachmentID, viewID string) (AttachmentContent, error) {
	call := Call{
		Op: "get attachment view", Method: http.MethodGet, ServiceURL: serviceURL,
		Path: attachmentViewPath, IDs: []string{attachmentID, viewID},
	}
	got, err := c.do(ctx, call, c.cfg.MaxContent, redirects...)
	switch {
	case err != nil:
		return AttachmentContent{}, err
	case !got.success():
		return AttachmentContent{Location: got.header.Get("Location")}, nil
	case got.readError != nil || got.tooLarge:
		return AttachmentContent{}, call.content(got, nil)
	}
	return AttachmentContent{ContentType: got.header.Get("Content-Type"), Data: got.body}, nil
}

var redirects = []int{
	http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
}

func read[T any](ctx context.Context, c *Client, call Call) (T, error) {
	var result T
	if err := c.Call(ctx, call, &result); err != nil {
		var zero T
		return zero, err
	}
	return result, nil
}
