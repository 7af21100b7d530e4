package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
)

const (
	contoso    = activity.TenantID("t-contoso")
	nadia      = "0b8e5a52-0000-4000-8000-000000000001"
	gus        = "0b8e5a52-0000-4000-8000-000000000002"
	nobody     = "0b8e5a52-0000-4000-8000-00000000000f"
	manifestID = "3c1f6d52-88a4-4f0e-9b57-61d2a7e4c0aa"
)

// town is an engine over SQLite in front of a fake Teams and a fake Microsoft Graph of one tenant.
type town struct {
	dir    string
	teams  *fakechannel.Server
	graph  *fakegraph.Server
	way    proactive.FirstContact
	global string
	store  *sqlite.Store
	engine *proactive.Engine
	bot    *headsup.Bot
	stop   func()
	now    func() time.Time

	mayCall func(string) bool
}

type graphToken struct{}

func (graphToken) Token(context.Context) (string, error) { return "token", nil }
func (graphToken) Invalidate(string)                     {}

func newTown(t *testing.T) *town {
	t.Helper()
	teams, err := fakechannel.New(fakechannel.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = teams.Close() })
	x := &town{dir: t.TempDir(), teams: teams, graph: fakegraph.New(), now: time.Now}
	t.Cleanup(x.graph.Close)
	x.graph.AddUser(fakegraph.User{ID: nadia, Name: "Nadia", UPN: "nadia@contoso.example", Mail: "nadia.n@contoso.example"})
	x.graph.AddUser(fakegraph.User{ID: gus, Name: "Gus", UPN: "gus@other.example", Type: "Guest"})
	x.graph.AddApp(fakegraph.App{ID: "catalog-1", ExternalID: manifestID, Name: "Lantern"})
	g, err := graph.New(graph.Config{Tokens: graphToken{}, BaseURL: x.graph.URL, RootCAs: x.graph.Roots(), AllowLoopback: true, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	x.way = proactive.FirstContact{
		Find: true, Create: true, Install: true, Tenant: contoso, ServiceURL: teams.ServiceURL(string(contoso)), App: manifestID,
		Graph: func(activity.TenantID) (proactive.Directory, error) { return g, nil }, Wait: 20 * time.Millisecond,
	}
	return x
}

// open starts the engine; what an earlier one has left goes on.
func (x *town) open(t *testing.T) {
	t.Helper()
	limits, err := pace.New(pace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if x.store, err = sqlite.Open(t.Context(), sqlite.Config{Dir: x.dir, Pace: limits}); err != nil {
		t.Fatal(err)
	}
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	way := headsup.NewPacedChannel(headsup.NewConnectorChannel(client), limits, "app")
	first := x.way
	if x.engine, err = proactive.New(proactive.Config{AppID: "app", Store: x.store, Channel: way, FirstContact: &first, Now: x.now, MayCall: x.mayCall,
		Global: map[activity.ChannelID]string{activity.ChannelTeams: x.global}}); err != nil {
		t.Fatal(err)
	}
	if x.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: way, Turns: x.store, Notifier: x.engine, Middleware: []headsup.Middleware{x.engine.Middleware()},
	}, headsup.HandlerFunc(silent)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- x.engine.Run(ctx) }()
	stopped := false
	x.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ran, x.store.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(x.stop)
}

// of is an activity that Teams sends of somebody.
func (x *town) of(id, objectID string, kind activity.Type) *activity.Activity {
	return &activity.Activity{
		Type: kind, ID: activity.ID(id), ChannelID: activity.ChannelTeams, ServiceURL: x.teams.ServiceURL(string(contoso)),
		From: &activity.ChannelAccount{ID: activity.AccountID("29:" + objectID), AADObjectID: objectID}, Recipient: &activity.ChannelAccount{ID: "28:app"},
		Conversation: &activity.ConversationAccount{ID: activity.ConversationID("a:" + string(contoso) + ":" + objectID), TenantID: contoso, ConversationType: "personal"},
	}
}

func (x *town) hear(t *testing.T, a *activity.Activity) {
	t.Helper()
	if _, err := x.bot.Process(t.Context(), auth.Identity{Kind: auth.KindChannel, ServiceURL: a.ServiceURL}, a); err != nil {
		t.Fatal(err)
	}
}

// ends waits until a notification has an outcome, and returns its delivery.
func (x *town) ends(t *testing.T, id headsup.NotificationID) outbox.Delivery {
	t.Helper()
	return x.until(t, id, func(d outbox.Delivery) bool { return d.State.Final() })
}

