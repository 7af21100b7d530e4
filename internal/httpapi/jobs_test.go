package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
)

// said waits until the bot has said n things in conversation c, and returns them.
func (f fixture) said(t *testing.T, n int) []string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	f.channel.Await(ctx, func(sent []headsup.Outgoing) bool { return len(sent) >= n })
	got := f.channel.Texts("c")
	if len(got) < n {
		t.Fatalf("said %q, want %d", got, n)
	}
	return got
}

func TestJobIsStartedShownAndCompleted(t *testing.T) {
	t.Parallel()
	bodies := map[string]struct{ body, said string }{
		"with a text":      {`{"text":"built"}`, "built"},
		"with an activity": {`{"activity":{"text":"*built*","textFormat":"markdown"}}`, "*built*"},
		"silently":         {`{}`, ""},
		"without a body":   {``, ""},
	}
	for name, c := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAPI(t)
			w := f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"},"name":"build","value":{"n":9007199254740993}}`)
			j := decode[api.Job](t, w)
			if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/jobs/1" || j.Number != 1 || j.State != "running" ||
				j.Name != "build" || string(j.Value) != `{"n":9007199254740993}` || j.Conversation != "c" || j.Channel != "test" ||
				j.StartedAt.IsZero() || j.CompletedAt != nil || j.Notification != "" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			w = f.call(t, "POST", "/v1/jobs/1/complete", c.body)
			done := decode[api.Job](t, w)
			if w.Code != http.StatusOK || done.State != "completed" || done.CompletedAt == nil || (done.Notification != "") != (c.said != "") {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if shown := f.call(t, "GET", "/v1/jobs/1", ""); shown.Body.String() != w.Body.String() {
				t.Errorf("shown as %s, was answered as %s", shown.Body, w.Body)
			}
			if c.said == "" {
				return
			}
			if got := f.said(t, 1); got[0] != c.said {
				t.Errorf("said %q, want %q", got, c.said)
			}
			if n := f.call(t, "GET", "/v1/notifications/"+done.Notification, ""); n.Code != http.StatusOK {
				t.Errorf("its notification: %d %s", n.Code, n.Body)
			}
		})
	}
}

