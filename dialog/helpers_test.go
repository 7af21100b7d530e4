package dialog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// booking is what a person books.
type booking struct {
	City   string `json:"city,omitzero"`
	Guests int64  `json:"guests,omitzero"`
	Sure   bool   `json:"sure,omitzero"`
}

type step = dialog.Step[booking, booking]

var (
	city   = dialog.Text("city")
	guests = dialog.Integer("guests").Retry("A number, please.").Validate(
		func(_ context.Context, _ *headsup.Turn, n int64) error {
			if n < 1 || n > 9 {
				return dialog.Invalid("From 1 to 9, please.")
			}
			return nil
		})
	sure = dialog.Confirm("sure")
	book = dialog.NewWaterfall("book", askCity, askGuests, askSure, booked)
)

func askCity(_ context.Context, s *step) (dialog.Action, error) {
	if s.Data.City != "" {
		return city.Skip(s.Data.City), nil
	}
	return city.Ask("Where to?"), nil
}

func askGuests(_ context.Context, s *step) (dialog.Action, error) {
	s.Data.City = city.Answer(s)
	return guests.Ask("How many are you?"), nil
}

func askSure(_ context.Context, s *step) (dialog.Action, error) {
	s.Data.Guests = guests.Answer(s)
	return sure.Ask(s.Data.City + ", is that right?"), nil
}

func booked(ctx context.Context, s *step) (dialog.Action, error) {
	s.Data.Sure = sure.Answer(s)
	text := "Booked."
	if !s.Data.Sure {
		text = "Then not."
	}
	if _, err := s.Turn.Say(ctx, text); err != nil {
		return dialog.Action{}, err
	}
	return s.End(s.Data), nil
}

// survey asks until somebody says done, and ends.
var survey = dialog.NewWaterfall("survey",
	func(context.Context, *dialog.Step[dialog.None, dialog.None]) (dialog.Action, error) {
		return dialog.Text("opinion").Ask("How do you like us?"), nil
	},
	func(ctx context.Context, s *dialog.Step[dialog.None, dialog.None]) (dialog.Action, error) {
		if s.Text() != "done" {
			return dialog.Replace("survey", nil), nil
		}
		_, err := s.Turn.Say(ctx, "Thanks.")
		return dialog.End(nil), err
	})

// announcement says something and ends at once.
var announcement = dialog.NewWaterfall("announcement",
	func(ctx context.Context, s *dialog.Step[map[string]string, dialog.None]) (dialog.Action, error) {
		_, err := s.Turn.Say(ctx, "News: "+s.Data["text"])
		return dialog.End(nil), err
	})

func all() []dialog.Dialog {
	return []dialog.Dialog{book, city, guests, sure, survey, dialog.Text("opinion"), announcement}
}

func newSet(t testing.TB, cfg dialog.Config, dialogs ...dialog.Dialog) *dialog.Set {
	t.Helper()
	set, err := dialog.NewSet(cfg, dialogs...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newMux is a bot that books.
func newMux(set *dialog.Set) *headsup.Mux {
	mux := headsup.NewMux()
	mux.Text(set.Handle(book.Begin(booking{})), "book")
	mux.Text(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "Stopped.")
		return errors.Join(err, set.CancelAll(ctx, t))
	}, "cancel")
	mux.Text(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "Just answer.")
		return errors.Join(err, set.Resume(ctx, t))
	}, "help")
	mux.Message(set.Or(func(ctx context.Context, t *headsup.Turn) error {
		_, err := t.Say(ctx, "You said "+t.Activity().Text)
		return err
	}))
	return mux
}

// newBot makes a bot of a set, over a store that may have been used before.
func newBot(t testing.TB, store *memory.Store, rec *bottest.Recorder, set *dialog.Set) *headsup.Bot {
	t.Helper()
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: rec, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)},
	}, newMux(set))
	if err != nil {
		t.Fatal(err)
	}
	return bot
}

// newChat makes a person who talks with a bot of these dialogs.
func newChat(t testing.TB, store *memory.Store, dialogs ...dialog.Dialog) (*bottest.Chat, *dialog.Set) {
	t.Helper()
	set, rec := newSet(t, dialog.Config{}, dialogs...), &bottest.Recorder{}
	return &bottest.Chat{Bot: newBot(t, store, rec, set), Recorder: rec}, set
}

var chatKey = state.Key{AppID: "app", Path: "test/conversations/chat/"}

// document is what is stored of the conversation.
func document(t testing.TB, store *memory.Store) string {
	t.Helper()
	found, err := store.ReadState(t.Context(), []state.Key{chatKey})
	if err != nil {
		t.Fatal(err)
	}
	return string(found[chatKey].Value)
}

// put stores a document of the conversation.
func put(t testing.TB, store *memory.Store, doc string) {
	t.Helper()
	err := store.WriteState(t.Context(), []state.Write{{Key: chatKey, Value: jsontext.Value(doc), ETag: "*"}})
	if err != nil {
		t.Fatal(err)
	}
}
