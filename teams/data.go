// Package teams is what Microsoft Teams adds to the protocol: what it says beside an activity ([Data]), routes for its events
// and invokes ([Routes]), mentions, threads, and the feed.
//
//	on := teams.Routes{Mux: mux}
//	on.Event(func(ctx context.Context, t *headsup.Turn, d teams.Data) error { … }, teams.ChannelRenamed)
//	on.Action("approve", func(ctx context.Context, t *headsup.Turn, a teams.Action) (teams.Answer, error) {
//		return teams.ShowCard(card), nil
//	})
//
// What a bot has to know of people and teams later is in the reference book (package book), which reads it by itself.
package teams

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Data is the channel data of an activity of Teams ("Send and receive messages", "Conversation events in your Teams bot"). What
// is not known here stays in Extra.
type Data struct {
	// Event says what a conversationUpdate, messageUpdate or messageDelete is about.
	Event Event `json:"eventType,omitzero"`

	Tenant  *Tenant  `json:"tenant,omitzero"`
	Team    *Team    `json:"team,omitzero"`
	Channel *Channel `json:"channel,omitzero"`
	Meeting *Meeting `json:"meeting,omitzero"`

	// Settings has the channel that somebody chose when installing the app in a team.
	Settings *Settings `json:"settings,omitzero"`
	// Source says from where the app was installed, such as "message".
	Source *Source `json:"source,omitzero"`
	// Notification is for what the bot sends; see [Alert].
	Notification *Notification `json:"notification,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Tenant is an organisation.
type Tenant struct {
	ID activity.TenantID `json:"id,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Team is a team.
type Team struct {
	// ID is that of the team's General channel, and GroupID that of its Microsoft 365 group: the one is for channels, the
	// other for Graph.
	ID      string `json:"id,omitzero"`
	GroupID string `json:"aadGroupId,omitzero"`
	Name    string `json:"name,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Channel is a channel of a team.
type Channel struct {
	ID   string `json:"id,omitzero"`
	Name string `json:"name,omitzero"`
	// Type is "standard", "shared" or "private"; empty means standard.
	Type string `json:"type,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Meeting is a meeting whose chat this is.
type Meeting struct {
	ID string `json:"id,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Settings are what was chosen when the app was installed.
type Settings struct {
	SelectedChannel *Channel `json:"selectedChannel,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Source is from where something was done.
type Source struct {
	Name string `json:"name,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Notification says how Teams draws attention to a message.
type Notification struct {
	// Alert makes an entry in the activity feed, and shows a toast. Messages to one person have that anyway.
	Alert bool `json:"alert,omitzero"`
	// AlertInMeeting shows ExternalResourceURL in the meeting whose chat it is.
	AlertInMeeting      bool   `json:"alertInMeeting,omitzero"`
	ExternalResourceURL string `json:"externalResourceUrl,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Event is what happened, in the words of Teams. Compare with [Event.Is]: Teams has written one of them in lower case.
type Event string

// The events of conversationUpdate, messageUpdate and messageDelete.
const (
	MemberAdded          Event = "teamMemberAdded"
	MemberRemoved        Event = "teamMemberRemoved"
	ChannelCreated       Event = "channelCreated"
	ChannelRenamed       Event = "channelRenamed"
	ChannelDeleted       Event = "channelDeleted"
	ChannelRestored      Event = "channelRestored"
	ChannelShared        Event = "channelShared"
	ChannelUnshared      Event = "channelUnshared"
	ChannelMemberAdded   Event = "channelMemberAdded"
	ChannelMemberRemoved Event = "channelMemberRemoved"
	TeamRenamed          Event = "teamRenamed"
	TeamDeleted          Event = "teamDeleted"
	TeamHardDeleted      Event = "teamHardDeleted"
	TeamArchived         Event = "teamArchived"
	TeamUnarchived       Event = "teamUnarchived"
	TeamRestored         Event = "teamRestored"

	MessageEdited   Event = "editMessage"
	MessageRestored Event = "undeleteMessage"
	MessageDeleted  Event = "softDeleteMessage"
)

// Is reports whether it is that event, in whatever letter case.
func (e Event) Is(other Event) bool { return strings.EqualFold(string(e), string(other)) }

// DataOf reads the channel data of an activity. It is empty for other channels, and where it cannot be read.
func DataOf(a *activity.Activity) (d Data) {
	if a.ChannelID != activity.ChannelTeams || json.Unmarshal(a.ChannelData, &d) != nil {
		return Data{}
	}
	return d
}

// Put writes channel data into an activity that the bot sends. What the activity had there and d has not stays.
func (d Data) Put(a *activity.Activity) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("teams: channel data: %w", err)
	}
	var had, has map[string]jsontext.Value
	if a.ChannelData.Kind() != jsontext.KindBeginObject || json.Unmarshal(a.ChannelData, &had) != nil {
		a.ChannelData = raw
		return nil
	}
	if err := json.Unmarshal(raw, &has); err != nil {
		return fmt.Errorf("teams: channel data: %w", err)
	}
	for name, value := range has {
		had[name] = value
	}
	if a.ChannelData, err = json.Marshal(had, json.Deterministic(true)); err != nil {
		return fmt.Errorf("teams: channel data: %w", err)
	}
	return nil
}

// Alert has a message raise an entry in the activity feed, which shows its summary; give messages without text one.
func Alert(a *activity.Activity) error { return Data{Notification: &Notification{Alert: true}}.Put(a) }

// Thread is the conversation of a post in a channel with its answers, by the id of the post. A thread's id in place of the
// channel's is that thread's channel. It is an error if root is no id of a message.
func Thread(channel activity.ConversationID, root activity.ID) (activity.ConversationID, error) {
	if n, err := strconv.ParseUint(string(root), 10, 63); err != nil || n == 0 {
		return "", fmt.Errorf("teams: %q is no id of a message in a channel", root)
	}
	base, _ := Post(channel)
	return activity.ConversationID(string(base) + ";messageid=" + string(root)), nil
}

// Post takes a thread's id apart: the channel's, and that of the post which the thread began with; empty if it is none.
func Post(thread activity.ConversationID) (channel activity.ConversationID, root activity.ID) {
	base, rest, found := strings.Cut(string(thread), ";")
	if id, is := strings.CutPrefix(rest, "messageid="); found && is {
		return activity.ConversationID(base), activity.ID(id)
	}
	return activity.ConversationID(base), ""
}

// Personal reports whether an activity is in a conversation with one person alone.
func Personal(a *activity.Activity) bool {
	return a.Conversation != nil && a.Conversation.ConversationType == activity.ConversationPersonal
}
