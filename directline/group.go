package directline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// has reports whether somebody is in the conversation.
func (conv Conversation) has(user activity.AccountID) bool {
	return slices.ContainsFunc(conv.people(), func(p activity.ChannelAccount) bool { return p.ID == user })
}

// people are those in the conversation, without the bot.
func (conv Conversation) people() []activity.ChannelAccount {
	switch {
	case kindOf(conv.ID) != KindPersonal:
		return conv.Members
	case conv.User.ID == "":
		return nil
	}
	return []activity.ChannelAccount{conv.User}
}

func (conv Conversation) nameOf(user activity.AccountID) string {
	for _, p := range conv.people() {
		if p.ID == user {
			return p.Name
		}
	}
	return ""
}

// OpenRequest asks for a conversation that people open.
type OpenRequest struct {
	// Kind is what it is; empty is personal.
	Kind Kind
	// Name is what people call it; may be empty.
	Name string
	// Members are the people in it, without the bot: one in a personal conversation, at least one in the others. Their
	// ids start with "dl_", as in [MintRequest].
	Members []activity.ChannelAccount
	// Creator opens it. Empty is the first member.
	Creator activity.AccountID
}

// ArgumentError says that a request names what cannot be.
type ArgumentError struct {
	// Field is what is wrong: "kind", "name", "members" or "creator".
	Field  string
	Reason string
}

func (e *ArgumentError) Error() string { return e.Field + ": " + e.Reason }

func (r OpenRequest) validate() error {
	switch r.Kind {
	case KindPersonal, KindGroup, KindChannel, "":
	default:
		return &ArgumentError{"kind", `must be "personal", "group" or "channel"`}
	}
	if len(r.Name) > 256 {
		return &ArgumentError{"name", "has more than 256 bytes"}
	}
	if err := checkMembers(r.Members); err != nil {
		return err
	}
	if (r.Kind == KindPersonal || r.Kind == "") && len(r.Members) != 1 {
		return &ArgumentError{"members", "a personal conversation has one"}
	}
	if r.Creator != "" && !slices.ContainsFunc(r.Members, func(m activity.ChannelAccount) bool { return m.ID == r.Creator }) {
		return &ArgumentError{"creator", "is not one of the members"}
	}
	return nil
}

// maxMembers is how many people can be added at once.
const maxMembers = 250

func checkMembers(members []activity.ChannelAccount) error {
	if len(members) == 0 || len(members) > maxMembers {
		return &ArgumentError{"members", fmt.Sprintf("must be between 1 and %d", maxMembers)}
	}
	for i, m := range members {
		if err := checkTokenUser(m); err != nil {
			return &ArgumentError{fmt.Sprintf("members[%d]", i), err.Error()}
		}
	}
	return nil
}

// plain are people as far as those who add them may say who they are.
func plain(people []activity.ChannelAccount) []activity.ChannelAccount {
	out := make([]activity.ChannelAccount, 0, len(people))
	for _, p := range people {
		if !slices.ContainsFunc(out, func(o activity.ChannelAccount) bool { return o.ID == p.ID }) {
			out = append(out, activity.ChannelAccount{ID: p.ID, Name: p.Name, Role: activity.RoleUser})
		}
	}
	return out
}

// Open makes a conversation of people and the bot. The bot hears at once who is in a group or a channel, and of a
// personal conversation when a client starts it. Open waits for the bot a moment and does not fail with it. Other errors
// are [*ArgumentError] or the store's.
func (c *Channel) Open(ctx context.Context, r OpenRequest) (Conversation, error) {
	if err := r.validate(); err != nil {
		return Conversation{}, err
	}
	members := plain(r.Members)
	conv := Conversation{
		ID: newConversationID(), AppID: c.cfg.AppID, Kind: r.Kind, Name: r.Name, User: members[0], CreatedAt: c.cfg.Now(),
	}
	for _, m := range members {
		if m.ID == r.Creator {
			conv.User = m
		}
	}
	if conv.Kind == KindGroup || conv.Kind == KindChannel {
		conv.ID, conv.Members = newIDOf(conv.Kind), members
	}
	conv, _, err := c.cfg.Store.OpenConversation(ctx, conv)
	if err != nil {
		return Conversation{}, fmt.Errorf("open a conversation: %w", err)
	}
	if conv.Kind == KindGroup || conv.Kind == KindChannel {
		if _, err := c.start(context.WithoutCancel(ctx), conv, ""); err != nil {
			return Conversation{}, fmt.Errorf("start a conversation: %w", err)
		}
	}
	return conv, nil
}

// many finds a group or a channel.
func (c *Channel) many(ctx context.Context, id activity.ConversationID) (Conversation, error) {
	conv, err := c.conversation(ctx, id)
	switch {
	case err != nil:
		return conv, err
	case kindOf(id) == KindPersonal:
		return conv, &ArgumentError{"conversation", "is a personal one; its members do not change"}
	case conv.Ended:
		return conv, ErrEnded
	}
	return conv, nil
}

