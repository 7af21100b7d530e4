package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// TestWebhooksAreToldWhatPeopleWant: by a word in the chat and by the API, and not when nothing has become another.
func TestWebhooksAreToldWhatPeopleWant(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{})
	r := newReceiver(t)
	p := ann(t, url)
	p.says(`{"type":"message","from":{"id":"dl_ann","name":"Ann"},"text":"hello"}`)
	r.hook(url, api.EventPreferencesChanged)
	p.says(`{"type":"message","from":{"id":"dl_ann","name":"Ann"},"text":"stop"}`)
	told := payload[api.PreferencesEvent](t, r.await(api.EventPreferencesChanged, func(api.Event) bool { return true }))
	if told.By != "word" || strings.Join(told.Changed, " ") != "opted_out" || told.Before.OptedOut || !told.Now.OptedOut || told.Now.ChangedAt == nil ||
		told.Channel != "directline" || told.Conversation != p.conversation || told.Person == nil || told.Person.ID != "dl_ann" || told.PersonID == "" {
		t.Errorf("told %+v", told)
	}
	for _, body := range []string{`{"opted_out":true}`, `{"opted_out":false,"topics":{"deals":"off"},"cap":{"per_day":3}}`} {
		if resp, text := request(t, http.MethodPatch, url+"/v1/preferences/"+told.PersonID, body, "Content-Type", "application/json"); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", resp.Status, text)
		}
	}
	second := payload[api.PreferencesEvent](t, r.await(api.EventPreferencesChanged, func(e api.Event) bool { return payload[api.PreferencesEvent](t, e).By == "api" }))
	if strings.Join(second.Changed, " ") != "cap opted_out topics" || strings.Join(second.Topics, " ") != "deals" || !second.Before.OptedOut ||
		second.Now.OptedOut || second.Now.Topics["deals"] != "off" || second.Now.Cap.PerDay != 3 || second.Conversation != "" || second.PersonID != told.PersonID {
		t.Errorf("told %+v", second)
	}
	if n := len(r.events()); n != 2 {
		t.Errorf("%d events", n)
	}
}
