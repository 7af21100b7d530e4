package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

const standUp = `{"name":"stand-up","rule":{"cron":"30 9 * * MON-FRI","zone":"Europe/Berlin"},` +
	`"notification":{"to":{"user":"ann"},"text":"Stand-up","expires_in":"15m","lane":"urgent","value":{"n":9007199254740993}}}`

func (f fixture) scheduled(t *testing.T, body string, header ...string) api.Schedule {
	t.Helper()
	w := f.call(t, "POST", "/v1/schedules", body, header...)
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return decode[api.Schedule](t, w)
}

func TestScheduleIsMadeAndShown(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/schedules", standUp)
	s := decode[api.Schedule](t, w)
	n := s.Notification
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/schedules/"+s.ID || s.Name != "stand-up" || s.State != "active" ||
		s.Rule.Cron != "30 9 * * MON-FRI" || s.Rule.Zone != "Europe/Berlin" || s.Missed != "fire_late" || s.Grace != "1m0s" ||
		n.To.User != "ann" || n.Text != "Stand-up" || n.ExpiresIn != "15m0s" || n.Lane != "urgent" || string(n.Value) != `{"n":9007199254740993}` ||
		s.Zones != 1 || s.Occurrences != 0 || s.PausedAt != nil || s.CreatedAt.IsZero() {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if s.Next == nil || s.Next.Zone != "Europe/Berlin" || !strings.Contains(s.Next.Local, "T09:30:00+0") || !s.Next.At.After(time.Now()) {
		t.Errorf("next is %+v", s.Next)
	}
	if shown := f.call(t, "GET", "/v1/schedules/"+s.ID, ""); shown.Body.String() != w.Body.String() {
		t.Errorf("shown as %s, was answered as %s", shown.Body, w.Body)
	}
	next := decode[api.SchedulePreview](t, f.call(t, "GET", "/v1/schedules/"+s.ID+"/next?n=3", ""))
	if len(next.Next) != 3 || next.Next[0] != *s.Next {
		t.Errorf("the next are %+v", next)
	}
	again := f.call(t, "GET", "/v1/schedules/"+s.ID+"/next?zone=Asia/Tokyo", "")
	if p := decode[api.Problem](t, again); again.Code != http.StatusUnprocessableEntity || p.Errors[0].Field != "query.zone" {
		t.Errorf("on another clock: %d %s", again.Code, again.Body)
	}
}

func TestScheduleIsMadeOncePerKey(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	first := f.scheduled(t, standUp, "Idempotency-Key", "k")
	w := f.call(t, "POST", "/v1/schedules", standUp, "Idempotency-Key", "k")
	if again := decode[api.Schedule](t, w); again.ID != first.ID || w.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s, replayed %q", again.ID, w.Header().Get("Idempotent-Replayed"))
	}
	w = f.call(t, "POST", "/v1/schedules", strings.Replace(standUp, "Stand-up", "Lunch", 1), "Idempotency-Key", "k")
	if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeKeyReused {
		t.Errorf("with other content: %d %s", w.Code, w.Body)
	}
}

func TestScheduleTellsAndKeepsItsHistory(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	s := f.scheduled(t, `{"rule":{"in":"1ms"},"notification":{"to":{"user":"ann"},"text":"tea"}}`)
	if got := f.said(t, 1); got[0] != "tea" {
		t.Errorf("said %q", got)
	}
	all := decode[api.Occurrences](t, f.call(t, "GET", "/v1/schedules/"+s.ID+"/occurrences", "")).Occurrences
	if len(all) != 1 || all[0].Number != 1 || all[0].State != "fired" || all[0].Zone != "UTC" || all[0].Notification == "" ||
		all[0].At.IsZero() || all[0].FiredAt.Before(all[0].At) || all[0].Local != all[0].At.Format(time.RFC3339) {
		t.Fatalf("occurrences are %+v", all)
	}
	if n := f.call(t, "GET", "/v1/notifications/"+all[0].Notification, ""); n.Code != http.StatusOK {
		t.Errorf("its notification: %d %s", n.Code, n.Body)
	}
	if over := decode[api.Schedule](t, f.call(t, "GET", "/v1/schedules/"+s.ID, "")); over.State != "ended" || over.Next != nil || over.Occurrences != 1 {
		t.Errorf("afterwards it is %+v", over)
	}
}

