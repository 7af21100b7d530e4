package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/directline"
)

func (s suite) directLine(t *testing.T) {
	s.promise(t, "OpenedOnce", openedOnce)
	s.promise(t, "UserIsNamedOnceAndBeforeTheStart", userIsNamed)
	s.promise(t, "StartedOnce", startedOnce)
	s.promise(t, "HistoryCountsFromOneInOrder", historyCounts)
	s.promise(t, "ManyAppendersLeaveNoGaps", manyAppenders)
	s.promise(t, "KeyAppendsOnce", keyAppendsOnce)
	s.promise(t, "ReplacedIsHeardOfAgain", replacedAgain)
	s.promise(t, "EndedRefuses", endedRefuses)
	s.promise(t, "UnknownConversationsAreNotFound", unknownConversations)
	s.promise(t, "ConversationsAreListedOldestFirst", conversationsAreListed)
	s.promise(t, "MembersComeAndGo", membersComeAndGo)
	s.promise(t, "PeopleAreRenamedEverywhere", peopleAreRenamed)
	s.promise(t, "TheBotIsInstalledOrNot", botIsInstalledOrNot)
	s.promise(t, "AttachmentsAreKept", attachmentsAreKept)
}

func (e *env) line(id string) directline.Conversation {
	return directline.Conversation{
		ID: activity.ConversationID(id), AppID: app, CreatedAt: e.start,
		User: activity.ChannelAccount{ID: "dl_ann", Name: "Ann", Extra: jsontext.Value(`{"x":1}`)},
	}
}

// opens adds a conversation.
func (e *env) opens(c directline.Conversation) directline.Conversation {
	e.Helper()
	got, added, err := e.OpenConversation(e.ctx, c)
	e.ok(err)
	if !added {
		e.Errorf("conversation %s was there before", c.ID)
	}
	equal(e.T, "opened", got, c)
	return got
}

// isLine expects the conversation as it is given.
func (e *env) isLine(want directline.Conversation) {
	e.Helper()
	got, err := e.DirectLineConversation(e.ctx, want.ID)
	e.ok(err)
	equal(e.T, "conversation", got, want)
}

// appends adds an activity and expects its number.
func (e *env) appends(id activity.ConversationID, key, body string, want int64) {
	e.Helper()
	seq, added, err := e.Append(e.ctx, id, key, jsontext.Value(body), e.start)
	e.ok(err)
	if seq != want || !added {
		e.Errorf("appended as number %d (added: %v), want %d", seq, added, want)
	}
}

func openedOnce(e *env) {
	want := e.opens(e.line("a"))
	e.isLine(want)
	other := e.line("a")
	other.User, other.ByBot, other.CreatedAt = activity.ChannelAccount{ID: "mallory"}, true, e.at(time.Hour)
	got, added, err := e.OpenConversation(e.ctx, other)
	e.ok(err)
	if added {
		e.Error("the conversation was opened twice")
	}
	equal(e.T, "opened again", got, want)

	byBot := e.line("b")
	byBot.User, byBot.ByBot = activity.ChannelAccount{}, true
	e.isLine(e.opens(byBot))

	var opened atomic.Int32
	together(20, func(int) {
		_, added, err := e.OpenConversation(e.ctx, e.line("c"))
		if err != nil {
			e.Error(err)
		}
		if added {
			opened.Add(1)
		}
	})
	if n := opened.Load(); n != 1 {
		e.Errorf("opened %d times at once, want 1", n)
	}
}

func userIsNamed(e *env) {
	ann, ben := e.line("a").User, activity.ChannelAccount{ID: "ben"}
	names := func(id activity.ConversationID, user activity.ChannelAccount, want directline.Conversation) {
		e.Helper()
		got, err := e.NameUser(e.ctx, id, user)
		e.ok(err)
		equal(e.T, "named", got, want)
		e.isLine(want)
	}
	first, late, group := e.line("a"), e.line("b"), e.line("c")
	for _, c := range []*directline.Conversation{&first, &late, &group} {
		c.User = activity.ChannelAccount{}
	}
	group.Kind = directline.KindGroup
	first, late, group = e.opens(first), e.opens(late), e.opens(group)

	first.User = ann
	names("a", ann, first)
	names("a", ben, first)
	found, err := e.DirectLineConversations(e.ctx, app, ann.ID, 10)
	e.ok(err)
	equal(e.T, "of the user", found, []directline.Conversation{first})

	_, err = e.StartConversation(e.ctx, "b")
	e.ok(err)
	late.Started = true
	names("b", ben, late)
	names("c", ben, group)
	if _, err := e.NameUser(e.ctx, "none", ben); !errors.Is(err, directline.ErrNotFound) {
		e.Errorf("the user of no conversation: %v", err)
	}
}

