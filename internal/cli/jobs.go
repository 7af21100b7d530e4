package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type jobCommands struct {
	Start    startJob     `cmd:"" help:"Start a job: long work whose end is told in a conversation."`
	List     listJobs     `cmd:"" help:"List the jobs."`
	Get      getJob       `cmd:"" help:"Show a job."`
	Progress tellProgress `cmd:"" help:"Tell how far a job has come."`
	Complete completeJob  `cmd:"" help:"Complete a job, and tell its end."`
}

type startJob struct {
	User         string `required:"" xor:"to" placeholder:"ID" help:"Tell its end to a person, by channel user id."`
	Conversation string `required:"" xor:"to" placeholder:"ID" help:"Tell its end in a conversation, by its id on the channel."`
	Name         string `placeholder:"TEXT" help:"What kind of work it is."`
	Value        string `placeholder:"JSON" help:"Your own data, any JSON; it is kept with the job."`
	Key          string `placeholder:"TEXT" help:"Idempotency key: the same call with the same key starts one job, however often it is made."`
	remote
}

// Help shows examples.
func (startJob) Help() string {
	return `Examples:

    headsup jobs start --user dl_ann --name build
    job=$(headsup jobs start --user dl_ann --name build --key "$BUILD_ID")
    headsup jobs start --user dl_ann --value '{"commit": "f00d"}' --json

Prints the job's number, by which the other commands know it.`
}

// Run starts the job.
func (c *startJob) Run(ctx context.Context, s streams) error {
	if c.User == "" && c.Conversation == "" {
		return usageError{errors.New("--user, --conversation: must not be empty")}
	}
	r := api.JobRequest{To: api.JobTarget{User: c.User, Conversation: c.Conversation}, Name: c.Name}
	if c.Value != "" {
		value := jsontext.Value(c.Value)
		if err := value.Compact(); err != nil {
			return usageError{fmt.Errorf("--value: %w", err)}
		}
		r.Value = []byte(value)
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	j, err := server.StartJob(ctx, r, client.IdempotencyKey(c.Key))
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, j)
	}
	_, err = fmt.Fprintln(s.out, j.Number)
	return err
}

type listJobs struct {
	State string `default:"all" enum:"all,running,completed" help:"Only those in a state: ${enum} (${default})."`
	listing
	remote
}

// Help shows examples.
func (listJobs) Help() string {
	return `Examples:

    headsup jobs list --state running
    headsup jobs list --limit 0 --json | jq .number

With --json, every job is one line.`
}

// Run lists jobs, newest first.
func (c *listJobs) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.Job]{
		head: []any{"JOB", "STATE", "DONE", "NAME", "STARTED", "COMPLETED", "CHANNEL", "CONVERSATION"},
		page: func(cursor string, limit int) ([]api.Job, string, error) {
			p, err := server.JobsPage(ctx, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return slices.DeleteFunc(p.Jobs, func(j api.Job) bool { return c.State != "all" && j.State != c.State }), p.NextCursor, nil
		},
		cells: func(j api.Job) []any {
			return []any{j.Number, j.State, percent(j), j.Name, instant(j.StartedAt), optionalInstant(j.CompletedAt), j.Channel, j.Conversation}
		},
	}.print(s, c.listing, c.JSON)
}

// percent is how much of a job is done, as far as it has told.
func percent(j api.Job) string {
	switch {
	case j.State == "completed":
		return "100%"
	case j.Progress == nil || j.Progress.Percent == nil:
		return ""
	}
	return fmt.Sprintf("%d%%", *j.Progress.Percent)
}

type jobNumber struct {
	Number int64 `arg:"" help:"The job's number."`
}

// Validate implements kong's hook: numbers start at 1.
func (n jobNumber) Validate() error {
	if n.Number < 1 {
		return fmt.Errorf("<number>: %d is not a job's number", n.Number)
	}
	return nil
}

