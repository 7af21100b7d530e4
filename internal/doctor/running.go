package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
	"github.com/headsup-bot/headsup/internal/adminkey"
)

var runningChecks = []Check{
	{
		ID:    "server.running",
		About: "The server over this data directory, if one runs: whether it answers.",
		Faults: []Fault{
			{"silent", Fail, "The data directory says that a server runs, and it does not answer.", "look at its log; if it was killed, start it again"},
			{"closed", Warn, "A server runs, and its secret for commands cannot be read by this user.", "run this command as the user who runs the server"},
		},
		run: checkRunning,
	},
	{
		ID:    "server.version",
		About: "The server that runs is of the same version as this program.",
		Faults: []Fault{
			{"differs", Warn, "It is another one: most often the program was updated and the server not started again.", "start the server again"},
		},
		run: checkVersion,
	},
	{
		ID:    "server.ready",
		About: "What the server says at /readyz of its admin listener.",
		Faults: []Fault{
			{"not_ready", Fail, "It does not take requests: it stops, does not deliver, or its store fails or is slow.", "look at its log for what was found"},
			{"silent", Warn, "The admin listener does not answer.", "look at the server's log"},
		},
		run: checkReady,
	},
	{
		ID:    "server.pauses",
		About: "What the server leaves alone for a while since a channel asks for it, or does not answer.",
		Faults: []Fault{
			{"bot", Fail, "Everything that the bot says on a channel waits: its token is refused, or there is none.", "look at identity.token and channel.answer above; then headsup pauses end"},
			{"host", Warn, "Everything that calls a host waits: it does not answer.", "look at service.host above"},
			{"throttled", Warn, "A conversation or a tenant waits, since the channel asks for it.", "wait; if it happens often, say less or set pace lower"},
		},
		run: checkPauses,
	},
	{
		ID:    "server.failures",
		About: "Deliveries that ended as failed or unknown in the last hour.",
		Faults: []Fault{
			{"some", Warn, "Some did.", "headsup deliveries list --state failed tells which; headsup deliveries replay tries again"},
		},
		run: checkFailures,
	},
	{
		ID:    "server.queue",
		About: "How long the delivery that waits longest could have been attempted.",
		Faults: []Fault{
			{"old", Warn, "More than a minute: the server does not keep up, or something holds it.", "look at server.pauses and at the database; docs/performance.md has what to expect"},
			{"stuck", Fail, "More than ten minutes.", "look at the server's log, at server.pauses and at the database"},
		},
		run: checkQueue,
	},
}

// runningLook is what is known of the server that runs.
type runningLook struct {
	client *client.Client // nil if none runs
	http   *http.Client   // to the server
	direct *http.Client   // to its admin listener
	url    string
	admin  string // URL of the admin listener; empty if there is none
	none   string // why client is nil
}

func checkRunning(ctx context.Context, p *patient) []Result {
	l := &p.running
	l.none = "no server was found"
	entry, err := adminkey.Read(p.Loaded.Data)
	switch {
	case errors.Is(err, os.ErrPermission):
		return p.fault("closed", err.Error())
	case errors.Is(err, adminkey.ErrNone):
		return p.skip("no server runs over %s", p.Loaded.Data)
	case err != nil:
		return p.fault("closed", err.Error())
	}
	l.http, l.direct = &http.Client{Transport: dialling(entry.Dial, entry.CertFile), CheckRedirect: stay}, &http.Client{Transport: dialling("", ""), CheckRedirect: stay}
	l.url, l.admin = strings.TrimSuffix(entry.URL, "/"), reachable(entry.Admin)
	if _, err := get(ctx, l.http, l.url+"/healthz"); err != nil {
		return p.fault("silent", err.Error())
	}
	l.client, err = client.New(client.Config{BaseURL: entry.URL, Key: entry.Secret.Reveal(), HTTPClient: l.http, UserAgent: "headsup-doctor"})
	if err != nil {
		return p.fault("silent", err.Error())
	}
	return p.ok("at %s", entry.URL)
}

