// Package doctor looks at an installation of Headsup and tells its operator what is wrong with it and what to do: at its
// configuration, its database, its registration in Azure, the services that it calls, and the server, if it runs.
//
// [Examine] makes all checks and returns a [Report] of [Result] values. What is checked is data: [Checks] lists every [Check]
// with the faults that it finds, from which docs/doctor.md is written. Nothing is changed by an examination, and a server may
// be at work meanwhile. No result holds a secret.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/config"
	"github.com/headsup-bot/headsup/server"
)

// Status is what a check has come to.
type Status string

const (
	// OK: nothing is wrong.
	OK Status = "ok"
	// Warn: it works, and should be looked at.
	Warn Status = "warn"
	// Fail: it does not work, or not for long.
	Fail Status = "fail"
	// Skipped: it was not checked, and Found says why.
	Skipped Status = "skipped"
)

// Result is what a check has found about one thing.
type Result struct {
	// Check is the check's id, and Subject what it is about if there may be several: a setting, a host.
	Check   string `json:"id"`
	Subject string `json:"subject,omitzero"`
	Status  Status `json:"status"`
	// Fault is a stable word for what is wrong; empty if nothing is.
	Fault string `json:"fault,omitzero"`
	// Found is what was seen, and Do what to do about it.
	Found string `json:"found"`
	Do    string `json:"do,omitzero"`
}

// Summary counts results.
type Summary struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Skipped int `json:"skipped"`
}

// Report is what an examination has found.
type Report struct {
	// OK says that nothing failed.
	OK      bool      `json:"ok"`
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	Summary Summary   `json:"summary"`
	Checks  []Result  `json:"checks"`
}

// Fault is something that a check may find.
type Fault struct {
	// Code is a stable word, and Status how bad it is.
	Code   string
	Status Status
	// Means says what it is, and Do what to do about it. {words} in Do are replaced by what was found.
	Means, Do string
}

// Check is one look at one thing.
type Check struct {
	// ID is stable, such as identity.token.
	ID string
	// About says what is looked at.
	About string
	// Network: it needs more than this machine and the database, so it is left out offline.
	Network bool
	// Faults are what it may find.
	Faults []Fault

	run func(ctx context.Context, p *patient) []Result
}

// Config says what to examine.
type Config struct {
	// Loaded is the configuration, Problems what is wrong with it, and Server what the server makes of it.
	Loaded   config.Loaded
	Problems config.Problems
	Server   server.Config

	// Offline leaves out what needs the network.
	Offline bool

	// Channel asks about conversations of one channel only. Empty asks about all.
	Channel activity.ChannelID

	// Timeout bounds each check. Zero means 10 s.
	Timeout time.Duration

	// LongTransaction is how long a transaction of others in PostgreSQL may be open. Zero means 5 minutes.
	LongTransaction time.Duration

	// Version is that of this program.
	Version string

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.LongTransaction == 0 {
		c.LongTransaction = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Server.Logger = slog.New(slog.DiscardHandler)
	return c
}

// Examine makes all checks, one after the other, each within its time. It ends early with ctx; what was not checked then is
// skipped.
func Examine(ctx context.Context, cfg Config) Report {
	cfg = cfg.withDefaults()
	p := &patient{Config: cfg, hide: newVeil(cfg.Loaded)}
	defer p.close()
	r := Report{Version: cfg.Version, At: cfg.Now().UTC().Truncate(time.Second), Checks: []Result{}}
	for _, c := range Checks() {
		for _, result := range p.examine(ctx, c) {
			switch result.Status {
			case OK:
				r.Summary.OK++
			case Warn:
				r.Summary.Warn++
			case Fail:
				r.Summary.Fail++
			case Skipped:
				r.Summary.Skipped++
			}
			r.Checks = append(r.Checks, result)
		}
	}
	r.OK = r.Summary.Fail == 0
	return r
}

// Checks lists every check in the order in which they are made: later ones use what earlier ones have found.
func Checks() []Check {
	return slices.Concat(configurationChecks, certificateChecks, databaseChecks, identityChecks, serviceChecks, addressChecks, clockChecks, runningChecks, botChecks)
}

// patient is what is examined, with what is known of it already.
type patient struct {
	Config
	hide  veil
	check Check // that is being made

	database databaseLook
	identity identityLook
	services []serviceLook
	phone    phoneLook
	clocks   []clock
	running  runningLook
}

func (p *patient) close() {
	if p.database.open != nil {
		_ = p.database.open.Close() // it was only looked at
	}
}

// examine makes one check.
func (p *patient) examine(ctx context.Context, c Check) []Result {
	p.check = c
	if c.Network && p.Offline {
		return p.finish(p.skip("offline"))
	}
	if ctx.Err() != nil {
		return p.finish(p.skip("interrupted"))
	}
	limited, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	return p.finish(c.run(limited, p))
}

// finish takes secrets out of results.
func (p *patient) finish(all []Result) []Result {
	for i := range all {
		r := &all[i]
		r.Check = p.check.ID
		r.Subject, r.Found, r.Do = p.hide.over(r.Subject), p.hide.over(oneLine(r.Found)), p.hide.over(r.Do)
	}
	return all
}

// ok is the result of a check that finds nothing wrong.
func (p *patient) ok(format string, args ...any) []Result {
	return []Result{{Status: OK, Found: fmt.Sprintf(format, args...)}}
}

// skip is the result of a check that is not made.
func (p *patient) skip(format string, args ...any) []Result {
	return []Result{{Status: Skipped, Found: fmt.Sprintf(format, args...)}}
}

// fault is the result of a check that finds one of its faults. The pairs replace {words} in what to do.
func (p *patient) fault(code, found string, pairs ...string) []Result {
	i := slices.IndexFunc(p.check.Faults, func(f Fault) bool { return f.Code == code })
	if i < 0 {
		panic(fmt.Sprintf("doctor: %s does not know of %q", p.check.ID, code)) // tests find each
	}
	f := p.check.Faults[i]
	for j := 0; j+1 < len(pairs); j += 2 {
		pairs[j] = "{" + pairs[j] + "}"
	}
	return []Result{{Status: f.Status, Fault: code, Found: found, Do: strings.NewReplacer(pairs...).Replace(f.Do)}}
}

// about says of what results are.
func about(subject string, all []Result) []Result {
	for i := range all {
		all[i].Subject = subject
	}
	return all
}

// problem finds what is wrong with a setting; ok is false if nothing is.
func (p *patient) problem(path string) (found config.Problem, ok bool) {
	i := slices.IndexFunc(p.Problems, func(q config.Problem) bool { return q.Path == path })
	if i < 0 {
		return config.Problem{}, false
	}
	return p.Problems[i], true
}

// oneLine keeps a text to a line that is not too long.
func oneLine(s string) string {
	const longest = 400
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

// many is a number with its noun.
func many(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
