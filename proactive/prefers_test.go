package proactive_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// wishing runs a test on an engine whose clock shows a time, and that knows ann, who lives in Berlin.
func wishing(t *testing.T, begin string, cfg proactive.Config, test func(t *testing.T, f fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: &bottest.Recorder{}, store: memory.New(), ahead: new(atomic.Int64)}
		f.ahead.Store(int64(time.Until(instant(t, begin))))
		cfg.AppID, cfg.Store, cfg.Channel = "app", f.store, f.channel
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }
		var err error
		if f.engine, err = proactive.New(cfg); err != nil {
			t.Fatal(err)
		}
		f.lives(t, "c", "ann", "Europe/Berlin")
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		test(t, f)
		stop()
		wg.Wait()
	})
}

func (f fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

// until sets the clock to a time, and has whatever is due happen.
func (f fixture) until(t *testing.T, at time.Time) {
	t.Helper()
	f.ahead.Add(int64(at.Sub(f.now())))
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

func (f fixture) lives(t *testing.T, conversation, user, zone string) headsup.ConversationKey {
	t.Helper()
	ref := inbound("1", conversation, user, "").Reference()
	key := headsup.KeyOf("app", ref)
	if _, err := f.store.Sight(t.Context(), book.Sighting{
		Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, TimeZone: zone, At: f.now(),
	}); err != nil {
		t.Fatal(err)
	}
	return key
}

func (f fixture) prefer(t *testing.T, c proactive.PreferenceChange) {
	t.Helper()
	key := headsup.KeyOf("app", inbound("1", "c", "ann", "").Reference())
	if _, err := f.engine.Prefer(t.Context(), key, c); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (f fixture) say(t *testing.T, topic, text string) headsup.NotificationID {
	t.Helper()
	id := f.notify(t, headsup.Notification{To: toAnnAlone(), Topic: topic, Text: text}).ID
	synctest.Wait()
	return id
}

func (f fixture) one(t *testing.T, id headsup.NotificationID) outbox.Delivery {
	t.Helper()
	return f.status(t, id).Deliveries[0]
}

// isHeld checks that a notification is held for a reason until a time; isSuppressed that it is not said at all.
func (f fixture) isHeld(t *testing.T, id headsup.NotificationID, reason, until string) {
	t.Helper()
	if d := f.one(t, id); d.State != outbox.StateHeld || d.Reason != reason || !d.DueAt.Equal(instant(t, until)) || d.Failures != 0 {
		t.Errorf("it is %s (%s) until %v, want held (%s) until %s", d.State, d.Reason, d.DueAt, reason, until)
	}
}

func (f fixture) isSuppressed(t *testing.T, id headsup.NotificationID, reason string) {
	t.Helper()
	if d := f.one(t, id); d.State != outbox.StateSuppressed || d.Reason != reason {
		t.Errorf("it is %s (%s), want suppressed (%s)", d.State, d.Reason, reason)
	}
}

func (f fixture) isDelivered(t *testing.T, id headsup.NotificationID) {
	t.Helper()
	if d := f.one(t, id); d.State != outbox.StateDelivered {
		t.Errorf("it is %s (%s) until %v, want delivered", d.State, d.Reason, d.DueAt)
	}
}

var (
	night      = []book.Quiet{{From: 22 * 60, To: 7 * 60}}
	someTopics = map[string]proactive.Topic{
		"deals": {Off: true}, "security": {Mandatory: true}, "alarm": {Urgent: true}, "news": {Title: "What is new"},
	}
)

// TestWhoIsNotWrittenTo is which topics reach whom.
func TestWhoIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	mute, unmute := map[string]*bool{"news": new(false), "alarm": new(false)}, map[string]*bool{"deals": new(true)}
	for _, c := range []struct {
		name   string
		change proactive.PreferenceChange
		want   map[string]string // reasons by topic; empty is delivered
	}{
		{"nothing was said", proactive.PreferenceChange{}, map[string]string{"": "", "news": "", "deals": "muted", "security": "", "alarm": "", "job": ""}},
		{"muted and unmuted", proactive.PreferenceChange{Topics: unmute}, map[string]string{"deals": "", "news": ""}},
		{"muted", proactive.PreferenceChange{Topics: mute}, map[string]string{"": "", "news": "muted", "alarm": "muted", "security": ""}},
		{"opted out", proactive.PreferenceChange{OptedOut: new(true), Topics: unmute}, map[string]string{
			"": "opted_out", "news": "opted_out", "deals": "opted_out", "alarm": "opted_out", "security": "", "job": "",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wishing(t, "2026-01-12T12:00:00+01:00", proactive.Config{Topics: someTopics}, func(t *testing.T, f fixture) {
				f.prefer(t, c.change)
				for topic, reason := range c.want {
					id := f.say(t, topic, "text")
					if d := f.one(t, id); reason == "" && d.State != outbox.StateDelivered || reason != "" && d.State != outbox.StateSuppressed || d.Reason != reason {
						t.Errorf("%q is %s (%s), want %q", topic, d.State, d.Reason, reason)
					}
				}
			})
		})
	}
}

func TestStopBySMSIsOfSMSAndOfEverything(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T12:00:00+01:00", proactive.Config{Topics: someTopics}, func(t *testing.T, f fixture) {
		ref := inbound("1", "sms", "+15551234567", "").Reference()
		ref.ChannelID = activity.ChannelSMS
		key := headsup.KeyOf("app", ref)
		if _, err := f.store.Sight(t.Context(), book.Sighting{Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, At: f.now()}); err != nil {
			t.Fatal(err)
		}
		var rows []book.PersonRow
		people, err := f.store.ListPeople(t.Context(), "app", book.PeopleFilter{}, 0, 10)
		for _, p := range people {
			rows = append(rows, p.Row)
		}
		if _, merge := f.store.Merge(t.Context(), "app", rows, f.now()); err != nil || merge != nil {
			t.Fatal(err, merge)
		}
		if _, err := f.engine.Prefer(t.Context(), key, proactive.PreferenceChange{OptedOut: new(true)}); err != nil {
			t.Fatal(err)
		}
		sms := f.notify(t, headsup.Notification{To: headsup.ToConversation(ref), Topic: "security", Text: "x"}).ID
		synctest.Wait()
		f.isSuppressed(t, sms, proactive.ReasonOptedOut)
		f.isDelivered(t, f.say(t, "news", "in the chat"))
	})
}

