package cli

import (
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// recipients are the flags of which one says to whom.
type recipients struct {
	User         string `required:"" xor:"to" placeholder:"ID" help:"Say it to a person, by channel user id."`
	ExternalID   string `name:"external-id" required:"" xor:"to" placeholder:"ID" help:"Say it to a person, by the id that they have in your own system."`
	ObjectID     string `name:"object-id" required:"" xor:"to" placeholder:"ID" help:"Say it to a person, by their object id in Microsoft Entra."`
	UPN          string `name:"upn" required:"" xor:"to" placeholder:"NAME" help:"Say it to a person, by their user principal name."`
	Email        string `required:"" xor:"to" placeholder:"ADDRESS" help:"Say it to a person, by their e-mail address."`
	Conversation string `required:"" xor:"to" placeholder:"ID" help:"Say it in a conversation, by its id on the channel."`
	Team         string `required:"" xor:"to" placeholder:"ID" help:"Post it in a team of Microsoft Teams, by the team's id: in its General channel, or that of --channel."`
	ThreadOf     string `name:"thread-of" required:"" xor:"to" placeholder:"DELIVERY" help:"Say it in the thread of a delivery that was said in a channel of a team."`
	Address      string `required:"" xor:"to" placeholder:"URI" help:"Say it to whoever has an address: mailto:ann@example.com, sms:+15551234567."`
	Tag          string `required:"" xor:"to" placeholder:"TAG" help:"Say it in every conversation with a tag that can be reached."`
	Everyone     bool   `required:"" xor:"to" help:"Say it in every conversation that can be reached."`

	Channel string `placeholder:"ID" help:"With --team, the id of its channel."`
	Thread  string `placeholder:"ID" help:"With --team, the id of a post in the channel, to be answered."`
}

func (r recipients) whom() api.Target {
	return api.Target{
		User: r.User, ExternalID: r.ExternalID, ObjectID: r.ObjectID, UPN: r.UPN, Email: r.Email, Conversation: r.Conversation,
		Team: r.Team, Channel: r.Channel, Thread: r.Thread, ReplyTo: r.ThreadOf, Address: addressJSON(r.Address), Tag: r.Tag, Everyone: r.Everyone,
	}
}

// addressJSON is a URI as the API has it.
func addressJSON(uri string) []byte {
	if uri == "" {
		return nil
	}
	raw, _ := json.Marshal(uri) // texts always encode
	return raw
}

// given reports whether they say anything.
func (r recipients) given() bool {
	t := r.whom()
	t.Channel, t.Thread = "", ""
	return t.User != "" || t.ExternalID != "" || t.ObjectID != "" || t.UPN != "" || t.Email != "" || t.Conversation != "" ||
		t.Team != "" || t.ReplyTo != "" || len(t.Address) > 0 || t.Tag != "" || t.Everyone
}
