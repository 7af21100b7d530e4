package book

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// teamsData is what the channel data of Microsoft Teams says that matters to the book. What it does not say, or says in
// another form, is empty.
type teamsData struct {
	// event is the eventType in lower case: Teams has been seen to write it in two ways.
	event string
	place Place
}

func readTeams(a *activity.Activity) (d teamsData) {
	if a.ChannelID != activity.ChannelTeams {
		return d
	}
	data := membersOf(a.ChannelData)
	team, channel, meeting := membersOf(data["team"]), membersOf(data["channel"]), membersOf(data["meeting"])
	d.event = strings.ToLower(textOf(data["eventType"]))
	d.place = Place{
		Team: cmp.Or(textOf(team["id"]), textOf(data["teamsTeamId"])), TeamName: textOf(team["name"]), Group: textOf(team["aadGroupId"]),
		Room: cmp.Or(textOf(channel["id"]), textOf(data["teamsChannelId"])), RoomName: textOf(channel["name"]),
		Meeting: textOf(meeting["id"]),
	}
	if d.place.Room == "" && d.place.Team != "" && a.Conversation != nil { // a team's conversation is that of a channel, or in a thread of it
		room, _, _ := strings.Cut(string(a.Conversation.ID), ";")
		d.place.Room = room
	}
	return d
}

// textOf is a JSON string, and empty for everything else.
func textOf(raw jsontext.Value) (text string) {
	if raw.Kind() != jsontext.KindString || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// membersOf are the members of a JSON object, and none of everything else.
func membersOf(raw jsontext.Value) (members map[string]jsontext.Value) {
	if raw.Kind() != jsontext.KindBeginObject || json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// upgradeWithin is how long a bot is away at most while its app is upgraded: then it is taken to be back.
const upgradeWithin = 10 * time.Minute

// The causes that an installation ends in all conversations of a team.
var endedByInstallation = []string{CauseUninstalled, CauseBotRemoved, CauseUpgrading, CauseTeamGone}

// happening is what an activity does to the book.
type happening struct {
	// unseen: it does not say that the bot can write there, so that it is no sighting.
	unseen bool
	// installed: the bot was installed.
	installed bool
	// changes are made after the sighting, or when the handler has returned if there is none: what the bot says to those
	// who have removed it may still arrive. Their Key is missing.
	changes []Change
	// people take part besides those of membersAdded.
	people []activity.ChannelAccount
}

// happens reads what an activity does to the book.
func happens(a *activity.Activity, d teamsData, at time.Time) (h happening) {
	gone := func(r Reach, cause string, c Change) {
		h.unseen = true
		c.Standing = Standing{Reach: r, Cause: cause, At: at}
		h.changes = append(h.changes, c)
	}
	back := func(cause string, c Change, only ...string) {
		c.Standing, c.Only = Standing{Reach: ReachActive, Cause: cause, At: at}, only
		h.changes = append(h.changes, c)
	}
	team, room := Change{Team: d.place.Team}, Change{Team: d.place.Team, Room: d.place.Room}
	switch a.Type {
	case activity.TypeInstallationUpdate:
		switch action := string(a.Action); {
		case action == string(activity.UpdateRemove):
			gone(ReachUninstalled, CauseUninstalled, team)
		case strings.HasPrefix(action, string(activity.UpdateRemove)): // "remove-upgrade", which an "add-upgrade" follows
			gone(ReachUnreachable, CauseUpgrading, team)
			h.changes[0].Standing.Until = at.Add(upgradeWithin)
		case strings.HasPrefix(action, string(activity.UpdateAdd)):
			h.installed = true
			if team.Team != "" {
				back(CauseInstalled, team, endedByInstallation...)
			}
		}
	case activity.TypeContactRelationUpdate:
		if a.Action == activity.UpdateRemove {
			gone(ReachUninstalled, CauseContactRemoved, Change{})
		}
	case activity.TypeConversationUpdate:
		h.ofMembers(a, d, gone, back)
		if d.place.Team != "" {
			h.ofTeam(d, team, room, gone, back)
		}
	case activity.TypeEvent:
		h.people = participants(a)
	}
	return h
}

type (
	goneFunc func(r Reach, cause string, c Change)
	backFunc func(cause string, c Change, only ...string)
)

// ofMembers reads who has come and gone: the bot, or people.
func (h *happening) ofMembers(a *activity.Activity, d teamsData, gone goneFunc, back backFunc) {
	bot := func(m activity.ChannelAccount) bool { return a.Recipient != nil && m.ID == a.Recipient.ID }
	where := Change{Team: d.place.Team}
	if strings.HasPrefix(d.event, "channelmember") {
		where.Room = d.place.Room
	}
	var left []activity.AccountID
	for _, m := range a.MembersRemoved {
		if bot(m) {
			gone(ReachUninstalled, CauseBotRemoved, where)
			continue
		}
		left = append(left, m.ID)
	}
	if len(left) > 0 {
		where.Left = left
		h.changes = append(h.changes, where)
		where.Left = nil
	}
	if a.ChannelID == activity.ChannelTeams && slices.ContainsFunc(a.MembersAdded, bot) {
		h.installed = true
		if where.Team != "" {
			back(CauseInstalled, where, endedByInstallation...)
		}
	}
}

// ofTeam reads what has become of a team or one of its channels. Events that are not known are sightings and nothing else
// (Microsoft: "Conversation events": new ones may come at any time).
func (h *happening) ofTeam(d teamsData, team, room Change, gone goneFunc, back backFunc) {
	switch d.event {
	case "channelrenamed":
		room.RoomName = d.place.RoomName
		h.changes = append(h.changes, room)
	case "channeldeleted":
		gone(ReachUnreachable, CauseRoomDeleted, room)
	case "channelrestored":
		back(CauseRoomRestored, room, CauseRoomDeleted)
	case "teamrenamed":
		team.TeamName = d.place.TeamName
		h.changes = append(h.changes, team)
	case "teamarchived":
		gone(ReachUnreachable, CauseTeamArchived, team)
	case "teamunarchived":
		back(CauseTeamUnarchived, team, CauseTeamArchived)
	case "teamdeleted":
		gone(ReachUnreachable, CauseTeamDeleted, team)
	case "teamharddeleted":
		gone(ReachUninstalled, CauseTeamGone, team)
	case "teamrestored":
		back(CauseTeamRestored, team, CauseTeamDeleted)
	}
}

// participants are the people of whom an event tells that they have joined a meeting.
func participants(a *activity.Activity) (people []activity.ChannelAccount) {
	if a.ChannelID != activity.ChannelTeams || !strings.EqualFold(a.Name, "application/vnd.microsoft.meetingParticipantJoin") {
		return nil
	}
	var value struct {
		Members []struct {
			User activity.ChannelAccount `json:"user"`
		} `json:"members"`
	}
	if json.Unmarshal(a.Value, &value) != nil {
		return nil
	}
	for _, m := range value.Members {
		people = append(people, m.User)
	}
	return people
}
