package directline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// receive takes in what a client says and returns its id. What is shown is stored, and so echoed to all clients of the
// conversation, before the bot hears of it: clients take the echo for the proof that the channel has it.
func (c *Channel) receive(
	ctx context.Context, who caller, conv Conversation, a *activity.Activity,
) (activity.ID, error) {
	if err := c.admit(who, conv, a); err != nil {
		return "", err
	}
	if err := c.begin(); err != nil {
		return "", err
	}
	c.place(conv.ID, a)
	toBot, at, err := c.keepInOrder(ctx, who, conv, a)
	if err != nil {
		c.work.Done()
		return "", err
	}
	leave := func() { at.leave(); c.work.Done() }
	id, seq := toBot.ID, toBot.seq
	if conv.Uninstalled {
		leave()
		return id, nil
	}
	handed := c.hand(ctx, at, toBot.Activity)
	newcomer, err := c.newcomer(ctx, conv, a, seq)
	if err != nil {
		c.cfg.Logger.ErrorContext(ctx, "history not readable", "conversation_id", string(conv.ID), "error", err.Error())
	}
	if newcomer { // also when the bot has failed: nobody is new twice
		go func() { // Close waits for it; the bot has a deadline
			defer leave()
			<-at.turn
			c.joins(ctx, conv, *a.From, *a.From, a.Locale)
		}()
	} else {
		leave()
	}
	if handed != nil {
		return "", handed
	}
	return id, nil
}

// kept is what a client said, as the bot hears it.
type kept struct {
	*activity.Activity
	// seq is its number, 0 when it is not stored.
	seq int64
}

// keepInOrder stores what a client says and puts it in line for the bot. It does both while nobody else does either in
// this conversation, so that the bot hears in the order of the history. The caller leaves the place.
func (c *Channel) keepInOrder(ctx context.Context, who caller, conv Conversation, a *activity.Activity) (kept, *place, error) {
	root := threadIn(a.ChannelData)
	if kindOf(conv.ID) != KindChannel {
		root = ""
	}
	if err := c.checkRoot(ctx, conv.ID, root); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = badArgument("channelData.headsup.thread names no thread of this channel")
		}
		return kept{}, nil, err
	}
	a.ChannelData = withThread(a.ChannelData, root)
	first := c.storing.enter(conv.ID)
	defer first.leave()
	if err := first.wait(ctx); err != nil {
		return kept{}, nil, err
	}
	seq, err := c.keep(ctx, who, conv.ID, a)
	if err != nil {
		return kept{}, nil, err
	}
	toBot := c.asHeard(conv, a, seq, root)
	return kept{toBot, seq}, c.lines.enter(toBot.Conversation.ID), nil
}

// asHeard is what a client said as the bot hears it: seq is its number, 0 when it is not stored, and root the message that
// its thread begins with, if it is an answer in one.
func (c *Channel) asHeard(conv Conversation, a *activity.Activity, seq int64, root activity.ID) *activity.Activity {
	toBot := a.Clone()
	toBot.ID, toBot.ServiceURL, toBot.Recipient = passingID(conv.ID), c.publicURL(), new(c.botAccount())
	if seq > 0 {
		toBot.ID = activityID(conv.ID, seq)
	}
	switch {
	case kindOf(conv.ID) != KindChannel:
	case root == "" && seq > 0:
		root = toBot.ID
		toBot.ChannelData = withThread(toBot.ChannelData, root)
	case root != "" && toBot.ReplyToID == "":
		toBot.ReplyToID = root
	}
	toBot.Conversation = conv.account(root)
	toBot.ChannelData = conv.channelData(toBot.ChannelData)
	return toBot
}

// keep stores what is shown and lets those who are connected see what is shown and not kept.
func (c *Channel) keep(ctx context.Context, who caller, id activity.ConversationID, a *activity.Activity) (int64, error) {
	switch {
	case a.Type == activity.TypeTyping:
		return 0, c.showTyping(id, a, who.Session)
	case !shown(a.Type):
		return 0, nil
	}
	echo := a.Clone()
	echo.Recipient = new(c.botAccount())
	return c.append(ctx, id, "", echo)
}

