package activity_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// everything has every member that the package knows, and an unknown one in every object.
const everything = `{
	"type":"message","id":"1","channelId":"msteams","serviceUrl":"https://smba.example/emea/","u":1,
	"timestamp":"2024-07-01T08:00:00.1234567Z","localTimestamp":"2024-07-01T10:00:00.1234567+02:00","localTimezone":"Europe/Paris",
	"from":{"id":"29:u","name":"U","role":"user","aadObjectId":"a","agenticUserId":"b","agenticAppId":"c","tenantId":"t","u":2},
	"recipient":{"id":"28:b","u":{"v":[3]}},
	"conversation":{"id":"a:c","name":"C","isGroup":false,"conversationType":"personal","tenantId":"t","aadObjectId":"a","role":"user","u":4},
	"replyToId":"0","locale":"fr-FR","deliveryMode":"expectReplies",
	"text":"hi","textFormat":"xml","speak":"","inputHint":"ignoringInput","summary":"s","importance":"low","expiration":"2024-07-03T00:00:00Z",
	"attachments":[{"contentType":"image/png","contentUrl":"https://x.example/a.png","name":"n","thumbnailUrl":"https://x.example/t.png","u":5},
		{"contentType":"x/y","content":{"u":[6]}}],
	"attachmentLayout":"list","listenFor":["a","b"],
	"suggestedActions":{"to":["29:u"],"actions":[{"type":"imBack","title":"t","image":"i","imageAltText":"alt","text":"","displayText":"",
		"value":{"u":7},"channelData":[8],"u":9}],"u":10},
	"semanticAction":{"id":"x","state":"done","entities":{"e":{"type":"Place","u":11}},"u":12},
	"textHighlights":[{"text":"h","occurrence":0,"u":13}],
	"entities":[{"type":"mention","mentioned":{"id":"28:b","u":14},"text":"<at>B</at>","u":15}],
	"name":"n","label":"l","valueType":"v","value":{"big":9007199254740993,"small":1.10,"u":null},
	"channelData":{"tenant":{"id":"t","u":16},"u":12345678901234567890123},
	"relatesTo":{"activityId":"9","user":{"id":"u","u":17},"bot":{"id":"b","u":18},"conversation":{"id":"c","u":19},"channelId":"test",
		"serviceUrl":"https://x.example","locale":"de","deliveryMode":"normal","requestId":"r","u":20},
	"code":"userCancelled","action":"add-upgrade","membersAdded":[{"id":"x","u":21}],"membersRemoved":[{"id":"y","u":22}],"topicName":"topic",
	"historyDisclosed":false,"reactionsAdded":[{"type":"like","u":23}],"reactionsRemoved":[{"type":"+1","u":24}],
	"unknownObject":{"deep":[{"u":[{"n":18446744073709551616}]}]},"unknownNull":null
}`

func TestEverythingSurvivesAChange(t *testing.T) {
	t.Parallel()
	a := decode(t, everything)
	sameJSON(t, "unchanged", []byte(encode(t, a)), []byte(everything))

	a.Text = "changed"
	a.From.Name = "Changed"
	a.Attachments[0].Name = "changed.png"
	got := encode(t, decode(t, encode(t, a)))
	want := strings.NewReplacer(`"text":"hi"`, `"text":"changed"`, `"name":"U"`, `"name":"Changed"`, `"name":"n","thumb`, `"name":"changed.png","thumb`).Replace(everything)
	sameJSON(t, "changed", []byte(got), []byte(want))
}

func TestEverythingCoversEveryField(t *testing.T) {
	t.Parallel()
	a := decode(t, everything)
	v := reflect.ValueOf(*a)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if name != "CallerID" && v.Field(i).IsZero() {
			t.Errorf("%s is not exercised", name)
		}
	}
}

