package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headsup-bot/headsup/api"
)

type editSchedule struct {
	scheduleName

	Cron         string        `xor:"rule" placeholder:"EXPRESSION" help:"When, instead of what the rule says: minutes, hours, days of the month, months, days of the week; six fields begin with seconds."`
	RRule        string        `name:"rrule" xor:"rule" placeholder:"RULE" help:"When: a recurrence rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO."`
	At           string        `xor:"rule" placeholder:"TIME" help:"Once: an instant such as 2026-12-24T18:00:00Z, or 2026-12-24T18:00 on the zone's clock."`
	In           time.Duration `xor:"rule" placeholder:"DURATION" help:"Once, so long from now."`
	Zone         *string       `placeholder:"ZONE" help:"Whose clock: an IANA time zone, or recipient for that of each recipient."`
	FallbackZone *string       `name:"fallback-zone" placeholder:"ZONE" help:"With the zone recipient, that of those whose own nobody knows."`
	Start        *string       `placeholder:"TIME" help:"The first moment that may be an occurrence; empty for any."`
	Until        *string       `placeholder:"TIME" help:"The last moment that may be an occurrence; empty for any."`
	Except       *[]string     `placeholder:"TIME" help:"Moments, or days such as 2026-12-24, at which nothing is told, separated by commas, in place of those it has."`

	User         string `xor:"to" placeholder:"ID" help:"Say it to a person, by channel user id."`
	ExternalID   string `name:"external-id" xor:"to" placeholder:"ID" help:"Say it to a person, by the id that they have in your own system."`
	ObjectID     string `name:"object-id" xor:"to" placeholder:"ID" help:"Say it to a person, by their object id in Microsoft Entra."`
	UPN          string `name:"upn" xor:"to" placeholder:"NAME" help:"Say it to a person, by their user principal name."`
	Email        string `xor:"to" placeholder:"ADDRESS" help:"Say it to a person, by their e-mail address."`
	Conversation string `xor:"to" placeholder:"ID" help:"Say it in a conversation, by its id on the channel."`
	Team         string `xor:"to" placeholder:"ID" help:"Post it in a team of Microsoft Teams, by the team's id: in its General channel, or that of --channel."`
	Channel      string `placeholder:"ID" help:"With --team, the id of its channel."`
	Thread       string `placeholder:"ID" help:"With --team, the id of a post in the channel, to be answered."`
	ThreadOf     string `name:"thread-of" xor:"to" placeholder:"DELIVERY" help:"Say it in the thread of a delivery that was said in a channel of a team."`
	Address      string `xor:"to" placeholder:"URI" help:"Say it to whoever has an address: mailto:ann@example.com, sms:+15551234567."`
	Tag          string `xor:"to" placeholder:"TAG" help:"Say it in every conversation that has a tag then and can be reached."`
	Everyone     bool   `xor:"to" help:"Say it in every conversation that can be reached then."`

	Name      *string        `placeholder:"TEXT" help:"A name for people."`
	Missed    string         `default:"" enum:",fire_late,skip,coalesce" placeholder:"WORD" help:"What becomes of occurrences that were missed because no server ran: fire_late, skip, coalesce."`
	Grace     time.Duration  `placeholder:"DURATION" help:"How late an occurrence may be without having been missed."`
	ExpiresIn *time.Duration `name:"expires-in" placeholder:"DURATION" help:"What is not delivered so long after an occurrence is not delivered any more; 0s for never."`
	Topic     *string        `placeholder:"TEXT" help:"Groups messages of one kind."`
	Locale    *string        `placeholder:"TAG" help:"The language of the message, such as en-GB."`
	Lane      string         `default:"" enum:",urgent,normal,bulk" placeholder:"WORD" help:"How pressing it is: urgent, normal, bulk."`
	content
	remote

	Text *string `arg:"" optional:"" help:"What to say from now on; - reads standard input."`
}