// TestQuietHoursHoldAndRelease is a table over zones and changes of clocks.
func TestQuietHoursHoldAndRelease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, now string
		quiet           []book.Quiet
		topic, until    string // empty: delivered at once
	}{
		{"by day", "", "2026-01-12T21:59:50+01:00", night, "news", ""},
		{"by night", "", "2026-01-12T22:00:00+01:00", night, "news", "2026-01-13T07:00:00+01:00"},
		{"without a topic", "", "2026-01-12T23:00:00+01:00", night, "", "2026-01-13T07:00:00+01:00"},
		{"mandatory ones pass", "", "2026-01-12T23:00:00+01:00", night, "security", ""},
		{"urgent ones pass", "", "2026-01-12T23:00:00+01:00", night, "alarm", ""},
		{"what a job tells passes", "", "2026-01-12T23:00:00+01:00", night, "job", ""},
		{"clocks go forward", "", "2026-03-28T23:00:00+01:00", night, "news", "2026-03-29T07:00:00+02:00"},
		{"clocks go back", "", "2026-10-24T23:00:00+02:00", night, "news", "2026-10-25T07:00:00+01:00"},
		{"until a time that is left out", "", "2026-03-29T01:30:00+01:00", []book.Quiet{{From: 0, To: 150}}, "news", "2026-03-29T03:00:00+02:00"},
		{"until a time that comes twice", "", "2026-10-25T01:30:00+02:00", []book.Quiet{{From: 0, To: 150}}, "news", "2026-10-25T02:30:00+02:00"},
		{"the own word on the zone", "America/New_York", "2026-01-12T23:00:00+01:00", night, "news", ""},
		{"in that zone", "America/New_York", "2026-01-13T05:00:00+01:00", night, "news", "2026-01-13T07:00:00-05:00"},
		{"on days", "", "2026-01-16T23:00:00+01:00", []book.Quiet{{From: 22 * 60, To: 7 * 60, Days: []book.Weekday{"sat"}}}, "news", ""},
		{"over a weekend", "", "2026-01-17T12:00:00+01:00", []book.Quiet{{From: 0, To: 1440, Days: []book.Weekday{"sat", "sun"}}}, "news", "2026-01-19T00:00:00+01:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wishing(t, c.now, proactive.Config{Topics: someTopics}, func(t *testing.T, f fixture) {
				f.prefer(t, proactive.PreferenceChange{Quiet: c.quiet, TimeZone: &c.zone})
				id := f.say(t, c.topic, "text")
				if c.until == "" {
					f.isDelivered(t, id)
					return
				}
				f.isHeld(t, id, proactive.ReasonQuietHours, c.until)
				f.until(t, instant(t, c.until).Add(-11*time.Second))
				f.isHeld(t, id, proactive.ReasonQuietHours, c.until)
				f.until(t, instant(t, c.until))
				f.isDelivered(t, id)
			})
		})
	}
}

