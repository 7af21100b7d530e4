package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// asking is a client of a server that always answers the same, and what it is asked.
func asking(t *testing.T, answer string) (*client.Client, *journal) {
	t.Helper()
	asked := new(journal)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked.add(r.Method + " " + r.URL.String() + " " + string(body))
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s without a content type", r.URL)
		}
		says(200, "application/json", answer)(w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{BaseURL: srv.URL, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestEveryCallAsksForWhatItSays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 24, 18, 0, 0, 0, time.FixedZone("", 3600))
	cases := map[string]struct {
		want, answer string
		do           func(context.Context, *client.Client) error
	}{
		"pause schedule": {"POST /v1/schedules/s%2F1/pause ", `{"id":"s/1"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.PauseSchedule(ctx, "s/1")
			return err
		}},
		"resume schedule": {"POST /v1/schedules/s%2F1/resume ", `{"id":"s/1"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.ResumeSchedule(ctx, "s/1")
			return err
		}},
		"cancel": {"POST /v1/notifications/n%2F1/cancel ", `{"id":"n/1"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Cancel(ctx, "n/1")
			return err
		}},
		"reschedule": {`POST /v1/notifications/n/reschedule {"in":"1h"}`, `{"id":"n"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Reschedule(ctx, "n", api.RescheduleRequest{In: "1h"})
			return err
		}},
		"edit": {`POST /v1/notifications/n/edit {"text":"x"}`, `{"id":"n"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Edit(ctx, "n", api.EditRequest{Text: "x"})
			return err
		}},
		"recall": {"POST /v1/notifications/n/recall ", `{"id":"n"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Recall(ctx, "n")
			return err
		}},
		"notifications": {
			"GET /v1/notifications?created_after=2026-12-24T17%3A00%3A00Z&cursor=c&limit=3&state=failed&topic=t ", `{"notifications":[]}`,
			func(ctx context.Context, c *client.Client) error {
				_, err := c.NotificationsPage(ctx, client.NotificationFilter{State: "failed", Topic: "t", CreatedAfter: at}, "c", 3)
				return err
			},
		},
		"deliveries": {"GET /v1/deliveries?notification=n&reason=r ", `{"deliveries":[]}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.DeliveriesPage(ctx, client.DeliveryFilter{Reason: "r", Notification: "n"}, "", 0)
			return err
		}},
		"delivery": {"GET /v1/deliveries/d ", `{"id":"d"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Delivery(ctx, "d")
			return err
		}},
		"pauses": {"GET /v1/pauses?limit=3 ", `{"pauses":[]}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Pauses(ctx, 3)
			return err
		}},
		"topics": {"GET /v1/topics ", `{"topics":[]}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.Topics(ctx)
			return err
		}},
		"refresh auth": {"POST /v1/auth/refresh ", `{"sets":[]}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.RefreshAuth(ctx)
			return err
		}},
		"end pause": {"DELETE /v1/pauses/p%2F1 ", `{"id":"p/1"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.EndPause(ctx, "p/1")
			return err
		}},
		"replay": {"POST /v1/deliveries/d/replay ", `{"id":"d"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.ReplayDelivery(ctx, "d")
			return err
		}},
		"replay many": {`POST /v1/deliveries/replay {"state":"failed"}`, `{"replayed":3}`, func(ctx context.Context, c *client.Client) error {
			n, err := c.ReplayDeliveries(ctx, api.ReplayRequest{State: "failed"})
			if err == nil && n != 3 {
				return errors.New("another number")
			}
			return err
		}},
		"settle": {`POST /v1/deliveries/d/settle {"state":"delivered"}`, `{"id":"d"}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.SettleDelivery(ctx, "d", api.SettleRequest{State: "delivered"})
			return err
		}},
		"progress": {`POST /v1/jobs/7/progress {"text":"x"}`, `{"number":7}`, func(ctx context.Context, c *client.Client) error {
			_, err := c.ReportProgress(ctx, 7, api.JobProgress{Text: "x"})
			return err
		}},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, asked := asking(t, want.answer)
			if err := want.do(t.Context(), c); err != nil || !slices.Equal(asked.all(), []string{want.want}) {
				t.Errorf("%v after asking %q, want %q", err, asked.all(), want.want)
			}
			c, _ = asking(t, `{"hello":"world"}`)
			if err := want.do(t.Context(), c); err == nil {
				t.Error("another server's answer is accepted")
			}
		})
	}
}

func TestWhatMustNotBeDoneTwiceIsRepeatedOnlyAfterARefusal(t *testing.T) {
	t.Parallel()
	c, s := serve(t, says(503, problem, `{"code":"unavailable"}`, "Retry-After", "0"), lost)
	if _, err := c.ReplayDelivery(t.Context(), "d"); err == nil || len(s.asked()) != 2 {
		t.Errorf("%v after %d calls, want 2", err, len(s.asked()))
	}
}

func TestABatchIsRepeatedUnderTheSameKeys(t *testing.T) {
	t.Parallel()
	c, asked := asking(t, `{"accepted":2,"results":[{"id":"a"},{"id":"b"}]}`)
	items := []api.BatchItem{{IdempotencyKey: "mine"}, {}}
	out, err := c.CreateNotifications(t.Context(), items)
	if err != nil || out.Accepted != 2 || items[1].IdempotencyKey != "" {
		t.Fatalf("%+v, %v, items %+v", out, err, items)
	}
	var sent api.BatchRequest
	if err := json.Unmarshal([]byte(strings.TrimPrefix(asked.all()[0], "POST /v1/notifications/batch ")), &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Notifications[0].IdempotencyKey != "mine" || sent.Notifications[1].IdempotencyKey == "" {
		t.Errorf("sent %+v", sent)
	}
	c, _ = asking(t, `{"accepted":1,"results":[{"id":"a"}]}`)
	if _, err := c.CreateNotifications(t.Context(), items); err == nil {
		t.Error("one result for two is accepted")
	}
}

func TestPagesAreGoneOver(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t, map[string]string{
		"GET /v1/notifications?limit=200&state=failed":          `{"notifications":[],"next_cursor":"n"}`,
		"GET /v1/notifications?cursor=n&limit=200&state=failed": `{"notifications":[{"id":"a"}]}`,
		"GET /v1/deliveries?limit=200":                          `{"deliveries":[{"id":"d"}],"next_cursor":"n"}`,
		"GET /v1/deliveries?cursor=n&limit=200":                 `{"deliveries":[{"id":"e"}]}`,
	})
	got := ""
	for n, err := range c.Notifications(t.Context(), client.NotificationFilter{State: "failed"}) {
		if err != nil {
			t.Fatal(err)
		}
		got += n.ID
	}
	for d, err := range c.Deliveries(t.Context(), client.DeliveryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got += d.ID
	}
	if got != "ade" {
		t.Errorf("went over %q", got)
	}
}
