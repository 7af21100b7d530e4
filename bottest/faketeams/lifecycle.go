package faketeams

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
)

// place finds where an app can be installed: the chat of a person, by object id; a team, by its id or that of its group; a
// chat. t.mu is held.
func (t *Teams) place(id string) *room {
	if p := t.people[id]; p != nil {
		return t.chat(p)
	}
	if tm := t.teams[activity.ConversationID(id)]; tm != nil {
		return tm.channels[0]
	}
	if r := t.rooms[activity.ConversationID(id)]; r != nil && r.team == nil {
		return r
	}
	return nil
}

// settle changes what the tenant knows of an installation, in Graph too. t.mu is held.
func (t *Teams) settle(r *room, installed bool) {
	switch {
	case r.team != nil:
		r.team.installed = installed
		t.graph.SetInstalled(fakegraph.Installed{AppID: catalogID, Team: r.team.group}, installed)
	case r.with != "":
		r.installed, t.people[r.with].removed = installed, !installed
		if installed {
			r.gone = false
		}
		t.graph.SetInstalled(fakegraph.Installed{AppID: catalogID, User: r.with}, installed)
	default:
		r.installed = installed
	}
	t.changed()
}

// actor is who does something in a room: by, or somebody who is there. t.mu is held.
func (t *Teams) actor(r *room, by string) *person {
	if p := t.people[by]; p != nil {
		return p
	}
	if there := t.roster(r); len(there) > 0 {
		return there[0]
	}
	return t.people[r.with]
}

// installed puts the app somewhere, and returns what the bot is to be told of it. t.mu is held.
func (t *Teams) installed(id, by string, action activity.UpdateAction) []*event {
	r := t.place(id)
	if r == nil {
		return nil
	}
	t.settle(r, true)
	who := t.actor(r, by)
	update := t.activity(r, "", who, activity.TypeInstallationUpdate, map[string]any{"action": action})
	if r.team != nil {
		update.body["channelData"] = t.channelData(r, map[string]any{
			"settings": map[string]any{"selectedChannel": map[string]any{"id": r.id}}, "source": map[string]any{"name": "message"},
		})
	}
	if action != activity.UpdateAdd {
		return []*event{update}
	}
	joined := t.activity(r, "", who, activity.TypeConversationUpdate, map[string]any{
		"membersAdded": []any{map[string]any{"id": t.botID()}},
	})
	if r.team != nil {
		joined.body["channelData"] = t.channelData(r, map[string]any{"eventType": "teamMemberAdded"})
	}
	return []*event{joined, update}
}

// Install has the app be installed by a person: for themselves, whose object id place is then, in a team or in a chat. The bot
// is told as Teams does it; the error is about its answer. [ErrUnknown].
func (t *Teams) Install(ctx context.Context, place, by string) error {
	t.mu.Lock()
	if p := t.people[place]; p != nil && p.Guest {
		t.mu.Unlock()
		return fmt.Errorf("faketeams: %q is a guest, for whom apps cannot be installed", place)
	}
	events := t.installed(place, by, activity.UpdateAdd)
	t.mu.Unlock()
	if events == nil {
		return unknown(place)
	}
	return t.tell(ctx, events...)
}

// Uninstall takes the app away from where [Teams.Install] has put it.
func (t *Teams) Uninstall(ctx context.Context, place, by string) error {
	t.mu.Lock()
	r := t.place(place)
	if r == nil {
		t.mu.Unlock()
		return unknown(place)
	}
	t.settle(r, false)
	who := t.people[by]
	update := t.activity(r, "", who, activity.TypeInstallationUpdate, map[string]any{"action": activity.UpdateRemove})
	events := []*event{update}
	if r.with == "" {
		left := t.activity(r, "", who, activity.TypeConversationUpdate, map[string]any{
			"membersRemoved": []any{map[string]any{"id": t.botID()}},
		})
		if r.team != nil {
			left.body["channelData"] = t.channelData(r, map[string]any{"eventType": "teamMemberRemoved"})
		}
		events = []*event{left, update}
	}
	t.mu.Unlock()
	return t.tell(ctx, events...)
}

// Upgrade has the app be replaced by a newer version.
func (t *Teams) Upgrade(ctx context.Context, place string) error {
	t.mu.Lock()
	r := t.place(place)
	if r == nil {
		t.mu.Unlock()
		return unknown(place)
	}
	begins := t.activity(r, "", t.actor(r, ""), activity.TypeInstallationUpdate, map[string]any{"action": activity.UpdateRemoveUpgrade})
	ends := t.installed(place, "", activity.UpdateAddUpgrade)
	t.mu.Unlock()
	return t.tell(ctx, append([]*event{begins}, ends...)...)
}

// Join adds a person to a team or a chat; Leave takes them out of it. The bot is told if it is there.
func (t *Teams) Join(ctx context.Context, place, objectID string) error {
	return t.membership(ctx, place, objectID, true)
}

// Leave is the opposite of [Teams.Join].
func (t *Teams) Leave(ctx context.Context, place, objectID string) error {
	return t.membership(ctx, place, objectID, false)
}

