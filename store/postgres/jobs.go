package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

const selectJob = `SELECT number, app_id, name, tenant_id, channel_id, bot_id, conversation_id, reference, value, started_at,
	completed_at, message, completed_once, progress, progress_text, progress_percent, progress_at, progress_due FROM jobs `

// job is a job as it is stored.
type job struct {
	proactive.Job
	completedOnce string
	progressDue   time.Time
}

func scanJob(r pgx.Row) (j job, err error) {
	var reference []byte
	var percent *int
	k, p := &j.Key, &j.Progress
	if err := r.Scan(&j.Number, &j.AppID, &j.Name, &k.Tenant, &k.Channel, &k.Bot, &k.Conversation, &reference, (*[]byte)(&j.Value),
		&j.StartedAt, (*optionalTime)(&j.CompletedAt), &j.Message, (*optionalText)(&j.completedOnce), &p.Message,
		(*optionalText)(&p.Text), &percent, (*optionalTime)(&p.At), (*optionalTime)(&j.progressDue)); err != nil {
		return j, err
	}
	k.AppID, p.Percent = j.AppID, percent
	if err := json.Unmarshal(reference, &j.Reference); err != nil {
		return j, fmt.Errorf("the reference of job %d: %w", j.Number, err)
	}
	return j, nil
}

