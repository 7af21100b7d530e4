package teams_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/store/memory"
	"github.com/headsup-bot/headsup/teams"
)

// vector is an activity as Teams sends it.
func vector(t *testing.T, name string) *activity.Activity {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../activity/testdata/vectors", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Input jsontext.Value `json:"input"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	a, err := activity.Decode(v.Input)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// canonical is JSON with its members in order.
func canonical(raw jsontext.Value) string {
	raw = raw.Clone()
	if len(raw) == 0 || raw.Canonicalize() != nil {
		return string(raw)
	}
	return string(raw)
}

// hears is a bot with routes. It returns what the handlers noted of an activity, and the answer to an invoke.
func hears(t *testing.T, routes func(r teams.Routes, note func(string, ...any))) func(a *activity.Activity) (string, headsup.Answer, error) {
	t.Helper()
	var noted []string
	mux := headsup.NewMux()
	routes(teams.Routes{Mux: mux}, func(format string, args ...any) { noted = append(noted, fmt.Sprintf(format, args...)) })
	bot, err := headsup.New(headsup.Config{AppID: "app", Channel: &bottest.Recorder{}, Turns: memory.New()}, mux)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return func(a *activity.Activity) (string, headsup.Answer, error) {
		n++
		a = a.Clone()
		a.ID = activity.ID(fmt.Sprint(n)) // each is another
		noted = nil
		answer, err := bot.Process(t.Context(), auth.Identity{Kind: auth.KindDevelopment}, a)
		return strings.Join(noted, "; "), answer, err
	}
}

func TestWhatTeamsSaysIsRead(t *testing.T) {
	t.Parallel()
	d := teams.DataOf(vector(t, "message-teams-channel-reply"))
	if d.Team == nil || d.Team.Name != "Night Shift" || d.Team.GroupID != "93c0a1de-57b8-4e2f-9a46-18d7f3b5c620" || d.Channel == nil ||
		d.Channel.ID != "19:8e2bf0c4d7a146c39f51ab20de6f7c93@thread.tacv2" || d.Tenant == nil || d.Meeting != nil || len(d.Extra) == 0 {
		t.Errorf("%+v", d)
	}
	if d := teams.DataOf(vector(t, "message-teams-meeting")); d.Meeting == nil || d.Meeting.ID == "" || d.Source == nil || d.Source.Name != "message" {
		t.Errorf("%+v", d)
	}
	if d := teams.DataOf(vector(t, "message-primitive-channeldata")); d.Event != "" || d.Tenant != nil {
		t.Errorf("of something else: %+v", d)
	}
	a := activity.Message("x")
	a.ChannelData = jsontext.Value(`{"mine":1,"notification":{"alert":false}}`)
	if err := teams.Alert(a); err != nil || string(a.ChannelData) != `{"mine":1,"notification":{"alert":true}}` {
		t.Errorf("%s: %v", a.ChannelData, err)
	}
	a.ChannelData = nil
	if err := teams.Alert(a); err != nil || string(a.ChannelData) != `{"notification":{"alert":true}}` {
		t.Errorf("%s: %v", a.ChannelData, err)
	}
	if !teams.Personal(vector(t, "message-teams-personal")) || teams.Personal(vector(t, "message-teams-groupchat")) {
		t.Error("who is alone with the bot")
	}
}

func TestThreads(t *testing.T) {
	t.Parallel()
	const channel = "19:8e2bf0c4d7a146c39f51ab20de6f7c93@thread.tacv2"
	for _, c := range []struct {
		channel activity.ConversationID
		root    activity.ID
		want    activity.ConversationID
	}{
		{channel, "1719820911000", channel + ";messageid=1719820911000"},
		{channel + ";messageid=1", "1719820911000", channel + ";messageid=1719820911000"},
		{channel, "", ""}, {channel, "0", ""}, {channel, "f:77aa", ""}, {channel, "-1", ""}, {channel, "1;x=2", ""},
	} {
		got, err := teams.Thread(c.channel, c.root)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s, %s: %s, %v", c.channel, c.root, got, err)
		}
		if err != nil {
			continue
		}
		if back, root := teams.Post(got); back != channel || root != c.root {
			t.Errorf("%s is %s and %s", got, back, root)
		}
	}
	if back, root := teams.Post(channel); back != channel || root != "" {
		t.Errorf("a channel is %s and %s", back, root)
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	heard := vector(t, "message-teams-channel-root")
	if people := teams.Mentioned(heard); len(people) != 0 {
		t.Errorf("besides the bot it names %+v", people)
	}
	if said := teams.Said(heard); strings.Contains(said, "<at>") || said == "" {
		t.Errorf("it says %q", said)
	}
	nadia := activity.ChannelAccount{ID: "29:1q", Name: "Nadia <3"}
	for text, want := range map[string]string{
		"Well done, @{Nadia <3}! @{Nadia <3}?": "Well done, <at>Nadia &lt;3</at>! <at>Nadia &lt;3</at>?",
		"well done":                            "<at>Nadia &lt;3</at> well done",
		"":                                     "<at>Nadia &lt;3</at>",
	} {
		a := activity.Message(text)
		if err := teams.Mention(a, nadia); err != nil || a.Text != want || len(a.Entities) != 1 {
			t.Fatalf("%q: %v, %+v", a.Text, err, a.Entities)
		}
		m, ok := a.Entities[0].Mention()
		if !ok || m.Mentioned.ID != "29:1q" || !strings.Contains(a.Text, m.Text) {
			t.Errorf("%+v in %q", m, a.Text)
		}
		if people := teams.Mentioned(a); len(people) != 1 || people[0].ID != nadia.ID {
			t.Errorf("it names %+v", people)
		}
	}
	if err := teams.Mention(activity.Message(""), activity.ChannelAccount{ID: "x"}); err == nil {
		t.Error("somebody without a name")
	}
}

// TestEventsFindTheirRoutes: by what Teams calls them, in whatever letter case; others go on.
func TestEventsFindTheirRoutes(t *testing.T) {
	t.Parallel()
	hear := hears(t, func(r teams.Routes, note func(string, ...any)) {
		r.Event(func(_ context.Context, _ *headsup.Turn, d teams.Data) error {
			note("%s %s in %s", d.Event, d.Channel.Name, d.Team.Name)
			return nil
		}, teams.ChannelCreated, teams.ChannelRenamed)
		r.Event(func(context.Context, *headsup.Turn, teams.Data) error { note("restored"); return nil }, teams.TeamRestored)
		r.Installed(func(_ context.Context, t *headsup.Turn, d teams.Data) error {
			note("installed by %s from %s", t.Activity().From.Name, d.Source.Name)
			return nil
		})
		r.Uninstalled(func(context.Context, *headsup.Turn, teams.Data) error { note("removed"); return nil })
		r.Read(func(_ context.Context, _ *headsup.Turn, last activity.ID) error {
			note("read up to %s", last)
			return nil
		})
		r.Mux.Otherwise(func(_ context.Context, t *headsup.Turn) error { note("other"); return nil })
	})
	restored := vector(t, "conversationUpdate-teams-channel-renamed")
	restored.ChannelData = jsontext.Value(`{"eventType":"teamrestored","team":{"id":"19:x"}}`)
	unknown := restored.Clone()
	unknown.ChannelData = jsontext.Value(`{"eventType":"teamPainted"}`)
	receipt := vector(t, "event-teams-read-receipt")
	receipt.Value = jsontext.Value(`{}`)
	for _, c := range []struct {
		a    *activity.Activity
		want string
	}{
		{vector(t, "conversationUpdate-teams-channel-renamed"), "channelRenamed status-new in Night Shift"},
		{restored, "restored"},
		{unknown, "other"},
		{vector(t, "installationUpdate-add-personal"), "installed by Nadia Verne from message"},
		{vector(t, "installationUpdate-add-upgrade"), "other"},
		{vector(t, "installationUpdate-remove-team"), "removed"},
		{vector(t, "event-teams-read-receipt"), "read up to 1719820800123"},
		{receipt, ""},
		{vector(t, "message-teams-personal"), "other"},
	} {
		if got, _, err := hear(c.a); got != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", c.a.ChannelData, got, err, c.want)
		}
	}
}