func TestQuietHoursOfTheOperatorGoUntilSomebodyHasTheirOwn(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T23:00:00+01:00", proactive.Config{Preferences: proactive.Defaults{Quiet: night}}, func(t *testing.T, f fixture) {
		id := f.say(t, "news", "text")
		f.isHeld(t, id, proactive.ReasonQuietHours, "2026-01-13T07:00:00+01:00")
		f.prefer(t, proactive.PreferenceChange{Quiet: []book.Quiet{{From: 21 * 60, To: 8 * 60}}})
		f.isHeld(t, id, proactive.ReasonQuietHours, "2026-01-13T08:00:00+01:00")
		f.prefer(t, proactive.PreferenceChange{Quiet: []book.Quiet{}})
		f.isDelivered(t, id)
	})
}

func TestQuietHoursGoByTheZoneThatSomebodyIsInNow(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T23:00:00+01:00", proactive.Config{Preferences: proactive.Defaults{Quiet: night}}, func(t *testing.T, f fixture) {
		id := f.say(t, "news", "text")
		f.lives(t, "c", "ann", "Asia/Tokyo") // where it is 7 o'clock, and not quiet
		synctest.Wait()
		f.isDelivered(t, id)
		f.lives(t, "c", "ann", "Europe/Berlin")
		id = f.say(t, "news", "text")
		f.lives(t, "c", "ann", "Europe/London")
		synctest.Wait()
		f.isHeld(t, id, proactive.ReasonQuietHours, "2026-01-13T07:00:00Z")
	})
}

func TestWhatIsHeldExpires(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T23:00:00+01:00", proactive.Config{Preferences: proactive.Defaults{Quiet: night}}, func(t *testing.T, f fixture) {
		id := f.notify(t, headsup.Notification{To: toAnnAlone(), Text: "soon", ExpiresAt: f.now().Add(time.Hour)}).ID
		synctest.Wait()
		f.isHeld(t, id, proactive.ReasonQuietHours, "2026-01-13T00:00:00+01:00")
		f.until(t, instant(t, "2026-01-13T07:00:00+01:00"))
		if d := f.one(t, id); d.State != outbox.StateExpired {
			t.Errorf("it is %s (%s)", d.State, d.Reason)
		}
	})
}

