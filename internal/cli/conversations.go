package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type conversationCommands struct {
	List       listConversations    `cmd:"" help:"List whom the bot knows: the reference book."`
	Get        getConversation      `cmd:"" help:"Show a conversation and who takes part."`
	Tag        tagConversation      `cmd:"" help:"Add tags to a conversation."`
	Untag      untagConversation    `cmd:"" help:"Remove tags from a conversation."`
	Identify   identifyConversation `cmd:"" help:"Note which id a conversation's person has in your own system."`
	Busy       busyConversation     `cmd:"" help:"Say that a conversation is in the middle of something."`
	Free       freeConversation     `cmd:"" help:"Say that it is not any more."`
	Forget     forgetConversation   `cmd:"" help:"Remove a conversation from the reference book."`
	Roster     noteRoster           `cmd:"" help:"Ask Microsoft Teams who takes part, so that they are found by e-mail address and the like."`
	Transcript transcript           `cmd:"" help:"Print what was said in a conversation."`
}

// conversationName are the argument and the flag that name a conversation.
type conversationName struct {
	ID      string `arg:"" help:"The conversation's id on the channel."`
	Channel string `placeholder:"CHANNEL" help:"Which one, if several channels use the id; else the one that was seen last."`
}

// Validate implements kong's hook: ids are part of a path.
func (n conversationName) Validate() error { return anID("conversation", n.ID) }

// anID refuses what can be no id.
func anID(what, id string) error {
	if strings.Trim(id, ".") == "" {
		return fmt.Errorf("<id>: %q is not an id of a %s", id, what)
	}
	return nil
}

type listConversations struct {
	Kind       string `default:"" enum:",personal,group,channel,meeting" placeholder:"KIND" help:"Only those of a kind: personal, group, channel, meeting."`
	Channel    string `placeholder:"CHANNEL" help:"Only those on a channel, such as msteams."`
	Reach      string `default:"" enum:",active,uninstalled,blocked,unreachable,prospective" placeholder:"REACH" help:"Only those that can, or cannot, be written to: active, uninstalled, blocked, unreachable, prospective."`
	Tag        string `placeholder:"TAG" help:"Only those with a tag."`
	Team       string `placeholder:"ID" help:"Only those in a team of Microsoft Teams, by its id there."`
	Tenant     string `placeholder:"TENANT" help:"Only those in a tenant of their channel."`
	User       string `placeholder:"ID" help:"Only those that somebody takes part in, by channel user id."`
	ExternalID string `name:"external-id" placeholder:"ID" help:"Only those that somebody takes part in, by the id in your own system."`
	listing
	remote
}

// Help shows examples.
func (listConversations) Help() string {
	return `Examples:

    headsup conversations list
    headsup conversations list --kind personal --tag on-call
    headsup conversations list --limit 0 --json | jq -r .id`
}

// Run lists conversations in the order in which the bot met them.
func (c *listConversations) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	filter := client.Filter{
		Kind: c.Kind, Channel: c.Channel, Reach: c.Reach, Tag: c.Tag, User: c.User, ExternalID: c.ExternalID,
		Team: c.Team, Tenant: c.Tenant,
	}
	return lister[api.Conversation]{
		head: []any{"CONVERSATION", "CHANNEL", "KIND", "USER", "EXTERNAL ID", "REACH", "LAST INBOUND", "TAGS", "NAME"},
		page: func(cursor string, limit int) ([]api.Conversation, string, error) {
			p, err := server.ConversationsPage(ctx, filter, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Conversations, p.NextCursor, nil
		},
		cells: func(v api.Conversation) []any {
			user := userOf(v)
			return []any{
				v.ID, v.Channel, v.Kind, user.ID, v.ExternalID, v.Reach, optionalInstant(v.LastInboundAt), strings.Join(v.Tags, ","), user.Name,
			}
		},
	}.print(s, c.listing, c.JSON)
}

// reachText says whether a conversation can be written to, why, and since and until when.
func reachText(v api.Conversation) string {
	parts := []string{v.Reach}
	if v.Cause != "" {
		parts = append(parts, v.Cause)
	}
	if v.Reach != "active" && v.Since != nil {
		parts = append(parts, "since "+instant(*v.Since))
	}
	if v.Until != nil {
		parts = append(parts, "until "+instant(*v.Until))
	}
	return strings.Join(parts, " ")
}

// placeText says where in Teams a conversation is.
func placeText(p *api.Place) string {
	if p == nil {
		return ""
	}
	var parts []string
	for _, at := range []struct{ what, id, name string }{
		{"team", p.Team, p.TeamName}, {"channel", p.Channel, p.ChannelName}, {"meeting", p.Meeting, ""},
	} {
		if at.id != "" {
			parts = append(parts, at.what+" "+cmp.Or(at.name, at.id))
		}
	}
	return strings.Join(parts, ", ")
}

func userOf(v api.Conversation) api.User {
	if v.User == nil {
		return api.User{}
	}
	return *v.User
}

type getConversation struct {
	conversationName
	remote
}

// Help shows examples.
func (getConversation) Help() string {
	return `Examples:

    headsup conversations get Kq3TzPd8aLx5mWn0-hu
    headsup conversations get Kq3TzPd8aLx5mWn0-hu --json | jq .members`
}

// Run shows the conversation.
func (c *getConversation) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	v, err := server.Conversation(ctx, c.Channel, c.ID)
	if err != nil {
		return c.explain(err)
	}
	return c.printConversation(s, v)
}

