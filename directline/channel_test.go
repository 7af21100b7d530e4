package directline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/store/memory"
)

var _ headsup.Channel = (*directline.Channel)(nil)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := directline.Config{
		BotID: "bot", Store: memory.New(), PublicURL: func() string { return "http://localhost" }, Secret: make([]byte, 32),
	}
	if _, err := directline.New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*directline.Config){
		"BotID":              func(c *directline.Config) { c.BotID = "" },
		"Store":              func(c *directline.Config) { c.Store = nil },
		"PublicURL":          func(c *directline.Config) { c.PublicURL = nil },
		"Secret":             func(c *directline.Config) { c.Secret = make([]byte, 31) },
		"AllowAnonymousBots": func(c *directline.Config) { c.AllowAnonymousBots = true },
		"BotTimeout":         func(c *directline.Config) { c.BotTimeout = -1 },
		"Origins":            func(c *directline.Config) { c.Origins = []string{"*"} },
		"https://a.b/":       func(c *directline.Config) { c.Origins = []string{"https://a.b/"} },
		`"null"`:             func(c *directline.Config) { c.Origins = []string{"null"} },
		"a.b":                func(c *directline.Config) { c.Origins = []string{"a.b"} },
	} {
		cfg := good
		change(&cfg)
		if _, err := directline.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestSendWithAKeyIsStoredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	var repeats sync.WaitGroup
	ids := make([]activity.ID, 20)
	for i := range ids {
		repeats.Go(func() {
			resp, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, activity.Message("once"), "delivery 1"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = resp.ID
		})
	}
	repeats.Wait()
	if len(slices.Compact(ids)) != 1 || ids[0] == "" {
		t.Errorf("the repeats returned %q", ids)
	}
	r.say(o, "twice", "")
	r.say(o, "twice", "")
	r.say(o, "other", "delivery 2")
	if got := texts(r.poll(o, "").Activities); !slices.Equal(got, []string{"once", "twice", "twice", "other"}) {
		t.Errorf("the history is %q", got)
	}
}

func TestSendSaysWhatAFailureMeans(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	huge := activity.Message(strings.Repeat("x", 257<<10))
	for _, tt := range []struct {
		name   string
		id     activity.ConversationID
		a      *activity.Activity
		reason string
	}{
		{"unknown", "AAAAAAAAAAAAAAAAAAAAAAAAAA-hu", activity.Message("hi"), "not_found"},
		{"not ours", "a:1kL-x_Y", activity.Message("hi"), "not_found"},
		{"too large", o.ConversationID, huge, "too_large"},
		{"not encodable", o.ConversationID, &activity.Activity{Type: "message", Value: []byte("{")}, "bad_argument"},
	} {
		_, err := r.ch.Send(t.Context(), outgoing(tt.id, tt.a, "k"))
		if e := headsup.MeaningOf(err); e == nil || e.Meaning != headsup.MeaningPermanent || e.Reason != tt.reason {
			t.Errorf("%s: %v, want permanent %s", tt.name, err, tt.reason)
		}
	}
	if got := r.ch.Capabilities(activity.Reference{}); got != (headsup.Capabilities{Update: true, Delete: true, Create: true, Once: true}) {
		t.Errorf("capabilities %+v", got)
	}
}

// failing is a store that cannot be read, or not be written either.
type failing struct {
	*memory.Store
	writes bool // they fail, too
	mu     sync.Mutex
	broken error // guarded by mu
}

func (f *failing) breakWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

func (f *failing) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

func (f *failing) History(ctx context.Context, id activity.ConversationID, after int64, limit int) ([]directline.Stored, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Store.History(ctx, id, after, limit)
}

func (f *failing) DirectLineConversation(ctx context.Context, id activity.ConversationID) (directline.Conversation, error) {
	if err := f.err(); err != nil {
		return directline.Conversation{}, err
	}
	return f.Store.DirectLineConversation(ctx, id)
}

func TestStoreThatFailsForAMomentLosesNoClient(t *testing.T) {
	t.Parallel()
	store := new(failing)
	r := newRig(t, nil, func(c *directline.Config) {
		store.Store = c.Store.(*memory.Store)
		c.Store = store
	})
	o := r.join("dl_ann")
	s := r.connect(o.StreamURL)
	store.breakWith(errors.New("disk on fire"))
	r.say(o, "hi", "")
	if set := r.poll(o, "0"); len(set.Activities) != 0 || *set.Watermark != "0" {
		t.Errorf("the poll showed %+v", set)
	}
	if a := r.do("GET", o.path(), o.Token, nil); a.status != 500 || a.code(t) != "ServiceError" || strings.Contains(string(a.body), "fire") {
		t.Errorf("reconnect: %d %s", a.status, a.body)
	}
	store.breakWith(nil)
	if got := texts(s.read(1)); got[0] != "hi" {
		t.Errorf("the stream shows %q", got)
	}
	if set := r.poll(o, "0"); len(set.Activities) != 1 {
		t.Errorf("the poll showed %+v", set)
	}
}