func TestACapHoldsUntilTheNextDay(t *testing.T) {
	t.Parallel()
	cfg := proactive.Config{Topics: someTopics, Preferences: proactive.Defaults{Cap: book.Cap{PerDay: 2}}}
	wishing(t, "2026-10-25T12:00:00+01:00", cfg, func(t *testing.T, f fixture) {
		f.isDelivered(t, f.say(t, "news", "1"))
		f.isDelivered(t, f.say(t, "", "2"))
		third, fourth, fifth := f.say(t, "news", "3"), f.say(t, "news", "4"), f.say(t, "news", "5")
		for _, id := range []headsup.NotificationID{third, fourth, fifth} {
			f.isHeld(t, id, proactive.ReasonCap, "2026-10-26T00:00:00+01:00")
		}
		f.isDelivered(t, f.say(t, "security", "mandatory"))
		f.until(t, instant(t, "2026-10-26T00:00:00+01:00"))
		f.isDelivered(t, third)
		f.isDelivered(t, fourth)
		f.isHeld(t, fifth, proactive.ReasonCap, "2026-10-27T00:00:00+01:00")
		f.prefer(t, proactive.PreferenceChange{Cap: &book.Cap{PerDay: 3}})
		f.isDelivered(t, fifth)
		f.prefer(t, proactive.PreferenceChange{Cap: &book.Cap{PerTopic: 1}})
		f.isHeld(t, f.say(t, "news", "6"), proactive.ReasonCap, "2026-10-27T00:00:00+01:00")
		f.isDelivered(t, f.say(t, "other", "7"))
	})
}

func TestACapMayDrop(t *testing.T) {
	t.Parallel()
	cfg := proactive.Config{Preferences: proactive.Defaults{Cap: book.Cap{PerTopic: 1}, CapDrops: true}}
	wishing(t, "2026-01-12T12:00:00+01:00", cfg, func(t *testing.T, f fixture) {
		f.isDelivered(t, f.say(t, "news", "1"))
		f.isSuppressed(t, f.say(t, "news", "2"), proactive.ReasonCap)
		f.isDelivered(t, f.say(t, "weather", "3"))
	})
}

func TestARetryIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T12:00:00+01:00", proactive.Config{Preferences: proactive.Defaults{Cap: book.Cap{PerDay: 2}}}, func(t *testing.T, f fixture) {
		fails := true
		f.channel.Fail = func(context.Context, headsup.Outgoing) error {
			if fails {
				fails = false
				return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy"}
			}
			return nil
		}
		first := f.say(t, "", "1")
		time.Sleep(time.Minute)
		f.isDelivered(t, first)
		f.isDelivered(t, f.say(t, "", "2"))
		f.isHeld(t, f.say(t, "", "3"), proactive.ReasonCap, "2026-01-13T00:00:00+01:00")
	})
}

// TestWhatWasNotSaidDoesNotCount: neither what failed, nor what ended before it could be tried again; what may have arrived does.
func TestWhatWasNotSaidDoesNotCount(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T12:00:00+01:00", proactive.Config{Preferences: proactive.Defaults{Cap: book.Cap{PerDay: 2}}}, func(t *testing.T, f fixture) {
		var fails *headsup.SendError
		f.channel.Fail = func(context.Context, headsup.Outgoing) error {
			if fails == nil {
				return nil
			}
			return fails
		}
		fails = &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "too_large"}
		f.say(t, "", "too large")
		f.say(t, "", "too large as well")
		fails = &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "busy", RetryAfter: time.Hour}
		id := f.say(t, "", "cancelled")
		if _, err := f.engine.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		fails = nil
		f.isDelivered(t, f.say(t, "", "1"))
		fails = &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: "no_answer"}
		id = f.notify(t, headsup.Notification{To: toAnnAlone(), Text: "2, perhaps", OnUnknown: headsup.OnUnknownHold}).ID
		synctest.Wait()
		if d := f.one(t, id); d.State != outbox.StateUnknown {
			t.Fatalf("it is %s (%s)", d.State, d.Reason)
		}
		fails = nil
		f.isHeld(t, f.say(t, "", "3"), proactive.ReasonCap, "2026-01-13T00:00:00+01:00")
	})
}

