package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/pace"
)

// FirstContact has the engine look for people of Microsoft Teams whom the bot has not met, where the rule for that is
// [pace.FirstContactInstalled]. A notification to somebody by object id, user principal name or e-mail address is accepted
// then, and each of its attempts is one rung of a ladder, until there is a conversation:
//
//   - known: the book has met them meanwhile, by whatever key.
//   - find (Find): Microsoft Graph tells who it is.
//   - create (Create): the channel makes the conversation, which it does where the app is installed for them.
//   - install (Install): Microsoft Graph installs the app for them, and the bot is told of the conversation.
//   - create again; else chat (Install): Microsoft Graph tells the conversation.
//
// Each rung is a line of the delivery's history, and how far it has come is in the book, so that another process goes on from
// there. It ends with the message delivered, or failed for one exact reason.
type FirstContact struct {
	// Find, Create and Install allow the rungs.
	Find, Create, Install bool

	// Reinstall has the app installed also for people who have taken it away, by the next notification to them. It needs
	// Install. Without it they are left alone. Whoever has blocked the bot is, in any case.
	Reinstall bool

	// Tenant is where people are looked for whom nobody has met, by somebody who is not bound to a tenant. Empty looks for
	// them only for those who are.
	Tenant activity.TenantID

	// ServiceURL is where the channel is called for a tenant of which no conversation is known. Empty means [TeamsURL].
	ServiceURL string

	// Graph calls Microsoft Graph of a tenant. It is required for Find and Install. A client that does not try again by itself,
	// and whose two calls end within an attempt's time, suits best: attempts are repeated anyway.
	Graph func(activity.TenantID) (Directory, error)

	// Groups calls Microsoft Graph of a tenant for [Engine.NotifyGroup]. A client that waits where Graph asks for it suits best.
	// Nil reads no groups.
	Groups func(activity.TenantID) (Groups, error)

	// App is the id in the app's manifest, and Catalog what the tenant's catalog calls the app. One of them is required for
	// Install; where Catalog is empty, each tenant's is looked up.
	App, Catalog string

	// Wait is how long the bot waits to be told of an installation, before it asks. Zero means 3 s.
	Wait time.Duration
}

// TeamsURL is where Microsoft Teams of the public cloud is called.
const TeamsURL = "https://smba.trafficmanager.net/teams/"

// Directory is the part of Microsoft Graph that finds people and installs the app for them; *graph.Client implements it.
type Directory interface {
	User(ctx context.Context, name string) (graph.User, error)
	App(ctx context.Context, manifestID string) (graph.App, error)
	Install(ctx context.Context, at graph.Where, appID string) error
	Installation(ctx context.Context, at graph.Where, appID string) (string, error)
	Chat(ctx context.Context, objectID, installation string) (string, error)
}

func (f FirstContact) withDefaults() FirstContact {
	if f.ServiceURL == "" {
		f.ServiceURL = TeamsURL
	}
	if f.Wait == 0 {
		f.Wait = 3 * time.Second
	}
	return f
}

func (f FirstContact) validate() error {
	switch {
	case f.Wait < 0:
		return errors.New("Wait is negative")
	case !f.Create && !f.Install:
		return errors.New("Create or Install is required")
	case (f.Find || f.Install) && f.Graph == nil:
		return errors.New("Graph is required to find people or to install the app")
	case f.Reinstall && !f.Install:
		return errors.New("Install is required for Reinstall")
	case f.Install && f.App == "" && f.Catalog == "":
		return errors.New("App or Catalog is required to install the app")
	}
	return nil
}

// apps remembers what catalogs of tenants call the app.
type apps struct {
	mu       sync.Mutex
	byTenant map[activity.TenantID]string // guarded by mu
}

func (a *apps) of(t activity.TenantID) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byTenant[t]
}

func (a *apps) note(t activity.TenantID, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byTenant == nil {
		a.byTenant = make(map[activity.TenantID]string)
	}
	a.byTenant[t] = id
}

// teamsBot is the bot's account in Microsoft Teams.
func (e *Engine) teamsBot() activity.ChannelAccount {
	return activity.ChannelAccount{ID: activity.AccountID("28:" + e.cfg.AppID)}
}

// prospects reports whether people whom the bot has not met are looked for.
func (e *Engine) prospects() bool {
	return e.cfg.FirstContact != nil && e.cfg.Profiles.FirstContact(string(activity.ChannelTeams)) == pace.FirstContactInstalled
}

