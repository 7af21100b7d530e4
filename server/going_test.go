package server_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/server"
)

// cafe is a bot with two dialogs.
type cafe struct {
	headsup.Handler

	set *dialog.Set
}

func (c cafe) Dialogs() proactive.Interrupter { return c.set }

func newCafe(*proactive.Engine) (headsup.Handler, error) {
	type step = dialog.Step[dialog.None, dialog.None]
	size, opinion := dialog.Text("size"), dialog.Text("opinion")
	order := dialog.NewWaterfall("order",
		func(context.Context, *step) (dialog.Action, error) { return size.Ask("A small or a large one?"), nil },
		func(_ context.Context, s *step) (dialog.Action, error) { return s.End(dialog.None{}), nil })
	survey := dialog.NewWaterfall("survey",
		func(context.Context, *step) (dialog.Action, error) { return opinion.Ask("How do you like it?"), nil },
		func(_ context.Context, s *step) (dialog.Action, error) { return s.End(dialog.None{}), nil })
	set, err := dialog.NewSet(dialog.Config{Start: order.Begin(dialog.None{})}, order, survey, size, opinion)
	return cafe{set, set}, err
}

// goingOn is what the playground's page is told of a conversation.
type goingOn struct {
	Busy []struct {
		By, Reason string
		Priority   int
	}
	Dialogs []struct {
		ID          string
		Step, Steps int
		Interrupts  bool
	}
}

func (g goingOn) String() string { return fmt.Sprintf("%v %v", g.Busy, g.Dialogs) }

// TestPlaygroundTellsWhatGoesOn: what keeps a conversation busy, and how far its dialogs are; each can be released by hand.
func TestPlaygroundTellsWhatGoesOn(t *testing.T) {
	t.Parallel()
	ann := page{t, running(t, server.Config{Bot: newCafe})}.enter("dl_ann", "")
	path := "/playground/api/conversations/" + ann.conversation + "/going"
	is := func(want string) { // what a dialog asks is heard before its turn has ended
		t.Helper()
		var g goingOn
		eventually(t, func() string { return g.String() + ", want " + want }, func() bool {
			g = goingOn{}
			ann.do("GET", path, "", http.StatusOK, &g)
			return g.String() == want
		})
	}
	released := func(by, want string) {
		t.Helper()
		var g goingOn
		if ann.do("DELETE", path+"?by="+by, "", http.StatusOK, &g); g.String() != want {
			t.Errorf("without the %s: %s, want %s", by, g, want)
		}
	}
	is("[] []")
	ann.say("hello")
	const ordering = "{order 1 2 false} {size 0 0 false}"
	is("[{dialog order 0}] [" + ordering + "]")
	ann.do("PUT", "/v1/conversations/"+ann.conversation+"/busy", `{"reason":"a call","priority":5}`, http.StatusOK, nil)
	ann.tell(`"policy":"interrupt","with":"survey"`)
	ann.sees("hello", "A small or a large one?", "How do you like it?")
	const both = "[" + ordering + " {survey 1 2 true} {opinion 0 0 false}]"
	is("[{dialog order 0} {flag a call 5}] " + both)

	held := ann.tell(`"text":"later","policy":"wait"`)
	var n api.Notification
	ann.stands(held, &n, func() bool { return n.State == "held" })
	released("flag", "[{dialog order 0}] "+both)
	released("dialog", "[] "+both) // the dialogs go on, and hold nothing any more
	if d := ann.ends(held); d.State != "delivered" {
		t.Errorf("what was held is %s", d.State)
	}
	ann.do("DELETE", "/playground/api/conversations/nowhere/going", "", http.StatusNotFound, nil)
}
