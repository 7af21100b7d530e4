package proactive_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// aged is a town whose clock goes by so much ahead of what the book has noted before.
func aged(t *testing.T) (x *town, later func(time.Duration)) {
	t.Helper()
	x = newTown(t)
	var ahead atomic.Int64
	x.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	return x, func(d time.Duration) { ahead.Add(int64(d)) }
}

// refuses has the channel answer sends, and creations too, if that is given.
func (x *town) refuses(t *testing.T, rules ...fakechannel.Rule) {
	t.Helper()
	if err := x.teams.SetRules(rules...); err != nil {
		t.Fatal(err)
	}
}

// by is what somebody writes in the conversation that the channel makes with them by their id there.
func (x *town) by(id, objectID string) *activity.Activity {
	a := x.of(id, objectID, activity.TypeMessage)
	a.Conversation.ID = activity.ConversationID("a:" + string(contoso) + ":29:" + objectID)
	return a
}

// personal is where Nadia's conversation with the bot is.
func (x *town) personal(t *testing.T) book.Conversation {
	t.Helper()
	c, err := x.engine.Conversation(t.Context(), x.by("", nadia).Conversation.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var gone = fakechannel.Rule{Op: fakechannel.OpSend, Status: 404, Code: "ConversationNotFound"}

// TestRefusalsOfTeams: every answer with 403 and 404 that Microsoft lists ends in a state, which ends what is useless, and
// which the next sign of life ends.
func TestRefusalsOfTeams(t *testing.T) {
	t.Parallel()
	const writesBlocked = `{"errorCode":209,"message":"{\r\n  \"subCode\": \"MessageWritesBlocked\",\r\n  \"details\": \"Thread is blocked\"\r\n}"}`
	cases := map[string]struct {
		rule   fakechannel.Rule
		reason string
		reach  book.Reach
		hour   bool // it ends by itself then
		calls  int  // how often the channel is called
	}{
		"403 BotDisabledByAdmin":             {fakechannel.Rule{Status: 403, Code: "BotDisabledByAdmin"}, "bot_disabled", book.ReachUnreachable, true, 1},
		"403 TenantNoPermission":             {fakechannel.Rule{Status: 403, Code: "TenantNoPermission"}, "bot_disabled", book.ReachUnreachable, true, 1},
		"403 BotNotInConversationRoster":     {fakechannel.Rule{Status: 403, Code: "BotNotInConversationRoster"}, "not_in_conversation", book.ReachUninstalled, false, 1},
		"403 ConversationBlockedByUser":      {fakechannel.Rule{Status: 403, Code: "ConversationBlockedByUser"}, "blocked", book.ReachBlocked, false, 1},
		"403 MessageWritesBlocked":           {fakechannel.Rule{Status: 403, Body: writesBlocked}, "blocked", book.ReachBlocked, false, 1},
		"403 ForbiddenOperationException":    {fakechannel.Rule{Status: 403, Code: "ForbiddenOperationException"}, "not_installed", book.ReachUninstalled, false, 1},
		"403 NotEnoughPermissions":           {fakechannel.Rule{Status: 403, Code: "NotEnoughPermissions"}, "forbidden", book.ReachActive, false, 1},
		"403 CapabilityOverride":             {fakechannel.Rule{Status: 403, Code: "CapabilityOverride"}, "forbidden", book.ReachActive, false, 1},
		"403 without a code":                 {fakechannel.Rule{Status: 403, Body: "<html>"}, "forbidden", book.ReachActive, false, 1},
		"404 ConversationNotFound":           {gone, "conversation_gone", book.ReachUninstalled, false, 3},
		"404 BotNotInConversationRoster":     {fakechannel.Rule{Status: 404, Code: "BotNotInConversationRoster"}, "not_in_conversation", book.ReachActive, false, 1},
		"404 ActivityNotFoundInConversation": {fakechannel.Rule{Status: 404, Code: "ActivityNotFoundInConversation"}, "not_found", book.ReachActive, false, 1},
		"404 without a code":                 {fakechannel.Rule{Status: 404, Body: "<html>"}, "not_found", book.ReachActive, false, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, later := aged(t)
			x.open(t)
			x.hear(t, x.by("1", nadia))
			later(time.Minute)
			c.rule.Op = fakechannel.OpSend
			x.refuses(t, c.rule)
			to := headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}
			d := x.ends(t, x.notify(t, to))
			if d.State != outbox.StateFailed || d.Reason != c.reason {
				t.Errorf("it is %s (%s), want failed (%s)", d.State, d.Reason, c.reason)
			}
			if r := x.teams.Report(); r.Requests != c.calls {
				t.Errorf("the channel was called %d times, want %d", r.Requests, c.calls)
			}
			now := x.personal(t)
			if now.Reach != c.reach || (now.Until.IsZero() == c.hour) || c.reach != book.ReachActive && now.Cause != c.reason {
				t.Errorf("it is %s (%s) until %v, want %s", now.Reach, now.Cause, now.Until, c.reach)
			}
			_, err := x.engine.Notify(t.Context(), to)
			if refused := errors.Is(err, proactive.ErrNoTarget); refused != (c.reach != book.ReachActive) {
				t.Errorf("after that, to tell them says %v", err)
			}
			x.refuses(t)
			later(time.Minute)
			x.hear(t, x.by("2", nadia))
			if now = x.personal(t); now.Reach != book.ReachActive || !now.Until.IsZero() {
				t.Errorf("after a sign of life it is %s (%s)", now.Reach, now.Cause)
			}
			if d := x.ends(t, x.notify(t, to)); d.State != outbox.StateDelivered {
				t.Errorf("after a sign of life it is %s (%s)", d.State, d.Reason)
			}
		})
	}
}

