package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

const selectJob = `SELECT number, app_id, name, tenant_id, channel_id, bot_id, conversation_id, reference, value,
	started_at, completed_at, message, completed_once, progress, progress_text, progress_percent, progress_at, progress_due
	FROM jobs `

func scanJob(r row) (proactive.Job, error) {
	j := proactive.Job{
		Number: proactive.JobNumber(r.int(0)), AppID: r.text(1), Name: r.text(2),
		Key: headsup.ConversationKey{
			AppID: r.text(1), Tenant: activity.TenantID(r.text(3)), Channel: activity.ChannelID(r.text(4)),
			Bot: activity.AccountID(r.text(5)), Conversation: activity.ConversationID(r.text(6)),
		},
		Value: r.bytes(8), StartedAt: r.time(9), CompletedAt: r.time(10), Message: outbox.MessageID(r.int(11)),
		Progress: proactive.JobReport{Message: outbox.MessageID(r.int(13)), Text: r.text(14), At: r.time(16)},
	}
	if !r.null(15) {
		j.Progress.Percent = new(int(r.int(15)))
	}
	if err := json.Unmarshal(r.bytes(7), &j.Reference); err != nil {
		return j, fmt.Errorf("the reference of job %d: %w", j.Number, err)
	}
	return j, nil
}

// StartJob implements [proactive.JobStore].
func (s *Store) StartJob(ctx context.Context, start proactive.JobStart) (proactive.Job, error) {
	start.Job.Key.AppID = start.Job.AppID // a job belongs to the app of its conversation
	reference, err := json.Marshal(start.Job.Reference)
	if err != nil {
		return proactive.Job{}, fmt.Errorf("sqlite: encode the reference: %w", err)
	}
	var job proactive.Job
	err = s.writer.do(ctx, func(t *tx) error {
		var found bool
		var bad, err error
		k := start.Job.Key
		if start.Once != "" {
			found, err = t.one(func(r row) { job, bad = scanJob(r) }, selectJob+`WHERE app_id = ? AND conversation_id = ?
					AND channel_id = ? AND bot_id = ? AND tenant_id = ? AND started_once = ?`,
				append(keyArgs(k), text(start.Once))...)
			if found || err != nil {
				return cmp.Or(err, bad)
			}
		}
		job = start.Job
		job.CompletedAt, job.Message = time.Time{}, 0
		if _, err := t.returning(func(r row) { job.Number = proactive.JobNumber(r.int(0)) },
			`INSERT INTO job_numbers (app_id, highest) VALUES (?, 1)
				ON CONFLICT DO UPDATE SET highest = highest + 1 RETURNING highest`, text(job.AppID)); err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO jobs (app_id, number, name, tenant_id, channel_id, bot_id, conversation_id, reference,
				value, started_once, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			text(job.AppID), int64(job.Number), text(job.Name), text(k.Tenant), text(k.Channel), text(k.Bot),
			text(k.Conversation), reference, []byte(job.Value), start.Once, job.StartedAt)
		return err
	})
	if err != nil {
		return proactive.Job{}, err
	}
	job.Reference = job.Reference.Clone()
	return job, nil
}

// CompleteJob implements [proactive.JobStore].
func (s *Store) CompleteJob(ctx context.Context, end proactive.JobEnd) (proactive.Job, error) {
	var job proactive.Job
	err := s.writer.do(ctx, func(t *tx) error {
		var once string
		var bad error
		found, err := t.one(func(r row) {
			job, bad = scanJob(r)
			once = r.text(12)
		}, selectJob+"WHERE app_id = ? AND number = ?", text(end.AppID), int64(end.Number))
		switch {
		case err != nil || bad != nil:
			return cmp.Or(err, bad)
		case !found:
			return proactive.ErrNoJob
		case job.Completed() && end.Once != "" && end.Once == once:
			return nil
		case job.Completed():
			return proactive.ErrJobCompleted
		}
		if end.Tell != nil {
			receipt, err := t.submit(end.Tell, false)
			if err != nil {
				return err
			}
			job.Message = receipt.Message
		}
		if err := t.dropScheduled(job.Progress.Message, end.At); err != nil {
			return err
		}
		job.CompletedAt = end.At
		_, err = t.exec(
			"UPDATE jobs SET completed_at = ?, completed_once = ?, message = ? WHERE app_id = ? AND number = ?",
			end.At, end.Once, int64(job.Message), text(end.AppID), int64(end.Number))
		return err
	})
	if err != nil && !errors.Is(err, proactive.ErrJobCompleted) {
		return proactive.Job{}, err
	}
	return job, err
}

