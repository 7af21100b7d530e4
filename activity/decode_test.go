package activity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/activity"
)

func TestDecodeNamesWhatItRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		path       string
		reason     string // a part of it
	}{
		{"empty body", ``, "", "empty"},
		{"blank body", " \n", "", "empty"},
		{"no JSON", `hello`, "", "not a JSON object"},
		{"null", `null`, "", "not a JSON object"},
		{"list", `[{"type":"message"}]`, "", "not a JSON object"},
		{"string", `"message"`, "", "not a JSON object"},
		{"byte order mark", "\ufeff" + `{"type":"message"}`, "", "not a JSON object"},
		{"UTF-16", "{\x00\"\x00t\x00", "", "invalid character"},
		{"comment", `{"type":"message"/* */}`, "", "invalid character"},
		{"trailing comma", `{"type":"message",}`, "", "invalid character"},
		{"second value", `{"type":"message"}{"type":"event"}`, "", "after top-level value"},
		{"trailing bracket", `{"type":"message"}]`, "", "after top-level value"},
		{"cut off", `{"type":"message","from":{"id":"u"`, "/from", "EOF"},

		{"no type", `{"id":"1"}`, "/type", "missing"},
		{"empty type", `{"type":""}`, "/type", "missing"},
		{"null type", `{"type":null}`, "/type", "missing"},
		{"type is a number", `{"type":7}`, "/type", "unexpected JSON number"},
		{"text is a number", `{"type":"message","text":7}`, "/text", "unexpected JSON number"},
		{"from is a string", `{"type":"message","from":"u"}`, "/from", "unexpected JSON string"},
		{"id in from is a number", `{"type":"message","from":{"id":7}}`, "/from/id", "unexpected JSON number"},
		{"conversation is a list", `{"type":"message","conversation":[]}`, "/conversation", "unexpected JSON"},
		{"isGroup is a string", `{"type":"message","conversation":{"isGroup":"true"}}`, "/conversation/isGroup", "unexpected JSON string"},
		{"timestamp is a number", `{"type":"message","timestamp":1719800000}`, "/timestamp", "unexpected JSON number"},
		{"attachments is an object", `{"type":"message","attachments":{}}`, "/attachments", "unexpected JSON"},
		{"content type is a number", `{"type":"message","attachments":[{},{"contentType":7}]}`, "/attachments/1/contentType", "unexpected JSON number"},
		{"occurrence is a fraction", `{"type":"suggestion","textHighlights":[{"occurrence":1.5}]}`, "/textHighlights/0/occurrence", "unexpected JSON number"},
		{"null member added", `{"type":"conversationUpdate","membersAdded":[{"id":"u"},null]}`, "/membersAdded/1", "null"},
		{"null attachment", `{"type":"message","attachments":[null]}`, "/attachments/0", "null"},
		{"null button", `{"type":"message","suggestedActions":{"actions":[null]}}`, "/suggestedActions/actions/0", "null"},

		{"type twice", `{"type":"message","type":"event"}`, "/type", "duplicate"},
		{"type twice, once escaped", `{"type":"message","\u0074ype":"event"}`, "/type", "duplicate"},
		{"id of from twice", `{"type":"message","from":{"id":"u","id":"v"}}`, "/from/id", "duplicate"},
		{"twice in channel data", `{"type":"message","channelData":{"a":[{"b":1,"b":2}]}}`, "/channelData/a/0/b", "duplicate"},
		{"twice in an unknown member", `{"type":"message","x":{"b":1,"b":2}}`, "/x/b", "duplicate"},

		{"Type", `{"Type":"message"}`, "/Type", `another spelling of "type"`},
		{"type and TYPE", `{"type":"message","TYPE":"event"}`, "/TYPE", `another spelling of "type"`},
		{"ServiceURL", `{"type":"message","serviceURL":"https://evil.example"}`, "/serviceURL", `"serviceUrl"`},
		{"serviceurl with a long s", `{"type":"message","ſerviceUrl":"https://evil.example"}`, "/ſerviceUrl", `"serviceUrl"`},
		{"escaped ChannelId", `{"type":"message","\u0043hannelId":"x"}`, "/ChannelId", `"channelId"`},
		{"From", `{"type":"message","From":{}}`, "/From", `"from"`},
		{"RECIPIENT", `{"type":"message","RECIPIENT":{}}`, "/RECIPIENT", `"recipient"`},
		{"Conversation", `{"type":"message","Conversation":{}}`, "/Conversation", `"conversation"`},
		{"Id", `{"type":"message","Id":"1"}`, "/Id", `"id"`},
		{"CallerId", `{"type":"message","CallerId":"urn:botframework:azure"}`, "/CallerId", `"callerId"`},
		{"ID in from", `{"type":"message","from":{"id":"u","ID":"v"}}`, "/from/ID", `"id"`},
		{"AadObjectId in from", `{"type":"message","from":{"id":"u","AadObjectId":"v"}}`, "/from/AadObjectId", `"aadObjectId"`},
		{"Id in conversation", `{"type":"message","conversation":{"Id":"c"}}`, "/conversation/Id", `"id"`},
		{"TenantId in conversation", `{"type":"message","conversation":{"TenantId":"t"}}`, "/conversation/TenantId", `"tenantId"`},
		{"Id in a member", `{"type":"conversationUpdate","membersAdded":[{"Id":"u"}]}`, "/membersAdded/0/Id", `"id"`},
		{"Tenant", `{"type":"message","channelData":{"Tenant":{"id":"t"}}}`, "/channelData/Tenant", `"tenant"`},
		{"Id in tenant", `{"type":"message","channelData":{"tenant":{"Id":"t"}}}`, "/channelData/tenant/Id", `"id"`},
		{"ServiceUrl in relatesTo", `{"type":"event","relatesTo":{"ServiceUrl":"x"}}`, "/relatesTo/ServiceUrl", `"serviceUrl"`},
		{"Id of the bot in relatesTo", `{"type":"event","relatesTo":{"bot":{"Id":"x"}}}`, "/relatesTo/bot/Id", `"id"`},

		{"NUL", `{"type":"message","text":"a\u0000b"}`, "/text", "NUL"},
		{"NUL in an unknown member", `{"type":"message","x":[{"y":"\u0000"}]}`, "/x/0/y", "NUL"},
		{"NUL in a name", `{"type":"message","x":{"a\u0000":1}}`, "/x/a\x00", "NUL"},
		{"raw NUL", "{\"type\":\"message\",\"text\":\"\x00\"}", "/text", "invalid character"},
		{"raw line break", "{\"type\":\"message\",\"text\":\"a\nb\"}", "/text", "invalid character"},
		{"lone high surrogate", `{"type":"message","text":"\ud800"}`, "/text", "surrogate"},
		{"lone low surrogate", `{"type":"message","summary":"x\udc00"}`, "/summary", "surrogate"},
		{"swapped surrogates", `{"type":"message","value":{"a":"\udc00\ud800"}}`, "/value/a", "surrogate"},
		{"lone surrogate in a name", `{"type":"message","channelData":{"\ud800":1}}`, "/channelData", "surrogate"},
		{"invalid UTF-8", "{\"type\":\"message\",\"text\":\"\xff\"}", "/text", "UTF-8"},
		{"overlong UTF-8", "{\"type\":\"message\",\"text\":\"\xc0\xaf\"}", "/text", "UTF-8"},
		{"UTF-8 of a surrogate", "{\"type\":\"message\",\"text\":\"\xed\xa0\x80\"}", "/text", "UTF-8"},

		{"too deep", `{"type":"message","value":` + nested(64) + `}`, "/value" + strings.Repeat("/0", 63), "nested deeper than 64"},
		{"far too deep", `{"type":"message","channelData":` + strings.Repeat("[", 100_000), "/channelData" + strings.Repeat("/0", 63), "nested deeper than 64"},
		{"too many values", `{"type":"message","value":[` + strings.Repeat("0,", 10_000) + `0]}`, "/value/9997", "more than 10000 values"},
		{"too many attachments", `{"type":"message","attachments":[` + strings.Repeat("{},", 10_000) + `{}]}`, "/attachments/9997", "more than 10000 values"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, err := activity.Decode([]byte(test.body))
			refused, ok := errors.AsType[*activity.DecodeError](err)
			if !ok {
				t.Fatalf("got %+v, %v; want a *DecodeError", a, err)
			}
			if refused.Path != test.path {
				t.Errorf("path %q, want %q (%v)", refused.Path, test.path, err)
			}
			if !strings.Contains(refused.Reason, test.reason) {
				t.Errorf("reason %q lacks %q", refused.Reason, test.reason)
			}
			if a != nil {
				t.Errorf("a refused body gave an activity")
			}
		})
	}
}

