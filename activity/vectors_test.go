package activity_test

import (
	"regexp"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

func TestVectorsSurviveRoundTrip(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			want := v.Input
			if v.Name == "message-callerid-forged" {
				want = without(t, v.Input, "callerId") // A2251
			}
			a := decode(t, string(v.Input))
			sameJSON(t, "decoded and encoded", []byte(encode(t, a)), want)
			sameJSON(t, "cloned", []byte(encode(t, a.Clone())), want)
			if err := a.CheckInbound(); err != nil {
				t.Errorf("a channel may send it: %v", err)
			}
		})
	}
}

func TestVectorsGiveReference(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			ref := decode(t, string(v.Input)).Reference()
			data, err := activity.EncodeReference(ref)
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "reference", data, v.Reference)

			again, err := activity.DecodeReference(data)
			if err != nil {
				t.Fatal(err)
			}
			data, err = activity.EncodeReference(again.Clone())
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "reference, read back and cloned", data, v.Reference)
		})
	}
}

func TestVectorsGiveContinuation(t *testing.T) {
	t.Parallel()
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			ref, err := activity.DecodeReference(v.Reference)
			if err != nil {
				t.Fatal(err)
			}
			a := ref.Continuation()
			want := v.Continuation
			if id, _ := activity.Member(want, "id"); string(id) == `"$uuid"` {
				if !uuid.MatchString(string(a.ID)) {
					t.Errorf("id %q is no fresh UUID", a.ID)
				}
				a.ID, want = "", without(t, want, "id")
			}
			sameJSON(t, "continuation", []byte(encode(t, a)), want)
		})
	}
}

func TestVectorsGiveReply(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			reply := decode(t, string(v.Input)).Reply("ok")
			sameJSON(t, "reply", []byte(encode(t, reply)), v.Reply)
		})
	}
}

func without(tb testing.TB, object jsontext.Value, name string) jsontext.Value {
	tb.Helper()
	var members map[string]jsontext.Value
	if err := json.Unmarshal(object, &members); err != nil {
		tb.Fatal(err)
	}
	delete(members, name)
	out, err := json.Marshal(members)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
