package server

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/teams"
)

// limits are those of the configuration.
func (c Config) limits(log *slog.Logger) (*pace.Limiter, error) {
	profiles, err := c.profiles()
	if err != nil {
		return nil, err
	}
	return pace.New(pace.Config{Profiles: profiles, Paused: func(p pace.Pause) { logPause(log, p) }})
}

// profiles are what the configuration says of channels.
func (c Config) profiles() (pace.Profiles, error) {
	profiles, err := pace.ParseProfiles(c.Pace)
	if err != nil {
		return nil, &ConfigError{"pace", err}
	}
	return profiles, nil
}

// logPause tells of what is left alone. Ids of conversations are not told, since they can be addresses.
func logPause(log *slog.Logger, p pace.Pause) {
	level := slog.LevelWarn
	switch p.Scope.Level {
	case pace.LevelBot:
		level = slog.LevelError // it stays so until somebody puts the bot right
	case pace.LevelConversation:
		level = slog.LevelDebug
	case pace.LevelTenant, pace.LevelHost:
	}
	of := p.Scope
	if p.Until.IsZero() {
		log.Log(context.Background(), min(level, slog.LevelInfo), "resumed", "scope", string(of.Level), "channel", of.Channel,
			"tenant", of.Tenant, "host", of.Host)
		return
	}
	log.Log(context.Background(), level, "paused", "scope", string(of.Level), "channel", of.Channel, "tenant", of.Tenant,
		"host", of.Host, "until", p.Until, "reason", p.Reason, "trips", p.Trips)
}

// connectorChannel is the way to everything but the embedded channel, within its limits.
func (s *Server) connectorChannel(client *connector.Client, appID string) headsup.Channel {
	way := headsup.NewConnectorChannel(client)
	way.OnMoved(func(ctx context.Context, ref activity.Reference) {
		if err := s.engine.Moved(ctx, ref); err != nil {
			s.log.WarnContext(ctx, "conversation's new host not noted", "host", ref.ServiceURL, "error", err.Error())
		}
	})
	way.OnBarred(func(_ context.Context, _ activity.Reference, why string) {
		s.audit.Refused(audit.URLRefused, why, audit.Server, netip.Addr{})
	})
	s.rosters, _ = teams.NewClient(teams.ClientConfig{Connector: client, Limits: s.limits, AppID: appID}) // of a client there is
	return headsup.NewPacedChannel(way, s.limits, appID)
}

// paceGauges are read from the limiter when somebody asks.
type paceGauges struct {
	limits *pace.Limiter

	permits, refusals, waits, waited, pauses, paused, onWay, use *prometheus.Desc
}

func newPaceGauges(l *pace.Limiter) *paceGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &paceGauges{
		limits:   l,
		permits:  desc("headsup_pace_permits_total", "Permits for calls to channels that have limits."),
		refusals: desc("headsup_pace_refusals_total", "How often there was no permit yet."),
		waits:    desc("headsup_pace_waits_total", "Calls that had to wait for their permit.", "kind"),
		waited:   desc("headsup_pace_wait_seconds_total", "How long they waited, in sum.", "kind"),
		pauses:   desc("headsup_pace_pauses_total", "Pauses that have begun or were prolonged."),
		paused:   desc("headsup_pace_paused", "What is paused now, or was and has not succeeded since.", "scope"),
		onWay:    desc("headsup_pace_calls_on_way", "Calls to channels with limits that have no answer yet."),
		use:      desc("headsup_pace_window_use", "How full the fullest window is that a channel's tenants or bots share: 1 is full.", "channel"),
	}
}

// Describe implements [prometheus.Collector].
func (g *paceGauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.permits, g.refusals, g.waits, g.waited, g.pauses, g.paused, g.onWay, g.use} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (g *paceGauges) Collect(to chan<- prometheus.Metric) {
	s := g.limits.Stats()
	put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	put(g.permits, prometheus.CounterValue, float64(s.Granted))
	put(g.refusals, prometheus.CounterValue, float64(s.Refused))
	for _, k := range []pace.Kind{pace.Reply, pace.Delivery} {
		put(g.waits, prometheus.CounterValue, float64(s.Waits[k]), k.String())
		put(g.waited, prometheus.CounterValue, s.Waited[k].Seconds(), k.String())
	}
	put(g.pauses, prometheus.CounterValue, float64(s.Paused))
	for _, l := range []pace.Level{pace.LevelConversation, pace.LevelTenant, pace.LevelBot, pace.LevelHost} {
		put(g.paused, prometheus.GaugeValue, float64(s.Pauses[l]), string(l))
	}
	put(g.onWay, prometheus.GaugeValue, float64(s.OnWay))
	use := make(map[string]float64)
	for channel, share := range s.Use {
		word := channelWord(activity.ChannelID(channel))
		use[word] = max(use[word], share)
	}
	for word, share := range use {
		put(g.use, prometheus.GaugeValue, share, word)
	}
}