func startedOnce(e *env) {
	want := e.opens(e.line("a"))
	var first atomic.Int32
	together(20, func(int) {
		started, err := e.StartConversation(e.ctx, "a")
		if err != nil {
			e.Error(err)
		}
		if started {
			first.Add(1)
		}
	})
	if n := first.Load(); n != 1 {
		e.Errorf("%d of many were told that they started the conversation, want 1", n)
	}
	want.Started = true
	e.isLine(want)
}

func historyCounts(e *env) {
	e.opens(e.line("a"))
	e.opens(e.line("b"))
	const n = 7
	var want []directline.Stored
	for i := range int64(n) {
		body := fmt.Sprintf(`{"type":"message","value":9007199254740993,"n":%d}`, i)
		e.appends("a", "", body, i+1)
		e.appends("b", "", `{}`, i+1)
		want = append(want, directline.Stored{Seq: i + 1, Body: jsontext.Value(body)})
	}
	for after := range int64(n + 2) {
		for _, limit := range []int{1, 3, n, n + 1} {
			got, err := e.History(e.ctx, "a", after, limit)
			e.ok(err)
			rest := want[min(after, n):]
			equal(e.T, fmt.Sprintf("%d after %d", limit, after), got, rest[:min(limit, len(rest))])
		}
	}
}

func manyAppenders(e *env) {
	e.opens(e.line("a"))
	const n = 50
	numbers := make([]int64, n)
	together(n, func(i int) {
		seq, added, err := e.Append(e.ctx, "a", "", jsontext.Value(fmt.Sprintf(`{"n":%d}`, i)), e.start)
		if err != nil || !added {
			e.Errorf("added: %v, %v", added, err)
		}
		numbers[i] = seq
	})
	got, err := e.History(e.ctx, "a", 0, 2*n)
	e.ok(err)
	if len(got) != n {
		e.Fatalf("the history has %d activities, want %d", len(got), n)
	}
	for i, seq := range numbers {
		if seq < 1 || seq > n {
			e.Fatalf("number %d is not in 1..%d", seq, n)
		}
		want := directline.Stored{Seq: seq, Body: jsontext.Value(fmt.Sprintf(`{"n":%d}`, i))}
		equal(e.T, "stored", got[seq-1], want)
	}
}

func keyAppendsOnce(e *env) {
	e.opens(e.line("a"))
	e.opens(e.line("b"))
	e.appends("a", "", `{"n":1}`, 1)
	e.appends("a", "k", `{"n":2}`, 2)
	e.appends("a", "", `{"n":1}`, 3)
	seq, added, err := e.Append(e.ctx, "a", "k", jsontext.Value(`{"n":4}`), e.start)
	e.ok(err)
	if added || seq != 2 {
		e.Errorf("a key's second use: number %d, added %v", seq, added)
	}
	e.appends("b", "k", `{"n":1}`, 1)

	numbers := make([]int64, 20)
	var times atomic.Int32
	together(len(numbers), func(i int) {
		seq, added, err := e.Append(e.ctx, "a", "l", jsontext.Value(`{}`), e.start)
		if err != nil {
			e.Error(err)
		}
		if added {
			times.Add(1)
		}
		numbers[i] = seq
	})
	if n := times.Load(); n != 1 {
		e.Errorf("a key was added %d times at once", n)
	}
	if got := slices.Compact(numbers); !slices.Equal(got, []int64{4}) {
		e.Errorf("a key used many times at once has numbers %v, want 4", got)
	}
	got, err := e.History(e.ctx, "a", 0, 100)
	e.ok(err)
	if len(got) != 4 {
		e.Errorf("the history has %d activities, want 4", len(got))
	}
}

func replacedAgain(e *env) {
	e.opens(e.line("a"))
	e.appends("a", "k", `{"n":1}`, 1)
	e.appends("a", "", `{"n":2}`, 2)
	replaces := func(seq int64, body string, want int64) {
		e.Helper()
		again, err := e.Replace(e.ctx, "a", seq, jsontext.Value(body), e.start)
		e.ok(err)
		if again != want {
			e.Errorf("again as number %d, want %d", again, want)
		}
	}
	replaces(1, `{"n":10}`, 3)
	e.appends("a", "", `{"n":4}`, 4)
	replaces(1, `{"n":100}`, 5)
	got, err := e.History(e.ctx, "a", 0, 10)
	e.ok(err)
	equal(e.T, "history", got, []directline.Stored{
		{Seq: 1, Body: jsontext.Value(`{"n":100}`)}, {Seq: 2, Body: jsontext.Value(`{"n":2}`)},
		{Seq: 3, Body: jsontext.Value(`{"n":100}`), Again: 1}, {Seq: 4, Body: jsontext.Value(`{"n":4}`)},
		{Seq: 5, Body: jsontext.Value(`{"n":100}`), Again: 1},
	})
	for _, seq := range []int64{0, 3, 6, -1} { // 3 is not one of its own
		_, err := e.Replace(e.ctx, "a", seq, jsontext.Value(`{}`), e.start)
		e.is(err, directline.ErrNotFound)
	}
	_, err = e.Replace(e.ctx, "x", 1, jsontext.Value(`{}`), e.start)
	e.is(err, directline.ErrNotFound)
	e.ok(e.EndConversation(e.ctx, "a"))
	_, err = e.Replace(e.ctx, "a", 1, jsontext.Value(`{}`), e.start)
	e.is(err, directline.ErrEnded)
}