func TestJobIsCompletedOnce(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.call(t, "POST", "/v1/jobs", `{"to":{"conversation":"c"}}`)
	first := f.call(t, "POST", "/v1/jobs/1/complete", `{"text":"done"}`, "Idempotency-Key", "k")
	again := f.call(t, "POST", "/v1/jobs/1/complete", `{"text":"done"}`, "Idempotency-Key", "k")
	if first.Code != http.StatusOK || again.Code != http.StatusOK || first.Body.String() != again.Body.String() {
		t.Errorf("first %d %s\nagain %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	for _, key := range []string{"", "other"} {
		w := f.call(t, "POST", "/v1/jobs/1/complete", `{"text":"done again"}`, "Idempotency-Key", key)
		if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeJobCompleted {
			t.Errorf("key %q: %d %+v", key, w.Code, p)
		}
	}
	f.call(t, "POST", "/v1/notifications", `{"to":{"conversation":"c"},"text":"last"}`) // said after what came before
	if got := f.said(t, 2); got[0] != "done" || got[1] != "last" {
		t.Errorf("said %q, want the end once", got)
	}
}

func TestSameKeyStartsOneJob(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	start := func(body string) (int, string) {
		w := f.call(t, "POST", "/v1/jobs", body, "Idempotency-Key", "k")
		return w.Code, w.Body.String()
	}
	code, first := start(`{"to":{"user":"ann"},"name":"build","value":{"a":1,"b":2}}`)
	if again, body := start(`{"to":{"user":"ann"},"name":"build","value":{"b":2, "a":1}}`); code != 201 || again != 201 || body != first {
		t.Errorf("first %d %s\nagain %d %s", code, first, again, body)
	}
	for _, other := range []string{
		`{"to":{"user":"ann"},"name":"test","value":{"a":1,"b":2}}`,
		`{"to":{"user":"ann"},"name":"build","value":{"a":1,"b":3}}`,
		`{"to":{"user":"ann"},"name":"build"}`,
	} {
		w := f.call(t, "POST", "/v1/jobs", other, "Idempotency-Key", "k")
		if p := decode[api.Problem](t, w); w.Code != http.StatusConflict || p.Code != api.CodeKeyReused {
			t.Errorf("%s: %d %+v", other, w.Code, p)
		}
	}
	if jobs := decode[api.Jobs](t, f.call(t, "GET", "/v1/jobs", "")).Jobs; len(jobs) != 1 {
		t.Errorf("jobs %+v, want one", jobs)
	}
}

func TestJobsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	if w := f.call(t, "GET", "/v1/jobs", ""); strings.TrimSpace(w.Body.String()) != `{"jobs":[]}` {
		t.Errorf("no jobs are shown as %s", w.Body)
	}
	for range 5 {
		f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`)
	}
	var pages []string
	for cursor := ""; ; {
		p := decode[api.Jobs](t, f.call(t, "GET", "/v1/jobs?limit=2&cursor="+cursor, ""))
		var numbers []int64
		for _, j := range p.Jobs {
			numbers = append(numbers, j.Number)
		}
		pages = append(pages, fmt.Sprint(numbers))
		if cursor = p.NextCursor; cursor == "" || len(pages) > 5 {
			break
		}
	}
	if got := strings.Join(pages, " "); got != "[5 4] [3 2] [1]" {
		t.Errorf("pages %s", got)
	}
	if p := decode[api.Jobs](t, f.call(t, "GET", "/v1/jobs?limit=5", "")); len(p.Jobs) != 5 || p.NextCursor != "" {
		t.Errorf("%d jobs and cursor %q on the only page", len(p.Jobs), p.NextCursor)
	}
}

func TestWrongJobRequests(t *testing.T) {
	t.Parallel()
	const create, complete = "/v1/jobs", "/v1/jobs/1/complete"
	key := func(k string) []string { return []string{"Idempotency-Key", k} }
	checkProblems(t, func(f fixture) { f.call(t, "POST", create, `{"to":{"user":"ann"}}`) }, map[string]wrong{
		"no body":                 {"POST", create, ``, nil, 400, api.CodeBadRequest, ""},
		"no target":               {"POST", create, `{}`, nil, 422, api.CodeInvalidField, "body.to"},
		"empty target":            {"POST", create, `{"to":{}}`, nil, 422, api.CodeInvalidField, "body.to"},
		"two targets":             {"POST", create, `{"to":{"user":"ann","conversation":"c"}}`, nil, 422, api.CodeInvalidField, "body.to"},
		"everyone":                {"POST", create, `{"to":{"everyone":true}}`, nil, 422, api.CodeInvalidField, "body.to.everyone"},
		"unknown person":          {"POST", create, `{"to":{"user":"eve"}}`, nil, 422, api.CodeNoTarget, "body.to"},
		"unknown member":          {"POST", create, `{"to":{"user":"ann"},"text":"x"}`, nil, 422, api.CodeInvalidField, "body.text"},
		"control in the name":     {"POST", create, `{"to":{"user":"ann"},"name":"a\nb"}`, nil, 422, api.CodeInvalidField, "body.name"},
		"long name":               {"POST", create, `{"to":{"user":"ann"},"name":"` + strings.Repeat("ä", 200) + `"}`, nil, 422, api.CodeInvalidField, "body.name"},
		"NUL in the value":        {"POST", create, `{"to":{"user":"ann"},"value":"\u0000"}`, nil, 422, api.CodeInvalidField, "body.value"},
		"large value":             {"POST", create, `{"to":{"user":"ann"},"value":"` + strings.Repeat("x", 300<<10) + `"}`, nil, 422, api.CodeInvalidField, "body.value"},
		"large body":              {"POST", create, `{"to":{"user":"ann"},"value":"` + strings.Repeat("x", 600<<10) + `"}`, nil, 413, api.CodeTooLarge, ""},
		"long key":                {"POST", create, `{"to":{"user":"ann"}}`, key(strings.Repeat("k", 256)), 422, api.CodeInvalidField, "header.Idempotency-Key"},
		"key of bytes":            {"POST", create, `{"to":{"user":"ann"}}`, key("\xff"), 422, api.CodeInvalidField, "header.Idempotency-Key"},
		"a form":                  {"POST", create, `to=ann`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, api.CodeUnsupported, ""},
		"no such job":             {"GET", "/v1/jobs/2", ``, nil, 404, api.CodeNotFound, ""},
		"no number":               {"GET", "/v1/jobs/x", ``, nil, 422, api.CodeInvalidField, "path.number"},
		"number zero":             {"GET", "/v1/jobs/0", ``, nil, 422, api.CodeInvalidField, "path.number"},
		"huge number":             {"GET", "/v1/jobs/9223372036854775808", ``, nil, 422, api.CodeInvalidField, "path.number"},
		"limit of zero":           {"GET", "/v1/jobs?limit=0", ``, nil, 422, api.CodeInvalidField, "query.limit"},
		"limit too high":          {"GET", "/v1/jobs?limit=501", ``, nil, 422, api.CodeInvalidField, "query.limit"},
		"garbage cursor":          {"GET", "/v1/jobs?cursor=garbage", ``, nil, 422, api.CodeInvalidField, "query.cursor"},
		"unknown parameter":       {"GET", "/v1/jobs?after=1", ``, nil, 422, api.CodeInvalidField, "query.after"},
		"complete no job":         {"POST", "/v1/jobs/2/complete", `{}`, nil, 404, api.CodeNotFound, ""},
		"complete no number":      {"POST", "/v1/jobs/x/complete", `{}`, nil, 422, api.CodeInvalidField, "path.number"},
		"text and activity":       {"POST", complete, `{"text":"x","activity":{"text":"y"}}`, nil, 422, api.CodeInvalidField, "body.activity"},
		"unknown completion":      {"POST", complete, `{"txt":"x"}`, nil, 422, api.CodeInvalidField, "body.txt"},
		"completion not JSON":     {"POST", complete, `hello`, nil, 400, api.CodeBadRequest, "body"},
		"NUL in the text":         {"POST", complete, `{"text":"a\u0000"}`, nil, 422, api.CodeInvalidField, "body.text"},
		"bad activity":            {"POST", complete, `{"activity":{"text":7}}`, nil, 422, api.CodeInvalidField, "body.activity.text"},
		"completion by a form":    {"POST", complete, ``, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, api.CodeUnsupported, ""},
		"long key of completion":  {"POST", complete, `{}`, key(strings.Repeat("k", 256)), 422, api.CodeInvalidField, "header.Idempotency-Key"},
		"completing by PUT":       {"PUT", complete, `{}`, nil, 405, api.CodeMethodNotAllowed, ""},
		"deleting what is listed": {"DELETE", create, ``, nil, 405, api.CodeMethodNotAllowed, ""},
	}, func(f fixture) {
		jobs := decode[api.Jobs](t, f.call(t, "GET", "/v1/jobs", "")).Jobs
		if len(jobs) != 1 || jobs[0].State != "running" {
			t.Errorf("a refused request changed the jobs: %+v", jobs)
		}
	})
}
