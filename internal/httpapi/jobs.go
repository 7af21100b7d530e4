package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/proactive"
)

type startRequest struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same body starts one job in a conversation; with another body it is refused."`
	Body           api.JobRequest
}

type started struct {
	Location string `header:"Location" doc:"Where to ask for the job."`
	Body     api.Job
}

type jobRequest struct {
	Number int64 `path:"number" minimum:"1" doc:"The job's number."`
}

type completeRequest struct {
	Number         int64  `path:"number" minimum:"1" doc:"The job's number."`
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"A completion may be repeated with the key that it carried the first time; the first one counts."`
	Body           *api.JobCompletion
}

type progressRequest struct {
	Number int64 `path:"number" minimum:"1" doc:"The job's number."`
	Body   api.JobProgress
}

type jobAnswer struct {
	Body api.Job
}

type jobsAnswer struct {
	Body api.Jobs
}

func (s *service) jobs(a huma.API) {
	tags := []string{"jobs"}
	register(s, a, huma.Operation{
		OperationID: "create-job", Method: http.MethodPost, Path: "/v1/jobs",
		Summary:       "Start a job",
		Description:   "Starts a job in a conversation, where its end is told when it is completed. It is stored before the answer leaves.",
		Security:      needs(access.Send),
		Tags:          tags,
		DefaultStatus: http.StatusCreated,
		MaxBodyBytes:  maxBody,
		Errors:        []int{400, 409, 413, 415, 422, 503},
	}, s.startJob)
	register(s, a, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: "/v1/jobs",
		Summary:     "See the jobs",
		Description: "Lists jobs, newest first, a page at a time.",
		Security:    needs(access.Read),
		Tags:        tags,
		Errors:      []int{422, 503},
	}, s.listJobs)
	register(s, a, huma.Operation{
		OperationID: "get-job", Method: http.MethodGet, Path: "/v1/jobs/{number}",
		Summary:     "See one job",
		Description: "Returns a job. The notification that it names tells how far the news of its end has come.",
		Security:    needs(access.Read),
		Tags:        tags,
		Errors:      []int{404, 422, 503},
	}, s.getJob)
	register(s, a, huma.Operation{
		OperationID: "report-job-progress", Method: http.MethodPost, Path: "/v1/jobs/{number}/progress",
		Security: needs(access.Send),
		Summary:  "Tell how far a job has come",
		Description: "Tells the job's conversation. The first progress is a message of its own; each later one changes that message " +
			"where the channel can do so, else it is a new message, at most one every 5 s. What is not said yet is replaced.",
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 409, 413, 415, 422, 503},
	}, s.reportProgress)
	register(s, a, huma.Operation{
		OperationID: "complete-job", Method: http.MethodPost, Path: "/v1/jobs/{number}/complete",
		Summary: "Complete a job",
		Description: "Completes a job and accepts what its conversation is told in one step: either both are stored before the " +
			"answer leaves, or neither. Without text and activity it completes silently.",
		Security:     needs(access.Send),
		Tags:         tags,
		MaxBodyBytes: maxBody,
		Errors:       []int{400, 404, 409, 413, 415, 422, 503},
	}, s.completeJob)
}

func (s *service) startJob(ctx context.Context, r *startRequest) (*started, error) {
	once, err := onceOf(r.IdempotencyKey)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	to := headsup.Target{
		Conversation: activity.ConversationID(r.Body.To.Conversation), User: activity.AccountID(r.Body.To.User),
		ExternalID: r.Body.To.ExternalID,
	}
	job, err := s.engine(ctx).StartJobIn(ctx, to, proactive.NewJob{Name: r.Body.Name, Value: []byte(r.Body.Value), Once: once})
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &started{Location: "/v1/jobs/" + strconv.FormatInt(int64(job.Number), 10), Body: renderJob(job)}, nil
}

func (s *service) listJobs(ctx context.Context, r *Paging) (*jobsAnswer, error) {
	found, next, err := page(ctx, s, listJobs, *r, func(before int64, limit int) ([]proactive.Job, error) {
		return s.engine(ctx).Jobs(ctx, proactive.JobNumber(before), limit)
	}, func(j proactive.Job) int64 { return int64(j.Number) })
	if err != nil {
		return nil, err
	}
	return &jobsAnswer{Body: api.Jobs{Jobs: each(found, renderJob), NextCursor: next}}, nil
}

func (s *service) getJob(ctx context.Context, r *jobRequest) (*jobAnswer, error) {
	job, err := s.engine(ctx).Job(ctx, proactive.JobNumber(r.Number))
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &jobAnswer{Body: renderJob(job)}, nil
}

func (s *service) completeJob(ctx context.Context, r *completeRequest) (*jobAnswer, error) {
	completion, err := completionOf(r)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	job, _, err := s.engine(ctx).CompleteJob(ctx, proactive.JobNumber(r.Number), completion)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &jobAnswer{Body: renderJob(job)}, nil
}

func (s *service) reportProgress(ctx context.Context, r *progressRequest) (*jobAnswer, error) {
	b := r.Body
	tell, err := content{
		text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
	}.message()
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	job, err := s.engine(ctx).Progress(ctx, proactive.JobNumber(r.Number), proactive.Progress{
		Tell: tell, Template: templatedOf(b.Template), Percent: r.Body.Percent,
	})
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &jobAnswer{Body: renderJob(job)}, nil
}

// completionOf reads a request.
func completionOf(r *completeRequest) (c proactive.Completion, err error) {
	if c.Once, err = onceOf(r.IdempotencyKey); err != nil || r.Body == nil {
		return c, err
	}
	b := r.Body
	c.Template = templatedOf(b.Template)
	c.Tell, err = content{
		text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
	}.message()
	return c, err
}

// onceOf is an idempotency key as the engine takes it, told apart from the ids of activities, which name what turns do.
func onceOf(key string) (string, error) {
	switch {
	case key == "":
		return "", nil
	case len(key) > proactive.MaxName:
		return "", &proactive.FieldError{Field: "idempotency_key", Reason: fmt.Sprintf("is longer than %d bytes", proactive.MaxName)}
	case !utf8.ValidString(key):
		return "", &proactive.FieldError{Field: "idempotency_key", Reason: "is not valid UTF-8"}
	}
	return "key: " + key, nil
}

func renderJob(j proactive.Job) api.Job {
	out := api.Job{
		Number: int64(j.Number), State: "running", Name: j.Name, Channel: string(j.Key.Channel),
		Conversation: string(j.Key.Conversation), Value: raw(j.Value), StartedAt: j.StartedAt.UTC(),
		CompletedAt: optional(j.CompletedAt), Notification: string(j.Notification()),
	}
	if p := j.Progress; p.Message != 0 {
		out.Progress = &api.JobReport{Text: p.Text, Percent: p.Percent, At: p.At.UTC(), Notification: string(p.Notification())}
	}
	if j.Completed() {
		out.State = "completed"
	}
	return out
}
