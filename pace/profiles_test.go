package pace_test

import (
	"reflect"
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

func TestProfilesAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	published := pace.Published()
	for name, c := range map[string]struct {
		words []string
		want  func(pace.Profiles)
	}{
		"nothing":   {nil, func(pace.Profiles) {}},
		"published": {[]string{"published"}, func(pace.Profiles) {}},
		"off":       {[]string{"off"}, func(p pace.Profiles) { clear(p) }},
		"one":       {[]string{"slack=off"}, func(p pace.Profiles) { delete(p, "slack") }},
		"some": {[]string{"msteams.per_tenant=30/1s", "msteams.reserve=5", "x.per_bot=1/1s+20/1m"}, func(p pace.Profiles) {
			teams := p["msteams"]
			teams.PerTenant, teams.Reserve = []pace.Window{{Limit: 30, Per: time.Second}}, 5
			p["msteams"] = teams
			p["x"] = pace.Profile{PerBot: []pace.Window{{Limit: 1, Per: time.Second}, {Limit: 20, Per: time.Minute}}}
		}},
		"all of one": {[]string{"off", "x.per_conversation=3/1s", "x.conversation_reserve=1", "x.reply_within=1s"}, func(p pace.Profiles) {
			clear(p)
			p["x"] = pace.Profile{PerConversation: []pace.Window{{Limit: 3, Per: time.Second}}, ConversationReserve: 1, ReplyWithin: time.Second}
		}},
		"part of one": {[]string{"telegram.per_bot=off"}, func(p pace.Profiles) {
			telegram := p["telegram"]
			telegram.PerBot = nil
			p["telegram"] = telegram
		}},
	} {
		want := published.With(nil)
		c.want(want)
		got, err := pace.ParseProfiles(c.words)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v\nwant %v", name, got, err, want)
		}
	}
	_, err := pace.ParseProfiles([]string{"of", "msteams=30", "msteams.per_tennant=1/1s", "msteams.per_tenant=50", "a.reserve=x", "b.per_bot=0/1s"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"of" is neither off nor published`, "msteams=30: a channel can only be off", `there is no "per_tennant"`,
		`"50" is not a window such as 50/1s`, `"x" is not a number`, "a limit of 0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}

func TestWindowsAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"50/1s", "60/30s", "1800/1h", "20/1m", "3/1m30s", "10000/24h", "1/250ms", "1/1h0m10s"} {
		if w, err := pace.ParseWindow(text); err != nil || w.String() != text {
			t.Errorf("%s became %v, %v", text, w, err)
		}
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