// TestInvokesAreAnsweredAsTeamsWantsIt: cards, dialogs and message extensions.
func TestInvokesAreAnsweredAsTeamsWantsIt(t *testing.T) {
	t.Parallel()
	card := jsontext.Value(`{"type":"AdaptiveCard","version":"1.5"}`)
	hear := hears(t, func(r teams.Routes, note func(string, ...any)) {
		r.Action("approve", func(_ context.Context, _ *headsup.Turn, a teams.Action) (teams.Answer, error) {
			note("%s on %s, refresh %v", canonical(a.Data), a.Card, a.Refresh)
			return teams.ShowCard(card), nil
		})
		r.Action("thank", func(context.Context, *headsup.Turn, teams.Action) (teams.Answer, error) {
			return teams.ShowText("You're welcome."), nil
		})
		r.Action("wrong", func(context.Context, *headsup.Turn, teams.Action) (teams.Answer, error) {
			return teams.Fail(400, "BadJob", "There is no such job."), nil
		})
		r.Action("broken", func(context.Context, *headsup.Turn, teams.Action) (teams.Answer, error) {
			return teams.Answer{}, errors.New("secret")
		})
		r.Tasks(func(context.Context, *headsup.Turn, jsontext.Value) (teams.Task, error) {
			return teams.CardTask("Survey", teams.TaskSize{Width: "small", Height: 300}, card), nil
		}, func(_ context.Context, _ *headsup.Turn, data jsontext.Value) (teams.Task, error) {
			if string(data) == `{"more":true}` {
				return teams.PageTask("More", teams.TaskSize{Width: 400, Height: "large"}, "https://example.com/"), nil
			}
			return teams.EndTask(strings.Trim(string(data), `"`)), nil
		})
		r.Search("jobs", func(_ context.Context, _ *headsup.Turn, q teams.Query) ([]teams.Result, error) {
			if q.Text == "" {
				return nil, nil
			}
			return []teams.Result{{Title: q.Text, Text: fmt.Sprint(q.Skip, q.Count), Content: card}}, nil
		})
	})
	verb := func(verb, trigger string) *activity.Activity {
		a := vector(t, "invoke-adaptivecard-action")
		a.Value = jsontext.Value(`{"action":{"type":"Action.Execute","verb":"` + verb + `","data":{"job":17}},"trigger":"` + trigger + `"}`)
		return a
	}
	named := func(name, value string) *activity.Activity {
		a := vector(t, "invoke-task-fetch")
		a.Name, a.Value = name, jsontext.Value(value)
		return a
	}
	const query = `{"commandId":"jobs","parameters":[{"name":"q","value":"%s"}],"queryOptions":{"skip":5,"count":25}}`
	for name, c := range map[string]struct {
		a           *activity.Activity
		noted, body string
		status      int
		failed      bool
	}{
		"action":    {a: vector(t, "invoke-adaptivecard-action"), noted: `{"jobId":"17"} on 1719821999000, refresh false`, body: `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":{"type":"AdaptiveCard","version":"1.5"}}`},
		"refresh":   {a: verb("APPROVE", "automatic"), noted: `{"job":17} on 1719821999000, refresh true`, body: `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":{"type":"AdaptiveCard","version":"1.5"}}`},
		"text":      {a: verb("thank", "manual"), body: `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"You're welcome."}`},
		"failure":   {a: verb("wrong", "manual"), body: `{"statusCode":400,"type":"application/vnd.microsoft.error","value":{"code":"BadJob","message":"There is no such job."}}`},
		"error":     {a: verb("broken", "manual"), status: 500, failed: true},
		"no verb":   {a: verb("unknown", "manual"), status: 501},
		"fetch":     {a: vector(t, "invoke-task-fetch"), body: `{"task":{"type":"continue","value":{"card":{"content":{"type":"AdaptiveCard","version":"1.5"},"contentType":"application/vnd.microsoft.card.adaptive"},"height":300,"title":"Survey","width":"small"}}}`},
		"submit":    {a: named("task/submit", `{"data":"Thanks."}`), body: `{"task":{"type":"message","value":"Thanks."}}`},
		"close":     {a: named("task/submit", `{"data":""}`), body: ``},
		"more":      {a: named("task/submit", `{"data":{"more":true}}`), body: `{"task":{"type":"continue","value":{"height":"large","title":"More","url":"https://example.com/","width":400}}}`},
		"no object": {a: named("task/submit", `7`), status: 500, failed: true},
		"search":    {a: named("composeExtension/query", fmt.Sprintf(query, "build")), body: `{"composeExtension":{"attachmentLayout":"list","attachments":[{"content":{"type":"AdaptiveCard","version":"1.5"},"contentType":"application/vnd.microsoft.card.adaptive","preview":{"content":{"text":"5 25","title":"build"},"contentType":"application/vnd.microsoft.card.thumbnail"}}],"type":"result"}}`},
		"nothing":   {a: named("composeExtension/query", fmt.Sprintf(query, "")), body: `{"composeExtension":{"attachmentLayout":"list","attachments":[],"type":"result"}}`},
		"command":   {a: named("composeExtension/query", `{"commandId":"others"}`), status: 501},
	} {
		noted, answer, err := hear(c.a)
		if (err != nil) != c.failed {
			t.Errorf("%s: %v", name, err)
		}
		if c.failed {
			continue
		}
		status := max(c.status, 200)
		if noted != c.noted || answer.Status != status || canonical(answer.Body) != c.body && c.status == 0 {
			t.Errorf("%s: noted %q, %d %s; want %q, %d %s", name, noted, answer.Status, answer.Body, c.noted, status, c.body)
		}
	}
}
