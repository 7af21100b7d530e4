package directline

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Transcript returns up to limit activities of a conversation of this bot's with numbers greater than after, in order,
// each with the id that the channel gave it. It holds what both sides said, as it was delivered or changed
// later, without what was removed. ErrNotFound.
func (c *Channel) Transcript(ctx context.Context, id activity.ConversationID, after int64, limit int) ([]Stored, error) {
	conv, err := c.conversation(ctx, id)
	if err != nil {
		return nil, err
	}
	var said []Stored
	for len(said) < limit {
		page, err := c.cfg.Store.History(ctx, conv.ID, after, limit)
		if err != nil {
			return nil, fmt.Errorf("directline: read the history: %w", err)
		}
		for _, stored := range page {
			after = stored.Seq
			if len(said) == limit || stored.Again != 0 || gone(stored) {
				continue
			}
			stored.Body = withID(activityID(conv.ID, stored.Seq), stored.Body)
			said = append(said, stored)
		}
		if len(page) < limit {
			break
		}
	}
	return said, nil
}

// withID puts the id in front of a stored body, which is an object with at least a type.
func withID(id activity.ID, body jsontext.Value) jsontext.Value {
	out := append(make(jsontext.Value, 0, len(body)+len(id)+8), `{"id":"`...)
	out = append(append(out, id...), `",`...)
	return append(out, body[1:]...)
}
