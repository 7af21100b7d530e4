package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestLogKeepsToItsLinesAndTellsNoSecrets sends what would break out of a log, and what must not be in one, to a process
// that logs all that it can. Every line is checked for being JSON as it comes.
func TestLogKeepsToItsLinesAndTellsNoSecrets(t *testing.T) {
	t.Parallel()
	channel, p := newHangs(t), build(t)
	const secret, token, said, name = "SECRET-directline-0123456789abcdef", "SECRET-token-xyz", "PROBE-TEXT", "PROBE-NAME"
	p.env = []string{"HEADSUP_DIRECTLINE_SECRET=" + secret}
	r := launch(t, p, "--log-level", "debug")
	nasty := []string{
		"a\r\nb", "\x1b[31mred\x1b[0m", "\u2028line\u2029", strings.Repeat("long", 1<<18), "%s%n%d", `","level":"ERROR","x":"`, "\x00", "\xff\xfe", "{}",
	}
	auth := []string{"Authorization", "Bearer " + token}
	for i, bad := range nasty {
		quoted := fmt.Sprintf("%q", bad)
		for _, body := range []string{
			`{"type":` + quoted + `,"id":"1","channelId":"test"}`,
			bad,
			fmt.Sprintf(`{"type":"message","id":%q,"channelId":%q,"serviceUrl":%q,"from":{"id":"u","name":%q},"recipient":{"id":"b"},"conversation":{"id":%q},"text":%q}`,
				fmt.Sprint(i, bad), bad, channel.URL, name+bad, bad, said+bad),
			fmt.Sprintf(`{"type":"message","id":"%d","channelId":"test","serviceUrl":"http://127.0.0.1:1/x","from":{"id":"u","name":%q},"recipient":{"id":"b"},"conversation":{"id":"c%d"},"text":%q}`,
				i, name, i, said),
		} {
			r.post("/api/messages", body, auth...)
		}
		r.post("/v1/notifications", `{"to":{"conversation":`+quoted+`},"text":"`+said+`"}`, auth...)
		r.post("/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":%q,"topic":%s}`, i, said, quoted), auth...)
		r.post("/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":%q}`, i, said), "Idempotency-Key", "k", "Traceparent", "x", "X-Forwarded-For", "y")
		r.post("/v3/directline/tokens/generate", "{}", "Authorization", "Bearer "+secret)
		r.post("/v3/directline/tokens/generate", bad, "Authorization", "Bearer wrong-"+token)
		r.post("/playground/api/token", `{"user":{"id":"dl_x","name":`+quoted+`}}`)
	}
	for _, raw := range []string{"BREW /x HTTP/9.9\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01rubbish\r\n\r\n"} {
		if err := say(t, r.listen, raw); err != nil {
			t.Error(err)
		}
	}
	if resp, _ := request(t, http.MethodGet, "http://"+r.listen+"/v1/%0d%0aINJECTED/"+token, ""); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
	r.signal()
	if err := r.exit(); err != nil {
		t.Errorf("it exits with %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < 10 {
		t.Errorf("only %d lines are logged; nothing is shown by this", len(r.lines))
	}
	for i, line := range r.lines {
		for _, probe := range []string{secret, token, said, name} {
			if strings.Contains(r.raw[i], probe) {
				t.Errorf("%s is in %.500s", probe, r.raw[i])
			}
		}
		if len(r.raw[i]) > 64<<10 {
			t.Errorf("a line has %d bytes: %.200s", len(r.raw[i]), r.raw[i])
		}
		if !slices.Contains([]any{"DEBUG", "INFO", "WARN", "ERROR"}, line["level"]) || line["time"] == nil || line["msg"] == nil {
			t.Errorf("a line without its usual parts: %.500s", r.raw[i])
		}
		if strings.ContainsAny(r.raw[i], "\x1b\u2028\u2029\r") {
			t.Errorf("a line with control characters: %.500q", r.raw[i])
		}
	}
	t.Logf("%d lines", len(r.lines))
}
