package proactive

import (
	"bytes"
	"context"
	"fmt"
	"time"

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

// NewJob is a job that is started from outside of a turn.
type NewJob struct {
	// Name says what kind of work it is. May be empty; at most 255 bytes.
	Name string
	// Value is the starter's own data. Any JSON, or empty.
	Value jsontext.Value
	// Once names this start within the conversation, so that it may be repeated: the same Once with the same content gives
	// the same job. It must not look like the id of an activity, which names what turns start. Empty for never.
	Once string
}

// StartJobIn starts a job in the one conversation that the target names. It is stored when StartJobIn returns. A job or
// target that is wrong gives a [*FieldError], a target that nobody answers to [ErrNoTarget], and a Once that was used
// for a job with another name or value [ErrKeyReused].
func (e *Engine) StartJobIn(ctx context.Context, to headsup.Target, n NewJob) (Job, error) {
	if err := checkJob(to, n); err != nil {
		return Job{}, err
	}
	found, err := e.resolve(ctx, to)
	if err != nil {
		return Job{}, err
	}
	job, err := e.cfg.Store.StartJob(ctx, JobStart{Once: n.Once, Job: Job{
		AppID: e.cfg.AppID, Name: n.Name, Key: found[0].Key, Reference: found[0].Reference, Value: n.Value,
		StartedAt: e.cfg.Now(),
	}})
	switch {
	case err != nil:
		return Job{}, fmt.Errorf("proactive: start a job: %w", err)
	case job.Name != n.Name || !sameJSON(job.Value, n.Value):
		return Job{}, ErrKeyReused
	}
	return job, nil
}

func checkJob(to headsup.Target, n NewJob) error {
	switch {
	case to.Everyone || to.Tag != "":
		return &FieldError{"to", "is more than one conversation"}
	case targets(to) != 1:
		return &FieldError{"to", "name exactly one target"}
	case len(n.Value) > MaxBody:
		return &FieldError{"value", fmt.Sprintf("is larger than %d bytes", MaxBody)}
	}
	if err := checkName("name", n.Name); err != nil {
		return err
	}
	return checkJSON("value", n.Value)
}

// sameJSON compares texts of JSON but for white space and the order of members. Numbers are compared as they are written.
func sameJSON(a, b jsontext.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	a, b = a.Clone(), b.Clone()
	ordered := []jsontext.Options{jsontext.ReorderRawObjects(true)}
	return a.Format(ordered...) == nil && b.Format(ordered...) == nil && bytes.Equal(a, b)
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
	// Tell is what the job's conversation is told, Text the same as a plain message, and Template the same of a template.
	// At most one is set; none tells nothing.
	Tell     *activity.Activity
	Text     string
	Template *headsup.Templated
	// Once names this completion, so that it may be repeated, such as by a turn that runs again; empty otherwise.
	Once string
}

// CompleteJob completes a job and accepts the notification to its conversation in one commit. It returns
// [ErrJobCompleted] together with the job when it was completed before, [ErrNoJob], and a [*FieldError] for what cannot
// be told. The notification's id is empty when nothing is told.
func (e *Engine) CompleteJob(ctx context.Context, n JobNumber, c Completion) (Job, headsup.NotificationID, error) {
	job, err := e.cfg.Store.Job(ctx, e.cfg.AppID, n)
	if err != nil {
		return Job{}, "", err
	}
	end := JobEnd{AppID: e.cfg.AppID, Number: n, At: e.cfg.Now(), Once: c.Once}
	// Of one that is completed nothing more is told, and its conversation may have been forgotten: it is not to be met
	// again by that.
	if (c.Tell != nil || c.Text != "" || c.Template != nil) && !job.Completed() {
		sub, err := e.submission(ctx, headsup.Notification{
			To: headsup.ToConversation(job.Reference), Topic: TopicJobs, Activity: c.Tell, Text: c.Text, Template: c.Template,
		})
		if err != nil {
			return job, "", err
		}
		end.Tell = &sub
	}
	job, err = e.cfg.Store.CompleteJob(ctx, end)
	if err != nil {
		return job, "", err
	}
	return job, job.Notification(), nil
}

// Progress says how far a job has come.
type Progress struct {
	// Tell is what the job's conversation is told, Text the same as a plain message, and Template the same of a template.
	// Exactly one is set.
	Tell     *activity.Activity
	Text     string
	Template *headsup.Templated
	// Percent is how much is done, from 0 to 100; nil when that is not known.
	Percent *int
}

// progressEvery is how far apart messages are that tell progress where they cannot be edited.
const progressEvery = 5 * time.Second

// Progress tells how far a job has come. The first is a message in the job's conversation; each later one changes that
// message where the channel can do so, else it is a new message, at most one every 5 s. What is not said yet is replaced,
// so that only the latest is told. It is stored when Progress returns. [ErrNoJob], [ErrJobCompleted], and a [*FieldError]
// for what cannot be told.
func (e *Engine) Progress(ctx context.Context, n JobNumber, p Progress) (Job, error) {
	job, err := e.cfg.Store.Job(ctx, e.cfg.AppID, n)
	switch {
	case err != nil:
		return Job{}, err
	case job.Completed():
		return Job{}, ErrJobCompleted
	case p.Percent != nil && (*p.Percent < 0 || *p.Percent > 100):
		return job, &FieldError{"percent", "is not between 0 and 100"}
	}
	sub, err := e.submission(ctx, headsup.Notification{
		To: headsup.ToConversation(job.Reference), Topic: TopicJobs, Activity: p.Tell, Text: p.Text, Template: p.Template,
	})
	if err != nil {
		return job, err
	}
	text := p.Text
	if p.Tell != nil {
		text = p.Tell.Text
	}
	job, err = e.cfg.Store.ProgressJob(ctx, JobProgress{
		AppID: e.cfg.AppID, Number: n, At: sub.At, Text: text, Percent: p.Percent, Tell: sub,
		Edit: e.cfg.Channel.Capabilities(job.Reference).Update, Every: progressEvery, NextID: nextDelivery,
	})
	if err != nil {
		return Job{}, err
	}
	return job, nil
}

// Job returns a job, or [ErrNoJob].
func (e *Engine) Job(ctx context.Context, n JobNumber) (Job, error) {
	return e.cfg.Store.Job(ctx, e.cfg.AppID, n)
}

// Jobs lists jobs, newest first, at most limit: all, or, unless it is 0, those before a number.
func (e *Engine) Jobs(ctx context.Context, before JobNumber, limit int) ([]Job, error) {
	return e.cfg.Store.Jobs(ctx, e.cfg.AppID, "", before, limit)
}
