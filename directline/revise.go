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
	seq, old, err := c.saidBefore(ctx, id, of)
	if err != nil {
		return err
	}
	a = c.fromBot(id, a)
	if a.Type != old.Type {
		return badArgument("an activity of type %s cannot become one of type %s", old.Type, a.Type)
	}
	if a.ReplyToID == "" {
		a.ReplyToID = old.ReplyToID
	}
	return c.replace(ctx, id, seq, old, a)
}

func (c *Channel) remove(ctx context.Context, id activity.ConversationID, of activity.ID) error {
	seq, old, err := c.saidBefore(ctx, id, of)
	if err != nil {
		return err
	}
	return c.replace(ctx, id, seq, old, c.fromBot(id, &activity.Activity{Type: activity.TypeMessageDelete}))
}

// replace says a in the place of what was said before, at its time.
func (c *Channel) replace(ctx context.Context, id activity.ConversationID, seq int64, old, a *activity.Activity) error {
	a.Timestamp = old.Timestamp
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

// saidBefore finds an activity of the bot by its id.
func (c *Channel) saidBefore(
	ctx context.Context, id activity.ConversationID, of activity.ID,
) (seq int64, a *activity.Activity, err error) {
	if !minted(id) {
		return 0, nil, ErrNotFound
	}
	number, ok := strings.CutPrefix(string(of), string(id)+"|")
	if seq, err = strconv.ParseInt(number, 10, 64); !ok || err != nil || seq < 1 || activityID(id, seq) != of {
		return 0, nil, errNoActivity
	}
	page, err := c.cfg.Store.History(ctx, id, seq-1, 1)
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read the history: %w", err)
	case len(page) == 0 || page[0].Seq != seq || page[0].Again != 0:
		return 0, nil, errNoActivity
	}
	if a, err = activity.Decode(page[0].Body); err != nil {
		return 0, nil, fmt.Errorf("activity %d of %s: %w", seq, id, err)
	}
	if a.From == nil || a.From.ID != c.cfg.BotID || a.Type == activity.TypeMessageDelete {
		return 0, nil, errNoActivity
	}
	return seq, a, nil
}

// botUpdates changes something that the bot has said.
func (c *Channel) botUpdates(w http.ResponseWriter, r *http.Request) error {
	conv, err := c.talk(r)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, activity.DefaultBytes)
	if err != nil {
		return err
	}
	a, err := decode(body)
	if err != nil {
		return err
	}
	id := activity.ID(r.PathValue("aid"))
	if err := c.update(r.Context(), conv.ID, id, a); err != nil {
		return err
	}
	return reply(w, http.StatusOK, activity.ResourceResponse{ID: id})
}

// botDeletes removes something that the bot has said.
func (c *Channel) botDeletes(w http.ResponseWriter, r *http.Request) error {
	conv, err := c.talk(r)
	if err != nil {
		return err
	}
	if err := c.remove(r.Context(), conv.ID, activity.ID(r.PathValue("aid"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
