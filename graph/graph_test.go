package graph_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakegraph"
	"github.com/headsup-bot/headsup/graph"
)

const (
	manifest = "3c1f6d52-88a4-4f0e-9b57-61d2a7e4c0aa"
	nadia    = "0b8e5a52-0000-4000-8000-000000000001"
	guest    = "0b8e5a52-0000-4000-8000-000000000002"
	oscar    = "0b8e5a52-0000-4000-8000-000000000003"
	team     = "11111111-0000-4000-8000-000000000001"
)

// tokens are numbered: the next comes after one was refused.
type tokens struct {
	mu sync.Mutex
	n  int
}

func (k *tokens) Token(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Sprintf("token-%d", k.n), nil
}

func (k *tokens) Invalidate(string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
}

// tenant is a fake Graph with some people, a team and the app, and a client of it.
func tenant(t *testing.T, change func(*graph.Config)) (*fakegraph.Server, *graph.Client) {
	t.Helper()
	fake := fakegraph.New()
	t.Cleanup(fake.Close)
	fake.AddUser(fakegraph.User{ID: nadia, Name: "Nadia", UPN: "nadia@contoso.example", Mail: "nadia.n@contoso.example"})
	fake.AddUser(fakegraph.User{ID: guest, Name: "Gus", UPN: "gus_other#EXT#@contoso.example", Mail: "gus@other.example", Type: "Guest"})
	fake.AddUser(fakegraph.User{ID: oscar, Name: "O'Scar", UPN: "o'scar@contoso.example", Mail: "o'scar@contoso.example"})
	fake.AddGroup(team, nadia, oscar, guest)
	fake.AddApp(fakegraph.App{ID: "catalog-1", ExternalID: manifest, Name: "Lantern"})
	cfg := graph.Config{Tokens: &tokens{}, BaseURL: fake.URL, RootCAs: fake.Roots(), AllowLoopback: true}
	if change != nil {
		change(&cfg)
	}
	c, err := graph.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return fake, c
}

// TestSomebodyWhoNeverWroteIsReached is the way from an address of mail to a conversation.
func TestSomebodyWhoNeverWroteIsReached(t *testing.T) {
	t.Parallel()
	fake, c := tenant(t, nil)
	var told []fakegraph.Installed
	fake.Tells(func(i fakegraph.Installed) { told = append(told, i) })
	ctx := t.Context()
	app, err := c.App(ctx, manifest)
	if err != nil || app.ID != "catalog-1" {
		t.Fatalf("app %+v: %v", app, err)
	}
	u, err := c.User(ctx, "nadia.n@contoso.example")
	if err != nil || u.ID != nadia || u.Guest() {
		t.Fatalf("user %+v: %v", u, err)
	}
	at := graph.ForUser(u.ID)
	if _, err := c.Installation(ctx, at, app.ID); !errors.Is(err, graph.ErrNotInstalled) {
		t.Fatalf("installed before: %v", err)
	}
	for range 2 { // the second finds the first
		if err := c.Install(ctx, at, app.ID); err != nil {
			t.Fatal(err)
		}
	}
	installation, err := c.Installation(ctx, at, app.ID)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := c.Chat(ctx, u.ID, installation)
	if err != nil || len(told) != 1 || chat != told[0].Chat {
		t.Errorf("chat %q, told %+v: %v", chat, told, err)
	}
	if err := c.Install(ctx, graph.InTeam(team), app.ID); err != nil || len(told) != 2 || told[1].Team != team {
		t.Errorf("told %+v: %v", told, err)
	}
	if _, err := c.Chat(ctx, u.ID, "nothing"); !errors.Is(err, graph.ErrNotInstalled) {
		t.Errorf("the chat of no installation: %v", err)
	}
}

