package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

const (
	schedules       = "/v1/schedules"
	schedulePreview = "/v1/schedule-preview"
)

// CreateSchedule has the server tell something at times, from now on. It is stored durably when the call returns. A call
// that ends with another error than an [*Error] may have been accepted all the same; to repeat it, give an
// [IdempotencyKey].
func (c *Client) CreateSchedule(ctx context.Context, r api.ScheduleRequest, opts ...CallOption) (api.Schedule, error) {
	s, err := create(ctx, c, schedules, r, opts, isSchedule)
	if err != nil {
		return s, fmt.Errorf("create schedule: %w", err)
	}
	return s, nil
}

// Schedule returns one. One that does not exist is an [*Error] with [api.CodeNotFound].
func (c *Client) Schedule(ctx context.Context, id string) (api.Schedule, error) {
	return scheduled(ctx, c, request{method: http.MethodGet}, id, "", isSchedule)
}

// ChangeSchedule changes what is given, and returns the schedule as it is then.
func (c *Client) ChangeSchedule(ctx context.Context, id string, r api.ScheduleChange) (api.Schedule, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return api.Schedule{}, fmt.Errorf("schedule %s: %w", id, err)
	}
	return scheduled(ctx, c, request{method: http.MethodPatch, body: body}, id, "", isSchedule)
}

// PauseSchedule keeps a schedule from telling anything until it is resumed. It may be repeated.
func (c *Client) PauseSchedule(ctx context.Context, id string) (api.Schedule, error) {
	return scheduled(ctx, c, request{method: http.MethodPost}, id, "/pause", isSchedule)
}

// ResumeSchedule has a paused schedule go on from now. It may be repeated.
func (c *Client) ResumeSchedule(ctx context.Context, id string) (api.Schedule, error) {
	return scheduled(ctx, c, request{method: http.MethodPost}, id, "/resume", isSchedule)
}

// DeleteSchedule forgets a schedule and, with cancel, takes back what it has told and is not being sent yet.
func (c *Client) DeleteSchedule(ctx context.Context, id string, cancel bool) (api.ScheduleDeleted, error) {
	query := ""
	if cancel {
		query = "?cancel=true"
	}
	return scheduled(ctx, c, request{method: http.MethodDelete}, id, query, func(d api.ScheduleDeleted) bool { return d.Cancelled != nil })
}

// NextOccurrences lists the next n occurrences of a schedule's rule; 0 leaves the number to the server. The zone is for a
// rule that goes by its recipients' clocks; empty means the fallback zone.
func (c *Client) NextOccurrences(ctx context.Context, id, zone string, n int) ([]api.OccurrenceTime, error) {
	p, err := scheduled(ctx, c, request{method: http.MethodGet}, id, "/next"+parameters("zone", zone, "n", positive(n)), isPreview)
	return p.Next, err
}

// PreviewSchedule tells when a rule is due, which is not kept.
func (c *Client) PreviewSchedule(ctx context.Context, r api.SchedulePreviewRequest) (api.SchedulePreview, error) {
	p, err := post(ctx, c, schedulePreview, r, isPreview)
	if err != nil {
		return p, fmt.Errorf("preview schedule: %w", err)
	}
	return p, nil
}

// ScheduleFilter says which schedules are meant: those that match every member that is set.
type ScheduleFilter struct {
	// State is active, paused or ended.
	State string
	Name  string
}

// SchedulesPage returns a page of schedules, newest first. The first page has an empty cursor; each names the next one's,
// the last one none. A limit of 0 leaves the size to the server.
func (c *Client) SchedulesPage(ctx context.Context, f ScheduleFilter, cursor string, limit int) (api.Schedules, error) {
	page, err := ask(ctx, c, http.MethodGet, schedules+parameters(
		"state", f.State, "name", f.Name, "cursor", cursor, "limit", positive(limit),
	), func(p api.Schedules) bool { return p.Schedules != nil })
	if err != nil {
		return page, fmt.Errorf("schedules: %w", err)
	}
	return page, nil
}

// Schedules goes over schedules, newest first, asking for a page at a time. It ends with the first error.
func (c *Client) Schedules(ctx context.Context, f ScheduleFilter) iter.Seq2[api.Schedule, error] {
	return all(func(cursor string) ([]api.Schedule, string, error) {
		page, err := c.SchedulesPage(ctx, f, cursor, largestPage)
		return page.Schedules, page.NextCursor, err
	})
}

// OccurrencesPage returns a page of what a schedule has told, newest first, as [Client.SchedulesPage] does.
func (c *Client) OccurrencesPage(ctx context.Context, id, cursor string, limit int) (api.Occurrences, error) {
	return scheduled(ctx, c, request{method: http.MethodGet}, id, "/occurrences"+parameters("cursor", cursor, "limit", positive(limit)),
		func(p api.Occurrences) bool { return p.Occurrences != nil })
}

// Occurrences goes over what a schedule has told, newest first. It ends with the first error.
func (c *Client) Occurrences(ctx context.Context, id string) iter.Seq2[api.Occurrence, error] {
	return all(func(cursor string) ([]api.Occurrence, string, error) {
		page, err := c.OccurrencesPage(ctx, id, cursor, largestPage)
		return page.Occurrences, page.NextCursor, err
	})
}

// scheduled does something with one.
func scheduled[T any](ctx context.Context, c *Client, r request, id, action string, valid func(T) bool) (answer T, err error) {
	name, err := segment("schedule", id)
	if err != nil {
		return answer, err
	}
	r.path = schedules + "/" + name + action
	if answer, err = answered(ctx, c, r, valid); err != nil {
		return answer, fmt.Errorf("schedule %s: %w", id, err)
	}
	return answer, nil
}

func isSchedule(s api.Schedule) bool { return s.ID != "" }

func isPreview(p api.SchedulePreview) bool { return p.Next != nil }