func (x *town) until(t *testing.T, id headsup.NotificationID, ok func(outbox.Delivery) bool) outbox.Delivery {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s, err := x.engine.Status(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := s.Deliveries[0]; ok(d) {
			return d
		} else if time.Now().After(deadline) {
			t.Fatalf("it is %s still: %v", d.State, rungs(d))
		}
	}
}

// rungs are the reasons in the history of a delivery.
func rungs(d outbox.Delivery) (all []string) {
	for _, c := range d.History {
		if c.Reason != "" {
			all = append(all, c.Reason)
		}
	}
	return all
}

// refused has the channel refuse to make conversations, n times.
func (x *town) refused(t *testing.T, n int, code string) {
	t.Helper()
	if err := x.teams.SetRules(fakechannel.Rule{Op: fakechannel.OpCreate, Times: n, Status: 403, Code: code}); err != nil {
		t.Fatal(err)
	}
}

const notInstalled = "ForbiddenOperationException"

func TestLadder(t *testing.T) {
	t.Parallel()
	email := headsup.Target{Email: "Nadia.N@Contoso.example"}
	object := headsup.Target{ObjectID: strings.ToUpper(nadia)}
	cases := map[string]struct {
		to     headsup.Target
		before func(*testing.T, *town)
		rungs  string // the reasons of its history
		failed bool
	}{
		"create, by object id":                    {object, nil, "rung_create", false},
		"find and create, by mail":                {email, nil, "rung_find rung_create", false},
		"find and create, by user principal name": {headsup.Target{UPN: "nadia@contoso.example"}, nil, "rung_find rung_create", false},
		"known by another key":                    {email, func(t *testing.T, x *town) { x.hear(t, x.of("1", nadia, "message")) }, "rung_find rung_known", false},
		"install and create": {object, func(t *testing.T, x *town) { x.refused(t, 1, notInstalled) },
			"rung_not_installed rung_install rung_create", false},
		"install and be told": {object, func(t *testing.T, x *town) {
			x.refused(t, 1, notInstalled)
			x.graph.Tells(func(i fakegraph.Installed) { x.hear(t, added(x.of("1", i.User, "installationUpdate"))) })
		}, "rung_not_installed rung_install rung_known", false},
		"install and chat": {object, func(t *testing.T, x *town) { x.refused(t, 2, notInstalled) },
			"rung_not_installed rung_install rung_not_installed rung_chat", false},
		"installed already": {object, func(t *testing.T, x *town) {
			x.refused(t, 1, notInstalled)
			g, err := x.way.Graph(contoso)
			if err == nil {
				err = g.Install(t.Context(), graph.ForUser(nadia), "catalog-1")
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "rung_not_installed rung_install rung_create", false},
		"by the catalog's id": {object, func(t *testing.T, x *town) {
			x.refused(t, 1, notInstalled)
			x.way.App, x.way.Catalog = "", "catalog-1"
		}, "rung_not_installed rung_install rung_create", false},
		"without create": {object, func(_ *testing.T, x *town) { x.way.Create = false }, "rung_install rung_chat", false},
		"busy for a while": {object, func(t *testing.T, x *town) {
			x.refused(t, 1, notInstalled)
			x.graph.Throttle(1, 1)
		}, "rung_not_installed graph_throttled rung_install rung_create", false},

		"nobody of that address": {headsup.Target{Email: "olga@contoso.example"}, nil, "person_unknown", true},
		"a guest":                {headsup.Target{UPN: "gus@other.example"}, nil, "person_is_guest", true},
		"may not look for people": {email, func(_ *testing.T, x *town) { x.graph.Deny("GET /v1.0/users", "User.Read.All") },
			"graph_permission_missing", true},
		"without install": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.way.Install = false
		}, "not_installed", true},
		"nobody of that object id": {headsup.Target{ObjectID: nobody}, func(t *testing.T, x *town) { x.refused(t, 9, notInstalled) },
			"rung_not_installed person_unknown", true},
		"not in the catalog": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.graph.RemoveApp("catalog-1")
		}, "rung_not_installed app_not_in_catalog", true},
		"gone from the catalog": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.way.App, x.way.Catalog = "", "catalog-0"
		}, "rung_not_installed app_not_in_catalog", true},
		"blocked by a policy": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.graph.Forbid(nadia)
		}, "rung_not_installed app_blocked_by_policy", true},
		"may not install": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.graph.Deny("POST /v1.0/users", "TeamsAppInstallation.ReadWriteSelfForUser.All")
		}, "rung_not_installed graph_permission_missing", true},
		"may not read the catalog": {object, func(t *testing.T, x *town) {
			x.refused(t, 9, notInstalled)
			x.graph.Deny("GET /v1.0/appCatalogs", "AppCatalog.Read.All")
		}, "rung_not_installed graph_permission_missing", true},
		"disabled by an administrator": {object, func(t *testing.T, x *town) { x.refused(t, 9, "BotDisabledByAdmin") }, "bot_disabled", true},
		"refused otherwise":            {object, func(t *testing.T, x *town) { x.refused(t, 9, "NotEnoughPermissions") }, "forbidden", true},
		"blocked by the person": {object, func(t *testing.T, x *town) {
			if err := x.teams.SetRules(fakechannel.Rule{Op: fakechannel.OpSend, Status: 403, Code: "ConversationBlockedByUser"}); err != nil {
				t.Fatal(err)
			}
		}, "rung_create blocked", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTown(t)
			before := c.before
			if before == nil {
				before = func(*testing.T, *town) {}
			}
			x.open(t)
			way := x.way
			before(t, x)
			if fmt.Sprint(way) != fmt.Sprint(x.way) { // it is another way
				x.stop()
				x.open(t)
			}
			accepted, err := x.engine.Notify(t.Context(), headsup.Notification{To: c.to, Text: "hello", OnUnknown: headsup.OnUnknownHold})
			if err != nil {
				t.Fatal(err)
			}
			d := x.ends(t, accepted.ID)
			if got := strings.Join(rungs(d), " "); got != c.rungs || c.failed != (d.State == outbox.StateFailed) {
				t.Errorf("it is %s after %s, want %s; %s", d.State, got, c.rungs, d.History[len(d.History)-1].Detail)
			}
			if r := x.teams.Report(); c.failed && r.Messages != 0 || !c.failed && r.Messages != 1 {
				t.Errorf("%d messages were said", r.Messages)
			}
			if !c.failed {
				if again := x.ends(t, x.notify(t, headsup.Notification{To: c.to, Text: "again"})); again.State != outbox.StateDelivered ||
					again.Key != d.Key || again.Claims > 2 {
					t.Errorf("the next one is %s in %s after %d attempts", again.State, again.Key, again.Claims)
				}
			}
		})
	}
}

