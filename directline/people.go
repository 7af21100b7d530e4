package directline

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

// historyPage is how many activities are read at once. Each may have a megabyte.
const historyPage = 32

// newcomer reports whether an activity is the first content of somebody who was not announced when the conversation
// started. seq is its number, 0 when it is not kept and so no content.
func (c *Channel) newcomer(ctx context.Context, conv Conversation, a *activity.Activity, seq int64) (bool, error) {
	if seq == 0 || kindOf(conv.ID) != KindPersonal || a.From.ID == conv.User.ID {
		return false, nil
	}
	if a.Type == activity.TypeEndOfConversation {
		return false, nil
	}
	if c.known.has(conv.ID, a.From.ID) {
		return false, nil
	}
	earlier, err := c.speakers(ctx, conv.ID, seq)
	if err != nil {
		return false, err
	}
	c.known.add(conv.ID, a.From.ID)
	return !slices.ContainsFunc(earlier, func(s activity.ChannelAccount) bool { return s.ID == a.From.ID }), nil
}

// speakers lists the people who have said something before the activity with number end, in the order of their first
// words.
func (c *Channel) speakers(ctx context.Context, id activity.ConversationID, end int64) ([]activity.ChannelAccount, error) {
	var people []activity.ChannelAccount
	seen := map[activity.AccountID]bool{c.cfg.BotID: true}
	for after := int64(0); after < end-1; {
		page, err := c.cfg.Store.History(ctx, id, after, historyPage)
		if err != nil || len(page) == 0 {
			return people, err
		}
		for _, stored := range page {
			if stored.Seq >= end {
				return people, nil
			}
			var said struct {
				From activity.ChannelAccount `json:"from"`
			}
			if err := json.Unmarshal(stored.Body, &said); err != nil {
				return people, fmt.Errorf("activity %d of %s: %w", stored.Seq, id, err)
			}
			if said.From.ID != "" && !seen[said.From.ID] {
				seen[said.From.ID] = true
				people = append(people, said.From)
			}
		}
		after = page[len(page)-1].Seq
	}
	return people, nil
}

// known remembers who has been seen to speak where, so that the history is not searched for every message. It forgets
// everything when it is full; the history knows. The zero value is ready.
type known struct {
	mu     sync.Mutex
	people map[[sha256.Size]byte]struct{} // guarded by mu
}

const maxKnown = 10_000

func knownKey(id activity.ConversationID, who activity.AccountID) [sha256.Size]byte {
	return sha256.Sum256([]byte(string(id) + "|" + string(who)))
}

func (k *known) has(id activity.ConversationID, who activity.AccountID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.people[knownKey(id, who)]
	return ok
}

func (k *known) add(id activity.ConversationID, who activity.AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.people == nil || len(k.people) >= maxKnown {
		k.people = make(map[[sha256.Size]byte]struct{})
	}
	k.people[knownKey(id, who)] = struct{}{}
}

// hash shortens a text to something that fits into an id.
func hash(text string) string {
	h := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h[:12])
}
