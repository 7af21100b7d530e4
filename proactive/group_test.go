package proactive_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/proactive"
)

const everybody = "6d1f0000-0000-4000-8000-00000000e0e0"

// groups has the town's tenant read groups, with a group of so many members, a guest, Nadia, whom the bot has met, and Ben, who
// has removed it again.
func (x *town) groups(t *testing.T, many int) (asked func() []activity.TenantID) {
	t.Helper()
	const ben = "0b8e5a52-0000-4000-8000-000000000003"
	x.graph.AddUser(fakegraph.User{ID: ben, Name: "Ben"})
	members := []string{gus, nadia, ben}
	for i := range many {
		members = append(members, fmt.Sprintf("0b8e5a52-0000-4000-8000-1%011d", i))
		x.graph.AddUser(fakegraph.User{ID: members[len(members)-1], Name: fmt.Sprint("Person ", i)})
	}
	x.graph.AddGroup(everybody, members...)
	g, err := graph.New(graph.Config{Tokens: graphToken{}, BaseURL: x.graph.URL, RootCAs: x.graph.Roots(), AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	var tenants []activity.TenantID
	x.way.Groups = func(tenant activity.TenantID) (proactive.Groups, error) {
		tenants = append(tenants, tenant)
		return g, nil
	}
	x.open(t)
	x.hear(t, x.of("1", nadia, activity.TypeMessage))
	x.hear(t, x.of("1", ben, activity.TypeMessage))
	gone := x.of("2", ben, activity.TypeInstallationUpdate)
	gone.Action = activity.UpdateRemove
	x.hear(t, gone)
	return func() []activity.TenantID { return tenants }
}

func (x *town) tells(t *testing.T, n headsup.Notification, want proactive.GroupAccepted) {
	t.Helper()
	if got, err := x.engine.NotifyGroup(t.Context(), everybody, n); err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
}

// TestGroupIsTold: all members but guests, and nobody twice under the same key, whoever joins or leaves meanwhile.
func TestGroupIsTold(t *testing.T) {
	t.Parallel()
	const many = 1100 // more than one page
	x := newTown(t)
	asked := x.groups(t, many)
	n := headsup.Notification{Key: "closed", Text: "closed tomorrow", In: time.Hour, Topic: "days"}
	x.tells(t, n, proactive.GroupAccepted{Accepted: many + 1, Guests: 1, Refused: 1})
	x.tells(t, n, proactive.GroupAccepted{Replayed: many + 1, Guests: 1, Refused: 1})
	const olga = "0B8E5A52-0000-4000-8000-0000000000AA"
	x.graph.AddUser(fakegraph.User{ID: olga, Name: "Olga"})
	x.graph.AddGroup(everybody, olga, nadia)
	x.tells(t, n, proactive.GroupAccepted{Accepted: 1, Replayed: 1})
	n.Text = "open tomorrow"
	if _, err := x.engine.NotifyGroup(t.Context(), everybody, n); !errors.Is(err, proactive.ErrKeyReused) {
		t.Errorf("another text under the same key: %v", err)
	}
	n.Key = "open"
	x.tells(t, n, proactive.GroupAccepted{Accepted: 2})

	other := x.engine.Bound("t-other") // whose Microsoft Graph is asked, and who knows none of what was told
	if told, err := other.NotifyGroup(t.Context(), everybody, n); err != nil || told.Accepted != 2 {
		t.Errorf("a view of another tenant: %+v %v", told, err)
	}
	if all := asked(); all[0] != contoso || all[len(all)-1] != "t-other" {
		t.Errorf("asked was %v", all)
	}
}

// breaks tells of some members, and then no more.
type breaks struct {
	proactive.Groups
	after int
}

var errBroken = errors.New("the line is broken")

func (b *breaks) Members(ctx context.Context, group string) iter.Seq2[graph.User, error] {
	return func(yield func(graph.User, error) bool) {
		n := 0
		for u, err := range b.Groups.Members(ctx, group) {
			if n++; b.after > 0 && n > b.after {
				b.after = 0
				yield(graph.User{}, errBroken)
				return
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

// TestGroupGoesOnWhereItBroke: what was counted was accepted, and is not accepted again.
func TestGroupGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	const many = 250
	x := newTown(t)
	x.groups(t, many)
	whole, err := x.way.Groups(contoso)
	if err != nil {
		t.Fatal(err)
	}
	line := &breaks{whole, 230}
	x.stop()
	x.way.Groups = func(activity.TenantID) (proactive.Groups, error) { return line, nil }
	x.open(t)
	n := headsup.Notification{Key: "k", Text: "hello", In: time.Hour}
	before, err := x.engine.NotifyGroup(t.Context(), everybody, n)
	if !errors.Is(err, errBroken) || before.Accepted == 0 || before.Accepted >= many {
		t.Fatalf("%+v %v", before, err)
	}
	x.tells(t, n, proactive.GroupAccepted{Accepted: many + 1 - before.Accepted, Replayed: before.Accepted, Guests: 1, Refused: 1})
}

// TestGroupThatCannotBeRead: each with what is wrong, and a busy Graph is waited for.
func TestGroupThatCannotBeRead(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.groups(t, 2)
	good := headsup.Notification{Key: "k", Text: "hello", In: time.Hour}
	with := func(change func(*headsup.Notification)) headsup.Notification {
		n := good
		change(&n)
		return n
	}
	for field, n := range map[string]headsup.Notification{
		"to":              with(func(n *headsup.Notification) { n.To.Everyone = true }),
		"idempotency_key": with(func(n *headsup.Notification) { n.Key = "" }),
		"text":            with(func(n *headsup.Notification) { n.Text = "" }),
	} {
		_, err := x.engine.NotifyGroup(t.Context(), everybody, n)
		if wrong, ok := errors.AsType[*proactive.FieldError](err); !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if asked := x.graph.Requests(); len(asked) > 0 {
		t.Errorf("Graph was asked %v for what is wrong", asked)
	}
	for _, nobody := range []string{"", "..", "no-such-group"} {
		if _, err := x.engine.NotifyGroup(t.Context(), nobody, good); !errors.Is(err, graph.ErrNoGroup) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	x.graph.Deny("GET /v1.0/groups/", "GroupMember.Read.All")
	_, err := x.engine.NotifyGroup(t.Context(), everybody, good)
	if refused, ok := errors.AsType[*graph.Error](err); !ok || !slices.Contains(refused.Permissions, "GroupMember.Read.All") {
		t.Errorf("without the permission: %v", err)
	}
	x.graph.Deny("GET /v1.0/groups/", "")
	x.graph.Throttle(1, 1)
	x.tells(t, good, proactive.GroupAccepted{Accepted: 3, Guests: 1, Refused: 1})

	x.stop()
	x.way.Groups = nil
	x.open(t)
	if _, err := x.engine.NotifyGroup(t.Context(), everybody, good); !errors.Is(err, proactive.ErrNoGroups) {
		t.Errorf("without groups: %v", err)
	}
}