// AddMembers puts people into a group or a channel, tells the bot who is new, and returns the conversation as it is then.
// Errors are as in [Channel.Open], and [ErrNotFound] and [ErrEnded].
func (c *Channel) AddMembers(ctx context.Context, id activity.ConversationID, people []activity.ChannelAccount) (Conversation, error) {
	if err := checkMembers(people); err != nil {
		return Conversation{}, err
	}
	if _, err := c.many(ctx, id); err != nil {
		return Conversation{}, err
	}
	added, err := c.cfg.Store.AddMembers(ctx, id, plain(people))
	if err != nil {
		return Conversation{}, fmt.Errorf("add members: %w", err)
	}
	conv, err := c.conversation(ctx, id)
	if err != nil || len(added) == 0 {
		return conv, err
	}
	return conv, c.announce(ctx, conv, c.memberUpdate(conv, c.actor(conv), added, nil))
}

// RemoveMember takes somebody out of a group or a channel: their clients are cut off and the bot is told. It reports
// [ErrNotFound] also when they are not in it.
func (c *Channel) RemoveMember(ctx context.Context, id activity.ConversationID, user activity.AccountID) (Conversation, error) {
	before, err := c.many(ctx, id)
	if err != nil {
		return Conversation{}, err
	}
	removed, err := c.cfg.Store.RemoveMember(ctx, id, user)
	switch {
	case err != nil:
		return Conversation{}, fmt.Errorf("remove a member: %w", err)
	case !removed:
		return Conversation{}, ErrNotFound
	}
	c.hub.drop(id, user)
	conv, err := c.conversation(ctx, id)
	if err != nil {
		return Conversation{}, err
	}
	gone := activity.ChannelAccount{ID: user, Name: before.nameOf(user), Role: activity.RoleUser}
	return conv, c.announce(ctx, conv, c.memberUpdate(conv, c.actor(conv), nil, []activity.ChannelAccount{gone}))
}

// Rename gives somebody another name in all their conversations; what they say next has it.
func (c *Channel) Rename(ctx context.Context, user activity.ChannelAccount) error {
	if err := checkTokenUser(user); err != nil {
		return &ArgumentError{"user", err.Error()}
	}
	if err := c.cfg.Store.RenameUser(ctx, c.cfg.AppID, user.ID, user.Name); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	return nil
}

// Install puts the bot into a conversation and tells it, as Teams does: that it is a member, and that it is installed.
func (c *Channel) Install(ctx context.Context, id activity.ConversationID) error {
	conv, err := c.setInstalled(ctx, id, true)
	if err != nil {
		return err
	}
	bot := []activity.ChannelAccount{c.botAccount()}
	return c.announce(ctx, conv, c.memberUpdate(conv, c.actor(conv), bot, nil), c.installation(conv, activity.UpdateAdd))
}

// Uninstall takes the bot out of a conversation and tells it: in a group or a channel that it is no member any more, and
// everywhere that it is not installed. From then on it hears nothing from there, and what it says is refused.
func (c *Channel) Uninstall(ctx context.Context, id activity.ConversationID) error {
	conv, err := c.setInstalled(ctx, id, false)
	if err != nil {
		return err
	}
	var told []*activity.Activity
	if kindOf(id) != KindPersonal {
		told = append(told, c.memberUpdate(conv, c.actor(conv), nil, []activity.ChannelAccount{c.botAccount()}))
	}
	return c.announce(ctx, conv, append(told, c.installation(conv, activity.UpdateRemove))...)
}

func (c *Channel) setInstalled(ctx context.Context, id activity.ConversationID, installed bool) (Conversation, error) {
	conv, err := c.conversation(ctx, id)
	if err != nil {
		return conv, err
	}
	if _, err := c.cfg.Store.SetInstalled(ctx, id, installed); err != nil {
		return conv, fmt.Errorf("note the installation: %w", err)
	}
	return conv, nil
}

// actor is who does what nobody is named for.
func (c *Channel) actor(conv Conversation) activity.ChannelAccount {
	if conv.User.ID == "" {
		return activity.ChannelAccount{ID: activity.AccountID(conv.ID), Role: activity.RoleUser}
	}
	return conv.User
}

// memberUpdate tells who came or went.
func (c *Channel) memberUpdate(conv Conversation, by activity.ChannelAccount, added, gone []activity.ChannelAccount) *activity.Activity {
	a := &activity.Activity{
		Type: activity.TypeConversationUpdate, From: by.Clone(), MembersAdded: added, MembersRemoved: gone,
	}
	if conv.Kind == KindChannel {
		event := "teamMemberAdded"
		if len(gone) > 0 {
			event = "teamMemberRemoved"
		}
		a.ChannelData = withMember(nil, "eventType", event)
	}
	return a
}

