package faketeams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// controlPath begins the paths by which a page or another process uses the tenant.
const controlPath = "/_teams/"

// beside serves what is not the Connector API's.
func (t *Teams) beside() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1.0/", t.graph)
	mux.Handle(controlPath, http.StripPrefix(strings.TrimSuffix(controlPath, "/"), t.Control()))
	return mux
}

// State is a tenant as it is shown.
type State struct {
	// Version is that of [Teams.Await].
	Version    int           `json:"version"`
	Tenant     string        `json:"tenant"`
	ServiceURL string        `json:"service_url"`
	Bot        BotState      `json:"bot"`
	Disabled   bool          `json:"disabled,omitzero"`
	People     []PersonState `json:"people"`
	Teams      []TeamState   `json:"teams"`
	Chats      []ChatState   `json:"chats"`
}

// BotState is the bot in a [State].
type BotState struct {
	ID   activity.AccountID `json:"id"`
	Name string             `json:"name"`
}

// PersonState is a person in a [State].
type PersonState struct {
	ObjectID     string                  `json:"object_id"`
	ID           activity.AccountID      `json:"id"`
	Name         string                  `json:"name"`
	UPN          string                  `json:"upn"`
	Mail         string                  `json:"mail"`
	Guest        bool                    `json:"guest,omitzero"`
	Installed    bool                    `json:"installed"`
	Blocked      bool                    `json:"blocked,omitzero"`
	Conversation activity.ConversationID `json:"conversation"`
	// Posts is how many messages the conversation has.
	Posts int `json:"posts"`
}

// TeamState is a team in a [State].
type TeamState struct {
	ID        string         `json:"id"`
	Group     string         `json:"group"`
	Name      string         `json:"name"`
	Members   []string       `json:"members"`
	Installed bool           `json:"installed"`
	Channels  []ChannelState `json:"channels"`
}

// ChannelState is a channel in a [State].
type ChannelState struct {
	ID    activity.ConversationID `json:"id"`
	Name  string                  `json:"name"`
	Posts int                     `json:"posts"`
}

// ChatState is a chat of several people in a [State].
type ChatState struct {
	ID        activity.ConversationID `json:"id"`
	Name      string                  `json:"name"`
	Members   []string                `json:"members"`
	Installed bool                    `json:"installed"`
	Posts     int                     `json:"posts"`
}

// State returns the tenant as it is now.
func (t *Teams) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{
		Version: t.version, Tenant: t.cfg.Tenant, ServiceURL: t.serviceURL(), Bot: BotState{t.botID(), t.cfg.Name}, Disabled: t.disabled,
		People: make([]PersonState, len(t.order)), Teams: []TeamState{}, Chats: []ChatState{},
	}
	for i, p := range t.order {
		s.People[i] = PersonState{
			ObjectID: p.ObjectID, ID: p.ID, Name: p.Name, UPN: p.UPN, Mail: p.Mail, Guest: p.Guest,
			Blocked: p.blocked || p.writesBlocked, Conversation: t.personal(p),
		}
		if p.chat != nil && !p.chat.gone {
			s.People[i].Installed, s.People[i].Posts = p.chat.installed, len(p.chat.posts)
		}
	}
	for _, r := range t.listed {
		if r.team == nil {
			s.Chats = append(s.Chats, ChatState{ID: r.id, Name: r.name, Members: append([]string{}, r.members...), Installed: r.installed, Posts: len(r.posts)})
			continue
		}
		one := TeamState{
			ID: r.team.id, Group: r.team.group, Name: r.team.name, Members: append([]string{}, r.team.members...), Installed: r.team.installed,
		}
		for _, c := range r.team.living() {
			one.Channels = append(one.Channels, ChannelState{ID: c.id, Name: c.name, Posts: len(c.posts)})
		}
		s.Teams = append(s.Teams, one)
	}
	return s
}

// Deed is something that somebody does, as [Teams.Do] is told. Which members it needs depends on Do.
type Deed struct {
	// Do is "add_person", "add_team", "add_chat", "add_channel", "install", "uninstall", "upgrade", "join", "leave", "say", "block",
	// "block_writes", "unblock", "remove_history", "disable", "enable", "move", "happen", "read", "react" or "unreact".
	Do string `json:"do"`
	// Who is the object id of a person, Where a person, a team, a chat or a channel.
	Who   string `json:"who,omitzero"`
	Where string `json:"where,omitzero"`
	// Name is that of what is added or renamed, of a region, of an event or of a reaction. Text is what is said. Members are object ids.
	Name    string   `json:"name,omitzero"`
	Text    string   `json:"text,omitzero"`
	Members []string `json:"members,omitzero"`
}

