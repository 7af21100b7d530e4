package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

func ExampleVerifyWebhook() {
	// In a handler: body, err := io.ReadAll(r.Body); header is r.Header; now is time.Now().
	body := []byte(`{"type":"message.received","timestamp":"2021-02-25T15:02:10Z","data":{"text":"yes"}}`)
	header := http.Header{}
	header.Set("webhook-id", "evt_0zk3v9q2m7r4x")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1,RBM5Tunha9V7YW510kkRCGzo7rEEcuInnkuTiG0C8M8=")
	e, err := client.VerifyWebhook([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, header, body, time.Unix(1614265330, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.ID, e.Type, string(e.Data))
	// Output: evt_0zk3v9q2m7r4x message.received {"text":"yes"}
}

// TestVerifyWebhook uses the vector of the reference libraries of Standard Webhooks.
func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0)
	other := "whsec_" + strings.Repeat("A", 32)
	for name, c := range map[string]struct {
		secrets []string
		now     time.Time
		body    string
		good    bool
	}{
		"right":          {secrets: []string{secret}, good: true},
		"one of several": {secrets: []string{other, secret}, good: true},
		"without prefix": {secrets: []string{strings.TrimPrefix(secret, "whsec_")}, good: true},
		"wrong secret":   {secrets: []string{other}},
		"no secret":      {},
		"empty secret":   {secrets: []string{""}},
		"bad secret":     {secrets: []string{"whsec_!", secret}},
		"too late":       {secrets: []string{secret}, now: now.Add(6 * time.Minute)},
		"other body":     {secrets: []string{secret}, body: `{"test":2432232314}`},
	} {
		at, b := c.now, c.body
		if at.IsZero() {
			at = now
		}
		if b == "" {
			b = string(body)
		}
		e, err := client.VerifyWebhook(c.secrets, header, []byte(b), at)
		if (err == nil) != c.good || c.good && e.ID != "msg_p5jXN8AQM9LWM0D4loKWxJek" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

const aStream = "text/event-stream"

func anEvent(n int) string {
	return fmt.Sprintf("id: evt_%d\nevent: message.received\ndata: {\"id\":\"evt_%d\",\"type\":\"message.received\",\"data\":{\"text\":\"%d\"}}\n\n", n, n, n)
}

func TestEventsGoOnWhereTheyWereCutOff(t *testing.T) {
	t.Parallel()
	var asked journal
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.add(r.Header.Get("Last-Event-ID") + " " + r.URL.RawQuery)
			h(w, r)
		}
	}
	c, _ := serve(t,
		note(says(200, aStream, ": hello\n\nretry: 1\nid: evt_0\n\n"+anEvent(1))),
		note(lost),
		note(says(503, problem, `{"code":"unavailable"}`)),
		note(says(200, aStream, "id: evt_1\n\n"+anEvent(2)+"id: evt_3\ndata: {\"id\":")),
		note(says(200, aStream, anEvent(3))),
	)
	stop := errors.New("enough")
	var got []string
	err := c.Events(t.Context(), []string{"message.received", "x"}, "", func(e api.Event) error {
		if got = append(got, e.ID); len(got) == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || strings.Join(got, " ") != "evt_1 evt_2 evt_3" {
		t.Errorf("%v, %v", got, err)
	}
	const query = " types=message.received%2Cx"
	want := strings.Join([]string{query, "evt_1" + query, "evt_1" + query, "evt_1" + query, "evt_2" + query}, "|")
	if calls := strings.Join(asked.all(), "|"); calls != want {
		t.Errorf("asked %q, want %q", calls, want)
	}
}

func TestEventsAreRefused(t *testing.T) {
	t.Parallel()
	for _, answer := range []http.HandlerFunc{
		says(422, problem, `{"code":"invalid_field","detail":"d"}`), says(404, "text/html", "<html>"),
		says(200, aStream, "data: nonsense\n\n"),
	} {
		c, s := serve(t, answer)
		if err := c.Events(t.Context(), nil, "", func(api.Event) error { return nil }); err == nil || len(s.keys) != 1 {
			t.Errorf("%v after %d requests", err, len(s.keys))
		}
	}
}

func TestMakingAWebhookIsNotRepeated(t *testing.T) {
	t.Parallel()
	c, s := serve(t, says(504, "text/html", "a proxy's")) // it may have been made
	if _, err := c.CreateWebhook(t.Context(), api.WebhookRequest{URL: "https://a.example"}); err == nil || len(s.keys) != 1 {
		t.Errorf("%v after %d requests", err, len(s.keys))
	}
}
