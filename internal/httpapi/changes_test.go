package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

// eventually asks again until what is answered is as it should be.
func eventually[T any](t *testing.T, f fixture, path string, ok func(T) bool) T {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		w := f.call(t, "GET", path, "")
		v := decode[T](t, w)
		if w.Code == http.StatusOK && ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays %d %s", path, w.Code, w.Body)
		}
	}
}

// say creates a notification.
func (f fixture) say(t *testing.T, body string) api.Notification {
	t.Helper()
	w := f.call(t, "POST", "/v1/notifications", body)
	if w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.Notification](t, w)
}

// settled waits for the outcome of a notification.
func (f fixture) settled(t *testing.T, id, state string) api.Notification {
	t.Helper()
	return eventually(t, f, "/v1/notifications/"+id, func(n api.Notification) bool { return n.State == state })
}

func TestBatchIsAcceptedItemByItem(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	const done = `{"to":{"user":"ann"},"text":"done","idempotency_key":"k"}`
	items := []struct{ body, state, code, field string }{
		{done, "ready", "", ""},
		{done, "", "", ""}, // again
		{`{"to":{"user":"ann"},"text":"later","in":"1h"}`, "scheduled", "", ""},
		{`{"to":{"user":"ann"},"text":"other","idempotency_key":"k"}`, "", api.CodeKeyReused, ".idempotency_key"},
		{`{"to":{"user":"nobody"},"text":"x"}`, "", api.CodeNoTarget, ".to"},
		{`{"to":{"user":"ann"}}`, "", api.CodeInvalidField, ".text"},
		{`{"to":{"user":"ann"},"text":"x","colour":"red"}`, "", api.CodeInvalidField, ".colour"},
		{`{"to":{"user":"ann"},"text":7}`, "", api.CodeInvalidField, ".text"},
		{`{"to":{"user":"ann"},"text":"x","lane":"fast"}`, "", api.CodeInvalidField, ".lane"},
		{`{"to":{"user":"ann"},"activity":{"text":7}}`, "", api.CodeInvalidField, ".activity.text"},
		{`{"to":{"user":"ann"},"text":"x","idempotency_key":"` + strings.Repeat("k", 256) + `"}`, "", api.CodeInvalidField, ".idempotency_key"},
		{`"x"`, "", api.CodeInvalidField, ""},
		{`null`, "", api.CodeInvalidField, ""},
	}
	var bodies []string
	for _, i := range items {
		bodies = append(bodies, i.body)
	}
	w := f.call(t, "POST", "/v1/notifications/batch", `{"notifications":[`+strings.Join(bodies, ",")+`]}`)
	r := decode[api.BatchResult](t, w)
	if w.Code != http.StatusMultiStatus || r.Accepted != 3 || r.Refused != len(items)-3 || len(r.Results) != len(items) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for i, got := range r.Results {
		want := items[i]
		if want.code == "" {
			if got.Problem != nil || got.ID == "" || want.state != "" && got.State != want.state {
				t.Errorf("item %d: %+v", i, got)
			}
			continue
		}
		field := fmt.Sprintf("body.notifications[%d]%s", i, want.field)
		if got.ID != "" || got.Problem == nil || got.Problem.Code != want.code || len(got.Problem.Errors) == 0 || got.Problem.Errors[0].Field != field {
			t.Errorf("item %d (%s): %+v, want %s of %s", i, want.body, got.Problem, want.code, field)
		}
	}
	if again := r.Results[1]; again.ID != r.Results[0].ID || !again.Replayed {
		t.Errorf("repeated as %+v", again)
	}
	f.settled(t, r.Results[0].ID, "delivered")

	w = f.call(t, "POST", "/v1/notifications/batch", `{"notifications":[`+done+`]}`)
	if r := decode[api.BatchResult](t, w); w.Code != http.StatusAccepted || r.Results[0].State != "delivered" || !r.Results[0].Replayed {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNotificationsAreListed(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "test", "other", func(*book.Sighting) {})
	var ids []string
	for i := range 6 {
		to, topic := `{"user":"ann"}`, "even"
		if i%2 == 1 {
			to, topic = `{"conversation":"other"}`, "odd"
		}
		ids = append(ids, f.say(t, fmt.Sprintf(`{"to":%s,"text":"%d","topic":"%s","in":"1h"}`, to, i, topic)).ID)
	}
	now := f.say(t, `{"to":{"user":"ann"},"text":"now"}`).ID
	f.settled(t, now, "delivered")
	slices.Reverse(ids)
	odd, even := []string{ids[0], ids[2], ids[4]}, []string{ids[1], ids[3], ids[5]}
	hour := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	for query, want := range map[string][]string{
		"":                                    append([]string{now}, ids...),
		"topic=odd":                           odd,
		"conversation=other":                  odd,
		"conversation=c&topic=even":           even,
		"state=scheduled":                     ids,
		"state=delivered":                     {now},
		"state=failed":                        nil,
		"conversation=none":                   nil,
		"created_after=" + hour:               nil,
		"created_before=" + hour:              append([]string{now}, ids...),
		"created_before=2020-01-01T00:00:00Z": nil,
	} {
		var got []string
		for cursor := ""; ; {
			p := decode[api.Notifications](t, f.call(t, "GET", "/v1/notifications?limit=2&cursor="+cursor+"&"+query, ""))
			for _, n := range p.Notifications {
				got = append(got, n.ID)
			}
			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	p := decode[api.Notifications](t, f.call(t, "GET", "/v1/notifications?limit=1", ""))
	if n := p.Notifications[0]; n.To.User != "ann" || n.State != "delivered" || n.Counts["delivered"] != 1 || len(n.Counts) != 1 ||
		!strings.Contains(string(n.Activity), "now") || n.Lane != "normal" || n.CreatedAt.IsZero() {
		t.Errorf("listed as %+v", n)
	}
}

func TestNotificationIsMovedEditedAndRecalled(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	path := "/v1/notifications/" + f.say(t, `{"to":{"user":"ann"},"text":"one","in":"1h"}`).ID
	w := f.call(t, "POST", path+"/reschedule", `{"in":"2h"}`)
	n := decode[api.Notification](t, w)
	if due := n.Deliveries[0].DueAt; w.Code != http.StatusOK || n.State != "scheduled" || due == nil || time.Until(*due) < 119*time.Minute {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w = f.call(t, "POST", path+"/edit", `{"text":"two"}`)
	if n = decode[api.Notification](t, w); w.Code != http.StatusOK || n.EditedAt == nil || len(n.Deliveries) != 1 ||
		!strings.Contains(string(n.Activity), `"two"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.call(t, "POST", path+"/reschedule", `{"at":"2020-01-01T00:00:00Z"}`) // now
	f.settled(t, n.ID, "delivered")
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{"two"}) {
		t.Errorf("said %q", got)
	}
	if n = decode[api.Notification](t, f.call(t, "POST", path+"/edit", `{"activity":{"text":"three"}}`)); len(n.Deliveries) != 2 {
		t.Fatalf("%+v", n)
	}
	n = f.settled(t, n.ID, "delivered")
	send, update := n.Deliveries[0], n.Deliveries[1]
	if update.Verb != "update" || update.Revises != send.ID || update.ActivityID != send.ActivityID || update.Notification != n.ID ||
		send.Verb != "send" || send.Revises != "" || update.CreatedAt.Before(send.CreatedAt) {
		t.Errorf("shown as %+v", n.Deliveries)
	}
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{"three"}) {
		t.Errorf("says %q", got)
	}
	for range 2 {
		w = f.call(t, "POST", path+"/recall", "")
		if n = decode[api.Notification](t, w); w.Code != http.StatusOK || n.RecalledAt == nil || len(n.Deliveries) != 3 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	n = f.settled(t, n.ID, "recalled")
	if n.Deliveries[2].Verb != "delete" || len(f.channel.Texts("c")) != 0 {
		t.Errorf("%+v; says %q", n.Deliveries[2], f.channel.Texts("c"))
	}
	w = f.call(t, "POST", path+"/edit", `{"text":"four"}`)
	if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeRecalled {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// refusing makes an API whose channel refuses everything, or loses every answer.
func refusing(t *testing.T, failure headsup.SendError) fixture {
	t.Helper()
	f := newAPI(t)
	f.channel.Fail = func(_ context.Context, out headsup.Outgoing) error {
		if strings.HasPrefix(out.Activity.Text, "again") {
			return nil
		}
		return &failure
	}
	return f
}

func TestDeliveriesAreListedReplayedAndSettled(t *testing.T) {
	t.Parallel()
	f := refusing(t, headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"})
	f.sees(t, "test", "other", func(*book.Sighting) {})
	var ids []string
	for range 3 {
		n := f.say(t, `{"to":{"user":"ann"},"text":"x","on_unknown":"hold"}`)
		ids = append(ids, f.settled(t, n.ID, "unknown").Deliveries[0].ID)
	}
	scheduled := f.say(t, `{"to":{"conversation":"other"},"text":"x","in":"1h"}`)
	ids = append(ids, scheduled.Deliveries[0].ID)
	list := func(query string) (got []string) {
		t.Helper()
		for cursor := ""; ; {
			p := decode[api.Deliveries](t, f.call(t, "GET", "/v1/deliveries?limit=2&cursor="+cursor+"&"+query, ""))
			for _, d := range p.Deliveries {
				got = append(got, d.ID)
			}
			if cursor = p.NextCursor; cursor == "" {
				return got
			}
		}
	}
	unknown := []string{ids[2], ids[1], ids[0]}
	for query, want := range map[string][]string{
		"":                                   {ids[3], ids[2], ids[1], ids[0]},
		"state=unknown":                      unknown,
		"reason=no_answer":                   unknown,
		"conversation=c":                     unknown,
		"conversation=other":                 {ids[3]},
		"notification=" + scheduled.ID:       {ids[3]},
		"notification=ntf_x":                 nil,
		"conversation=c&state=scheduled":     nil,
		"state=unknown&reason=other":         nil,
		"conversation=nowhere&state=sending": nil,
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	one := "/v1/deliveries/" + ids[0]
	d := decode[api.Delivery](t, f.call(t, "GET", one, ""))
	if d.ID != ids[0] || d.State != "unknown" || d.Verb != "send" || d.Conversation != "c" || d.Attempts != 1 || d.UpdatedAt.Before(d.CreatedAt) {
		t.Errorf("shown as %+v", d)
	}
	w := f.call(t, "POST", one+"/settle", `{"state":"delivered"}`)
	if d = decode[api.Delivery](t, w); w.Code != http.StatusOK || d.State != "delivered" || d.Reason != "settled" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, call := range [][2]string{{"/settle", `{"state":"failed"}`}, {"/replay", ""}} {
		w = f.call(t, "POST", one+call[0], call[1])
		if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeWrongState {
			t.Errorf("%s: %d %s", call[0], w.Code, w.Body)
		}
	}
	w = f.call(t, "POST", "/v1/deliveries/"+ids[1]+"/replay", "")
	if d = decode[api.Delivery](t, w); w.Code != http.StatusOK || len(d.History) != 3 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	d = eventually(t, f, "/v1/deliveries/"+ids[1], func(d api.Delivery) bool { return d.State == "unknown" })
	if d.Attempts != 2 {
		t.Errorf("%d attempts", d.Attempts)
	}
	w = f.call(t, "POST", "/v1/deliveries/replay", `{"state":"unknown","conversation":"c","limit":1}`)
	if r := decode[api.ReplayResult](t, w); w.Code != http.StatusOK || r.Replayed != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	eventually(t, f, "/v1/deliveries/"+ids[1], func(d api.Delivery) bool { return d.State == "unknown" && d.Attempts == 3 })
	w = f.call(t, "POST", "/v1/deliveries/replay", `{"state":"failed"}`)
	if r := decode[api.ReplayResult](t, w); w.Code != http.StatusOK || r.Replayed != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestJobTellsItsProgress(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`)
	var told string
	for _, percent := range []int{10, 50} {
		w := f.call(t, "POST", "/v1/jobs/1/progress", fmt.Sprintf(`{"text":"%d %%","percent":%d}`, percent, percent))
		j := decode[api.Job](t, w)
		if p := j.Progress; w.Code != http.StatusOK || p == nil || *p.Percent != percent || p.Text != fmt.Sprintf("%d %%", percent) || p.At.IsZero() {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		told = j.Progress.Notification
		f.settled(t, told, "delivered")
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{j.Progress.Text}) {
			t.Errorf("says %q", got)
		}
	}
	f.call(t, "POST", "/v1/jobs/1/complete", `{"text":"done"}`)
	j := decode[api.Job](t, f.call(t, "GET", "/v1/jobs/1", ""))
	if j.Progress == nil || j.Progress.Notification != told || j.State != "completed" {
		t.Errorf("%+v", j)
	}
	f.settled(t, j.Notification, "delivered")
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{"50 %", "done"}) {
		t.Errorf("says %q", got)
	}
	w := f.call(t, "POST", "/v1/jobs/1/progress", `{"text":"x"}`)
	if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeJobCompleted {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWrongChangesAreRefused(t *testing.T) {
	t.Parallel()
	const ntf, dlv = "/v1/notifications/ntf_0000000000001", "/v1/deliveries/dlv_0000000000001"
	invalid := func(method, path, body, field string) wrong {
		return wrong{method, path, body, nil, 422, api.CodeInvalidField, field}
	}
	missing := func(method, path, body string) wrong {
		return wrong{method, path, body, nil, 404, api.CodeNotFound, ""}
	}
	f := newAPI(t)
	own := "/v1/notifications/" + f.say(t, `{"to":{"user":"ann"},"text":"x","in":"1h","expires_at":"`+
		time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)+`"}`).ID
	for name, c := range map[string]wrong{
		"both times":       invalid("POST", own+"/reschedule", `{"at":"2999-01-01T00:00:00Z","in":"1h"}`, "body.at"),
		"no time":          invalid("POST", own+"/reschedule", `{}`, "body.at"),
		"too far":          invalid("POST", own+"/reschedule", `{"at":"2999-01-01T00:00:00Z"}`, "body.at"),
		"after its expiry": invalid("POST", own+"/reschedule", `{"in":"3h"}`, "body.in"),
		"no duration":      invalid("POST", own+"/reschedule", `{"in":"soon"}`, "body.in"),
		"no content":       invalid("POST", own+"/edit", `{}`, "body.text"),
		"two contents":     invalid("POST", own+"/edit", `{"text":"x","activity":{"text":"y"}}`, "body.activity"),
		"bad activity":     invalid("POST", own+"/edit", `{"activity":{"text":1}}`, "body.activity.text"),
	} {
		w := f.call(t, c.method, c.path, c.body)
		if p := decode[api.Problem](t, w); w.Code != c.status || p.Code != c.code || len(p.Errors) == 0 || p.Errors[0].Field != c.field {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"batch of none":           invalid("POST", "/v1/notifications/batch", `{"notifications":[]}`, "body.notifications"),
		"batch of nothing":        invalid("POST", "/v1/notifications/batch", `{}`, "body.notifications"),
		"batch of too many":       invalid("POST", "/v1/notifications/batch", `{"notifications":[`+strings.Repeat("{},", 1000)+`{}]}`, "body.notifications"),
		"reschedule of nothing":   missing("POST", ntf+"/reschedule", `{"in":"1h"}`),
		"edit of nothing":         missing("POST", ntf+"/edit", `{"text":"x"}`),
		"recall of nothing":       missing("POST", ntf+"/recall", ""),
		"recall of no id":         missing("POST", "/v1/notifications/x/recall", ""),
		"delivery of nothing":     missing("GET", dlv, ""),
		"delivery of no id":       missing("GET", "/v1/deliveries/x", ""),
		"replay of nothing":       missing("POST", dlv+"/replay", ""),
		"settle of nothing":       missing("POST", dlv+"/settle", `{"state":"failed"}`),
		"settle as something":     invalid("POST", dlv+"/settle", `{"state":"ready"}`, "body.state"),
		"replay of what is fine":  invalid("POST", "/v1/deliveries/replay", `{"state":"delivered"}`, "body.state"),
		"replay of too many":      invalid("POST", "/v1/deliveries/replay", `{"limit":10001}`, "body.limit"),
		"replay by something":     invalid("POST", "/v1/deliveries/replay", `{"topic":"x"}`, "body.topic"),
		"list of a state":         invalid("GET", "/v1/notifications?state=done", "", "query.state"),
		"list of a time":          invalid("GET", "/v1/notifications?created_after=yesterday", "", "query.created_after"),
		"list of too many":        invalid("GET", "/v1/notifications?limit=201", "", "query.limit"),
		"list with a page":        invalid("GET", "/v1/deliveries?page=2", "", "query.page"),
		"list with a cursor":      invalid("GET", "/v1/deliveries?cursor=x", "", "query.cursor"),
		"list of a reason":        invalid("GET", "/v1/deliveries?reason="+strings.Repeat("x", 65), "", "query.reason"),
		"progress of nothing":     missing("POST", "/v1/jobs/7/progress", `{"text":"x"}`),
		"progress beyond the end": invalid("POST", "/v1/jobs/7/progress", `{"text":"x","percent":101}`, "body.percent"),
	}, func(fixture) {})
}

// TestBatchRefusesAKeyForAll: it would be mistaken for a promise that a repeat says nothing twice.
func TestBatchRefusesAKeyForAll(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/notifications/batch", `{"notifications":[{"to":{"user":"ann"},"text":"hi"}]}`, "Idempotency-Key", "k")
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "header.Idempotency-Key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRescheduleAfterNoTimeIsNow: 0s is a duration like others.
func TestRescheduleAfterNoTimeIsNow(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"hi","in":"1h"}`)
	id := decode[api.Notification](t, w).ID
	w = f.call(t, "POST", "/v1/notifications/"+id+"/reschedule", `{"in":"0s"}`)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.settled(t, id, "delivered")
}
