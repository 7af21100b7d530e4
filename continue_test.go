package headsup_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

func TestContinueRunsMiddlewareAndReachesTheBot(t *testing.T) {
	t.Parallel()
	turns := 0
	counting := func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			turns++
			return next.HandleTurn(ctx, t)
		})
	}
	mux := headsup.NewMux()
	mux.Event(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "told of "+string(t.Activity().Value))
		return err
	}, activity.EventContinueConversation)
	f := newBot(t, mux.HandleTurn, counting)
	ref := inbound("7", "c", "hi").Reference()
	if err := f.bot.Continue(t.Context(), ref, nil, headsup.WithValue(map[string]int{"job": 7})); err != nil {
		t.Fatal(err)
	}
	if turns != 1 {
		t.Errorf("the middleware ran %d times, want 1", turns)
	}
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{`told of {"job":7}`}) {
		t.Errorf("said %q", got)
	}
}

func TestProactiveTurnSharesTheConversationsState(t *testing.T) {
	t.Parallel()
	name := state.NewProperty[string](state.User, "name")
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error { return name.Set(ctx, t, t.Activity().Text) })
	a := inbound("1", "c", "Nadia")
	if _, err := f.bot.Process(t.Context(), developer, a); err != nil {
		t.Fatal(err)
	}
	err := f.bot.Continue(t.Context(), a.Reference(), headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		who, err := name.Load(ctx, t)
		if err != nil {
			return err
		}
		_, err = t.Say(ctx, "Hello "+who)
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.channel.Texts("c"); !slices.Equal(got, []string{"Hello Nadia"}) {
		t.Errorf("said %q", got)
	}
}

func TestProactiveMessageAnswersOnlyWhatTheReferenceNames(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(ctx context.Context, t *headsup.Turn) error { _, err := t.Say(ctx, "x"); return err })
	ref := inbound("", "c", "").Reference()
	if err := f.bot.Continue(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.channel.Sent()[0].Activity.ReplyToID; got != "" {
		t.Errorf("answers %q, which nobody said", got)
	}
}

func TestContinueNestsInItsOwnConversation(t *testing.T) {
	t.Parallel()
	count := state.NewProperty[int](state.Conversation, "count")
	var f fixture
	f = newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		if err := count.Set(ctx, t, 1); err != nil {
			return err
		}
		err := f.bot.Continue(ctx, t.Reference(), headsup.HandlerFunc(func(ctx context.Context, inner *headsup.Turn) error {
			n, err := count.Load(ctx, inner)
			if err != nil {
				return err
			}
			return count.Set(ctx, inner, n+1)
		}))
		if err != nil {
			return err
		}
		if n, err := count.Load(ctx, t); err != nil || n != 2 {
			return errors.New("the nested turn's state is not seen outside")
		}
		return nil
	})
	if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "x")); err != nil {
		t.Fatal(err)
	}
	stored, err := f.store.ReadState(t.Context(), []state.Key{{AppID: "app", Path: "test/conversations/c/"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range stored {
		if string(d.Value) != `{"count":2}` {
			t.Errorf("stored %s", d.Value)
		}
	}
	if len(stored) != 1 {
		t.Errorf("%d documents stored, want 1", len(stored))
	}
}

func TestContinueElsewhereInsideATurnIsRefused(t *testing.T) {
	t.Parallel()
	var f fixture
	f = newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		return f.bot.Continue(ctx, inbound("", "other", "").Reference(), nil)
	})
	if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "x")); !errors.Is(err, headsup.ErrInTurn) {
		t.Errorf("error %v, want ErrInTurn", err)
	}
}

func TestContinueGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	f := newBot(t, func(context.Context, *headsup.Turn) error {
		close(entered)
		<-leave
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := f.bot.Process(context.Background(), developer, inbound("1", "c", "x")); err != nil {
			t.Error(err)
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := f.bot.Continue(ctx, inbound("", "c", "").Reference(), headsup.HandlerFunc(func(context.Context, *headsup.Turn) error {
		t.Error("ran beside another turn")
		return nil
	}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a deadline", err)
	}
	close(leave)
	<-done
}

func TestContinueRefusesAReferenceWithoutConversation(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(context.Context, *headsup.Turn) error { return nil })
	if err := f.bot.Continue(t.Context(), activity.Reference{ChannelID: "test"}, nil); err == nil {
		t.Error("no error")
	}
}

func TestCreateOpensAConversationAndRunsATurnInIt(t *testing.T) {
	t.Parallel()
	f := newBot(t, func(context.Context, *headsup.Turn) error { return nil })
	ref, err := f.bot.Create(t.Context(), headsup.Creation{
		ChannelID: "test", ServiceURL: "https://c.example.net",
		Parameters: activity.ConversationParameters{
			Bot: &activity.ChannelAccount{ID: "b"}, Members: []activity.ChannelAccount{{ID: "u"}}, TenantID: "t",
		},
	}, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if t.Activity().Name != activity.EventCreateConversation || !t.Proactive() {
			return errors.New("not the event that it should be")
		}
		_, err := t.Say(ctx, "hello")
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if ref.Conversation.ID != "created-1" || ref.User == nil || ref.User.ID != "u" || ref.Conversation.TenantID != "t" {
		t.Errorf("reference %+v", ref)
	}
	sent := f.channel.Sent()
	if len(sent) != 1 || sent[0].Activity.ReplyToID != "" || sent[0].Activity.Recipient.ID != "u" {
		t.Errorf("sent %+v", sent)
	}
}

func TestContextOfATurnThatHasEndedIsFree(t *testing.T) {
	t.Parallel()
	count := state.NewProperty[int](state.Conversation, "count")
	var kept context.Context
	f := newBot(t, func(ctx context.Context, _ *headsup.Turn) error {
		kept = context.WithoutCancel(ctx) // as a goroutine does that goes on after the turn
		return nil
	})
	if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "x")); err != nil {
		t.Fatal(err)
	}
	set := headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error { return count.Set(ctx, t, 1) })
	for _, conversation := range []string{"c", "other"} {
		if err := f.bot.Continue(kept, inbound("", conversation, "").Reference(), set); err != nil {
			t.Errorf("%s: %v", conversation, err)
		}
		key := state.Key{AppID: "app", Path: "test/conversations/" + conversation + "/"}
		stored, err := f.store.ReadState(t.Context(), []state.Key{key})
		if err != nil || string(stored[key].Value) != `{"count":1}` {
			t.Errorf("%s: stored %s, %v", conversation, stored[key].Value, err)
		}
	}
}