// dropScheduled cancels what of a message would be said later; with 0 nothing.
func (t *tx) dropScheduled(id outbox.MessageID, at time.Time) error {
	if id == 0 {
		return nil
	}
	m, err := t.messageOf(id)
	if err != nil {
		return err
	}
	waiting, err := t.hotPage(id, m.alone, 0, 1)
	if err == nil && len(waiting) > 0 && waiting[0].state == scheduled {
		err = t.drops(&waiting[0], "", at)
	}
	return err
}

// ProgressJob implements [proactive.JobStore].
func (s *Store) ProgressJob(ctx context.Context, p proactive.JobProgress) (proactive.Job, error) {
	var job proactive.Job
	err := s.writer.do(ctx, func(t *tx) error {
		var bad error
		var due time.Time
		found, err := t.one(func(r row) {
			job, bad = scanJob(r)
			due = r.time(17)
		}, selectJob+"WHERE app_id = ? AND number = ?", text(p.AppID), int64(p.Number))
		switch {
		case err != nil || bad != nil:
			return cmp.Or(err, bad)
		case !found:
			return proactive.ErrNoJob
		case job.Completed():
			return proactive.ErrJobCompleted
		}
		told, err := t.retell(job.Progress.Message, p)
		if err != nil {
			return err
		}
		if !told {
			if due = due.Add(p.Every); job.Progress.Message == 0 || due.Before(p.At) {
				due = p.At
			}
			if job.Progress.Message, err = t.report(p, due); err != nil {
				return err
			}
		}
		job.Progress.Text, job.Progress.Percent, job.Progress.At = p.Text, p.Percent, exact(p.At)
		var percent any
		if p.Percent != nil {
			percent = int64(*p.Percent)
		}
		_, err = t.exec(`UPDATE jobs SET progress = ?, progress_text = ?, progress_percent = ?, progress_at = ?, progress_due = ?
			WHERE app_id = ? AND number = ?`,
			int64(job.Progress.Message), p.Text, percent, p.At, due, text(p.AppID), int64(p.Number))
		return err
	})
	if err != nil {
		return proactive.Job{}, err
	}
	return job, nil
}

// report accepts a message that tells progress.
func (t *tx) report(p proactive.JobProgress, due time.Time) (outbox.MessageID, error) {
	sub := p.Tell
	sub.Deliveries = slices.Clone(sub.Deliveries)
	for i := range sub.Deliveries {
		sub.Deliveries[i].DueAt = due
	}
	receipt, err := t.submit(&sub, false)
	return receipt.Message, err
}

// retell has an earlier message tell the progress, if that is still possible.
func (t *tx) retell(id outbox.MessageID, p proactive.JobProgress) (told bool, err error) {
	if id == 0 {
		return false, nil
	}
	m, err := t.messageOf(id)
	if err != nil || m.recalled {
		return false, err
	}
	parts, err := t.parts(id, m.alone, 0, -1)
	if err != nil {
		return false, err
	}
	for _, part := range parts {
		switch {
		case part.verb == update && (part.state == failed || part.state == unknown):
			return false, nil
		case part.verb == send && !part.waits() && !(p.Edit && (part.state == sending || part.state == delivered && part.said)):
			return false, nil
		}
	}
	rev := outbox.Revision{Message: id, Body: p.Tell.Message.Body, At: p.At, NextID: p.NextID}
	if err := t.replaceBody(&rev); err != nil {
		return false, err
	}
	return true, t.retells(&rev, m, parts, false)
}

// Job implements [proactive.JobStore].
func (s *Store) Job(ctx context.Context, appID string, n proactive.JobNumber) (proactive.Job, error) {
	found, err := s.jobs(ctx, selectJob+"WHERE app_id = ? AND number = ?", text(appID), int64(n))
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
	return s.jobs(ctx, selectJob+"WHERE app_id = ? AND number < ? AND (? = '' OR tenant_id = ?) ORDER BY number DESC LIMIT +?",
		text(appID), int64(before), text(tenant), text(tenant), limit)
}

func (s *Store) jobs(ctx context.Context, query string, args ...any) ([]proactive.Job, error) {
	var found []proactive.Job
	err := s.read(ctx, func(c *conn) error {
		return c.each(func(r row) error {
			j, err := scanJob(r)
			found = append(found, j)
			return err
		}, query, args...)
	})
	return found, err
}