// stay follows no redirects.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// dialling connects to one address if there is one, whatever the URL's host is, and through no proxy. It trusts the
// certificates in a file that the server says are its own, beside those that the system knows.
func dialling(address, shown string) http.RoundTripper {
	t := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	if raw, err := os.ReadFile(shown); err == nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM(raw)
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if address != "" {
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return t
}

// reachable is a URL whose host means all addresses of a machine, with one of this machine's in its place.
func reachable(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.IsUnspecified() {
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	return u.String()
}

// longestAnswer bounds what is read of an answer, in bytes.
const longestAnswer = 8 << 20

// get reads what is at an address; other answers than 200 are errors, and what they say is returned too.
func get(ctx context.Context, by *http.Client, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := by.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d", address, res.StatusCode)
	}
	return body, err
}

func checkVersion(ctx context.Context, p *patient) []Result {
	if p.running.client == nil {
		return p.skip("%s", p.running.none)
	}
	var document struct {
		Info struct {
			Version string `json:"version"`
		} `json:"info"`
	}
	body, err := get(ctx, p.running.http, p.running.url+"/openapi.json")
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	switch has := document.Info.Version; {
	case err != nil:
		return p.skip("the server does not tell: %v", err)
	case has != p.Version:
		return p.fault("differs", fmt.Sprintf("the server is %s, this program %s", has, p.Version))
	}
	return p.ok("%s", p.Version)
}

func checkReady(ctx context.Context, p *patient) []Result {
	switch {
	case p.running.client == nil:
		return p.skip("%s", p.running.none)
	case p.running.admin == "":
		return p.skip("there is no admin listener")
	}
	body, err := get(ctx, p.running.direct, p.running.admin+"/readyz")
	var answer struct {
		Ready   *bool    `json:"ready"`
		Reasons []string `json:"reasons"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Ready == nil {
		return p.fault("silent", fmt.Sprintf("%s: %v", p.running.admin, err))
	}
	if !*answer.Ready {
		return p.fault("not_ready", strings.Join(answer.Reasons, ", "))
	}
	return p.ok("ready")
}

func checkPauses(ctx context.Context, p *patient) (all []Result) {
	if p.running.client == nil {
		return p.skip("%s", p.running.none)
	}
	const shown = 10
	found, err := p.running.client.Pauses(ctx, shown)
	if err != nil {
		return p.skip("the server does not tell: %v", err)
	}
	for _, pause := range found.Pauses {
		what := strings.Join(strings.Fields(strings.Join([]string{pause.Level, pause.Channel, pause.Tenant, pause.Conversation, pause.Host}, " ")), " ")
		found := fmt.Sprintf("%s until %s, %s", pause.State, pause.Until.UTC().Format(time.TimeOnly), pause.Reason)
		fault := "throttled"
		if pause.Level == "bot" || pause.Level == "host" {
			fault = pause.Level
		}
		all = append(all, about(what, p.fault(fault, found))...)
	}
	if len(all) == 0 {
		return p.ok("none")
	}
	if more := found.Total - len(found.Pauses); more > 0 {
		all[len(all)-1].Found += fmt.Sprintf("; and %d more", more)
	}
	return all
}

func checkFailures(ctx context.Context, p *patient) []Result {
	if p.running.client == nil {
		return p.skip("%s", p.running.none)
	}
	const looked, window = 1000, time.Hour
	since, total, reasons := p.Now().Add(-window), int64(0), map[string]int64{}
	for _, state := range []string{"failed", "unknown"} {
		n := 0
		for d, err := range p.running.client.Deliveries(ctx, client.DeliveryFilter{State: state}) {
			if err != nil {
				return p.skip("the server does not tell: %v", err)
			}
			if d.UpdatedAt.After(since) {
				total++
				reasons[failure(d)]++
			}
			if n++; n >= looked {
				break
			}
		}
	}
	if total == 0 {
		return p.ok("none in the last hour")
	}
	words := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		if n := reasons[b] - reasons[a]; n != 0 {
			return int(n)
		}
		return strings.Compare(a, b)
	})
	for i, w := range words {
		words[i] = fmt.Sprintf("%s %d", w, reasons[w])
	}
	return p.fault("some", fmt.Sprintf("%d in the last hour: %s", total, strings.Join(words[:min(5, len(words))], ", ")))
}

func failure(d api.Delivery) string {
	if d.Reason == "" {
		return d.State
	}
	return d.Reason
}

func checkQueue(ctx context.Context, p *patient) []Result {
	const old, stuck = time.Minute, 10 * time.Minute
	switch {
	case p.running.client == nil:
		return p.skip("%s", p.running.none)
	case p.running.admin == "":
		return p.skip("there is no admin listener, which tells it")
	}
	body, err := get(ctx, p.running.direct, p.running.admin+"/metrics")
	if err != nil {
		return p.skip("the admin listener does not tell: %v", err)
	}
	seconds, ok := metric(string(body), "headsup_queue_oldest_seconds")
	if !ok {
		return p.skip("the admin listener does not tell")
	}
	age := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	found := "the oldest has waited for " + age.String()
	switch {
	case age > stuck:
		return p.fault("stuck", found)
	case age > old:
		return p.fault("old", found)
	case age == 0:
		return p.ok("nothing waits")
	}
	return p.ok("%s", found)
}

// metric reads a value without labels from Prometheus's text format.
func metric(text, name string) (value float64, ok bool) {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err := strconv.ParseFloat(rest, 64)
			return value, err == nil
		}
	}
	return 0, false
}
