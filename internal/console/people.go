package console

import (
	"cmp"
	"net/http"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func (p *Playground) setup(w http.ResponseWriter, _ *http.Request) error {
	reply(w, p.Setup)
	return nil
}

// conversation is one as the page knows it.
type conversation struct {
	ID   activity.ConversationID `json:"id"`
	Kind directline.Kind         `json:"kind"`
	Name string                  `json:"name,omitzero"`
	// Members are the people in it, without the bot.
	Members []person `json:"members"`
	// User is who a personal conversation is with, or who opened another one.
	User      person `json:"user"`
	CreatedBy string `json:"createdBy"`
	// Installed: the bot is in it.
	Installed bool `json:"installed"`
}

func asConversation(c directline.Conversation) conversation {
	row := conversation{
		ID: c.ID, Kind: cmp.Or(c.Kind, directline.KindPersonal), Name: c.Name, Members: []person{},
		User: person{c.User.ID, c.User.Name}, CreatedBy: "user", Installed: !c.Uninstalled,
	}
	if c.ByBot {
		row.CreatedBy = "bot"
	}
	for _, m := range c.Members {
		row.Members = append(row.Members, person{m.ID, m.Name})
	}
	if row.Kind == directline.KindPersonal && c.User.ID != "" {
		row.Members = append(row.Members, row.User)
	}
	return row
}

func (p *Playground) conversations(w http.ResponseWriter, r *http.Request) error {
	const most = 200
	found, err := p.Conversations.DirectLineConversations(r.Context(), p.Setup.AppID, activity.AccountID(r.URL.Query().Get("user")), most)
	if err != nil {
		return err
	}
	rows := make([]conversation, 0, len(found))
	for _, c := range found {
		if !c.Ended {
			rows = append(rows, asConversation(c))
		}
	}
	reply(w, map[string]any{"conversations": rows})
	return nil
}

func accounts(people []person) []activity.ChannelAccount {
	out := make([]activity.ChannelAccount, 0, len(people))
	for _, p := range people {
		out = append(out, activity.ChannelAccount{ID: p.ID, Name: p.Name})
	}
	return out
}

func (p *Playground) open(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Kind    directline.Kind    `json:"kind"`
		Name    string             `json:"name"`
		Members []person           `json:"members"`
		Creator activity.AccountID `json:"creator"`
	}
	if err := read(w, r, &ask); err != nil {
		return err
	}
	conv, err := p.Channel.Open(r.Context(), directline.OpenRequest{
		Kind: ask.Kind, Name: ask.Name, Members: accounts(ask.Members), Creator: ask.Creator,
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	reply(w, asConversation(conv))
	return nil
}

func pathID(r *http.Request) activity.ConversationID {
	return activity.ConversationID(r.PathValue("id"))
}

func (p *Playground) addMembers(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Members []person `json:"members"`
	}
	if err := read(w, r, &ask); err != nil {
		return err
	}
	conv, err := p.Channel.AddMembers(r.Context(), pathID(r), accounts(ask.Members))
	if err != nil {
		return err
	}
	reply(w, asConversation(conv))
	return nil
}

func (p *Playground) removeMember(w http.ResponseWriter, r *http.Request) error {
	conv, err := p.Channel.RemoveMember(r.Context(), pathID(r), activity.AccountID(r.PathValue("user")))
	if err != nil {
		return err
	}
	reply(w, asConversation(conv))
	return nil
}

func (p *Playground) install(w http.ResponseWriter, r *http.Request) error {
	if err := p.Channel.Install(r.Context(), pathID(r)); err != nil {
		return err
	}
	reply(w, map[string]any{"id": pathID(r), "installed": true})
	return nil
}

func (p *Playground) uninstall(w http.ResponseWriter, r *http.Request) error {
	if err := p.Channel.Uninstall(r.Context(), pathID(r)); err != nil {
		return err
	}
	reply(w, map[string]any{"id": pathID(r), "installed": false})
	return nil
}

func (p *Playground) rename(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Name string `json:"name"`
	}
	if err := read(w, r, &ask); err != nil {
		return err
	}
	if ask.Name == "" || len(ask.Name) > 64 {
		return &httpError{http.StatusBadRequest, "bad_request", "name: must have between 1 and 64 bytes"}
	}
	who := person{activity.AccountID(r.PathValue("id")), ask.Name}
	if err := p.Channel.Rename(r.Context(), activity.ChannelAccount{ID: who.ID, Name: who.Name}); err != nil {
		return err
	}
	reply(w, who)
	return nil
}

func (p *Playground) faults(w http.ResponseWriter, _ *http.Request) error {
	reply(w, map[string]any{"faults": p.Faults.all()})
	return nil
}

func (p *Playground) setFaults(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Faults []fault `json:"faults"`
	}
	if err := read(w, r, &ask); err != nil {
		return err
	}
	if len(ask.Faults) > mostFaults {
		return &httpError{http.StatusBadRequest, "bad_fault", "faults: there are too many"}
	}
	for i, f := range ask.Faults {
		if err := f.validate(i); err != nil {
			return err
		}
	}
	reply(w, map[string]any{"faults": append([]fault{}, p.Faults.set(ask.Faults)...)})
	return nil
}

func (p *Playground) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	p.Faults.set(nil)
	reply(w, map[string]any{"faults": []fault{}})
	return nil
}
