package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type scheduleCommands struct {
	Create createSchedule `cmd:"" help:"Say something at times: once, or again and again."`
	List   listSchedules  `cmd:"" help:"List the schedules."`
	Show   showSchedule   `cmd:"" help:"Show a schedule, and what it has told."`
	Next   nextTimes      `cmd:"" help:"Show when a schedule is due."`
	Edit   editSchedule   `cmd:"" help:"Change when a schedule is due, what it tells, or to whom."`
	Pause  pauseSchedule  `cmd:"" help:"Keep a schedule from telling anything until it is resumed."`
	Resume resumeSchedule `cmd:"" help:"Have a paused schedule go on."`
	Delete deleteSchedule `cmd:"" help:"Delete a schedule."`
}

type createSchedule struct {
	Cron         string        `required:"" xor:"rule" placeholder:"EXPRESSION" help:"Minutes, hours, days of the month, months, days of the week; six fields begin with seconds."`
	RRule        string        `name:"rrule" required:"" xor:"rule" placeholder:"RULE" help:"A recurrence rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO."`
	At           string        `required:"" xor:"rule" placeholder:"TIME" help:"Once: an instant such as 2026-12-24T18:00:00Z, or 2026-12-24T18:00 on the zone's clock."`
	In           time.Duration `required:"" xor:"rule" placeholder:"DURATION" help:"Once, so long from now."`
	Zone         string        `placeholder:"ZONE" help:"Whose clock: an IANA time zone, or recipient for that of each recipient. UTC, if not given."`
	FallbackZone string        `name:"fallback-zone" placeholder:"ZONE" help:"With --zone recipient, the zone of those whose own nobody knows."`
	Start        string        `placeholder:"TIME" help:"The first moment that may be an occurrence. A rule counts from it."`
	Until        string        `placeholder:"TIME" help:"The last moment that may be an occurrence."`
	Except       []string      `placeholder:"TIME" help:"Moments, or days such as 2026-12-24, at which nothing is told, separated by commas."`

	recipients

	Name      string        `placeholder:"TEXT" help:"A name for people."`
	Missed    string        `default:"fire_late" enum:"fire_late,skip,coalesce" help:"What becomes of occurrences that were missed because no server ran: ${enum} (${default})."`
	Grace     time.Duration `placeholder:"DURATION" help:"How late an occurrence may be without having been missed. 1m, if not given."`
	ExpiresIn time.Duration `name:"expires-in" placeholder:"DURATION" help:"What is not delivered so long after an occurrence is not delivered any more."`
	Key       string        `placeholder:"TEXT" help:"Idempotency key: the same call with the same key makes one schedule, however often it is made."`
	Topic     string        `placeholder:"TEXT" help:"Groups messages of one kind."`
	Locale    string        `placeholder:"TAG" help:"The language of the message, such as en-GB."`
	Lane      string        `default:"normal" enum:"urgent,normal,bulk" help:"How pressing it is: ${enum} (${default})."`
	DryRun    bool          `name:"dry-run" help:"Print the next occurrences, and keep nothing."`
	content
	remote

	Text *string `arg:"" optional:"" help:"What to say. Read from standard input when it is left out or -."`
}

// Help shows examples.
func (createSchedule) Help() string {
	return `Examples:

    headsup schedules create --cron "30 9 * * MON-FRI" --zone Europe/Berlin --tag team "Time for the stand-up."
    headsup schedules create --cron "0 17 L * *" --zone recipient --everyone "Please file your hours."
    headsup schedules create --rrule "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1" --start 2026-12-01T16:00 --user dl_ann "Payday!"
    headsup schedules create --at 2026-12-24T18:00 --zone recipient --everyone "Merry Christmas!"
    headsup schedules create --in 10m --user dl_ann "Tea is ready."
    headsup schedules create --cron "0 2 29 3 *" --zone Europe/Berlin --user dl_ann --dry-run "Good night."

Prints the schedule's id, by which the other commands know it, and when it is due next. Who is told is looked up each time. A
local time that is left out when clocks go forward is reached at the first instant after the gap, and one that is shown
twice the first time only; intervals, such as */15, go by the time that passes.`
}

// Run makes the schedule.
func (c *createSchedule) Run(ctx context.Context, s streams) error {
	r, err := c.request(s.in)
	if err != nil {
		return usageError{err}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	if c.DryRun {
		p, err := server.PreviewSchedule(ctx, api.SchedulePreviewRequest{Rule: r.Rule})
		if err != nil {
			return c.explain(err)
		}
		return printTimes(s.out, p.Next, c.JSON)
	}
	made, err := server.CreateSchedule(ctx, r, client.IdempotencyKey(c.Key))
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, made)
	}
	_, err = fmt.Fprintf(s.out, "%s: next %s\n", made.ID, due(made))
	return err
}

