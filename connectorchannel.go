package headsup

import (
	"context"
	"errors"
	"net/http"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// ConnectorChannel is the way to every channel that is reached over the Connector API: it calls the service URL of the
// reference.
type ConnectorChannel struct {
	client *connector.Client
}

// NewConnectorChannel makes a [Channel] of a connector client.
func NewConnectorChannel(c *connector.Client) *ConnectorChannel { return &ConnectorChannel{client: c} }

// Send implements [Channel]. An activity that answers another one is posted as a reply to it, any other to the end of
// the conversation.
func (c *ConnectorChannel) Send(ctx context.Context, out Outgoing) (activity.ResourceResponse, error) {
	ref, a := out.Reference, out.Activity
	if a.ReplyToID != "" {
		r, err := c.client.ReplyToActivity(ctx, ref.ServiceURL, ref.Conversation.ID, a.ReplyToID, a)
		return r, sendError(err)
	}
	r, err := c.client.SendToConversation(ctx, ref.ServiceURL, ref.Conversation.ID, a)
	return r, sendError(err)
}

// Update implements [Channel].
func (c *ConnectorChannel) Update(ctx context.Context, out Outgoing) (activity.ResourceResponse, error) {
	r, err := c.client.UpdateActivity(ctx, out.Reference.ServiceURL, out.Reference.Conversation.ID, out.Activity.ID, out.Activity)
	return r, sendError(err)
}

// Delete implements [Channel].
func (c *ConnectorChannel) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	return sendError(c.client.DeleteActivity(ctx, ref.ServiceURL, ref.Conversation.ID, id))
}

// Create implements [Channel].
func (c *ConnectorChannel) Create(ctx context.Context, cr Creation) (activity.ConversationResource, error) {
	r, err := c.client.CreateConversation(ctx, cr.ServiceURL, cr.Parameters)
	return r, sendError(err)
}

// Capabilities implements [Channel]. What a channel lacks it answers with 405, which is [MeaningUnsupported].
func (c *ConnectorChannel) Capabilities(activity.Reference) Capabilities {
	return Capabilities{Update: true, Delete: true, Create: true}
}

// sendError says what a failed call means for a delivery.
func sendError(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		return err
	}
	return &SendError{
		Meaning: meaningOf(e), Reason: reasonOf(e), Status: e.Status, RetryAfter: e.RetryAfter, Err: err,
	}
}

func meaningOf(e *connector.Error) Meaning {
	switch e.Class {
	case connector.ClassUnsupported:
		return MeaningUnsupported
	case connector.ClassDoNotRetryPost:
		return MeaningUnknown
	case connector.ClassRetry:
		switch {
		case e.MaybeDelivered:
			return MeaningUnknown
		case e.Status == http.StatusTooManyRequests:
			return MeaningThrottled
		}
		return MeaningTransient
	case connector.ClassPermanent, connector.ClassRefreshToken, connector.ClassOtherHost:
	}
	return MeaningPermanent
}

// reasons are the service codes that mean something to a reader of a delivery's history. Teams documents them with its
// status codes ("Build conversational capability").
var reasons = map[string]string{
	"BotDisabledByAdmin":             "bot_disabled",
	"TenantNoPermission":             "bot_disabled",
	"BotNotInConversationRoster":     "not_in_conversation",
	"ConversationBlockedByUser":      "blocked",
	"MessageWritesBlocked":           "blocked",
	"ForbiddenOperationException":    "not_installed",
	"InvalidBotApiHost":              "wrong_host",
	"ConversationNotFound":           "not_found",
	"ActivityNotFoundInConversation": "not_found",
	"BotNotRegistered":               "not_registered",
}

func reasonOf(e *connector.Error) string {
	for _, code := range []string{e.SubCode, e.Code} {
		if reason := reasons[code]; reason != "" {
			return reason
		}
	}
	switch e.Status {
	case 0:
		if e.MaybeDelivered {
			return "no_answer"
		}
		return "unreachable"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusTooManyRequests:
		return "throttled"
	}
	if e.Status >= 500 {
		return "service_error"
	}
	return "refused"
}