// StartJob implements [proactive.JobStore]. Jobs of an app are started one after another, so that their numbers have no
// gaps.
func (s *Store) StartJob(ctx context.Context, start proactive.JobStart) (proactive.Job, error) {
	start.Job.Key.AppID = start.Job.AppID // a job belongs to the app of its conversation
	reference, err := json.Marshal(start.Job.Reference)
	if err != nil {
		return proactive.Job{}, fmt.Errorf("postgres: encode the reference: %w", err)
	}
	var started proactive.Job
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		highest, err := t.lockNumbers(ctx, start.Job.AppID)
		if err != nil {
			return err
		}
		k := start.Job.Key
		if start.Once != "" {
			earlier, err := scanJob(t.QueryRow(ctx, selectJob+`WHERE app_id = $1 AND conversation_id = $2 AND channel_id = $3
				AND bot_id = $4 AND tenant_id = $5 AND started_once = $6`, append(keyArgs(k), start.Once)...))
			if !notThere(err) {
				started = earlier.Job
				return err
			}
		}
		started = start.Job
		started.Number, started.StartedAt = highest+1, exact(started.StartedAt)
		started.CompletedAt, started.Message, started.Progress = time.Time{}, 0, proactive.JobReport{}
		t.last.Queue("UPDATE job_numbers SET highest = $2 WHERE app_id = $1", started.AppID, int64(started.Number))
		t.last.Queue(`INSERT INTO jobs (app_id, conversation_id, channel_id, bot_id, tenant_id, number, name, reference, value,
				started_once, started_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			append(keyArgs(k), int64(started.Number), started.Name, reference, orNil(started.Value), optionalText(start.Once),
				started.StartedAt)...)
		return nil
	})
	if err != nil {
		return proactive.Job{}, err
	}
	started.Reference = started.Reference.Clone()
	return started, nil
}

// lockNumbers locks the numbers of an app's jobs and returns the highest there ever was.
func (t *tx) lockNumbers(ctx context.Context, appID string) (highest proactive.JobNumber, err error) {
	var b pgx.Batch
	b.Queue("INSERT INTO job_numbers (app_id, highest) VALUES ($1, 0) ON CONFLICT DO NOTHING", appID)
	b.Queue("SELECT highest FROM job_numbers WHERE app_id = $1 FOR UPDATE", appID).QueryRow(func(r pgx.Row) error {
		return r.Scan(&highest)
	})
	return highest, t.SendBatch(ctx, &b).Close()
}

// lockJob locks the conversations that a submission goes to, if there is one, and then a job. [proactive.ErrNoJob].
func (t *tx) lockJob(ctx context.Context, appID string, n proactive.JobNumber, tell *outbox.Submission) (job, error) {
	if tell != nil {
		rows := make([]book.Row, len(tell.Deliveries))
		for i, d := range tell.Deliveries {
			rows[i] = d.Conversation
		}
		if _, err := t.lock(ctx, rows); err != nil {
			return job{}, err
		}
	}
	j, err := scanJob(t.QueryRow(ctx, selectJob+"WHERE app_id = $1 AND number = $2 FOR UPDATE", appID, int64(n)))
	if notThere(err) {
		err = proactive.ErrNoJob
	}
	return j, err
}

// CompleteJob implements [proactive.JobStore].
func (s *Store) CompleteJob(ctx context.Context, end proactive.JobEnd) (proactive.Job, error) {
	var j job
	err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		j, err = t.lockJob(ctx, end.AppID, end.Number, end.Tell)
		switch {
		case err != nil:
			return err
		case j.Completed() && end.Once != "" && end.Once == j.completedOnce:
			return nil
		case j.Completed():
			return proactive.ErrJobCompleted
		}
		if err := t.dropScheduled(ctx, j.Progress.Message, end.At); err != nil {
			return err
		}
		if end.Tell != nil {
			receipt, err := t.submit(ctx, end.Tell)
			if err != nil {
				return err
			}
			j.Message = receipt.Message
		}
		j.CompletedAt = exact(end.At)
		t.last.Queue("UPDATE jobs SET completed_at = $3, completed_once = $4, message = $5 WHERE app_id = $1 AND number = $2",
			end.AppID, int64(end.Number), j.CompletedAt, optionalText(end.Once), int64(j.Message))
		return nil
	})
	if err != nil && !errors.Is(err, proactive.ErrJobCompleted) {
		return proactive.Job{}, err
	}
	return j.Job, err
}

// ProgressJob implements [proactive.JobStore].
func (s *Store) ProgressJob(ctx context.Context, p proactive.JobProgress) (proactive.Job, error) {
	var j job
	err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		j, err = t.lockJob(ctx, p.AppID, p.Number, &p.Tell)
		switch {
		case err != nil:
			return err
		case j.Completed():
			return proactive.ErrJobCompleted
		}
		told, err := t.retell(ctx, j.Progress.Message, p)
		if err != nil {
			return err
		}
		due := j.progressDue
		if !told {
			if due = due.Add(p.Every); j.Progress.Message == 0 || due.Before(p.At) {
				due = p.At
			}
			if j.Progress.Message, err = t.report(ctx, p, due); err != nil {
				return err
			}
		}
		j.Progress.Text, j.Progress.Percent, j.Progress.At = p.Text, p.Percent, exact(p.At)
		t.last.Queue(`UPDATE jobs SET progress = $3, progress_text = $4, progress_percent = $5, progress_at = $6, progress_due = $7
			WHERE app_id = $1 AND number = $2`, p.AppID, int64(p.Number), int64(j.Progress.Message), optionalText(p.Text), p.Percent,
			j.Progress.At, optionalTime(exact(due)))
		return nil
	})
	if err != nil {
		return proactive.Job{}, err
	}
	return j.Job, nil
}

// report accepts a message that tells progress.
func (t *tx) report(ctx context.Context, p proactive.JobProgress, due time.Time) (outbox.MessageID, error) {
	sub := p.Tell
	sub.Deliveries = slices.Clone(sub.Deliveries)
	for i := range sub.Deliveries {
		sub.Deliveries[i].DueAt = due
	}
	receipt, err := t.submit(ctx, &sub)
	return receipt.Message, err
}

// retell has an earlier message tell the progress, if that is still possible.
func (t *tx) retell(ctx context.Context, id outbox.MessageID, p proactive.JobProgress) (told bool, err error) {
	if id == 0 {
		return false, nil
	}
	m, err := t.revising(ctx, id, 0, -1)
	switch {
	case errors.Is(err, outbox.ErrNotFound): // it is too old
		return false, nil
	case err != nil || m.recalled:
		return false, err
	}
	for _, part := range m.parts {
		switch {
		case part.verb == update && (part.state == failed || part.state == unknown):
			return false, nil
		case part.verb == send && !part.waits() && !(p.Edit && (part.state == sending || part.state == delivered && part.said)):
			return false, nil
		}
	}
	rev := outbox.Revision{Message: id, Body: p.Tell.Message.Body, At: p.At, NextID: p.NextID}
	t.replaceBody(&rev)
	return true, t.retells(ctx, &rev, m, false)
}

// Job implements [proactive.JobStore].
func (s *Store) Job(ctx context.Context, appID string, n proactive.JobNumber) (proactive.Job, error) {
	found, err := s.jobs(ctx, selectJob+"WHERE app_id = $1 AND number = $2", appID, int64(n))
	switch {
	case err != nil:
		return proactive.Job{}, err
	case len(found) == 0:
		return proactive.Job{}, proactive.ErrNoJob
	}
	return found[0], nil
}

// Jobs implements [proactive.JobStore].
func (s *Store) Jobs(
	ctx context.Context, appID string, tenant activity.TenantID, before proactive.JobNumber, limit int,
) ([]proactive.Job, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return s.jobs(ctx, selectJob+"WHERE app_id = $1 AND number < $2 AND ($4::text = '' OR tenant_id = $4) ORDER BY number DESC LIMIT $3",
		appID, int64(before), limit, string(tenant))
}

func (s *Store) jobs(ctx context.Context, query string, args ...any) (found []proactive.Job, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (proactive.Job, error) {
			j, err := scanJob(r)
			return j.Job, err
		})
		return err
	})
	return found, err
}
