package proactive_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/sqlite"
	"github.com/headsup-bot/headsup/teams"
)

// channelOfTeams answers as Teams does: ids are numbers, messages stand where they were sent, and what has text and
// attachments is said as two, of which no id is told.
type channelOfTeams struct {
	mu   sync.Mutex
	last int
	said map[string][]string // what stands in a conversation, as id and text or type of content
	fail func(text string) int
}

func (c *channelOfTeams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, path, _ := strings.Cut(r.URL.EscapedPath(), "/v3/conversations/")
	parts := strings.Split(path, "/")
	conversation, _ := url.PathUnescape(parts[0])
	body, _ := io.ReadAll(r.Body)
	var a activity.Activity
	if len(body) > 0 {
		if err := json.Unmarshal(body, &a); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	says := a.Text
	if len(a.Attachments) > 0 {
		says = strings.TrimSpace(says + " " + a.Attachments[0].ContentType)
	}
	if r.URL.Query().Get("isTargetedActivity") == "true" && a.Recipient != nil {
		says += " (only for " + string(a.Recipient.ID) + ")"
	}
	if c.fail != nil {
		if status := c.fail(says); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	id := ""
	if r.Method == http.MethodPost {
		c.last++
		id = fmt.Sprint(1_700_000_000_000 + c.last)
		c.said[conversation] = append(c.said[conversation], id+" "+says)
		if a.Text != "" && len(a.Attachments) > 0 {
			id = ""
		}
	} else {
		id = parts[2]
		at := slices.IndexFunc(c.said[conversation], func(s string) bool { return strings.HasPrefix(s, id+" ") })
		switch {
		case at < 0:
			w.WriteHeader(http.StatusNotFound)
			return
		case r.Method == http.MethodDelete:
			c.said[conversation] = slices.Delete(c.said[conversation], at, at+1)
		default:
			c.said[conversation][at] = id + " " + says
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	if id != "" {
		_, _ = fmt.Fprintf(w, `{"id":%q}`, id)
	}
}

// refuse has messages with a text or type of content answered with a status, if it is not 0.
func (c *channelOfTeams) refuse(with func(text string) int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = with
}

// stands is what people see in a conversation, without ids.
func (c *channelOfTeams) stands(conversation string) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.said[conversation] {
		_, text, _ := strings.Cut(s, " ")
		all = append(all, text)
	}
	return all
}

type inTeams struct {
	*proactive.Engine

	t       *testing.T
	channel *channelOfTeams
	store   *sqlite.Store
	url     string
}

func newInTeams(t *testing.T) *inTeams {
	t.Helper()
	ch := &channelOfTeams{said: make(map[string][]string)}
	server := httptest.NewServer(ch)
	t.Cleanup(server.Close)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: headsup.NewConnectorChannel(client)})
	if err != nil {
		t.Fatal(err)
	}
	runUntilCleanup(t, e, store, client)
	return &inTeams{Engine: e, t: t, channel: ch, store: store, url: server.URL}
}

// knows puts a conversation into the book.
func (f *inTeams) knows(id string, kind book.Kind, at book.Place) book.Conversation {
	f.t.Helper()
	ref := activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: f.url + "/emea/", Bot: &activity.ChannelAccount{ID: "28:app"},
		User:         &activity.ChannelAccount{ID: "29:ann"},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(id), TenantID: "tenant"},
	}
	c, err := f.store.Sight(f.t.Context(), book.Sighting{
		Key: headsup.KeyOf("app", ref), Reference: ref, Kind: kind, Source: book.SourceClaim, Place: at, At: time.Now(),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// say notifies and waits for the outcome.
func (f *inTeams) say(n headsup.Notification) proactive.Status {
	f.t.Helper()
	accepted, err := f.Notify(f.t.Context(), n)
	if err != nil {
		f.t.Fatalf("%+v: %v", n.To, err)
	}
	return f.over(accepted.ID)
}

func (f *inTeams) over(id headsup.NotificationID) proactive.Status {
	f.t.Helper()
	s, err := f.Wait(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *inTeams) stands(conversation string, want ...string) {
	f.t.Helper()
	if got := f.channel.stands(conversation); !slices.Equal(got, want) {
		f.t.Errorf("in %s stands %q, want %q", conversation, got, want)
	}
}

const (
	general = "19:general@thread.tacv2"
	builds  = "19:builds@thread.tacv2"
)

// TestPostsInTeams: a post in a channel begins a thread; it is changed, answered and taken back by what was kept of it.
func TestPostsInTeams(t *testing.T) {
	t.Parallel()
	f := newInTeams(t)
	f.knows(general+";messageid=1600000000000", book.KindChannel, book.Place{Team: general, TeamName: "Night Shift", Room: general})
	f.knows(builds+";messageid=1600000000001", book.KindChannel, book.Place{Team: general, Room: builds, RoomName: "Builds"})

	f.say(headsup.Notification{To: headsup.Target{Team: general}, Text: "news"})
	f.stands(general, "news")
	post := f.say(headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Text: "build 7 is red"})
	f.stands(builds, "build 7 is red")
	d := post.Deliveries[0]
	thread := fmt.Sprintf("%s;messageid=%s", builds, d.Activity)

	answer := f.say(headsup.Notification{To: headsup.Target{ReplyTo: proactive.DeliveryText(d.ID)}, Text: "looking into it"})
	f.say(headsup.Notification{To: headsup.Target{Team: general, Room: builds, Thread: d.Activity}, Text: "found it"})
	f.say(headsup.Notification{To: headsup.Target{ReplyTo: proactive.DeliveryText(answer.Deliveries[0].ID)}, Text: "fixed"})
	f.say(headsup.Notification{To: headsup.Target{Conversation: activity.ConversationID(thread)}, Text: "closed"})
	f.stands(thread, "looking into it", "found it", "fixed", "closed")

	for _, id := range []headsup.NotificationID{post.ID, answer.ID} {
		if _, err := f.Edit(t.Context(), id, proactive.Content{Text: "edited"}); err != nil {
			t.Fatal(err)
		}
		f.over(id)
	}
	f.stands(builds, "edited")
	f.stands(thread, "edited", "found it", "fixed", "closed")
	if _, err := f.Recall(t.Context(), answer.ID); err != nil {
		t.Fatal(err)
	}
	f.over(answer.ID)
	f.stands(thread, "found it", "fixed", "closed")
	if _, err := f.Recall(t.Context(), post.ID); err != nil {
		t.Fatal(err)
	}
	f.over(post.ID)
	f.stands(builds)

	c, err := f.store.Conversation(t.Context(), d.Key)
	want := book.Place{Team: general, Room: builds, RoomName: "Builds"}
	if err != nil || c.Place != want || c.Kind != book.KindChannel || c.Source != book.SourceClaim || c.Reference.User != nil {
		t.Errorf("the channel is in the book as %+v, %v", c, err)
	}

	// A thread of which only its channel is known.
	f.say(headsup.Notification{To: headsup.Target{Conversation: builds + ";messageid=1500000000000"}, Text: "late"})
	f.stands(builds+";messageid=1500000000000", "late")
}

// TestPostsInTeamsAreRefused: what the book does not know is named.
func TestPostsInTeamsAreRefused(t *testing.T) {
	t.Parallel()
	f := newInTeams(t)
	thread := f.knows(builds+";messageid=1", book.KindChannel, book.Place{Team: general, Room: builds})
	f.knows("a:ann", book.KindPersonal, book.Place{})
	chat := f.say(headsup.Notification{To: headsup.Target{Conversation: "a:ann"}, Text: "hi"})

	for _, wrong := range []struct {
		to   headsup.Target
		want string
	}{
		{headsup.Target{Team: "19:other@thread.tacv2"}, "unknown_team"},
		{headsup.Target{Team: general, Room: "19:x@thread.tacv2"}, "unknown_channel"},
		{headsup.Target{Team: general, Room: builds, Thread: "x"}, "to.thread"},
		{headsup.Target{Room: builds, User: "u"}, "to.channel"},
		{headsup.Target{Thread: "1", User: "u"}, "to.thread"},
		{headsup.Target{Team: general, ReplyTo: "dlv_0"}, "to"},
		{headsup.Target{ReplyTo: "dlv_0zk3v9q2m7r4y"}, "to.reply_to"},
		{headsup.Target{ReplyTo: proactive.DeliveryText(chat.Deliveries[0].ID)}, "to.reply_to"},
	} {
		_, err := f.Notify(t.Context(), headsup.Notification{To: wrong.to, Text: "x"})
		got := ""
		if field, ok := errors.AsType[*proactive.FieldError](err); ok {
			got = field.Field
		} else if why, ok := errors.AsType[*proactive.NoTargetError](err); ok && errors.Is(err, proactive.ErrNoTarget) {
			got = why.Code()
		}
		if got != wrong.want {
			t.Errorf("%+v is refused for %q: %v; want %q", wrong.to, got, err, wrong.want)
		}
	}

	// Another tenant finds neither the team nor the delivery.
	post := f.say(headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Text: "post"})
	for want, to := range map[string]headsup.Target{
		"unknown_team": {Team: general, Room: builds}, "to.reply_to": {ReplyTo: proactive.DeliveryText(post.Deliveries[0].ID)},
	} {
		_, err := f.Bound("other").Notify(t.Context(), headsup.Notification{To: to, Text: "x"})
		field, _ := errors.AsType[*proactive.FieldError](err)
		why, _ := errors.AsType[*proactive.NoTargetError](err)
		if (field == nil || field.Field != want) && (why == nil || why.Code() != want) {
			t.Errorf("%+v of another tenant: %v", to, err)
		}
	}

	gone := book.Standing{Reach: book.ReachUninstalled, Cause: book.CauseBotRemoved, At: time.Now()}
	if _, err := f.store.Change(t.Context(), book.Change{Key: thread.Key, Team: general, Standing: gone, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Notify(t.Context(), headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Text: "x"})
	if why, ok := errors.AsType[*proactive.NoTargetError](err); !ok || why.Code() != "target_uninstalled" {
		t.Errorf("the bot is removed from the team, and it is %v", err)
	}
	if chat.Deliveries[0].State != outbox.StateDelivered {
		t.Errorf("the chat's delivery is %s", chat.Deliveries[0].State)
	}
}

// TestTargetedMessage goes to a channel with whom alone it is shown to, and to nobody without.
func TestTargetedMessage(t *testing.T) {
	t.Parallel()
	f := newInTeams(t)
	f.knows(builds, book.KindChannel, book.Place{Team: general, Room: builds})
	a := activity.Message("psst")
	if err := teams.OnlyFor(a, activity.ChannelAccount{ID: "29:ben"}); err != nil {
		t.Fatal(err)
	}
	f.say(headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Activity: a})
	f.stands(builds, "psst (only for 29:ben)")
	a.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: []byte(`{"type":"AdaptiveCard","version":"1.5"}`)}}
	f.say(headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Activity: a})
	f.stands(builds, "psst (only for 29:ben)", "psst (only for 29:ben)", activity.ContentAdaptiveCard+" (only for 29:ben)")
	a.Recipient = nil
	_, err := f.Notify(t.Context(), headsup.Notification{To: headsup.Target{Team: general, Room: builds}, Activity: a})
	if field, ok := errors.AsType[*proactive.FieldError](err); !ok || field.Field != "activity.recipient" {
		t.Errorf("shown to nobody: %v", err)
	}
}

