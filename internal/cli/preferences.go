package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

type preferenceCommands struct {
	Get    getPreferences `cmd:"" help:"See what somebody wants to be told."`
	Set    setPreferences `cmd:"" help:"Change what somebody wants to be told."`
	Mute   muteTopics     `cmd:"" help:"Say nothing of some topics to somebody."`
	Unmute unmuteTopics   `cmd:"" help:"Say something of some topics again."`
	Stop   optOut         `cmd:"" help:"Say nothing to somebody any more, but what is mandatory."`
	Start  optIn          `cmd:"" help:"Take that back."`
}

// whose names whose preferences are meant.
type whose struct {
	ID string `arg:"" help:"A person, as \"headsup people list\" names them: per_…; or the id of a conversation, for whom it is with, or for a group or a channel itself."`
	remote
}

func (w *whose) person() bool { return strings.HasPrefix(w.ID, "per_") }

// changes sends a change and shows what has become of it.
func (w *whose) changes(ctx context.Context, s streams, change api.PreferenceChange) error {
	return w.asks(ctx, s, func(server *client.Client) (api.Preferences, error) {
		if w.person() {
			return server.Prefer(ctx, w.ID, change)
		}
		return server.PreferIn(ctx, w.ID, change)
	})
}

func (w *whose) asks(_ context.Context, s streams, ask func(*client.Client) (api.Preferences, error)) error {
	server, err := w.client()
	if err != nil {
		return err
	}
	p, err := ask(server)
	if err != nil {
		return w.explain(err)
	}
	if w.JSON {
		return printJSON(s.out, p)
	}
	_, err = fmt.Fprint(s.out, preferencesText(p))
	return err
}

// preferencesText is what somebody wants, a line each.
func preferencesText(p api.Preferences) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, printable(value)) }
	out := "no"
	if p.OptedOut {
		out = "yes"
	}
	line("opted out", out)
	if len(p.Stopped) > 0 {
		line("stopped", strings.Join(p.Stopped, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Topics)) {
		line("topic "+printable(name), p.Topics[name])
	}
	if p.Quiet != nil {
		line("quiet hours", "none")
	}
	for _, q := range p.QuietHours {
		line("quiet hours", strings.TrimSpace(q.From+"-"+q.To+" "+strings.Join(q.Days, " ")))
	}
	if p.TimeZone != "" {
		line("time zone", p.TimeZone)
	}
	if p.Cap != nil {
		line("cap", fmt.Sprintf("%d a day, %d of a topic (0: as many as there are)", p.Cap.PerDay, p.Cap.PerTopic))
	}
	if p.Digest != nil {
		line("digest", strings.TrimSuffix(p.Digest.Every+" at "+p.Digest.At, " at "))
	}
	return b.String()
}

type getPreferences struct{ whose }

// Help shows examples.
func (getPreferences) Help() string {
	return `Examples:

    headsup preferences get per_0000000000007
    headsup preferences get CONVERSATION --json

What is not shown is as the server's configuration has it.`
}

// Run shows preferences.
func (c *getPreferences) Run(ctx context.Context, s streams) error {
	return c.asks(ctx, s, func(server *client.Client) (api.Preferences, error) {
		if c.person() {
			return server.Preferences(ctx, c.ID)
		}
		return server.ConversationPreferences(ctx, c.ID)
	})
}

type setPreferences struct {
	whose

	Quiet     []string `sep:"none" placeholder:"SPAN" help:"Quiet hours, such as 22:00-07:00, with days on which they begin after a space; none for none, default for those of the configuration. May be given several times."`
	TimeZone  *string  `placeholder:"ZONE" help:"Zone that hours and days are meant in; empty for the one that the channel tells."`
	PerDay    *int     `placeholder:"N" help:"How many notifications a day. Together with --per-topic it replaces the cap."`
	PerTopic  *int     `placeholder:"N" help:"How many of each topic a day."`
	Digest    string   `placeholder:"WHEN" help:"Have notifications said together: hourly, daily or daily@09:00; off says each by itself; default is as the configuration has it."`
	Default   []string `placeholder:"TOPIC" help:"Forget what was said of a topic."`
	OptedOut  bool     `help:"Say nothing any more, as \"headsup preferences stop\"." xor:"out"`
	Subscribe bool     `name:"opted-in" help:"Take that back." xor:"out"`
}

