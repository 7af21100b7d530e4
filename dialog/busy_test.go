package dialog_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// group is a bot whose conversations are in the book, so that what goes on in them is kept.
type group struct {
	*testing.T
	store  *memory.Store
	rec    *bottest.Recorder
	engine *proactive.Engine
	bot    *headsup.Bot
}

func newGroup(t *testing.T, h headsup.Handler) group {
	t.Helper()
	g := group{T: t, store: memory.New(), rec: &bottest.Recorder{}}
	var err error
	if g.engine, err = proactive.New(proactive.Config{AppID: "app", Store: g.store, Channel: g.rec}); err != nil {
		t.Fatal(err)
	}
	if g.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: g.rec, Turns: g.store, Notifier: g.engine,
		Middleware: []headsup.Middleware{g.engine.Middleware(), state.Middleware(g.store), g.engine.Replies()},
	}, h); err != nil {
		t.Fatal(err)
	}
	return g
}

// busy checks with how many dialogs a person's conversation is busy.
func (g group) busy(c *bottest.Chat, want int) {
	g.Helper()
	now, err := g.store.Conversation(g.Context(), headsup.KeyOf("app", c.Reference()))
	if err != nil {
		g.Fatal(err)
	}
	if len(now.Busy) != want {
		g.Errorf("it is busy with %+v, want %d", now.Busy, want)
	}
}

// TestEachPersonsDialogKeepsAGroupBusy: the end of one leaves the other's.
func TestEachPersonsDialogKeepsAGroupBusy(t *testing.T) {
	t.Parallel()
	g := newGroup(t, newMux(newSet(t, dialog.Config{Scope: state.Private}, all()...)))
	ann := &bottest.Chat{Bot: g.bot, Recorder: &bottest.Recorder{}, User: "ann"}
	ben := &bottest.Chat{Bot: g.bot, Recorder: &bottest.Recorder{}, User: "ben"}
	for _, step := range []struct {
		who  *bottest.Chat
		says string
		busy int
	}{{ann, "book", 1}, {ben, "book", 2}, {ann, "cancel", 1}, {ben, "cancel", 0}} {
		if _, err := step.who.Say(t.Context(), step.says); err != nil {
			t.Fatal(err)
		}
		g.busy(ann, step.busy)
	}
}

// TestEachSetKeepsItsConversationBusy: the end of the dialogs of one leaves those of the other.
func TestEachSetKeepsItsConversationBusy(t *testing.T) {
	t.Parallel()
	one, other := newSet(t, dialog.Config{}, all()...), newSet(t, dialog.Config{Property: "other"}, all()...)
	mux := headsup.NewMux()
	for name, set := range map[string]*dialog.Set{"one": one, "other": other} {
		mux.Text(set.Handle(book.Begin(booking{})), name)
		mux.Text(set.Handle(dialog.CancelAll()), "end "+name)
	}
	g := newGroup(t, mux)
	ann := &bottest.Chat{Bot: g.bot, Recorder: g.rec}
	for i, says := range []string{"one", "other", "end one", "end other"} {
		if _, err := ann.Say(t.Context(), says); err != nil {
			t.Fatal(err)
		}
		g.busy(ann, []int{1, 2, 1, 0}[i])
	}
}

// TestForgottenDialogsKeepNothingBusy: a bot that starts over does not leave its conversation busy for good, wherever its
// dialogs are kept.
func TestForgottenDialogsKeepNothingBusy(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]dialog.Config{
		"the conversation's": {}, "of a property": {Property: "other"}, "a person's": {Scope: state.Private},
		"of a person's property": {Scope: state.Private, Property: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := cmp.Or(cfg.Scope, state.Conversation)
			mux := newMux(newSet(t, cfg, all()...))
			mux.Text(func(ctx context.Context, t *headsup.Turn) error { return state.Forget(ctx, t, scope) }, "start over")
			g := newGroup(t, mux)
			ann := &bottest.Chat{Bot: g.bot, Recorder: g.rec}
			for i, says := range []string{"book", "start over"} {
				if _, err := ann.Say(t.Context(), says); err != nil {
					t.Fatal(err)
				}
				g.busy(ann, 1-i)
			}
		})
	}
}

// TestCancelEndsOnePersonsDialogInAGroup: what it has not ended keeps the group busy, so that what waits does not come in the
// middle of it.
func TestCancelEndsOnePersonsDialogInAGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := newSet(t, dialog.Config{Scope: state.Private}, all()...)
		g := newGroup(t, newMux(set))
		if err := g.engine.Converse(g.bot, set); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			if err := g.engine.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		ann := &bottest.Chat{Bot: g.bot, Recorder: g.rec, User: "ann"}
		ben := &bottest.Chat{Bot: g.bot, Recorder: g.rec, User: "ben"}
		tell := func(text string, policy headsup.PolicyName) {
			n := headsup.Notification{To: headsup.ToConversation(ben.Reference()), Text: text, Policy: headsup.Policy{Name: policy}}
			if _, err := g.engine.Notify(ctx, n); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		says := func(who *bottest.Chat, text string) {
			if _, err := who.Say(ctx, text); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		says(ann, "book")
		says(ben, "book")
		if _, err := g.engine.SetBusy(ctx, headsup.KeyOf("app", ben.Reference()), headsup.Busy{Reason: "a call"}); err != nil {
			t.Fatal(err)
		}
		tell("Later.", headsup.PolicyWait)
		tell("Now.", headsup.PolicyCancel)
		g.busy(ann, 1)
		says(ben, "Rome")
		says(ann, "cancel")
		want := []string{"Where to?", "Where to?", "Now.", "You said Rome", "Stopped.", "Later."}
		if got := g.rec.Texts(ben.Reference().Conversation.ID); !slices.Equal(got, want) {
			t.Errorf("said is %q, want %q", got, want)
		}
	})
}

// TestStackOfNoConversationIsRefused: of dialogs that are begun in one conversation and end in another nobody could say
// which one is busy.
func TestStackOfNoConversationIsRefused(t *testing.T) {
	t.Parallel()
	var refused []state.Scope
	for _, s := range []state.Scope{"", state.Conversation, state.Private, state.User, state.Named("jobs")} {
		if _, err := dialog.NewSet(dialog.Config{Scope: s}, all()...); err != nil {
			refused = append(refused, s)
		}
	}
	if want := []state.Scope{state.User, state.Named("jobs")}; !slices.Equal(refused, want) {
		t.Errorf("refused are %q, want %q", refused, want)
	}
}
