package faketeams

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
)

// Person is somebody in the tenant.
type Person struct {
	// ObjectID is the id in Entra, and ID the one that this bot knows them by. Empty ones are made.
	ObjectID string
	ID       activity.AccountID
	// Name is required, UPN and Mail are made of it if empty.
	Name, UPN, Mail string
	// Guest is somebody of another tenant, for whom apps cannot be installed.
	Guest bool
	// Locale and TimeZone are what their client says. Empty ones are "en-US" and "Europe/Berlin".
	Locale, TimeZone string
}

// person is a person, and what they have done with the bot.
type person struct {
	Person
	chat *room // with the bot; nil if there never was one
	// chats counts those that were begun anew.
	chats int
	// removed: they have uninstalled it. blocked: they do not want to hear of it, and hear nothing for writesBlocked.
	removed, blocked, writesBlocked bool
}

// team is a group of people with channels, of which the first has its id.
type team struct {
	id, group string
	name      string
	members   []string
	installed bool
	channels  []*room
}

// room is a conversation: a chat with the bot, a chat of several, or a channel.
type room struct {
	id      activity.ConversationID
	kind    activity.ConversationType
	name    string
	team    *team  // of a channel
	with    string // of a personal chat
	members []string
	// installed: the bot is there; of a channel its team says it.
	installed bool
	// gone: there is no such conversation any more.
	gone    bool
	threads []string // ids of the messages that began one
	posts   []Post
}

// Team is a team, as it is made.
type Team struct {
	// ID is that of the General channel too, and Group that of the team's group in Graph.
	ID    activity.ConversationID
	Group string
	Name  string
}

// AddPerson adds somebody, and returns them with the ids that were made.
func (t *Teams) AddPerson(p Person) Person {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.ObjectID == "" {
		p.ObjectID = t.guid()
	}
	p.ID = cmp.Or(p.ID, activity.AccountID(t.named("29:1", p.ObjectID)))
	p.UPN = cmp.Or(p.UPN, strings.ReplaceAll(strings.ToLower(p.Name), " ", ".")+"@contoso.example")
	p.Mail, p.Locale, p.TimeZone = cmp.Or(p.Mail, p.UPN), cmp.Or(p.Locale, "en-US"), cmp.Or(p.TimeZone, "Europe/Berlin")
	kind := "Member"
	if p.Guest {
		kind = "Guest"
	}
	t.graph.AddUser(fakegraph.User{ID: p.ObjectID, Name: p.Name, Mail: p.Mail, UPN: p.UPN, Type: kind})
	added := &person{Person: p}
	t.people[p.ObjectID], t.accounts[p.ID] = added, added
	t.order = append(t.order, added)
	t.changed()
	return p
}

// AddTeam adds a team of people, by their object ids, with its General channel.
func (t *Teams) AddTeam(name string, members ...string) Team {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := activity.ConversationID(t.named("19:", "team", t.guid()) + "@thread.tacv2")
	tm := &team{id: string(id), group: t.guid(), name: name, members: members}
	t.teams[id], t.teams[activity.ConversationID(tm.group)] = tm, tm
	t.listed = append(t.listed, t.channelOf(tm, id, "General"))
	t.graph.AddGroup(tm.group, members...)
	t.changed()
	return Team{ID: id, Group: tm.group, Name: name}
}

// Furnish moves in Ann, Ben and Cleo, with the team Operations and the chat Lunch, for those who only want to look.
func (t *Teams) Furnish() {
	var ids []string
	for _, name := range []string{"Ann", "Ben", "Cleo"} {
		ids = append(ids, t.AddPerson(Person{Name: name}).ObjectID)
	}
	t.AddTeam("Operations", ids...)
	t.AddChat("Lunch", ids...)
}

// channelOf adds a channel. t.mu is held.
func (t *Teams) channelOf(tm *team, id activity.ConversationID, name string) *room {
	r := &room{id: id, kind: activity.ConversationChannel, name: name, team: tm}
	tm.channels = append(tm.channels, r)
	t.rooms[id] = r
	return r
}

