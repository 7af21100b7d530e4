package server

import (
	"context"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/store/postgres"
)

// metrics are the facts that are counted. docs/observability.md describes each; a test holds both to the other. Label
// values come from fixed sets or from words in the code, never from what others send.
type metrics struct {
	registry *prometheus.Registry

	accepted      *prometheus.CounterVec   // lane
	submitted     *prometheus.CounterVec   // lane
	ended         *prometheus.CounterVec   // state, reason
	attempts      *prometheus.CounterVec   // channel, verdict
	attemptTime   *prometheus.HistogramVec // channel
	lateness      *prometheus.HistogramVec // lane
	occurrences   *prometheus.CounterVec   // result, reason
	occurredLate  prometheus.Histogram
	turns         *prometheus.CounterVec   // kind, outcome
	turnTime      *prometheus.HistogramVec // kind
	commits       prometheus.Histogram
	commitTime    prometheus.Histogram
	requests      *prometheus.CounterVec   // method, route, status
	requestTime   *prometheus.HistogramVec // route
	refusals      *prometheus.CounterVec   // reason
	reasons       words
	refusalWords  words
	latenessLanes [3]prometheus.Observer
}

// Buckets, in seconds.
var (
	quick = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	late  = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}
	syncs = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
)

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.accepted = counter("headsup_notifications_accepted_total", "Notifications that were accepted, which means stored durably.", "lane")
	m.submitted = counter("headsup_deliveries_accepted_total", "Deliveries of the notifications that were accepted.", "lane")
	m.ended = counter("headsup_deliveries_ended_total", "Deliveries that came to a final state.", "state", "reason")
	m.attempts = counter("headsup_attempts_total", "Attempts to deliver, by what became of them.", "channel", "verdict")
	m.attemptTime = histogram("headsup_attempt_duration_seconds", "How long channels took for an attempt.", quick, "channel")
	m.lateness = histogram("headsup_delivery_lateness_seconds", "How long after it was due each delivery was delivered.", late, "lane")
	m.occurrences = counter("headsup_schedule_occurrences_total", "Occurrences of schedules, by what became of them.", "result", "reason")
	m.occurredLate = histogram("headsup_schedule_lateness_seconds", "How long after it was due each occurrence of a schedule was accepted as a notification.", late).WithLabelValues().(prometheus.Histogram)
	m.turns = counter("headsup_turns_total", "Turns of the bot, by how they ended.", "kind", "outcome")
	m.turnTime = histogram("headsup_turn_duration_seconds", "How long turns took, the wait for the conversation included.", quick, "kind")
	m.commits = histogram("headsup_store_commit_operations", "Operations that shared a commit of the store.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}).WithLabelValues().(prometheus.Histogram)
	m.commitTime = histogram("headsup_store_commit_duration_seconds", "How long commits of the store took, which sync to disk.", syncs).WithLabelValues().(prometheus.Histogram)
	m.requests = counter("headsup_http_requests_total", "HTTP requests that were answered.", "method", "route", "status")
	m.requestTime = histogram("headsup_http_request_duration_seconds", "How long HTTP requests took; streams until they ended.", quick, "route")
	m.refusals = counter("headsup_auth_refusals_total", "Requests whose sender was not let in.", "reason")
	for i, lane := range []outbox.Lane{outbox.LaneUrgent, outbox.LaneNormal, outbox.LaneBulk} {
		m.latenessLanes[i] = m.lateness.WithLabelValues(laneWord(lane))
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headsup_build_info", Help: "1, with the version."}, []string{"version", "go_version"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second})
}

// words is a set of label values that does not grow without bound: what is no plain word, or one too many, is "other".
type words struct {
	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

const maxWords = 64

var plain = regexp.MustCompile(`^[a-z0-9_]{1,40}$`)

func (w *words) bound(word string) string {
	if word == "" {
		return "none"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[word] {
		return word
	}
	if len(w.seen) >= maxWords || !plain.MatchString(word) {
		return "other"
	}
	if w.seen == nil {
		w.seen = make(map[string]bool)
	}
	w.seen[word] = true
	return word
}

// channelWords are the channels that have a label value of their own: those that the protocol names.
var channelWords = map[activity.ChannelID]bool{
	activity.ChannelAgents: true, activity.ChannelAlexa: true, activity.ChannelDirectLine: true,
	activity.ChannelDirectLineSpeech: true, activity.ChannelEmail: true, activity.ChannelEmulator: true,
	activity.ChannelFacebook: true, activity.ChannelGroupMe: true, activity.ChannelKik: true, activity.ChannelLine: true,
	activity.ChannelM365Extensions: true, activity.ChannelOmnichannel: true, activity.ChannelOutlook: true,
	activity.ChannelSkype: true, activity.ChannelSkypeForBusiness: true, activity.ChannelSlack: true,
	activity.ChannelSMS: true, activity.ChannelTeams: true, activity.ChannelTelegram: true,
	activity.ChannelTelephony: true, activity.ChannelTest: true, activity.ChannelTwilioSMS: true,
	activity.ChannelWebChat: true,
}

func channelWord(c activity.ChannelID) string {
	if channelWords[c] {
		return string(c)
	}
	return "other"
}

func laneWord(l outbox.Lane) string {
	switch l {
	case outbox.LaneUrgent:
		return "urgent"
	case outbox.LaneBulk:
		return "bulk"
	case outbox.LaneNormal:
	}
	return "normal"
}

// Accepted implements [outbox.Observer].
func (m *metrics) Accepted(l outbox.Lane, deliveries int) {
	m.accepted.WithLabelValues(laneWord(l)).Inc()
	m.submitted.WithLabelValues(laneWord(l)).Add(float64(deliveries))
}

// Attempted implements [outbox.Observer].
func (m *metrics) Attempted(a *outbox.Attempt, verdict headsup.Meaning, took time.Duration) {
	channel := channelWord(a.Conversation.Key.Channel)
	if verdict == "" {
		verdict = "delivered"
	}
	m.attempts.WithLabelValues(channel, string(verdict)).Inc()
	m.attemptTime.WithLabelValues(channel).Observe(took.Seconds())
}

// Ended implements [outbox.Observer].
func (m *metrics) Ended(e outbox.End) {
	m.ended.WithLabelValues(string(e.State), m.reasons.bound(e.Reason)).Inc()
	if e.State == outbox.StateDelivered && e.Lane >= 0 && int(e.Lane) < len(m.latenessLanes) {
		m.latenessLanes[e.Lane].Observe(max(0, e.At.Sub(e.WantedAt).Seconds()))
	}
}

// Occurred implements [schedule.Observer].
func (m *metrics) Occurred(_ schedule.Schedule, o schedule.Occurrence) {
	m.occurrences.WithLabelValues(string(o.Result), m.reasons.bound(o.Reason)).Inc()
	if o.Result == schedule.Fired {
		m.occurredLate.Observe(max(0, o.FiredAt.Sub(o.At).Seconds()))
	}
}

// TurnEnded implements [headsup.Observer].
func (m *metrics) TurnEnded(kind headsup.TurnKind, outcome headsup.TurnOutcome, took time.Duration) {
	m.turns.WithLabelValues(string(kind), string(outcome)).Inc()
	m.turnTime.WithLabelValues(string(kind)).Observe(took.Seconds())
}

// Refused implements [headsup.Observer].
func (m *metrics) Refused(reason string) {
	m.refusals.WithLabelValues(m.refusalWords.bound(reason)).Inc()
}

// committed counts a transaction of the store.
func (m *metrics) committed(operations int, took time.Duration) {
	m.commits.Observe(float64(operations))
	m.commitTime.Observe(took.Seconds())
}

// methods are those that have a label value of their own.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodOptions: true,
}

// count notes every request by the pattern of its route.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := &counted{ResponseWriter: w}
		defer func() { m.answered(r, answer, time.Since(began)) }() // also when the handler panics
		next.ServeHTTP(answer, r)
	})
}