func added(a *activity.Activity) *activity.Activity {
	a.Action = "add"
	return a
}

func (x *town) notify(t *testing.T, n headsup.Notification) headsup.NotificationID {
	t.Helper()
	accepted, err := x.engine.Notify(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return accepted.ID
}

// TestLadderNamesThePermission: whoever reads the failure knows what to ask the administrator for.
func TestLadderNamesThePermission(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.graph.Deny("POST /v1.0/users", "TeamsAppInstallation.ReadWriteSelfForUser.All")
	x.way.Create = false
	x.open(t)
	d := x.ends(t, x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}))
	last := d.History[len(d.History)-1]
	if last.Status != 403 || !strings.Contains(last.Detail, "needs the permission TeamsAppInstallation.ReadWriteSelfForUser.All") {
		t.Errorf("it has ended with %d, %q", last.Status, last.Detail)
	}
}

// TestLadderExpires: who is put off until it is too late is not written to.
func TestLadderExpires(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.graph.Throttle(100, 5)
	x.open(t)
	d := x.ends(t, x.notify(t, headsup.Notification{
		To: headsup.Target{Email: "nadia@contoso.example"}, Text: "hello", ExpiresAt: time.Now().Add(2 * time.Second),
	}))
	if last := d.History[len(d.History)-1]; d.State != outbox.StateExpired || !strings.HasPrefix(last.Detail, "graph_throttled") {
		t.Errorf("it is %s: %q", d.State, last.Detail)
	}
}

// TestLadderGoesOnAfterAStop: the process ends after each rung, and another one goes on from there: nothing is lost, nothing
// is said twice, and what was done is not done again.
func TestLadderGoesOnAfterAStop(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.refused(t, 2, notInstalled)
	x.way.Wait = 300 * time.Millisecond
	x.open(t)
	ids := []headsup.NotificationID{
		x.notify(t, headsup.Notification{To: headsup.Target{Email: "nadia@contoso.example"}, Text: "one"}),
		x.notify(t, headsup.Notification{To: headsup.Target{Email: "nadia@contoso.example"}, Text: "two"}),
		x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "three"}),
	}
	for _, rung := range []string{"rung_find", "rung_install"} {
		x.until(t, ids[0], func(d outbox.Delivery) bool { return slices.Contains(rungs(d), rung) || d.State.Final() })
		x.stop()
		x.open(t)
	}
	for _, id := range ids {
		if d := x.ends(t, id); d.State != outbox.StateDelivered {
			t.Errorf("it is %s: %v", d.State, rungs(d))
		}
	}
	if r := x.teams.Report(); r.Messages != 3 || r.Duplicates != 0 {
		t.Errorf("%d messages were said, %d twice", r.Messages, r.Duplicates)
	}
	finds := 0
	for _, asked := range x.graph.Requests() {
		if asked == "GET /v1.0/users/nadia@contoso.example" {
			finds++
		}
	}
	if finds != 1 {
		t.Errorf("asked %d times who she is", finds)
	}
}

