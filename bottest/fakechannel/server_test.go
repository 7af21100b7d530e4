package fakechannel_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg fakechannel.Config) *fakechannel.Server {
	t.Helper()
	s, err := fakechannel.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// clientOf returns a client with connections of its own: HTTP/2, if the channel has TLS and no other is asked for.
func clientOf(t *testing.T, s *fakechannel.Server, http1 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.RootCAs()}, ForceAttemptHTTP2: !http1}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post says something; status 0 means that no answer came.
func post(t *testing.T, c *http.Client, service, conversation, text string) (status int, header http.Header, body []byte, err error) {
	t.Helper()
	return do(t.Context(), t, c, http.MethodPost, service+"/v3/conversations/"+conversation+"/activities", `{"type":"message","text":`+strconv.Quote(text)+`}`)
}

func do(ctx context.Context, t *testing.T, c *http.Client, method, url, body string) (int, http.Header, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.GetBody = nil // nothing is sent twice
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}

func TestLedgerShowsWhatPeopleSaw(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{})
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	ctx, service, conversation := t.Context(), s.ServiceURL("contoso"), activity.ConversationID("19:abc/../x@thread.v2;messageid=1")
	say := func(text string) *activity.Activity {
		return &activity.Activity{Type: activity.TypeMessage, Text: text}
	}
	first, err := client.SendToConversation(ctx, service, conversation, say("one"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.ReplyToActivity(ctx, service, conversation, first.ID, say("two"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendToConversation(ctx, service, conversation, say("one")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpdateActivity(ctx, service, conversation, first.ID, say("one, better")); err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteActivity(ctx, service, conversation, reply.ID); err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteActivity(ctx, service, conversation, reply.ID); err == nil {
		t.Error("deleted twice")
	}
	if _, err := client.SendToConversation(ctx, service, conversation, &activity.Activity{Type: activity.TypeTyping}); err != nil {
		t.Fatal(err)
	}
	created, err := client.CreateConversation(ctx, service, activity.ConversationParameters{
		Members: []activity.ChannelAccount{{ID: "29:ann"}}, Activity: say("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Ledger().Conversation(string(created.ID)).Texts(); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("in the new conversation: %q", got)
	}
	members, err := client.Members(ctx, service, conversation)
	if err != nil || len(members) != 1 {
		t.Fatalf("members %v, %v", members, err)
	}
	if m, err := client.Member(ctx, service, conversation, members[0].ID); err != nil || m.ID != members[0].ID {
		t.Errorf("member %v, %v", m, err)
	}
	if page, err := client.PagedMembers(ctx, service, conversation, 50, ""); err != nil || len(page.Members) != 1 {
		t.Errorf("page %v, %v", page, err)
	}

	seen := s.Ledger().Conversation(string(conversation))
	if seen.Tenant != "contoso" || !slices.Equal(seen.Texts(), []string{"one", "two", "one"}) {
		t.Errorf("seen in tenant %q: %q", seen.Tenant, seen.Texts())
	}
	if m := seen.Messages; !slices.Equal(m[0].Edits, []string{"one, better"}) || m[1].ReplyTo != m[0].ID || !m[1].Deleted || m[2].Deleted {
		t.Errorf("seen %+v", m)
	}
	if n := seen.Tries["one"]; n != 2 {
		t.Errorf("%d tries", n)
	}
	r := s.Report()
	if r.Messages != 4 || r.Distinct != 3 || r.Duplicates != 1 || r.Updates != 1 || r.Deletes != 1 || r.Created != 1 {
		t.Errorf("report %+v", r)
	}
	if r.Tenants["contoso"].Messages != 4 {
		t.Errorf("tenants %+v", r.Tenants)
	}
}

func TestServerSpeaksBothVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{TLS: true})
	for _, http1 := range []bool{true, false} {
		if status, _, _, err := post(t, clientOf(t, s, http1), s.URL(), "c", "hi"); status != http.StatusCreated {
			t.Errorf("status %d, %v", status, err)
		}
	}
	if r := s.Report(); r.HTTP2 != 1 || r.Requests != 2 || r.Connections != 2 {
		t.Errorf("report %+v", r)
	}
}

func TestBadCertificatesAreNotTrusted(t *testing.T) {
	t.Parallel()
	for _, kind := range []fakechannel.Certificate{fakechannel.Expired, fakechannel.WrongHost, fakechannel.SelfSigned} {
		s := open(t, fakechannel.Config{TLS: true, Certificate: kind})
		c := clientOf(t, s, false)
		_, _, _, err := post(t, c, s.URL(), "c", "hi")
		if _, unverified := errors.AsType[*tls.CertificateVerificationError](err); !unverified {
			t.Errorf("%s: %v", kind, err)
		}
		if err := s.SetCertificate(fakechannel.Good); err != nil {
			t.Fatal(err)
		}
		if status, _, _, err := post(t, c, s.URL(), "c", "hi"); status != http.StatusCreated {
			t.Errorf("%s, then a good one: status %d, %v", kind, status, err)
		}
	}
	if err := open(t, fakechannel.Config{}).SetCertificate(fakechannel.Expired); err == nil {
		t.Error("a channel without TLS has taken a certificate")
	}
}

// TestActions has every action happen over both versions of HTTP.
func TestActions(t *testing.T) {
	t.Parallel()
	for _, version := range []struct {
		name         string
		secure, http bool
	}{{"HTTP1", false, true}, {"HTTP1OverTLS", true, true}, {"HTTP2", true, false}} {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, fakechannel.Config{TLS: version.secure})
			kept := true
			for name, test := range map[string]struct {
				rule   fakechannel.Rule
				status int // 0: no answer
				broken bool
				kept   bool
			}{
				"answer":       {rule: fakechannel.Rule{Status: 503, RetryAfter: "7", Code: "ServiceUnavailable"}, status: 503},
				"kept":         {rule: fakechannel.Rule{Status: 500, Kept: &kept}, status: 500, kept: true},
				"page":         {rule: fakechannel.Rule{Body: "<html>"}, status: 201, kept: true},
				"late":         {rule: fakechannel.Rule{Delay: time.Millisecond}, status: 201, kept: true},
				"reset before": {rule: fakechannel.Rule{Do: fakechannel.ResetBefore}, broken: true},
				"reset after":  {rule: fakechannel.Rule{Do: fakechannel.ResetAfter}, broken: true, kept: true},
				"hang before":  {rule: fakechannel.Rule{Do: fakechannel.HangBefore}, broken: true},
				"hang after":   {rule: fakechannel.Rule{Do: fakechannel.HangAfter}, broken: true, kept: true},
				"drip":         {rule: fakechannel.Rule{Do: fakechannel.Drip}, broken: true, kept: true},
				"truncate":     {rule: fakechannel.Rule{Do: fakechannel.Truncate}, status: 200, broken: true, kept: true},
				"redirect":     {rule: fakechannel.Rule{Do: fakechannel.Redirect}, status: 307},
				"garbage":      {rule: fakechannel.Rule{Do: fakechannel.Garbage}, broken: true},
			} {
				test.rule.Conversation = strings.ReplaceAll(name, " ", "-")
				if err := s.SetRules(test.rule); err != nil {
					t.Fatal(err)
				}
				client := clientOf(t, s, version.http)
				seen := func() bool { return len(s.Ledger().Conversation(test.rule.Conversation).Messages) == 1 }
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				lasting := []fakechannel.Action{fakechannel.HangBefore, fakechannel.HangAfter, fakechannel.Drip}
				if slices.Contains(lasting, test.rule.Do) { // until the caller has had enough
					go func() {
						defer cancel()
						for ctx.Err() == nil && (s.Report().Faults[test.rule.Do] == 0 || seen() != test.kept) {
							time.Sleep(time.Millisecond)
						}
					}()
				}
				status, header, _, err := do(ctx, t, client, http.MethodPost,
					s.ServiceURL("t")+"/v3/conversations/"+test.rule.Conversation+"/activities", `{"type":"message","text":"hi"}`)
				cancel()
				// Over HTTP/2 a drip has sent its headers.
				if name == "drip" {
					status = 0
				}
				if status != test.status || (err != nil) != test.broken {
					t.Errorf("%s: status %d, %v", name, status, err)
				}
				if header.Get("Retry-After") != test.rule.RetryAfter {
					t.Errorf("%s: header %v", name, header)
				}
				if seen() != test.kept {
					t.Errorf("%s: seen %v", name, seen())
				}
				if n := s.Report().Faults[cmpAction(test.rule.Do)]; n == 0 {
					t.Errorf("%s was not counted", name)
				}
			}
		})
	}
}

func cmpAction(a fakechannel.Action) fakechannel.Action {
	if a == "" {
		return fakechannel.Answer
	}
	return a
}

func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{Rules: []fakechannel.Rule{{Do: fakechannel.ResetAfter}}})
	if _, _, _, err := post(t, clientOf(t, s, true), s.URL(), "c", "hi"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
}