// comesBack reports whether the app may be installed again for somebody who has taken it away: all that is found of them is
// in the tenant where people are looked for, and was not closed otherwise.
func (e *Engine) comesBack(found []book.Conversation) bool {
	return e.prospects() && e.cfg.FirstContact.Reinstall && !slices.ContainsFunc(found, func(c book.Conversation) bool {
		removed := c.Reach == book.ReachUninstalled || c.Reach == book.ReachProspective
		return !removed || c.Key.Channel != activity.ChannelTeams || c.Key.Tenant != e.cfg.FirstContact.Tenant
	})
}

// prospect is the book's entry for somebody whom the bot has not met; no one where they are not to be looked for.
func (e *Engine) prospect(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	if !e.prospects() || e.cfg.FirstContact.Tenant == "" {
		return nil, nil
	}
	who, err := e.whois(ctx, to)
	if err != nil || !e.reachable(who) {
		return nil, err
	}
	bot, tenant := e.teamsBot(), e.cfg.FirstContact.Tenant
	key := book.Prospect(e.cfg.AppID, activity.ChannelTeams, tenant, bot.ID, who.name())
	c, err := e.cfg.Store.Conversation(ctx, key)
	if errors.Is(err, book.ErrNotFound) {
		now := e.cfg.Now()
		var at service
		if at, err = e.serviceOf(ctx, tenant); err != nil {
			return nil, err
		}
		c, err = e.cfg.Store.Sight(ctx, book.Sighting{
			Key: key, Kind: book.KindPersonal, Source: at.source, VerifiedAt: at.verifiedAt, At: now,
			Prospect: book.Standing{Reach: book.ReachProspective, Cause: CauseWanted, At: now},
			Reference: activity.Reference{
				ChannelID: activity.ChannelTeams, ServiceURL: at.url, Bot: &bot, User: who.account(key.Conversation),
				Conversation: activity.ConversationAccount{ID: key.Conversation, TenantID: tenant, ConversationType: activity.ConversationPersonal},
			},
		})
	}
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	return []book.Conversation{c}, nil
}

// somebody is what is known of a prospect.
type somebody struct{ objectID, upn, email string }

// name is what the prospect's entry is called by.
func (s somebody) name() string {
	for _, name := range [...]string{s.objectID, s.upn, s.email} {
		if name != "" {
			return name
		}
	}
	return ""
}

// account is the prospect in the reference of the entry.
func (s somebody) account(id activity.ConversationID) *activity.ChannelAccount {
	a := &activity.ChannelAccount{ID: activity.AccountID(id), AADObjectID: s.objectID}
	extra := make(map[string]string)
	if s.upn != "" {
		extra["userPrincipalName"] = s.upn
	}
	if s.email != "" {
		extra["email"] = s.email
	}
	if len(extra) > 0 {
		a.Extra, _ = json.Marshal(extra, json.Deterministic(true)) // texts always encode
	}
	return a
}

// prospectOf is what the entry tells of its prospect.
func prospectOf(c book.Conversation) somebody {
	if c.Reference.User == nil {
		return somebody{}
	}
	p := book.Sighting{Key: c.Key, Reference: c.Reference}.PersonOf(c.Reference.User)
	return somebody{p.ObjectID, p.UPN, p.Email}
}

// whois is what a target, and the book, tell of somebody with whom there is no conversation.
func (e *Engine) whois(ctx context.Context, to headsup.Target) (somebody, error) {
	s := somebody{book.Fold(to.ObjectID), book.Fold(to.UPN), book.Fold(to.Email)}
	if s.objectID != "" {
		return s, nil
	}
	known, err := e.cfg.Store.ListPeople(ctx, e.cfg.AppID, book.PeopleFilter{
		Channel: activity.ChannelTeams, Tenant: e.cfg.FirstContact.Tenant, PersonKey: keyOfPerson(to),
	}, 0, 10)
	if err != nil {
		return s, fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, p := range known { // from the roster of some team, say
		if p.ObjectID != "" {
			return somebody{p.ObjectID, p.UPN, p.Email}, nil
		}
	}
	return s, nil
}

// reachable reports whether there is a rung for somebody.
func (e *Engine) reachable(s somebody) bool {
	return s.objectID != "" || s.name() != "" && !strings.ContainsAny(s.name(), "/\\") && e.cfg.FirstContact.Find
}