func TestNumbersKeepEveryDigit(t *testing.T) {
	t.Parallel()
	got := encode(t, decode(t, `{"type":"event","value":{"jobId":9007199254740993},"channelData":-9223372036854775809,"x":1e400,"y":0.10000000000000000000001}`))
	for _, digits := range []string{`{"jobId":9007199254740993}`, `-9223372036854775809`, `1e400`, `0.10000000000000000000001`} {
		if !strings.Contains(got, digits) {
			t.Errorf("%s lost in %s", digits, got)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	a := decode(t, everything)
	before := encode(t, a)
	c := a.Clone()
	if !reflect.DeepEqual(a, c) {
		t.Fatal("the clone differs")
	}
	scribble(reflect.ValueOf(c).Elem())
	if after := encode(t, a); after != before {
		t.Errorf("changing the clone changed the original\nfrom %s\n  to %s", before, after)
	}
	if (*activity.Activity)(nil).Clone() != nil || (*activity.ChannelAccount)(nil).Clone() != nil || (*activity.ConversationAccount)(nil).Clone() != nil {
		t.Error("a clone of nothing is something")
	}
}

func TestReferenceSharesNothing(t *testing.T) {
	t.Parallel()
	a := decode(t, everything)
	before := encode(t, a)

	ref := a.Reference()
	clone := ref.Clone()
	m := activity.Message("hello")
	ref.Outgoing(m)
	event := ref.Continuation()
	for _, v := range []any{&clone, m, event, &ref} {
		scribble(reflect.ValueOf(v).Elem())
	}
	if after := encode(t, a); after != before {
		t.Errorf("a reference shares memory with its activity\nfrom %s\n  to %s", before, after)
	}

	ref = a.Reference()
	event = ref.Continuation()
	scribble(reflect.ValueOf(event).Elem())
	if !reflect.DeepEqual(ref, a.Reference()) {
		t.Error("a continuation shares memory with its reference")
	}
}

// scribble changes every byte and string that can be reached from v.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scribble(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.String:
		v.SetString("scribbled")
	case reflect.Uint8:
		v.SetUint('#')
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int64:
		v.SetInt(v.Int() + 1)
	}
}

func TestDatesKeepOffsetAndDigits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Time
	}{
		{"2024-07-01T08:00:00Z", time.Date(2024, 7, 1, 8, 0, 0, 0, time.UTC)},
		{"2024-07-01T08:00:00.000Z", time.Date(2024, 7, 1, 8, 0, 0, 0, time.UTC)},
		{"2024-07-01T08:00:00.1234567Z", time.Date(2024, 7, 1, 8, 0, 0, 123456700, time.UTC)},
		{"2024-05-01T09:00:00.123-07:00", time.Date(2024, 5, 1, 16, 0, 0, 123000000, time.UTC)},
		{"2024-05-01T09:00:00+00:00", time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC)},
		{"2024-05-01T09:00:00.5", time.Date(2024, 5, 1, 9, 0, 0, 500000000, time.UTC)},
		{"yesterday", time.Time{}},
	}
	for _, test := range tests {
		body := `{"type":"message","timestamp":"` + test.text + `","localTimestamp":"` + test.text + `","expiration":"` + test.text + `"}`
		a := decode(t, body)
		if got := encode(t, a); got != body {
			t.Errorf("%s became %s", body, got)
		}
		if got := a.LocalTimestamp.Time(); !got.Equal(test.want) || got.IsZero() != test.want.IsZero() {
			t.Errorf("%s is %s, want %s", test.text, got, test.want)
		}
	}
	if _, offset := decode(t, `{"type":"message","localTimestamp":"2024-05-01T09:00:00-07:00"}`).LocalTimestamp.Time().Zone(); offset != -7*3600 {
		t.Errorf("offset %d s", offset)
	}
}

func TestDatesAreMadeAsChannelsWantThem(t *testing.T) {
	t.Parallel()
	moment := time.Date(2024, 5, 1, 9, 0, 0, 123456789, time.FixedZone("", -7*3600))
	a := activity.Message("x")
	a.Timestamp = activity.TimeOf(moment)
	a.LocalTimestamp = activity.LocalTimeOf(moment)
	a.Expiration = activity.TimeOf(time.Time{})
	want := `{"type":"message","timestamp":"2024-05-01T16:00:00.1234567Z","localTimestamp":"2024-05-01T09:00:00.1234567-07:00","text":"x"}`
	if got := encode(t, a); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := a.Timestamp.String(); got != "2024-05-01T16:00:00.1234567Z" {
		t.Errorf("got %s", got)
	}
}

