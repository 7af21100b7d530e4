package headsup

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/pace"
)

// RouteOf is the way to a conversation, as limits count it.
func RouteOf(key ConversationKey, serviceURL string) pace.Route {
	return pace.Route{App: key.AppID, Channel: string(key.Channel), Tenant: string(key.Tenant), Host: hostOf(serviceURL)}
}

// hostOf is the host of a service URL, with its port unless it is that of https; empty if it has none.
func hostOf(serviceURL string) string {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// PacedChannel is a [Channel] that keeps another within limits. Every call takes a permit first: one for a reply waits
// for it until its context ends, and fails at once with [MeaningThrottled] if that will not do. A call whose context has
// the permit of a delivery ([pace.WithPermit]) uses that one. What the channel answers makes pauses and ends them.
type PacedChannel struct {
	next   Channel
	limits *pace.Limiter
	appID  string
}

// NewPacedChannel puts limits before a channel. Nil limits make it that channel.
func NewPacedChannel(c Channel, limits *pace.Limiter, appID string) *PacedChannel {
	return &PacedChannel{next: c, limits: limits, appID: appID}
}

// Send implements [Channel].
func (p *PacedChannel) Send(ctx context.Context, out Outgoing) (r activity.ResourceResponse, err error) {
	err = p.call(ctx, out.Reference, func(ctx context.Context) error {
		r, err = p.next.Send(ctx, out)
		return err
	})
	return r, err
}

// SendBody implements [BodySender].
func (p *PacedChannel) SendBody(ctx context.Context, out Outgoing, body jsontext.Value) (r activity.ResourceResponse, err error) {
	err = p.call(ctx, out.Reference, func(ctx context.Context) error {
		r, err = SendBody(ctx, p.next, out, body)
		return err
	})
	return r, err
}

// Update implements [Channel].
func (p *PacedChannel) Update(ctx context.Context, out Outgoing) (r activity.ResourceResponse, err error) {
	err = p.call(ctx, out.Reference, func(ctx context.Context) error {
		r, err = p.next.Update(ctx, out)
		return err
	})
	return r, err
}

// Delete implements [Channel].
func (p *PacedChannel) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	return p.call(ctx, ref, func(ctx context.Context) error { return p.next.Delete(ctx, ref, id) })
}

// Create implements [Channel]. The new conversation's windows are empty; what counts are the tenant's and the bot's.
func (p *PacedChannel) Create(ctx context.Context, c Creation) (r activity.ConversationResource, err error) {
	ref, _ := CreatedReference(c, activity.ConversationResource{ID: "new"})
	ref.Conversation.ID = ""
	err = p.call(ctx, ref, func(ctx context.Context) error {
		r, err = p.next.Create(ctx, c)
		return err
	})
	return r, err
}

// Capabilities implements [Channel].
func (p *PacedChannel) Capabilities(ref activity.Reference) Capabilities {
	return p.next.Capabilities(ref)
}

// ReasonPaced is why a call fails that there will be no permit for in time.
const ReasonPaced = "paced"

// call makes one call with a permit.
func (p *PacedChannel) call(ctx context.Context, ref activity.Reference, do func(context.Context) error) error {
	if p.limits == nil {
		return do(ctx)
	}
	route, conversation := RouteOf(KeyOf(p.appID, ref), ref.ServiceURL), string(ref.Conversation.ID)
	permit, kind := pace.PermitOf(ctx)
	if !permit.Use() {
		var err error
		if permit, err = p.limits.Wait(ctx, route, conversation, kind); err != nil {
			failure := &SendError{Meaning: MeaningThrottled, Reason: ReasonPaced, Err: err}
			if busy, ok := errors.AsType[*pace.BusyError](err); ok {
				failure.RetryAfter = busy.After
			}
			return failure
		}
	}
	if permit != nil && p.limits.Shared() { // nobody knows better than this when the calls of a node that has died are over
		bounded, cancel := context.WithTimeout(ctx, pace.LongestCall)
		defer cancel()
		ctx = bounded
	}
	err := do(ctx)
	now := time.Now()
	failure := MeaningOf(err)
	if failure != nil && failure.Meaning == MeaningPermanent && failure.Status == 0 {
		permit.Cancel() // it never left
		return err
	}
	p.learn(route, conversation, failure, now)
	permit.Done(now)
	return err
}

// learn makes pauses of what a channel has answered, and ends them.
func (p *PacedChannel) learn(r pace.Route, conversation string, failure *SendError, now time.Time) {
	switch {
	case failure == nil:
		p.limits.Succeeded(r, conversation, now)
	case failure.Scope == pace.LevelBot:
		p.limits.Reached(r, now)
		p.limits.Trip(r.OfBot(), failure.Reason, now)
	case failure.Meaning == MeaningThrottled:
		p.limits.Reached(r, now)
		p.limits.Throttled(r, conversation, failure.RetryAfter, now)
	case failure.Scope == pace.LevelHost:
		if !errors.Is(failure.Err, context.Canceled) { // it was ended from here
			reason := pace.ReasonUnreachable
			if failure.Reason == ReasonTLS {
				reason = ReasonTLS
			}
			p.limits.Failed(r, reason, now)
		}
	case failure.Status != 0:
		p.limits.Succeeded(r, conversation, now) // it was taken, whatever it led to
	}
}