// TestDigestAtNine: whatever has come up is said as one, on the person's clock.
func TestDigestAtNine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, now, until string }{
		{"in the morning", "2026-01-12T08:00:00+01:00", "2026-01-12T09:00:00+01:00"},
		{"at the time itself", "2026-01-12T09:00:00+01:00", "2026-01-13T09:00:00+01:00"},
		{"over a change of clocks", "2026-03-28T20:00:00+01:00", "2026-03-29T09:00:00+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wishing(t, c.now, proactive.Config{Topics: someTopics}, func(t *testing.T, f fixture) {
				f.prefer(t, proactive.PreferenceChange{Digest: &book.Digest{Every: book.DigestDaily, At: 9 * 60}, Topics: map[string]*bool{"muted": new(false)}})
				first, muted := f.say(t, "news", "one\ntwo"), f.say(t, "muted", "not wanted")
				notice := f.notify(t, headsup.Notification{To: toAnnAlone(), Topic: "prices", Notice: &card.Notice{
					What: "The price *fell*", Item: &card.Item{Title: "Trip 7", URL: "https://example.com/7"},
				}}).ID
				rest := f.say(t, "news", "three")
				f.isSuppressed(t, muted, proactive.ReasonMuted)
				f.isDelivered(t, f.say(t, "security", "at once"))
				f.isHeld(t, first, proactive.ReasonDigest, c.until)
				f.isHeld(t, notice, proactive.ReasonDigest, c.until)
				f.until(t, instant(t, c.until))
				said := f.channel.Texts("c")
				want := "**3 notifications**\n\n**What is new**\n\n- one\n  two\n- three\n\n**prices**\n\n- **The price \\*fell\\*** – [Trip 7](<https://example.com/7>)"
				if len(said) != 2 || said[1] != want {
					t.Errorf("said\n%s\nwant\n%s", strings.Join(said[1:], "\n--\n"), want)
				}
				if last := f.channel.Sent()[len(said)-1].Activity; last.Summary != "3 notifications" || last.TextFormat != activity.TextMarkdown {
					t.Errorf("summary %q, format %q", last.Summary, last.TextFormat)
				}
				for _, id := range []headsup.NotificationID{first, notice, rest} {
					f.isDelivered(t, id)
				}
			})
		})
	}
}

// TestDigestOfTemplates says what templates say to the reader.
// TestTheWayOutOfADigest is out of all that it says.
func TestTheWayOutOfADigest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		topics []string
		wants  string
	}{
		"one topic":      {[]string{"deals", "deals"}, "map[deals:false]"},
		"several":        {[]string{"deals", "news", "deals"}, "map[deals:false news:false]"},
		"with none":      {[]string{"deals", ""}, "opted out"},
		"very many":      {[]string{strings.Repeat("a", 200), strings.Repeat("b", 200)}, "opted out"},
		"without a list": {[]string{"deals"}, "map[deals:false]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := proactive.Config{
				Preferences: proactive.Defaults{Digest: book.Digest{Every: book.DigestHourly}}, ActionKeys: actionKeys, ActionURL: "https://bot.example.com/actions/",
			}
			wishing(t, "2026-03-04T08:30:00+01:00", cfg, func(t *testing.T, f fixture) {
				for _, topic := range c.topics {
					f.say(t, topic, "of "+topic)
				}
				f.until(t, instant(t, "2026-03-04T09:00:00+01:00"))
				sent := f.channel.Sent()
				if len(sent) != 1 {
					t.Fatalf("%d were sent", len(sent))
				}
				link, err := f.engine.OptOutURL(t.Context(), sent[0].Key)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.engine.Follow(t.Context(), strings.TrimPrefix(link, "https://bot.example.com/actions/")); err != nil {
					t.Fatal(err)
				}
				p, err := f.engine.Preferences(t.Context(), headsup.KeyOf("app", inbound("1", "c", "ann", "").Reference()))
				got := fmt.Sprint(p.Topics)
				if p.OptedOut {
					got = "opted out"
				}
				if err != nil || got != c.wants {
					t.Errorf("they want %s, %v; want %s", got, err, c.wants)
				}
			})
		})
	}
}