// Help shows examples.
func (editSchedule) Help() string {
	return `Examples:

    headsup schedules edit sch_0zk3v9q2m7r4x --cron "0 10 * * MON-FRI"
    headsup schedules edit sch_0zk3v9q2m7r4x --zone Europe/London --until 2027-06-30T00:00
    headsup schedules edit sch_0zk3v9q2m7r4x "Time for the stand-up, in room 7."
    headsup schedules edit sch_0zk3v9q2m7r4x --tag team --name stand-up

What is not given stays as it is. It holds from now on: what was told before stays told, and what waits is said as it was.`
}

// Run changes the schedule.
func (c *editSchedule) Run(ctx context.Context, s streams) error {
	if c.silent(c.Text) && (c.Markdown || c.Summary != "") {
		return usageError{errors.New("--markdown, --summary: belong to a text or a card, which must be given again")}
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	old, err := server.Schedule(ctx, c.ID)
	if err != nil {
		return c.explain(err)
	}
	change := api.ScheduleChange{Name: c.Name, Missed: c.Missed, Grace: durationText(c.Grace), Rule: c.rule(old.Rule)}
	if change.Notification, err = c.notification(old.Notification, s.in); err != nil {
		return usageError{err}
	}
	if change == (api.ScheduleChange{}) {
		return usageError{errors.New("say what to change")}
	}
	changed, err := server.ChangeSchedule(ctx, c.ID, change)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return printJSON(s.out, changed)
	}
	_, err = fmt.Fprintf(s.out, "%s: next %s\n", changed.ID, due(changed))
	return err
}

// rule is the rule with what the flags change; nil when they change nothing.
func (c *editSchedule) rule(r api.ScheduleRule) *api.ScheduleRule {
	changed := false
	if c.Cron != "" || c.RRule != "" || c.At != "" || c.In > 0 {
		r.Cron, r.RRule, r.At, r.In = c.Cron, c.RRule, c.At, durationText(c.In)
		changed = true
	}
	for _, field := range []struct{ from, to *string }{
		{c.Zone, &r.Zone}, {c.FallbackZone, &r.FallbackZone}, {c.Start, &r.Start}, {c.Until, &r.Until},
	} {
		if field.from != nil {
			*field.to = *field.from
			changed = true
		}
	}
	if c.Except != nil {
		r.Except = *c.Except
		changed = true
	}
	if !changed {
		return nil
	}
	return &r
}

// recipients are the flags that say to whom.
func (c *editSchedule) recipients() recipients {
	return recipients{
		User: c.User, ExternalID: c.ExternalID, ObjectID: c.ObjectID, UPN: c.UPN, Email: c.Email, Conversation: c.Conversation,
		Team: c.Team, Channel: c.Channel, Thread: c.Thread, ThreadOf: c.ThreadOf, Address: c.Address, Tag: c.Tag, Everyone: c.Everyone,
	}
}

// notification is what is told with what the flags change; nil when they change nothing.
func (c *editSchedule) notification(n api.ScheduledNotification, in io.Reader) (*api.ScheduledNotification, error) {
	changed := false
	if to := c.recipients(); to.given() {
		n.To, changed = to.whom(), true
	}
	if !c.silent(c.Text) {
		said, err := c.read(c.Text, in)
		if err != nil {
			return nil, err
		}
		n.Text, n.Markdown, n.Activity, n.Card, n.Notice, n.Summary, n.Template = said.text, said.markdown, said.activity, said.card, said.notice, said.summary, said.template
		changed = true
	}
	for _, field := range []struct{ from, to *string }{{c.Topic, &n.Topic}, {c.Locale, &n.Locale}} {
		if field.from != nil {
			*field.to, changed = *field.from, true
		}
	}
	if c.ExpiresIn != nil {
		n.ExpiresIn, changed = durationText(*c.ExpiresIn), true
	}
	if c.Lane != "" {
		n.Lane, changed = c.Lane, true
	}
	if !changed {
		return nil, nil
	}
	return &n, nil
}
