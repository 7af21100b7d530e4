package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// recorded answers with the body of the request's method and URL, and keeps what it was asked.
func recorded(t *testing.T, answers map[string]string) (*client.Client, *[]string) {
	t.Helper()
	asked := new([]string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := r.Method + " " + r.URL.String()
		*asked = append(*asked, call+" "+string(body))
		if (r.Method == http.MethodPost) != (r.Header.Get("Idempotency-Key") != "") {
			t.Errorf("%s has the key %q", call, r.Header.Get("Idempotency-Key"))
		}
		answer, known := answers[call]
		if !known {
			says(404, problem, `{"code":"not_found"}`)(w, r)
			return
		}
		says(200, "application/json", answer)(w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestJobsAreStartedShownAndCompleted(t *testing.T) {
	t.Parallel()
	c, asked := recorded(t, map[string]string{
		"POST /v1/jobs":            `{"number":7,"state":"running"}`,
		"GET /v1/jobs/7":           `{"number":7,"state":"running"}`,
		"POST /v1/jobs/7/complete": `{"number":7,"state":"completed"}`,
	})
	j, err := c.StartJob(t.Context(), api.JobRequest{To: api.JobTarget{User: "u"}, Name: "build"})
	if err != nil || j.Number != 7 {
		t.Fatalf("started %+v, %v", j, err)
	}
	if j, err = c.Job(t.Context(), 7); err != nil || j.State != "running" {
		t.Errorf("got %+v, %v", j, err)
	}
	if j, err = c.CompleteJob(t.Context(), 7, api.JobCompletion{Text: "done"}); err != nil || j.State != "completed" {
		t.Errorf("completed %+v, %v", j, err)
	}
	want := []string{
		`POST /v1/jobs {"to":{"user":"u"},"name":"build"}`, "GET /v1/jobs/7 ", `POST /v1/jobs/7/complete {"text":"done"}`,
	}
	if !slices.Equal(*asked, want) {
		t.Errorf("asked %q, want %q", *asked, want)
	}
	_, err = c.Job(t.Context(), 8)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Problem.Code != api.CodeNotFound {
		t.Errorf("an unknown job is %v", err)
	}
}

func TestJobsGoesOverThePagesAsFarAsItIsAsked(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"GET /v1/jobs?limit=200":              `{"jobs":[{"number":1},{"number":2}],"next_cursor":"a&b"}`,
		"GET /v1/jobs?cursor=a%26b&limit=200": `{"jobs":[{"number":3}]}`,
	}
	numbers := func(c *client.Client, most int) (got []int64, err error) {
		for j, err := range c.Jobs(t.Context()) {
			if err != nil {
				return got, err
			}
			if got = append(got, j.Number); len(got) == most {
				break
			}
		}
		return got, nil
	}
	c, asked := recorded(t, answers)
	if got, err := numbers(c, 0); err != nil || !slices.Equal(got, []int64{1, 2, 3}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := numbers(c, 2); err != nil || len(got) != 2 || len(*asked) != 3 {
		t.Errorf("%v, %v after asking %q", got, err, *asked)
	}
	delete(answers, "GET /v1/jobs?cursor=a%26b&limit=200")
	if got, err := numbers(c, 0); err == nil || len(got) != 2 {
		t.Errorf("%v, %v: want what the first page had, and the second one's error", got, err)
	}
}

func TestAnotherServersAnswersAreErrors(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t, map[string]string{"GET /v1/jobs/7": `{"ok":true}`, "GET /v1/jobs?limit=1": `{}`, "POST /v1/jobs": `[]`})
	if _, err := c.Job(t.Context(), 7); err == nil {
		t.Error("a job without a number is accepted")
	}
	if _, err := c.JobsPage(t.Context(), "", 1); err == nil {
		t.Error("a page without jobs is accepted")
	}
	if _, err := c.StartJob(t.Context(), api.JobRequest{}); err == nil {
		t.Error("a list is accepted as a job")
	}
}
