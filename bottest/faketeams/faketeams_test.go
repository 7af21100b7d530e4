package faketeams_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/faketeams"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/teams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a tenant with two people, a team and a chat of theirs, and a bot that takes down what it is told.
type office struct {
	*faketeams.Teams
	nadia, ben faketeams.Person
	ops        faketeams.Team
	lunch      activity.ConversationID
	client     *connector.Client

	mu   sync.Mutex
	told []*activity.Activity // guarded by mu
	bad  []error              // guarded by mu
}

func open(t *testing.T, change func(*faketeams.Config)) *office {
	t.Helper()
	o := &office{}
	var doorkeeper *auth.Tokens
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a activity.Activity
		err := json.UnmarshalRead(r.Body, &a)
		if err == nil && doorkeeper != nil {
			_, err = doorkeeper.Verify(r.Context(), r.Header["Authorization"], &a)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.told = append(o.told, &a); err != nil {
			o.bad = append(o.bad, err)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(bot.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := faketeams.Config{Messages: bot.URL, Client: &http.Client{Transport: transport}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if o.Teams, err = faketeams.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	if !cfg.Unsigned {
		cloud := auth.PublicCloud
		cloud.ChannelMetadata = o.Channel().MetadataURL()
		doorkeeper, err = auth.New(auth.Config{AppID: faketeams.AppID, Cloud: cloud, RootCAs: o.Channel().RootCAs()})
		if err != nil {
			t.Fatal(err)
		}
	}
	o.nadia = o.AddPerson(faketeams.Person{Name: "Nadia Berg", UPN: "nadia@contoso.example"})
	o.ben = o.AddPerson(faketeams.Person{Name: "Ben Okri", Locale: "en-GB", TimeZone: "Europe/London"})
	o.ops = o.AddTeam("Operations", o.nadia.ObjectID, o.ben.ObjectID)
	o.lunch = o.AddChat("Lunch", o.nadia.ObjectID, o.ben.ObjectID)
	if o.client, err = connector.New(connector.Config{AllowLoopback: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.client.CloseIdleConnections)
	return o
}

// heard returns what the bot was told since the last call, in one line each.
func (o *office) heard(t *testing.T) []string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.bad) > 0 {
		t.Fatal(errors.Join(o.bad...))
	}
	lines := []string{}
	for _, a := range o.told {
		line := []string{string(a.Type), string(a.Action)}
		d := teams.DataOf(a)
		line = append(line, string(d.Event))
		for _, m := range a.MembersAdded {
			line = append(line, "+"+o.name(m.ID))
		}
		for _, m := range a.MembersRemoved {
			line = append(line, "-"+o.name(m.ID))
		}
		if line = append(line, string(a.Conversation.ConversationType)); a.Text != "" {
			line = append(line, a.Text)
		}
		if a.ServiceURL != o.ServiceURL() || a.ChannelID != activity.ChannelTeams || d.Tenant == nil || d.Tenant.ID != o.Tenant() {
			line = append(line, "(not of this tenant)")
		}
		lines = append(lines, strings.Join(strings.Fields(strings.Join(line, " ")), " "))
	}
	o.told = nil
	return lines
}

func (o *office) name(id activity.AccountID) string {
	switch id {
	case o.Bot().ID:
		return "bot"
	case o.nadia.ID:
		return "nadia"
	case o.ben.ID:
		return "ben"
	}
	return string(id)
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestBotIsTold: of everything that happens where it is, in Teams' words and with the channel's token, and of nothing else.
func TestBotIsTold(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx, nadia, ben, ops, lunch := t.Context(), o.nadia.ObjectID, o.ben.ObjectID, string(o.ops.ID), string(o.lunch)
	happen := func(event, name string) func() error {
		return func() error { return o.Happen(ctx, o.ops.ID, event, name) }
	}
	say := func(who string, where activity.ConversationID, text string) func() error {
		return func() error { _, err := o.Say(ctx, who, where, text); return err }
	}
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"said where it is not", say(nadia, o.lunch, "<at>Lantern</at> hi"), nil},
		{"renamed where it is not", happen("teamRenamed", "Ops"), nil},
		{"installed by a person", func() error { return o.Install(ctx, nadia, nadia) }, []string{
			"conversationUpdate +bot personal", "installationUpdate add personal",
		}},
		{"said to it", say(nadia, o.Personal(nadia), "hi"), []string{"message personal hi"}},
		{"upgraded", func() error { return o.Upgrade(ctx, nadia) }, []string{
			"installationUpdate remove-upgrade personal", "installationUpdate add-upgrade personal",
		}},
		{"removed by a person", func() error { return o.Uninstall(ctx, nadia, nadia) }, []string{"installationUpdate remove personal"}},
		{"installed in a team", func() error { return o.Install(ctx, ops, ben) }, []string{
			"conversationUpdate teamMemberAdded +bot channel", "installationUpdate add channel",
		}},
		{"said beside it", say(nadia, o.ops.ID, "lunch?"), nil},
		{"mentioned", say(nadia, o.ops.ID, "<at>Lantern</at> hi"), []string{"message channel <at>Lantern</at> hi"}},
		{"somebody leaves", func() error { return o.Leave(ctx, ops, ben) }, []string{"conversationUpdate teamMemberRemoved -ben channel"}},
		{"somebody joins", func() error { return o.Join(ctx, ops, ben) }, []string{"conversationUpdate teamMemberAdded +ben channel"}},
		{"a channel", func() error { _, err := o.AddChannel(ctx, o.ops.ID, "Alerts"); return err }, []string{"conversationUpdate channelCreated channel"}},
		{"a name", happen("teamRenamed", "Ops"), []string{"conversationUpdate teamRenamed channel"}},
		{"archived", happen("teamArchived", ""), []string{"conversationUpdate teamArchived channel"}},
		{"removed from a team", func() error { return o.Uninstall(ctx, ops, ben) }, []string{
			"conversationUpdate teamMemberRemoved -bot channel", "installationUpdate remove channel",
		}},
		{"installed in a chat", func() error { return o.Install(ctx, lunch, ben) }, []string{
			"conversationUpdate +bot groupChat", "installationUpdate add groupChat",
		}},
		{"mentioned in a chat", say(ben, o.lunch, "<at>Lantern</at> where?"), []string{"message groupChat <at>Lantern</at> where?"}},
		{"removed from a chat", func() error { return o.Uninstall(ctx, lunch, ben) }, []string{
			"conversationUpdate -bot groupChat", "installationUpdate remove groupChat",
		}},
		{"after it has moved", func() error {
			o.Move("amer")
			return o.Install(ctx, nadia, nadia)
		}, []string{"conversationUpdate +bot personal", "installationUpdate add personal"}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := o.heard(t); !slices.Equal(got, step.want) {
			t.Errorf("%s: the bot is told %q, want %q", step.name, got, step.want)
		}
	}
	for what, err := range map[string]error{
		"a stranger": o.Install(ctx, "nobody", nadia), "a stranger joins": o.Join(ctx, ops, "nobody"), "no such team": happen("teamRenamed", "x")(),
		"no such channel": o.Happen(ctx, "19:nowhere", "channelDeleted", ""), "no such conversation": say(nadia, "a:nowhere", "hi")(),
	} {
		if known := what == "no such team"; errors.Is(err, faketeams.ErrUnknown) == known {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// message is a message of the bot.
func message(text string) *activity.Activity { return activity.Message(text) }

// creation asks for the conversation with a person.
func (o *office) creation(id string) activity.ConversationParameters {
	return activity.ConversationParameters{
		Bot: &activity.ChannelAccount{ID: o.Bot().ID}, Members: []activity.ChannelAccount{{ID: activity.AccountID(id)}}, TenantID: o.Tenant(),
	}
}

// verdict is an error of the channel in short.
func verdict(err error) string {
	failed, ok := errors.AsType[*connector.Error](err)
	switch {
	case err == nil:
		return "200"
	case !ok:
		return err.Error()
	case failed.SubCode != "":
		return fmt.Sprint(failed.Status, " ", failed.SubCode)
	}
	return fmt.Sprint(failed.Status, " ", failed.Code)
}

// TestRefusals: each thing that stands against a bot has the answer that Teams gives.
func TestRefusals(t *testing.T) {
	t.Parallel()
	type call func(context.Context, *office) error
	send := func(where func(*office) activity.ConversationID, a *activity.Activity, opts ...connector.Option) call {
		return func(ctx context.Context, o *office) error {
			_, err := o.client.SendToConversation(ctx, o.ServiceURL(), where(o), a, opts...)
			return err
		}
	}
	create := func(member func(*office) string, change func(*activity.ConversationParameters)) call {
		return func(ctx context.Context, o *office) error {
			params := o.creation(member(o))
			if change != nil {
				change(&params)
			}
			_, err := o.client.CreateConversation(ctx, o.ServiceURL(), params)
			return err
		}
	}
	toNadia := func(o *office) activity.ConversationID { return o.Personal(o.nadia.ObjectID) }
	nadia := func(o *office) string { return o.nadia.ObjectID }
	own := func(o *office) string { return string(o.nadia.ID) }
	installed := func(o *office) error { return o.Install(context.Background(), o.nadia.ObjectID, o.nadia.ObjectID) }
	inTeam := func(o *office) error { return o.Install(context.Background(), string(o.ops.ID), o.ben.ObjectID) }
	both := func(o *office, more func() error) error { return errors.Join(installed(o), more()) }
	large := message(strings.Repeat("x", 60<<10))
	for name, c := range map[string]struct {
		before func(*office) error
		call   call
		want   string
	}{
		"installed":       {installed, send(toNadia, message("hi")), "200"},
		"never installed": {nil, send(toNadia, message("hi")), "404 ConversationNotFound"},
		"uninstalled": {func(o *office) error {
			return both(o, func() error { return o.Uninstall(context.Background(), nadia(o), nadia(o)) })
		}, send(toNadia, message("hi")), "403 ForbiddenOperationException"},
		"blocked":                   {func(o *office) error { return both(o, func() error { return o.Block(nadia(o)) }) }, send(toNadia, message("hi")), "403 ConversationBlockedByUser"},
		"writes blocked":            {func(o *office) error { return both(o, func() error { return o.BlockWrites(nadia(o)) }) }, send(toNadia, message("hi")), "403 MessageWritesBlocked"},
		"history removed":           {func(o *office) error { return both(o, func() error { return o.RemoveHistory(nadia(o), false) }) }, send(toNadia, message("hi")), "404 ConversationNotFound"},
		"disabled":                  {func(o *office) error { return both(o, func() error { o.Disable(true); return nil }) }, send(toNadia, message("hi")), "403 BotDisabledByAdmin"},
		"not in the chat":           {nil, send(func(o *office) activity.ConversationID { return o.lunch }, message("hi")), "403 BotNotInConversationRoster"},
		"not in the team":           {nil, send(func(o *office) activity.ConversationID { return o.ops.ID }, message("hi")), "403 BotNotInConversationRoster"},
		"targeted, not in the chat": {nil, send(func(o *office) activity.ConversationID { return o.lunch }, message("hi"), connector.Targeted()), "404 BotNotInConversationRoster"},
		"a channel that is deleted": {func(o *office) error {
			return errors.Join(inTeam(o), o.Happen(context.Background(), o.ops.ID, "channelDeleted", ""))
		}, send(func(o *office) activity.ConversationID { return o.ops.ID }, message("hi")), "404 ConversationNotFound"},
		"no such thread":      {inTeam, send(func(o *office) activity.ConversationID { return o.ops.ID + ";messageid=1" }, message("hi")), "404 ConversationNotFound"},
		"too large":           {installed, send(toNadia, large), "413 MessageSizeTooBig"},
		"targeted, to nobody": {func(o *office) error { return o.Install(context.Background(), string(o.lunch), "") }, send(func(o *office) activity.ConversationID { return o.lunch }, message("hi"), connector.Targeted()), "400 BadArgument"},

		"create, by object id, not installed":  {nil, create(nadia, nil), "403 ForbiddenOperationException"},
		"create, by object id, only in a team": {inTeam, create(nadia, nil), "403 ForbiddenOperationException"},
		"create, by id, only in a team":        {inTeam, create(own, nil), "200"},
		"create, by id, nowhere":               {nil, create(own, nil), "403 ForbiddenOperationException"},
		"create, by object id":                 {installed, create(nadia, nil), "200"},
		"create, by address":                   {installed, create(func(o *office) string { return o.nadia.UPN }, nil), "400 BadSyntax"},
		"create, another bot's id":             {installed, create(func(*office) string { return "29:other" }, nil), "400 BadArgument"},
		"create, no tenant":                    {installed, create(nadia, func(p *activity.ConversationParameters) { p.TenantID = "" }), "400 BadArgument"},
		"create, another tenant":               {installed, create(nadia, func(p *activity.ConversationParameters) { p.TenantID = "x" }), "400 InvalidTenant"},
		"create, a group": {installed, create(nadia, func(p *activity.ConversationParameters) {
			p.Members = append(p.Members, activity.ChannelAccount{ID: "29:x"})
		}), "400 BadArgument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, nil)
			if c.before != nil {
				do(t, c.before(o))
			}
			if got := verdict(c.call(t.Context(), o)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestPersonalConversation: it is created once, found again after its history was removed, and what is said there is seen.
func TestPersonalConversation(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx, nadia := t.Context(), o.nadia.ObjectID
	do(t, o.Install(ctx, nadia, nadia))
	var ids []activity.ConversationID
	for _, who := range []string{nadia, string(o.nadia.ID), nadia} {
		c, err := o.client.CreateConversation(ctx, o.GlobalURL(), o.creation(who))
		do(t, err)
		ids = append(ids, c.ID)
	}
	if ids[0] != ids[1] || ids[1] != ids[2] || ids[0] != o.Personal(nadia) || !strings.HasPrefix(string(ids[0]), "a:1") {
		t.Errorf("created %q, want the same", ids)
	}
	sent, err := o.client.SendToConversation(ctx, o.ServiceURL(), ids[0], message("hi"))
	do(t, err)
	if _, err = o.client.UpdateActivity(ctx, o.ServiceURL(), ids[0], sent.ID, message("hello")); err != nil {
		t.Fatal(err)
	}
	do(t, o.RemoveHistory(nadia, false))
	again, err := o.client.CreateConversation(ctx, o.ServiceURL(), o.creation(nadia))
	do(t, err)
	do(t, o.RemoveHistory(nadia, true))
	anew, err := o.client.CreateConversation(ctx, o.ServiceURL(), o.creation(nadia))
	do(t, err)
	if again.ID != ids[0] || anew.ID == ids[0] || anew.ID != o.Personal(nadia) {
		t.Errorf("after the history was removed: %s, and %s; was %s", again.ID, anew.ID, ids[0])
	}
	if got := o.Channel().Ledger().Conversation(string(ids[0])).Messages; len(got) != 1 || got[0].ID != string(sent.ID) || !slices.Equal(got[0].Edits, []string{"hello"}) {
		t.Errorf("the ledger has %+v", got)
	}
}

// TestThreads: a post to a channel begins one, by itself or by creating it, and replies go into it.
func TestThreads(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx := t.Context()
	do(t, o.Install(ctx, string(o.ops.ID), o.ben.ObjectID))
	post, err := o.client.SendToConversation(ctx, o.ServiceURL(), o.ops.ID, message("first"))
	do(t, err)
	thread := o.ops.ID + ";messageid=" + activity.ConversationID(post.ID)
	if _, err = o.client.SendToConversation(ctx, o.ServiceURL(), thread, message("second")); err != nil {
		t.Fatal(err)
	}
	if _, err = o.client.ReplyToActivity(ctx, o.ServiceURL(), o.ops.ID, post.ID, message("third")); err != nil {
		t.Fatal(err)
	}
	if got := o.Channel().Ledger().Conversation(string(thread)).Texts(); !slices.Equal(got, []string{"first", "second", "third"}) {
		t.Errorf("the thread has %q", got)
	}
	params := activity.ConversationParameters{
		IsGroup: new(true), Bot: &activity.ChannelAccount{ID: o.Bot().ID}, TenantID: o.Tenant(), Activity: message("other"),
		ChannelData: []byte(`{"channel":{"id":"` + string(o.ops.ID) + `"}}`),
	}
	made, err := o.client.CreateConversation(ctx, o.ServiceURL(), params)
	do(t, err)
	if want := string(o.ops.ID) + ";messageid=" + string(made.ActivityID); string(made.ID) != want || made.ActivityID == "" || made.ID == thread {
		t.Errorf("created %s with %s, want another thread", made.ID, made.ActivityID)
	}
	where, err := o.Say(ctx, o.nadia.ObjectID, thread, "<at>Lantern</at> and?")
	do(t, err)
	if where != thread || len(o.Posts(thread)) != 4 || len(o.Posts(o.ops.ID)) != 5 {
		t.Errorf("said in %s; %d posts in the thread, %d in the channel", where, len(o.Posts(thread)), len(o.Posts(o.ops.ID)))
	}
}

// TestRoster: by one, by all, by page; and the channels of a team.
func TestRoster(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx := t.Context()
	var ids []string
	for i := range 450 {
		ids = append(ids, o.AddPerson(faketeams.Person{Name: fmt.Sprint("Person ", i)}).ObjectID)
	}
	all := o.AddTeam("Everybody", ids...)
	if _, err := o.client.PagedMembers(ctx, o.ServiceURL(), all.ID, 0, ""); verdict(err) != "403 BotNotInConversationRoster" {
		t.Errorf("members where the bot is not: %v", err)
	}
	do(t, o.Install(ctx, string(all.ID), ids[0]))
	seen, token, pages := map[string]bool{}, "", 0
	for pages == 0 || token != "" {
		page, err := o.client.PagedMembers(ctx, o.ServiceURL(), all.ID, 0, token)
		do(t, err)
		for _, m := range page.Members {
			seen[m.AADObjectID] = true
		}
		token, pages = page.ContinuationToken, pages+1
	}
	if len(seen) != 450 || pages != 3 {
		t.Errorf("%d people on %d pages, want 450 on 3", len(seen), pages)
	}
	one, err := o.client.Member(ctx, o.ServiceURL(), all.ID, activity.AccountID(ids[7]))
	do(t, err)
	if one.AADObjectID != ids[7] || !strings.HasPrefix(string(one.ID), "29:1") {
		t.Errorf("one member: %+v", one)
	}
	if _, err = o.client.Member(ctx, o.ServiceURL(), all.ID, "29:nobody"); verdict(err) != "404 MemberNotFoundInConversation" {
		t.Errorf("no such member: %v", err)
	}
	alerts, err := o.AddChannel(ctx, all.ID, "Alerts")
	do(t, err)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.ServiceURL()+"v3/teams/"+string(all.ID)+"/conversations", nil)
	do(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	do(t, err)
	defer resp.Body.Close()
	var got struct {
		Conversations []struct {
			ID   activity.ConversationID `json:"id"`
			Name *string                 `json:"name"`
		} `json:"conversations"`
	}
	do(t, json.UnmarshalRead(resp.Body, &got))
	if c := got.Conversations; len(c) != 2 || c[0].ID != all.ID || c[0].Name != nil || c[1].ID != alerts || *c[1].Name != "Alerts" {
		t.Errorf("channels: %+v", c)
	}
}

// TestWindows: each of the published windows is enforced, by conversation and for what it is of.
func TestWindows(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx := t.Context()
	do(t, o.Install(ctx, o.nadia.ObjectID, ""))
	do(t, o.Install(ctx, o.ben.ObjectID, ""))
	for name, c := range map[string]struct {
		most int
		call func() error
	}{
		"create": {7, func() error {
			_, err := o.client.CreateConversation(ctx, o.ServiceURL(), o.creation(o.nadia.ObjectID))
			return err
		}},
		"send": {7, func() error {
			_, err := o.client.SendToConversation(ctx, o.ServiceURL(), o.Personal(o.nadia.ObjectID), message("hi"))
			return err
		}},
		"members": {14, func() error {
			_, err := o.client.Members(ctx, o.ServiceURL(), o.Personal(o.nadia.ObjectID))
			return err
		}},
	} {
		got := make([]error, c.most+1) // at once: within the second
		var calls sync.WaitGroup
		for i := range got {
			calls.Go(func() { got[i] = c.call() })
		}
		calls.Wait()
		taken := 0
		for _, err := range got {
			if v := verdict(err); v == "200" {
				taken++
			} else if v != "429 Throttled" {
				t.Errorf("%s: %s", name, v)
			}
		}
		if taken != c.most {
			t.Errorf("%s: %d of %d at once are taken, want %d", name, taken, len(got), c.most)
		}
	}
	if _, err := o.client.CreateConversation(ctx, o.ServiceURL(), o.creation(o.ben.ObjectID)); err != nil {
		t.Errorf("another person's window: %v", err)
	}
}

// TestMoved: at an address that is not the tenant's any more nothing is found, and at the one for all regions it always is.
func TestMoved(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	ctx := t.Context()
	do(t, o.Install(ctx, o.nadia.ObjectID, ""))
	old := o.ServiceURL()
	o.Move("amer")
	for url, want := range map[string]string{old: "404 ConversationNotFound", o.ServiceURL(): "200", o.GlobalURL(): "200", o.URL() + "/amer/other": "400 InvalidTenant"} {
		if _, err := o.client.SendToConversation(ctx, url, o.Personal(o.nadia.ObjectID), message("hi")); verdict(err) != want {
			t.Errorf("at %s: %v, want %s", url, err, want)
		}
	}
}

// TestCommunityCloud: a tenant of the government's community cloud is reached at its own host only.
func TestCommunityCloud(t *testing.T) {
	t.Parallel()
	o := open(t, func(cfg *faketeams.Config) { cfg.GCC = true })
	do(t, o.Install(t.Context(), o.nadia.ObjectID, ""))
	_, err := o.client.SendToConversation(t.Context(), o.ServiceURL(), o.Personal(o.nadia.ObjectID), message("hi"))
	failed, _ := errors.AsType[*connector.Error](err)
	if verdict(err) != "403 InvalidBotApiHost" || failed.Host != "https://"+faketeams.GCCHost {
		t.Errorf("at another host: %v", err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.ServiceURL()+"v3/conversations/"+string(o.Personal(o.nadia.ObjectID))+"/members", nil)
	do(t, err)
	r.Host = faketeams.GCCHost
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	do(t, err)
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("at its own: %s", resp.Status)
	}
}

// tokens are the channel's.
type tokens string

func (k tokens) Token(context.Context) (string, error) { return string(k), nil }
func (tokens) Invalidate(string)                       {}

// TestGraphInstalls: what Graph installs is there for the channel, the bot is told of it, and the chat is the same.
func TestGraphInstalls(t *testing.T) {
	t.Parallel()
	o := open(t, func(cfg *faketeams.Config) { cfg.Channel.TLS = true })
	ctx := t.Context()
	g, err := graph.New(graph.Config{Tokens: tokens("t"), BaseURL: o.URL(), RootCAs: o.Channel().RootCAs(), AllowLoopback: true})
	do(t, err)
	guest := o.AddPerson(faketeams.Person{Name: "Gus", Guest: true})
	app, err := g.App(ctx, faketeams.AppID)
	do(t, err)
	person, err := g.User(ctx, "nadia@contoso.example")
	do(t, err)
	for range 2 { // the second time it is there already
		do(t, g.Install(ctx, graph.ForUser(person.ID), app.ID))
		do(t, o.Settle())
	}
	if got, want := o.heard(t), []string{"conversationUpdate +bot personal", "installationUpdate add personal"}; !slices.Equal(got, want) {
		t.Errorf("the bot is told %q, want %q", got, want)
	}
	installed, err := g.Installation(ctx, graph.ForUser(person.ID), app.ID)
	do(t, err)
	chat, err := g.Chat(ctx, person.ID, installed)
	do(t, err)
	if chat != string(o.Personal(o.nadia.ObjectID)) {
		t.Errorf("the chat is %s, want %s", chat, o.Personal(o.nadia.ObjectID))
	}
	transport := &http.Client{Transport: o.Channel().Transport()}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.Post(o.ServiceURL()+"v3/conversations/"+chat+"/activities", "application/json", strings.NewReader(`{"type":"message","text":"hi"}`))
	do(t, err)
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusCreated {
		t.Errorf("what Graph has installed cannot be written to: %s", resp.Status)
	}
	if err := o.Install(ctx, guest.ObjectID, guest.ObjectID); err == nil {
		t.Error("the app is installed for a guest")
	}
	if err := g.Install(ctx, graph.ForUser(guest.ObjectID), app.ID); err == nil {
		t.Error("Graph installs the app for a guest")
	}
	do(t, o.Uninstall(ctx, o.nadia.ObjectID, ""))
	if _, err := g.Installation(ctx, graph.ForUser(person.ID), app.ID); !errors.Is(err, graph.ErrNotInstalled) {
		t.Errorf("uninstalled by the person: Graph says %v", err)
	}
	do(t, g.Install(ctx, graph.InTeam(o.ops.Group), app.ID))
	do(t, o.Settle())
	if got := o.heard(t); len(got) != 3 || !strings.Contains(got[2], "installationUpdate add channel") {
		t.Errorf("the bot is told %q", got)
	}
}

// TestControl: a page does what a test does, and waits for what has changed.
// TestReceipts: the bot is told what people do with its messages, and with no others.
func TestReceipts(t *testing.T) {
	t.Parallel()
	o := open(t, nil)
	chat := o.Personal(o.nadia.ObjectID)
	if o.Read(t.Context(), o.nadia.ObjectID) == nil || o.React(t.Context(), o.nadia.ObjectID, chat, "1", "like", false) == nil {
		t.Error("somebody reads, or reacts to, what there is not")
	}
	do(t, o.Install(t.Context(), o.nadia.ObjectID, ""))
	_, err := o.Say(t.Context(), o.nadia.ObjectID, chat, "hi")
	do(t, err)
	sent, err := o.client.SendToConversation(t.Context(), o.ServiceURL(), chat, message("hello"))
	do(t, err)
	o.heard(t)
	do(t, o.Read(t.Context(), o.nadia.ObjectID))
	do(t, o.React(t.Context(), o.nadia.ObjectID, chat, string(sent.ID), "like", false))
	_, err = o.Do(t.Context(), faketeams.Deed{Do: "unreact", Who: o.nadia.ObjectID, Where: string(chat), Name: "like"})
	do(t, err)
	do(t, o.React(t.Context(), o.nadia.ObjectID, chat, o.Posts(chat)[0].ID, "like", false)) // to her own
	o.mu.Lock()
	told := o.told
	o.mu.Unlock()
	if len(told) != 3 {
		t.Fatalf("the bot is told %d things", len(told))
	}
	if want := fmt.Sprintf(`{"lastReadMessageId":%q}`, sent.ID); told[0].Name != teams.EventReadReceipt || string(told[0].Value) != want {
		t.Errorf("of reading it is told %s %s", told[0].Name, told[0].Value)
	}
	if a := told[1]; a.ReplyToID != sent.ID || len(a.ReactionsAdded) != 1 || a.ReactionsAdded[0].Type != activity.ReactionLike {
		t.Errorf("of the reaction it is told %+v", a)
	}
	if a := told[2]; a.ReplyToID != sent.ID || len(a.ReactionsRemoved) != 1 || a.From.ID != o.nadia.ID {
		t.Errorf("that it was taken back is told as %+v", a)
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	o := open(t, func(cfg *faketeams.Config) { cfg.Channel = fakechannel.Config{TLS: true} })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: o.Channel().RootCAs()}}}
	ask := func(method, path, body string, into any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, o.URL()+"/_teams/"+path, strings.NewReader(body))
		do(t, err)
		resp, err := client.Do(r)
		do(t, err)
		defer resp.Body.Close()
		do(t, json.UnmarshalRead(resp.Body, into))
		return resp.StatusCode
	}
	var made struct {
		ID string `json:"id"`
	}
	var state faketeams.State
	ask("GET", "state", "", &state)
	waited := make(chan int, 1)
	go func() { waited <- o.Await(t.Context(), state.Version) }()
	if status := ask("POST", "do", `{"do":"add_person","name":"Cleo"}`, &made); status != 200 || made.ID == "" {
		t.Fatalf("a person: %d %+v", status, made)
	}
	if v := <-waited; v <= state.Version {
		t.Errorf("version %d is waited for, and %d comes", state.Version, v)
	}
	ask("POST", "do", `{"do":"install","where":"`+made.ID+`"}`, &made)
	ask("GET", "state?after=0", "", &state)
	cleo := state.People[len(state.People)-1]
	if cleo.Name != "Cleo" || !cleo.Installed || len(state.Teams) != 1 || len(state.Chats) != 1 || state.ServiceURL != o.ServiceURL() {
		t.Errorf("the state is %+v", state)
	}
	if status := ask("POST", "do", `{"do":"say","who":"`+cleo.ObjectID+`","where":"`+string(cleo.Conversation)+`","text":"hi"}`, &made); status != 200 {
		t.Errorf("say: %d", status)
	}
	var posts struct {
		Posts []faketeams.Post `json:"posts"`
	}
	ask("GET", "posts?conversation="+string(cleo.Conversation), "", &posts)
	if len(posts.Posts) != 1 || posts.Posts[0].Name != "Cleo" {
		t.Errorf("posts: %+v", posts)
	}
	var wrong struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	for body, want := range map[string]int{`{"do":"fly"}`: 409, `{"do":"install","where":"x"}`: 409, `{"dont":1}`: 400, `{`: 400, `{"do":"add_team"}`: 409} {
		if status := ask("POST", "do", body, &wrong); status != want || wrong.Error.Message == "" && want == 409 {
			t.Errorf("%s: %d %+v, want %d", body, status, wrong, want)
		}
	}
	if got := o.heard(t); len(got) != 3 {
		t.Errorf("the bot is told %q", got)
	}
}
