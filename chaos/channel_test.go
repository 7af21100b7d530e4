package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/client"
)

var hangAfter = fakechannel.Rule{Op: fakechannel.OpSend, Do: fakechannel.HangAfter}

// set replaces the channel's rules.
func set(t *testing.T, ch *fakechannel.Remote, list ...fakechannel.Rule) {
	t.Helper()
	if err := ch.SetRules(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

// await returns when n distinct messages have been seen.
func await(t *testing.T, ch *fakechannel.Remote, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if r, err := ch.Await(ctx, func(r fakechannel.Report) bool { return r.Distinct >= n }); err != nil {
		t.Fatalf("%v; the ledger has %+v", err, r)
	}
}

// TestBadAnswers gives every conversation a channel that misbehaves in its own way, in the first attempt at each message, and
// one that does not (F14, F16, F17, F41). Every attempt comes to the channel once, the good conversation is not held up, and
// what may have been said is said at most once where that was asked for.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, 14, server)
	l.introduce()
	no := false
	type way struct {
		rule fakechannel.Rule
		// state is what a notification with on_unknown: hold ends in; said whether it was seen.
		state, reason string
		said          bool
		attempts      int
	}
	ways := []way{
		{fakechannel.Rule{Status: 503, RetryAfter: "1"}, "delivered", "", true, 2},
		{fakechannel.Rule{Status: 429, RetryAfter: "1"}, "delivered", "", true, 2},
		{fakechannel.Rule{Status: 500}, "unknown", "service_error", false, 1},
		{fakechannel.Rule{Status: 500, Kept: new(true)}, "unknown", "service_error", true, 1},
		{fakechannel.Rule{Status: 504}, "unknown", "service_error", false, 1},
		{fakechannel.Rule{Status: 404, Code: "ConversationNotFound"}, "failed", "not_found", false, 1},
		{fakechannel.Rule{Do: fakechannel.ResetAfter}, "unknown", "no_answer", true, 1},
		{fakechannel.Rule{Do: fakechannel.HangAfter}, "unknown", "no_answer", true, 1},
		{fakechannel.Rule{Do: fakechannel.Drip}, "unknown", "no_answer", true, 1},
		{fakechannel.Rule{Do: fakechannel.Truncate}, "delivered", "", true, 1},
		{fakechannel.Rule{Do: fakechannel.Redirect}, "failed", "redirected", false, 1},
		{fakechannel.Rule{Do: fakechannel.Garbage}, "unknown", "no_answer", false, 1},
		{fakechannel.Rule{Do: fakechannel.Huge}, "delivered", "", true, 1},
		{fakechannel.Rule{Status: 200, Body: "<html>", Kept: &no}, "delivered", "", false, 1},
	}
	var rules []fakechannel.Rule
	for i, w := range ways {
		w.rule.Op, w.rule.Conversation, w.rule.Each, w.rule.Times = fakechannel.OpSend, fmt.Sprintf("c%d", i), true, 1
		rules = append(rules, w.rule)
	}
	set(t, ch, rules...)
	c, err := client.New(client.Config{BaseURL: server.url(), HTTPClient: l.http})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(ways))
	for i := range ways {
		status, answer := l.post(t.Context(), "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"m","on_unknown":"hold"}`, i))
		if status != 202 {
			t.Fatalf("status %d: %s", status, answer)
		}
		ids[i] = idOf(t, answer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	conversations := make(map[string]fakechannel.Conversation)
	for i, w := range ways {
		n, err := c.Wait(ctx, ids[i])
		if err != nil {
			t.Fatalf("%+v: %v", w.rule, err)
		}
		if i == 0 || conversations[fmt.Sprintf("c%d", i)].ID == "" {
			all, err := ch.Conversations(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				conversations[c.ID] = c
			}
		}
		d, seen := n.Deliveries[0], conversations[fmt.Sprintf("c%d", i)]
		if d.State != w.state || d.Reason != w.reason || d.Attempts != w.attempts {
			t.Errorf("%+v: %s (%s) after %d attempts: %+v", w.rule, d.State, d.Reason, d.Attempts, d.History)
		}
		if said := slices.Equal(seen.Texts(), []string{"m"}); said != w.said || len(seen.Messages) > 1 {
			t.Errorf("%+v: seen %+v", w.rule, seen.Messages)
		}
		if seen.Tries["m"] != w.attempts {
			t.Errorf("%+v: %d requests in %d attempts", w.rule, seen.Tries["m"], w.attempts)
		}
	}
	r, err := ch.Report(ctx)
	if err != nil || r.Strayed != 0 {
		t.Errorf("redirects were followed %d times, %v", r.Strayed, err)
	}
}

// TestSlowHeadHoldsUpNobodyElse (F41): a conversation whose channel does not answer waits by itself.
func TestSlowHeadHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	const slow = 8 * time.Second // an attempt takes up to 10 s
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, 10, server)
	l.introduce()
	set(t, ch, fakechannel.Rule{Op: fakechannel.OpSend, Conversation: "c0", Times: 1, Delay: slow})
	for i := range 100 {
		if status, answer := l.post(t.Context(), "/v1/notifications", fmt.Sprintf(`{"to":{"conversation":"c%d"},"text":"m%d"}`, i%10, i)); status != 202 {
			t.Fatalf("status %d: %s", status, answer)
		}
	}
	await(t, ch, 100)
	all, err := ch.Conversations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var late time.Time
	for _, c := range all {
		if c.ID == "c0" {
			late = c.Messages[0].At
		}
	}
	before := 0
	for _, c := range all {
		for _, m := range c.Messages {
			if m.At.Before(late) {
				before++
			}
		}
	}
	if before < 20 { // all 90, where the machine does nothing else
		t.Errorf("%d were said to others before the slow one had its first", before)
	}
	for _, c := range all { // I6
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("m%d%s", i, c.ID[1:]))
		}
		want[0] = "m" + c.ID[1:]
		if !slices.Equal(c.Texts(), want) {
			t.Errorf("%s saw %q", c.ID, c.Texts())
		}
	}
}

// TestOutage takes the channel away while clients ask (F12): everything waits, and is said when it is back, without a storm.
func TestOutage(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(2, stop)
	time.Sleep(200 * time.Millisecond)
	set(t, ch, fakechannel.Rule{Status: 503})
	time.Sleep(outage)
	set(t, ch)
	close(stop)
	wait()
	l.judge(2*time.Minute+outage, 0)
	r, err := ch.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests for %d messages, %d refused", r.Requests, r.Messages, r.Statuses["503"])
}
