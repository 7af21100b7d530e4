package directline

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// In a channel people talk in threads, and each thread is a conversation of its own to the bot, as in Teams: its id is
// the channel's, the mark below, and the id of the first activity (Teams, "Channel and group conversations with a bot").
// Clients have the channel as one conversation; what they see tells its thread in channelData, and so do they.
const threadMark = ";messageid="

// channelIDs is what the numbers of a channel's activities count from in their ids, so that these are as long as the
// times in milliseconds which Teams has there.
const channelIDs = 1_000_000_000_000

// threadID is what the bot knows a thread by.
func threadID(channel activity.ConversationID, root activity.ID) activity.ConversationID {
	if root == "" {
		return channel
	}
	return channel + threadMark + activity.ConversationID(root)
}

// split takes a thread's id apart. The root of any other conversation is empty.
func split(id activity.ConversationID) (channel activity.ConversationID, root activity.ID) {
	base, thread, _ := strings.Cut(string(id), threadMark)
	return activity.ConversationID(base), activity.ID(thread)
}

// seqIn is the number of an activity in a channel.
func seqIn(id activity.ID) (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n - channelIDs, err == nil && n > channelIDs && strconv.FormatInt(n, 10) == string(id)
}

// checkRoot checks that a thread begins with an activity. It returns ErrNotFound if there is no such thread.
func (c *Channel) checkRoot(ctx context.Context, channel activity.ConversationID, root activity.ID) error {
	if root == "" {
		return nil
	}
	seq, ok := seqIn(root)
	if kindOf(channel) != KindChannel || !ok {
		return ErrNotFound
	}
	found, err := c.cfg.Store.History(ctx, channel, seq-1, 1)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	if len(found) == 0 || found[0].Seq != seq || found[0].Again != 0 || threadOf(found[0].Body) != "" {
		return ErrNotFound
	}
	return nil
}

// threadData is where channel data tells a thread.
type threadData struct {
	Thread activity.ID `json:"thread,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// threadIn reads the thread out of channel data.
func threadIn(channelData jsontext.Value) activity.ID {
	raw, _ := activity.Member(channelData, "headsup")
	var data threadData
	if json.Unmarshal(raw, &data) != nil {
		return ""
	}
	return data.Thread
}

// threadOf reads the thread out of an activity as JSON.
func threadOf(body jsontext.Value) activity.ID {
	data, _ := activity.Member(body, "channelData")
	return threadIn(data)
}

// withThread returns channel data that tells a thread, or none when it is empty.
func withThread(channelData jsontext.Value, root activity.ID) jsontext.Value {
	var data threadData
	raw, found := activity.Member(channelData, "headsup")
	_ = json.Unmarshal(raw, &data) // what is no object is replaced
	if root == "" && (!found || data.Thread == "") {
		return channelData
	}
	data.Thread = root
	return withMember(channelData, "headsup", data)
}

// withMember returns an object of JSON with a member set. What is no object becomes one.
func withMember(object jsontext.Value, name string, value any) jsontext.Value {
	members := make(map[string]jsontext.Value)
	_ = json.Unmarshal(object, &members)
	if members == nil { // null
		members = make(map[string]jsontext.Value)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return object
	}
	members[name] = raw
	out, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return object
	}
	return out
}

// rooted returns an activity of a channel as clients see it: the first one of a thread is not stored with its thread,
// whose id is not known before it is stored.
func rooted(id activity.ConversationID, s Stored) jsontext.Value {
	if kindOf(id) != KindChannel || threadOf(s.Body) != "" {
		return s.Body
	}
	data, _ := activity.Member(s.Body, "channelData")
	return withMember(s.Body, "channelData", withThread(data, activityID(id, cmp.Or(s.Again, s.Seq))))
}

// account is a conversation as the bot is told of it.
func (conv Conversation) account(root activity.ID) *activity.ConversationAccount {
	a := accountOf(conv.ID)
	a.ID, a.Name = threadID(conv.ID, root), conv.Name
	return a
}

// accountOf is a conversation as its id tells.
func accountOf(id activity.ConversationID) *activity.ConversationAccount {
	base, _ := split(id)
	a := &activity.ConversationAccount{ID: base}
	switch kindOf(id) {
	case KindGroup:
		a.IsGroup, a.ConversationType = new(true), activity.ConversationGroupChat
	case KindChannel:
		a.IsGroup, a.ConversationType = new(true), activity.ConversationChannel
	case KindPersonal:
	}
	return a
}

// channelData completes what the bot is told of a channel in the way of Teams, where a channel belongs to a team. Here
// each is its team's only one.
func (conv Conversation) channelData(data jsontext.Value) jsontext.Value {
	if conv.Kind != KindChannel {
		return data
	}
	named := struct {
		ID   activity.ConversationID `json:"id"`
		Name string                  `json:"name,omitzero"`
	}{conv.ID, conv.Name}
	data = withMember(data, "channel", named)
	data = withMember(data, "team", named)
	data = withMember(data, "teamsChannelId", conv.ID)
	return withMember(data, "teamsTeamId", conv.ID)
}
