package teams_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
	"github.com/headsup-bot/headsup/teams"
)

// house is a tenant with a team, and a client that notes whom it sees.
type house struct {
	*faketeams.Teams
	client *teams.Client
	engine *proactive.Engine
	store  *memory.Store
	nadia  faketeams.Person
	ops    faketeams.Team
	room   activity.Reference
}

func newHouse(t *testing.T, people int) *house {
	t.Helper()
	h := &house{store: memory.New()}
	var err error
	if h.Teams, err = faketeams.New(faketeams.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	members := make([]string, people)
	for i := range members {
		h.nadia = h.AddPerson(faketeams.Person{Name: fmt.Sprintf("Nadia No%d", i), Mail: fmt.Sprintf("nadia%d@mail.example", i)})
		members[i] = h.nadia.ObjectID
	}
	h.ops = h.AddTeam("Operations", members...)
	if err := h.Install(t.Context(), string(h.ops.ID), h.nadia.ObjectID); err != nil {
		t.Fatal(err)
	}
	if h.engine, err = proactive.New(proactive.Config{AppID: faketeams.AppID, Store: h.store, Channel: &bottest.Recorder{}}); err != nil {
		t.Fatal(err)
	}
	client, err := connector.New(connector.Config{AllowLoopback: true, TokenSource: nil})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	limits, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h.client, err = teams.NewClient(teams.ClientConfig{Connector: client, Limits: limits, AppID: faketeams.AppID, Seen: h.engine.NoteMembers})
	if err != nil {
		t.Fatal(err)
	}
	bot := h.Bot()
	h.room = activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: h.ServiceURL(), Bot: &bot,
		Conversation: activity.ConversationAccount{ID: h.ops.ID + ";messageid=7", TenantID: h.Tenant(), ConversationType: activity.ConversationChannel},
	}
	_, err = h.store.Sight(t.Context(), book.Sighting{
		Key: headsup.KeyOf(faketeams.AppID, h.room), Reference: h.room, Kind: book.KindChannel, Source: book.SourceClaim,
		Place: book.Place{Team: string(h.ops.ID), Room: string(h.ops.ID)}, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// known are the people whom the book has with an e-mail address.
func (h *house) known(t *testing.T, mail string) int {
	t.Helper()
	found, err := h.store.ListPeople(t.Context(), faketeams.AppID, book.PeopleFilter{PersonKey: book.PersonKey{Email: mail}}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestRoster: members come page by page, and the book knows them from then on.
func TestRoster(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 130)
	n := 0
	for m, err := range h.client.Members(t.Context(), h.room) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Name == "" || m.AADObjectID == "" {
			t.Errorf("%+v", m)
		}
		n++
	}
	if n != 130 || h.known(t, "NADIA129@mail.example") != 1 || h.known(t, "nadia0@mail.example") != 1 {
		t.Errorf("%d members; the book knows %d", n, h.known(t, "nadia129@mail.example"))
	}
	before := h.Channel().Report().Ops[fakechannel.OpMembers]
	for page, err := range h.client.Pages(t.Context(), h.room, 50) {
		if err != nil || len(page) != 50 {
			t.Errorf("a page of %d, %v", len(page), err)
		}
		break // what is not needed is not asked for
	}
	if asked := h.Channel().Report().Ops[fakechannel.OpMembers] - before; asked != 1 {
		t.Errorf("asked %d times for one page", asked)
	}
	m, err := h.client.Member(t.Context(), h.room, activity.AccountID(h.nadia.ObjectID))
	if err != nil || m.ID != h.nadia.ID {
		t.Errorf("%+v, %v", m, err)
	}
	_, err = h.client.Member(t.Context(), h.room, "29:nobody")
	if e, ok := errors.AsType[*connector.Error](err); !ok || e.Status != http.StatusNotFound {
		t.Errorf("nobody is %v", err)
	}
}

// TestRosterOfAPlaceThatCannotBeWrittenTo: that the roster is told opens nothing.
func TestRosterOfAPlaceThatCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2)
	key := headsup.KeyOf(faketeams.AppID, h.room)
	struck := book.Standing{Reach: book.ReachBlocked, Cause: "blocked", At: time.Now()}
	if err := h.store.StrikeOut(t.Context(), key, struck); err != nil {
		t.Fatal(err)
	}
	for _, err := range h.client.Members(t.Context(), h.room) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if c, err := h.store.Conversation(t.Context(), key); err != nil || c.Reach != book.ReachBlocked {
		t.Errorf("it is %s, %v", c.Reach, err)
	}
	elsewhere := h.room
	elsewhere.Conversation.ID = "19:unheard@thread.v2"
	if err := h.engine.NoteMembers(t.Context(), elsewhere, []activity.ChannelAccount{{ID: "29:x"}}); err != nil {
		t.Error(err)
	}
}

func TestTeamAndChannels(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3)
	if _, err := h.AddChannel(t.Context(), h.ops.ID, "Builds"); err != nil {
		t.Fatal(err)
	}
	d, err := h.client.Team(t.Context(), h.room, string(h.ops.ID))
	if err != nil || d.Name != "Operations" || d.GroupID != h.ops.Group || d.Members != 3 || d.Channels != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	channels, err := h.client.Channels(t.Context(), h.room, string(h.ops.ID))
	if err != nil || len(channels) != 2 || channels[0].Name != teams.General || channels[0].ID != string(h.ops.ID) || channels[1].Name != "Builds" {
		t.Errorf("%+v, %v", channels, err)
	}
}

