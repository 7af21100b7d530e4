package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
)

// misbehaviour are the flags that say what a fake channel is like.
type misbehaviour struct {
	Delay  time.Duration `default:"0s" placeholder:"DURATION" help:"How far away the channel is: what an answer takes at least (${default})."`
	Jitter time.Duration `default:"0s" placeholder:"DURATION" help:"How much each way there and back may be longer or shorter, by chance (${default})."`
	Limits string        `default:"none" enum:"teams,none" help:"Enforce the limits that Teams publishes, as exact windows by time of arrival: ${enum} (${default})."`
	Limit  []string      `placeholder:"SCOPE:N/WINDOW" help:"Enforce another limit, such as conversation:7/1s or tenant:50/1s; may be repeated."`
	Fault  []string      `placeholder:"SHARE:WHAT" help:"Have a share of requests fail, such as 1%:503, 2%:429:3 with the seconds to wait, or 0.5%:reset_after; may be repeated. Others are reset_before, hang_before, hang_after, drip, truncate, redirect, garbage and huge."`
	Rules  string        `placeholder:"FILE" help:"File with rules, as JSON, for what --fault cannot say."`
	Seed   uint64        `default:"1" placeholder:"N" help:"What chance depends on (${default})."`
}

// config is what the flags say.
func (m misbehaviour) config() (fakechannel.Config, error) {
	cfg := fakechannel.Config{Delay: m.Delay, Jitter: m.Jitter, Seed: m.Seed}
	if m.Limits == "teams" {
		cfg.Limits = fakechannel.TeamsLimits()
	}
	for _, text := range m.Limit {
		l, err := readLimit(text)
		if err != nil {
			return cfg, usageError{fmt.Errorf("--limit: %q %w", text, err)}
		}
		cfg.Limits = append(cfg.Limits, l)
	}
	if m.Rules != "" {
		text, err := os.ReadFile(m.Rules)
		if err != nil {
			return cfg, fmt.Errorf("--rules: %w", err)
		}
		if cfg.Rules, err = fakechannel.ParseRules(text); err != nil {
			return cfg, usageError{fmt.Errorf("--rules: %s: %w", m.Rules, err)}
		}
	}
	for _, text := range m.Fault {
		r, err := readFault(text)
		if err != nil {
			return cfg, usageError{fmt.Errorf("--fault: %q %w", text, err)}
		}
		cfg.Rules = append(cfg.Rules, r)
	}
	return cfg, nil
}

// readLimit reads SCOPE:N/WINDOW.
func readLimit(text string) (l fakechannel.Limit, err error) {
	scope, rest, _ := strings.Cut(text, ":")
	number, window, ok := strings.Cut(rest, "/")
	l.Scope = fakechannel.Scope(scope)
	l.Requests, err = strconv.Atoi(number)
	if err == nil {
		l.Window, err = time.ParseDuration(window)
	}
	if !ok || err != nil {
		return l, errors.New("is not like conversation:7/1s")
	}
	return l, nil
}

// readFault reads SHARE:WHAT, or SHARE:STATUS:SECONDS.
func readFault(text string) (r fakechannel.Rule, err error) {
	parts := strings.Split(text, ":")
	number, percent := strings.CutSuffix(parts[0], "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || len(parts) < 2 || len(parts) > 3 || share <= 0 || share > 1 {
		return r, errors.New("is not like 1%:503 or 0.5%:reset_after")
	}
	r.Share = share
	if r.Status, err = strconv.Atoi(parts[1]); err != nil {
		r.Do = fakechannel.Action(parts[1])
	}
	if r.Do == fakechannel.ResetBefore {
		return r, errors.New("cannot be by chance: use --rules, with skip and times")
	}
	if len(parts) == 3 {
		r.RetryAfter = parts[2]
	}
	return r, nil
}

type fakeChannel struct {
	Listen       string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address to listen on; port 0 picks a free one (${default})."`
	TLS          bool   `name:"tls" help:"Serve https, with a certificate of its own authority."`
	Authority    string `placeholder:"FILE" help:"Write the authority's certificate to a file."`
	RequireToken bool   `name:"require-token" help:"Refuse requests without a token of its own token endpoint."`
	Teams        string `placeholder:"URL" help:"Be a tenant of Microsoft Teams, and tell the bot with the messaging endpoint of that URL what happens in it, without tokens, as in development mode. Teams' limits hold."`
	misbehaviour
}

// Help shows examples.
func (fakeChannel) Help() string {
	return `Examples:

    headsup fake-channel
    headsup fake-channel --limits teams --delay 20ms --fault 1%:503 --fault 0.5%:reset_after

It speaks the Connector API, keeps a ledger of what people would have seen, and prints it in figures when it ends. The first
line of the output is its URL, which is a service URL for conversations; with /NAME after it, one for the tenant NAME. While it
runs, GET /_fake/report and /_fake/conversations tell the ledger, and PUT /_fake/rules sets rules.

    headsup fake-channel --teams http://127.0.0.1:3978/api/messages

With --teams it is a tenant with three people, a team and a group chat: POST /_teams/do installs the app and has people say
something, GET /_teams/state and /_teams/posts tell what there is. docs/teams-testing.md has an example.`
}

// Run is the channel until ctx ends.
func (c fakeChannel) Run(ctx context.Context, s streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	cfg.Listen, cfg.TLS, cfg.RequireToken = c.Listen, c.TLS, c.RequireToken
	channel, end, err := c.open(cfg)
	if err != nil {
		return usageError{err}
	}
	if c.Authority != "" {
		if err := os.WriteFile(c.Authority, channel.AuthorityPEM(), 0o644); err != nil {
			return errors.Join(err, end())
		}
	}
	if _, err := fmt.Fprintln(s.out, channel.URL()); err != nil {
		return errors.Join(err, end())
	}
	<-ctx.Done()
	report := channel.Report()
	return errors.Join(end(), printJSON(s.out, report))
}

// open opens the channel, and the tenant around it if there is to be one.
func (c fakeChannel) open(cfg fakechannel.Config) (*fakechannel.Server, func() error, error) {
	if c.Teams == "" {
		channel, err := fakechannel.New(cfg)
		if err != nil {
			return nil, nil, err
		}
		return channel, channel.Close, nil
	}
	cfg.Limits = nil // those of faketeams, which are Teams'
	world, err := faketeams.New(faketeams.Config{Messages: c.Teams, Unsigned: true, Channel: cfg})
	if err != nil {
		return nil, nil, err
	}
	world.Furnish()
	return world.Channel(), world.Close, nil
}
