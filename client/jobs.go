package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"

	"github.com/headsup-bot/headsup/api"
)

// StartJob starts a job in a conversation; it is stored durably when the call returns. Under an [IdempotencyKey] the same
// request starts one job, however often it is sent.
func (c *Client) StartJob(ctx context.Context, r api.JobRequest, opts ...CallOption) (api.Job, error) {
	j, err := create(ctx, c, jobs, r, opts, isJob)
	if err != nil {
		return j, fmt.Errorf("start job: %w", err)
	}
	return j, nil
}

// Job returns a job. One that does not exist is an [*Error] with [api.CodeNotFound].
func (c *Client) Job(ctx context.Context, number int64) (api.Job, error) {
	j, err := ask(ctx, c, http.MethodGet, jobPath(number), isJob)
	if err != nil {
		return j, fmt.Errorf("job %d: %w", number, err)
	}
	return j, nil
}

// ReportProgress tells a job's conversation how far the job has come. Where the channel can, it changes what it told before.
func (c *Client) ReportProgress(ctx context.Context, number int64, r api.JobProgress) (api.Job, error) {
	j, err := post(ctx, c, jobPath(number)+"/progress", r, isJob)
	if err != nil {
		return j, fmt.Errorf("progress of job %d: %w", number, err)
	}
	return j, nil
}

// CompleteJob completes a job and accepts what its conversation is told, in one step; with an empty completion nothing
// is told. A job that is completed already is an [*Error] with [api.CodeJobCompleted], unless it was completed under the
// same [IdempotencyKey].
func (c *Client) CompleteJob(ctx context.Context, number int64, r api.JobCompletion, opts ...CallOption) (api.Job, error) {
	j, err := create(ctx, c, jobPath(number)+"/complete", r, opts, isJob)
	if err != nil {
		return j, fmt.Errorf("complete job %d: %w", number, err)
	}
	return j, nil
}

// JobsPage returns a page of jobs, newest first. The first page has an empty cursor; each names the next one's, the last
// one none. A limit of 0 leaves the size to the server.
func (c *Client) JobsPage(ctx context.Context, cursor string, limit int) (api.Jobs, error) {
	page, err := ask(ctx, c, http.MethodGet, jobs+parameters("cursor", cursor, "limit", positive(limit)), func(p api.Jobs) bool { return p.Jobs != nil })
	if err != nil {
		return page, fmt.Errorf("jobs: %w", err)
	}
	return page, nil
}

// Jobs goes over all jobs, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Jobs(ctx context.Context) iter.Seq2[api.Job, error] {
	return all(func(cursor string) ([]api.Job, string, error) {
		page, err := c.JobsPage(ctx, cursor, largestPage)
		return page.Jobs, page.NextCursor, err
	})
}

func isJob(j api.Job) bool { return j.Number > 0 }

func jobPath(number int64) string { return jobs + "/" + strconv.FormatInt(number, 10) }
