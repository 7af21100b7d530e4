package directline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func dl(names ...string) []activity.ChannelAccount {
	var people []activity.ChannelAccount
	for _, n := range names {
		people = append(people, activity.ChannelAccount{ID: activity.AccountID("dl_" + strings.ToLower(n)), Name: n})
	}
	return people
}

// open makes a conversation and gives each member a token for it.
func (r *rig) open(kind directline.Kind, members ...string) (directline.Conversation, []opened) {
	r.t.Helper()
	conv, err := r.ch.Open(r.t.Context(), directline.OpenRequest{Kind: kind, Name: "Ops", Members: dl(members...)})
	if err != nil {
		r.t.Fatal(err)
	}
	var tokens []opened
	for _, m := range dl(members...) {
		tokens = append(tokens, r.enter(conv.ID, m))
	}
	return conv, tokens
}

// enter gets a token for somebody's conversation and starts it.
func (r *rig) enter(id activity.ConversationID, who activity.ChannelAccount) opened {
	r.t.Helper()
	tok, err := r.ch.MintToken(r.t.Context(), directline.MintRequest{User: who, ConversationID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	a := r.do("POST", "/v3/directline/conversations", tok.Token, nil)
	if a.status >= 300 {
		r.t.Fatalf("start: %d %s", a.status, a.body)
	}
	return decode[opened](r.t, a)
}

func summary(a *activity.Activity) string {
	s := string(a.Type)
	for _, m := range a.MembersAdded {
		s += " +" + string(m.ID)
	}
	for _, m := range a.MembersRemoved {
		s += " -" + string(m.ID)
	}
	if a.Action != "" {
		s += " " + string(a.Action)
	}
	if a.Text != "" {
		s += " " + string(a.From.ID) + ": " + a.Text
	}
	return s
}

func (r *rig) expectTold(from int, want ...string) []*activity.Activity {
	r.t.Helper()
	all := r.told()[from:]
	var got []string
	for _, a := range all {
		got = append(got, summary(a))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("the bot heard %q, want %q", got, want)
	}
	return all
}

func TestGroupIsOneConversationOfSeveral(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(ctx context.Context, turn *headsup.Turn) error {
		if turn.Activity().Type != activity.TypeMessage {
			return nil
		}
		_, err := turn.Say(ctx, "to all")
		return err
	}, anonymous)
	conv, who := r.open(directline.KindGroup, "Ann", "Bob")
	streams := []*socket{r.connect(who[0].StreamURL), r.connect(who[1].StreamURL)}
	r.post(who[1], map[string]any{"type": "message", "text": "hi", "from": map[string]string{"id": "dl_ann"}})
	for i, s := range streams {
		got := s.read(2)
		if want := []string{"hi", "to all"}; !slices.Equal(texts(got), want) || got[0].From.ID != "dl_bob" || got[0].From.Name != "Bob" {
			t.Errorf("member %d sees %q from %+v", i, texts(got), got[0].From)
		}
	}
	told := r.expectTold(0, "conversationUpdate +bot", "conversationUpdate +dl_ann +dl_bob", "message dl_bob: hi")
	for _, a := range told {
		c := a.Conversation
		if c.ID != conv.ID || !c.Group() || c.ConversationType != activity.ConversationGroupChat || c.Name != "Ops" {
			t.Errorf("%s is in conversation %+v", a.Type, c)
		}
	}
	members := decode[[]activity.ChannelAccount](t, r.do("GET", "/v3/conversations/"+string(conv.ID)+"/members", "", nil))
	if len(members) != 3 || members[1].ID != "dl_ann" || members[2].ID != "dl_bob" {
		t.Errorf("members %+v", members)
	}
	if a := r.do("GET", "/v3/conversations/"+string(conv.ID)+"/members/dl_bob", "", nil); a.status != 200 {
		t.Errorf("one member: %d %s", a.status, a.body)
	}
	if _, err := r.ch.MintToken(t.Context(), directline.MintRequest{User: dl("Cem")[0], ConversationID: conv.ID}); !errors.Is(err, directline.ErrNotFound) {
		t.Errorf("a stranger's token: %v", err)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conv, who := r.open(directline.KindGroup, "Ann", "Bob")
	bob := r.connect(who[1].StreamURL)
	before := len(r.told())
	got, err := r.ch.AddMembers(t.Context(), conv.ID, dl("Cem", "Bob"))
	if err != nil || len(got.Members) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	cem := r.enter(conv.ID, dl("Cem")[0])
	r.post(cem, message("here"))
	if got, err = r.ch.RemoveMember(t.Context(), conv.ID, "dl_bob"); err != nil || len(got.Members) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if why := bob.closed(); why.Reason != "removed" {
		t.Errorf("closed with %+v", why)
	}
	for _, request := range []string{"GET " + who[1].path(), "GET " + who[1].path() + "/activities", "POST " + who[1].path() + "/activities",
		"POST /v3/directline/conversations", "POST /v3/directline/tokens/refresh"} {
		method, path, _ := strings.Cut(request, " ")
		if a := r.do(method, path, who[1].Token, `{"type":"message","text":"x"}`); a.status != http.StatusForbidden {
			t.Errorf("who was removed: %s: %d %s", request, a.status, a.body)
		}
	}
	if _, err = r.ch.RemoveMember(t.Context(), conv.ID, "dl_bob"); !errors.Is(err, directline.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := r.ch.AddMembers(t.Context(), conv.ID, dl("Bob")); err != nil {
		t.Fatal(err)
	}
	r.expectTold(before, "conversationUpdate +dl_cem", "message dl_cem: here", "conversationUpdate -dl_bob", "conversationUpdate +dl_bob")
	o := r.join("dl_ann")
	var wrong *directline.ArgumentError
	if _, err := r.ch.AddMembers(t.Context(), o.ConversationID, dl("Bob")); !errors.As(err, &wrong) {
		t.Errorf("a second person in a personal conversation: %v", err)
	}
}

func threadAt(t *testing.T, a *activity.Activity) activity.ID {
	t.Helper()
	data, _ := activity.Member(a.ChannelData, "headsup")
	thread, _ := activity.Member(data, "thread")
	return activity.ID(strings.Trim(string(thread), `"`))
}

func TestChannelHasThreads(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(ctx context.Context, turn *headsup.Turn) error {
		if turn.Activity().Type != activity.TypeMessage {
			return nil
		}
		_, err := turn.Say(ctx, "answer to "+turn.Activity().Text)
		return err
	}, anonymous)
	conv, who := r.open(directline.KindChannel, "Ann", "Bob")
	stream := r.connect(who[1].StreamURL)
	in := func(thread activity.ID, text string) map[string]any {
		return map[string]any{"type": "message", "text": text, "channelData": map[string]any{"mine": 1, "headsup": map[string]any{"thread": thread}}}
	}
	one := r.post(who[0], message("one"))
	two := r.post(who[1], message("two"))
	again := r.post(who[1], in(one, "more of one"))

	// The bot speaks first: into the channel, which begins a thread, and into threads, by both ways of the protocol.
	sent, err := r.ch.Send(t.Context(), outgoing(conv.ID, activity.Message("news"), "k1"))
	if err != nil {
		t.Fatal(err)
	}
	thread := func(root activity.ID) activity.ConversationID {
		return conv.ID + ";messageid=" + activity.ConversationID(root)
	}
	if _, err := r.ch.Send(t.Context(), outgoing(thread(two), activity.Message("late news"), "k2")); err != nil {
		t.Fatal(err)
	}
	created, err := r.ch.Create(t.Context(), headsup.Creation{ChannelID: activity.ChannelDirectLine, Key: "k3", Parameters: activity.ConversationParameters{
		IsGroup: new(true), ChannelData: []byte(fmt.Sprintf(`{"channel":{"id":%q}}`, conv.ID)), Activity: activity.Message("created"),
	}})
	if err != nil || created.ID != thread(created.ActivityID) {
		t.Fatalf("%+v, %v", created, err)
	}
	if a := r.do("POST", "/v3/conversations/"+string(created.ID)+"/activities", "", `{"type":"message","text":"by HTTP"}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}

	want := []struct {
		text string
		root activity.ID
	}{{"one", one}, {"answer to one", one}, {"two", two}, {"answer to two", two}, {"more of one", one}, {"answer to more of one", one},
		{"news", sent.ID}, {"late news", two}, {"created", created.ActivityID}, {"by HTTP", created.ActivityID}}
	streamed, polled := stream.read(len(want)), r.poll(who[0], "").Activities
	for i, w := range want {
		for _, a := range []*activity.Activity{streamed[i], polled[i]} {
			if a.Text != w.text || threadAt(t, a) != w.root || a.Conversation.ID != conv.ID {
				t.Errorf("%d: %q in thread %q of %q, want %+v", i, a.Text, threadAt(t, a), a.Conversation.ID, w)
			}
		}
	}
	if mine, _ := activity.Member(polled[4].ChannelData, "mine"); string(mine) != "1" {
		t.Errorf("channel data of clients is lost: %s", polled[4].ChannelData)
	}
	told := r.expectTold(0, "conversationUpdate +bot", "conversationUpdate +dl_ann +dl_bob", "message dl_ann: one", "message dl_bob: two", "message dl_bob: more of one")
	for i, id := range []activity.ConversationID{conv.ID, conv.ID, thread(one), thread(two), thread(one)} {
		c := told[i].Conversation
		if c.ID != id || !c.Group() || c.ConversationType != activity.ConversationChannel {
			t.Errorf("%d: the bot is told of conversation %+v, want %s", i, c, id)
		}
		if team, _ := activity.Member(told[i].ChannelData, "teamsChannelId"); string(team) != fmt.Sprintf("%q", conv.ID) {
			t.Errorf("%d: channel data %s", i, told[i].ChannelData)
		}
	}
	if told[4].ReplyToID != one || told[4].ID != again {
		t.Errorf("a reply is told with id %q to %q", told[4].ID, told[4].ReplyToID)
	}
	for _, bad := range []activity.ID{again, "1", "x", "1000000009999", activity.ID(string(conv.ID) + "|0000001")} {
		if a := r.do("POST", who[0].path()+"/activities", who[0].Token, in(bad, "x")); a.status != 400 {
			t.Errorf("a post in thread %q: %d %s", bad, a.status, a.body)
		}
		if a := r.do("POST", "/v3/conversations/"+string(thread(bad))+"/activities", "", `{"type":"message","text":"x"}`); a.status != 404 {
			t.Errorf("the bot speaks in thread %q: %d %s", bad, a.status, a.body)
		}
	}
	if !r.ch.Takes(activity.ChannelDirectLine, thread(one)) {
		t.Error("threads are not taken")
	}
}

func TestBotIsTakenOutAndComesBack(t *testing.T) {
	t.Parallel()
	for kind, tt := range map[directline.Kind]struct {
		reason, code string
		gone         []string
	}{
		directline.KindPersonal: {"blocked", "MessageWritesBlocked", []string{"installationUpdate remove"}},
		directline.KindGroup:    {"not_in_conversation", "BotNotInConversationRoster", []string{"conversationUpdate -bot", "installationUpdate remove"}},
		directline.KindChannel:  {"not_in_conversation", "BotNotInConversationRoster", []string{"conversationUpdate -bot", "installationUpdate remove"}},
	} {
		r := newRig(t, nil, anonymous)
		conv, who := r.open(kind, "Ann")
		before := len(r.told())
		if err := r.ch.Uninstall(t.Context(), conv.ID); err != nil {
			t.Fatal(err)
		}
		r.expectTold(before, tt.gone...)
		_, err := r.ch.Send(t.Context(), outgoing(conv.ID, activity.Message("x"), "k"))
		if e := headsup.MeaningOf(err); e.Meaning != headsup.MeaningPermanent || e.Reason != tt.reason || e.Status != 403 {
			t.Errorf("%s: sending: %v", kind, err)
		}
		if a := r.do("POST", "/v3/conversations/"+string(conv.ID)+"/activities", "", `{"type":"message","text":"x"}`); a.status != 403 || a.code(t) != tt.code {
			t.Errorf("%s: sending by HTTP: %d %s", kind, a.status, a.body)
		}
		before = len(r.told())
		r.post(who[0], message("anybody there?"))
		r.expectTold(before)
		if err := r.ch.Install(t.Context(), conv.ID); err != nil {
			t.Fatal(err)
		}
		r.post(who[0], message("now?"))
		r.expectTold(before, "conversationUpdate +bot", "installationUpdate add", "message dl_ann: now?")
		if got := texts(r.poll(who[0], "").Activities); !slices.Equal(got, []string{"anybody there?", "now?"}) {
			t.Errorf("%s: people see %q", kind, got)
		}
	}
}

func TestRenamedPeopleSpeakUnderTheirNewName(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conv, who := r.open(directline.KindGroup, "Ann", "Bob")
	_, alone := r.open(directline.KindPersonal, "Ann")
	if err := r.ch.Rename(t.Context(), activity.ChannelAccount{ID: "dl_ann", Name: "Änne"}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []opened{who[0], alone[0]} {
		r.post(o, message("hi"))
		if got := r.poll(o, "").Activities[0].From; got.Name != "Änne" {
			t.Errorf("says it as %+v", got)
		}
	}
	if _, err := r.ch.AddMembers(t.Context(), conv.ID, dl("Cem")); err != nil {
		t.Fatal(err)
	}
}

func TestOpeningSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for field, req := range map[string]directline.OpenRequest{
		"kind":       {Kind: "crowd", Members: dl("Ann")},
		"name":       {Kind: directline.KindGroup, Name: strings.Repeat("x", 300), Members: dl("Ann")},
		"members":    {Kind: directline.KindPersonal, Members: dl("Ann", "Bob")},
		"members[1]": {Kind: directline.KindGroup, Members: append(dl("Ann"), activity.ChannelAccount{ID: "bob"})},
		"creator":    {Kind: directline.KindGroup, Members: dl("Ann"), Creator: "dl_bob"},
	} {
		_, err := r.ch.Open(t.Context(), req)
		var wrong *directline.ArgumentError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%+v: %v, want one about %s", req, err, field)
		}
	}
	if _, err := r.ch.Open(t.Context(), directline.OpenRequest{Kind: directline.KindGroup}); err == nil {
		t.Error("a group of nobody was opened")
	}
}

// TestBotHearsInTheOrderOfTheHistory lets many speak at once.
func TestBotHearsInTheOrderOfTheHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conv, who := r.open(directline.KindGroup, "Ann", "Bob", "Cem")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() { r.post(who[i%3], message(fmt.Sprint(i))) })
	}
	wg.Wait()
	var heard []string
	for _, a := range r.told() {
		if a.Type == activity.TypeMessage {
			heard = append(heard, a.Text)
		}
	}
	if said := texts(r.poll(who[0], "").Activities); !slices.Equal(said, heard) {
		t.Errorf("in %s people said %q, and the bot heard %q", conv.ID, said, heard)
	}
}

func TestLookingAtAStreamDoesNotUseItUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	for _, method := range []string{"GET", "HEAD"} {
		if a := r.do(method, strings.TrimPrefix(strings.Replace(o.StreamURL, "ws://", "http://", 1), r.srv.URL), "", nil); a.status != http.StatusUpgradeRequired {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
	s := r.connect(o.StreamURL)
	r.say(o, "still here", "")
	if got := texts(s.read(1)); got[0] != "still here" {
		t.Errorf("the stream shows %q", got)
	}
}
