package event_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/event"
)

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// TestExamplesInTheDocumentationAreEvents reads every example strictly, and writes it as the program would.
func TestExamplesInTheDocumentationAreEvents(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, typ := range event.Types() {
		if !strings.Contains(text, "`"+string(typ)+"`") {
			t.Errorf("nothing is said about %s", typ)
		}
	}
	var shown []string
	for _, block := range jsonBlock.FindAllStringSubmatch(text, -1) {
		var e api.Event
		if err := json.Unmarshal([]byte(block[1]), &e, json.RejectUnknownMembers(true)); err != nil {
			t.Errorf("%v in %s", err, block[1])
			continue
		}
		id, err := event.ParseID(e.ID)
		if err != nil {
			t.Errorf("%s: %v", e.ID, err)
		}
		shown = append(shown, e.Type)
		var data any = new(api.DeliveryEvent)
		switch e.Type {
		case api.EventMessageReceived:
			data = new(api.MessageEvent)
		case api.EventNotificationAnswered:
			data = new(api.AnswerEvent)
		case api.EventCardAction:
			data = new(api.ActionEvent)
		case api.EventPreferencesChanged:
			data = new(api.PreferencesEvent)
		case api.EventDeliveryReacted:
			data = new(api.ReceiptEvent)
		}
		if err := json.Unmarshal(e.Data, data, json.RejectUnknownMembers(true)); err != nil {
			t.Errorf("%s: %v", e.Type, err)
			continue
		}
		again := event.Event{ID: id, Type: event.Type(e.Type), At: e.Timestamp}
		if again.Data, err = event.Encode(data); err != nil {
			t.Fatal(err)
		}
		got, err := again.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if have, want := canonical(t, got), canonical(t, []byte(block[1])); have != want {
			t.Errorf("the program writes\n%s\nthe documentation shows\n%s", have, want)
		}
	}
	for _, typ := range []string{api.EventMessageReceived, api.EventNotificationDelivered, api.EventNotificationFailed, api.EventNotificationAnswered, api.EventDeliveryReacted, api.EventPreferencesChanged} {
		if !slices.Contains(shown, typ) {
			t.Errorf("there is no example of %s", typ)
		}
	}
}

func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	v := jsontext.Value(raw)
	if err := v.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return string(v)
}