// TestTextAndCardInTeams: as one activity they would have no id. They are said one after the other, and changed and removed
// together.
func TestTextAndCardInTeams(t *testing.T) {
	t.Parallel()
	f := newInTeams(t)
	f.knows("a:ann", book.KindPersonal, book.Place{})
	card := activity.Attachment{ContentType: activity.ContentAdaptiveCard, Content: []byte(`{"type":"AdaptiveCard","version":"1.5"}`)}
	both := func(text string) *activity.Activity {
		a := activity.Message(text)
		a.Attachments = []activity.Attachment{card}
		return a
	}
	edit := func(id headsup.NotificationID, c proactive.Content, want ...string) {
		t.Helper()
		if _, err := f.Edit(t.Context(), id, c); err != nil {
			t.Fatal(err)
		}
		if s := f.over(id); s.State() != outbox.StateDelivered {
			t.Errorf("the edit ends as %+v", s.Deliveries)
		}
		f.stands("a:ann", want...)
	}
	recall := func(id headsup.NotificationID) {
		t.Helper()
		if _, err := f.Recall(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		f.over(id)
		f.stands("a:ann")
	}
	to := headsup.Target{Conversation: "a:ann"}

	s := f.say(headsup.Notification{To: to, Activity: both("look")})
	f.stands("a:ann", "look", activity.ContentAdaptiveCard)
	if s.Deliveries[0].Activity == "" {
		t.Error("it has no id")
	}
	edit(s.ID, proactive.Content{Activity: both("look again")}, "look again", activity.ContentAdaptiveCard)
	recall(s.ID)

	s = f.say(headsup.Notification{To: to, Activity: both("look")})
	edit(s.ID, proactive.Content{Text: "only this"}, "only this")
	edit(s.ID, proactive.Content{Text: "or this"}, "or this")
	edit(s.ID, proactive.Content{Activity: both("and both")}, "and both "+activity.ContentAdaptiveCard)
	recall(s.ID)

	// The second part is refused for a while: the first is not said again.
	var busy atomic.Int32
	f.channel.refuse(func(text string) int {
		if text == activity.ContentAdaptiveCard && busy.Add(1) == 1 {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	s = f.say(headsup.Notification{To: to, Activity: both("in two steps")})
	f.stands("a:ann", "in two steps", activity.ContentAdaptiveCard)
	if busy.Load() != 2 || s.Deliveries[0].Claims != 2 {
		t.Errorf("%d tries of the second part, %d attempts", busy.Load(), s.Deliveries[0].Claims)
	}
	recall(s.ID)

	// It is refused for good: what was said can be taken back.
	f.channel.refuse(func(text string) int {
		if text == activity.ContentAdaptiveCard {
			return http.StatusBadRequest
		}
		return 0
	})
	s = f.say(headsup.Notification{To: to, Activity: both("half")})
	if d := s.Deliveries[0]; d.State != outbox.StateFailed || d.Reason != outbox.ReasonPartial {
		t.Errorf("it is %s (%s)", d.State, d.Reason)
	}
	f.stands("a:ann", "half")
	recall(s.ID)
}