// printConversation writes what is known of a conversation, a fact a line, or as JSON.
func (r *remote) printConversation(s streams, v api.Conversation) error {
	if r.JSON {
		return printJSON(s.out, v)
	}
	t := newTable(s.out, false)
	for _, fact := range []struct{ name, value string }{
		{"conversation", v.ID}, {"channel", v.Channel}, {"kind", v.Kind}, {"user", userOf(v).ID}, {"name", userOf(v).Name},
		{"external id", v.ExternalID}, {"tags", strings.Join(v.Tags, ", ")}, {"tenant", v.Tenant}, {"locale", v.Locale},
		{"time zone", v.TimeZone}, {"reach", reachText(v)}, {"place", placeText(v.Place)},
		{"last inbound", optionalInstant(v.LastInboundAt)}, {"known since", instant(v.CreatedAt)},
	} {
		if fact.value != "" {
			t.row(fact.name, fact.value)
		}
	}
	for _, b := range v.Busy {
		t.row("busy", strings.TrimSpace(b.By+" "+b.Reason+" until "+cmp.Or(optionalInstant(b.Until), "it is taken back")))
	}
	for _, m := range v.Members {
		t.row("member", strings.TrimSpace(m.ID+" "+m.Name))
	}
	return t.flush()
}

type tagConversation struct {
	conversationName
	Tags []string `arg:"" name:"tag" help:"The tags."`
	remote
}

// Help shows examples.
func (tagConversation) Help() string {
	return `Examples:

    headsup conversations tag Kq3TzPd8aLx5mWn0-hu on-call berlin
    headsup conversations list --user dl_ann --json | jq -r .id | xargs -I{} headsup conversations tag {} on-call

"headsup send --tag" writes to all that have a tag.`
}

// Run adds the tags.
func (c *tagConversation) Run(ctx context.Context, s streams) error {
	return c.retag(ctx, s, c.conversationName, api.ConversationUpdate{AddTags: c.Tags})
}

type untagConversation struct {
	conversationName
	Tags []string `arg:"" name:"tag" help:"The tags."`
	remote
}

// Help shows examples.
func (untagConversation) Help() string {
	return `Examples:

    headsup conversations untag Kq3TzPd8aLx5mWn0-hu on-call

A tag that it does not have is no mistake.`
}

// Run removes the tags.
func (c *untagConversation) Run(ctx context.Context, s streams) error {
	return c.retag(ctx, s, c.conversationName, api.ConversationUpdate{RemoveTags: c.Tags})
}

// retag changes a conversation's tags.
func (r *remote) retag(ctx context.Context, s streams, name conversationName, change api.ConversationUpdate) error {
	server, err := r.client()
	if err != nil {
		return err
	}
	v, err := server.UpdateConversation(ctx, name.Channel, name.ID, change)
	if err != nil {
		return r.explain(err)
	}
	return r.printConversation(s, v)
}

type identifyConversation struct {
	conversationName
	ExternalID string `arg:"" name:"external-id" help:"The id; \"\" removes it."`
	remote
}

// Help shows examples.
func (identifyConversation) Help() string {
	return `Examples:

    headsup conversations identify Kq3TzPd8aLx5mWn0-hu employee-4711

"headsup send --external-id" writes to the person, wherever they talked to the bot last.`
}

// Run notes the id.
func (c *identifyConversation) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	v, err := server.UpdateConversation(ctx, c.Channel, c.ID, api.ConversationUpdate{ExternalID: &c.ExternalID})
	if err != nil {
		return c.explain(err)
	}
	return c.printConversation(s, v)
}

type forgetConversation struct {
	conversationName
	remote
}

// Help shows examples.
func (forgetConversation) Help() string {
	return `Examples:

    headsup conversations forget Kq3TzPd8aLx5mWn0-hu

What waits to be said there is cancelled, and what the bot remembers of it is deleted. If somebody speaks there again, the
bot meets them for the first time.`
}

// Run forgets the conversation.
func (c *forgetConversation) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	if err := server.ForgetConversation(ctx, c.Channel, c.ID); err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, struct {
			ID        string `json:"id"`
			Forgotten bool   `json:"forgotten"`
		}{c.ID, true})
	}
	_, err = fmt.Fprintln(s.out, "forgotten:", printable(c.ID))
	return err
}

type transcript struct {
	conversationName
	listing
	remote
}

// Help shows examples.
func (transcript) Help() string {
	return `Examples:

    headsup conversations transcript Kq3TzPd8aLx5mWn0-hu
    headsup conversations transcript Kq3TzPd8aLx5mWn0-hu --limit 0 --json | jq .activity

Only the embedded Direct Line channel keeps transcripts here. With --json, every activity is one line.`
}

// utterance is what a line of a transcript shows of an activity.
type utterance struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Text      string `json:"text"`
	From      struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"from"`
	Attachments []struct {
		ContentType string `json:"contentType"`
	} `json:"attachments"`
}

// Run prints the transcript, oldest first.
func (c *transcript) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.Utterance]{
		head:    []any{"NUMBER", "TIME", "FROM", "TYPE", "TEXT"},
		largest: 100,
		page: func(cursor string, limit int) ([]api.Utterance, string, error) {
			p, err := server.TranscriptPage(ctx, c.Channel, c.ID, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Activities, p.NextCursor, nil
		},
		cells: func(v api.Utterance) []any {
			var said utterance
			if err := json.Unmarshal(v.Activity, &said); err != nil {
				return []any{v.Number, "", "", "", ""} // which shows at least that there is one
			}
			text := said.Text
			for _, a := range said.Attachments {
				text = strings.TrimSpace(text + " [" + a.ContentType + "]")
			}
			from := said.From.Name
			if from == "" {
				from = said.From.ID
			}
			return []any{v.Number, said.Timestamp, from, said.Type, text}
		},
	}.print(s, c.listing, c.JSON)
}
