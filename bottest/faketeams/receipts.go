package faketeams

import (
	"context"
	"fmt"
	"slices"

	"github.com/headsup-bot/headsup/activity"
)

// readReceipt is the name of the event.
const readReceipt = "application/vnd.microsoft.readReceipt"

// Read has a person read everything in their chat with the bot, of which the bot is told: that needs a permission of the app
// which everybody here has given.
func (t *Teams) Read(ctx context.Context, objectID string) error {
	t.mu.Lock()
	p := t.people[objectID]
	if p == nil || p.chat == nil || !p.chat.installed || len(p.chat.posts) == 0 {
		t.mu.Unlock()
		return fmt.Errorf("faketeams: %q has nothing to read", objectID)
	}
	last := p.chat.posts[len(p.chat.posts)-1].ID
	e := t.activity(p.chat, "", p, activity.TypeEvent, map[string]any{
		"name": readReceipt, "value": map[string]any{"lastReadMessageId": last},
	})
	t.mu.Unlock()
	return t.tell(ctx, e)
}

// React has a person put a sign, such as "like", on a message of a conversation, by its id, or take it back. The bot is told if
// the message is its own.
func (t *Teams) React(ctx context.Context, objectID string, conversation activity.ConversationID, id, sign string, back bool) error {
	t.mu.Lock()
	p := t.people[objectID]
	r, _ := t.find(conversation)
	if p == nil || r == nil || !slices.Contains(t.roster(r), p) {
		t.mu.Unlock()
		return unknown(string(conversation))
	}
	i := slices.IndexFunc(r.posts, func(post Post) bool { return post.ID == id })
	if i < 0 {
		t.mu.Unlock()
		return unknown(id)
	}
	name := "reactionsAdded"
	if back {
		name = "reactionsRemoved"
	}
	post := r.posts[i]
	e := t.activity(r, "", p, activity.TypeMessageReaction, map[string]any{"replyToId": id, name: []any{map[string]any{"type": sign}}})
	e.body["conversation"].(map[string]any)["id"] = post.Conversation //nolint:errcheck // it was made by activity
	hears := post.Bot && t.here(r)
	t.mu.Unlock()
	if !hears {
		return nil
	}
	return t.tell(ctx, e)
}

// reactToLast is React to the bot's last message.
func (t *Teams) reactToLast(ctx context.Context, d Deed) error {
	posts := t.Posts(activity.ConversationID(d.Where))
	for _, p := range slices.Backward(posts) {
		if p.Bot {
			return t.React(ctx, d.Who, p.Conversation, p.ID, d.Name, d.Do == "unreact")
		}
	}
	return fmt.Errorf("faketeams: the bot has said nothing in %q", d.Where)
}