// TestLadderIsClosed: who is not to be looked for is not accepted.
func TestLadderIsClosed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*proactive.FirstContact)
		to     headsup.Target
		code   string
	}{
		"by mail without find":           {func(f *proactive.FirstContact) { f.Find = false }, headsup.Target{Email: "nadia@contoso.example"}, "first_contact_installed"},
		"in no tenant":                   {func(f *proactive.FirstContact) { f.Tenant = "" }, headsup.Target{ObjectID: nadia}, "first_contact_installed"},
		"by an id of the channel":        {nil, headsup.Target{User: "29:1"}, "first_contact_installed"},
		"somebody who has taken it away": {nil, headsup.Target{ObjectID: gus}, "target_uninstalled"},
		"the entry of a prospect":        {nil, headsup.Target{Conversation: "prospect:" + nadia}, "target_prospective"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTown(t)
			if c.change != nil {
				c.change(&x.way)
			}
			x.open(t)
			x.hear(t, x.of("1", gus, "message"))
			removed := x.of("2", gus, "installationUpdate")
			removed.Action = "remove"
			x.hear(t, removed)
			if c.change == nil {
				x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello", In: time.Hour})
			}
			_, err := x.engine.Notify(t.Context(), headsup.Notification{To: c.to, Text: "hello"})
			if no, ok := errors.AsType[*proactive.NoTargetError](err); !ok || no.Code() != c.code {
				t.Errorf("the answer is %v, want %s", err, c.code)
			}
		})
	}
}

// TestProspectsAreNobodyElse: an entry for somebody whom the bot has not met is no recipient of what goes to everyone.
func TestProspectsAreNobodyElse(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.open(t)
	later := headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello", In: time.Hour}
	x.notify(t, later)
	x.notify(t, later)
	if _, err := x.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{Everyone: true}, Text: "all"}); !errors.Is(err, proactive.ErrNobody) {
		t.Errorf("everyone is somebody: %v", err)
	}
	found, err := x.engine.Conversations(t.Context(), book.Filter{Reach: book.ReachProspective, ObjectID: nadia}, 0, 10)
	if err != nil || len(found) != 1 || found[0].Cause != proactive.CauseWanted {
		t.Errorf("found %v, %v; want one entry", found, err)
	}
}

// TestBoundViewLooksForItsOwnPeople: whoever is bound to a tenant has people looked for there and nowhere else.
func TestBoundViewLooksForItsOwnPeople(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.way.Tenant = ""
	x.open(t)
	bound := x.engine.Bound("t-fabrikam")
	accepted, err := bound.Notify(t.Context(), headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if d := x.ends(t, accepted.ID); d.State != outbox.StateDelivered || d.Key.Tenant != "t-fabrikam" {
		t.Errorf("it is %s in %s", d.State, d.Key)
	}
	other, err := x.engine.Bound(contoso).Notify(t.Context(), headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if d := x.ends(t, other.ID); d.Key.Tenant != contoso || !slices.Contains(rungs(d), "rung_create") {
		t.Errorf("it went to %s: %v", d.Key, rungs(d))
	}
}

// TestWhoWasMadeByObjectIDIsOnePerson: the object id stands for them until their id on the channel is known.
func TestWhoWasMadeByObjectIDIsOnePerson(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.open(t)
	to := headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}
	d := x.ends(t, x.notify(t, to))
	takesPart := func(want activity.AccountID) {
		t.Helper()
		c, err := x.store.Conversation(t.Context(), d.Key)
		if err != nil {
			t.Fatal(err)
		}
		of, err := x.engine.Details(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if people := of[c.Row].People; len(people) != 1 || people[0].ID != want || people[0].ObjectID != nadia || c.Person() != want {
			t.Errorf("they are %+v, with %s; want %s", people, c.Person(), want)
		}
	}
	takesPart(nadia)
	time.Sleep(time.Millisecond) // what the book has made before is older
	x.hear(t, x.of("1", nadia, activity.TypeMessage))
	takesPart("29:" + nadia)
	if again := x.ends(t, x.notify(t, to)); again.Key != d.Key || again.Claims != 1 {
		t.Errorf("the next one went to %s after %d attempts", again.Key, again.Claims)
	}
}
