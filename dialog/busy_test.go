package dialog_test

import (
	"context"
	"slices"
	"testing"

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
	store *memory.Store
	rec   *bottest.Recorder
	bot   *headsup.Bot
}

func newGroup(t *testing.T, h headsup.Handler) group {
	t.Helper()
	g := group{T: t, store: memory.New(), rec: &bottest.Recorder{}}
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: g.store, Channel: g.rec})
	if err != nil {
		t.Fatal(err)
	}
	if g.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: g.rec, Turns: g.store,
		Middleware: []headsup.Middleware{engine.Middleware(), state.Middleware(g.store)},
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

// TestForgottenDialogsKeepNothingBusy: a bot that starts over does not leave its conversation busy for good.
func TestForgottenDialogsKeepNothingBusy(t *testing.T) {
	t.Parallel()
	mux := newMux(newSet(t, dialog.Config{}, all()...))
	mux.Text(headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		return state.Forget(ctx, t, state.Conversation)
	}), "start over")
	g := newGroup(t, mux)
	ann := &bottest.Chat{Bot: g.bot, Recorder: g.rec}
	for i, says := range []string{"book", "start over"} {
		if _, err := ann.Say(t.Context(), says); err != nil {
			t.Fatal(err)
		}
		g.busy(ann, 1-i)
	}
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
