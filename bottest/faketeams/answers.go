package faketeams

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// largest is how much of a message Teams takes, in bytes of UTF-16 ("Format your bot messages").
const largest = 100 << 10

// answer is a status and a body.
type answer struct {
	status int
	body   any
}

// The refusals of Teams ("Build conversational capability", status codes).
func refuse(status int, code, message string) *answer {
	return &answer{status, fakechannel.Problem(code, message)}
}

func notFound() *answer {
	return refuse(http.StatusNotFound, "ConversationNotFound", "The conversation is not found.")
}

func forbidden(code, message string) *answer { return refuse(http.StatusForbidden, code, message) }

func notInstalled() *answer {
	return forbidden("ForbiddenOperationException", "The bot is not installed in user's personal scope.")
}

func badArgument(message string) *answer {
	return refuse(http.StatusBadRequest, "BadArgument", message)
}

// writesBlocked is an answer of the chat service behind the Connector API, whose message is JSON again ("Send proactive
// messages", an example of a bot that was blocked or removed).
func writesBlocked() *answer {
	const message = "{\r\n  \"subCode\": \"MessageWritesBlocked\",\r\n  \"details\": \"Thread is blocked from message writes.\",\r\n  \"errorCode\": null,\r\n  \"errorSubCode\": null\r\n}"
	return &answer{http.StatusForbidden, map[string]any{"errorCode": 209, "message": message}}
}

// asked is as much of a body as Teams looks at.
type asked struct {
	Type        string           `json:"type"`
	Text        string           `json:"text"`
	Attachments []jsontext.Value `json:"attachments"`
	Recipient   jsontext.Value   `json:"recipient"`
	TenantID    string           `json:"tenantId"`
	IsGroup     bool             `json:"isGroup"`
	ReplyToID   string           `json:"replyToId"`
	Activity    jsontext.Value   `json:"activity"`
	Members     []struct {
		ID activity.AccountID `json:"id"`
	} `json:"members"`
	ChannelData jsontext.Value `json:"channelData"`
}

// data is what channel data says of where something goes.
func (a asked) data() (d struct {
	Tenant, Channel struct {
		ID string `json:"id"`
	}
},
) {
	if a.ChannelData.Kind() == jsontext.KindBeginObject {
		_ = json.Unmarshal(a.ChannelData, &d, json.MatchCaseInsensitiveNames(true)) // what is of another form says nothing
	}
	return d
}

// Counted implements [fakechannel.World].
func (t *Teams) Counted(r fakechannel.Request) (thread, tenant string) {
	if r.Op != fakechannel.OpCreate {
		return "", t.cfg.Tenant
	}
	var a asked
	if json.Unmarshal(r.Body, &a) != nil {
		return "create", t.cfg.Tenant
	}
	thread = "create " + a.data().Channel.ID
	for _, m := range a.Members {
		thread += " " + string(m.ID)
	}
	return thread, t.cfg.Tenant
}