// AddChat adds a chat of several people, in which the bot is not.
func (t *Teams) AddChat(name string, members ...string) activity.ConversationID {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := activity.ConversationID(t.named("19:", "chat", t.guid()) + "@thread.v2")
	r := &room{id: id, kind: activity.ConversationGroupChat, name: name, members: members}
	t.rooms[id] = r
	t.listed = append(t.listed, r)
	t.changed()
	return id
}

// Personal is the conversation of the bot and a person, whether there is one yet or not; empty if there is no such person.
func (t *Teams) Personal(objectID string) activity.ConversationID {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.people[objectID]; p != nil {
		return t.personal(p)
	}
	return ""
}

func (t *Teams) personal(p *person) activity.ConversationID {
	return activity.ConversationID(t.named("a:1", p.ObjectID, fmt.Sprint(p.chats)))
}

// chat returns the conversation of the bot and a person, and begins it. t.mu is held.
func (t *Teams) chat(p *person) *room {
	id := t.personal(p)
	if p.chat == nil || p.chat.id != id {
		p.chat = &room{id: id, kind: activity.ConversationPersonal, with: p.ObjectID, members: []string{p.ObjectID}}
		t.rooms[id] = p.chat
	}
	return p.chat
}

// Block has a person block the bot; Unblock takes that and BlockWrites back, as a message of theirs does.
func (t *Teams) Block(objectID string) error {
	return t.change(objectID, func(p *person) { p.blocked = true })
}

// BlockWrites has what is said to a person be refused as the chat service does it: MessageWritesBlocked, as JSON within JSON.
func (t *Teams) BlockWrites(objectID string) error {
	return t.change(objectID, func(p *person) { p.writesBlocked = true })
}

// Unblock has a person hear of the bot again.
func (t *Teams) Unblock(objectID string) error {
	return t.change(objectID, func(p *person) { p.blocked, p.writesBlocked = false, false })
}

// RemoveHistory has a person remove the history of their chat with the bot: it is not found any more until it is created
// again, with another id if renamed is set.
func (t *Teams) RemoveHistory(objectID string, renamed bool) error {
	return t.change(objectID, func(p *person) {
		if p.chat == nil {
			return
		}
		p.chat.gone, p.chat.posts = true, nil
		if renamed {
			p.chats++
		}
	})
}

// change changes a person.
func (t *Teams) change(objectID string, change func(*person)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.people[objectID]
	if p == nil {
		return unknown(objectID)
	}
	change(p)
	t.changed()
	return nil
}

// here reports whether the bot is in a conversation. t.mu is held.
func (t *Teams) here(r *room) bool {
	if r.team != nil {
		return r.team.installed
	}
	return r.installed
}

// roster are the people in a conversation. t.mu is held.
func (t *Teams) roster(r *room) []*person {
	ids := r.members
	if r.team != nil {
		ids = r.team.members
	}
	people := make([]*person, 0, len(ids))
	for _, id := range ids {
		if p := t.people[id]; p != nil {
			people = append(people, p)
		}
	}
	return people
}

// shares reports whether the bot is somewhere where a person is, beside the chat of the two. t.mu is held.
func (t *Teams) shares(p *person) bool {
	return slices.ContainsFunc(t.listed, func(r *room) bool { return t.here(r) && slices.Contains(t.roster(r), p) })
}

// find returns the conversation of an id, which may be that of a thread, and the id of the message that began it.
// t.mu is held.
func (t *Teams) find(id activity.ConversationID) (r *room, thread string) {
	where, root, _ := strings.Cut(string(id), ";messageid=")
	r = t.rooms[activity.ConversationID(where)]
	return r, root
}

// threadOf is the id of a thread in a channel.
func threadOf(r *room, root string) activity.ConversationID {
	return activity.ConversationID(string(r.id) + ";messageid=" + root)
}