// hand gives the bot an activity when its turn has come, and puts the replies that it answers with into the history.
func (c *Channel) hand(ctx context.Context, at *place, a *activity.Activity) error {
	id := a.Conversation.ID
	waiting, cancel := context.WithTimeoutCause(ctx, c.cfg.BotTimeout, errBotTimeout)
	defer cancel()
	err := at.wait(waiting)
	var answer headsup.Answer
	if err == nil {
		answer, err = c.ask(ctx, a)
	}
	if err != nil {
		c.cfg.Logger.WarnContext(ctx, "bot did not take an activity",
			"conversation_id", string(id), "activity_type", string(a.Type), "error", err.Error())
		return &apiError{http.StatusBadGateway, "BotRejectedActivity", "the bot failed to process the activity"}
	}
	if answer.Status >= 400 {
		return &apiError{http.StatusBadGateway, "BotRejectedActivity",
			fmt.Sprintf("the bot answered with status %d", answer.Status)}
	}
	if a.DeliveryMode == activity.DeliveryExpectReplies {
		if err := c.replies(ctx, id, a.ID, answer.Body); err != nil {
			return err
		}
	}
	if a.Type == activity.TypeEndOfConversation && kindOf(id) == KindPersonal {
		return c.end(ctx, id)
	}
	return nil
}

// replies says what the bot answered to an activity that expects its replies in the answer.
func (c *Channel) replies(ctx context.Context, id activity.ConversationID, to activity.ID, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	var expected activity.ExpectedReplies
	if err := json.Unmarshal(body, &expected); err != nil {
		return &apiError{http.StatusBadGateway, "BotRejectedActivity", "the bot's replies are not readable"}
	}
	for i, reply := range expected.Activities {
		if reply == nil {
			continue
		}
		if _, err := c.say(ctx, id, fmt.Sprintf("reply:%s:%d", to, i), reply); err != nil {
			return err
		}
	}
	return nil
}

var (
	errBotTimeout = errors.New("the bot did not answer in time")
	errNoBot      = errors.New("no bot is set up")
)