func (f *failing) Append(
	ctx context.Context, id activity.ConversationID, key string, body jsontext.Value, at time.Time,
) (int64, bool, error) {
	if err := f.err(); err != nil && f.writes {
		return 0, false, err
	}
	return f.Store.Append(ctx, id, key, body, at)
}

func TestFailureOfTheStoreIsWorthARepeatWithAKey(t *testing.T) {
	t.Parallel()
	store := &failing{writes: true}
	r := newRig(t, nil, func(c *directline.Config) {
		store.Store = c.Store.(*memory.Store)
		c.Store = store
	})
	o := r.join("dl_ann")
	store.breakWith(errors.New("disk on fire"))
	for key, want := range map[string]headsup.Meaning{"": headsup.MeaningUnknown, "k": headsup.MeaningTransient} {
		_, err := r.ch.Send(t.Context(), outgoing(o.ConversationID, activity.Message("hi"), key))
		if got := headsup.MeaningOf(err); got.Meaning != want {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestBotOpensAConversation(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	creation := headsup.Creation{
		ChannelID: activity.ChannelDirectLine,
		Parameters: activity.ConversationParameters{
			Bot:      &activity.ChannelAccount{ID: "bot"},
			Members:  []activity.ChannelAccount{{ID: "dl_ann", Name: "Ann"}},
			Activity: activity.Message("first"),
		},
		Key: "delivery 1",
	}
	var refs []activity.Reference
	for range 2 {
		ref, err := r.bot.Create(t.Context(), creation, headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
			_, err := turn.Say(ctx, "second")
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	id := refs[0].Conversation.ID
	if refs[1].Conversation.ID != id || refs[0].ServiceURL != r.srv.URL || !r.ch.Takes(activity.ChannelDirectLine, id) {
		t.Fatalf("created %+v and %+v", refs[0], refs[1])
	}
	if n := len(r.told()); n != 0 {
		t.Errorf("the bot heard %d activities before anybody came", n)
	}
	convs, err := r.store.DirectLineConversations(t.Context(), appID, "dl_ann", 10)
	if err != nil || len(convs) != 1 || !convs[0].ByBot || convs[0].Started || convs[0].User.Name != "Ann" {
		t.Fatalf("kept %+v, %v", convs, err)
	}
	token, err := r.ch.MintToken(t.Context(), directline.MintRequest{User: activity.ChannelAccount{ID: "dl_ann"}, ConversationID: id})
	if err != nil {
		t.Fatal(err)
	}
	a := r.do("POST", "/v3/directline/conversations", token.Token, nil)
	if a.status != 201 {
		t.Fatalf("start: %d %s", a.status, a.body)
	}
	s := r.connect(decode[opened](t, a).StreamURL)
	if got := texts(s.read(3)); !slices.Equal(got, []string{"first", "second", "second"}) {
		t.Errorf("she finds %q", got)
	}
	if told := r.told(); len(told) != 0 {
		t.Errorf("the bot heard %+v of a conversation that it opened itself", told)
	}

	other := creation
	other.Key = "delivery 2"
	if resource, err := r.ch.Create(t.Context(), other); err != nil || resource.ID == id || resource.ActivityID == "" {
		t.Errorf("another key gave %+v, %v", resource, err)
	}
	for _, members := range [][]activity.ChannelAccount{nil, {{ID: "bot"}}, {{ID: "a"}, {ID: "b"}}} {
		other.Parameters.Members = members
		if _, err := r.ch.Create(t.Context(), other); headsup.MeaningOf(err) == nil || headsup.MeaningOf(err).Reason != "bad_argument" {
			t.Errorf("members %v: %v", members, err)
		}
	}
}

func TestProactiveMessageReachesWhoIsConnected(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	o := r.join("dl_ann")
	r.post(o, message("remember me"))
	told := r.told()
	ref := told[len(told)-1].Reference()
	s := r.connect(r.reconnect(o, "").StreamURL)
	err := r.bot.Continue(t.Context(), ref, headsup.HandlerFunc(func(ctx context.Context, turn *headsup.Turn) error {
		_, err := turn.Say(ctx, "heads up")
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.read(1); got[0].Text != "heads up" || got[0].Recipient.ID != "dl_ann" {
		t.Errorf("the stream shows %+v", got[0])
	}
}