// TestRemovedChatIsMadeAgain: once; then its state says what it is, until somebody writes there.
func TestRemovedChatIsMadeAgain(t *testing.T) {
	t.Parallel()
	x, later := aged(t)
	x.open(t)
	x.hear(t, x.by("1", nadia))
	to := headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}
	ended := func(what string, rule []fakechannel.Rule, state outbox.State, want string) {
		t.Helper()
		x.refuses(t, rule...)
		d := x.ends(t, x.notify(t, to))
		if got := strings.Join(rungs(d), " "); d.State != state || got != want {
			t.Errorf("%s, it is %s after %q, want %q", what, d.State, got, want)
		}
	}
	once := gone
	once.Times = 1
	soon := to
	soon.ExpiresAt = x.now().Add(300 * time.Millisecond)
	x.refuses(t, gone)
	if d := x.ends(t, x.notify(t, soon)); d.State != outbox.StateExpired {
		t.Errorf("while it is new, it is %s: %v", d.State, rungs(d))
	}
	later(time.Minute)
	ended("removed", []fakechannel.Rule{once}, outbox.StateDelivered, "conversation_recreated")
	if c := x.personal(t); c.Cause != book.CauseRecreated || c.Reach != book.ReachActive || c.Reference.User.ID != "29:"+nadia {
		t.Errorf("then it is %s (%s) with %v", c.Reach, c.Cause, c.Reference.User)
	}
	later(time.Minute)
	ended("removed again", []fakechannel.Rule{once}, outbox.StateFailed, "conversation_gone")
	later(time.Minute)
	x.hear(t, x.by("2", nadia))
	later(time.Minute)
	ended("after a sign of life", []fakechannel.Rule{once}, outbox.StateDelivered, "conversation_recreated")
	if r := x.teams.Report(); r.Created != 2 || r.Duplicates != 1 {
		t.Errorf("%d were made, %d said twice", r.Created, r.Duplicates)
	}
}

