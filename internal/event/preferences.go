package event

import (
	"maps"
	"slices"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
)

// Preferred is the event that tells of preferences, and its data, without which it is. in is the conversation by which they
// were changed, and who whose they are; either may be nil, since a group is nobody and a person has many conversations. ok is
// false where nothing has become another.
func Preferred(appID string, in *book.Conversation, who *book.Person, c book.PreferenceChange, p book.Preferred) (e Event, data api.PreferencesEvent, ok bool) {
	data.Changed, data.Topics = differ(p.Before, p.Now)
	if len(data.Changed) == 0 {
		return e, data, false
	}
	e = Event{AppID: appID, Type: PreferencesChanged, At: c.At}
	data.By, data.Before, data.Now = c.By, PreferencesOf(p.Before), PreferencesOf(p.Now)
	if who != nil {
		e.Tenant, data.Channel = who.Tenant, string(who.Channel)
		data.Person = &api.Person{ID: string(who.ID), Name: who.Name, AADObjectID: who.ObjectID}
		data.PersonID = ident.Text("per", int64(who.Row))
	}
	if in != nil {
		e.Tenant, e.Conversation = in.Key.Tenant, in.Row
		data.Channel, data.Conversation = string(in.Key.Channel), string(in.Key.Conversation)
	}
	data.Tenant = string(e.Tenant)
	return e, data, true
}

// ByMerging is how preferences have changed of somebody who was merged with others, and wants what all of them want.
const ByMerging = "merge"

// differ lists what preferences differ in, by the names of the API, and the topics. When they were changed is nothing.
func differ(p, q book.Preferences) (members, topics []string) {
	names := make(map[string]bool)
	for name, wanted := range p.Topics {
		if now, said := q.Topics[name]; !said || now != wanted {
			names[name] = true
		}
	}
	for name := range q.Topics {
		if _, said := p.Topics[name]; !said {
			names[name] = true
		}
	}
	topics = slices.Sorted(maps.Keys(names))
	sameQuiet := (p.Quiet == nil) == (q.Quiet == nil) && slices.EqualFunc(p.Quiet, q.Quiet, func(a, b book.Quiet) bool {
		return a.From == b.From && a.To == b.To && slices.Equal(a.Days, b.Days)
	})
	for _, one := range []struct {
		name string
		same bool
	}{
		{"cap", same(p.Cap, q.Cap)},
		{"digest", same(p.Digest, q.Digest)},
		{"opted_out", p.OptedOut == q.OptedOut},
		{"quiet_hours", sameQuiet},
		{"stopped", slices.Equal(slices.Sorted(slices.Values(p.Stopped)), slices.Sorted(slices.Values(q.Stopped)))},
		{"time_zone", p.TimeZone == q.TimeZone},
		{"topics", len(topics) == 0},
	} {
		if !one.same {
			members = append(members, one.name)
		}
	}
	return members, topics
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// PreferencesOf are preferences as the API tells them.
func PreferencesOf(p book.Preferences) api.Preferences {
	out := api.Preferences{OptedOut: p.OptedOut, TimeZone: p.TimeZone}
	if !p.ChangedAt.IsZero() {
		at := p.ChangedAt.UTC()
		out.ChangedAt = &at
	}
	for _, c := range p.Stopped {
		out.Stopped = append(out.Stopped, string(c))
	}
	if len(p.Topics) > 0 {
		out.Topics = make(map[string]string, len(p.Topics))
	}
	for name, wanted := range p.Topics {
		out.Topics[name] = api.TopicOff
		if wanted {
			out.Topics[name] = api.TopicOn
		}
	}
	out.QuietHours = QuietHours(p.Quiet)
	if p.Quiet != nil && len(p.Quiet) == 0 {
		out.Quiet = new(false)
	}
	if p.Cap != nil {
		out.Cap = &api.Cap{PerDay: p.Cap.PerDay, PerTopic: p.Cap.PerTopic}
	}
	if p.Digest != nil {
		out.Digest = &api.Digest{Every: string(p.Digest.Every)}
		if p.Digest.Every == book.DigestDaily {
			out.Digest.At = p.Digest.At.String()
		}
	}
	return out
}

// QuietHours are quiet hours as the API tells them.
func QuietHours(all []book.Quiet) []api.QuietHours {
	var out []api.QuietHours
	for _, q := range all {
		hours := api.QuietHours{From: q.From.String(), To: q.To.String()}
		for _, d := range q.Days {
			hours.Days = append(hours.Days, string(d))
		}
		out = append(out, hours)
	}
	return out
}
