package proactive

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// StartJob starts a job in a turn's conversation. It is stored when StartJob returns; if the turn runs again for the
// same activity, because its end was lost, it gets the same job, and its second StartJob the same second job.
func (e *Engine) StartJob(ctx context.Context, t *headsup.Turn, name string, value jsontext.Value) (Job, error) {
	ref := t.Reference()
	ref.ActivityID = ""
	job, err := e.cfg.Store.StartJob(ctx, JobStart{Once: e.once(t), Job: Job{
		AppID: e.cfg.AppID, Name: name, Key: t.Key(), Reference: ref, Value: value, StartedAt: e.cfg.Now(),
	}})
	if err != nil {
		return Job{}, fmt.Errorf("proactive: start a job: %w", err)
	}
	return job, nil
}

// jobsKey is where a turn counts the jobs that it has started.
type jobsKey struct{}

// once names a job by the activity that starts it, and by how many it has started before.
func (e *Engine) once(t *headsup.Turn) string {
	if t.Proactive() || t.Activity().ID == "" {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before, _ := t.Value(jobsKey{}).(int)
	t.SetValue(jobsKey{}, before+1)
	if before == 0 {
		return string(t.Activity().ID)
	}
	return fmt.Sprintf("%s %d", t.Activity().ID, before+1)
}

// Completion says how a job ends.
type Completion struct {
	// Tell is what the job's conversation is told. Nil tells nothing.
	Tell *activity.Activity
	// Once names this completion, so that it may be repeated, such as by a turn that runs again; empty otherwise.
	Once string
}

// CompleteJob completes a job and accepts the notification to its conversation in one commit. It returns
// [ErrJobCompleted] together with the job when it was completed before, and [ErrNoJob]. The notification's id is empty
// when nothing is told.
func (e *Engine) CompleteJob(ctx context.Context, n JobNumber, c Completion) (Job, headsup.NotificationID, error) {
	job, err := e.cfg.Store.Job(ctx, e.cfg.AppID, n)
	if err != nil {
		return Job{}, "", err
	}
	end := JobEnd{AppID: e.cfg.AppID, Number: n, At: e.cfg.Now(), Once: c.Once}
	if c.Tell != nil {
		sub, err := e.submission(ctx, headsup.Notification{To: headsup.ToConversation(job.Reference), Activity: c.Tell})
		if err != nil {
			return job, "", err
		}
		end.Tell = &sub
	}
	job, err = e.cfg.Store.CompleteJob(ctx, end)
	if err != nil {
		return job, "", err
	}
	id := headsup.NotificationID("")
	if job.Message != 0 {
		id = notificationID(job.Message)
	}
	return job, id, nil
}

// Job returns a job, or [ErrNoJob].
func (e *Engine) Job(ctx context.Context, n JobNumber) (Job, error) {
	return e.cfg.Store.Job(ctx, e.cfg.AppID, n)
}

// Jobs lists jobs by number, those after a number, at most limit.
func (e *Engine) Jobs(ctx context.Context, after JobNumber, limit int) ([]Job, error) {
	return e.cfg.Store.Jobs(ctx, e.cfg.AppID, after, limit)
}