func TestDecodeRefusesLargeBody(t *testing.T) {
	t.Parallel()
	body := fmt.Sprintf(`{"type":"message","text":%q}`, strings.Repeat("x", activity.DefaultBytes))
	_, err := activity.Decode([]byte(body))
	if !errors.Is(err, activity.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := activity.DecodeLimits([]byte(body), activity.Limits{Bytes: len(body)}); err != nil {
		t.Errorf("a body of exactly the limit: %v", err)
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	t.Parallel()
	limits := activity.Limits{Bytes: 1000, Depth: 3, Nodes: 5}
	for body, want := range map[string]bool{
		`{"type":"x","value":[[]]}`:      true,
		`{"type":"x","value":[[[]]]}`:    false,
		`{"type":"x","value":[1,2]}`:     true,
		`{"type":"x","value":[1,2,3]}`:   false,
		`{"type":"x","a":1,"b":2,"c":3}`: true,
	} {
		if _, err := activity.DecodeLimits([]byte(body), limits); (err == nil) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestErrorStaysShort(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("é", 200_000)
	_, err := activity.Decode([]byte(`{"type":"message","` + name + `":{"a":1,"a":2}}`))
	if err == nil || len(err.Error()) > 600 {
		t.Errorf("%d bytes of error", len(fmt.Sprint(err)))
	}
}

func TestDecodeAcceptsWhatIsLegal(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"unknown type (A2006)":              `{"type":"hologram"}`,
		"unknown event (A5002)":             `{"type":"event","name":"never.heard"}`,
		"event without a name":              `{"type":"event"}`,
		"invoke without a name":             `{"type":"invoke"}`,
		"command without a name (A6312)":    `{"type":"command"}`,
		"unknown delivery mode (A3111)":     `{"type":"message","deliveryMode":"banana"}`,
		"channel data is a string (A2200)":  `{"type":"message","channelData":"text"}`,
		"channel data is a number (A2200)":  `{"type":"message","channelData":7}`,
		"channel data is a list (A2200)":    `{"type":"message","channelData":[]}`,
		"channel data is false (A2200)":     `{"type":"message","channelData":false}`,
		"member twice in a list (A4101)":    `{"type":"conversationUpdate","membersAdded":[{"id":"u"},{"id":"u"}],"membersRemoved":[{"id":"u"}]}`,
		"empty update (A4100)":              `{"type":"conversationUpdate"}`,
		"odd timestamp (A2042)":             `{"type":"message","timestamp":"yesterday"}`,
		"surrogate pair":                    `{"type":"message","text":"\ud83d\ude00"}`,
		"text that spells out an escape":    `{"type":"message","text":"\\u0000"}`,
		"other spelling deep in the value":  `{"type":"message","value":{"Type":1,"From":{"Id":2}}}`,
		"other spelling of a harmless name": `{"type":"message","Text":"x"}`,
		"as deep as allowed":                `{"type":"message","value":` + nested(63) + `}`,
		"noncharacter":                      `{"type":"message","text":"\uffff"}`,
		"number without an end":             `{"type":"message","value":` + strings.Repeat("9", 100_000) + `e99999}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := decode(t, body)
			sameJSON(t, "round trip", []byte(encode(t, a)), []byte(body))
		})
	}
}

func TestNullMeansAbsent(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"message","id":null,"text":null,"speak":null,"from":null,"conversation":null,"value":null,
		"channelData":null,"timestamp":null,"relatesTo":null,"attachments":null,"entities":null,"membersAdded":null,
		"historyDisclosed":null,"semanticAction":null,"callerId":null,"suggestedActions":{"to":null,"actions":[{"value":null,"text":null,"channelData":null}]},
		"localTimezone":null,"expiration":null}`)
	if got := encode(t, a); got != `{"type":"message","suggestedActions":{"actions":[{}]}}` {
		t.Errorf("got %s", got)
	}
	if a.From != nil || a.Value != nil || a.Speak != nil || !a.Timestamp.IsZero() {
		t.Errorf("not absent: %+v", a)
	}
}

func TestCallerIDComesFromNoBody(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"message","callerId":"urn:botframework:azure"}`)
	if a.CallerID != "" || a.Extra != nil {
		t.Errorf("callerId %q, extra %s", a.CallerID, a.Extra)
	}
	a.CallerID = activity.CallerPublicAzure
	if got := encode(t, a.Clone()); got != `{"type":"message"}` {
		t.Errorf("encoded %s", got)
	}
	if a.Clone().CallerID != activity.CallerPublicAzure {
		t.Error("a clone forgets who called")
	}
}

func TestMalformedEntitiesAreIgnored(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"message","entities":[7,null,"x",[],{"type":"mention","text":"<at>B</at>"},{"type":5,"a":1},{"type":{}},{"b":2}]}`)
	if len(a.Entities) != 4 || a.Entities[0].Type != activity.EntityMention {
		t.Errorf("entities %+v", a.Entities)
	}
	sameJSON(t, "what is an object stays", []byte(encode(t, a)),
		[]byte(`{"type":"message","entities":[{"type":"mention","text":"<at>B</at>"},{"type":5,"a":1},{"type":{}},{"b":2}]}`))
}

func TestMalformedSemanticActionIsIgnored(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`7`, `"x"`, `[]`, `{"id":7}`, `{"state":[]}`, `{}`} {
		a := decode(t, `{"type":"message","semanticAction":`+body+`,"text":"x"}`)
		if a.SemanticAction != nil || a.Text != "x" {
			t.Errorf("%s: %+v", body, a.SemanticAction)
		}
	}
	a := decode(t, `{"type":"message","semanticAction":{"id":"pick","state":"start","entities":null,"more":1}}`)
	if s := a.SemanticAction; s == nil || s.ID != "pick" || s.State != activity.SemanticStart || s.Entities != nil {
		t.Errorf("got %+v", s)
	}
}

func TestCheckInboundNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for body, path := range map[string]string{
		`{"type":"message"}`:                                                                                                     "/channelId",
		`{"type":"message","channelId":"test"}`:                                                                                  "/from/id",
		`{"type":"message","channelId":"test","from":{"name":"U"}}`:                                                              "/from/id",
		`{"type":"message","channelId":"test","from":{"id":"u"}}`:                                                                "/conversation/id",
		`{"type":"message","channelId":"test","from":{"id":"u"},"conversation":{}}`:                                              "/conversation/id",
		`{"type":"message","channelId":"test","from":{"id":"u"},"conversation":{"id":"c"}}`:                                      "/serviceUrl",
		`{"type":"message","channelId":"test","from":{"id":"u"},"conversation":{"id":"c"},"serviceUrl":"https://c.example.net"}`: "",
	} {
		err := decode(t, body).CheckInbound()
		if path == "" {
			if err != nil {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		if refused, ok := errors.AsType[*activity.DecodeError](err); !ok || refused.Path != path {
			t.Errorf("%s: %v, want %s", body, err, path)
		}
	}
}

func TestDecodeReferenceIsStrict(t *testing.T) {
	t.Parallel()
	for body, path := range map[string]string{
		`{"channelId":"test"}`:                                                  "/conversation/id", // A7550
		`{"channelId":"test","conversation":{}}`:                                "/conversation/id",
		`{"conversation":{"id":"c"}}`:                                           "/channelId",
		`{"channelId":"test","conversation":{"id":"c","id":"d"}}`:               "/conversation/id",
		`{"channelId":"test","conversation":{"id":"c"},"ServiceUrl":"x"}`:       "/ServiceUrl",
		`{"channelId":"test","conversation":{"id":"c"},"bot":{"id":7}}`:         "/bot/id",
		`{"channelId":"test","conversation":{"id":"c"},"user":{"id":"\u0000"}}`: "/user/id",
		`{"channelId":"test","conversation":{"id":"c"},"activityId":"\udead"}`:  "/activityId",
		`{"channelId":"test","conversation":{"id":"c"}} {}`:                     "",
		`"x"`: "",
	} {
		_, err := activity.DecodeReference([]byte(body))
		if refused, ok := errors.AsType[*activity.DecodeError](err); !ok || refused.Path != path {
			t.Errorf("%s: %v, want %q", body, err, path)
		}
	}
}

func TestActivityOutlivesItsBody(t *testing.T) {
	t.Parallel()
	body := []byte(everything)
	a, err := activity.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	sameJSON(t, "after the body was overwritten", []byte(encode(t, a)), []byte(everything))
}
