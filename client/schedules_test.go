package client_test

import (
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

func TestSchedules(t *testing.T) {
	t.Parallel()
	const path = "/v1/schedules/sch_x"
	one := `{"id":"sch_x","state":"active"}`
	c, asked := answering(t, map[string]string{
		"POST /v1/schedules":                                            one,
		"GET " + path:                                                   one,
		"PATCH " + path:                                                 one,
		"DELETE " + path + "?cancel=true":                               `{"cancelled":["ntf_y"]}`,
		"GET " + path + "/next?n=2&zone=Asia%2FTokyo":                   `{"next":[{"zone":"Asia/Tokyo"}]}`,
		"POST /v1/schedule-preview":                                     `{"next":[{"zone":"UTC"}]}`,
		"GET /v1/schedules?limit=200&name=a+%26+b&state=ended":          `{"schedules":[{"id":"1"}],"next_cursor":"c"}`,
		"GET /v1/schedules?cursor=c&limit=200&name=a+%26+b&state=ended": `{"schedules":[{"id":"2"}]}`,
		"GET " + path + "/occurrences?limit=200":                        `{"occurrences":[{"number":7}]}`,
	})
	rule := api.ScheduleRule{Cron: "@daily"}
	check := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	made, err := c.CreateSchedule(t.Context(), api.ScheduleRequest{Rule: rule}, client.IdempotencyKey("k"))
	check("create", made.ID == "sch_x", err)
	got, err := c.Schedule(t.Context(), "sch_x")
	check("get", got.State == "active", err)
	got, err = c.ChangeSchedule(t.Context(), "sch_x", api.ScheduleChange{Name: new("")})
	check("change", got.ID == "sch_x", err)
	next, err := c.NextOccurrences(t.Context(), "sch_x", "Asia/Tokyo", 2)
	check("next", len(next) == 1, err)
	p, err := c.PreviewSchedule(t.Context(), api.SchedulePreviewRequest{Rule: rule})
	check("preview", len(p.Next) == 1, err)
	d, err := c.DeleteSchedule(t.Context(), "sch_x", true)
	check("delete", slices.Equal(d.Cancelled, []string{"ntf_y"}), err)
	var ids []string
	for s, err := range c.Schedules(t.Context(), client.ScheduleFilter{State: "ended", Name: "a & b"}) {
		check("list", true, err)
		ids = append(ids, s.ID)
	}
	check("list", slices.Equal(ids, []string{"1", "2"}), nil)
	for o, err := range c.Occurrences(t.Context(), "sch_x") {
		check("occurrences", o.Number == 7, err)
	}
	if want := `PATCH ` + path + ` {"name":""}`; !slices.Contains(asked.all(), want) {
		t.Errorf("asked %q, not %q", asked.all(), want)
	}
	if _, err := c.Schedule(t.Context(), ".."); err == nil {
		t.Error("dots are an id")
	}
}
