package headsup_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
)

// answering is a way to a channel that answers every call with the same, and counts them.
func answering(t *testing.T, answer http.HandlerFunc) (*headsup.ConnectorChannel, activity.Reference, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answer(w, r)
	}))
	t.Cleanup(srv.Close)
	client, err := connector.New(connector.Config{AllowLoopback: true, AllowHost: func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return headsup.NewConnectorChannel(client), teams(srv.URL, "a:1"), &calls
}

func teams(serviceURL string, id activity.ConversationID) activity.Reference {
	return activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: serviceURL, Bot: &activity.ChannelAccount{ID: "28:bot"},
		Conversation: activity.ConversationAccount{ID: id, TenantID: "t"},
	}
}

func hello(ref activity.Reference) headsup.Outgoing {
	return headsup.Outgoing{Reference: ref, Activity: activity.Message("hello")}
}

func refuse(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func newLimits(t *testing.T, p pace.Profile) *pace.Limiter {
	t.Helper()
	limits, err := pace.New(pace.Config{Profiles: pace.Profiles{"msteams": p}})
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	code := func(c string) string { return `{"error":{"code":"` + c + `","message":"words"}}` }
	for _, c := range []struct {
		status   int
		body     string
		meaning  headsup.Meaning
		reason   string
		suspends bool
		paused   pace.Level // by one answer
	}{
		{400, code("BadSyntax"), headsup.MeaningPermanent, "bad_request", false, ""},
		{401, "", headsup.MeaningThrottled, "unauthorized", false, pace.LevelBot},
		{401, code("BotNotRegistered"), headsup.MeaningThrottled, "not_registered", false, pace.LevelBot},
		{403, "", headsup.MeaningPermanent, "forbidden", false, ""},
		{403, code("BotDisabledByAdmin"), headsup.MeaningPermanent, "bot_disabled", true, ""},
		{403, code("BotNotInConversationRoster"), headsup.MeaningPermanent, "not_in_conversation", true, ""},
		{403, code("ConversationBlockedByUser"), headsup.MeaningPermanent, "blocked", true, ""},
		{403, `{"errorCode":209,"message":"{\r\n \"subCode\": \"MessageWritesBlocked\"}"}`, headsup.MeaningPermanent, "blocked", true, ""},
		{403, code("ForbiddenOperationException"), headsup.MeaningPermanent, "not_installed", true, ""},
		{403, code("InvalidBotApiHost"), headsup.MeaningPermanent, "wrong_host", false, ""},
		{404, code("ConversationNotFound"), headsup.MeaningPermanent, "conversation_gone", true, ""},
		{404, code("BotNotInConversationRoster"), headsup.MeaningPermanent, "not_in_conversation", false, ""},
		{405, "", headsup.MeaningUnsupported, "not_supported", false, ""},
		{408, "", headsup.MeaningTransient, "timeout", false, ""},
		{409, "", headsup.MeaningPermanent, "refused", false, ""},
		{412, code("PreconditionFailed"), headsup.MeaningTransient, "conflict", false, ""},
		{413, code("MessageSizeTooBig"), headsup.MeaningPermanent, "too_large", false, ""},
		{429, code("Throttled"), headsup.MeaningThrottled, "throttled", false, pace.LevelConversation},
		{307, "", headsup.MeaningPermanent, "redirected", false, ""},
		{500, code("ServiceError"), headsup.MeaningUnknown, "service_error", false, ""},
		{502, "", headsup.MeaningTransient, "service_error", false, ""},
		{503, "", headsup.MeaningTransient, "service_error", false, ""},
		{504, "", headsup.MeaningUnknown, "service_error", false, ""},
		{507, "", headsup.MeaningUnknown, "service_error", false, ""},
	} {
		way, ref, _ := answering(t, refuse(c.status, c.body))
		limits := newLimits(t, pace.Profile{})
		_, err := headsup.NewPacedChannel(way, limits, "app").Send(t.Context(), hello(ref))
		failure := headsup.MeaningOf(err)
		if failure == nil || failure.Meaning != c.meaning || failure.Reason != c.reason || failure.Suspends != c.suspends || failure.Status != c.status {
			t.Errorf("%d %s: %+v", c.status, c.body, failure)
		}
		paused := pace.Level("")
		for _, p := range limits.Pauses() {
			paused = p.Scope.Level
		}
		if paused != c.paused {
			t.Errorf("%d %s: paused the %q, want %q", c.status, c.body, paused, c.paused)
		}
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	in := func(d time.Duration) string { return begin.Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		header string
		pause  time.Duration
		until  time.Time // instead of a pause: to the second
	}{
		{header: "7", pause: 7 * time.Second},
		{header: in(2 * time.Minute), until: begin.Add(2 * time.Minute)},
		{header: in(-time.Hour), pause: time.Second},
		{header: "0", pause: time.Second},
		{header: "1000000000", pause: time.Hour},
		{header: "99999999999999999999", pause: time.Hour},
		{header: "-5", pause: time.Second}, // makes no sense, like what follows
		{header: "soon", pause: time.Second},
		{header: "", pause: time.Second},
	} {
		way, ref, calls := answering(t, refuse(429, "", "Retry-After", c.header))
		limits := newLimits(t, pace.Profile{})
		paced := headsup.NewPacedChannel(way, limits, "app")
		began := time.Now()
		if _, err := paced.Send(t.Context(), hello(ref)); err == nil {
			t.Fatal("no error")
		}
		ps, ended := limits.Pauses(), time.Now()
		if len(ps) != 1 {
			t.Fatalf("Retry-After %q: paused %v", c.header, ps)
		}
		from, to := began.Add(c.pause), ended.Add(c.pause)
		if !c.until.IsZero() { // what is left of it is counted in whole seconds
			from, to = c.until.Add(-2*time.Second), c.until.Add(2*time.Second+ended.Sub(began))
		}
		if until := ps[0].Until; until.Before(from) || until.After(to) {
			t.Errorf("Retry-After %q: paused until %v, want %v to %v", c.header, until, from, to)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := paced.Send(ctx, hello(ref))
		cancel()
		if failure := headsup.MeaningOf(err); failure == nil || failure.Reason != headsup.ReasonPaced || failure.RetryAfter == 0 {
			t.Errorf("while paused: %v", err)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("Retry-After %q: called %d times", c.header, n)
		}
	}
}

func TestAReplyWaitsForRoom(t *testing.T) {
	t.Parallel()
	way, ref, calls := answering(t, refuse(200, `{"id":"1"}`))
	limits := newLimits(t, pace.Profile{PerConversation: []pace.Window{{Limit: 2, Per: 200 * time.Millisecond}}})
	paced := headsup.NewPacedChannel(way, limits, "app")
	began := time.Now()
	for range 5 {
		if _, err := paced.Send(t.Context(), hello(ref)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 400*time.Millisecond || calls.Load() != 5 {
		t.Errorf("%d calls in %v, with two in 200 ms", calls.Load(), took)
	}
}

func TestADeliveryUsesThePermitOfItsClaim(t *testing.T) {
	t.Parallel()
	way, ref, _ := answering(t, refuse(200, `{"id":"1"}`))
	limits := newLimits(t, pace.Profile{PerTenant: []pace.Window{{Limit: 2, Per: time.Minute}}})
	paced := headsup.NewPacedChannel(way, limits, "app")
	route := headsup.RouteOf(headsup.KeyOf("app", ref), ref.ServiceURL)
	permit, ok := limits.Take(route, "a:1", pace.Delivery, time.Now())
	if !ok {
		t.Fatal("no permit")
	}
	ctx := pace.WithPermit(t.Context(), permit)
	for range 2 { // the second takes its own
		if _, err := paced.Send(ctx, hello(ref)); err != nil {
			t.Fatal(err)
		}
	}
	if n := limits.Room(route, time.Now()); n != 0 {
		t.Errorf("room for %d more", n)
	}
	if s := limits.Stats(); s.OnWay != 0 {
		t.Errorf("%d calls are on their way still", s.OnWay)
	}
}

func TestAHostThatIsDownIsLeftAlone(t *testing.T) {
	t.Parallel()
	way, ref, calls := answering(t, refuse(503, ""))
	paced := headsup.NewPacedChannel(way, newLimits(t, pace.Profile{}), "app")
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := paced.Send(ctx, hello(ref))
		cancel()
		if err == nil {
			t.Fatal("no error")
		}
	}
	if n := calls.Load(); n != 10 {
		t.Errorf("called %d times, want 10", n)
	}
}

func TestATokenThatIsMissingPausesTheBot(t *testing.T) {
	t.Parallel()
	asked := 0
	client, err := connector.New(connector.Config{TokenSource: connector.TokenFunc(func(context.Context, connector.TokenRequest) (string, error) {
		asked++
		return "", errors.New("the token service is down")
	})})
	if err != nil {
		t.Fatal(err)
	}
	limits := newLimits(t, pace.Profile{})
	paced := headsup.NewPacedChannel(headsup.NewConnectorChannel(client), limits, "app")
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := paced.Send(ctx, hello(teams("https://smba.trafficmanager.net/teams/", "a:1")))
		cancel()
		if failure := headsup.MeaningOf(err); failure == nil || failure.Meaning != headsup.MeaningThrottled {
			t.Errorf("the error is %v", err)
		}
	}
	if ps := limits.Pauses(); asked != 1 || len(ps) != 1 || ps[0].Scope.Level != pace.LevelBot || ps[0].Reason != headsup.ReasonNoToken {
		t.Errorf("asked %d times for a token; pauses %v", asked, ps)
	}
}

// there is a transport on which a tenant lives on a host of its own.
type there func(host string) string

func (f there) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if body := f(r.URL.Host); body != "" {
		refuse(403, body)(w, r)
	} else {
		refuse(200, `{"id":"`+r.URL.Path+`"}`)(w, r)
	}
	return w.Result(), nil
}

func TestACallIsRepeatedOnTheHostItBelongsTo(t *testing.T) {
	t.Parallel()
	client, err := connector.New(connector.Config{
		AllowHost: connector.MicrosoftHost,
		Transport: there(func(host string) string {
			if strings.Contains(host, "gcc") {
				return ""
			}
			return `{"error":{"code":"InvalidBotApiHost"}}`
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	way := headsup.NewConnectorChannel(client)
	var moved []activity.Reference
	way.OnMoved(func(_ context.Context, ref activity.Reference) { moved = append(moved, ref) })
	r, err := way.Send(t.Context(), hello(teams("https://smba.trafficmanager.net/amer/", "a:1")))
	if err != nil || r.ID != "/amer/v3/conversations/a:1/activities" {
		t.Errorf("answered %v, %v", r, err)
	}
	if len(moved) != 1 || moved[0].ServiceURL != "https://smba.infra.gcc.teams.microsoft.com/amer/" {
		t.Errorf("moved %v", moved)
	}
	created, err := way.Create(t.Context(), headsup.Creation{ChannelID: activity.ChannelTeams, ServiceURL: "https://smba.trafficmanager.net/amer/"})
	if err != nil || created.ServiceURL != moved[0].ServiceURL {
		t.Errorf("created %+v, %v", created, err)
	}
}

func TestNoTokenGoesToAHostThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	client, err := connector.New(connector.Config{
		AllowHost: func(host string) bool { return host == "smba.trafficmanager.net" },
		Transport: there(func(string) string { return `{"error":{"code":"InvalidBotApiHost"}}` }),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = headsup.NewConnectorChannel(client).Send(t.Context(), hello(teams("https://smba.trafficmanager.net/amer/", "a:1")))
	if failure := headsup.MeaningOf(err); failure == nil || failure.Meaning != headsup.MeaningPermanent || failure.Reason != "wrong_host" {
		t.Errorf("the error is %v", err)
	}
}
