package fakechannel_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

var midnight = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestLimitsTakeExactlyWhatTheirWindowsHaveRoomFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := []fakechannel.Limit{
			{Scope: fakechannel.ByConversation, Requests: rapid.IntRange(1, 4).Draw(t, "n"), Window: time.Second},
			{Scope: fakechannel.ByConversation, Requests: rapid.IntRange(1, 8).Draw(t, "m"), Window: 3 * time.Second},
		}
		w := fakechannel.NewWindows(list...)
		var taken []time.Time
		now := midnight
		for range 100 {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "gap")) * time.Millisecond)
			room := true
			for _, l := range list {
				n := 0
				for _, at := range taken {
					if now.Sub(at) < l.Window {
						n++
					}
				}
				room = room && n < l.Requests
			}
			retryAfter, refused := w.Send("c", "t", now)
			if refused == room {
				t.Fatalf("at %v, after %v: refused %v, room %v", now, taken, refused, room)
			}
			if !refused {
				taken = append(taken, now)
				continue
			}
			wait, err := strconv.Atoi(retryAfter)
			if err != nil || wait < 1 {
				t.Fatalf("Retry-After %q", retryAfter)
			}
			// Who comes back then is let in: nothing else was taken meanwhile.
			again := now.Add(time.Duration(wait) * time.Second)
			for _, l := range list {
				n := 0
				for _, at := range taken {
					if again.Sub(at) < l.Window {
						n++
					}
				}
				if n >= l.Requests {
					t.Fatalf("told to come back after %d s, when there is no room", wait)
				}
			}
		}
	})
}

func TestLimitsCountConversationsAndTenantsApart(t *testing.T) {
	t.Parallel()
	w := fakechannel.NewWindows(
		fakechannel.Limit{Scope: fakechannel.ByTenant, Requests: 2, Window: time.Second, Form: fakechannel.Date},
		fakechannel.Limit{Scope: fakechannel.ByConversation, Requests: 1, Window: time.Second, Form: fakechannel.Silent},
	)
	for i, send := range []struct {
		conversation, tenant string
		after                time.Duration
		refused              bool
		retryAfter           string
	}{
		{"a", "t", 0, false, ""},
		{"a", "t", time.Millisecond, true, ""},
		{"b", "t", 2 * time.Millisecond, false, ""},
		{"c", "t", 300 * time.Millisecond, true, midnight.Add(time.Second).Format(http.TimeFormat)},
		{"c", "u", 300 * time.Millisecond, false, ""},
		{"a", "t", time.Second, false, ""},
	} {
		retryAfter, refused := w.Send(send.conversation, send.tenant, midnight.Add(send.after))
		if refused != send.refused || retryAfter != send.retryAfter {
			t.Errorf("%d: refused %v, Retry-After %q", i, refused, retryAfter)
		}
	}
}