// Do does a deed, and returns the id of what was made or where something was said; empty if there is none.
func (t *Teams) Do(ctx context.Context, d Deed) (id string, err error) {
	where := activity.ConversationID(d.Where)
	switch d.Do {
	case "add_person", "add_team", "add_chat":
		return t.add(d)
	case "add_channel":
		where, err = t.AddChannel(ctx, where, d.Name)
		return string(where), err
	case "install":
		return "", t.Install(ctx, d.Where, d.Who)
	case "uninstall":
		return "", t.Uninstall(ctx, d.Where, d.Who)
	case "upgrade":
		return "", t.Upgrade(ctx, d.Where)
	case "join":
		return "", t.Join(ctx, d.Where, d.Who)
	case "leave":
		return "", t.Leave(ctx, d.Where, d.Who)
	case "say":
		where, err = t.Say(ctx, d.Who, where, d.Text)
		return string(where), err
	case "block":
		return "", t.Block(d.Who)
	case "block_writes":
		return "", t.BlockWrites(d.Who)
	case "unblock":
		return "", t.Unblock(d.Who)
	case "remove_history":
		return "", t.RemoveHistory(d.Who, false)
	case "disable", "enable":
		t.Disable(d.Do == "disable")
		return "", nil
	case "move":
		if d.Name == "" || strings.ContainsAny(d.Name, "/?#") {
			return "", errors.New("faketeams: name must be a region: one segment of a path")
		}
		t.Move(d.Name)
		return "", nil
	case "read":
		return "", t.Read(ctx, d.Who)
	case "react", "unreact":
		return "", t.reactToLast(ctx, d)
	case "happen":
		return "", t.Happen(ctx, where, d.Name, d.Text)
	}
	return "", fmt.Errorf("faketeams: do: there is no %q", d.Do)
}

// add adds what has no bot in it yet.
func (t *Teams) add(d Deed) (string, error) {
	if d.Name == "" {
		return "", errors.New("faketeams: name is missing")
	}
	t.mu.Lock()
	for _, m := range d.Members {
		if t.people[m] == nil {
			t.mu.Unlock()
			return "", unknown(m)
		}
	}
	t.mu.Unlock()
	switch d.Do {
	case "add_team":
		return string(t.AddTeam(d.Name, d.Members...).ID), nil
	case "add_chat":
		return string(t.AddChat(d.Name, d.Members...)), nil
	}
	return t.AddPerson(Person{Name: d.Name, Mail: d.Text, UPN: d.Text}).ObjectID, nil
}

// patience is how long the state is waited for before it is told as it was.
const patience = 25 * time.Second

// Control is the tenant over HTTP, for pages and other processes. GET state tells the [State], with ?after=VERSION once it has
// changed since; GET posts?conversation=ID the messages of a conversation; POST do does a [Deed]. It lets anybody do anything.
func (t *Teams) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		if after, err := strconv.Atoi(r.URL.Query().Get("after")); err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			t.Await(ctx, after)
		}
		reply(w, http.StatusOK, t.State())
	})
	mux.HandleFunc("GET /posts", func(w http.ResponseWriter, r *http.Request) {
		posts := t.Posts(activity.ConversationID(r.URL.Query().Get("conversation")))
		reply(w, http.StatusOK, map[string]any{"posts": append([]Post{}, posts...)})
	})
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		var d Deed
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
		if err == nil {
			err = json.Unmarshal(body, &d, json.RejectUnknownMembers(true))
		}
		if err != nil {
			complain(w, http.StatusBadRequest, err)
			return
		}
		id, err := t.Do(r.Context(), d)
		if err != nil {
			complain(w, http.StatusConflict, err)
			return
		}
		reply(w, http.StatusOK, map[string]any{"id": id})
	})
	return mux
}

func complain(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]any{"error": map[string]any{"code": "refused", "message": err.Error()}})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, v, jsontext.EscapeForHTML(false)) // the caller may be gone
}