func TestHugeBodiesGoOn(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{Rules: []fakechannel.Rule{{Do: fakechannel.Huge}}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v3/conversations/c/activities", strings.NewReader(`{"type":"message","text":"hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := clientOf(t, s, true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.CopyN(io.Discard, resp.Body, 8<<20); err != nil {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestReleaseLetsHangingRequestsGo(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{Rules: []fakechannel.Rule{{Do: fakechannel.HangAfter}}})
	ended := make(chan error, 1)
	go func() {
		_, _, _, err := post(t, clientOf(t, s, true), s.URL(), "c", "hi")
		ended <- err
	}()
	if err := s.Ledger().Await(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for {
		s.Release() // it may have been a moment too early
		select {
		case err := <-ended:
			if err == nil {
				t.Error("answered")
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestRulesChooseRequests(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{})
	client := clientOf(t, s, true)
	statuses := func(texts ...string) (got []int) {
		for _, text := range texts {
			status, _, _, _ := post(t, client, s.ServiceURL("t"), "c", text)
			got = append(got, status)
		}
		return got
	}
	for name, test := range map[string]struct {
		rules []fakechannel.Rule
		want  []int
	}{
		"all":           {[]fakechannel.Rule{{Status: 503}}, []int{503, 503, 503, 503}},
		"text":          {[]fakechannel.Rule{{Text: "b", Status: 503}}, []int{201, 503, 201, 201}},
		"other tenant":  {[]fakechannel.Rule{{Tenant: "u", Status: 503}}, []int{201, 201, 201, 201}},
		"other op":      {[]fakechannel.Rule{{Op: fakechannel.OpReply, Status: 503}}, []int{201, 201, 201, 201}},
		"nth":           {[]fakechannel.Rule{{Skip: 1, Times: 2, Status: 503}}, []int{201, 503, 503, 201}},
		"each":          {[]fakechannel.Rule{{Each: true, Times: 1, Status: 503}}, []int{503, 503, 503, 201}},
		"first of many": {[]fakechannel.Rule{{Text: "a", Times: 1, Status: 502}, {Status: 503}}, []int{502, 503, 503, 503}},
	} {
		if err := s.SetRules(test.rules...); err != nil {
			t.Fatal(err)
		}
		if got := statuses("a", "b", "c", "a"); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, wrong := range []fakechannel.Rule{
		{Do: "explode"}, {Status: 42}, {Share: 2}, {Skip: -1}, {Do: fakechannel.ResetBefore, Text: "x"},
	} {
		if err := s.SetRules(wrong); err == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
}

// TestChanceFollowsTheSeed says the same texts in two orders and expects the same ones to fail.
func TestChanceFollowsTheSeed(t *testing.T) {
	t.Parallel()
	const n = 400
	failed := func(seed uint64, backwards bool) []string {
		s := open(t, fakechannel.Config{Seed: seed, Rules: []fakechannel.Rule{{Share: 0.25, Status: 503}}})
		client := clientOf(t, s, true)
		var texts []string
		for i := range n {
			text := strconv.Itoa(i)
			if backwards {
				text = strconv.Itoa(n - 1 - i)
			}
			if status, _, _, _ := post(t, client, s.URL(), "c", text); status == http.StatusServiceUnavailable {
				texts = append(texts, text)
			}
		}
		slices.Sort(texts)
		return texts
	}
	a, b, c := failed(1, false), failed(1, true), failed(2, false)
	if !slices.Equal(a, b) {
		t.Error("the order of requests made a difference")
	}
	if slices.Equal(a, c) {
		t.Error("the seed made no difference")
	}
	if len(a) < n/8 || len(a) > n/2 {
		t.Errorf("%d of %d failed", len(a), n)
	}
}

func TestLimitsRefuseAndNoteTheImpatient(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{
		Grace:  time.Nanosecond,
		Limits: []fakechannel.Limit{{Scope: fakechannel.ByConversation, Requests: 2, Window: time.Hour}},
	})
	client := clientOf(t, s, true)
	for i, want := range []int{201, 201, 429, 429} {
		status, header, _, _ := post(t, client, s.ServiceURL("t"), "c", strconv.Itoa(i))
		if status != want {
			t.Errorf("%d: status %d", i, status)
		}
		if told := header.Get("Retry-After"); (told != "") != (want == 429) || told != "" && told != "3600" && told != "3599" {
			t.Errorf("%d: Retry-After %q", i, told)
		}
	}
	if status, _, _, _ := post(t, client, s.ServiceURL("t"), "d", "other"); status != 201 {
		t.Errorf("status %d in another conversation", status)
	}
	r := s.Report()
	if r.Refused != 2 || r.Early != 1 || r.Messages != 3 || r.Peaks["conversation 2 per 1h0m0s"] != 4 {
		t.Errorf("report %+v", r)
	}
	if c := s.Ledger().Conversation("c"); c.Refused != 2 || c.Early != 1 {
		t.Errorf("conversation %+v", c)
	}
}

func TestDelayIsADistance(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{Delay: 40 * time.Millisecond, Jitter: 10 * time.Millisecond})
	client := clientOf(t, s, true)
	began := time.Now()
	if status, _, _, err := post(t, client, s.URL(), "c", "hi"); status != 201 {
		t.Fatal(status, err)
	}
	took := time.Since(began)
	if at := s.Ledger().Conversation("c").Messages[0].At.Sub(began); at < 10*time.Millisecond || took < at+10*time.Millisecond {
		t.Errorf("arrived after %v, answered after %v", at, took)
	}
}

func TestBodiesThatAreNoActivitiesAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{})
	client := clientOf(t, s, true)
	for body, want := range map[string]int{
		`{`: 400, `[]`: 400, `{"text":"no type"}`: 400, `{"type":"message","text":"` + strings.Repeat("x", 1<<20) + `"}`: 413,
	} {
		status, _, _, _ := do(t.Context(), t, client, http.MethodPost, s.URL()+"/v3/conversations/c/activities", body)
		if status != want {
			t.Errorf("%.30s: status %d", body, status)
		}
	}
	if status, _, _, _ := do(t.Context(), t, client, http.MethodGet, s.URL()+"/v3/nothing", ""); status != 404 {
		t.Errorf("status %d", status)
	}
	if n := s.Report().Messages; n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestRemoteReadsAndRules(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{Limits: fakechannel.TeamsLimits()})
	client := clientOf(t, s, true)
	r := fakechannel.Connect(s.URL()+"/", client)
	ctx := t.Context()
	if r.URL() != s.URL() || r.ServiceURL("t") != s.ServiceURL("t") {
		t.Error(r.URL(), r.ServiceURL("t"))
	}
	if err := r.SetRules(ctx, fakechannel.Rule{Text: "b", Status: 503, Delay: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := r.SetRules(ctx, fakechannel.Rule{Status: 1}); err == nil {
		t.Error("a rule that makes no sense was taken")
	}
	var wg sync.WaitGroup
	for _, text := range []string{"a", "b"} {
		wg.Go(func() { _, _, _, _ = post(t, client, r.ServiceURL("t"), "c", text) })
	}
	wg.Wait()
	report, err := r.Await(ctx, func(r fakechannel.Report) bool { return r.Requests == 2 })
	if err != nil || report.Distinct != 1 || report.Statuses["503"] != 1 || report.Peaks["tenant 50 per 1s"] != 2 {
		t.Errorf("report %+v, %v", report, err)
	}
	all, err := r.Conversations(ctx)
	if err != nil || len(all) != 1 || !slices.Equal(all[0].Texts(), []string{"a"}) {
		t.Errorf("conversations %+v, %v", all, err)
	}
	if err := errors.Join(r.Release(ctx), r.Revoke(ctx), r.Clear(ctx)); err != nil {
		t.Error(err)
	}
	if report, err := r.Report(ctx); err != nil || report.Messages != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
}
