package headsup_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
)

func TestParseFallback(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]headsup.Fallback{
		"email":                                 {Channel: "email"},
		" sms  after 30m unless read ":          {Channel: "sms", After: 30 * time.Minute, Unless: headsup.UnlessRead},
		"msteams unless answered after 168h":    {Channel: "msteams", After: 168 * time.Hour, Unless: headsup.UnlessAnswered},
		"sms:+15551234567 after 1s":             {To: &headsup.Target{Address: "sms:+15551234567"}, After: time.Second},
		"mailto:b@example.com unless delivered": {To: &headsup.Target{Address: "mailto:b@example.com"}, Unless: headsup.UnlessDelivered},
	} {
		got, err := headsup.ParseFallback(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                              "is empty",
		"email after":                   `"after" is followed by nothing`,
		"email after soon":              `"soon" is not a time from 1s to 168h, such as 10m`,
		"email after 169h":              `"169h" is not a time from 1s to 168h, such as 10m`,
		"email after 0s":                `"0s" is not a time from 1s to 168h, such as 10m`,
		"email unless seen":             `"seen" is none of delivered, read, answered`,
		"email unless read unless read": `"unless" is not understood: a channel or an address, then perhaps after and a time, and unless and what`,
		"email then sms":                `"then" is not understood: a channel or an address, then perhaps after and a time, and unless and what`,
	} {
		if _, err := headsup.ParseFallback(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
