package memory

import (
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

type jobTables struct {
	byApp map[string][]*job // number n is at n-1
	once  map[onceKey]*job
}

type onceKey struct {
	conversation headsup.ConversationKey
	once         string
}

type job struct {
	proactive.Job
	completedBy string    // the Once of its completion
	progressDue time.Time // of the message that tells its progress
}

func newJobTables() jobTables {
	return jobTables{byApp: make(map[string][]*job), once: make(map[onceKey]*job)}
}

func (j *job) copy() proactive.Job {
	c := j.Job
	c.Reference = c.Reference.Clone()
	c.Value = slices.Clone(c.Value)
	return c
}

// find returns a job, or ErrNoJob. The store's lock is held.
func (t *jobTables) find(appID string, n proactive.JobNumber) (*job, error) {
	jobs := t.byApp[appID]
	if n < 1 || int64(n) > int64(len(jobs)) {
		return nil, proactive.ErrNoJob
	}
	return jobs[n-1], nil
}

// StartJob implements [proactive.JobStore].
func (s *Store) StartJob(_ context.Context, start proactive.JobStart) (proactive.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	once := onceKey{start.Job.Key, start.Once}
	if first, started := s.jobs.once[once]; started && start.Once != "" {
		return first.copy(), nil
	}
	j := &job{Job: start.Job}
	j.Job = j.copy()
	j.Number = proactive.JobNumber(len(s.jobs.byApp[j.AppID]) + 1)
	s.jobs.byApp[j.AppID] = append(s.jobs.byApp[j.AppID], j)
	s.jobs.once[once] = j
	return j.copy(), nil
}

// CompleteJob implements [proactive.JobStore].
func (s *Store) CompleteJob(_ context.Context, end proactive.JobEnd) (proactive.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.jobs.find(end.AppID, end.Number)
	if err != nil {
		return proactive.Job{}, err
	}
	if j.Completed() {
		if end.Once != "" && end.Once == j.completedBy {
			return j.copy(), nil
		}
		return j.copy(), proactive.ErrJobCompleted
	}
	t := s.begin()
	if end.Tell != nil {
		receipt, err := t.submit(*end.Tell, nil)
		if err != nil {
			return proactive.Job{}, err
		}
		j.Message = receipt.Message
	}
	t.commit()
	if m := s.queue.messages[j.Progress.Message]; m != nil {
		for _, d := range m.deliveries {
			if d.State == outbox.StateScheduled {
				s.queue.drop(d, outbox.Change{At: end.At, State: outbox.StateCancelled})
			}
		}
	}
	j.CompletedAt, j.completedBy = end.At, end.Once
	return j.copy(), nil
}

// ProgressJob implements [proactive.JobStore].
func (s *Store) ProgressJob(_ context.Context, p proactive.JobProgress) (proactive.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.jobs.find(p.AppID, p.Number)
	switch {
	case err != nil:
		return proactive.Job{}, err
	case j.Completed():
		return proactive.Job{}, proactive.ErrJobCompleted
	}
	if m := s.queue.messages[j.Progress.Message]; m != nil && m.canTell(p.Edit) {
		if err := s.revise(m, outbox.Revision{Body: p.Tell.Message.Body, At: p.At, NextID: p.NextID}); err != nil {
			return proactive.Job{}, err
		}
	} else {
		due := j.progressDue.Add(p.Every)
		if m == nil || due.Before(p.At) {
			due = p.At
		}
		sub := p.Tell
		sub.Deliveries = slices.Clone(sub.Deliveries)
		for i := range sub.Deliveries {
			sub.Deliveries[i].DueAt = due
		}
		t := s.begin()
		receipt, err := t.submit(sub, nil)
		if err != nil {
			return proactive.Job{}, err
		}
		t.commit()
		j.Progress.Message, j.progressDue = receipt.Message, due
	}
	j.Progress.Text, j.Progress.Percent, j.Progress.At = p.Text, p.Percent, p.At
	return j.copy(), nil
}

// canTell reports whether a message can tell something else than it does.
func (m *message) canTell(edit bool) bool {
	for _, d := range m.deliveries {
		given := d.State == outbox.StateSending || d.State == outbox.StateDelivered && d.Activity != ""
		badly := d.State == outbox.StateFailed || d.State == outbox.StateUnknown
		switch {
		case d.Verb == outbox.VerbUpdate && badly, d.Verb == outbox.VerbSend && !d.waits() && !(edit && given):
			return false
		}
	}
	return m.RecalledAt.IsZero()
}

// Job implements [proactive.JobStore].
func (s *Store) Job(_ context.Context, appID string, n proactive.JobNumber) (proactive.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.jobs.find(appID, n)
	if err != nil {
		return proactive.Job{}, err
	}
	return j.copy(), nil
}

// Jobs implements [proactive.JobStore].
func (s *Store) Jobs(
	_ context.Context, appID string, tenant activity.TenantID, before proactive.JobNumber, limit int,
) ([]proactive.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := s.jobs.byApp[appID]
	if before > 0 { // the number of jobs[i] is i + 1
		jobs = jobs[:min(int(before)-1, len(jobs))]
	}
	found := make([]proactive.Job, 0, min(limit, len(jobs)))
	for _, j := range slices.Backward(jobs) {
		if len(found) == limit {
			break
		}
		if tenant == "" || j.Key.Tenant == tenant {
			found = append(found, j.copy())
		}
	}
	return found, nil
}