func TestPeopleAreFoundByWhatTheyAreCalled(t *testing.T) {
	t.Parallel()
	fake, c := tenant(t, nil)
	fake.AddUser(fakegraph.User{ID: "x1", UPN: "x1@contoso.example", Mail: "shared@contoso.example"})
	fake.AddUser(fakegraph.User{ID: "x2", UPN: "x2@contoso.example", Mail: "shared@contoso.example"})
	for name, want := range map[string]string{
		nadia: nadia, "nadia@contoso.example": nadia, "NADIA.N@contoso.example": nadia, "o'scar@contoso.example": oscar,
		"gus@other.example": guest, "gus_other#EXT#@contoso.example": guest,
		"nobody": "", "nobody@contoso.example": "", "": "", "a/b": "", "..\\x": "", "shared@contoso.example": "",
	} {
		u, err := c.User(t.Context(), name)
		if u.ID != want || (want == "") != errors.Is(err, graph.ErrNoUser) || want != "" && err != nil {
			t.Errorf("%q is %+v: %v", name, u, err)
		}
	}
	if u, err := c.User(t.Context(), guest); err != nil || !u.Guest() {
		t.Errorf("%+v: %v", u, err)
	}
}

func TestAGroupIsReadPageByPage(t *testing.T) {
	t.Parallel()
	fake, c := tenant(t, nil)
	var all []string
	for i := range 2500 {
		id := fmt.Sprintf("user-%04d", i)
		all = append(all, id)
		fake.AddUser(fakegraph.User{ID: id})
	}
	fake.AddGroup("large", all...)
	var got []string
	for u, err := range c.Members(t.Context(), "large") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, u.ID)
	}
	if !slices.Equal(got, all) {
		t.Errorf("%d members, want %d in their order", len(got), len(all))
	}
	if n := len(fake.Requests()); n != 3 {
		t.Errorf("%d requests for three pages", n)
	}
	for _, err := range c.Members(t.Context(), "none") {
		if !errors.Is(err, graph.ErrNoGroup) {
			t.Errorf("no such group: %v", err)
		}
	}
	for _, err := range c.Members(t.Context(), "large") {
		if err != nil {
			t.Error(err)
		}
		break // and asks for no more
	}
	if n := len(fake.Requests()); n != 5 {
		t.Errorf("%d requests after a look at the first", n)
	}
}

// TestEveryRefusalSaysWhatIsMissing: a permission by its name, or a policy, or that nothing is there.
func TestEveryRefusalSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*fakegraph.Server)
		call    func(context.Context, *graph.Client) error
		is      error
		says    string
	}{
		"permission to install": {
			func(s *fakegraph.Server) {
				s.Deny("POST /v1.0/users/", "TeamsAppInstallation.ReadWriteSelfForUser.All")
			},
			func(ctx context.Context, c *graph.Client) error {
				return c.Install(ctx, graph.ForUser(nadia), "catalog-1")
			},
			graph.ErrPermission, "install the app for a user: the app registration needs the permission TeamsAppInstallation.ReadWriteSelfForUser.All, with",
		},
		"permission to read the catalog": {
			func(s *fakegraph.Server) {
				s.Deny("GET /v1.0/appCatalogs", "AppCatalog.Read.All, AppCatalog.ReadWrite.All")
			},
			func(ctx context.Context, c *graph.Client) error { _, err := c.App(ctx, manifest); return err },
			graph.ErrPermission, "AppCatalog.Read.All or AppCatalog.ReadWrite.All",
		},
		"policy": {
			func(s *fakegraph.Server) { s.Forbid(nadia) },
			func(ctx context.Context, c *graph.Client) error {
				return c.Install(ctx, graph.ForUser(nadia), "catalog-1")
			},
			graph.ErrPolicy, "403 Forbidden: The app is blocked by an app permission policy.",
		},
		"guest": {
			func(*fakegraph.Server) {},
			func(ctx context.Context, c *graph.Client) error {
				return c.Install(ctx, graph.ForUser(guest), "catalog-1")
			},
			graph.ErrPolicy, "guests",
		},
		"no such user": {
			func(*fakegraph.Server) {},
			func(ctx context.Context, c *graph.Client) error {
				return c.Install(ctx, graph.ForUser("nobody"), "catalog-1")
			},
			graph.ErrNoUser, "no such person",
		},
		"no such team": {
			func(*fakegraph.Server) {},
			func(ctx context.Context, c *graph.Client) error {
				_, err := c.Installation(ctx, graph.InTeam("nothing"), "catalog-1")
				return err
			},
			graph.ErrNoGroup, "no such group",
		},
		"gone from the catalog": {
			func(s *fakegraph.Server) { s.RemoveApp("catalog-1") },
			func(ctx context.Context, c *graph.Client) error {
				return c.Install(ctx, graph.ForUser(nadia), "catalog-1")
			},
			graph.ErrNoApp, "no such app",
		},
		"never in the catalog": {
			func(*fakegraph.Server) {},
			func(ctx context.Context, c *graph.Client) error { _, err := c.App(ctx, "another"); return err },
			graph.ErrNoApp, "no such app",
		},
		"throttled for long": {
			func(s *fakegraph.Server) { s.Throttle(1, 600) },
			func(ctx context.Context, c *graph.Client) error { _, err := c.App(ctx, manifest); return err },
			graph.ErrThrottled, "429",
		},
		"throttled again and again": {
			func(s *fakegraph.Server) { s.Throttle(100, -1) },
			func(ctx context.Context, c *graph.Client) error { _, err := c.App(ctx, manifest); return err },
			graph.ErrThrottled, "429",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, client := tenant(t, func(cfg *graph.Config) { cfg.Attempts = 2 })
			c.prepare(fake)
			err := c.call(t.Context(), client)
			if !errors.Is(err, c.is) || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v with %q", err, c.is, c.says)
			}
		})
	}
}

