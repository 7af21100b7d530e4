package book_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/store/memory"
)

const (
	teamID   = "19:general@thread.tacv2"
	roomID   = "19:status@thread.tacv2"
	otherID  = "19:news@thread.tacv2"
	threadID = roomID + ";messageid=1700000000000"
	newsID   = otherID + ";messageid=1700000000001"
	chatID   = "a:1ann"
	groupID  = "19:abc@thread.v2"
	meeting  = "19:meeting_abc@thread.v2"
)

// teams is a bot in Microsoft Teams with a book, to which things happen a minute after each other.
type teams struct {
	*testing.T

	bot   *headsup.Bot
	store *memory.Store
	now   time.Time
	said  int
}

func newTeams(t *testing.T) *teams {
	t.Helper()
	x := &teams{T: t, store: memory.New(), now: now}
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: &bottest.Recorder{}, Turns: x.store,
		Middleware: []headsup.Middleware{book.Middleware(x.store, func() time.Time { return x.now })},
	}, headsup.HandlerFunc(silent))
	if err != nil {
		t.Fatal(err)
	}
	x.bot = bot
	return x
}

// happens gives the bot an activity: JSON members, over those that all have.
func (x *teams) happens(conversation, members string) {
	x.Helper()
	x.now = x.now.Add(time.Minute)
	x.said++
	kind := "channel"
	switch {
	case strings.HasPrefix(conversation, "a:"):
		kind = "personal"
	case strings.HasSuffix(conversation, "@thread.v2"):
		kind = "groupChat"
	}
	all := map[string]jsontext.Value{}
	base := fmt.Sprintf(`{"channelId":"msteams","serviceUrl":"https://smba.example/emea/","id":"%d","from":{"id":"29:ann","name":"Ann","aadObjectId":"OID-Ann"},
		"recipient":{"id":"28:app"},"conversation":{"id":%q,"conversationType":%q,"tenantId":"tenant","isGroup":%t}}`,
		x.said, conversation, kind, kind != "personal")
	for _, raw := range []string{base, members} {
		if err := json.Unmarshal([]byte(raw), &all); err != nil {
			x.Fatal(err)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		x.Fatal(err)
	}
	x.hears(raw)
}

func (x *teams) hears(raw []byte) {
	x.Helper()
	var a activity.Activity
	if err := json.Unmarshal(raw, &a); err != nil {
		x.Fatal(err)
	}
	if _, err := x.bot.Process(x.Context(), auth.Identity{Kind: auth.KindChannel, ServiceURL: a.ServiceURL}, &a); err != nil {
		x.Fatal(err)
	}
}

func update(event, more string) string {
	return fmt.Sprintf(`{"type":"conversationUpdate","channelData":{"eventType":%q,"team":{"id":%q,"name":"Night Shift","aadGroupId":"group"},
		"channel":{"id":%q,"name":"status-new"},"tenant":{"id":"tenant"}}%s}`, event, teamID, roomID, more)
}

// place is the channel data of what is said in a channel of the team.
func place(room string) string {
	return fmt.Sprintf(`"channelData":{"team":{"id":%q},"channel":{"id":%q},"tenant":{"id":"tenant"}}`, teamID, room)
}

// settled is a team where somebody has written in two channels, a chat with one person, and a group.
func settled(t *testing.T) *teams {
	t.Helper()
	x := newTeams(t)
	x.happens(threadID, `{"type":"message",`+place(roomID)+`}`)
	x.happens(newsID, `{"type":"message",`+place(otherID)+`}`)
	x.happens(chatID, `{"type":"message"}`)
	x.happens(groupID, `{"type":"message"}`)
	return x
}

func (x *teams) find(id activity.ConversationID) (book.Conversation, bool) {
	x.Helper()
	found, err := x.store.ConversationsByID(x.Context(), "app", id)
	if err != nil {
		x.Fatal(err)
	}
	if len(found) == 0 {
		return book.Conversation{}, false
	}
	return found[0], true
}

// standing tells in a few words how a conversation stands.
func (x *teams) standing(id activity.ConversationID) string {
	x.Helper()
	c, known := x.find(id)
	if !known {
		return "unknown"
	}
	return strings.TrimSpace(string(c.Reach) + " " + c.Cause)
}

// members are the ids of who takes part, sorted.
func (x *teams) members(id activity.ConversationID) string {
	x.Helper()
	c, _ := x.find(id)
	d, err := x.store.Details(x.Context(), []book.Row{c.Row})
	if err != nil {
		x.Fatal(err)
	}
	var ids []string
	for _, p := range d[c.Row].People {
		ids = append(ids, string(p.ID))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestTeamsEvents is what docs/teams.md says, event by event.
func TestTeamsEvents(t *testing.T) {
	t.Parallel()
	const bot, people = `[{"id":"28:app"}]`, `[{"id":"29:ben","aadObjectId":"oid-ben"},{"id":"29:cem"}]`
	removed := `{"type":"installationUpdate","action":"remove",` + place(roomID) + `}`
	cases := map[string]struct {
		before [][2]string // conversation and members of what happened earlier, after settled
		in     string      // the event's conversation
		event  string
		want   map[activity.ConversationID]string // standing; those that are not named are active
		check  func(x *teams)
	}{
		"installed personally": {
			in: "a:1new", event: `{"type":"installationUpdate","action":"add"}`,
			want: map[activity.ConversationID]string{"a:1new": "active installed"},
		},
		"installed in a team": {
			before: [][2]string{{roomID, removed}}, in: roomID, event: `{"type":"installationUpdate","action":"add",` + place(roomID) + `}`,
			want: map[activity.ConversationID]string{roomID: "active installed", threadID: "active installed", newsID: "active installed"},
		},
		"removed personally": {
			in: chatID, event: `{"type":"installationUpdate","action":"remove"}`,
			want: map[activity.ConversationID]string{chatID: "uninstalled uninstalled"},
		},
		"removed from a team": {
			in: roomID, event: removed,
			want: map[activity.ConversationID]string{
				roomID: "unknown", threadID: "uninstalled uninstalled", newsID: "uninstalled uninstalled",
			},
		},
		"upgrade begins": {
			in: chatID, event: `{"type":"installationUpdate","action":"remove-upgrade"}`,
			want: map[activity.ConversationID]string{chatID: "unreachable upgrading"},
			check: func(x *teams) {
				if c, _ := x.find(chatID); !c.Until.Equal(x.now.Add(10*time.Minute)) || c.Reachable(x.now) || !c.Reachable(c.Until) {
					x.Errorf("unreachable until %v", c.Until)
				}
			},
		},
		"upgrade ends": {
			before: [][2]string{{chatID, `{"type":"installationUpdate","action":"remove-upgrade"}`}},
			in:     chatID, event: `{"type":"installationUpdate","action":"add-upgrade"}`,
			want: map[activity.ConversationID]string{chatID: "active installed"},
		},
		"bot added to a chat": {
			in: "a:1new", event: `{"type":"conversationUpdate","membersAdded":` + bot + `}`,
			want: map[activity.ConversationID]string{"a:1new": "active installed"},
		},
		"bot added to a team": {
			before: [][2]string{{roomID, update("teamMemberRemoved", `,"membersRemoved":`+bot)}},
			in:     teamID, event: update("teamMemberAdded", `,"membersAdded":`+bot),
			want: map[activity.ConversationID]string{teamID: "active installed", threadID: "active installed", newsID: "active installed"},
		},
		"bot removed from a team": {
			in: roomID, event: update("teamMemberRemoved", `,"membersRemoved":`+bot),
			want: map[activity.ConversationID]string{roomID: "unknown", threadID: "uninstalled bot_removed", newsID: "uninstalled bot_removed"},
		},
		"bot removed from a group": {
			in: groupID, event: `{"type":"conversationUpdate","membersRemoved":` + bot + `}`,
			want: map[activity.ConversationID]string{groupID: "uninstalled bot_removed"},
		},
		"people join a team": {
			in: teamID, event: update("teamMemberAdded", `,"membersAdded":`+people),
			check: func(x *teams) { x.is("members", x.members(teamID), "29:ann 29:ben 29:cem") },
		},
		"people leave a team": {
			before: [][2]string{{threadID, `{"type":"message","from":{"id":"29:ben"},` + place(roomID) + `}`}},
			in:     teamID, event: update("teamMemberRemoved", `,"membersRemoved":`+people),
			check: func(x *teams) { x.is("members", x.members(threadID), "29:ann") },
		},
		"people leave a channel": {
			before: [][2]string{
				{threadID, `{"type":"message","from":{"id":"29:ben"},` + place(roomID) + `}`},
				{newsID, `{"type":"message","from":{"id":"29:ben"},` + place(otherID) + `}`},
			},
			in: roomID, event: update("channelMemberRemoved", `,"membersRemoved":`+people),
			check: func(x *teams) {
				x.is("members", x.members(threadID), "29:ann")
				x.is("members elsewhere", x.members(newsID), "29:ann 29:ben")
			},
		},
		"people join a channel": {
			in: roomID, event: update("channelMemberAdded", `,"membersAdded":`+people),
			check: func(x *teams) { x.is("members", x.members(roomID), "29:ann 29:ben 29:cem") },
		},
		"bot removed from a channel": {
			in: roomID, event: update("channelMemberRemoved", `,"membersRemoved":`+bot),
			want: map[activity.ConversationID]string{threadID: "uninstalled bot_removed", roomID: "unknown"},
		},
		"people join a group": {
			in: groupID, event: `{"type":"conversationUpdate","membersAdded":` + people + `}`,
			check: func(x *teams) { x.is("members", x.members(groupID), "29:ann 29:ben 29:cem") },
		},
		"people leave a group": {
			before: [][2]string{{groupID, `{"type":"conversationUpdate","membersAdded":` + people + `}`}},
			in:     groupID, event: `{"type":"conversationUpdate","membersRemoved":` + people + `}`,
			check: func(x *teams) { x.is("members", x.members(groupID), "29:ann") },
		},
		"channel created": {
			in: roomID, event: update("channelCreated", ""),
			check: func(x *teams) {
				c, _ := x.find(roomID)
				if want := (book.Place{Team: teamID, TeamName: "Night Shift", Group: "group", Room: roomID, RoomName: "status-new"}); c.Place != want {
					x.Errorf("it is in %+v", c.Place)
				}
			},
		},
		"channel renamed": {
			in: roomID, event: update("channelRenamed", ""),
			check: func(x *teams) {
				x.named(threadID, "", "status-new")
				x.named(newsID, "", "")
			},
		},
		"channel deleted": {
			in: roomID, event: update("channelDeleted", ""),
			want: map[activity.ConversationID]string{threadID: "unreachable channel_deleted", roomID: "unknown"},
		},
		"channel restored": {
			before: [][2]string{{roomID, update("channelDeleted", "")}}, in: roomID, event: update("channelRestored", ""),
			want: map[activity.ConversationID]string{threadID: "active channel_restored"},
		},
		"channel shared":   {in: roomID, event: update("channelShared", "")},
		"channel unshared": {in: roomID, event: update("channelUnshared", "")},
		"team renamed": {
			in: teamID, event: update("teamRenamed", ""),
			check: func(x *teams) {
				x.named(threadID, "Night Shift", "")
				x.named(newsID, "Night Shift", "")
			},
		},
		"team archived": {
			in: teamID, event: update("teamArchived", ""),
			want: map[activity.ConversationID]string{threadID: "unreachable team_archived", newsID: "unreachable team_archived"},
		},
		"team unarchived": {
			before: [][2]string{{teamID, update("teamArchived", "")}}, in: teamID, event: update("teamUnarchived", ""),
			want: map[activity.ConversationID]string{threadID: "active team_unarchived", newsID: "active team_unarchived"},
		},
		"team deleted": {
			in: teamID, event: update("teamDeleted", ""),
			want: map[activity.ConversationID]string{threadID: "unreachable team_deleted", newsID: "unreachable team_deleted"},
		},
		"team deleted for good": {
			before: [][2]string{{teamID, update("teamDeleted", "")}}, in: teamID, event: update("teamHardDeleted", ""),
			want: map[activity.ConversationID]string{threadID: "uninstalled team_hard_deleted", newsID: "uninstalled team_hard_deleted"},
		},
		"team restored": {
			before: [][2]string{{teamID, update("teamDeleted", "")}}, in: teamID, event: update("teamRestored", ""),
			want: map[activity.ConversationID]string{threadID: "active team_restored", newsID: "active team_restored"},
		},
		"team restored, as Teams writes it": {
			before: [][2]string{{teamID, update("teamDeleted", "")}}, in: teamID, event: update("teamrestored", ""),
			want: map[activity.ConversationID]string{threadID: "active team_restored", newsID: "active team_restored"},
		},
		"something new": {in: roomID, event: update("teamTeleported", "")},
		"channel data of another form": {
			in: groupID, event: `{"type":"conversationUpdate","channelData":{"eventType":7,"team":"x","channel":[],"meeting":null}}`,
		},
		"meeting begins": {
			in: meeting, event: `{"type":"event","name":"application/vnd.microsoft.meetingStart","channelData":{"meeting":{"id":"m1"}},"value":{}}`,
			check: func(x *teams) {
				if c, _ := x.find(meeting); c.Kind != book.KindMeeting || c.Place.Meeting != "m1" {
					x.Errorf("it is a %s in %+v", c.Kind, c.Place)
				}
			},
		},
		"people join a meeting": {
			in: meeting, event: `{"type":"event","name":"application/vnd.microsoft.meetingParticipantJoin","channelData":{"meeting":{"id":"m1"}},
				"value":{"members":[{"user":{"id":"29:ben","aadObjectId":"OID-Ben"},"meeting":{"inMeeting":true}}]}}`,
			check: func(x *teams) { x.is("members", x.members(meeting), "29:ann 29:ben") },
		},
		"message after a block": {
			in: chatID, event: `{"type":"message","entities":[{"type":"clientInfo","country":"CH","timezone":"Europe/Zurich","locale":"de-CH"}]}`,
			check: func(x *teams) {
				c, _ := x.find(chatID)
				people, err := x.store.ListPeople(x.Context(), "app", book.PeopleFilter{PersonKey: book.PersonKey{ObjectID: "oid-ann"}}, 0, 9)
				if err != nil || len(people) != 1 || people[0].Country != "CH" || people[0].TimeZone != "Europe/Zurich" ||
					people[0].Locale != "de-CH" || c.TimeZone != "Europe/Zurich" || c.Reference.Locale != "de-CH" {
					x.Errorf("known as %+v, %v, in zone %q", people, err, c.TimeZone)
				}
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := settled(t)
			if name == "message after a block" {
				key := headsup.ConversationKey{AppID: "app", Tenant: "tenant", Channel: "msteams", Bot: "28:app", Conversation: chatID}
				if err := x.store.StrikeOut(x.Context(), key, book.Standing{Reach: book.ReachBlocked, Cause: "blocked", At: x.now}); err != nil {
					t.Fatal(err)
				}
			}
			for _, b := range c.before {
				x.happens(b[0], b[1])
			}
			x.happens(c.in, c.event)
			for _, id := range []activity.ConversationID{threadID, newsID, chatID, groupID, activity.ConversationID(c.in)} {
				want := cmp.Or(c.want[id], "active")
				if got := x.standing(id); got != want && (c.want[id] != "" || !strings.HasPrefix(got, "active") && got != "unknown") {
					t.Errorf("%s is %s, want %s", id, got, want)
				}
			}
			if c.check != nil {
				c.check(x)
			}
		})
	}
}

func (x *teams) is(what, got, want string) {
	x.Helper()
	if got != want {
		x.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (x *teams) named(id activity.ConversationID, team, room string) {
	x.Helper()
	c, _ := x.find(id)
	x.is("team's name", c.Place.TeamName, team)
	x.is("channel's name", c.Place.RoomName, room)
}

// TestEventsOutOfOrder: what is told late does not undo what happened later.
func TestEventsOutOfOrder(t *testing.T) {
	t.Parallel()
	x := settled(t)
	stamped := func(members string, at time.Duration) {
		t.Helper()
		x.happens(chatID, fmt.Sprintf(`{"timestamp":%q,%s`, x.now.Add(at).Format(time.RFC3339Nano), strings.TrimPrefix(members, "{")))
	}
	stamped(`{"type":"installationUpdate","action":"remove"}`, 0)
	stamped(`{"type":"message"}`, -10*time.Minute)
	x.is("after an old message", x.standing(chatID), "uninstalled uninstalled")
	stamped(`{"type":"message"}`, 0)
	x.is("after a new one", x.standing(chatID), "active")
	stamped(`{"type":"installationUpdate","action":"add"}`, 0)
	stamped(`{"type":"installationUpdate","action":"remove"}`, -10*time.Minute)
	x.is("after an old removal", x.standing(chatID), "active installed")
	stamped(`{"type":"installationUpdate","action":"remove"}`, 100*time.Hour) // from a clock that is wrong
	x.is("after a removal in the future", x.standing(chatID), "uninstalled uninstalled")
	stamped(`{"type":"message"}`, 0)
	x.is("after a message", x.standing(chatID), "active")
}

// TestVectorsAreNoted gives the bot every activity of the protocol's vectors that Teams sends.
func TestVectorsAreNoted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../activity/testdata/vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	want := map[string]struct {
		kind  book.Kind
		reach string
		place book.Place
	}{
		"conversationUpdate-teams-personal":        {kind: book.KindPersonal, reach: "active installed"},
		"installationUpdate-add-personal":          {kind: book.KindPersonal, reach: "active installed"},
		"installationUpdate-add-upgrade":           {kind: book.KindPersonal, reach: "active installed"},
		"conversationUpdate-teams-removed":         {reach: "unknown"},
		"installationUpdate-remove-team":           {reach: "unknown"},
		"message-teams-personal":                   {kind: book.KindPersonal, reach: "active"},
		"message-teams-groupchat":                  {kind: book.KindGroup, reach: "active"},
		"message-teams-meeting":                    {kind: book.KindMeeting, reach: "active", place: book.Place{Meeting: "MCMxOTptZWV0aW5nX09XUTJOelkxWlRndE1tRTMjMA=="}},
		"message-teams-channel-root":               {kind: book.KindChannel, reach: "active", place: nightShift("", true)},
		"message-teams-channel-reply":              {kind: book.KindChannel, reach: "active", place: nightShift("", true)},
		"messageReaction-teams":                    {kind: book.KindChannel, reach: "active", place: nightShift("", true)},
		"conversationUpdate-teams-channel-renamed": {kind: book.KindChannel, reach: "active", place: nightShift("status-new", false)},
		"event-teams-read-receipt":                 {kind: book.KindPersonal, reach: "active"},
		"invoke-task-fetch":                        {kind: book.KindPersonal, reach: "active"},
	}
	seen := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vector struct {
			Name  string         `json:"name"`
			Input jsontext.Value `json:"input"`
		}
		if err := json.Unmarshal(raw, &vector, json.RejectUnknownMembers(false)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		w, ok := want[vector.Name]
		if !ok {
			continue
		}
		seen++
		t.Run(vector.Name, func(t *testing.T) {
			t.Parallel()
			x := newTeams(t)
			x.hears(vector.Input)
			var a activity.Activity
			if err := json.Unmarshal(vector.Input, &a); err != nil {
				t.Fatal(err)
			}
			x.is("standing", x.standing(a.Conversation.ID), w.reach)
			if c, known := x.find(a.Conversation.ID); known && (c.Kind != w.kind || c.Place != w.place) {
				t.Errorf("it is a %s in %+v, want a %s in %+v", c.Kind, c.Place, w.kind, w.place)
			}
		})
	}
	if seen != len(want) {
		t.Errorf("only %d of %d vectors were there", seen, len(want))
	}
}

func nightShift(room string, group bool) book.Place {
	p := book.Place{
		Team: "19:Qm4v_T0zKxYb7n-LrWj2Hc81@thread.tacv2", TeamName: "Night Shift",
		Room: "19:8e2bf0c4d7a146c39f51ab20de6f7c93@thread.tacv2", RoomName: room,
	}
	if group {
		p.Group = "93c0a1de-57b8-4e2f-9a46-18d7f3b5c620"
	}
	return p
}