// TestRosterKeepsItsWindows asks as fast as it may: Teams refuses nothing. When it does, it is asked again.
func TestRosterKeepsItsWindows(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 6 {
				if _, err := h.client.Member(t.Context(), h.room, h.nadia.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r := h.Channel().Report(); r.Refused != 0 || r.Ops[fakechannel.OpMembers] != 24 {
		t.Errorf("%d of %d were refused", r.Refused, r.Ops[fakechannel.OpMembers])
	}
	if err := h.Channel().SetRules(
		fakechannel.Rule{Op: fakechannel.OpMembers, Times: 1, Status: http.StatusTooManyRequests, RetryAfter: "1"},
		fakechannel.Rule{Op: fakechannel.OpMembers, Times: 1, Status: http.StatusBadGateway},
	); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := h.client.Member(t.Context(), h.room, h.nadia.ID); err != nil || time.Since(began) < time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := h.Channel().SetRules(fakechannel.Rule{Op: fakechannel.OpMembers, Status: http.StatusTooManyRequests, RetryAfter: "60"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.Member(soon, h.room, h.nadia.ID); err == nil {
		t.Error("nothing is wrong")
	}
}

// TestBatches go to the paths that Teams has for them.
func TestBatches(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		mu.Unlock()
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `"op-1"`)
		case strings.Contains(r.URL.Path, "failedentries") && r.URL.RawQuery == "":
			_, _ = io.WriteString(w, `{"continuationToken":"t","failedEntryResponses":[{"entryId":"29:a","error":"blocked"}]}`)
		case strings.Contains(r.URL.Path, "failedentries"):
			_, _ = io.WriteString(w, `{"failedEntries":[{"entryId":"29:b","error":"gone"}]}`)
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"state":"Completed","statusMap":{"201":3,"404":1},"totalEntriesCount":4}`)
		}
	}))
	t.Cleanup(server.Close)
	connect, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connect.CloseIdleConnections)
	c, err := teams.NewClient(teams.ClientConfig{Connector: connect})
	if err != nil {
		t.Fatal(err)
	}
	ref := activity.Reference{ChannelID: activity.ChannelTeams, ServiceURL: server.URL + "/emea", Conversation: activity.ConversationAccount{ID: "19:a;b", TenantID: "tn"}}
	ctx, hi := t.Context(), activity.Message("hi")
	for name, send := range map[string]func() (teams.BatchID, error){
		"users": func() (teams.BatchID, error) {
			return c.SendToUsers(ctx, ref, []activity.AccountID{"29:a", "29:b"}, hi)
		},
		"channels": func() (teams.BatchID, error) {
			return c.SendToChannels(ctx, ref, []activity.ConversationID{"19:c"}, hi)
		},
		"team":   func() (teams.BatchID, error) { return c.SendToTeam(ctx, ref, "19:t", hi) },
		"tenant": func() (teams.BatchID, error) { return c.SendToTenant(ctx, ref, hi) },
	} {
		if id, err := send(); err != nil || id != "op-1" {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	for _, many := range [][]activity.AccountID{nil, make([]activity.AccountID, 101)} {
		if _, err := c.SendToUsers(ctx, ref, many, hi); !errors.Is(err, teams.ErrBatchSize) {
			t.Errorf("%d people: %v", len(many), err)
		}
	}
	if s, err := c.Batch(ctx, ref, "op/1"); err != nil || s.State != "Completed" || s.Statuses["201"] != 3 || s.Total != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	var failed []string
	for f, err := range c.BatchFailures(ctx, ref, "op/1") {
		if err != nil {
			t.Fatal(err)
		}
		failed = append(failed, f.ID+" "+f.Error)
	}
	if !slices.Equal(failed, []string{"29:a blocked", "29:b gone"}) {
		t.Errorf("failed: %q", failed)
	}
	if err := c.CancelBatch(ctx, ref, "op/1"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteTargeted(ctx, ref, "17"); err != nil {
		t.Error(err)
	}
	slices.Sort(asked)
	want := []string{
		"DELETE /emea/v3/batch/conversation/op%2F1 ",
		"DELETE /emea/v3/conversations/19%3Aa%3Bb/activities/17?isTargetedActivity=true ",
		"GET /emea/v3/batch/conversation/failedentries/op%2F1 ",
		"GET /emea/v3/batch/conversation/failedentries/op%2F1?continuationToken=t ",
		"GET /emea/v3/batch/conversation/op%2F1 ",
		`POST /emea/v3/batch/conversation/channels/ {"members":[{"id":"19:c"}],"tenantId":"tn","activity":{"type":"message","text":"hi"}}`,
		`POST /emea/v3/batch/conversation/team/ {"teamId":"19:t","tenantId":"tn","activity":{"type":"message","text":"hi"}}`,
		`POST /emea/v3/batch/conversation/tenant/ {"tenantId":"tn","activity":{"type":"message","text":"hi"}}`,
		`POST /emea/v3/batch/conversation/users/ {"members":[{"id":"29:a"},{"id":"29:b"}],"tenantId":"tn","activity":{"type":"message","text":"hi"}}`,
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for\n%s", strings.Join(asked, "\n"))
	}
}

// TestWelcome: once for an installation, with names that Teams has not told, and not for an upgrade.
func TestWelcome(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2)
	var mu sync.Mutex
	var welcomed, joined []string
	mux := headsup.NewMux()
	on := teams.Routes{Mux: mux}
	on.Welcome(h.client, func(_ context.Context, _ *headsup.Turn, in teams.Installation) error {
		mu.Lock()
		defer mu.Unlock()
		line := in.By.Name
		if in.Team != nil {
			line += " in " + in.Team.Name + "/" + in.Channel.Name
		}
		welcomed = append(welcomed, line)
		return nil
	})
	on.Joined(h.client, func(_ context.Context, _ *headsup.Turn, people []activity.ChannelAccount) error {
		mu.Lock()
		defer mu.Unlock()
		joined = append(joined, people[0].Name)
		return nil
	})
	bot, err := headsup.New(headsup.Config{
		AppID: faketeams.AppID, Channel: &bottest.Recorder{}, Turns: h.store, Notifier: h.engine, Verifier: auth.Development{},
		Middleware: []headsup.Middleware{h.engine.Middleware()},
	}, mux)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(bot)
	t.Cleanup(server.Close)
	h.SetMessages(server.URL)
	ben := h.AddPerson(faketeams.Person{Name: "Ben Okri"})
	plans := h.AddTeam("Plans", h.nadia.ObjectID)
	for _, err := range []error{
		h.Install(t.Context(), string(plans.ID), h.nadia.ObjectID), h.Upgrade(t.Context(), string(plans.ID)),
		h.Install(t.Context(), ben.ObjectID, ben.ObjectID), h.Join(t.Context(), string(plans.ID), ben.ObjectID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"Nadia No1 in Plans/General", "Ben Okri"}; !slices.Equal(welcomed, want) {
		t.Errorf("welcomed %q, want %q", welcomed, want)
	}
	if !slices.Equal(joined, []string{"Ben Okri"}) {
		t.Errorf("joined %q", joined)
	}
}

// TestOnlyFor marks a message for one member, and names them.
func TestOnlyFor(t *testing.T) {
	t.Parallel()
	a := activity.Message("psst")
	if err := errors.Join(teams.OnlyFor(a, activity.ChannelAccount{ID: "29:a"}), teams.OnlyFor(a, activity.ChannelAccount{ID: "29:b"})); err != nil {
		t.Fatal(err)
	}
	if !a.Targeted() || a.Recipient.ID != "29:b" || len(a.Entities) != 1 {
		t.Errorf("%+v", a)
	}
	if err := teams.OnlyFor(a, activity.ChannelAccount{}); err == nil {
		t.Error("nobody is somebody")
	}
}