// Answer implements [fakechannel.World].
func (t *Teams) Answer(l *fakechannel.Ledger, r fakechannel.Request) (status int, body any) {
	var a asked
	if len(r.Body) > 0 {
		if err := json.Unmarshal(r.Body, &a); err != nil {
			no := refuse(http.StatusBadRequest, "BadSyntax", "The body is not of the right form.")
			return no.status, no.body
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	got := t.turnedAway(r)
	if got == nil {
		switch r.Op {
		case fakechannel.OpCreate:
			got = t.create(l, r, a)
		case fakechannel.OpSend, fakechannel.OpReply:
			got = t.send(l, r, a)
		case fakechannel.OpUpdate, fakechannel.OpDelete:
			got = t.revise(l, r, a)
		case fakechannel.OpMembers:
			got = t.members(r)
		case fakechannel.OpTeams:
			got = t.team(r)
		case fakechannel.OpToken, fakechannel.OpKeys:
			got = refuse(http.StatusNotFound, "NotFound", "There is no such operation.")
		}
	}
	return got.status, got.body
}

// turnedAway is why a request is refused whatever it asks for; nil if it is not. t.mu is held.
func (t *Teams) turnedAway(r fakechannel.Request) *answer {
	region, tenant, _ := strings.Cut(r.Base, "/")
	host, _, _ := strings.Cut(r.Host, ":")
	switch {
	case t.cfg.GCC && host != GCCHost:
		return forbidden("InvalidBotApiHost", "The tenant is reached at https://"+GCCHost+".")
	case region != GlobalRegion && region != t.region:
		return notFound()
	case tenant != "" && tenant != t.cfg.Tenant:
		return refuse(http.StatusBadRequest, "InvalidTenant", "The tenant is not known.")
	case t.disabled:
		return forbidden("BotDisabledByAdmin", "The tenant admin disabled this bot.")
	}
	return nil
}

// create opens a conversation with a person, or begins a thread in a channel.
func (t *Teams) create(l *fakechannel.Ledger, r fakechannel.Request, a asked) *answer {
	data := a.data()
	switch tenant := cmp.Or(a.TenantID, data.Tenant.ID); {
	case tenant == "":
		return badArgument("The tenant is missing.")
	case tenant != t.cfg.Tenant:
		return refuse(http.StatusBadRequest, "InvalidTenant", "The tenant is not known.")
	case data.Channel.ID != "" && len(a.Members) > 0:
		return badArgument("A thread in a channel has no members of its own.")
	case data.Channel.ID != "" && len(a.Activity) == 0:
		return badArgument("The activity that begins the thread is missing.")
	case data.Channel.ID != "":
		r.Conversation, r.Body = data.Channel.ID, a.Activity
		got := t.first(l, r)
		if id, made := got.body.(map[string]any)["id"].(string); made {
			got.body = map[string]any{"id": string(threadOf(t.rooms[activity.ConversationID(data.Channel.ID)], id)), "activityId": id}
		}
		return got
	case a.IsGroup || len(a.Members) != 1:
		return badArgument("A bot cannot create chats of several people.")
	}
	p, refused := t.addressee(a.Members[0].ID)
	if refused != nil {
		return refused
	}
	chat := t.chat(p)
	chat.gone = false
	t.changed()
	l.Opened()
	got := &answer{http.StatusCreated, map[string]any{"id": string(chat.id)}}
	if len(a.Activity) > 0 {
		r.Conversation, r.Body = string(chat.id), a.Activity
		first := t.first(l, r)
		if first.status/100 != 2 {
			return first
		}
		got.body.(map[string]any)["activityId"] = first.body.(map[string]any)["id"] //nolint:errcheck // both are made here
	}
	return got
}

// first sends the activity of a new conversation.
func (t *Teams) first(l *fakechannel.Ledger, r fakechannel.Request) *answer {
	var a asked
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return refuse(http.StatusBadRequest, "BadSyntax", "The activity is not one.")
	}
	r.Text = cmp.Or(a.Text, string(r.Body))
	return t.send(l, r, a)
}

// addressee is who a conversation is created with. By object id only those are found for whom the app is installed, by the
// bot's own id for them also those who are somewhere with it.
func (t *Teams) addressee(id activity.AccountID) (*person, *answer) {
	p, own := t.accounts[id]
	if !own {
		p = t.people[string(id)]
	}
	switch {
	case p == nil && strings.HasPrefix(string(id), "29:"):
		return nil, badArgument("Failed to decrypt pairwise id.")
	case p == nil:
		return nil, refuse(http.StatusBadRequest, "BadSyntax", "Invalid user identity in provided tenant.")
	case p.chat != nil && p.chat.installed, own && !p.removed && t.shares(p):
		return p, nil
	}
	return nil, notInstalled()
}

// barred is why nothing can be said in a conversation; nil if something can. t.mu is held.
func (t *Teams) barred(room *room, targeted bool) *answer {
	if room.kind != activity.ConversationPersonal {
		switch {
		case t.here(room):
			return nil
		case targeted:
			return refuse(http.StatusNotFound, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
		}
		return forbidden("BotNotInConversationRoster", "The bot is not part of the conversation roster.")
	}
	switch p := t.people[room.with]; {
	case p.writesBlocked:
		return writesBlocked()
	case p.blocked:
		return forbidden("ConversationBlockedByUser", "User blocked the conversation with the bot.")
	case !room.installed && (p.removed || !t.shares(p)):
		return notInstalled()
	}
	return nil
}

// send says something.
func (t *Teams) send(l *fakechannel.Ledger, r fakechannel.Request, a asked) *answer {
	room, thread := t.find(activity.ConversationID(r.Conversation))
	targeted := r.Query.Get("isTargetedActivity") == "true"
	if room == nil || room.gone || thread != "" && !slices.Contains(room.threads, thread) {
		return notFound()
	}
	if no := t.barred(room, targeted); no != nil {
		return no
	}
	switch {
	case a.Type == "":
		return badArgument("The activity has no type.")
	case targeted && (len(a.Recipient) == 0 || room.kind == activity.ConversationPersonal):
		return badArgument("A targeted message needs a recipient, in a chat of several or a channel.")
	case 2*len(utf16.Encode([]rune(string(r.Body)))) > largest:
		return refuse(http.StatusRequestEntityTooLarge, "MessageSizeTooBig", "The message is too large.")
	case a.Type != string(activity.TypeMessage):
		return &answer{http.StatusOK, map[string]any{}} // typing and the like have no id
	}
	post := Post{ID: t.messageID(r.At), Conversation: room.id, Bot: true, Name: t.cfg.Name, At: r.At, Activity: r.Body}
	replyTo := a.ReplyToID
	if r.Op == fakechannel.OpReply {
		replyTo = r.ID
	}
	if room.kind == activity.ConversationChannel {
		if thread == "" && slices.Contains(room.threads, replyTo) {
			thread = replyTo
		}
		post.Conversation = room.in(thread, post.ID)
	}
	room.post(post)
	t.changed()
	l.Say(string(post.Conversation), t.cfg.Tenant, fakechannel.Message{ID: post.ID, Text: r.Text, At: r.At, ReplyTo: replyTo})
	if a.Text != "" && len(a.Attachments) > 0 { // it becomes two messages, of which the bot learns no id
		return &answer{http.StatusCreated, map[string]any{}}
	}
	return &answer{http.StatusCreated, map[string]any{"id": post.ID}}
}

// in is the thread that a message of a channel is in: one that there is, or the one that it begins.
func (r *room) in(thread, id string) activity.ConversationID {
	if thread == "" {
		thread = id
		r.threads = append(r.threads, id)
	}
	return threadOf(r, thread)
}

// revise changes or deletes a message of the bot.
func (t *Teams) revise(l *fakechannel.Ledger, r fakechannel.Request, a asked) *answer {
	room, thread := t.find(activity.ConversationID(r.Conversation))
	if room == nil || room.gone {
		return notFound()
	}
	if no := t.barred(room, false); no != nil {
		return no
	}
	if r.Query.Get("isTargetedActivity") == "true" && r.Op == fakechannel.OpUpdate && len(a.Recipient) > 0 {
		return badArgument("Bad argument: an update of a targeted message names no recipient.")
	}
	i := slices.IndexFunc(room.posts, func(p Post) bool { return p.ID == r.ID && p.Bot && !p.Deleted })
	if i < 0 || thread != "" && room.posts[i].Conversation != threadOf(room, thread) ||
		!l.Revise(r.Op, string(room.posts[i].Conversation), r.ID, r.Text) {
		return refuse(http.StatusNotFound, "ActivityNotFoundInConversation", "The activity is not found in the conversation.")
	}
	if r.Op == fakechannel.OpDelete {
		room.posts[i].Deleted = true
	} else {
		room.posts[i].Activity, room.posts[i].Edited = r.Body, true
	}
	t.changed()
	return &answer{http.StatusOK, map[string]any{"id": r.ID}}
}

// Post is a message in a conversation, by a person or by the bot.
type Post struct {
	ID string `json:"id"`
	// Conversation is the one that it is in, in a channel the thread.
	Conversation activity.ConversationID `json:"conversation"`
	// From is the object id of who said it, and empty where the bot did.
	From     string         `json:"from,omitzero"`
	Bot      bool           `json:"bot,omitzero"`
	Name     string         `json:"name"`
	At       time.Time      `json:"at"`
	Activity jsontext.Value `json:"activity"`
	Edited   bool           `json:"edited,omitzero"`
	Deleted  bool           `json:"deleted,omitzero"`
}

// mostPosts is how many messages a conversation shows.
const mostPosts = 500

func (r *room) post(p Post) {
	p.Activity = slices.Clone(p.Activity)
	if r.posts = append(r.posts, p); len(r.posts) > mostPosts {
		r.posts = slices.Clone(r.posts[len(r.posts)-mostPosts:])
	}
}

// Posts are the messages of a conversation as people see them, oldest first: those of a channel with all its threads. An older
// one than the newest 500 is not among them; the ledger has all.
func (t *Teams) Posts(conversation activity.ConversationID) []Post {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, thread := t.find(conversation)
	if r == nil {
		return nil
	}
	posts := slices.Clone(r.posts)
	if thread != "" {
		posts = slices.DeleteFunc(posts, func(p Post) bool { return p.Conversation != threadOf(r, thread) })
	}
	return posts
}