// ask lets the bot process an activity. It does not wait longer than the bot has; the bot is not interrupted when the
// client goes away, since the activity is in the history.
func (c *Channel) ask(ctx context.Context, a *activity.Activity) (headsup.Answer, error) {
	bot := c.endpoint()
	if bot == nil {
		return headsup.Answer{}, errNoBot
	}
	type result struct {
		answer headsup.Answer
		err    error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.BotTimeout, errBotTimeout)
	defer cancel()
	done := make(chan result, 1)
	c.work.Add(1) // the caller is counted too, so nobody has finished waiting
	go func() {
		defer c.work.Done()
		var r result
		defer func() {
			if p := recover(); p != nil {
				c.cfg.Logger.ErrorContext(ctx, "bot panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				r.err = fmt.Errorf("the bot panicked: %v", p)
			}
			done <- r
		}()
		r.answer, r.err = bot.Process(ctx, auth.Identity{Kind: auth.KindEmbedded, ServiceURL: a.ServiceURL}, a)
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-ctx.Done():
		return headsup.Answer{}, context.Cause(ctx)
	}
}

// admit checks what a client says and makes it say no more than the client may.
func (c *Channel) admit(who caller, conv Conversation, a *activity.Activity) error {
	switch a.Type {
	case activity.TypeMessage, activity.TypeEvent, activity.TypeTyping, activity.TypeInvoke,
		activity.TypeEndOfConversation, activity.TypeMessageReaction, activity.TypeHandoff,
		activity.TypeCommand, activity.TypeCommandResult:
	default:
		// The rest is what only a channel says, above all who joined: programs believe it.
		return badArgument("clients cannot send activities of type %q", a.Type)
	}
	if a.Type == activity.TypeEvent &&
		(a.Name == activity.EventContinueConversation || a.Name == activity.EventCreateConversation) {
		return badArgument("events named %q are made by the bot itself", a.Name)
	}
	a.MembersAdded, a.MembersRemoved = nil, nil
	a.ChannelData = withoutTenant(a.ChannelData)
	from, err := c.sender(who, conv, a.From)
	a.From = from
	return err
}

// sender is who says it. Only id and name are taken from the client: what else accounts hold (a directory object, an
// e-mail address) is proof of identity on other channels.
func (c *Channel) sender(who caller, conv Conversation, claimed *activity.ChannelAccount) (*activity.ChannelAccount, error) {
	from := activity.ChannelAccount{Role: activity.RoleUser}
	if claimed != nil {
		from.ID, from.Name = claimed.ID, claimed.Name
	}
	switch {
	case who.User != "":
		from.ID = who.User
		if name := cmp.Or(conv.nameOf(who.User), who.Name); name != "" {
			from.Name = name
		}
		return &from, nil
	case from.ID == "" && conv.User.ID != "":
		return new(conv.User), nil
	case from.ID == "":
		return nil, &apiError{http.StatusBadRequest, "MissingProperty", "from.id is missing"}
	}
	return &from, c.checkClaimed(who, from.ID)
}

// checkClaimed checks a user id that a client chose.
func (c *Channel) checkClaimed(who caller, id activity.AccountID) error {
	switch {
	case checkUserID(id) != nil:
		return badArgument("%s", checkUserID(id))
	case id == c.cfg.BotID:
		return badArgument("the user's id is the bot's")
	case !who.site && len(id) >= len(userPrefix) && id[:len(userPrefix)] == userPrefix:
		return badArgument("a user id that starts with %q needs a token for it", userPrefix)
	}
	return nil
}

// withoutTenant drops the tenant from channel data. On Teams it says which organization somebody belongs to; here a
// client would be choosing it.
func withoutTenant(data jsontext.Value) jsontext.Value {
	if _, ok := activity.Member(data, "tenant"); !ok {
		return data
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	delete(members, "tenant")
	out, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil
	}
	return out
}

// startWait is how long starting a conversation waits for the bot's greeting. A longer one goes on behind it.
const startWait = 2 * time.Second

// start tells the bot, once, that it is in a conversation that a client opens, and that the user is if it is known. A bot
// that fails does not keep the user out. It reports whether the conversation was not started before.
func (c *Channel) start(ctx context.Context, conv Conversation, locale string) (bool, error) {
	done, err := c.starting(ctx, conv, locale)
	if err != nil {
		return false, err
	}
	timer := c.patience()
	defer timer.Stop()
	select {
	case r := <-done:
		return r.first, r.err
	case <-timer.C:
		return true, nil
	}
}

// patience is how long callers wait for what the bot is told.
func (c *Channel) patience() *time.Timer { return time.NewTimer(startWait) }

type startResult struct {
	first bool
	err   error
}

// starting is start without the wait: what is said next stands in line behind it.
func (c *Channel) starting(ctx context.Context, conv Conversation, locale string) (<-chan startResult, error) {
	done := make(chan startResult, 1)
	if conv.Started {
		done <- startResult{}
		return done, nil
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	at := c.lines.enter(conv.ID)
	go func() { // Close waits for it; the bot has a deadline
		defer c.work.Done()
		defer at.leave()
		<-at.turn
		first, err := c.join(ctx, conv.ID, locale)
		done <- startResult{first, err}
	}()
	return done, nil
}

// join runs while nothing else is said in the conversation. It marks the start after the bot has heard of it: when the
// process dies in between, the bot hears of it twice rather than never.
func (c *Channel) join(ctx context.Context, id activity.ConversationID, locale string) (bool, error) {
	conv, err := c.conversation(ctx, id)
	if err != nil || conv.Started {
		return false, err
	}
	from := conv.User
	if from.ID == "" {
		from.ID = activity.AccountID(id) // an activity has a sender, and nobody is known
	}
	if !conv.ByBot { // a bot that opened it knows who is there, and a welcome after its first word would be odd
		c.joins(ctx, conv, from, c.botAccount(), locale)
		switch {
		case kindOf(id) != KindPersonal:
			c.tell(ctx, conv, c.memberUpdate(conv, from, conv.Members, nil))
		case conv.User.ID != "":
			c.joins(ctx, conv, from, conv.User, locale)
		}
	}
	return c.cfg.Store.StartConversation(ctx, id)
}

// joins tells the bot that somebody is in the conversation now.
func (c *Channel) joins(
	ctx context.Context, conv Conversation, from, who activity.ChannelAccount, locale string,
) {
	id := conv.ID
	update := &activity.Activity{
		Type: activity.TypeConversationUpdate, From: &from, Recipient: new(c.botAccount()),
		MembersAdded: []activity.ChannelAccount{who}, Locale: locale,
	}
	c.place(id, update)
	update.ID, update.ServiceURL = c.joinID(id, who.ID), c.publicURL()
	update.Conversation, update.ChannelData = conv.account(""), conv.channelData(nil)
	if _, err := c.ask(ctx, update); err != nil {
		c.cfg.Logger.WarnContext(ctx, "bot did not take an activity",
			"conversation_id", string(id), "activity_type", string(update.Type), "error", err.Error())
	}
}

// joinID is the same whenever the bot is told the same, so that it can tell a repeat.
func (c *Channel) joinID(id activity.ConversationID, who activity.AccountID) activity.ID {
	if who == c.cfg.BotID {
		return activityID(id, 0)
	}
	return activityID(id, 0) + "-" + activity.ID(hash(string(who)))
}
