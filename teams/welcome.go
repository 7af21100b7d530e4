package teams

import (
	"context"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Installation is where the app was installed, and by whom.
type Installation struct {
	// By is who has installed it. The name is empty where nobody can tell it.
	By activity.ChannelAccount
	// Team and Channel are where it was installed in a team; nil for a person, a group chat or a meeting. The channel is the one
	// that was chosen.
	Team    *Team
	Channel *Channel
}

// Welcome handles that the app was installed, with who has done it and where, so that the bot can introduce itself: once for each
// installation, and not when it is upgraded. Teams tells ids and few names: the client asks for the others, and may be nil. What
// cannot be found out is empty, and no error.
func (r Routes) Welcome(c *Client, h func(ctx context.Context, t *headsup.Turn, in Installation) error) {
	r.Installed(func(ctx context.Context, t *headsup.Turn, d Data) error {
		in := Installation{Team: d.Team, Channel: chosen(t.Activity(), d)}
		if from := t.Activity().From; from != nil {
			in.By = *from
		}
		if c != nil {
			c.name(ctx, t.Reference(), &in)
		}
		return h(ctx, t, in)
	})
}

// chosen is the channel that the app was installed in; nil outside of teams.
func chosen(a *activity.Activity, d Data) *Channel {
	var ch Channel
	switch {
	case d.Team == nil:
		return nil
	case d.Settings != nil && d.Settings.SelectedChannel != nil:
		ch = *d.Settings.SelectedChannel
	case d.Channel != nil:
		ch = *d.Channel
	case a.Conversation != nil:
		id, _ := Post(a.Conversation.ID)
		ch.ID = string(id)
	}
	if ch.ID == d.Team.ID && ch.Name == "" {
		ch.Name = General
	}
	return &ch
}

// name finds the names that are missing.
func (c *Client) name(ctx context.Context, ref activity.Reference, in *Installation) {
	if in.By.Name == "" && in.By.ID != "" {
		if m, err := c.Member(ctx, ref, in.By.ID); err == nil {
			in.By = m
		}
	}
	if in.Team == nil {
		return
	}
	if in.Team.Name == "" {
		if d, err := c.Team(ctx, ref, in.Team.ID); err == nil {
			in.Team = &d.Team
		}
	}
	if in.Channel.Name == "" {
		channels, _ := c.Channels(ctx, ref, in.Team.ID)
		for i := range channels {
			if channels[i].ID == in.Channel.ID {
				in.Channel = &channels[i]
			}
		}
	}
}

// Joined handles that people came to a team, a channel of it, or a chat. Teams tells no names of them: the client, which may be
// nil, asks for those.
func (r Routes) Joined(c *Client, h func(ctx context.Context, t *headsup.Turn, people []activity.ChannelAccount) error) {
	r.Mux.MembersAdded(func(ctx context.Context, t *headsup.Turn, people []activity.ChannelAccount) error {
		for i, p := range people {
			if c == nil || p.Name != "" || t.Activity().ChannelID != activity.ChannelTeams {
				continue
			}
			if m, err := c.Member(ctx, t.Reference(), p.ID); err == nil {
				people[i] = m
			}
		}
		return h(ctx, t, people)
	})
}