// installation tells that the bot was installed or not (Teams, "Conversation events in your Teams bot").
func (c *Channel) installation(conv Conversation, action activity.UpdateAction) *activity.Activity {
	return &activity.Activity{
		Type: activity.TypeInstallationUpdate, From: new(c.actor(conv)), Action: action,
	}
}

// announce tells the bot what the channel itself has to say, in its place in the line, and waits for that a moment.
func (c *Channel) announce(ctx context.Context, conv Conversation, as ...*activity.Activity) error {
	if err := c.begin(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	at := c.lines.enter(conv.ID)
	done := make(chan struct{})
	go func() { // Close waits for it; the bot has a deadline
		defer c.work.Done()
		defer close(done)
		defer at.leave()
		<-at.turn
		for _, a := range as {
			c.tell(ctx, conv, a)
		}
	}()
	timer := c.patience()
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	return nil
}

// tell hands the bot something that the channel says. A bot that fails hears it no more.
func (c *Channel) tell(ctx context.Context, conv Conversation, a *activity.Activity) {
	c.place(conv.ID, a)
	a.ID, a.ServiceURL, a.Recipient = passingID(conv.ID), c.publicURL(), new(c.botAccount())
	a.Conversation, a.ChannelData = conv.account(""), conv.channelData(a.ChannelData)
	if _, err := c.ask(ctx, a); err != nil {
		c.cfg.Logger.WarnContext(ctx, "bot did not take an activity",
			"conversation_id", string(conv.ID), "activity_type", string(a.Type), "error", err.Error())
	}
}

var (
	// errBlocked and errNotInRoster: the bot was uninstalled. These are the answers of Teams ("Send proactive messages",
	// "Build conversational capability").
	errBlocked     = &apiError{http.StatusForbidden, "MessageWritesBlocked", "the bot is not installed for this person"}
	errNotInRoster = &apiError{http.StatusForbidden, "BotNotInConversationRoster", "the bot is not in this conversation"}
)

// admitBot checks that the bot may speak in a conversation and that the thread is one.
func (c *Channel) admitBot(ctx context.Context, id activity.ConversationID, root activity.ID) error {
	conv, err := c.conversation(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return err
	case err != nil: // what cannot be read may still be written
	case conv.Uninstalled && kindOf(id) == KindPersonal:
		return errBlocked
	case conv.Uninstalled:
		return errNotInRoster
	}
	return c.checkRoot(ctx, id, root)
}

// channelIn reads which channel a bot wants to begin a thread in.
func channelIn(channelData []byte) activity.ConversationID {
	raw, _ := activity.Member(channelData, "channel")
	var channel struct {
		ID activity.ConversationID `json:"id"`
	}
	if json.Unmarshal(raw, &channel) != nil {
		return ""
	}
	return channel.ID
}

// createThread begins a thread in a channel.
func (c *Channel) createThread(ctx context.Context, channel activity.ConversationID, cr headsup.Creation) (activity.ConversationResource, error) {
	var none activity.ConversationResource
	switch {
	case kindOf(channel) != KindChannel || !minted(channel):
		return none, permanent("not_found", http.StatusNotFound, ErrNotFound)
	case cr.Parameters.Activity == nil:
		return none, permanent("bad_argument", http.StatusBadRequest, errors.New("activity: a thread begins with one"))
	}
	key := ""
	if cr.Key != "" {
		key = "thread:" + cr.Key
	}
	root, err := c.say(ctx, channel, key, cr.Parameters.Activity)
	if err == nil && root == "" {
		err = badArgument("activity: a thread begins with one that is kept")
	}
	if err != nil {
		return none, asSendError(err, key != "")
	}
	return activity.ConversationResource{ID: threadID(channel, root), ActivityID: root, ServiceURL: c.publicURL()}, nil
}

// conversationFor is the conversation that a bot opens.
func (c *Channel) conversationFor(cr headsup.Creation) (Conversation, error) {
	p := cr.Parameters
	conv := Conversation{AppID: c.cfg.AppID, Name: p.TopicName, ByBot: true, CreatedAt: c.cfg.Now()}
	var people []activity.ChannelAccount
	for _, m := range p.Members {
		if m.ID != c.cfg.BotID {
			people = append(people, m)
		}
	}
	if p.IsGroup == nil || !*p.IsGroup || len(people) < 2 {
		user, err := c.onlyMember(p.Members)
		if err != nil {
			return conv, err
		}
		conv.ID, conv.User = newConversationID(), user
	} else {
		for _, m := range people {
			if err := checkUserID(m.ID); err != nil {
				return conv, fmt.Errorf("members: %w", err)
			}
		}
		conv.ID, conv.Kind, conv.Members = newIDOf(KindGroup), KindGroup, plain(people)
	}
	if cr.Key != "" {
		conv.ID = c.keys.conversationID(c.cfg.AppID, conv.User.ID, cr.Key, suffixOf(conv.Kind))
	}
	return conv, nil
}
