package bottest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

// Chat is one person who talks with a bot in one conversation, without a network. Set its members before use; several chats
// may share a bot and its recorder. Safe for concurrent use.
type Chat struct {
	// Bot is whom the person talks with. It has Recorder as its channel. After a restart it may be another one.
	Bot *headsup.Bot
	// Recorder is the bot's channel.
	Recorder *Recorder
	// Conversation and User are ids. Empty means "chat" and "ann".
	Conversation activity.ConversationID
	User         activity.AccountID
	// ChannelID is the channel that it pretends to be. Empty means "test".
	ChannelID activity.ChannelID
	// Locale is what the person's client says about language. May be empty.
	Locale string

	mu   sync.Mutex
	said int // activities of the person
	seen int // of what was sent, what [Chat.Replies] has returned
}

// Reference is where the conversation can be continued.
func (c *Chat) Reference() activity.Reference {
	return headsup.ReferenceOf(c.arriving(activity.Message("")))
}

// Say has the person say something and returns what the bot said since the last call.
func (c *Chat) Say(ctx context.Context, text string) ([]string, error) {
	return c.Send(ctx, activity.Message(text))
}

// Send is [Chat.Say] for any activity, which is addressed first.
func (c *Chat) Send(ctx context.Context, a *activity.Activity) ([]string, error) {
	_, err := c.Bot.Process(ctx, auth.Identity{Kind: auth.KindDevelopment}, c.arriving(a))
	return c.Replies(), err
}

// arriving is an activity as it comes from the person.
func (c *Chat) arriving(a *activity.Activity) *activity.Activity {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said++
	a = a.Clone()
	a.ID = activity.ID(fmt.Sprintf("%s-%d", or(c.User, "ann"), c.said))
	a.ChannelID, a.ServiceURL = or(c.ChannelID, "test"), "https://channel.example.net"
	a.From, a.Recipient = &activity.ChannelAccount{ID: or(c.User, "ann")}, &activity.ChannelAccount{ID: "bot"}
	a.Conversation = &activity.ConversationAccount{ID: or(c.Conversation, "chat")}
	if a.Locale == "" {
		a.Locale = c.Locale
	}
	return a
}

func or[T ~string](v, otherwise T) T {
	if v == "" {
		return otherwise
	}
	return v
}

// Replies is what the bot has said in the conversation since the last call: the text of each message, and its buttons in
// brackets.
func (c *Chat) Replies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.Recorder.Sent()
	var lines []string
	for _, out := range sent[c.seen:] {
		if out.Reference.Conversation.ID == or(c.Conversation, "chat") && out.Activity.Type == activity.TypeMessage {
			lines = append(lines, line(out.Activity))
		}
	}
	c.seen = len(sent)
	return lines
}

// line shows a message in a transcript.
func line(a *activity.Activity) string {
	parts := []string{strings.ReplaceAll(a.Text, "\n", " ")}
	buttons := func(actions []activity.CardAction) {
		for _, b := range actions {
			parts = append(parts, "["+b.Title+"]")
		}
	}
	if a.SuggestedActions != nil {
		buttons(a.SuggestedActions.Actions)
	}
	for _, at := range a.Attachments {
		var card struct {
			Text    string                `json:"text"`
			Buttons []activity.CardAction `json:"buttons"`
		}
		if at.ContentType == activity.ContentHeroCard && json.Unmarshal(at.Content, &card) == nil {
			parts = append(parts, card.Text)
			buttons(card.Buttons)
		}
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// Play has a conversation as it is written, and fails the test where the bot says something else. Lines that begin with ">" are
// said by the person, those with "<" are what the bot has to say to it, all of it; others are ignored. What stands before
// the person's first line is what the bot has to have said by itself.
//
//	chat.Play(t, `
//		> book
//		< Where to?
//		> London
//		< How many are you?`)
func (c *Chat) Play(t testing.TB, script string) {
	t.Helper()
	said, want, got := "", []string(nil), c.Replies()
	check := func() {
		t.Helper()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("after %q the bot says\n\t%s\nand not\n\t%s", said, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	for l := range strings.Lines(script) {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, ">"):
			check()
			said, want = strings.TrimSpace(l[1:]), nil
			var err error
			if got, err = c.Say(t.Context(), said); err != nil {
				t.Fatalf("after %q: %v", said, err)
			}
		case strings.HasPrefix(l, "<"):
			want = append(want, strings.Join(strings.Fields(l[1:]), " "))
		}
	}
	check()
}
