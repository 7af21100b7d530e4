package dialog_test

import (
	"context"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/store/memory"
)

// travel is the booking as a component, and a trip that uses it; both have a prompt named city.
func travel() []dialog.Dialog {
	hotel := dialog.NewComponent("hotel", book, city, guests, sure)
	name := dialog.Text("city")
	trip := dialog.NewWaterfall("book",
		func(context.Context, *dialog.Step[booking, None]) (dialog.Action, error) {
			return name.Ask("Your name?"), nil
		},
		func(_ context.Context, s *dialog.Step[booking, None]) (dialog.Action, error) {
			s.Data.City = name.Answer(s)
			return hotel.Begin(booking{}), nil
		},
		func(ctx context.Context, s *dialog.Step[booking, None]) (dialog.Action, error) {
			_, err := s.Turn.Say(ctx, "Good-bye "+s.Data.City+", enjoy "+hotel.Result(s).City+".")
			return dialog.End(nil), err
		})
	return []dialog.Dialog{trip, name, hotel, survey, dialog.Text("opinion"), announcement}
}

func TestComponentIsADialogOfItsOwn(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, set := newChat(t, store, travel()...)
	chat.Play(t, "> book\n< Your name?\n> Ann\n< Where to?\n> Rome\n< How many are you?")
	const want = `{"DialogState":{"dialogStack":[{"id":"book","state":{"values":{"city":"Ann"},"stepIndex":1,"stepCount":3}},` +
		`{"id":"hotel","state":{"dialogs":{"dialogStack":[{"id":"book","state":{"values":{"city":"Rome"},"stepIndex":1,"stepCount":4}},` +
		`{"id":"guests","state":{"options":{"prompt":"How many are you?"},"state":{}}}]}}}],"headsup":true}}`
	if got := document(t, store); got != want {
		t.Errorf("stored\n%s, want\n%s", got, want)
	}
	if err := proactively(t, chat, interrupt(set, "survey", "")); err != nil {
		t.Fatal(err)
	}
	chat.Play(t, "< How do you like us?\n> done\n< Thanks.\n< How many are you?")
	if err := proactively(t, chat, func(ctx context.Context, turn *headsup.Turn) error { return set.Resume(ctx, turn) }); err != nil {
		t.Fatal(err)
	}
	chat.Play(t, `
		< How many are you?
		> 2
		< Rome, is that right? (1) Yes or (2) No
		> yes
		< Booked.
		< Good-bye Ann, enjoy Rome.
		> hello
		< You said hello`)
}

// ender notes how it ends.
type ender struct {
	dialog.Dialog
	ended *[]string
}

func (e ender) OnContinue(ctx context.Context, f *dialog.Frame) (dialog.Action, error) {
	return e.Dialog.(dialog.Continuer).OnContinue(ctx, f)
}

func (e ender) OnEnd(_ context.Context, _ *dialog.Frame, why dialog.Reason) error {
	*e.ended = append(*e.ended, e.ID()+" "+string(why))
	return nil
}

func TestCancelFromInsideEndsAllAndTellsThem(t *testing.T) {
	t.Parallel()
	var ended []string
	inner := dialog.NewWaterfall("inner",
		func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) { return city.Ask("Stop?"), nil },
		func(_ context.Context, s *dialog.Step[None, None]) (dialog.Action, error) {
			if city.Answer(s) == "leave" {
				return dialog.End(nil), nil
			}
			return dialog.CancelAll(), nil
		})
	comp := dialog.NewComponent("comp", inner, ender{city, &ended})
	outer := dialog.NewWaterfall("book",
		func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) { return comp.Begin(None{}), nil },
		func(ctx context.Context, s *dialog.Step[None, None]) (dialog.Action, error) {
			_, err := s.Turn.Say(ctx, "Went on.")
			return dialog.End(nil), err
		})
	store := memory.New()
	chat, set := newChat(t, store, ender{outer, &ended}, comp)
	chat.Play(t, "> book\n< Stop?\n> yes")
	if doc := document(t, store); doc != "" {
		t.Errorf("stored %s", doc)
	}
	chat.Play(t, "> book\n< Stop?")
	if err := proactively(t, chat, func(ctx context.Context, turn *headsup.Turn) error { return set.CancelAll(ctx, turn) }); err != nil {
		t.Fatal(err)
	}
	want := []string{"city ended", "book cancelled", "city cancelled", "book cancelled"}
	if !slices.Equal(ended, want) {
		t.Errorf("ended %q, want %q", ended, want)
	}
}

// echo is a dialog that somebody has written without waterfalls: it ends with what it hears.
type echo struct{}

func (echo) ID() string { return "echo" }

func (echo) OnBegin(ctx context.Context, f *dialog.Frame, _ jsontext.Value) (dialog.Action, error) {
	_, err := f.Turn().Say(ctx, "Say it.")
	return dialog.Wait(), err
}

func TestDialogWithoutOptionalMethodsEndsWithTheNextMessage(t *testing.T) {
	t.Parallel()
	w := dialog.NewWaterfall("book",
		func(context.Context, *dialog.Step[None, string]) (dialog.Action, error) {
			return dialog.Begin("echo", nil), nil
		},
		func(ctx context.Context, s *dialog.Step[None, string]) (dialog.Action, error) {
			_, err := s.Turn.Say(ctx, "It ended with "+s.Text()+".")
			return s.Next(), err
		})
	chat, _ := newChat(t, memory.New(), w, echo{})
	chat.Play(t, "> book\n< Say it.\n> x\n< It ended with x.\n> y\n< You said y")
}
