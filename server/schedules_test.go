package server_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// TestKillsTellSchedulesOnce kills the server again and again while schedules are due every second. Every second has one
// occurrence, and every occurrence one notification.
func TestKillsTellSchedulesOnce(t *testing.T) {
	t.Setenv("HEADSUP_SCHEDULE_MIN_INTERVAL", "1s")
	const kills, schedules = 8, 3
	l := newLedger(t)
	p := build(t)
	p.start()
	status, answer := p.post("/api/messages", fmt.Sprintf(`{"type":"message","id":"1","channelId":"test","serviceUrl":%q,`+
		`"from":{"id":"u"},"recipient":{"id":"bot"},"conversation":{"id":"c"},"text":"hi"}`, l.URL))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, answer)
	}
	var ids []string
	for i := range schedules {
		status, answer := p.post("/v1/schedules", fmt.Sprintf(
			`{"rule":{"cron":"* * * * * *"},"notification":{"to":{"conversation":"c"},"text":"tick","topic":"s%d"}}`, i))
		var s api.Schedule
		if err := json.Unmarshal(answer, &s); err != nil || status != http.StatusCreated {
			t.Fatalf("status %d: %s", status, answer)
		}
		ids = append(ids, s.ID)
	}
	for n := range kills {
		time.Sleep(time.Duration(700+110*n) * time.Millisecond) // at another moment of the second each time
		p.kill()
		p.start()
	}
	// What was missed is told once the server is there again.
	for i, id := range ids {
		if status, answer := p.post("/v1/schedules/"+id+"/pause", ""); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, answer)
		}
		var told api.Occurrences
		p.get(t, "/v1/schedules/"+id+"/occurrences?limit=500", &told)
		seen := make(map[string]bool)
		for k, o := range told.Occurrences {
			if o.State != "fired" || o.Notification == "" || seen[o.Notification] {
				t.Errorf("occurrence %+v: want a notification of its own", o)
			}
			seen[o.Notification] = true
			if k > 0 && told.Occurrences[k-1].At.Sub(o.At) != time.Second {
				t.Errorf("%v follows %v", told.Occurrences[k-1].At, o.At)
			}
		}
		if len(seen) < kills/2 {
			t.Errorf("there were only %d occurrences", len(seen))
		}
		var all api.Notifications
		p.get(t, fmt.Sprintf("/v1/notifications?topic=s%d&limit=200", i), &all)
		if len(all.Notifications) != len(seen) {
			t.Errorf("%d notifications of %d occurrences", len(all.Notifications), len(seen))
		}
	}
}

// get reads an answer.
func (p *program) get(t *testing.T, path string, out any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.listen+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(raw, out) != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", resp.StatusCode, raw, err)
	}
}