// request is what the flags and the input ask for.
func (c *createSchedule) request(in io.Reader) (r api.ScheduleRequest, err error) {
	switch {
	case c.Cron == "" && c.RRule == "" && c.At == "" && c.In <= 0:
		return r, errors.New("--cron, --rrule, --at, --in: must not be empty")
	case !c.given():
		return r, errors.New("--user and the like: must not be empty")
	}
	r = api.ScheduleRequest{
		Name: c.Name, Missed: c.Missed, Grace: durationText(c.Grace),
		Rule: api.ScheduleRule{
			At: c.At, In: durationText(c.In), Cron: c.Cron, RRule: c.RRule, Start: c.Start, Until: c.Until, Except: c.Except,
			Zone: c.Zone, FallbackZone: c.FallbackZone,
		},
		Notification: api.ScheduledNotification{
			To:        c.whom(),
			ExpiresIn: durationText(c.ExpiresIn), Topic: c.Topic, Locale: c.Locale, Lane: c.Lane,
		},
	}
	said, err := c.read(c.Text, in)
	n := &r.Notification
	n.Text, n.Markdown, n.Activity, n.Card, n.Notice, n.Summary, n.Template = said.text, said.markdown, said.activity, said.card, said.notice, said.summary, said.template
	return r, err
}

// durationText is a duration as the API takes it; empty for none.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(time.Millisecond).String()
}

// due is when a schedule is due next, in a few words.
func due(s api.Schedule) string {
	if s.Next == nil {
		return ""
	}
	text := s.Next.Local + " " + s.Next.Zone
	if s.Zones > 1 {
		text += fmt.Sprintf(" (of %d zones)", s.Zones)
	}
	return text
}

// when is a rule in a few words.
func when(r api.ScheduleRule) string {
	text := r.Cron
	switch {
	case r.RRule != "":
		text = strings.Join(strings.Fields(r.RRule), " ")
	case r.At != "":
		text = "at " + r.At
	}
	return text
}

func printTimes(out io.Writer, all []api.OccurrenceTime, asJSON bool) error {
	if asJSON {
		return printJSON(out, all)
	}
	t := newTable(out, false)
	for _, o := range all {
		t.row(o.Local, o.Zone, instant(o.At))
	}
	return t.flush()
}

type listSchedules struct {
	State string `default:"all" enum:"all,active,paused,ended" help:"Only those in a state: ${enum} (${default})."`
	Name  string `placeholder:"TEXT" help:"Only those with this name."`
	listing
	remote
}

// Help shows examples.
func (listSchedules) Help() string {
	return `Examples:

    headsup schedules list
    headsup schedules list --state paused
    headsup schedules list --limit 0 --json | jq -r .id

With --json, every schedule is one line.`
}

// Run lists schedules, newest first.
func (c *listSchedules) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	f := client.ScheduleFilter{State: c.State, Name: c.Name}
	if c.State == "all" {
		f.State = ""
	}
	return lister[api.Schedule]{
		head: []any{"SCHEDULE", "STATE", "NEXT", "NAME", "WHEN", "ZONE", "TOLD"},
		page: func(cursor string, limit int) ([]api.Schedule, string, error) {
			p, err := server.SchedulesPage(ctx, f, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Schedules, p.NextCursor, nil
		},
		cells: func(one api.Schedule) []any {
			return []any{one.ID, one.State, due(one), one.Name, when(one.Rule), one.Rule.Zone, one.Occurrences}
		},
	}.print(s, c.listing, c.JSON)
}

// scheduleName is the argument by which most commands know a schedule.
type scheduleName struct {
	ID string `arg:"" help:"The schedule's id, as sch_…"`
}

// Validate implements kong's hook.
func (n scheduleName) Validate() error {
	if !strings.HasPrefix(n.ID, "sch_") {
		return fmt.Errorf("<id>: %q is not a schedule's id, which begins with sch_", n.ID)
	}
	return nil
}

type showSchedule struct {
	scheduleName
	listing
	remote
}

// Help shows examples.
func (showSchedule) Help() string {
	return `Examples:

    headsup schedules show sch_0zk3v9q2m7r4x
    headsup schedules show sch_0zk3v9q2m7r4x --limit 5
    headsup schedules show sch_0zk3v9q2m7r4x --json

With --json it is the schedule alone.`
}