// region is another region of Teams, with its own address.
func region(t *testing.T, rules ...fakechannel.Rule) *fakechannel.Server {
	t.Helper()
	s, err := fakechannel.New(fakechannel.Config{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestServiceURLIsRefreshed: from where the tenant was heard from since, or else from the channel's global one, once.
func TestServiceURLIsRefreshed(t *testing.T) {
	t.Parallel()
	wrong := fakechannel.Rule{Op: fakechannel.OpSend, Status: 404, Body: "<html>"}
	cases := map[string]struct {
		rule   fakechannel.Rule // of where the conversation was
		down   bool             // nobody answers there
		heard  bool             // the tenant is heard from elsewhere
		tenant activity.TenantID
		global []fakechannel.Rule // nil for none that is known
		rungs  string
		state  outbox.State
	}{
		"heard elsewhere, 404":        {rule: wrong, heard: true, rungs: "service_url_refreshed", state: outbox.StateDelivered},
		"heard elsewhere, 410":        {rule: fakechannel.Rule{Op: fakechannel.OpSend, Status: 410}, heard: true, rungs: "service_url_refreshed", state: outbox.StateDelivered},
		"heard elsewhere, no chat":    {rule: gone, heard: true, rungs: "service_url_refreshed", state: outbox.StateDelivered},
		"heard elsewhere, no answer":  {down: true, heard: true, rungs: "service_url_refreshed", state: outbox.StateDelivered},
		"another tenant is elsewhere": {rule: wrong, heard: true, tenant: "t-fabrikam", rungs: "not_found", state: outbox.StateFailed},
		"the global one":              {rule: wrong, global: []fakechannel.Rule{}, rungs: "service_url_global", state: outbox.StateDelivered},
		"the global one, no answer":   {down: true, global: []fakechannel.Rule{}, rungs: "unreachable unreachable service_url_global", state: outbox.StateDelivered},
		"the global one, once":        {rule: wrong, global: []fakechannel.Rule{wrong}, rungs: "service_url_global not_found", state: outbox.StateFailed},
		"neither":                     {rule: wrong, rungs: "not_found", state: outbox.StateFailed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, later := aged(t)
			there := region(t, c.global...)
			if c.global != nil {
				x.global = there.ServiceURL(string(contoso))
			}
			x.open(t)
			first := x.by("1", nadia)
			if c.down {
				old := region(t)
				first.ServiceURL = old.ServiceURL(string(contoso))
				if err := old.Close(); err != nil {
					t.Fatal(err)
				}
			}
			x.hear(t, first)
			later(time.Minute)
			if c.heard {
				other := x.by("2", gus)
				other.ServiceURL = there.ServiceURL(string(contoso))
				if c.tenant != "" {
					other.Conversation.TenantID = c.tenant
				}
				x.hear(t, other)
			}
			if !c.down {
				x.refuses(t, c.rule)
			}
			d := x.ends(t, x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"}))
			if got := strings.Join(rungs(d), " "); got != c.rungs || d.State != c.state {
				t.Errorf("it is %s after %q, want %q", d.State, got, c.rungs)
			}
			if said := there.Report().Messages; (said == 1) != (c.state == outbox.StateDelivered) {
				t.Errorf("%d messages were said there", said)
			}
			if moved := x.personal(t).Reference.ServiceURL; (moved == there.ServiceURL(string(contoso))) != slices.ContainsFunc(rungs(d), func(r string) bool {
				return strings.HasPrefix(r, "service_url")
			}) {
				t.Errorf("it is called at %s from now on", moved)
			}
		})
	}
}

// TestServiceURLOfAnotherHost: what is not on the list is not gone to.
func TestServiceURLOfAnotherHost(t *testing.T) {
	t.Parallel()
	x, later := aged(t)
	there := region(t)
	x.global, x.mayCall = there.ServiceURL(string(contoso)), func(url string) bool { return strings.HasPrefix(url, x.teams.URL()) }
	x.open(t)
	x.hear(t, x.by("1", nadia))
	later(time.Minute)
	x.refuses(t, fakechannel.Rule{Op: fakechannel.OpSend, Status: 404})
	if d := x.ends(t, x.notify(t, headsup.Notification{To: headsup.Target{ObjectID: nadia}, Text: "hello"})); d.State != outbox.StateFailed {
		t.Errorf("it is %s: %v", d.State, rungs(d))
	}
	if r := there.Report(); r.Requests != 0 {
		t.Errorf("%d calls went there", r.Requests)
	}
}