func (t *Teams) membership(ctx context.Context, place, objectID string, joins bool) error {
	t.mu.Lock()
	r, p := t.place(place), t.people[objectID]
	if r == nil || p == nil || r.with != "" {
		t.mu.Unlock()
		return unknown(place + " " + objectID)
	}
	list := &r.members
	if r.team != nil {
		list = &r.team.members
	}
	what, name := "membersRemoved", "teamMemberRemoved"
	*list = without(*list, objectID)
	if joins {
		what, name = "membersAdded", "teamMemberAdded"
		*list = append(*list, objectID)
	}
	if r.team != nil {
		t.graph.AddGroup(r.team.group, *list...)
	}
	t.changed()
	e := t.activity(r, "", p, activity.TypeConversationUpdate, map[string]any{
		what: []any{map[string]any{"id": p.ID, "aadObjectId": p.ObjectID}},
	})
	if r.team != nil {
		e.body["channelData"] = t.channelData(r, map[string]any{"eventType": name})
	}
	here := t.here(r)
	t.mu.Unlock()
	if !here {
		return nil
	}
	return t.tell(ctx, e)
}

// AddChannel adds a channel to a team and tells the bot, if it is there.
func (t *Teams) AddChannel(ctx context.Context, teamID activity.ConversationID, name string) (activity.ConversationID, error) {
	t.mu.Lock()
	tm := t.teams[teamID]
	if tm == nil {
		t.mu.Unlock()
		return "", unknown(string(teamID))
	}
	r := t.channelOf(tm, activity.ConversationID(t.named("19:", "channel", t.guid())+"@thread.tacv2"), name)
	t.mu.Unlock()
	return r.id, t.happens(ctx, r, "channelCreated", nil)
}

// The events of a team or a channel that change it. Others are only told.
const (
	eventChannelDeleted  = "channelDeleted"
	eventChannelRestored = "channelRestored"
	eventChannelRenamed  = "channelRenamed"
	eventTeamRenamed     = "teamRenamed"
)

// Happen has one of the events of a team or a channel happen, by the name that eventType has for it: "teamRenamed",
// "channelDeleted", "teamArchived" and so on. A name that begins with "channel" is about the channel of the id, others are about
// the team. The bot is told if it is there. Name is the new one, for those that rename.
func (t *Teams) Happen(ctx context.Context, id activity.ConversationID, eventType, name string) error {
	t.mu.Lock()
	r := t.rooms[id]
	t.mu.Unlock()
	if r == nil || r.team == nil {
		return unknown(string(id))
	}
	return t.happens(ctx, r, eventType, func() {
		switch eventType {
		case eventChannelDeleted:
			r.gone = true
		case eventChannelRestored:
			r.gone = false
		case eventChannelRenamed:
			r.name = name
		case eventTeamRenamed:
			r.team.name = name
		}
	})
}

func (t *Teams) happens(ctx context.Context, r *room, eventType string, change func()) error {
	t.mu.Lock()
	if change != nil {
		change()
	}
	t.changed()
	e := t.activity(r, "", nil, activity.TypeConversationUpdate, nil)
	e.body["channelData"] = t.channelData(r, map[string]any{"eventType": eventType})
	if !strings.HasPrefix(eventType, "channel") { // what happens to a team is told in its General channel
		e.body["conversation"].(map[string]any)["id"] = r.team.id //nolint:errcheck // it was made by activity
	}
	here := r.team.installed
	t.mu.Unlock()
	if !here {
		return nil
	}
	return t.tell(ctx, e)
}

// Say has a person say something and returns where it was said: in a channel that is a new thread, or the one of the id. The
// bot's name in <at>…</at> mentions it; in a team and in a chat of several the bot hears nothing else. In the chat with the
// bot it ends a block.
func (t *Teams) Say(ctx context.Context, objectID string, conversation activity.ConversationID, text string) (activity.ConversationID, error) {
	t.mu.Lock()
	p := t.people[objectID]
	r, thread := t.find(conversation)
	switch {
	case p == nil:
		t.mu.Unlock()
		return "", unknown(objectID)
	case r == nil || r.gone || !slices.Contains(t.roster(r), p) || thread != "" && !slices.Contains(r.threads, thread):
		t.mu.Unlock()
		return "", unknown(string(conversation))
	case r.with != "" && !r.installed:
		t.mu.Unlock()
		return "", fmt.Errorf("faketeams: the app is not installed for %q", objectID)
	}
	if r.with != "" {
		p.blocked, p.writesBlocked = false, false
	}
	e := t.activity(r, thread, p, activity.TypeMessage, map[string]any{"text": text, "textFormat": "plain"})
	mention := "<at>" + t.cfg.Name + "</at>"
	mentioned := strings.Contains(text, mention)
	if entities, ok := e.body["entities"].([]any); ok && mentioned {
		e.body["entities"] = append(entities, map[string]any{
			"type": "mention", "text": mention, "mentioned": map[string]any{"id": t.botID(), "name": t.cfg.Name},
		})
	}
	where, id := t.say(r, thread, p, text)
	e.body["id"] = id
	e.body["conversation"].(map[string]any)["id"] = where //nolint:errcheck // it was made by activity
	hears := t.here(r) && (mentioned || r.with != "")
	t.mu.Unlock()
	if !hears {
		return where, nil
	}
	return where, t.tell(ctx, e)
}

// say keeps what a person has said. t.mu is held.
func (t *Teams) say(r *room, thread string, p *person, text string) (where activity.ConversationID, id string) {
	now := time.Now()
	body, err := json.Marshal(map[string]any{"type": activity.TypeMessage, "text": text})
	if err != nil { // text that is not valid UTF-8
		body = []byte(`{"type":"message"}`)
	}
	post := Post{ID: t.messageID(now), Conversation: r.id, From: p.ObjectID, Name: p.Name, At: now, Activity: body}
	if r.kind == activity.ConversationChannel {
		post.Conversation = r.in(thread, post.ID)
	}
	r.post(post)
	t.changed()
	return post.Conversation, post.ID
}