func TestSchedulesAreListed(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	var made []string
	for i := range 5 {
		made = append(made, f.scheduled(t, fmt.Sprintf(`{"name":"n%d","rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"},"text":"x"}}`, i)).ID)
	}
	f.call(t, "POST", "/v1/schedules/"+made[1]+"/pause", "")
	ids := func(query string) (list []string, next string) {
		page := decode[api.Schedules](t, f.call(t, "GET", "/v1/schedules?"+query, ""))
		for _, s := range page.Schedules {
			list = append(list, s.ID)
		}
		return list, page.NextCursor
	}
	first, next := ids("limit=3")
	rest, end := ids("limit=3&cursor=" + next)
	if got, want := fmt.Sprint(first, rest, end), fmt.Sprint([]string{made[4], made[3], made[2]}, []string{made[1], made[0]}, ""); got != want {
		t.Errorf("listed as %s, want %s", got, want)
	}
	if got, _ := ids("state=paused"); fmt.Sprint(got) != fmt.Sprint(made[1:2]) {
		t.Errorf("paused are %v", got)
	}
	if got, _ := ids("name=n3"); fmt.Sprint(got) != fmt.Sprint(made[3:4]) {
		t.Errorf("named are %v", got)
	}
}

func TestScheduleIsChangedPausedAndDeleted(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	path := "/v1/schedules/" + f.scheduled(t, standUp).ID
	paused := decode[api.Schedule](t, f.call(t, "POST", path+"/pause", ""))
	if paused.State != "paused" || paused.PausedAt == nil || paused.Next != nil {
		t.Errorf("paused: %+v", paused)
	}
	if resumed := decode[api.Schedule](t, f.call(t, "POST", path+"/resume", "")); resumed.State != "active" || resumed.PausedAt != nil || resumed.Next == nil {
		t.Errorf("resumed: %+v", resumed)
	}
	w := f.call(t, "PATCH", path, `{"name":"","rule":{"rrule":"FREQ=DAILY","start":"2026-01-01T10:00","zone":"Asia/Tokyo"},"missed":"skip","grace":"5m"}`)
	c := decode[api.Schedule](t, w)
	if w.Code != http.StatusOK || c.Name != "" || c.Rule.RRule != "FREQ=DAILY" || c.Rule.Cron != "" || c.Missed != "skip" || c.Grace != "5m0s" ||
		c.Notification.Text != "Stand-up" || !strings.HasSuffix(c.Next.Local, "T10:00:00+09:00") {
		t.Errorf("changed: %d %s", w.Code, w.Body)
	}
	w = f.call(t, "PATCH", path, `{"notification":{"to":{"everyone":true},"markdown":"*new*"}}`)
	if c := decode[api.Schedule](t, w); w.Code != http.StatusOK || !c.Notification.To.Everyone || c.Notification.Text != "" || c.Notification.ExpiresIn != "" {
		t.Errorf("with other words: %d %s", w.Code, w.Body)
	}
	w = f.call(t, "DELETE", path+"?cancel=true", "")
	if d := decode[api.ScheduleDeleted](t, w); w.Code != http.StatusOK || d.Cancelled == nil || len(d.Cancelled) != 0 {
		t.Errorf("deleted: %d %s", w.Code, w.Body)
	}
	for _, call := range []string{"GET ", "PATCH ", "DELETE ", "POST /pause", "POST /resume", "GET /next", "GET /occurrences"} {
		method, action, _ := strings.Cut(call, " ")
		body := ""
		if method == "PATCH" {
			body = "{}"
		}
		w := f.call(t, method, path+action, body)
		if p := decode[api.Problem](t, w); w.Code != http.StatusNotFound || p.Detail != "there is no such schedule" {
			t.Errorf("%s of one that is gone: %d %s", call, w.Code, w.Body)
		}
	}
}

func TestRuleIsPreviewed(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	w := f.call(t, "POST", "/v1/schedule-preview", `{"rule":{"cron":"30 2 29 3 *","zone":"Europe/Berlin","start":"2026-03-01T00:00","until":"2027-12-31T00:00"},"n":5}`)
	p := decode[api.SchedulePreview](t, w)
	if w.Code != http.StatusOK || len(p.Next) != 1 || p.Next[0].Local != "2027-03-29T02:30:00+02:00" || p.Rule.Cron != "30 2 29 3 *" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if all := decode[api.Schedules](t, f.call(t, "GET", "/v1/schedules", "")); len(all.Schedules) != 0 {
		t.Errorf("a preview was kept: %+v", all)
	}
}

