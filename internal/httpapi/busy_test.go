package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
)

// becomes polls until a notification is in a state.
func (f fixture) becomes(t *testing.T, id, state string) api.Notification {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		n := decode[api.Notification](t, f.call(t, "GET", "/v1/notifications/"+id, ""))
		if n.State == state {
			return n
		}
		if time.Now().After(end) {
			t.Fatalf("it is %s, want %s: %+v", n.State, state, n.Deliveries)
		}
	}
}

func TestBusyHoldsWhatMayWait(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for range 2 { // it may be repeated
		w := f.call(t, "PUT", "/v1/conversations/c/busy", `{"reason":"booking","priority":3,"expires_in":"10m"}`)
		c := decode[api.Conversation](t, w)
		if w.Code != http.StatusOK || len(c.Busy) != 1 || c.Busy[0].By != "flag" || c.Busy[0].Reason != "booking" || c.Busy[0].Priority != 3 ||
			c.Busy[0].Until == nil || time.Until(*c.Busy[0].Until).Round(time.Minute) != 10*time.Minute {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	n := decode[api.Notification](t, f.call(t, "POST", "/v1/notifications",
		`{"to":{"conversation":"c"},"text":"cheaper","policy":"wait","max_wait":"30m","then":"drop","priority":2,"quiet":"1s"}`))
	if want := (api.Manners{Policy: "wait", MaxWait: "30m0s", Then: "drop", Priority: 2, Quiet: "1s"}); n.Manners != want {
		t.Errorf("accepted as %+v, want %+v", n.Manners, want)
	}
	held := f.becomes(t, n.ID, "held")
	if d := held.Deliveries[0]; d.Reason != "busy" || d.DueAt == nil || d.History[1].Detail != "booking" {
		t.Errorf("held as %+v", d)
	}
	if p := decode[api.Deliveries](t, f.call(t, "GET", "/v1/deliveries?state=held", "")); len(p.Deliveries) != 1 || p.Deliveries[0].Notification != n.ID {
		t.Errorf("listed %+v", p.Deliveries)
	}
	other := decode[api.Notification](t, f.call(t, "POST", "/v1/notifications", `{"to":{"conversation":"c"},"text":"x","policy":"wait"}`))
	f.becomes(t, other.ID, "held")
	if w := f.call(t, "POST", "/v1/notifications/"+other.ID+"/cancel", ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	f.becomes(t, other.ID, "cancelled")

	w := f.call(t, "DELETE", "/v1/conversations/c/busy", "")
	if c := decode[api.Conversation](t, w); w.Code != http.StatusOK || len(c.Busy) != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.becomes(t, n.ID, "delivered")
	if w := f.call(t, "DELETE", "/v1/conversations/c/busy", ""); w.Code != http.StatusOK {
		t.Errorf("the second time: %d %s", w.Code, w.Body)
	}
}

func TestBusyThatCannotBe(t *testing.T) {
	t.Parallel()
	put := func(body, field string) wrong {
		return wrong{method: "PUT", path: "/v1/conversations/c/busy", body: body, status: 422, code: api.CodeInvalidField, field: field}
	}
	say := func(members, field string) wrong {
		return wrong{method: "POST", path: "/v1/notifications", body: `{"to":{"conversation":"c"},"text":"x",` + members + `}`, status: 422, code: api.CodeInvalidField, field: field}
	}
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"nobody":           {method: "PUT", path: "/v1/conversations/x/busy", body: `{}`, status: 404, code: api.CodeNotFound},
		"nobody to clear":  {method: "DELETE", path: "/v1/conversations/x/busy", status: 404, code: api.CodeNotFound},
		"for ever":         put(`{"expires_in":"25h"}`, "body.expires_in"),
		"for no time":      put(`{"expires_in":"0s"}`, "body.expires_in"),
		"until yesterday":  put(`{"expires_at":"2001-01-01T00:00:00Z"}`, "body.expires_at"),
		"twice":            put(`{"expires_in":"1m","expires_at":"2001-01-01T00:00:00Z"}`, "body.expires_at"),
		"very pressing":    put(`{"priority":101}`, "body.priority"),
		"another policy":   say(`"policy":"shout"`, "body.policy"),
		"adhoc waits":      say(`"max_wait":"1m"`, "body.max_wait"),
		"waits for months": say(`"policy":"wait","max_wait":"1000h"`, "body.max_wait"),
		"no duration":      say(`"policy":"wait","max_wait":"soon"`, "body.max_wait"),
		"without a bot":    say(`"policy":"interrupt"`, "body.policy"),
		"a reply to none":  say(`"expects":"reply"`, "body.expects"),
		"scheduled": {
			method: "POST", path: "/v1/schedules", body: `{"rule":{"in":"1h"},"notification":{"to":{"conversation":"c"},"text":"x","policy":"drop","then":"adhoc"}}`,
			status: 422, code: api.CodeInvalidField, field: "body.notification.then",
		},
	}, func(fixture) {})
}

func TestScheduleKeepsItsPolicy(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/schedules", `{"rule":{"in":"1h"},"notification":{"to":{"conversation":"c"},"text":"x","policy":"wait","max_wait":"5m"}}`)
	s := decode[api.Schedule](t, w)
	s = decode[api.Schedule](t, f.call(t, "GET", "/v1/schedules/"+s.ID, ""))
	if want := (api.Manners{Policy: "wait", MaxWait: "5m0s"}); s.Notification.Manners != want {
		t.Errorf("kept as %+v: %s", s.Notification.Manners, w.Body)
	}
}