func TestDigestOfTemplates(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T08:00:00+01:00", proactive.Config{Topics: someTopics}, func(t *testing.T, f fixture) {
		f.prefer(t, proactive.PreferenceChange{Digest: &book.Digest{Every: book.DigestDaily, At: 9 * 60}})
		f.put(t, "won", `{"en":{"notice":{"what":"${data.deal} is won"}},"de":{"notice":{"what":"${data.deal} ist gewonnen"}}}`)
		f.put(t, "lost", `{"en":{"text":"${data.deal} is lost: ${notification.topic}"}}`)
		say := func(name, deal, locale string) headsup.NotificationID {
			id := f.notify(t, headsup.Notification{
				To: toAnnAlone(), Topic: "news", Locale: locale,
				Template: &headsup.Templated{Name: name, Data: jsontext.Value(`{"deal":"` + deal + `"}`)},
			}).ID
			time.Sleep(time.Second) // so that they have an order
			synctest.Wait()
			return id
		}
		all := []headsup.NotificationID{say("won", "*A*", "en"), say("lost", "B", ""), say("won", "C", "de")}
		f.until(t, instant(t, "2026-01-12T09:00:00+01:00"))
		want := "**3 notifications**\n\n- **\\*A\\* is won**\n- B is lost: news\n- **C ist gewonnen**"
		if said := f.channel.Texts("c"); len(said) != 1 || said[0] != want {
			t.Errorf("said\n%s\nwant\n%s", strings.Join(said, "\n--\n"), want)
		}
		for _, id := range all {
			f.isDelivered(t, id)
		}
	})
}

// TestADigestSaysNoWayThatIsNotNeeded: what falls back is said with others only once it is known that it is needed.
func TestADigestSaysNoWayThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	hourly := proactive.Config{Preferences: proactive.Defaults{Digest: book.Digest{Every: book.DigestHourly}, TimeZone: "Europe/Berlin"}}
	wishing(t, "2026-03-04T08:00:00+01:00", hourly, func(t *testing.T, f fixture) {
		f.lives(t, "mail", "ann@example.com", "Europe/Berlin")
		mail := headsup.Target{Conversation: "mail"}
		f.notify(t, headsup.Notification{To: mail, Text: "a letter"})
		synctest.Wait()
		id := f.notify(t, headsup.Notification{
			To: toAnnAlone(), Text: "in the chat", Fallback: []headsup.Fallback{{To: &mail, After: 10 * time.Minute}},
		}).ID
		synctest.Wait()
		f.notify(t, headsup.Notification{To: mail, Text: "another letter"})
		f.until(t, instant(t, "2026-03-04T08:11:00+01:00"))
		f.until(t, instant(t, "2026-03-04T09:00:00+01:00"))
		f.until(t, instant(t, "2026-03-04T10:00:00+01:00"))
		chat, mails := strings.Join(f.channel.Texts("c"), "|"), strings.Join(f.channel.Texts("mail"), "|")
		if chat != "in the chat" || strings.Contains(mails, chat) || strings.Count(mails, "letter") != 2 {
			t.Errorf("said %q and %q", chat, mails)
		}
		if d := f.status(t, id).Deliveries[1]; d.State != outbox.StateSuppressed || d.Reason != proactive.ReasonNotNeeded {
			t.Errorf("the other way is %s (%s)", d.State, d.Reason)
		}
	})
}