// Run shows a schedule and its occurrences, newest first.
func (c *showSchedule) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	one, err := server.Schedule(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, one)
	}
	t := newTable(s.out, false)
	for _, line := range [][2]string{
		{"schedule", one.ID}, {"name", one.Name}, {"state", one.State}, {"when", when(one.Rule)}, {"zone", one.Rule.Zone},
		{"next", due(one)}, {"missed", one.Missed + " after " + one.Grace}, {"tells", tells(one.Notification)},
	} {
		t.row(line[0], line[1])
	}
	t.gap()
	if err := t.flush(); err != nil {
		return err
	}
	return lister[api.Occurrence]{
		head: []any{"OCCURRENCE", "DUE", "STATE", "REASON", "OTHERS", "LATE", "NOTIFICATION"},
		page: func(cursor string, limit int) ([]api.Occurrence, string, error) {
			p, err := server.OccurrencesPage(ctx, c.ID, cursor, limit)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return p.Occurrences, p.NextCursor, nil
		},
		cells: func(o api.Occurrence) []any {
			late := time.Duration(o.LateMS) * time.Millisecond
			return []any{o.Number, o.Local + " " + o.Zone, o.State, o.Reason, o.Others, late, o.Notification}
		},
	}.print(s, c.listing, false)
}

// tells is to whom something is told, and what, in a few words.
func tells(n api.ScheduledNotification) string {
	to := "everyone"
	for _, target := range [][2]string{
		{"user", n.To.User}, {"external id", n.To.ExternalID}, {"conversation", n.To.Conversation}, {"tag", n.To.Tag},
	} {
		if target[1] != "" {
			to = target[0] + " " + target[1]
		}
	}
	what := n.Text + n.Markdown
	switch {
	case len(n.Card) > 0:
		what = "(a card) " + n.Summary
	case n.Notice != nil:
		what = n.Notice.What
	case len(n.Activity) > 0:
		what = "(an activity)"
	}
	return to + ": " + what
}

type nextTimes struct {
	scheduleName
	N    int    `short:"n" default:"10" placeholder:"N" help:"How many, up to 100 (${default})."`
	Zone string `placeholder:"ZONE" help:"On the clock of this zone, if the schedule goes by its recipients'."`
	remote
}

// Help shows examples.
func (nextTimes) Help() string {
	return `Examples:

    headsup schedules next sch_0zk3v9q2m7r4x
    headsup schedules next sch_0zk3v9q2m7r4x -n 3 --zone Asia/Tokyo

Each line has the local time, the zone, and the instant.`
}

// Run lists the next occurrences.
func (c *nextTimes) Run(ctx context.Context, s streams) error {
	if c.N < 1 || c.N > 100 {
		return usageError{errors.New("-n: must be between 1 and 100")}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	next, err := server.NextOccurrences(ctx, c.ID, c.Zone, c.N)
	if err != nil {
		return c.explain(err)
	}
	return printTimes(s.out, next, c.JSON)
}

type pauseSchedule struct {
	scheduleName
	remote
}

// Help shows examples.
func (pauseSchedule) Help() string {
	return `Examples:

    headsup schedules pause sch_0zk3v9q2m7r4x`
}

// Run pauses a schedule.
func (c *pauseSchedule) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	one, err := server.PauseSchedule(ctx, c.ID)
	return c.report(s, one, err)
}

// report says how a schedule stands after something was done to it.
func (r *remote) report(s streams, one api.Schedule, err error) error {
	if err != nil {
		return r.explain(err)
	}
	if r.JSON {
		return printJSON(s.out, one)
	}
	line := one.State
	if next := due(one); next != "" {
		line += ": next " + next
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}

type resumeSchedule struct {
	scheduleName
	remote
}

// Help shows examples.
func (resumeSchedule) Help() string {
	return `Examples:

    headsup schedules resume sch_0zk3v9q2m7r4x

What it would have told meanwhile is not made up for.`
}

// Run resumes a schedule.
func (c *resumeSchedule) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	one, err := server.ResumeSchedule(ctx, c.ID)
	return c.report(s, one, err)
}

type deleteSchedule struct {
	scheduleName
	Cancel bool `help:"Cancel what it has told and is not being sent yet, too."`
	remote
}

// Help shows examples.
func (deleteSchedule) Help() string {
	return `Examples:

    headsup schedules delete sch_0zk3v9q2m7r4x
    headsup schedules delete sch_0zk3v9q2m7r4x --cancel`
}

// Run deletes a schedule.
func (c *deleteSchedule) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	d, err := server.DeleteSchedule(ctx, c.ID, c.Cancel)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, d)
	}
	line := "deleted"
	if c.Cancel {
		line += ", and cancelled " + count(len(d.Cancelled), "notification")
	}
	_, err = fmt.Fprintln(s.out, line)
	return err
}
