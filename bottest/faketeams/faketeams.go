package faketeams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
)

// GCCHost is where tenants of the government's community cloud are reached, and nowhere else.
const GCCHost = "smba.infra.gcc.teams.microsoft.com"

// GlobalRegion begins the path of the address that serves every region: where a bot that has heard nothing yet creates
// conversations.
const GlobalRegion = "teams"

// Config describes a tenant and the bot's app. The zero value is a tenant without people, and with the windows that Teams
// publishes.
type Config struct {
	// AppID is the bot's. Empty means [AppID].
	AppID string

	// Name is how people mention the bot. Empty means "Lantern".
	Name string

	// Messages is the bot's messaging endpoint, such as "http://127.0.0.1:3978/api/messages". Empty tells it nothing; see
	// [Teams.SetMessages].
	Messages string

	// Unsigned sends activities without a token, to a bot in development mode.
	Unsigned bool

	// Tenant is the tenant's id. Empty means [Tenant].
	Tenant string

	// Region begins the path of service URLs. Empty means "emea".
	Region string

	// GCC has the tenant be in the government's community cloud: at another host than [GCCHost] everything is refused.
	GCC bool

	// ManifestID is the app's id in its manifest, by which the catalog knows it. Empty means AppID. Unlisted keeps the app out
	// of the catalog.
	ManifestID string
	Unlisted   bool

	// TellDelay is how long after an installation through Graph the bot is told of it. A negative one has it never told.
	TellDelay time.Duration

	// URL is where the tenant is reached, without a slash at its end, if somebody else serves [Teams.Connector] there. Empty is
	// where the channel listens.
	URL string

	// Channel is how the Connector API is served, beside what is said here. Nil Limits are those that Teams publishes; an
	// empty list that is not nil has none.
	Channel fakechannel.Config

	// Client calls the bot. Nil means one with a timeout of 30 s.
	Client *http.Client
}

// What a tenant and an app are called where Config says nothing.
const (
	AppID  = "6a1f3c52-0000-4000-8000-00000000b070"
	Tenant = "6a1f3c52-0000-4000-8000-0000000c0de0"
)

// catalogID is the app's id in the catalog.
const catalogID = "lantern-in-the-catalog"

func (c Config) withDefaults() Config {
	c.AppID, c.Tenant = cmp.Or(c.AppID, AppID), cmp.Or(c.Tenant, Tenant)
	c.Name, c.Region = cmp.Or(c.Name, "Lantern"), cmp.Or(c.Region, "emea")
	c.ManifestID = cmp.Or(c.ManifestID, c.AppID)
	if c.Channel.Limits == nil {
		c.Channel.Limits = append(fakechannel.TeamsLimits(), fakechannel.TeamsRosterLimits()...)
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 30 * time.Second}
	}
	return c
}

func (c Config) validate() error {
	switch {
	case strings.ContainsAny(c.Region, "/?#") || strings.ContainsAny(c.Tenant, "/?#"):
		return errors.New("Region and Tenant must be one segment of a path")
	case c.Channel.World != nil || c.Channel.Beside != nil:
		return errors.New("Channel.World and Channel.Beside are taken")
	}
	return nil
}

// Teams is a tenant. Make it with [New]; safe for concurrent use.
type Teams struct {
	cfg     Config
	channel *fakechannel.Server
	graph   *fakegraph.Server
	telling sync.WaitGroup // what Graph has installed

	mu       sync.Mutex // guards all below
	messages string
	region   string
	disabled bool
	people   map[string]*person // by object id
	order    []*person
	accounts map[activity.AccountID]*person
	teams    map[activity.ConversationID]*team // by id, and by that of the group
	rooms    map[activity.ConversationID]*room
	listed   []*room // chats and teams, as they were made
	last     int64   // the newest id of a message
	made     int     // ids so far
	tokens   map[string]token
	failed   []error
	version  int
	news     chan struct{}
	closing  context.Context
	end      context.CancelFunc
}

// token is one that the bot was shown, which holds for a while.
type token struct {
	text  string
	until time.Time
}

// New starts a tenant. Close ends it.
func New(cfg Config) (*Teams, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("faketeams: %w", err)
	}
	t := &Teams{
		cfg: cfg, graph: fakegraph.Open(), messages: cfg.Messages, region: cfg.Region,
		people: make(map[string]*person), accounts: make(map[activity.AccountID]*person),
		teams: make(map[activity.ConversationID]*team), rooms: make(map[activity.ConversationID]*room), tokens: make(map[string]token),
	}
	t.closing, t.end = context.WithCancel(context.Background())
	t.graph.NamesChats(func(objectID string) string { return string(t.Personal(objectID)) })
	t.graph.Tells(t.installedByGraph)
	if !cfg.Unlisted {
		t.graph.AddApp(fakegraph.App{ID: catalogID, ExternalID: cfg.ManifestID, Name: cfg.Name})
	}
	cfg.Channel.World, cfg.Channel.Beside = t, t.beside()
	var err error
	if t.channel, err = fakechannel.New(cfg.Channel); err != nil {
		t.end()
		return nil, err
	}
	t.graph.URL = t.URL()
	if cfg.Channel.RequireToken {
		t.graph.Grants(t.channel.Issued)
	}
	return t, nil
}

