package directline

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Direct Line has no word for an activity that has changed. Here one that has is said once more, under the id and with
// the time that it had, so that clients which know their activities by id, as Web Chat does, show the new in place of the
// old. What was removed is said once more as a messageDelete (Activity specification, "Message delete activity"), which
// shows nothing. The old content is nowhere any more: who comes later finds the new in its place.

// errNoActivity: the bot has said no such activity, or has removed it.
var errNoActivity = &apiError{http.StatusNotFound, "ActivityNotFoundInConversation", "the bot has said no such activity"}

// Update implements headsup.Channel: those who have seen the activity see the new one in its place.
func (c *Channel) Update(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	if out.Activity == nil {
		return activity.ResourceResponse{}, permanent("bad_argument", http.StatusBadRequest, fmt.Errorf("nothing to say"))
	}
	id := out.Reference.Conversation.ID
	if err := c.update(ctx, id, out.Activity.ID, out.Activity); err != nil {
		return activity.ResourceResponse{}, asSendError(err, true) // a repeat does no harm
	}
	return activity.ResourceResponse{ID: out.Activity.ID}, nil
}

// Delete implements headsup.Channel: those who have seen the activity see it no more.
func (c *Channel) Delete(ctx context.Context, ref activity.Reference, id activity.ID) error {
	if err := c.remove(ctx, ref.Conversation.ID, id); err != nil {
		return asSendError(err, true)
	}
	return nil
}

func (c *Channel) update(ctx context.Context, id activity.ConversationID, of activity.ID, a *activity.Activity) error {
	base, seq, old, err := c.saidBefore(ctx, id, of)
	if err != nil {
		return err
	}
	a = c.fromBot(base, a)
	if a.Type != old.Type {
		return badArgument("an activity of type %s cannot become one of type %s", old.Type, a.Type)
	}
	if a.ReplyToID == "" {
		a.ReplyToID = old.ReplyToID
	}
	return c.replace(ctx, base, seq, old, a)
}

func (c *Channel) remove(ctx context.Context, id activity.ConversationID, of activity.ID) error {
	base, seq, old, err := c.saidBefore(ctx, id, of)
	if err != nil {
		return err
	}
	return c.replace(ctx, base, seq, old, c.fromBot(base, &activity.Activity{Type: activity.TypeMessageDelete}))
}

// replace says a in the place of what was said before, at its time and in its thread.
func (c *Channel) replace(ctx context.Context, id activity.ConversationID, seq int64, old, a *activity.Activity) error {
	a.Timestamp = old.Timestamp
	a.ChannelData = withThread(a.ChannelData, threadIn(old.ChannelData))
	body, err := encode(a)
	if err != nil {
		return err
	}
	again, err := c.cfg.Store.Replace(ctx, id, seq, body, c.cfg.Now())
	if err != nil {
		return fmt.Errorf("replace in %s: %w", id, err)
	}
	c.hub.publish(id, again)
	return nil
}

// saidBefore finds an activity of the bot by its id, and the conversation that has its history.
func (c *Channel) saidBefore(
	ctx context.Context, id activity.ConversationID, of activity.ID,
) (base activity.ConversationID, seq int64, a *activity.Activity, err error) {
	base, root := split(id)
	if !minted(base) {
		return "", 0, nil, ErrNotFound
	}
	if err := c.admitBot(ctx, base, root); err != nil {
		return "", 0, nil, err
	}
	seq, ok := numberIn(base, of)
	if !ok {
		return "", 0, nil, errNoActivity
	}
	page, err := c.cfg.Store.History(ctx, base, seq-1, 1)
	switch {
	case err != nil:
		return "", 0, nil, fmt.Errorf("read the history: %w", err)
	case len(page) == 0 || page[0].Seq != seq || page[0].Again != 0:
		return "", 0, nil, errNoActivity
	}
	if a, err = activity.Decode(page[0].Body); err != nil {
		return "", 0, nil, fmt.Errorf("activity %d of %s: %w", seq, base, err)
	}
	if a.From == nil || a.From.ID != c.cfg.BotID || a.Type == activity.TypeMessageDelete {
		return "", 0, nil, errNoActivity
	}
	return base, seq, a, nil
}

// numberIn is the number of an activity, as [activityID] has put it into its id.
func numberIn(id activity.ConversationID, of activity.ID) (seq int64, ok bool) {
	if kindOf(id) == KindChannel {
		return seqIn(of)
	}
	number, ok := strings.CutPrefix(string(of), string(id)+"|")
	seq, err := strconv.ParseInt(number, 10, 64)
	return seq, ok && err == nil && seq > 0 && activityID(id, seq) == of
}

// gone reports whether nothing is left of what was said.
func gone(s Stored) bool {
	kind, _ := activity.Member(s.Body, "type")
	return string(kind) == `"`+string(activity.TypeMessageDelete)+`"`
}
