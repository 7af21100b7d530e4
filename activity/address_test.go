package activity_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// addressees are references with one thing after the other that an address can have.
func addressees() map[string]activity.Reference {
	group := true
	base := activity.Reference{
		ChannelID: "test", ServiceURL: "https://example.org/a", Conversation: activity.ConversationAccount{ID: `c"1\`},
		User: &activity.ChannelAccount{ID: "u"}, Bot: &activity.ChannelAccount{ID: "b"},
	}
	all := map[string]activity.Reference{"plain": base}
	with := func(name string, change func(*activity.Reference)) {
		r := base.Clone()
		change(&r)
		all[name] = r
	}
	with("no user", func(r *activity.Reference) { r.User = nil })
	with("no bot", func(r *activity.Reference) { r.Bot = nil })
	with("locale", func(r *activity.Reference) { r.Locale = "de-AT" })
	with("activity id", func(r *activity.Reference) { r.ActivityID = "1" })
	with("all of the conversation", func(r *activity.Reference) {
		r.Conversation = activity.ConversationAccount{
			ID: "c", Name: "<n>\u2028", IsGroup: &group, ConversationType: "personal", TenantID: "t", AADObjectID: "o",
		}
	})
	with("role of the conversation", func(r *activity.Reference) { r.Conversation.Role = "user" })
	with("more of the conversation", func(r *activity.Reference) { r.Conversation.Extra = jsontext.Value(`{"x":1}`) })
	with("all of the user", func(r *activity.Reference) {
		r.User = &activity.ChannelAccount{
			ID: "u", Name: "Ö", Role: "user", AADObjectID: "o", AgenticUserID: "au", AgenticAppID: "aa", TenantID: "t",
		}
	})
	with("more of the user", func(r *activity.Reference) { r.User.Extra = jsontext.Value(`{"x":1}`) })
	return all
}

func TestAppendOutgoingAddressesAsOutgoingDoes(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"text":                    `{"type":"message","text":"hello"}`,
		"escapes":                 `{"type":"message","text":"a \"from\": \\\"b\\\\","name":"\\"}`,
		"nothing":                 `{}`,
		"spaces":                  `{ "type" : "message" , "text" : "x" }`,
		"locale":                  `{"type":"message","locale":"en-US"}`,
		"names of an address":     `{"type":"message","channelData":{"from":{"id":"x"},"id":[{"locale":1}],"recipient":2},"text":"locale"}`,
		"values that are names":   `{"type":"message","text":"from","attachments":[{"contentType":"id"}],"suggestedActions":{"to":["recipient"]}}`,
		"a stranger's":            `{"type":"message","fromage":"brie","x":{"y":["z",{"w":","}]}}`,
		"an id":                   `{"type":"message","id":"7"}`,
		"a sender":                `{"type":"message","from":{"id":"x"}}`,
		"a name that is escaped":  `{"type":"message","\u0066rom":{"id":"x"}}`,
		"targeted at a recipient": `{"type":"message","recipient":{"id":"x"},"entities":[{"type":"activityTreatment","treatment":"targeted"}]}`,
		"caller":                  `{"type":"message","callerId":"urn:botframework:azure"}`,
		"a reply":                 `{"type":"message","replyToId":"5"}`,
	}
	byHand := 0
	for from, ref := range addressees() {
		for what, body := range bodies {
			var a activity.Activity
			if err := json.Unmarshal([]byte(body), &a); err != nil {
				t.Fatal(err)
			}
			ref.Outgoing(&a)
			want, err := activity.Encode(&a)
			if err != nil {
				t.Fatal(err)
			}
			before := []byte("before")
			got, ok := ref.AppendOutgoing(before, jsontext.Value(body))
			if !ok {
				if !bytes.Equal(got, before) {
					t.Errorf("%s, %s: what was not addressed was changed to %s", from, what, got)
				}
				continue
			}
			byHand++
			got, found := bytes.CutPrefix(got, before)
			if !found || !equal(t, got, want) {
				t.Errorf("%s, %s: addressed as\n%s, want\n%s", from, what, got, want)
			}
		}
	}
	if want := 6 * 8; byHand != want {
		t.Errorf("%d were addressed without being decoded, want %d", byHand, want)
	}
}

func TestAppendOutgoingLeavesBrokenTextAlone(t *testing.T) {
	t.Parallel()
	ref := addressees()["plain"]
	for _, body := range []string{"", "{", "[]", "null", `{"type":"mess`, `{"type":"message`, `{"a":"\"}`} {
		if got, ok := ref.AppendOutgoing(nil, jsontext.Value(body)); ok {
			t.Errorf("%q was addressed as %s", body, got)
		}
	}
	ref.ServiceURL = "https://example.org/\xff"
	if got, ok := ref.AppendOutgoing(nil, jsontext.Value(`{}`)); ok {
		t.Errorf("a URL that is no text was written as %s", got)
	}
	ref = addressees()["plain"]
	ref.Bot.Name = strings.Repeat("x", 3) + "\xc3"
	if got, ok := ref.AppendOutgoing(nil, jsontext.Value(`{}`)); ok {
		t.Errorf("a name that is no text was written as %s", got)
	}
}

// equal reports whether two values are the same but for the order of their members; both are to be valid.
func equal(t *testing.T, a, b []byte) bool {
	t.Helper()
	x, y := jsontext.Value(bytes.Clone(a)), jsontext.Value(bytes.Clone(b))
	if err := x.Canonicalize(); err != nil {
		t.Errorf("%s: %v", a, err)
		return false
	}
	if err := y.Canonicalize(); err != nil {
		t.Errorf("%s: %v", b, err)
		return false
	}
	return bytes.Equal(x, y)
}

func BenchmarkAppendOutgoing(b *testing.B) {
	ref := addressees()["plain"]
	body := jsontext.Value(`{"type":"message","text":"` + strings.Repeat("Your build is done. ", 25) + `"}`)
	for b.Loop() {
		if _, ok := ref.AppendOutgoing(nil, body); !ok {
			b.Fatal("it must be decoded")
		}
	}
}
