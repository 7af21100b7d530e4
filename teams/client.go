package teams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
)

// ClientConfig describes a [Client].
type ClientConfig struct {
	// Connector makes the calls. Required.
	Connector *connector.Client

	// Limits are what calls wait for: those of everything else that calls the channel. Nil waits for nothing.
	Limits *pace.Limiter

	// AppID is the bot's, by which Limits count.
	AppID string

	// Seen is told who is in a conversation, page by page, such as [proactive.Engine.NoteMembers]: from then on the book finds
	// them by e-mail address and the like. An error ends the list. Nil tells nobody.
	//
	// [proactive.Engine.NoteMembers]: https://pkg.go.dev/github.com/headsup-bot/headsup/proactive#Engine.NoteMembers
	Seen func(ctx context.Context, ref activity.Reference, people []activity.ChannelAccount) error
}

// Client asks Teams what only Teams knows: who is in a conversation, what a team is and which channels it has; and has it
// send in bulk. It keeps within the windows that Teams has for that, waits when Teams asks it to, and repeats what can be repeated,
// for as long as the context lasts. A conversation is that of a reference, of which the thread does not matter. Safe for concurrent use.
type Client struct{ cfg ClientConfig }

// NewClient makes a client. It calls nobody.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Connector == nil {
		return nil, errors.New("teams: client: Connector is missing")
	}
	return &Client{cfg}, nil
}

// What is asked, for the windows that it has.
const (
	askMembers  = "members "
	askChannels = "channels "
)

// MostOnPage is the largest page of members that Teams gives.
const MostOnPage = 500

// Members lists who is in the conversation of a reference: a chat, or a team, whatever thread of it the reference names. It asks
// page by page, as they are needed. The list ends with an error if there is one.
func (c *Client) Members(ctx context.Context, ref activity.Reference) iter.Seq2[activity.ChannelAccount, error] {
	return func(yield func(activity.ChannelAccount, error) bool) {
		for page, err := range c.Pages(ctx, ref, MostOnPage) {
			if err != nil {
				yield(activity.ChannelAccount{}, err)
				return
			}
			for _, m := range page {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// Pages is Members by page, of a size between 50 and [MostOnPage].
func (c *Client) Pages(ctx context.Context, ref activity.Reference, size int) iter.Seq2[[]activity.ChannelAccount, error] {
	id, _ := Post(ref.Conversation.ID)
	return func(yield func([]activity.ChannelAccount, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			var page activity.PagedMembers
			err := c.ask(ctx, ref, askMembers+string(id), func(ctx context.Context, serviceURL string) (err error) {
				page, err = c.cfg.Connector.PagedMembers(ctx, serviceURL, id, size, token)
				return err
			})
			if err == nil && page.ContinuationToken == token && token != "" {
				err = errors.New("the same page is told again and again")
			}
			if err == nil && c.cfg.Seen != nil && len(page.Members) > 0 {
				err = c.cfg.Seen(ctx, ref, page.Members)
			}
			if err != nil {
				yield(nil, fmt.Errorf("teams: members: %w", err))
				return
			}
			token = page.ContinuationToken
			if !yield(page.Members, nil) {
				return
			}
		}
	}
}

// Member is one member of a conversation, by their id on the channel, or by their object id or user principal name. The status
// of the [connector.Error] is 404 for nobody.
func (c *Client) Member(ctx context.Context, ref activity.Reference, who activity.AccountID) (m activity.ChannelAccount, err error) {
	id, _ := Post(ref.Conversation.ID)
	err = c.ask(ctx, ref, askMembers+string(id), func(ctx context.Context, serviceURL string) error {
		m, err = c.cfg.Connector.Member(ctx, serviceURL, id, who)
		return err
	})
	if err == nil && c.cfg.Seen != nil {
		err = c.cfg.Seen(ctx, ref, []activity.ChannelAccount{m})
	}
	if err != nil {
		return m, fmt.Errorf("teams: member: %w", err)
	}
	return m, nil
}

// Details is what a team says of itself.
type Details struct {
	Team

	Type     string `json:"type,omitzero"`
	Channels int    `json:"channelCount,omitzero"`
	Members  int    `json:"memberCount,omitzero"`
}

// Team tells of a team, by the id of [Team.ID]. The reference is that of any conversation in its tenant.
func (c *Client) Team(ctx context.Context, ref activity.Reference, team string) (d Details, err error) {
	err = c.ask(ctx, ref, askChannels+team, func(ctx context.Context, serviceURL string) error {
		return c.cfg.Connector.Call(ctx, connector.Call{
			Op: "get team", Method: http.MethodGet, ServiceURL: serviceURL, Path: "/v3/teams/{team id}", IDs: []string{team},
		}, &d)
	})
	if err != nil {
		return d, fmt.Errorf("teams: team: %w", err)
	}
	return d, nil
}

// General is what the first channel of a team is called in English; Teams tells no name for it.
const General = "General"

// Channels lists the channels of a team. The first one, whose id is the team's, is called [General].
func (c *Client) Channels(ctx context.Context, ref activity.Reference, team string) ([]Channel, error) {
	var got struct {
		Channels []Channel `json:"conversations"`
	}
	err := c.ask(ctx, ref, askChannels+team, func(ctx context.Context, serviceURL string) error {
		return c.cfg.Connector.Call(ctx, connector.Call{
			Op: "list channels", Method: http.MethodGet, ServiceURL: serviceURL, Path: "/v3/teams/{team id}/conversations", IDs: []string{team},
		}, &got)
	})
	if err != nil {
		return nil, fmt.Errorf("teams: channels: %w", err)
	}
	for i := range got.Channels {
		if ch := &got.Channels[i]; ch.Name == "" && ch.ID == team {
			ch.Name = General
		}
	}
	return got.Channels, nil
}

const (
	// tries is how often something is asked that fails in a way that may pass.
	tries = 5
	// pause is how long to wait before the second try if Teams does not say; each later one waits twice as long.
	pause = time.Second
)

// ask asks once there is room for it, and again when that may help.
func (c *Client) ask(ctx context.Context, ref activity.Reference, what string, do func(ctx context.Context, serviceURL string) error) error {
	route := headsup.RouteOf(headsup.KeyOf(c.cfg.AppID, ref), ref.ServiceURL)
	serviceURL := ref.ServiceURL
	for try := 1; ; try++ {
		q, err := c.cfg.Limits.WaitRoster(ctx, route, what, pace.Delivery)
		if err != nil {
			return err
		}
		err = do(ctx, serviceURL)
		now := time.Now()
		e, ok := errors.AsType[*connector.Error](err)
		if !ok || try == tries || e.Class != connector.ClassRetry && (e.Class != connector.ClassOtherHost || e.Host == "") {
			q.Done(now)
			return err
		}
		if e.Class == connector.ClassOtherHost {
			q.Done(now)
			if serviceURL = otherHost(serviceURL, e.Host); try > 1 {
				return err
			}
			continue
		}
		wait := max(e.RetryAfter, pause<<(try-1))
		if e.Status == http.StatusTooManyRequests {
			q.Throttled(now, wait)
		} else {
			q.Done(now)
		}
		if err := sleep(ctx, wait); err != nil {
			return errors.Join(e, err)
		}
	}
}

// otherHost is a service URL on another host, of which base is scheme and name.
func otherHost(serviceURL, base string) string {
	u, err := url.Parse(serviceURL)
	if err != nil {
		return base
	}
	return base + u.EscapedPath()
}

func sleep(ctx context.Context, d time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
