package pace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/pace"
)

func TestPublishedProfilesAreValid(t *testing.T) {
	t.Parallel()
	if err := pace.Published().Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongWithProfilesIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := pace.New(pace.Config{Profiles: pace.Profiles{
		"":        {},
		"msteams": {PerTenant: []pace.Window{{Limit: 0, Per: time.Second}, {Limit: 3, Per: time.Second}}, Reserve: 3},
		"slack":   {PerBot: []pace.Window{{Limit: 1, Per: time.Nanosecond}}, ReplyWithin: -1},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"a profile without a channel", "msteams: per tenant: a limit of 0", "a reserve of 3 leaves nothing of 3/1s to deliveries",
		"slack: per bot: a length of 1ns", "reply within is negative",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}