func TestDigestEveryHour(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T08:20:00+01:00", proactive.Config{Preferences: proactive.Defaults{Digest: book.Digest{Every: book.DigestHourly}}}, func(t *testing.T, f fixture) {
		f.prefer(t, proactive.PreferenceChange{TimeZone: new("Asia/Kolkata")}) // half an hour off
		id := f.say(t, "", "alone")
		f.isHeld(t, id, proactive.ReasonDigest, "2026-01-12T08:30:00+01:00")
		f.until(t, instant(t, "2026-01-12T08:30:00+01:00"))
		f.isDelivered(t, id)
		if said := f.channel.Texts("c"); !slices.Equal(said, []string{"alone"}) {
			t.Errorf("said %q", said)
		}
		later := f.say(t, "", "later")
		f.isHeld(t, later, proactive.ReasonDigest, "2026-01-12T09:30:00+01:00")
		f.prefer(t, proactive.PreferenceChange{Digest: &book.Digest{Every: book.DigestOff}})
		f.isDelivered(t, later)
	})
}

// TestDigestInQuietHours waits for their end, and counts as one.
func TestDigestInQuietHours(t *testing.T) {
	t.Parallel()
	cfg := proactive.Config{Preferences: proactive.Defaults{
		Quiet: night, Digest: book.Digest{Every: book.DigestDaily, At: 6 * 60}, Cap: book.Cap{PerDay: 1},
	}}
	wishing(t, "2026-01-12T20:00:00+01:00", cfg, func(t *testing.T, f fixture) {
		one, two := f.say(t, "", "1"), f.say(t, "", "2")
		f.isHeld(t, one, proactive.ReasonDigest, "2026-01-13T06:00:00+01:00")
		f.until(t, instant(t, "2026-01-13T06:00:00+01:00"))
		f.isHeld(t, two, proactive.ReasonQuietHours, "2026-01-13T07:00:00+01:00")
		f.until(t, instant(t, "2026-01-13T07:00:00+01:00"))
		f.isDelivered(t, one)
		f.isDelivered(t, two)
		if said := f.channel.Texts("c"); !slices.Equal(said, []string{"2 notifications\n\n• 1\n• 2"}) {
			t.Errorf("said %q", said)
		}
	})
}

func TestMandatoryTopicsMayWait(t *testing.T) {
	t.Parallel()
	cfg := proactive.Config{Topics: someTopics, Preferences: proactive.Defaults{Quiet: night, MandatoryWaits: true}}
	wishing(t, "2026-01-12T23:00:00+01:00", cfg, func(t *testing.T, f fixture) {
		f.isHeld(t, f.say(t, "security", "text"), proactive.ReasonQuietHours, "2026-01-13T07:00:00+01:00")
		key := headsup.KeyOf("app", inbound("1", "c", "ann", "").Reference())
		if _, err := f.engine.Prefer(t.Context(), key, proactive.PreferenceChange{Topics: map[string]*bool{"security": new(false)}}); err == nil {
			t.Error("a mandatory topic was muted")
		}
	})
}

// TestAnEditOfWhatWasSaid is not for those who have opted out; that it is taken back is for everybody.
func TestAnEditOfWhatWasSaid(t *testing.T) {
	t.Parallel()
	wishing(t, "2026-01-12T12:00:00+01:00", proactive.Config{}, func(t *testing.T, f fixture) {
		id := f.say(t, "news", "wrong")
		f.prefer(t, proactive.PreferenceChange{OptedOut: new(true)})
		if _, err := f.engine.Edit(t.Context(), id, proactive.Content{Text: "right"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{"wrong"}) {
			t.Errorf("said %q after an opt-out", got)
		}
		if _, err := f.engine.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := f.channel.Texts("c"); !slices.Equal(got, []string{""}) && len(got) != 0 {
			t.Errorf("said %q after it was taken back", got)
		}
	})
}
