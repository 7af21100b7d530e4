package directline

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

const (
	// againFor is how long what somebody has said last is given to the bot once more; after that nobody waits for an answer.
	againFor = 10 * time.Minute
	// againAmong is among how many of the newest activities it is looked for.
	againAmong = 20
)

// again gives the bot once more what was said last to it, for a client that has come back and has seen the history up to a
// number. It may have been stored, and so shown as sent, by a process that has died before the bot's turn was over. A bot that
// has heard it knows it by its id; what it then said, by its key.
func (c *Channel) again(ctx context.Context, id activity.ConversationID, seen int64) {
	if err := c.begin(); err != nil {
		return
	}
	go func() { // Close waits for it; the bot has a deadline
		defer c.work.Done()
		if err := c.hearAgain(ctx, id, seen); err != nil {
			c.cfg.Logger.WarnContext(ctx, "what was said last is not heard again", "conversation_id", string(id), "error", err.Error())
		}
	}()
}

func (c *Channel) hearAgain(ctx context.Context, id activity.ConversationID, seen int64) error {
	conv, err := c.conversation(ctx, id)
	if err != nil || conv.Ended || conv.Uninstalled {
		return err
	}
	page, err := c.cfg.Store.History(ctx, id, max(0, seen-againAmong), againAmong)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	for i := len(page) - 1; i >= 0; i-- {
		if page[i].Again != 0 || gone(page[i]) {
			continue
		}
		a, err := activity.Decode(page[i].Body)
		if err != nil {
			return fmt.Errorf("activity %d: %w", page[i].Seq, err)
		}
		if a.From == nil || a.From.Role != activity.RoleUser {
			continue
		}
		if c.cfg.Now().Sub(a.Timestamp.Time()) > againFor {
			return nil
		}
		root := threadIn(a.ChannelData)
		if kindOf(id) != KindChannel {
			root = ""
		}
		toBot := c.asHeard(conv, a, page[i].Seq, root)
		at := c.lines.enter(toBot.Conversation.ID)
		defer at.leave()
		return c.hand(ctx, at, toBot)
	}
	return nil
}