// TestWhatPassesIsWaitedFor: Graph is busy, or a token is worn.
func TestWhatPassesIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*fakegraph.Server){
		"busy":            func(s *fakegraph.Server) { s.Throttle(2, -1) },
		"busy for a time": func(s *fakegraph.Server) { s.Throttle(1, 1) },
		"unavailable":     func(s *fakegraph.Server) { s.Fail(2, 503, -1) },
		"token":           func(s *fakegraph.Server) { s.Grants(func(token string) bool { return token == "token-1" }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, c := tenant(t, nil)
			prepare(fake)
			if app, err := c.App(t.Context(), manifest); err != nil || app.ID != "catalog-1" {
				t.Errorf("%+v: %v", app, err)
			}
		})
	}
	t.Run("a wrong token is replaced once", func(t *testing.T) {
		t.Parallel()
		fake, c := tenant(t, nil)
		fake.Grants(func(string) bool { return false })
		_, err := c.App(t.Context(), manifest)
		if failed, ok := errors.AsType[*graph.Error](err); !ok || failed.Status != 401 || len(fake.Requests()) != 2 {
			t.Errorf("%v after %d requests", err, len(fake.Requests()))
		}
	})
	t.Run("nobody waits longer than the caller", func(t *testing.T) {
		t.Parallel()
		fake, c := tenant(t, nil)
		fake.Throttle(100, 20)
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		if _, err := c.App(ctx, manifest); !errors.Is(err, graph.ErrThrottled) {
			t.Errorf("%v", err)
		}
	})
}

// TestTokensGoToGraphAlone: neither to another host that an answer names, nor where a redirect leads, nor by plain http.
func TestTokensGoToGraphAlone(t *testing.T) {
	t.Parallel()
	elsewhere, stranger := tenant(t, nil)
	_ = stranger
	lying := fakegraph.New()
	t.Cleanup(lying.Close)
	lying.AddGroup("g", "u")
	lying.NextPage(elsewhere.URL + "/v1.0/groups/g/transitiveMembers/microsoft.graph.user?$skiptoken=1")
	c, err := graph.New(graph.Config{Tokens: &tokens{}, BaseURL: lying.URL, RootCAs: lying.Roots(), AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range c.Members(t.Context(), "g") {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "elsewhere") || len(elsewhere.Requests()) != 0 {
		t.Errorf("%v, and %q elsewhere", last, elsewhere.Requests())
	}
	for _, base := range []string{"http://graph.microsoft.com", "https://u:p@graph.microsoft.com", "https://graph.microsoft.com/beta", "graph", "https://127.1"} {
		if _, err := graph.New(graph.Config{Tokens: &tokens{}, BaseURL: base}); err == nil {
			t.Errorf("%s is taken", base)
		}
	}
	if _, err := graph.New(graph.Config{}); err == nil {
		t.Error("a client without tokens")
	}
}