func TestEventCarriesItsValue(t *testing.T) {
	t.Parallel()
	a, err := activity.Event("jobCompleted", map[string]int64{"id": math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, a); got != `{"type":"event","name":"jobCompleted","value":{"id":9223372036854775807}}` {
		t.Errorf("got %s", got)
	}
	a, err = activity.Event("ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, a); got != `{"type":"event","name":"ping"}` {
		t.Errorf("got %s", got)
	}
	if _, err := activity.Event("bad", func() {}); err == nil {
		t.Error("a function became a value")
	}
}

func TestOutgoingOverwritesOnlyTheAddress(t *testing.T) {
	t.Parallel()
	ref := decode(t, everything).Reference()

	m := decode(t, `{"type":"message","id":"mine","locale":"en-GB","from":{"id":"x"},"recipient":{"id":"y"},"replyToId":"old","text":"hi","z":1}`)
	ref.Outgoing(m)
	if m.From.ID != "28:b" || m.Recipient.ID != "29:u" || m.ReplyToID != "1" || m.ChannelID != "msteams" || m.Conversation.ID != "a:c" {
		t.Errorf("address %s", encode(t, m))
	}
	if m.Locale != "en-GB" || m.ID != "mine" || m.Text != "hi" || string(m.Extra) != `{"z":1}` {
		t.Errorf("content %s", encode(t, m))
	}

	ref.ActivityID = ""
	m = activity.Message("hi")
	ref.Outgoing(m)
	if m.ReplyToID != "" || m.Locale != "fr-FR" {
		t.Errorf("proactive %s", encode(t, m))
	}

	targeted := decode(t, `{"type":"message","recipient":{"id":"29:other"},"entities":[{"type":"activityTreatment","treatment":"targeted"}]}`)
	ref.Outgoing(targeted)
	if targeted.Recipient.ID != "29:other" {
		t.Errorf("a targeted activity goes to %s", targeted.Recipient.ID)
	}
}

func TestIncomingComesFromTheUser(t *testing.T) {
	t.Parallel()
	ref := decode(t, everything).Reference()
	m := activity.Message("hi")
	ref.Incoming(m)
	if m.From.ID != "29:u" || m.Recipient.ID != "28:b" || m.ID != "1" || m.ReplyToID != "" {
		t.Errorf("got %s", encode(t, m))
	}
}

func TestReplyReferencePointsAtWhatWasSent(t *testing.T) {
	t.Parallel()
	a := decode(t, everything)
	ref := a.ReplyReference(activity.ResourceResponse{ID: "1700"})
	want := a.Reference()
	want.ActivityID = "1700"
	if !reflect.DeepEqual(ref, want) {
		t.Errorf("got %+v", ref)
	}
}

func TestReferenceKeepsIDsThatCanBeRepliedTo(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]activity.ID{
		`{"type":"conversationUpdate","channelId":"directline","id":"7"}`: "",
		`{"type":"conversationUpdate","channelId":"webchat","id":"7"}`:    "",
		`{"type":"conversationUpdate","channelId":"DirectLine","id":"7"}`: "7",
		`{"type":"conversationUpdate","channelId":"msteams","id":"7"}`:    "7",
		`{"type":"message","channelId":"directline","id":"7"}`:            "7",
	} {
		if got := decode(t, body).Reference().ActivityID; got != want {
			t.Errorf("%s gives %q, want %q", body, got, want)
		}
	}
}

func TestTenantIDPrefersTheConversation(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]activity.TenantID{
		`{"type":"message","conversation":{"tenantId":"a"},"channelData":{"tenant":{"id":"b"}}}`: "a",
		`{"type":"message","conversation":{"id":"c"},"channelData":{"tenant":{"id":"b"}}}`:       "b",
		`{"type":"message","channelData":{"tenant":{"id":7}}}`:                                   "",
		`{"type":"message","channelData":{"tenant":"b"}}`:                                        "",
		`{"type":"message","channelData":"b"}`:                                                   "",
		`{"type":"message"}`:                                                                     "",
	} {
		if got := decode(t, body).TenantID(); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestHasContent(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"type":"message"}`:                             false,
		`{"type":"message","text":""}`:                   false,
		`{"type":"message","speak":"hi","value":1}`:      false,
		`{"type":"message","channelData":null}`:          false,
		`{"type":"message","text":"x"}`:                  true,
		`{"type":"message","summary":"x"}`:               true,
		`{"type":"message","attachments":[{"name":""}]}`: true,
		`{"type":"message","channelData":{}}`:            true,
	} {
		if got := decode(t, body).HasContent(); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{}`: false,
		`{"isGroup":true,"conversationType":"personal"}`:   true,
		`{"isGroup":false,"conversationType":"groupChat"}`: false,
		`{"conversationType":"groupChat"}`:                 true,
		`{"conversationType":"channel"}`:                   true,
		`{"conversationType":"personal"}`:                  false,
	} {
		var c activity.ConversationAccount
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		if got := c.Group(); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	if (*activity.ConversationAccount)(nil).Group() {
		t.Error("no conversation is a group")
	}
}

func TestTypedEntitiesKeepWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"message","entities":[
		{"type":"mention","mentioned":{"id":"28:b","x":1},"text":"<at>B</at>","itemid":0},
		{"type":"clientInfo","locale":"fr-FR","country":"FR","platform":"Web","timezone":"Europe/Paris","y":2},
		{"type":"streaminfo","streamId":"s","streamSequence":3,"streamType":"final","streamResult":"success","z":3}]}`)
	mention, ok := a.Entities[0].Mention()
	if !ok || mention.Mentioned.ID != "28:b" || mention.Text != "<at>B</at>" {
		t.Errorf("mention %+v", mention)
	}
	client, ok := a.Entities[1].ClientInfo()
	if !ok || client.Timezone != "Europe/Paris" || client.Country != "FR" {
		t.Errorf("client info %+v", client)
	}
	stream, ok := a.StreamInfo()
	if !ok || stream.StreamID != "s" || stream.StreamSequence != 3 || stream.StreamType != activity.StreamFinal || stream.StreamResult != activity.StreamSuccess {
		t.Errorf("stream info %+v", stream)
	}
	if _, ok := a.Entities[0].StreamInfo(); ok {
		t.Error("a mention is stream information")
	}

	before := encode(t, a)
	for i, convert := range []func() (activity.Entity, error){mention.Entity, client.Entity, stream.Entity} {
		e, err := convert()
		if err != nil {
			t.Fatal(err)
		}
		a.Entities[i] = e
	}
	sameJSON(t, "entities, read and made again", []byte(encode(t, a)), []byte(before))
}

func TestStreamInfoTwiceIsNone(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"typing","entities":[{"type":"streaminfo","streamSequence":1},{"type":"streaminfo","streamSequence":2}]}`)
	if s, ok := a.StreamInfo(); ok { // A9246
		t.Errorf("got %+v", s)
	}
	if _, ok := decode(t, `{"type":"typing","entities":[{"type":"streaminfo","streamSequence":"1"}]}`).StreamInfo(); ok {
		t.Error("a malformed one was read")
	}
	if _, ok := decode(t, `{"type":"typing"}`).StreamInfo(); ok {
		t.Error("none was read")
	}
}

func TestNewEntityRefusesWhatIsNoEntity(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"a list":      []int{1},
		"a type":      map[string]string{"type": "x"},
		"no JSON":     func() {},
		"broken JSON": jsontext.Value(`{"a":`),
	} {
		if _, err := activity.NewEntity("x", v); err == nil {
			t.Errorf("%s became an entity", name)
		}
	}
}

func TestMentionsAreTakenOutOfTheText(t *testing.T) {
	t.Parallel()
	a := decode(t, `{"type":"message","text":"<at>Bot</at> hi <at>Ann</at>","entities":[
		{"type":"mention","mentioned":{"id":"28:b"},"text":"<at>Bot</at>"},{"type":"mention","mentioned":{"id":"29:a"},"text":"<at>Ann</at>"},
		{"type":"mention","mentioned":{"id":"28:b"}}]}`)
	if got := a.TextWithoutMention("28:b"); got != "hi <at>Ann</at>" {
		t.Errorf("got %q", got)
	}
	if a.Text != "<at>Bot</at> hi <at>Ann</at>" {
		t.Error("the activity changed")
	}
}

