package proactive_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/proactive"
)

// TestTextIsStoredAsItsActivity: a text by itself is encoded, and a conversation as its target is described, by shorter
// ways than all else.
func TestTextIsStoredAsItsActivity(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		const id = "a \"quoted\" <id> ä\u2028"
		f.hear(t, inbound("1", id, "ann", "hi"))
		ref := inbound("", id, "ann", "").Reference()
		for _, text := range []string{
			"x", `"quoted" \ and /`, "<b>&amp;</b>", "tab\t line\n return\r bell\a delete\x7f", "ä € 🙂 \u2028\u2029\ufeff\ufffd", " ",
			`\u0000`, strings.Repeat("ä", proactive.MaxText/2),
		} {
			spelt := &activity.Activity{Type: activity.TypeMessage, Text: text, TextFormat: activity.TextPlain}
			want := f.status(t, f.notify(t, headsup.Notification{To: headsup.ToConversation(ref), Activity: spelt, In: time.Hour}).ID).Message
			encoded, err := activity.Encode(spelt)
			if err != nil || string(want.Body) != string(encoded) {
				t.Fatalf("the activity is stored as %.200s, not as %.200s, %v", want.Body, encoded, err)
			}
			for _, to := range []headsup.Target{headsup.ToConversation(ref), {Conversation: id}} {
				got := f.status(t, f.notify(t, headsup.Notification{To: to, Text: text, In: time.Hour}).ID).Message
				if string(got.Body) != string(want.Body) || got.Target != "{\"conversation\":\"a \\\"quoted\\\" <id> ä\u2028\"}" {
					t.Errorf("stored as %.200s to %s, want %.200s", got.Body, got.Target, want.Body)
				}
			}
		}
		for text, field := range map[string]string{
			"a\x00b": "text", "\xff": "text", strings.Repeat("x", proactive.MaxText+1): "text",
			strings.Repeat("\x01", proactive.MaxText): "activity",
		} {
			_, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.ToConversation(ref), Text: text})
			if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != field {
				t.Errorf("%.10q was answered %v, want a complaint about %s", text, err, field)
			}
		}
	})
}
