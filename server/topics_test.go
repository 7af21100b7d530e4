package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// TestTopicsOtherWays are read as people write them, and shown but for whose addresses are nobody else's business.
func TestTopicsOtherWays(t *testing.T) {
	t.Parallel()
	url := running(t, server.Config{
		Topics:         map[string]proactive.Topic{"duty": {Title: "Duty"}},
		TopicFallbacks: map[string]string{"duty": "email after 5m unless read, sms:+15551234567", "other": "sms"},
	})
	_, answer := request(t, http.MethodGet, url+"/v1/topics", "")
	for _, want := range []string{
		`"title":"Duty"`, `{"channel":"email","after":"5m0s","unless":"read"}`, `{"to":{"address":"sms:+15551234567"},"after":"10m0s","unless":"delivered"}`,
		`"topic":"other"`, `{"channel":"sms","after":"10m0s","unless":"delivered"}`,
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the topics lack %s: %s", want, answer)
		}
	}
	_, answer = request(t, http.MethodPost, url+"/v1/keys", `{"name":"bound","scopes":["read"],"tenant":"11111111-aaaa-4aaa-8aaa-111111111111"}`)
	_, secret, _ := strings.Cut(answer, `"secret":"`)
	secret, _, _ = strings.Cut(secret, `"`)
	resp, answer := request(t, http.MethodGet, url+"/v1/topics", "", "Authorization", "Bearer "+secret)
	if resp.StatusCode != http.StatusOK || !strings.Contains(answer, `"channel":"email"`) || strings.Contains(answer, "15551234567") {
		t.Errorf("a tenant's key is shown %d %s", resp.StatusCode, answer)
	}
	err := server.Config{TopicFallbacks: map[string]string{"duty": "email, sms unless seen"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), `topics.duty.fallback: "sms unless seen": "seen" is none of delivered, read, answered`) {
		t.Errorf("a wrong way: %v", err)
	}
}
