package bottest_test

import (
	"testing"
	"testing/synctest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
)

func TestAwaitSeesUpdatesAndDeletions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r bottest.Recorder
		sent, err := r.Send(t.Context(), headsup.Outgoing{Activity: activity.Message("0%")})
		if err != nil {
			t.Fatal(err)
		}
		for text, change := range map[string]func() error{
			"100%": func() error {
				done := activity.Message("100%")
				done.ID = sent.ID
				_, err := r.Update(t.Context(), headsup.Outgoing{Activity: done})
				return err
			},
			"": func() error { return r.Delete(t.Context(), activity.Reference{}, sent.ID) },
		} {
			seen := make(chan bool, 1)
			go func() {
				seen <- r.Await(t.Context(), func(all []headsup.Outgoing) bool { return all[0].Activity.Text == text })
			}()
			synctest.Wait()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if !<-seen {
				t.Errorf("%q was not seen", text)
			}
		}
	})
}