// Help shows examples.
func (setPreferences) Help() string {
	return `Examples:

    headsup preferences set per_0000000000007 --quiet 22:00-07:00 --quiet "00:00-24:00 sat sun" --time-zone Europe/Berlin
    headsup preferences set per_0000000000007 --digest daily@09:00 --per-day 10

What waits goes by it at once.`
}

// Run changes preferences.
func (c *setPreferences) Run(ctx context.Context, s streams) error {
	change := api.PreferenceChange{TimeZone: c.TimeZone}
	for _, span := range c.Quiet {
		words := strings.Fields(span)
		switch {
		case len(words) == 0:
			return usageError{errors.New("--quiet: it is empty")}
		case span == "none" || span == "default":
			change.Quiet = span
		default:
			from, to, _ := strings.Cut(words[0], "-")
			change.QuietHours = append(change.QuietHours, api.QuietHours{From: from, To: to, Days: words[1:]})
		}
	}
	if c.PerDay != nil || c.PerTopic != nil {
		change.Cap = new(api.Cap)
		if c.PerDay != nil {
			change.Cap.PerDay = *c.PerDay
		}
		if c.PerTopic != nil {
			change.Cap.PerTopic = *c.PerTopic
		}
	}
	if every, at, _ := strings.Cut(c.Digest, "@"); every != "" {
		change.Digest = &api.DigestChange{Every: every, At: at}
	}
	change.Topics = topicsTo(api.TopicDefault, c.Default)
	if c.OptedOut || c.Subscribe {
		change.OptedOut = &c.OptedOut
	}
	return c.changes(ctx, s, change)
}

func topicsTo(word string, names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	all := make(map[string]string, len(names))
	for _, name := range names {
		all[name] = word
	}
	return all
}

type muteTopics struct {
	whose

	Topics []string `arg:"" help:"The topics."`
}

// Help shows examples.
func (muteTopics) Help() string {
	return `Examples:

    headsup preferences mute per_0000000000007 deals`
}

// Run mutes topics.
func (c *muteTopics) Run(ctx context.Context, s streams) error {
	return c.changes(ctx, s, api.PreferenceChange{Topics: topicsTo(api.TopicOff, c.Topics)})
}

type unmuteTopics struct {
	whose

	Topics []string `arg:"" help:"The topics."`
}

// Help shows examples.
func (unmuteTopics) Help() string {
	return `Examples:

    headsup preferences unmute per_0000000000007 deals`
}

// Run unmutes topics.
func (c *unmuteTopics) Run(ctx context.Context, s streams) error {
	return c.changes(ctx, s, api.PreferenceChange{Topics: topicsTo(api.TopicOn, c.Topics)})
}

type optOut struct{ whose }

// Help shows examples.
func (optOut) Help() string {
	return `Examples:

    headsup preferences stop per_0000000000007

Nothing is being sent to them any more when it is done.`
}

// Run opts somebody out.
func (c *optOut) Run(ctx context.Context, s streams) error {
	return c.changes(ctx, s, api.PreferenceChange{OptedOut: new(true)})
}

type optIn struct{ whose }

// Help shows examples.
func (optIn) Help() string {
	return `Examples:

    headsup preferences start per_0000000000007

Topics that they have muted stay muted.`
}

// Run takes an opt-out back.
func (c *optIn) Run(ctx context.Context, s streams) error {
	return c.changes(ctx, s, api.PreferenceChange{OptedOut: new(false)})
}
