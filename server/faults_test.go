package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// fault sets faults; the body is what is inside of the list.
func (p page) fault(list string) {
	p.Helper()
	p.do("PUT", "/playground/api/faults", `{"faults":[`+list+`]}`, 200, nil)
}

func TestFaultsHappenToOurBot(t *testing.T) {
	t.Parallel()
	p := page{t, running(t, server.Config{})}
	for _, tt := range []struct {
		fault, state, reason string
		status, times        int
	}{
		{`{"on":["send"],"kind":"status","status":429,"retry_after_s":1,"remaining":1}`, "delivered", "throttled", 429, 1},
		{`{"on":["send","create"],"kind":"status","status":503,"remaining":1}`, "delivered", "service_error", 503, 1},
		{`{"on":["send"],"kind":"outage","remaining":1}`, "delivered", "unreachable", 0, 1},
		{`{"on":["send"],"kind":"lost_answer","remaining":1}`, "delivered", "no_answer", 0, 1},
		{`{"on":["send"],"kind":"lost_answer","status":504,"remaining":1}`, "delivered", "service_error", 504, 1},
		{`{"on":["send"],"kind":"slow","delay_ms":50,"remaining":1}`, "delivered", "", 0, 1},
		{`{"on":["update"],"kind":"outage"}`, "delivered", "", 0, 1},
		{`{"on":["send"],"kind":"status","status":403,"code":"BotDisabledByAdmin"}`, "failed", "bot_disabled", 403, 0},
		{`{"on":["send"],"kind":"status","status":403,"code":"MessageWritesBlocked"}`, "failed", "blocked", 403, 0},
	} {
		p.do("DELETE", "/playground/api/faults", "", 200, nil)
		ann := p.enter("dl_ann", "")
		eventually(t, func() string { return "welcome" }, func() bool { return len(ann.history()) > 0 })
		p.fault(tt.fault)
		var n api.Notification
		p.do("POST", "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":%q},"text":"news","on_unknown":"hold"}`, ann.conversation), 202, &n)
		eventually(t, func() string { return tt.fault + ": " + n.State }, func() bool {
			p.do("GET", "/v1/notifications/"+n.ID, "", 200, &n)
			return n.State == tt.state
		})
		found := tt.reason == ""
		for _, change := range n.Deliveries[0].History {
			found = found || change.Reason == tt.reason && change.Status == tt.status
		}
		if !found {
			t.Errorf("%s: the history is %+v", tt.fault, n.Deliveries[0].History)
		}
		times := 0
		for _, a := range ann.history() {
			if a.Text == "news" {
				times++
			}
		}
		if times != tt.times {
			t.Errorf("%s: it was said %d times, want %d", tt.fault, times, tt.times)
		}
	}
}

func TestFaultsHappenToBotsElsewhere(t *testing.T) {
	t.Parallel()
	p, _ := playing(t)
	ann, ben := p.enter("dl_ann", ""), p.enter("dl_ben", "")
	send := func(c seat) (*http.Response, string) {
		return request(t, "POST", p.url+"/v3/conversations/"+c.conversation+"/activities", `{"type":"message","text":"x"}`)
	}
	p.fault(fmt.Sprintf(`{"id":"f","on":["send","members"],"conversation":%q,"kind":"status","status":429,"retry_after_s":7,"message":"slow down","remaining":2}`, ann.conversation))
	resp, body := send(ann)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || body != `{"error":{"code":"Throttled","message":"slow down"}}` {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	if resp, _ := send(ben); resp.StatusCode != 200 {
		t.Errorf("another conversation: %s", resp.Status)
	}
	var list struct{ Faults []map[string]jsontext.Value }
	p.do("GET", "/playground/api/faults", "", 200, &list)
	if len(list.Faults) != 1 || string(list.Faults[0]["remaining"]) != "1" || string(list.Faults[0]["id"]) != `"f"` {
		t.Errorf("faults %v", list)
	}
	if resp, _ := request(t, "GET", p.url+"/v3/conversations/"+ann.conversation+"/members", ""); resp.StatusCode != 429 {
		t.Errorf("members: %s", resp.Status)
	}
	if resp, _ := send(ann); resp.StatusCode != 200 {
		t.Errorf("after it has happened twice: %s", resp.Status)
	}
	p.fault(`{"on":["send"],"kind":"status","status":403,"code":"MessageWritesBlocked"}`)
	if resp, body := send(ann); resp.StatusCode != 403 || !strings.Contains(body, `"errorCode":209`) || !strings.Contains(body, `\"subCode\":\"MessageWritesBlocked\"`) {
		t.Errorf("blocked: %s %s", resp.Status, body)
	}
	before := len(ann.history())
	for _, kind := range []string{"outage", "lost_answer"} {
		p.fault(fmt.Sprintf(`{"on":["send"],"kind":%q}`, kind))
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/v3/conversations/"+ann.conversation+"/activities", strings.NewReader(`{"type":"message","text":"lost"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Errorf("%s: the bot has an answer: %s", kind, resp.Status)
		}
	}
	if got := len(ann.history()); got != before+1 {
		t.Errorf("%d were kept, want that whose answer was lost", got-before)
	}
}
