package travel_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/examples/travel"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// agency is a running travel bot, and the people who talk with it.
type agency struct {
	*testing.T
	ann, ben *bottest.Chat
	outside  http.Handler
}

// open runs a bot until the test ends.
func open(t *testing.T) *agency {
	t.Helper()
	store, rec := memory.New(), &bottest.Recorder{}
	engine, err := proactive.New(proactive.Config{AppID: "app", Store: store, Channel: rec})
	if err != nil {
		t.Fatal(err)
	}
	b, err := travel.New(engine)
	if err != nil {
		t.Fatal(err)
	}
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: rec, Turns: store, Notifier: engine,
		Middleware: []headsup.Middleware{engine.Middleware(), state.Middleware(store), engine.Replies()},
	}, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Converse(bot, b.Dialogs()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	chat := func(name string) *bottest.Chat {
		return &bottest.Chat{Bot: bot, Recorder: rec, User: activity.AccountID(name), Conversation: activity.ConversationID(name), Locale: "en"}
	}
	return &agency{t, chat("ann"), chat("ben"), b.Outside()}
}

// booking is Ann's, as far as its third question.
const booking = `
	> book London
	< When do you arrive in London?
	> soon
	< I did not get that. A day such as "tomorrow", "next Friday" or "24 December", please.
	> 24 December 2099
	< How many nights do you stay?`

// rest is how it goes on from there.
const rest = `
	> 99
	< Between 1 and 30 nights, please. How many?
	> two
	< Which hotel? (1) The Regent, (2) Park Inn, or (3) Riverside
	> park inn
	< Park Inn in London, 2 nights from 24 December 2099. Shall I book that? (1) Yes or (2) No
	> yes
	< It is booked: Park Inn in London, 2 nights from 24 December 2099. Have a good trip!`

const (
	news = "News from Las Vegas: a night costs 80 now instead of 100."
	help = `Say "book London" to book a hotel, or "cancel" in the middle of it. I tell you when one gets cheaper; ` +
		`"policy" shows what I do with such news while you are booking, and "policy wait" changes that.`

	asked = "< " + news + " Shall I keep a room for you? (1) Yes or (2) No" + `
		> perhaps
		< ` + news + " Shall I keep a room for you? (1) Yes or (2) No" + `
		> yes
		< I keep a room in Las Vegas until tomorrow.
		< How many nights do you stay?` + rest
)

// TestNewsInTheMiddleOfABooking: London is being booked when a hotel in Las Vegas gets cheaper. Each policy does what the
// person has been told that it does.
func TestNewsInTheMiddleOfABooking(t *testing.T) {
	t.Parallel()
	for policy, parts := range map[string][]string{
		"adhoc":     {"< " + news + rest},
		"wait":      {rest, "< " + news},
		"interrupt": {asked},
		"cancel":    {"< " + news + "\n> 2\n< " + help},
		"drop":      {rest, ""},
		"":          {asked}, // nothing was chosen
	} {
		t.Run("policy "+policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := open(t)
				a.ben.Play(t, "> hello\n< "+help)
				if policy != "" {
					a.choose(policy)
				}
				a.ann.Play(t, booking)
				a.ben.Play(t, "> offer Las Vegas 80\n< It is told to 1 person.")
				for _, part := range parts {
					synctest.Wait()
					a.ann.Play(t, part)
				}
			})
		})
	}
}

// choose has Ann say what she wants done with news, after her first words.
func (a *agency) choose(policy string) {
	a.Helper()
	a.ann.Play(a, "> hello\n< "+help)
	said, err := a.ann.Say(a.Context(), "policy "+policy)
	if err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "When there is news in the middle of a booking, ") {
		a.Fatalf("said %q, %v", said, err)
	}
}

// TestHotelsPostTheirPrices: the same news come from a program, once however often it posts them.
func TestHotelsPostTheirPrices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		a.choose("wait")
		for _, c := range []struct {
			body, key string
			status    int
			want      string
		}{
			{`{"city":"Las Vegas","now":81}`, "", http.StatusOK, `{"told":0}`}, // too little
			{`{"city":"Las Vegas","now":80}`, "1", http.StatusOK, `{"told":1}`},
			{`{"city":"Las Vegas","now":80}`, "1", http.StatusOK, `{"told":1}`},
			{`{"city":"Las Vegas","now":-1}`, "", http.StatusBadRequest, "now: is no price\n"},
			{`{"city":"","now":1}`, "", http.StatusBadRequest, "city: is empty or too long\n"},
			{`{"city":"Las Vegas","was":0,"now":0}`, "", http.StatusBadRequest, "was: is no price\n"},
		} {
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/prices", strings.NewReader(c.body))
			r.Header.Set("Idempotency-Key", c.key)
			if a.outside.ServeHTTP(w, r); w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("%s: %d %s, want %d %s", c.body, w.Code, w.Body, c.status, c.want)
			}
		}
		synctest.Wait()
		a.ann.Play(t, "< "+news) // nothing is going on
	})
}

// TestBookingIsCancelled: and begun anew in the middle of another.
func TestBookingIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := open(t)
		a.ann.Play(t, booking+`
			> book Rome
			< When do you arrive in Rome?
			> cancel
			< All right, I have forgotten about it.
			> cancel
			< There is nothing to cancel.
			> book
			< Where do you want to go?
			> Oslo
			< When do you arrive in Oslo?
			> policy
			< interrupt: I ask you about it, and then we go on where we were. Say "policy" with one of adhoc, wait, interrupt, cancel, drop to change that.
			> policy never
			< I know adhoc, wait, interrupt, cancel, drop.
			> offer Las Vegas cheap
			< The price has to be a number, as in "offer Las Vegas 80".
			> offer Las Vegas 80
			< Nobody was told: it has to be 20 % less than 100, and somebody else has to be here.
			> 1.2.2099
			< How many nights do you stay?`)
	})
}