func TestTranscriptIsReadInBothForms(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`[{"type":"message","text":"1","x":1},{"type":"message","text":"2"}]`,
		`{"activities":[{"type":"message","text":"1","x":1},{"type":"message","text":"2"}],"y":2}`,
	} {
		var tr activity.Transcript
		if err := json.Unmarshal([]byte(body), &tr); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if len(tr.Activities) != 2 || tr.Activities[1].Text != "2" || string(tr.Activities[0].Extra) != `{"x":1}` {
			t.Errorf("%s: %+v", body, tr)
		}
	}
	var tr activity.Transcript
	if err := json.Unmarshal([]byte(`"x"`), &tr); err == nil {
		t.Error("a string is a transcript")
	}
}

func TestSmallBodiesKeepUnknownMembers(t *testing.T) {
	t.Parallel()
	for body, v := range map[string]any{
		`{"isGroup":false,"bot":{"id":"b","x":1},"members":[{"id":"u","x":2}],"topicName":"t","tenantId":"t","activity":{"type":"message","x":3},"channelData":{"x":4},"x":5}`: new(activity.ConversationParameters),
		`{"id":"c","activityId":"1","serviceUrl":"https://x.example","x":1}`:                                                                                                   new(activity.ConversationResource),
		`{"id":"1","x":1}`: new(activity.ResourceResponse),
		`{"activities":[{"type":"message","x":1}],"body":{"x":2},"x":3}`:                                                       new(activity.ExpectedReplies),
		`{"status":200,"body":{"x":2}}`:                                                                                        new(activity.InvokeResponse),
		`{"members":[{"id":"u","email":"u@x.example"}],"continuationToken":"n","x":3}`:                                         new(activity.PagedMembers),
		`{"conversations":[{"id":"c","members":[{"id":"u","x":1}],"x":2}],"continuationToken":"n","x":3}`:                      new(activity.ConversationsResult),
		`{"type":"image/png","name":"a.png","originalBase64":"AQID","thumbnailBase64":"BA==","x":1}`:                           new(activity.AttachmentData),
		`{"name":"a.png","type":"image/png","views":[{"viewId":"original","size":9007199254740993,"x":1}],"x":2}`:              new(activity.AttachmentInfo),
		`{"error":{"code":"BadArgument","message":"no","innerHttpError":{"statusCode":502,"body":{"x":1},"x":2},"x":3},"x":4}`: new(activity.ErrorResponse),
	} {
		if err := json.Unmarshal([]byte(body), v); err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		sameJSON(t, reflect.TypeOf(v).String(), data, []byte(body))
	}
}

func TestAttachmentValidate(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{
		`{"contentType":"image/png","contentUrl":"https://x.example/a.png"}`:  true,
		`{"contentType":"x/y","content":{}}`:                                  true,
		`{"contentType":"x/y"}`:                                               true,
		`{"contentType":"x/y","content":{},"contentUrl":"https://x.example"}`: false, // A7100
		`{"contentType":"x/y","content":"text"}`:                              false, // A7110
	} {
		var a activity.Attachment
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestCardActionValidate(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{
		`{"type":"call","value":"tel:+15551230000"}`:     true,
		`{"type":"call","value":"+15551230000"}`:         false, // A7441
		`{"type":"call","value":{"tel":"x"}}`:            false,
		`{"type":"openUrl","value":"https://x.example"}`: true,
		`{"type":"openUrl","value":"data:text/html,x"}`:  false, // A7380
		`{"type":"signin","value":"DATA:text/html,x"}`:   false, // A7410
		`{"type":"postBack","value":"x"}`:                true,
		`{"type":"postBack","value":{"x":1}}`:            false, // A7370
		`{"type":"messageBack","value":{"x":1}}`:         true,
		`{"type":"somethingNew","value":[1]}`:            true,
	} {
		var c activity.CardAction
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestEncodeRefusesWhatWouldBeMalformed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*activity.Activity){
		"member twice":       func(a *activity.Activity) { a.Extra = jsontext.Value(`{"type":"event"}`) },
		"value is no JSON":   func(a *activity.Activity) { a.Value = jsontext.Value(`{`) },
		"two values":         func(a *activity.Activity) { a.ChannelData = jsontext.Value(`1 2`) },
		"text is no UTF-8":   func(a *activity.Activity) { a.Text = "\xff" },
		"extra is no object": func(a *activity.Activity) { a.Extra = jsontext.Value(`[]`) },
	} {
		a := activity.Message("x")
		spoil(a)
		if data, err := activity.Encode(a); err == nil {
			t.Errorf("%s: %s", name, data)
		}
	}
}