func TestContextOfANestedTurnThatHasEndedIsTheOuterOnes(t *testing.T) {
	t.Parallel()
	var f fixture
	f = newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		var inner context.Context
		keep := headsup.HandlerFunc(func(ctx context.Context, _ *headsup.Turn) error { inner = ctx; return nil })
		if err := f.bot.Continue(ctx, t.Reference(), keep); err != nil {
			return err
		}
		nothing := headsup.HandlerFunc(func(context.Context, *headsup.Turn) error { return nil })
		if err := f.bot.Continue(inner, inbound("", "other", "").Reference(), nothing); !errors.Is(err, headsup.ErrInTurn) {
			return errors.New("another conversation was not refused")
		}
		return f.bot.Continue(inner, t.Reference(), nothing)
	})
	if _, err := f.bot.Process(t.Context(), developer, inbound("1", "c", "x")); err != nil {
		t.Fatal(err)
	}
}

func TestNestedTurnRepliesWhereTheOuterOneDoes(t *testing.T) {
	t.Parallel()
	var f fixture
	say := headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error { _, err := t.Say(ctx, "inner"); return err })
	f = newBot(t, func(ctx context.Context, t *headsup.Turn) error {
		if err := f.bot.Continue(ctx, t.Reference(), say); err != nil {
			return err
		}
		_, err := t.Say(ctx, "outer")
		return err
	})
	a := inbound("1", "c", "x")
	a.DeliveryMode = activity.DeliveryExpectReplies
	answer, err := f.bot.Process(t.Context(), developer, a)
	if err != nil {
		t.Fatal(err)
	}
	var replies activity.ExpectedReplies
	if err := json.Unmarshal(answer.Body, &replies); err != nil {
		t.Fatal(err)
	}
	if len(replies.Activities) != 2 || replies.Activities[0].Text != "inner" || len(f.channel.Sent()) != 0 {
		t.Errorf("answered %s and sent %d through the channel, want both replies in the answer", answer.Body, len(f.channel.Sent()))
	}
}

func TestCreatedConversationIsKnownAsTheChannelNamesIt(t *testing.T) {
	t.Parallel()
	ref, err := headsup.CreatedReference(headsup.Creation{
		ChannelID: "msteams", ServiceURL: "https://c.example.net",
		Parameters: activity.ConversationParameters{ChannelData: []byte(`{"tenant":{"id":"t"}}`)},
	}, activity.ConversationResource{ID: "c"})
	if err != nil || ref.Conversation.TenantID != "t" {
		t.Errorf("tenant %q, %v; want that of the channel data, as in what the channel sends later", ref.Conversation.TenantID, err)
	}
}

// opener is a channel that posts the first activity while it opens a conversation.
type opener struct{ headsup.Channel }

func (opener) Create(context.Context, headsup.Creation) (activity.ConversationResource, error) {
	return activity.ConversationResource{ID: "c", ActivityID: "first"}, nil
}

func TestCreateTellsTheIDOfTheFirstActivity(t *testing.T) {
	t.Parallel()
	recorder := &bottest.Recorder{}
	bot, err := headsup.New(headsup.Config{Channel: opener{recorder}, Turns: memory.New()}, headsup.NewMux())
	if err != nil {
		t.Fatal(err)
	}
	_, err = bot.Create(t.Context(), headsup.Creation{ChannelID: "test"}, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		if got := t.Activity().ID; got != "first" {
			return errors.New("the event's id is " + string(got))
		}
		_, err := t.Say(ctx, "second")
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := recorder.Sent()[0].Activity.ReplyToID; got != "" {
		t.Errorf("answers %q, which nobody asked for", got)
	}
}
