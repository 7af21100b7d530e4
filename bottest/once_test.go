package bottest_test

import (
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
)

// TestOnceOpensOneConversationForAKey: a repeat finds it, and without Once there is no repeat.
func TestOnceOpensOneConversationForAKey(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{true, false} {
		r := &bottest.Recorder{Once: once}
		first, err := r.Create(t.Context(), headsup.Creation{Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.Create(t.Context(), headsup.Creation{Key: "k"})
		if err != nil || (again.ID == first.ID) != once {
			t.Errorf("once %t: %q, then %q, %v", once, first.ID, again.ID, err)
		}
	}
}
