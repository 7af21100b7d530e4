package headsup

import (
	"context"
	"errors"
	"net/url"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// ConnectorChannel is the way to every channel that is reached over the Connector API: it calls the service URL of the
// reference. [Verdicts] is how it reads what it is answered.
//
// A tenant of a government cloud that is addressed through the public one answers where it belongs. The call is repeated
// there at once, if the client may go there.
type ConnectorChannel struct {
	client *connector.Client
	moved  func(ctx context.Context, ref activity.Reference)
	barred func(ctx context.Context, ref activity.Reference, why string)
}

// NewConnectorChannel makes a [Channel] of a connector client.
func NewConnectorChannel(c *connector.Client) *ConnectorChannel {
	return &ConnectorChannel{
		client: c, moved: func(context.Context, activity.Reference) {}, barred: func(context.Context, activity.Reference, string) {},
	}
}

// OnMoved has f told, with its new service URL, of a conversation that was found on another host, so that the next call
// goes there at once. Use it before the first call.
func (c *ConnectorChannel) OnMoved(f func(ctx context.Context, ref activity.Reference)) { c.moved = f }

// OnBarred has f told of calls that were not made since nothing is sent to their service URL, and why: "host_not_allowed",
// "address_blocked", or "malformed". Use it before the first call.
func (c *ConnectorChannel) OnBarred(f func(ctx context.Context, ref activity.Reference, why string)) {
	c.barred = f
}

// Send implements [Channel]. An activity that answers another one is posted as a reply to it, any other to the end of
// the conversation.
func (c *ConnectorChannel) Send(ctx context.Context, out Outgoing) (r activity.ResourceResponse, err error) {
	ref, a := out.Reference, out.Activity
	err = c.call(ctx, ref, func(serviceURL string) error {
		if a.ReplyToID != "" {
			r, err = c.client.ReplyToActivity(ctx, serviceURL, ref.Conversation.ID, a.ReplyToID, a)
		} else {
			r, err = c.client.SendToConversation(ctx, serviceURL, ref.Conversation.ID, a)
		}
		return err
	})
	return r, err
}

// SendBody implements [BodySender].
func (c *ConnectorChannel) SendBody(ctx context.Context, out Outgoing, body jsontext.Value) (r activity.ResourceResponse, err error) {
	err = c.call(ctx, out.Reference, func(serviceURL string) error {
		r, err = c.client.SendBody(ctx, serviceURL, out.Reference.Conversation.ID, body)
		return err
	})
	return r, err
}

// Update implements [Channel].
func (c *ConnectorChannel) Update(ctx context.Context, out Outgoing) (r activity.ResourceResponse, err error) {
	err = c.call(ctx, out.Reference, func(serviceURL string) error {
		r, err = c.client.UpdateActivity(ctx, serviceURL, out.Reference.Conversation.ID, out.Activity.ID, out.Activity)
		return err
	})
	return r, err
}

// Delete implements [Channel].
func (c *ConnectorChannel) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	return c.call(ctx, ref, func(serviceURL string) error {
		return c.client.DeleteActivity(ctx, serviceURL, ref.Conversation.ID, id)
	})
}

// Create implements [Channel].
func (c *ConnectorChannel) Create(ctx context.Context, cr Creation) (r activity.ConversationResource, err error) {
	ref := activity.Reference{ChannelID: cr.ChannelID, ServiceURL: cr.ServiceURL}
	err = c.call(ctx, ref, func(serviceURL string) error {
		r, err = c.client.CreateConversation(ctx, serviceURL, cr.Parameters)
		if err == nil && r.ServiceURL == "" && serviceURL != cr.ServiceURL {
			r.ServiceURL = serviceURL
		}
		return err
	})
	return r, err
}

// Capabilities implements [Channel]. What a channel lacks it answers with 405, which is [MeaningUnsupported].
func (c *ConnectorChannel) Capabilities(activity.Reference) Capabilities {
	return Capabilities{Update: true, Delete: true, Create: true}
}

// call makes a call, on the host that the channel names if it belongs there.
func (c *ConnectorChannel) call(ctx context.Context, ref activity.Reference, do func(serviceURL string) error) error {
	err := do(ref.ServiceURL)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*connector.Error](err)
	if ok && e.Class == connector.ClassOtherHost {
		there := onHost(ref.ServiceURL, e.Host)
		again := do(there)
		if again == nil {
			if ref.Conversation.ID != "" {
				ref.ServiceURL = there
				c.moved(ctx, ref)
			}
			return nil
		}
		if !errors.Is(again, connector.ErrHostNotAllowed) {
			err = again
			e, ok = errors.AsType[*connector.Error](again)
		}
	}
	if !ok {
		return err
	}
	if why := barred(e); why != "" {
		c.barred(ctx, ref, why)
	}
	return refusalOf(ref.ChannelID, e)
}

// barred is why nothing is sent to a service URL; empty for any other failure.
func barred(e *connector.Error) string {
	wrong, is := errors.AsType[*connector.ArgumentError](e)
	switch {
	case errors.Is(e, connector.ErrHostNotAllowed):
		return "host_not_allowed"
	case errors.Is(e, connector.ErrAddressBlocked):
		return "address_blocked"
	case is && wrong.Argument == "service url":
		return "malformed"
	}
	return ""
}

// onHost is a service URL on another host: base is its scheme and host.
func onHost(serviceURL, base string) string {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return base
	}
	return base + u.EscapedPath()
}
