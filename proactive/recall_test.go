package proactive_test

import (
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// forgetful is a store that remembers a row of the book for every conversation, which is there no more.
type forgetful struct {
	*memory.Store
	asked int
}

func (s *forgetful) Recall(headsup.ConversationKey) (book.Row, bool) {
	s.asked++
	return 1 << 40, true
}

// TestWhatIsRememberedIsLookedAtAgain: what the store remembers of where a conversation is may be out of date. Then the book is asked.
func TestWhatIsRememberedIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := &forgetful{Store: memory.New()}
	e, err := proactive.New(proactive.Config{AppID: "app", Store: s, Channel: &bottest.Recorder{}})
	if err != nil {
		t.Fatal(err)
	}
	ref := activity.Reference{
		ChannelID: "test", ServiceURL: "https://c.example.net", Bot: &activity.ChannelAccount{ID: "b"},
		Conversation: activity.ConversationAccount{ID: "c"},
	}
	accepted, err := e.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(ref), Text: "hello"})
	if err != nil || accepted.Deliveries != 1 || s.asked != 1 {
		t.Errorf("%d deliveries are accepted, and the store was asked %d times what it remembers; %v", accepted.Deliveries, s.asked, err)
	}
}
