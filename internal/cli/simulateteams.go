package cli

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/server"
)

// checkTeams reports what does not go with --teams.
func (c simulate) checkTeams() error {
	switch {
	case !c.Teams:
		return errors.New("--without-app: needs --teams")
	case c.WithoutApp < 0 || c.WithoutApp > c.Recipients:
		return errors.New("--without-app: must be from 0 to the number of recipients")
	case c.Tenants != 1:
		return errors.New("--tenants: there is one with --teams")
	case c.Channel != "":
		return errors.New("--channel: not with --teams, which has a channel of its own")
	}
	return nil
}

// teams tells people who have never met the bot. It is registered in a tenant that only pretends, so that each of its calls has a
// token: of the channel, or of Microsoft Graph.
func (c simulate) teams(ctx context.Context, s streams) (err error) {
	if err := c.checkTeams(); err != nil {
		return usageError{err}
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	secret := rand.Text()
	cfg.Limits = nil // those of faketeams, which are Teams'
	cfg.TLS, cfg.RequireToken, cfg.AppID, cfg.AppSecret = true, true, faketeams.AppID, secret
	world, err := faketeams.New(faketeams.Config{Channel: cfg})
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	people, err := c.populate(ctx, world)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "headsup-simulate-")
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, world.Channel().AuthorityPEM(), 0o600); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	nodes, err := c.start(ctx, s.err, func(cfg *server.Config) {
		cfg.Azure = server.Azure{
			AppID: faketeams.AppID, Tenant: faketeams.Tenant, Secret: secret, RootsFile: roots,
			ServiceHosts: []string{strings.TrimPrefix(world.URL(), "https://")},
			LoginURL:     world.URL() + "/", MetadataURL: world.Channel().MetadataURL(),
		}
		cfg.Teams = server.Teams{FirstContact: []string{"create", "install"}, ServiceURL: world.GlobalURL(), GraphURL: world.URL()}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.stop(context.WithoutCancel(ctx))) }()
	world.SetMessages(nodes.urls[0] + "/api/messages")
	sim := &simulation{
		simulate: c, urls: nodes.urls, http: &http.Client{Timeout: 30 * time.Second},
		channel: fakechannel.Connect(world.URL(), &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: world.Channel().RootCAs()},
		}}),
	}
	result, err := sim.tellStrangers(ctx, s, people)
	if err != nil {
		return err
	}
	return c.show(s, result)
}

// populate has people move in: of those who have the app, the bot knows nothing.
func (c simulate) populate(ctx context.Context, world *faketeams.Teams) (people []string, err error) {
	for i := range c.Recipients {
		p := world.AddPerson(faketeams.Person{Name: fmt.Sprint("Person ", i+1)})
		people = append(people, p.ObjectID)
		if i < c.WithoutApp {
			continue
		}
		if err := world.Install(ctx, p.ObjectID, p.ObjectID); err != nil { // nobody is told: there is no bot yet
			return nil, err
		}
	}
	return people, nil
}

// mostAtOnce is how many notifications one request brings.
const mostAtOnce = 1000

// tellStrangers tells people by their object ids, and waits until all have been told.
func (m *simulation) tellStrangers(ctx context.Context, s streams, people []string) (*simulated, error) {
	nodes, err := m.clients()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for from := 0; from < len(people); from += mostAtOnce {
		batch := make([]api.BatchItem, 0, mostAtOnce)
		for _, id := range people[from:min(from+mostAtOnce, len(people))] {
			batch = append(batch, api.BatchItem{NotificationRequest: api.NotificationRequest{To: api.Target{ObjectID: id}, Text: news, Lane: "bulk"}})
		}
		if err := submit(ctx, nodes[0], batch); err != nil {
			return nil, fmt.Errorf("accept %s: %w", count(len(batch), "notification"), err)
		}
	}
	accepted := time.Since(start)
	patience, enough := context.WithTimeout(ctx, m.Timeout)
	defer enough()
	bar := newProgress(s.err, "delivered")
	_, err = m.channel.Await(patience, func(r fakechannel.Report) bool {
		bar.show(r.Distinct, 0, m.Recipients)
		return r.Distinct >= m.Recipients
	})
	bar.clear()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	result, err := m.result(context.WithoutCancel(ctx), start, nil)
	if err != nil {
		return nil, err
	}
	result.Accepted = seconds(accepted)
	return result, nil
}

// submit has notifications accepted, all of them.
func submit(ctx context.Context, node *client.Client, batch []api.BatchItem) error {
	got, err := node.CreateNotifications(ctx, batch)
	if err != nil {
		return err
	}
	for _, r := range got.Results {
		if r.Problem != nil {
			return errors.New(r.Problem.Detail)
		}
	}
	return nil
}