func (m *metrics) answered(r *http.Request, answer *counted, took time.Duration) {
	method, route := "other", routeOf(r.Pattern)
	if methods[r.Method] {
		method = r.Method
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(answer.code())).Inc()
	m.requestTime.WithLabelValues(route).Observe(took.Seconds())
}

// routeOf is a pattern without its method; the mux notes it in the request. Empty is what was refused before any route.
func routeOf(pattern string) string {
	for i := range len(pattern) {
		if pattern[i] == '/' {
			return pattern[i:]
		}
	}
	return "none"
}

// counted remembers the status of an answer.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	if c.status < 200 { // informational ones may come before
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	if c.status < 200 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach what streams need.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) code() int {
	if c.status == 0 {
		return http.StatusOK
	}
	return c.status
}

// gauges are read when somebody asks.
type gauges struct {
	store  outbox.Store
	people interface {
		Connections() (sockets, conversations int)
	}

	depth, age, short, sockets, watched, dead, snapshot *prometheus.Desc
}

// watch adds what is read from the store and the embedded channel.
func (m *metrics) watch(store outbox.Store, channel interface{ Connections() (int, int) }) {
	m.registry.MustRegister(&gauges{
		store: store, people: channel,
		depth:    prometheus.NewDesc("headsup_deliveries", "Deliveries in each state, the final ones included.", []string{"state"}, nil),
		age:      prometheus.NewDesc("headsup_queue_oldest_seconds", "How long the delivery that has waited longest could have been attempted; 0 when none waits.", nil, nil),
		short:    prometheus.NewDesc("headsup_disk_short", "1 while so little of the disk is free that no notifications are accepted.", nil, nil),
		sockets:  prometheus.NewDesc("headsup_directline_sockets", "Open Direct Line sockets.", nil, nil),
		watched:  prometheus.NewDesc("headsup_directline_conversations", "Direct Line conversations that have an open socket.", nil, nil),
		dead:     prometheus.NewDesc("headsup_database_dead_rows", "Old versions of rows that PostgreSQL has not cleared away yet.", nil, nil),
		snapshot: prometheus.NewDesc("headsup_database_oldest_snapshot_seconds", "How old the oldest transaction is because of which PostgreSQL must keep old versions of rows; 0 for none.", nil, nil),
	})
}

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.depth, g.age, g.short, g.sockets, g.watched, g.dead, g.snapshot} {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. What the store does not tell in time is left out.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	if counts, err := g.store.Counts(ctx); err == nil {
		for _, s := range []outbox.State{
			outbox.StateScheduled, outbox.StateReady, outbox.StateHeld, outbox.StateSending, outbox.StateDelivered,
			outbox.StateFailed, outbox.StateUnknown, outbox.StateExpired, outbox.StateSuppressed, outbox.StateCancelled,
		} {
			to <- prometheus.MustNewConstMetric(g.depth, prometheus.GaugeValue, float64(counts[s]), string(s))
		}
	}
	if disk, ok := g.store.(interface{ Short() bool }); ok {
		short := 0.0
		if disk.Short() {
			short = 1
		}
		to <- prometheus.MustNewConstMetric(g.short, prometheus.GaugeValue, short)
	}
	if database, ok := g.store.(interface {
		Hindrance(ctx context.Context) (postgres.Hindrance, error)
	}); ok {
		if h, err := database.Hindrance(ctx); err == nil {
			to <- prometheus.MustNewConstMetric(g.dead, prometheus.GaugeValue, float64(h.DeadRows))
			to <- prometheus.MustNewConstMetric(g.snapshot, prometheus.GaugeValue, h.Age.Seconds())
		}
	}
	now := time.Now()
	if oldest, err := g.store.OldestDue(ctx, now); err == nil {
		age := 0.0
		if !oldest.IsZero() {
			age = now.Sub(oldest).Seconds()
		}
		to <- prometheus.MustNewConstMetric(g.age, prometheus.GaugeValue, age)
	}
	sockets, watched := g.people.Connections()
	to <- prometheus.MustNewConstMetric(g.sockets, prometheus.GaugeValue, float64(sockets))
	to <- prometheus.MustNewConstMetric(g.watched, prometheus.GaugeValue, float64(watched))
}