// Close ends the tenant, and what it is telling the bot.
func (t *Teams) Close() error {
	t.mu.Lock()
	t.end() // under mu, so that nothing more is told
	t.mu.Unlock()
	err := t.channel.Close()
	t.telling.Wait()
	return err
}

// Channel is the Connector API: its ledger, rules, tokens and certificate.
func (t *Teams) Channel() *fakechannel.Server { return t.channel }

// Graph is the tenant's Graph, at the address of URL. Clients of it want [fakechannel.Config.TLS].
func (t *Teams) Graph() *fakegraph.Server { return t.graph }

// URL is where everything is, without a slash at its end.
func (t *Teams) URL() string { return cmp.Or(t.cfg.URL, t.channel.URL()) }

// ServiceURL is where the tenant is reached now: a region, and the tenant. It may move.
func (t *Teams) ServiceURL() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.serviceURL()
}

func (t *Teams) serviceURL() string {
	return t.URL() + "/" + t.region + "/" + t.cfg.Tenant + "/"
}

// GlobalURL is the address that serves every region.
func (t *Teams) GlobalURL() string { return t.URL() + "/" + GlobalRegion + "/" }

// Connector is the Connector API alone, for a server of somebody else's, with the path that follows [Config.URL].
func (t *Teams) Connector() http.Handler {
	all := t.channel.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/"+GlobalRegion+"/") && !strings.Contains(r.URL.Path, "/"+t.cfg.Tenant+"/v3/") {
			http.NotFound(w, r)
			return
		}
		all.ServeHTTP(w, r)
	})
}

// Tenant is the tenant's id.
func (t *Teams) Tenant() activity.TenantID { return activity.TenantID(t.cfg.Tenant) }

// Bot is the bot as people see it.
func (t *Teams) Bot() activity.ChannelAccount {
	return activity.ChannelAccount{ID: t.botID(), Name: t.cfg.Name}
}

func (t *Teams) botID() activity.AccountID { return activity.AccountID("28:" + t.cfg.AppID) }

// SetMessages changes the bot's messaging endpoint.
func (t *Teams) SetMessages(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages = url
}

// Move moves the tenant to another region. At the old service URL no conversation is found from now on; the bot learns the new
// one by the next activity.
func (t *Teams) Move(region string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.region = region
	t.changed()
}

// Disable has an administrator forbid the app in the tenant, or allow it again.
func (t *Teams) Disable(disabled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.disabled = disabled
	t.changed()
}

// Settle waits until the bot was told of everything that Graph has installed, and returns what it has answered badly since the
// last call.
func (t *Teams) Settle() error {
	t.telling.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	err := errors.Join(t.failed...)
	t.failed = nil
	return err
}

// changed wakes those who wait for a change. t.mu is held.
func (t *Teams) changed() {
	t.version++
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// Await returns when something has changed since a version, with the version that there is then, or when ctx ends.
func (t *Teams) Await(ctx context.Context, version int) int {
	t.mu.Lock()
	if t.news == nil {
		t.news = make(chan struct{})
	}
	now, news := t.version, t.news
	t.mu.Unlock()
	if now != version {
		return now
	}
	select {
	case <-news:
	case <-ctx.Done():
	case <-t.closing.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// named makes an id that depends on the bot, as those of Teams do, and on what it is of.
func (t *Teams) named(prefix string, of ...string) string {
	sum := sha256.Sum256([]byte(t.cfg.AppID + "\x00" + strings.Join(of, "\x00")))
	return prefix + hex.EncodeToString(sum[:16])
}

// guid makes an object id.
func (t *Teams) guid() string {
	t.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", t.cfg.Tenant, t.made))
	x := hex.EncodeToString(sum[:16])
	return strings.Join([]string{x[:8], x[8:12], "4" + x[13:16], "8" + x[17:20], x[20:]}, "-")
}

// messageID is the next id of a message: a time in milliseconds. t.mu is held.
func (t *Teams) messageID(now time.Time) string {
	t.last = max(now.UnixMilli(), t.last+1)
	return fmt.Sprint(t.last)
}

// ErrUnknown is in the chain of the error about somebody, or a place, that the tenant does not have.
var ErrUnknown = errors.New("is not in the tenant")

func unknown(id string) error { return fmt.Errorf("faketeams: %q %w", id, ErrUnknown) }

// without returns a list without an element.
func without[T comparable](list []T, gone T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return x == gone })
}