func TestScheduleSaysWhichFieldIsWrong(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	for body, field := range map[string]string{
		`{"rule":{},"notification":{"to":{"user":"ann"},"text":"x"}}`:                                                        "body.rule.cron",
		`{"rule":{"cron":"* * * * * *"},"notification":{"to":{"user":"ann"},"text":"x"}}`:                                    "body.rule.cron",
		`{"rule":{"cron":"@daily","zone":"Mars"},"notification":{"to":{"user":"ann"},"text":"x"}}`:                           "body.rule.zone",
		`{"rule":{"cron":"@daily","except":["2026-12-24","x"]},"notification":{"to":{"user":"ann"},"text":"x"}}`:             "body.rule.except.1",
		`{"rule":{"rrule":"FREQ=DAILY;COUNT=1000000000"},"notification":{"to":{"user":"ann"},"text":"x"}}`:                   "body.rule.rrule",
		`{"rule":{"in":"0s"},"notification":{"to":{"user":"ann"},"text":"x"}}`:                                               "body.rule.in",
		`{"rule":{"at":"2001-01-01T00:00"},"notification":{"to":{"user":"ann"},"text":"x"}}`:                                 "body.rule",
		`{"rule":{"cron":"@daily"},"notification":{"to":{},"text":"x"}}`:                                                     "body.notification.to",
		`{"rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"}}}`:                                                    "body.notification.text",
		`{"rule":{"cron":"@daily"},"notification":{"to":{"reference":{}},"text":"x"}}`:                                       "body.notification.to.reference.conversation.id",
		`{"rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"},"text":"x","at":"2026-12-24T18:00:00Z"}}`:             "body.notification.at",
		`{"rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"},"activity":{"type":"message","attachments":"x"}}}`:    "body.notification.activity.attachments",
		`{"rule":{"cron":"@daily"},"grace":"48h","notification":{"to":{"user":"ann"},"text":"x"}}`:                           "body.grace",
		`{"rule":{"cron":"@daily"},"missed":"never","notification":{"to":{"user":"ann"},"text":"x"}}`:                        "body.missed",
		`{"rule":{"cron":"@daily"},"notification":{"to":{"user":"ann"},"text":"x","card":{"type":"Other","version":"1.5"}}}`: "",
	} {
		w := f.call(t, "POST", "/v1/schedules", body)
		p := decode[api.Problem](t, w)
		if w.Code != http.StatusUnprocessableEntity || len(p.Errors) == 0 || field != "" && p.Errors[0].Field != field {
			t.Errorf("%s\n%d %s, want %s", body, w.Code, w.Body, field)
		}
	}
}

func TestScheduleNeedsTheScopesOfItsTarget(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	body := func(to string) string {
		return `{"rule":{"cron":"@daily"},"notification":{"to":` + to + `,"text":"x"}}`
	}
	for _, tt := range []struct {
		scope access.Scope
		to    string
		want  int
	}{
		{access.Send, `{"user":"ann"}`, http.StatusCreated},
		{access.Send, `{"everyone":true}`, http.StatusForbidden},
		{access.Send, `{"tag":"team"}`, http.StatusForbidden},
		{access.Broadcast, `{"everyone":true}`, http.StatusCreated},
		{access.Broadcast, `{"reference":{}}`, http.StatusForbidden},
		{access.Manage, `{"user":"ann"}`, http.StatusForbidden},
	} {
		if w := g.as(t, g.scoped[tt.scope], "POST", "/v1/schedules", body(tt.to)); w.Code != tt.want {
			t.Errorf("%s to %s: %d %s", tt.scope, tt.to, w.Code, w.Body)
		}
	}
	made := decode[api.Schedule](t, g.as(t, g.scoped[access.Admin], "POST", "/v1/schedules", body(`{"user":"ann"}`)))
	path := "/v1/schedules/" + made.ID
	if w := g.as(t, g.scoped[access.Manage], "PATCH", path, `{"name":"new"}`); w.Code != http.StatusOK {
		t.Errorf("a manager's change: %d %s", w.Code, w.Body)
	}
	w := g.as(t, g.scoped[access.Manage], "PATCH", path, `{"notification":{"to":{"user":"ann"},"text":"y"}}`)
	if p := decode[api.Problem](t, w); w.Code != http.StatusForbidden || !strings.Contains(p.Detail, "send") {
		t.Errorf("a manager's words: %d %s", w.Code, w.Body)
	}
}