func endedRefuses(e *env) {
	want := e.opens(e.line("a"))
	e.appends("a", "k", `{"n":1}`, 1)
	e.ok(e.EndConversation(e.ctx, "a"))
	e.ok(e.EndConversation(e.ctx, "a"))
	want.Ended = true
	e.isLine(want)
	_, err := e.StartConversation(e.ctx, "a")
	e.is(err, directline.ErrEnded)
	_, _, err = e.Append(e.ctx, "a", "", jsontext.Value(`{}`), e.start)
	e.is(err, directline.ErrEnded)
	if seq, added, err := e.Append(e.ctx, "a", "k", jsontext.Value(`{}`), e.start); err != nil || seq != 1 || added {
		e.Errorf("a repeat after the end gives %d, %t, %v; want the number that it had", seq, added, err)
	}
	got, err := e.History(e.ctx, "a", 0, 10)
	e.ok(err)
	equal(e.T, "history", got, []directline.Stored{{Seq: 1, Body: jsontext.Value(`{"n":1}`)}})
	reopened, added, err := e.OpenConversation(e.ctx, e.line("a"))
	e.ok(err)
	if added {
		e.Error("an ended conversation was opened anew")
	}
	equal(e.T, "opened again", reopened, want)
}

func unknownConversations(e *env) {
	_, err := e.DirectLineConversation(e.ctx, "x")
	e.is(err, directline.ErrNotFound)
	_, err = e.StartConversation(e.ctx, "x")
	e.is(err, directline.ErrNotFound)
	e.is(e.EndConversation(e.ctx, "x"), directline.ErrNotFound)
	_, _, err = e.Append(e.ctx, "x", "", jsontext.Value(`{}`), e.start)
	e.is(err, directline.ErrNotFound)
	got, err := e.History(e.ctx, "x", 0, 10)
	e.ok(err)
	if len(got) != 0 {
		e.Errorf("an unknown conversation has the history %v", got)
	}
}

func conversationsAreListed(e *env) {
	open := func(id string, created time.Duration, user activity.AccountID, appID string) directline.Conversation {
		c := e.line(id)
		c.CreatedAt, c.User.ID, c.AppID = e.at(created), user, appID
		return e.opens(c)
	}
	a := open("a", 2*time.Minute, "ann", app)
	c := open("c", 1*time.Minute, "ann", app)
	b := open("b", 3*time.Minute, "bob", app)
	z := open("z", 4*time.Minute, "ann", app)
	open("other", 5*time.Minute, "ann", "other")
	for _, q := range []struct {
		user  activity.AccountID
		limit int
		want  []directline.Conversation
	}{
		{"ann", 10, []directline.Conversation{c, a, z}},
		{"ann", 2, []directline.Conversation{c, a}},
		{"bob", 10, []directline.Conversation{b}},
		{"cem", 10, nil},
		{"", 10, []directline.Conversation{c, a, b, z}},
		{"", 1, []directline.Conversation{c}},
	} {
		got, err := e.DirectLineConversations(e.ctx, app, q.user, q.limit)
		e.ok(err)
		equal(e.T, fmt.Sprintf("%d of %q", q.limit, q.user), got, q.want)
	}
}

func attachmentsAreKept(e *env) {
	e.opens(e.line("a"))
	data := bytes.Repeat([]byte{0, 1, 254, 255, '\n'}, 100_000)
	want := directline.Attachment{
		ID: "f1", Conversation: "a", Name: "../é\".png", ContentType: "image/png", Data: data, CreatedAt: e.start,
	}
	e.ok(e.SaveAttachment(e.ctx, want))
	empty := directline.Attachment{ID: "f2", Conversation: "a", CreatedAt: e.start}
	e.ok(e.SaveAttachment(e.ctx, empty))
	for _, want := range []directline.Attachment{want, empty} {
		got, err := e.LoadAttachment(e.ctx, want.ID)
		e.ok(err)
		equal(e.T, "attachment", got, want)
	}
	_, err := e.LoadAttachment(e.ctx, "f3")
	e.is(err, directline.ErrNotFound)
}
