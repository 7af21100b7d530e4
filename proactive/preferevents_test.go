package proactive_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/event"
	"github.com/headsup-bot/headsup/proactive"
)

// TestHowSomebodySaidWhatTheyWantIsTold: each way once, and what was wanted before not again.
func TestHowSomebodySaidWhatTheyWantIsTold(t *testing.T) {
	acting(t, func(t *testing.T, f fixture) {
		if err := f.store.Want(t.Context(), "app", []event.Type{event.PreferencesChanged}, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		ways := f.offered(t, approval())
		f.hear(t, presses("1", "c", "ann", ways["mute"]))
		f.hear(t, presses("2", "c", "ann", ways["mute"]))
		f.prefer(t, proactive.PreferenceChange{Topics: map[string]*bool{"invoices": nil}})
		if _, err := f.engine.Follow(t.Context(), ways["mute"]); err != nil {
			t.Fatal(err)
		}
		f.hear(t, inbound("3", "c", "ann", "stop"))
		_, ticket := f.shown(t, "4")
		f.hear(t, submits("5", "ann", ticket, map[string]string{"headsup_all": "true"}))
		f.hear(t, submits("6", "ann", ticket, map[string]string{"headsup_all": "true"}))
		synctest.Wait()
		found, err := f.store.Events(t.Context(), "app", 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range found {
			var data api.PreferencesEvent
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s: %v %v, %s, %v", data.By, data.Changed, data.Topics, data.Person.ID, data.Now.OptedOut))
		}
		want := []string{
			"button: [topics] [invoices], ann, false", ": [topics] [invoices], ann, false", "link: [topics] [invoices], ann, false",
			"word: [opted_out] [], ann, true", "card: [opted_out] [], ann, false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("told\n%q\nwant\n%q", got, want)
		}
	})
}
