package book_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
)

func TestAnOptOutByEmailOrSMSIsOfThatChannel(t *testing.T) {
	t.Parallel()
	out, in := book.PreferenceChange{OptedOut: new(true)}, book.PreferenceChange{OptedOut: new(false)}
	none := book.Preferences{}
	chat := none.Change(out, activity.ChannelTeams)
	if !chat.OptedOut || len(chat.Stopped) != 0 {
		t.Errorf("in a chat: %+v", chat)
	}
	sms := none.Change(out, activity.ChannelSMS).Change(out, activity.ChannelSMS)
	if sms.OptedOut || !reflect.DeepEqual(sms.Stopped, []activity.ChannelID{activity.ChannelSMS}) {
		t.Errorf("by SMS: %+v", sms)
	}
	both := sms.Change(out, activity.ChannelEmail)
	if got := both.Change(in, activity.ChannelSMS).Stopped; !reflect.DeepEqual(got, []activity.ChannelID{activity.ChannelEmail}) {
		t.Errorf("after START: %v", got)
	}
	if got := both.Change(in, ""); len(got.Stopped) != 2 {
		t.Errorf("the operator has taken back what somebody said by SMS: %+v", got)
	}
	everywhere := in
	everywhere.Everywhere = true
	if got := both.Change(everywhere, activity.ChannelSMS); len(got.Stopped) != 2 {
		t.Errorf("somebody else has taken back what somebody said by SMS: %+v", got)
	}
	everywhere.OptedOut = new(true)
	if got := none.Change(everywhere, activity.ChannelSMS); !got.OptedOut || len(got.Stopped) != 0 {
		t.Errorf("of all channels: %+v", got)
	}
	if sms.Stopped[0] != activity.ChannelSMS || len(sms.Stopped) != 1 {
		t.Error("a change has changed what it began with")
	}
}

func TestAChangeThatCannotBeNamesItsField(t *testing.T) {
	t.Parallel()
	for field, changes := range map[string][]book.PreferenceChange{
		"topics": {{Topics: map[string]*bool{"": nil}}, {Topics: map[string]*bool{strings.Repeat("x", 256): nil}}},
		"quiet_hours": {
			{Quiet: []book.Quiet{{From: -1}}}, {Quiet: []book.Quiet{{From: 1440}}}, {Quiet: []book.Quiet{{To: 1441}}},
			{Quiet: []book.Quiet{{To: 60, Days: []book.Weekday{"monday"}}}}, {Quiet: make([]book.Quiet, 8)},
			{Quiet: []book.Quiet{{From: 60, To: 60}}}, {Quiet: []book.Quiet{{From: 0, To: 720}, {From: 700, To: 1440}}},
		},
		"time_zone": {{TimeZone: new("Europe/Nowhere")}, {TimeZone: new("../etc/passwd")}},
		"cap":       {{Cap: &book.Cap{PerDay: -1}}, {Cap: &book.Cap{PerTopic: 1 << 30}}},
		"digest": {
			{Digest: &book.Digest{Every: "weekly"}}, {Digest: &book.Digest{Every: book.DigestHourly, At: 60}},
			{Digest: &book.Digest{Every: book.DigestDaily, At: 1440}},
		},
	} {
		for _, c := range changes {
			wrong, ok := errors.AsType[*book.PreferenceError](c.Validate())
			if !ok || wrong.Field != field {
				t.Errorf("%+v: %v", c, c.Validate())
			}
		}
	}
	good := book.PreferenceChange{
		Quiet:    []book.Quiet{{From: 22 * 60, To: 7 * 60}, {From: 0, To: 24 * 60, Days: []book.Weekday{"sat", "sun"}}},
		TimeZone: new("America/Argentina/Buenos_Aires"), Cap: &book.Cap{PerDay: 1}, Digest: &book.Digest{Every: book.DigestDaily, At: 540},
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPreferencesComeBackAsTheyWereStored(t *testing.T) {
	t.Parallel()
	for _, p := range []book.Preferences{
		{}, {Quiet: []book.Quiet{}}, {OptedOut: true, ChangedAt: time.UnixMicro(1).UTC()},
		{
			Stopped: []activity.ChannelID{"sms"}, Topics: map[string]bool{"a": true, "b": false}, TimeZone: "Asia/Tokyo",
			Quiet: []book.Quiet{{From: 0, To: 1440, Days: []book.Weekday{"sun"}}}, Cap: &book.Cap{PerTopic: 1},
			Digest: &book.Digest{Every: book.DigestDaily, At: 9*60 + 5},
		},
	} {
		text, err := book.EncodePreferences(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := book.DecodePreferences(text)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s came back as %+v, %v", text, got, err)
		}
	}
	if _, err := book.ParseTimeOfDay("24:01"); err == nil {
		t.Error("24:01 is a time")
	}
}
