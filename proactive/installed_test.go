package proactive_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// TestInstallationIsNotWaitedFor: what waits for the bot to be told goes on when it is, however that is told, and whether that is
// before or after Microsoft Graph has answered. It would wait for an hour otherwise.
func TestInstallationIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	installation := func(x *town) *activity.Activity { return added(x.of("1", nadia, activity.TypeInstallationUpdate)) }
	member := func(x *town) *activity.Activity {
		a := x.of("1", nadia, activity.TypeConversationUpdate)
		a.MembersAdded = []activity.ChannelAccount{*a.From, *a.Recipient}
		return a
	}
	cases := map[string]struct {
		told  func(*town) *activity.Activity
		early bool
		rungs string
	}{
		"after":              {installation, false, "rung_not_installed rung_install rescheduled rung_known"},
		"after, as a member": {member, false, "rung_not_installed rung_install rescheduled rung_known"},
		"before":             {installation, true, "rung_not_installed rung_install rung_known"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTown(t)
			x.way.Wait = time.Hour
			x.refused(t, 1, notInstalled)
			if c.early {
				x.graph.Tells(func(fakegraph.Installed) { x.hear(t, c.told(x)) })
			}
			x.open(t)
			id := x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})
			behind := x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "and this"})
			if !c.early {
				x.until(t, id, func(d outbox.Delivery) bool { return slices.Contains(rungs(d), "rung_install") })
				x.hear(t, c.told(x))
			}
			if d := x.ends(t, id); d.State != outbox.StateDelivered || strings.Join(rungs(d), " ") != c.rungs {
				t.Errorf("it is %s after %v", d.State, rungs(d))
			}
			if d := x.ends(t, behind); d.State != outbox.StateDelivered {
				t.Errorf("what was behind it is %s after %v", d.State, rungs(d))
			}
			if r := x.teams.Report(); r.Messages != 2 || r.Duplicates != 0 {
				t.Errorf("%d messages were said, %d twice", r.Messages, r.Duplicates)
			}
		})
	}
}

// TestInstallationElsewhereHurriesNobody: neither that somebody else has the app, nor that it is in a team of theirs.
func TestInstallationElsewhereHurriesNobody(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.way.Wait = time.Hour
	x.refused(t, 1, notInstalled)
	x.open(t)
	id := x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})
	before := x.until(t, id, func(d outbox.Delivery) bool { return slices.Contains(rungs(d), "rung_install") })
	x.hear(t, added(x.of("1", gus, activity.TypeInstallationUpdate)))
	team := added(x.of("2", nadia, activity.TypeInstallationUpdate))
	team.Conversation = &activity.ConversationAccount{ID: "19:general", TenantID: contoso, ConversationType: "channel", IsGroup: new(true)}
	x.hear(t, team)
	elsewhere := added(x.of("3", nadia, activity.TypeInstallationUpdate))
	elsewhere.Conversation.TenantID = "t-fabrikam"
	x.hear(t, elsewhere)
	s, err := x.engine.Status(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if d := s.Deliveries[0]; !d.DueAt.Equal(before.DueAt) || len(d.History) != len(before.History) {
		t.Errorf("it is due at %v, was at %v: %v", d.DueAt, before.DueAt, rungs(d))
	}
}

// TestWhoWasMetIsNoProspectAnyMore: the entry says so, and stays: by it an address is known without asking Microsoft Graph again.
func TestWhoWasMetIsNoProspectAnyMore(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*testing.T, *town){
		"created":     func(*testing.T, *town) {},
		"known":       func(t *testing.T, x *town) { x.hear(t, x.of("1", nadia, activity.TypeMessage)) },
		"by the chat": func(t *testing.T, x *town) { x.refused(t, 9, notInstalled) },
	}
	for name, before := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTown(t)
			x.open(t)
			before(t, x)
			to := headsup.Target{Email: "nadia@contoso.example"}
			for range 2 {
				if d := x.ends(t, x.notify(t, headsup.Notification{To: to, Text: "hello"})); d.State != outbox.StateDelivered {
					t.Fatalf("it is %s: %v", d.State, rungs(d))
				}
			}
			found, err := x.engine.Conversations(t.Context(), book.Filter{Reach: book.ReachProspective}, 0, 10)
			if err != nil || len(found) != 1 || found[0].Cause != proactive.CauseMet {
				t.Errorf("found %+v, %v; want one who was met", found, err)
			}
			finds := 0
			for _, asked := range x.graph.Requests() {
				if strings.HasPrefix(asked, "GET /v1.0/users/nadia@") {
					finds++
				}
			}
			if finds != 1 {
				t.Errorf("asked %d times who she is", finds)
			}
		})
	}
}
