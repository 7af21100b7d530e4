package activity_test

import (
	"errors"
	"testing"

	"github.com/headsup-bot/headsup/activity"
)

// FuzzDecode checks that no body panics, that a refusal says what was refused, and that what was accepted is written in a
// form that is accepted again and stays as it is.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Input))
	}
	f.Add([]byte(everything))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := activity.Decode(data)
		if err != nil {
			refused, ok := errors.AsType[*activity.DecodeError](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			if refused.Reason == "not JSON" && refused.Err == nil {
				t.Fatal("valid JSON that the scan could not follow")
			}
			return
		}
		first := encode(t, a)
		again, err := activity.Decode([]byte(first))
		if err != nil {
			t.Fatalf("%s was written and is refused: %v", first, err)
		}
		if second := encode(t, again); second != first {
			t.Fatalf("not stable:\n%s\n%s", first, second)
		}
		if cloned := encode(t, a.Clone()); cloned != first {
			t.Fatalf("clone differs:\n%s\n%s", first, cloned)
		}
		encode(t, a.Reference().Continuation())
		encode(t, a.Reply("ok"))
		a.TenantID()
		a.TextWithoutMention("b")
	})
}
