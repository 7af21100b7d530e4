package httpapi_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

// wants changes or gets preferences.
func (f fixture) wants(t *testing.T, method, path, body string) api.Preferences {
	t.Helper()
	w := f.call(t, method, path, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return decode[api.Preferences](t, w)
}

func TestPreferencesAreAPersonsOnAllChannels(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	two := f.knowsPeople(t)
	ann, slack := "/v1/preferences/"+two[0].ID, "/v1/preferences/"+two[1].ID
	if w := f.call(t, "POST", "/v1/people/"+two[0].ID+"/merge", `{"with": ["`+two[1].ID+`"]}`); w.Code != http.StatusOK {
		t.Fatalf("merged: %d %s", w.Code, w.Body)
	}

	f.wants(t, "PATCH", ann, `{"topics": {"deals": "off", "news": "on"}, "quiet_hours": [{"from": "22:00", "to": "07:00", "days": ["fri"]}],
		"time_zone": "Europe/Berlin", "cap": {"per_day": 3}, "digest": {"every": "daily", "at": "09:00"}}`)
	now := f.wants(t, "GET", slack, "")
	if now.OptedOut || now.Topics["deals"] != api.TopicOff || now.Topics["news"] != api.TopicOn || now.TimeZone != "Europe/Berlin" ||
		now.Cap == nil || now.Cap.PerDay != 3 || now.Digest == nil || *now.Digest != (api.Digest{Every: "daily", At: "09:00"}) ||
		len(now.QuietHours) != 1 || now.QuietHours[0].From != "22:00" || !slices.Equal(now.QuietHours[0].Days, []string{"fri"}) || now.ChangedAt == nil {
		t.Errorf("elsewhere they want %+v", now)
	}

	// What is not given stays; default forgets what was said.
	now = f.wants(t, "PATCH", slack, `{"opted_out": true, "topics": {"news": "default"}, "digest": {"every": "default"}, "quiet": "none"}`)
	if _, said := now.Topics["news"]; !now.OptedOut || said || now.Topics["deals"] != api.TopicOff || now.Digest != nil ||
		now.Quiet == nil || *now.Quiet || len(now.QuietHours) != 0 || now.Cap == nil {
		t.Errorf("then %+v", now)
	}
	conversation := "/v1/conversations/" + url.PathEscape("with 29:ann") + "/preferences"
	if there := f.wants(t, "GET", conversation, ""); !there.OptedOut {
		t.Errorf("in the conversation it is %+v", there)
	}
	if back := f.wants(t, "PATCH", conversation, `{"opted_out": false}`); back.OptedOut {
		t.Errorf("after they want again it is %+v", back)
	}
}

func TestWrongPreferencesChangeNothing(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	ann := "/v1/preferences/" + f.knowsPeople(t)[0].ID
	for _, test := range []struct{ body, says string }{
		{`{"topics": {"deals": "never"}}`, "topics"},
		{`{"topics": {"": "off"}}`, "topics"},
		{`{"topics": {"job": "off"}}`, "mandatory"},
		{`{"time_zone": "Mars/Base"}`, "time_zone"},
		{`{"quiet_hours": [{"from": "25:00", "to": "07:00"}]}`, `"body.quiet_hours[0].from","message":"is not a time of day such as 22:00"`},
		{`{"quiet_hours": [{"from": "00:00", "to": "24:00"}]}`, "quiet_hours"},
		{`{"quiet_hours": [{"from": "22:00", "to": "07:00"}], "quiet": "none"}`, "quiet"},
		{`{"cap": {"per_day": -1}}`, "cap"},
		{`{"digest": {"every": "weekly"}}`, "digest"},
		{`{"digest": {"every": "hourly", "at": "09:00"}}`, "digest"},
		{`{"muted": true}`, "muted"},
	} {
		w := f.call(t, "PATCH", ann, test.body)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s is answered %d %s", test.body, w.Code, w.Body)
		}
	}
	if now := f.wants(t, "GET", ann, ""); now.ChangedAt != nil || len(now.Topics) > 0 || now.TimeZone != "" {
		t.Errorf("they want %+v", now)
	}
	if w := f.call(t, "GET", "/v1/preferences/per_0000000004711", ""); w.Code != http.StatusNotFound {
		t.Errorf("somebody whom nobody knows: %d %s", w.Code, w.Body)
	}
}