type getJob struct {
	jobNumber
	remote
}

// Help shows examples.
func (getJob) Help() string {
	return `Examples:

    headsup jobs get 7
    headsup jobs get 7 --json | jq -r .state`
}

// Run shows the job.
func (c *getJob) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	j, err := server.Job(ctx, c.Number)
	if err != nil {
		return c.explain(err)
	}
	return c.print(s, j)
}

type tellProgress struct {
	jobNumber
	Text    *string `arg:"" optional:"" help:"What its conversation is told. Read from standard input when it is left out or -."`
	Percent *int    `placeholder:"N" help:"How much is done, from 0 to 100; it is kept with the job."`
	content
	remote
}

// Help shows examples.
func (tellProgress) Help() string {
	return `Examples:

    headsup jobs progress 7 --percent 50 "Half of the tests have passed."
    tail -1 build.log | headsup jobs progress 7

The first progress is a message of its own; each later one changes that message where the channel can, else it is a new
message, at most one every 5 s.`
}

// Run tells the progress.
func (c *tellProgress) Run(ctx context.Context, s streams) error {
	said, err := c.read(c.Text, s.in)
	if err != nil {
		return usageError{err}
	}
	r := api.JobProgress{
		Text: said.text, Markdown: said.markdown, Activity: said.activity, Card: said.card, Notice: said.notice, Template: said.template, Summary: said.summary, Percent: c.Percent,
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	j, err := server.ReportProgress(ctx, c.Number, r)
	if err != nil {
		return c.explain(err)
	}
	return c.print(s, j)
}

type completeJob struct {
	jobNumber
	Text *string `arg:"" optional:"" help:"What its conversation is told; - reads it from standard input. Left out, nothing is told."`
	content
	Key string `placeholder:"TEXT" help:"Idempotency key: the same completion may be repeated with the same key."`
	remote
}

// Help shows examples.
func (completeJob) Help() string {
	return `Examples:

    headsup jobs complete 7 "Your build is done."
    make 2>&1 | tail -3 | headsup jobs complete 7 -
    headsup jobs complete 7 --card report.json --summary "Build 7 is done"

A job is completed once; the exit code is 1 when it was completed before, unless with the same key.`
}

// Run completes the job.
func (c *completeJob) Run(ctx context.Context, s streams) error {
	r, err := c.request(s)
	if err != nil {
		return usageError{err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	j, err := server.CompleteJob(ctx, c.Number, r, client.IdempotencyKey(c.Key))
	if err != nil {
		return c.explain(err)
	}
	return c.print(s, j)
}

func (c completeJob) request(s streams) (r api.JobCompletion, err error) {
	switch {
	case c.silent(c.Text) && (c.Markdown || c.Summary != ""):
		return r, errors.New("--markdown, --summary: need a text")
	case c.silent(c.Text):
		return r, nil
	}
	said, err := c.read(c.Text, s.in)
	r.Text, r.Markdown, r.Activity, r.Card, r.Notice, r.Summary, r.Template = said.text, said.markdown, said.activity, said.card, said.notice, said.summary, said.template
	return r, err
}

// print writes a job as a line for people, or as JSON.
func (r *remote) print(s streams, j api.Job) error {
	if r.JSON {
		return printJSON(s.out, j)
	}
	line := fmt.Sprintf("job %d", j.Number)
	if j.Name != "" {
		line += " (" + j.Name + ")"
	}
	line += fmt.Sprintf(": %s in %s %s, started %s", j.State, j.Channel, j.Conversation, instant(j.StartedAt))
	if j.CompletedAt != nil {
		line += ", completed " + instant(*j.CompletedAt)
	}
	if done := percent(j); done != "" && j.CompletedAt == nil {
		line += ", " + done + " done"
	}
	if j.Notification != "" {
		line += "; see: headsup notifications get " + j.Notification
	}
	_, err := fmt.Fprintln(s.out, printable(line))
	return err
}
