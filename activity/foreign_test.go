package activity_test

import (
	"os"
	"reflect"
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
			Name, Format, Error, AppID string
			Input, Reference           jsontext.Value
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
			found, unknown := activity.Recognise(c.Input)
			if (unknown == nil) != (err == nil) || !reflect.DeepEqual(found.Reference, got) || found.AppID != c.AppID {
				t.Errorf("recognised as %+v: %v; read as %+v: %v", found, unknown, got, err)
			}
			var members map[string]jsontext.Value
			if err := json.Unmarshal(c.Input, &members); err != nil || !activity.Recognisable(members) {
				t.Errorf("does not look like a reference: %v", err)
			}
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

// TestFormsAreToldFromEachOther: what other programs have stored is read without being told which program it was.
func TestFormsAreToldFromEachOther(t *testing.T) {
	t.Parallel()
	const plain = `{"bot":{"id":"b"},"channelId":"msteams","conversation":{"id":"c","tenantId":"t"},"serviceUrl":"https://s/","user":{"aadObjectId":"o","id":"u"}}`
	for name, c := range map[string]struct {
		input, want string
		form        activity.Form
		appID       string
	}{
		"as_dict of Python": {
			`{"channel_id":"msteams","service_url":"https://s/","conversation":{"id":"c","tenant_id":"t","is_group":null},"bot":{"id":"b"},"user":{"id":"u","aad_object_id":"o"}}`,
			plain, activity.FormReference, "",
		},
		"jsonpickle": {
			`{"py/object":"botbuilder.schema._models_py3.ConversationReference","additional_properties":{},"activity_id":null,"channel_id":"msteams","service_url":"https://s/",` +
				`"conversation":{"py/object":"botbuilder.schema._models_py3.ConversationAccount","additional_properties":{},"id":"c","tenant_id":"t"},"bot":{"id":"b"},"user":{"id":"u","aad_object_id":"o"}}`,
			plain, activity.FormReference, "",
		},
		"record of the Agents SDK for Python": {
			`{"claims":{"aud":"app","iss":"x"},"reference":{"channel_id":"msteams","service_url":"https://s/","conversation":{"id":"c","tenant_id":"t"},"bot":{"id":"b"},"user":{"id":"u","aad_object_id":"o"}}}`,
			plain, activity.FormRecord, "app",
		},
		"record whose claims are a list": {`{"Reference":` + plain + `,"Claims":[{"type":"aud"}]}`, plain, activity.FormRecord, ""},
		"starter": {
			`{"toId":"u","fromId":"b","serviceUrl":"https://s/","channelId":"c","conversationId":"x"}`,
			`{"bot":{"id":"b"},"channelId":"c","conversation":{"id":"x"},"serviceUrl":"https://s/","user":{"id":"u"}}`, activity.FormStarter, "",
		},
		"packed":            {input: `"H4sIAAAAAAAEAO29B2"`},
		"nothing but names": {input: `{"py/object":"os.system","channel_id":7}`, form: activity.FormReference},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := activity.Recognise([]byte(c.input))
			if got.Form != c.form || got.AppID != c.appID {
				t.Errorf("a %q of %q, want a %q of %q", got.Form, got.AppID, c.form, c.appID)
			}
			if c.want == "" {
				if err == nil {
					t.Errorf("read %+v, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			back, err := activity.EncodeReference(got.Reference)
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
		for _, read := range []func([]byte) (activity.Reference, error){activity.ReadReference, activity.ReadAddress, recognised} {
			if ref, err := read(data); err == nil {
				if err := ref.Validate(); err != nil {
					t.Errorf("%s was read though %v", data, err)
				}
			}
		}
	})
}

func recognised(data []byte) (activity.Reference, error) {
	found, err := activity.Recognise(data)
	return found.Reference, err
}
