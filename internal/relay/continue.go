package relay

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// continues posts the event of a proactive turn. The bot is asked to put what it says into its answer (expectReplies), so
// that it is said here and written down with the notification. One that does not know that says it by itself meanwhile,
// which [Bot.Said] tells of.
func (b *Bot) continues(ctx context.Context, t *headsup.Turn) error {
	a := t.Activity().Clone()
	a.DeliveryMode = activity.DeliveryExpectReplies
	said, stop := b.ears.listen(t.Key().Conversation)
	status, answer, err := b.post(ctx, a)
	stop()
	for _, id := range *said {
		if err := t.Said(ctx, id); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case status < 200 || status > 299:
		return fmt.Errorf("relay: the bot answered with status %d", status)
	}
	var expected activity.ExpectedReplies
	if json.Unmarshal(answer, &expected) != nil {
		return nil // it is no answer of that kind
	}
	return say(ctx, t, expected.Activities)
}

// Said tells of what the bot has said in a conversation by itself. It does not block.
func (b *Bot) Said(conversation activity.ConversationID, id activity.ID) {
	b.ears.hear(conversation, id)
}

// ears are those who want to know what the bot says while its answer is awaited.
type ears struct {
	mu sync.Mutex
	by map[activity.ConversationID][]*[]activity.ID // guarded by mu, as is what it leads to
}

// listen begins to note what is said in a conversation. It may be read when stop was called.
func (e *ears) listen(in activity.ConversationID) (said *[]activity.ID, stop func()) {
	said = new([]activity.ID)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = make(map[activity.ConversationID][]*[]activity.ID)
	}
	e.by[in] = append(e.by[in], said)
	return said, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.by[in] = slices.DeleteFunc(e.by[in], func(other *[]activity.ID) bool { return other == said })
		if len(e.by[in]) == 0 {
			delete(e.by, in)
		}
	}
}

func (e *ears) hear(in activity.ConversationID, id activity.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, said := range e.by[in] {
		*said = append(*said, id)
	}
}
