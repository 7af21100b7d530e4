package activity_test

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

func TestWhatOtherSDKsStoredIsRead(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/foreign/references.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name, Format, Error string
			Input, Reference    jsontext.Value
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &vectors, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			read := activity.ReadReference
			if c.Format == "node-v3" || c.Format == "resumption-cookie" {
				read = activity.ReadAddress
			}
			got, err := read(c.Input)
			if c.Reference == nil {
				// What is wrong with a service URL is for those to say who dial it.
				if err == nil && !strings.HasPrefix(c.Error, "serviceUrl") {
					t.Fatalf("read %+v, want an error: %s", got, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			back, err := activity.EncodeReference(got)
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "reference", back, c.Reference)
		})
	}
}

func TestOtherFormsOfAddresses(t *testing.T) {
	t.Parallel()
	type reader func([]byte) (activity.Reference, error)
	cases := map[string]struct {
		read        reader
		input, want string // no want: refused
	}{
		"conversation starter": {activity.ReadAddress,
			`{"ToId":"u","toName":"U","fromId":"b","fromName":"B","serviceUrl":"https://s/","channelId":"skype","conversationId":"c"}`,
			`{"bot":{"id":"b","name":"B"},"channelId":"skype","conversation":{"id":"c"},"serviceUrl":"https://s/","user":{"id":"u","name":"U"}}`},
		"cookie in lower case": {activity.ReadAddress,
			`{"address":{"botId":"b","channelId":"sms","userId":"u","conversationId":"c","serviceUrl":"https://s/"},"isGroup":true,"locale":null}`,
			`{"bot":{"id":"b"},"channelId":"sms","conversation":{"id":"c","isGroup":true},"serviceUrl":"https://s/","user":{"id":"u"}}`},
		"very old address": {activity.ReadAddress,
			`{"id":"1","useAuth":true,"channelId":"c","user":{"id":"u"},"bot":{"id":"b"},"conversation":{"id":"x"},"serviceUrl":"https://s/"}`,
			`{"activityId":"1","bot":{"id":"b"},"channelId":"c","conversation":{"id":"x"},"serviceUrl":"https://s/","user":{"id":"u"}}`},
		"capitals": {activity.ReadReference,
			`{"ActivityId":"1","User":{"Id":"u","AadObjectId":"o"},"Bot":{"Id":"b"},"Conversation":{"Id":"c","TenantId":"t","IsGroup":null},"ChannelId":"msteams","ServiceUrl":"https://s/","Locale":null}`,
			`{"activityId":"1","bot":{"id":"b"},"channelId":"msteams","conversation":{"id":"c","tenantId":"t"},"serviceUrl":"https://s/","user":{"aadObjectId":"o","id":"u"}}`},
		"numbers stay exact": {activity.ReadReference,
			`{"channelId":"c","conversation":{"id":"x"},"more":9007199254740993}`,
			`{"channelId":"c","conversation":{"id":"x"},"more":9007199254740993}`},
		"compressed cookie": {activity.ReadAddress, `"H4sIAAAAAAAEAO29B2"`, ""},
		"text":              {activity.ReadAddress, `"x"`, ""},
		"list":              {activity.ReadReference, `[]`, ""},
		"null":              {activity.ReadReference, `null`, ""},
		"broken":            {activity.ReadReference, `{"channelId"`, ""},
		"duplicate":         {activity.ReadReference, `{"channelId":"a","channelId":"b","conversation":{"id":"c"}}`, ""},
		"spelling":          {activity.ReadReference, `{"channelId":"a","conversation":{"id":"c","ID":"d"}}`, ""},
		"wrong type":        {activity.ReadReference, `{"channelId":"a","conversation":{"id":7}}`, ""},
		"deep":              {activity.ReadReference, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), ""},
		"NUL":               {activity.ReadReference, `{"channelId":"a","conversation":{"id":"c\u0000"}}`, ""},
		"cookie of nowhere": {activity.ReadAddress, `{"Address":{"BotId":"b","ChannelId":"c"}}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.read([]byte(c.input))
			if c.want == "" {
				if err == nil {
					t.Fatalf("read %+v, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			back, err := activity.EncodeReference(got)
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "reference", back, []byte(c.want))
		})
	}
}

func FuzzReadReference(f *testing.F) {
	f.Add([]byte(`{"channelId":"a","conversation":{"id":"c"}}`))
	f.Add([]byte(`{"Address":{"ConversationId":"c","ChannelId":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte) (activity.Reference, error){activity.ReadReference, activity.ReadAddress} {
			if ref, err := read(data); err == nil {
				if err := ref.Validate(); err != nil {
					t.Errorf("%s was read though %v", data, err)
				}
			}
		}
	})
}
