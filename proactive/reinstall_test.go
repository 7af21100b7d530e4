package proactive_test

import (
	"errors"
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

// leaves has somebody be in the book who has taken the app away.
func (x *town) leaves(t *testing.T, id string) headsup.ConversationKey {
	t.Helper()
	a := x.of(id+"1", nadia, activity.TypeMessage)
	x.hear(t, a)
	removed := x.of(id+"2", nadia, activity.TypeInstallationUpdate)
	removed.Action = activity.UpdateRemove
	x.hear(t, removed)
	return headsup.KeyOf("app", a.Reference())
}

// TestReinstall: who has taken the app away gets it again by each notification, where that is allowed.
func TestReinstall(t *testing.T) {
	t.Parallel()
	object := headsup.Target{ObjectID: nadia}
	cases := map[string]struct {
		to     headsup.Target
		before func(*testing.T, *town, headsup.ConversationKey)
		rungs  string
	}{
		"told": {object, func(t *testing.T, x *town, _ headsup.ConversationKey) {
			x.graph.Tells(func(fakegraph.Installed) { x.hear(t, added(x.of("3", nadia, activity.TypeInstallationUpdate))) })
		}, "rung_install rung_known"},
		"not told": {object, nil, "rung_install rung_create"},
		"by mail":  {headsup.Target{Email: "nadia@contoso.example"}, nil, "rung_find rung_install rung_create"},
		"by one's own id": {headsup.Target{ExternalID: "4711"}, func(t *testing.T, x *town, key headsup.ConversationKey) {
			if err := x.engine.Label(t.Context(), key, book.Labels{ExternalID: new("4711")}); err != nil {
				t.Fatal(err)
			}
		}, "rung_install rung_create"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTown(t)
			x.way.Reinstall = true
			x.open(t)
			key := x.leaves(t, "a")
			if c.before != nil {
				c.before(t, x, key)
			}
			d := x.ends(t, x.notify(t, headsup.Notification{To: c.to, Text: "hello"}))
			if got := strings.Join(rungs(d), " "); d.State != outbox.StateDelivered || got != c.rungs || d.Key != key {
				t.Errorf("it is %s in %s after %s, want %s", d.State, d.Key, got, c.rungs)
			}
			x.leaves(t, "b")
			d = x.ends(t, x.notify(t, headsup.Notification{To: c.to, Text: "again"}))
			if got := strings.Join(rungs(d), " "); d.State != outbox.StateDelivered || !strings.HasPrefix(got, "rung_install") || d.Key != key {
				t.Errorf("the next one is %s in %s after %s", d.State, d.Key, got)
			}
		})
	}
}

// TestReinstallIsAskedFor: nobody gets the app against their will.
func TestReinstallIsAskedFor(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, x *town, code string) {
		t.Helper()
		_, err := x.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})
		if no, ok := errors.AsType[*proactive.NoTargetError](err); !ok || no.Code() != code {
			t.Errorf("the answer is %v, want %s", err, code)
		}
		for _, asked := range x.graph.Requests() {
			t.Errorf("Graph was asked %s", asked)
		}
	}
	t.Run("not allowed", func(t *testing.T) {
		t.Parallel()
		x := newTown(t)
		x.open(t)
		x.leaves(t, "a")
		refused(t, x, "target_uninstalled")
	})
	t.Run("blocked", func(t *testing.T) {
		t.Parallel()
		x := newTown(t)
		x.way.Reinstall = true
		x.open(t)
		key := x.leaves(t, "a")
		if err := x.store.StrikeOut(t.Context(), key, book.Standing{Reach: book.ReachBlocked, Cause: "blocked", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		refused(t, x, "target_blocked")
	})
	t.Run("taken away meanwhile", func(t *testing.T) {
		t.Parallel()
		x := newTown(t)
		x.refused(t, 1, notInstalled)
		x.graph.Tells(func(fakegraph.Installed) { x.leaves(t, "a") })
		x.open(t)
		d := x.ends(t, x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}))
		if got := strings.Join(rungs(d), " "); d.State != outbox.StateFailed || got != "rung_not_installed rung_install uninstalled" {
			t.Errorf("it is %s after %s", d.State, got)
		}
	})
}
