package dialog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

const wholeBooking = `
	> hello
	< You said hello
	> book
	< Where to?
	> London
	< How many are you?
	> many
	< A number, please.
	> 12
	< From 1 to 9, please.
	> two of us
	< London, is that right? (1) Yes or (2) No
	> well
	< London, is that right? (1) Yes or (2) No
	> yes
	< Booked.
	> hello
	< You said hello`

func TestBooking(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, _ := newChat(t, store, all()...)
	chat.Play(t, wholeBooking)
	if doc := document(t, store); doc != "" {
		t.Errorf("after the end there is %s", doc)
	}
}

// TestRestartAfterEveryMessage: every message is heard by another set in another bot, with nothing but the store in common.
func TestRestartAfterEveryMessage(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, _ := newChat(t, store, all()...)
	block := ""
	for l := range strings.Lines(wholeBooking + "\n>") {
		if strings.Contains(l, ">") && block != "" {
			chat.Bot = newBot(t, store, chat.Recorder, newSet(t, dialog.Config{}, all()...))
			chat.Play(t, block)
			block = ""
		}
		block += l
	}
}

func TestStoredStackIsReadable(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, _ := newChat(t, store, all()...)
	chat.Play(t, "> book\n< Where to?\n> London\n< How many are you?\n> x\n< A number, please.")
	const want = `{"DialogState":{"dialogStack":[{"id":"book","state":{"values":{"city":"London"},"stepIndex":1,"stepCount":4}},` +
		`{"id":"guests","state":{"options":{"prompt":"How many are you?"},"state":{"attemptCount":1}}}],"headsup":true}}`
	if got := document(t, store); got != want {
		t.Errorf("stored\n%s, want\n%s", got, want)
	}
}

func TestCommandsInterrupt(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, _ := newChat(t, store, all()...)
	chat.Play(t, `
		> book
		< Where to?
		> help
		< Just answer.
		< Where to?
		> London
		< How many are you?
		> cancel
		< Stopped.
		> 3
		< You said 3`)
}

func TestBeginningInsideADialogPutsItAside(t *testing.T) {
	t.Parallel()
	chat, _ := newChat(t, memory.New(), all()...)
	chat.Play(t, `
		> book
		< Where to?
		> book
		< Where to?
		> Rome
		< How many are you?
		> 1
		< Rome, is that right? (1) Yes or (2) No
		> no
		< Then not.
		< Where to?
		> London
		< How many are you?`)
}

func TestWhatIsKnownIsNotAsked(t *testing.T) {
	t.Parallel()
	set, rec := newSet(t, dialog.Config{Start: book.Begin(booking{City: "Paris"})}, all()...), &bottest.Recorder{}
	store := memory.New()
	bot, err := headsup.New(headsup.Config{AppID: "app", Channel: rec, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)}}, set)
	if err != nil {
		t.Fatal(err)
	}
	(&bottest.Chat{Bot: bot, Recorder: rec}).Play(t, `
		> hello
		< How many are you?
		> four
		< Paris, is that right? (1) Yes or (2) No
		> 1
		< Booked.`)
}

// proactively runs a turn that nobody asked for.
func proactively(t testing.TB, chat *bottest.Chat, h headsup.HandlerFunc) error {
	t.Helper()
	return chat.Bot.Continue(t.Context(), chat.Reference(), h)
}

func interrupt(set *dialog.Set, name, options string) headsup.HandlerFunc {
	return func(ctx context.Context, t *headsup.Turn) error {
		return set.Interrupt(ctx, t, name, jsontext.Value(options))
	}
}

func TestInterruptionResumesWhereItStopped(t *testing.T) {
	t.Parallel()
	chat, set := newChat(t, memory.New(), all()...)
	chat.Play(t, "> book\n< Where to?\n> London\n< How many are you?")
	if err := proactively(t, chat, interrupt(set, "survey", "")); err != nil {
		t.Fatal(err)
	}
	chat.Play(t, `
		< How do you like us?
		> well
		< How do you like us?
		> done
		< Thanks.
		< How many are you?
		> 3
		< London, is that right? (1) Yes or (2) No`)
	if err := proactively(t, chat, interrupt(set, "announcement", `{"text":"Las Vegas is cheaper."}`)); err != nil {
		t.Fatal(err)
	}
	chat.Play(t, `
		< News: Las Vegas is cheaper.
		< London, is that right? (1) Yes or (2) No
		> yes
		< Booked.`)
	if err := proactively(t, chat, interrupt(set, "announcement", `{"text":"Again."}`)); err != nil {
		t.Fatal(err)
	}
	chat.Play(t, "< News: Again.\n> hm\n< You said hm")
}

func TestInterruptionWithAnUnknownDialogChangesNothing(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, set := newChat(t, store, all()...)
	chat.Play(t, "> book\n< Where to?")
	before := document(t, store)
	var unknown *dialog.UnknownError
	if err := proactively(t, chat, interrupt(set, "nothing", "")); !errors.As(err, &unknown) || unknown.Dialog != "nothing" {
		t.Errorf("error %v, want an UnknownError", err)
	}
	if set.Knows("nothing") || !set.Knows("survey") {
		t.Error("the set does not know what it knows")
	}
	if got := document(t, store); got != before {
		t.Errorf("stored %s, before it was %s", got, before)
	}
}

func TestProactiveTurnDoesNotAnswer(t *testing.T) {
	t.Parallel()
	chat, set := newChat(t, memory.New(), all()...)
	chat.Play(t, "> book\n< Where to?")
	err := proactively(t, chat, func(ctx context.Context, t *headsup.Turn) error {
		t.Activity().Text = "London"
		return set.HandleTurn(ctx, t)
	})
	if err != nil {
		t.Fatal(err)
	}
	chat.Play(t, "> Rome\n< How many are you?")
}

func TestCancelAllEndsEverything(t *testing.T) {
	t.Parallel()
	store := memory.New()
	chat, set := newChat(t, store, all()...)
	chat.Play(t, "> book\n< Where to?")
	err := proactively(t, chat, func(ctx context.Context, turn *headsup.Turn) error {
		if ids, err := set.Active(ctx, turn); err != nil || !slices.Equal(ids, []string{"book", "city"}) {
			t.Errorf("active are %v, error %v", ids, err)
		}
		err := set.CancelAll(ctx, turn)
		if ids, _ := set.Active(ctx, turn); len(ids) > 0 {
			t.Errorf("%v are still active", ids)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	chat.Play(t, "> Rome\n< You said Rome")
	if doc := document(t, store); doc != "" {
		t.Errorf("stored %s", doc)
	}
}

func TestErrorInAStepLeavesTheConversationWhereItWas(t *testing.T) {
	t.Parallel()
	fails := true
	store := memory.New()
	w := dialog.NewWaterfall("book",
		func(context.Context, *step) (dialog.Action, error) { return city.Ask("Where to?"), nil },
		func(ctx context.Context, s *step) (dialog.Action, error) {
			if s.Data.City = city.Answer(s); fails {
				return dialog.Action{}, errors.New("no database")
			}
			_, err := s.Turn.Say(ctx, s.Data.City+" it is.")
			return s.End(s.Data), err
		})
	chat, _ := newChat(t, store, w, city)
	chat.Play(t, "> book\n< Where to?")
	before := document(t, store)
	if _, err := chat.Say(t.Context(), "Rome"); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("error %v", err)
	}
	if got := document(t, store); got != before {
		t.Errorf("stored %s, want %s", got, before)
	}
	fails = false
	chat.Play(t, "> Rome\n< Rome it is.")
}

// TestNewerProgram: a conversation was stored by another version of the program. Whatever is missing, the person is told and
// can go on.
func TestNewerProgram(t *testing.T) {
	t.Parallel()
	short := dialog.NewWaterfall("book", askCity)
	marked := dialog.NewWaterfall("book", askCity, askGuests, askSure, booked).Version("2")
	other := dialog.NewWaterfall("book",
		func(context.Context, *step) (dialog.Action, error) { return city.Ask("Where to?"), nil },
		func(_ context.Context, s *step) (dialog.Action, error) {
			return guests.Ask(fmt.Sprint("What about ", guests.Answer(s), "?")), nil
		})
	type strange struct {
		City int `json:"city"`
	}
	typed := dialog.NewWaterfall("book",
		func(context.Context, *dialog.Step[strange, None]) (dialog.Action, error) {
			return city.Ask("Where to?"), nil
		},
		func(context.Context, *dialog.Step[strange, None]) (dialog.Action, error) { return dialog.Wait(), nil },
		func(context.Context, *dialog.Step[strange, None]) (dialog.Action, error) { return dialog.Wait(), nil })

	for name, c := range map[string]struct {
		talk    string // with the old one
		dialogs []dialog.Dialog
		doc     string // stored in place of what the talk has left
		loss    dialog.Loss
		lost    string
	}{
		"no such dialog":         {talk: "> book\n< Where to?", dialogs: []dialog.Dialog{city}, loss: dialog.LostDialog, lost: "book"},
		"no such prompt":         {talk: "> book\n< Where to?", dialogs: []dialog.Dialog{book}, loss: dialog.LostDialog, lost: "city"},
		"no prompt for the next": {talk: "> book\n< Where to?", dialogs: []dialog.Dialog{book, city}, loss: dialog.LostDialog, lost: "guests"},
		"no such step": {
			talk: "> book\n< Where to?\n> Rome\n< How many are you?", dialogs: []dialog.Dialog{short, city, guests}, loss: dialog.LostStep, lost: "book",
		},
		"no next step":    {talk: "> book\n< Where to?", dialogs: []dialog.Dialog{short, city}, loss: dialog.LostStep, lost: "book"},
		"another version": {doc: `{"DialogState":{"dialogStack":[{"id":"book","version":"1","state":{}}]}}`, dialogs: []dialog.Dialog{marked}, loss: dialog.LostVersion, lost: "book"},
		"another answer":  {talk: "> book\n< Where to?", dialogs: []dialog.Dialog{other, city, guests}, loss: dialog.LostAnswer, lost: "book"},
		"other data": {
			talk: "> book\n< Where to?\n> Rome\n< How many are you?", dialogs: []dialog.Dialog{typed, city, guests}, loss: dialog.LostState, lost: "book",
		},
		"a hole": {doc: `{"DialogState":{"dialogStack":[null]}}`, dialogs: all(), loss: dialog.LostState},
		"another hole": {
			doc:     `{"DialogState":{"dialogStack":[{"id":"hotel","state":{"dialogs":{"dialogStack":[null]}}}]}}`,
			dialogs: travel(), loss: dialog.LostState, lost: "hotel",
		},
		"no stack":     {doc: `{"DialogState":[1,2]}`, dialogs: all(), loss: dialog.LostState},
		"no instances": {doc: `{"DialogState":{"dialogStack":[{"id":5}]}}`, dialogs: all(), loss: dialog.LostState},
		"state is odd": {doc: `{"DialogState":{"dialogStack":[{"id":"book","state":[]}]}}`, dialogs: all(), loss: dialog.LostState, lost: "book"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			chat, _ := newChat(t, store, all()...)
			chat.Play(t, c.talk)
			if c.doc != "" {
				put(t, store, c.doc)
			}
			var lost *dialog.LostError
			set := newSet(t, dialog.Config{Lost: func(ctx context.Context, t *headsup.Turn, e *dialog.LostError) error {
				lost = e
				_, err := t.Say(ctx, "Please start again.")
				return err
			}}, c.dialogs...)
			chat.Bot = newBot(t, store, chat.Recorder, set)
			chat.Play(t, "> 2\n< Please start again.\n> hello\n< You said hello")
			if lost == nil || lost.Loss != c.loss || lost.Dialog != c.lost {
				t.Errorf("lost is %+v, want %s of %q", lost, c.loss, c.lost)
			}
			if doc := document(t, store); doc != "" {
				t.Errorf("stored %s", doc)
			}
		})
	}
}

// None is short for the dialogs here.
type None = dialog.None

func TestPeopleAreToldInTheirLanguage(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]string{"en-US": "Sorry, I", "de-AT": "Entschuldigung", "fr": "Désolé", "es-MX": "Lo siento", "pt": "Sorry, I"} {
		store := memory.New()
		put(t, store, `{"DialogState":{"dialogStack":[{"id":"gone","state":{}}]}}`)
		chat, _ := newChat(t, store, all()...)
		chat.Locale = locale
		if got, err := chat.Say(t.Context(), "hello"); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, error %v", locale, got, err)
		}
	}
}

func TestLimitsEndWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	again := dialog.NewWaterfall("again", func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) {
		return dialog.Replace("again", nil), nil
	})
	deeper := dialog.NewWaterfall("deeper", func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) {
		return dialog.Begin("deeper", nil), nil
	})
	for _, c := range []struct {
		begin dialog.Action
		loss  dialog.Loss
	}{{again.Begin(None{}), dialog.LostLoop}, {deeper.Begin(None{}), dialog.LostDepth}} {
		var lost *dialog.LostError
		store, rec := memory.New(), &bottest.Recorder{}
		set := newSet(t, dialog.Config{Start: c.begin, Lost: func(_ context.Context, _ *headsup.Turn, e *dialog.LostError) error {
			lost = e
			return nil
		}}, again, deeper)
		bot, err := headsup.New(headsup.Config{AppID: "app", Channel: rec, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)}}, set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&bottest.Chat{Bot: bot, Recorder: rec}).Say(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		if lost == nil || lost.Loss != c.loss || document(t, store) != "" {
			t.Errorf("lost is %v, want %s; stored %s", lost, c.loss, document(t, store))
		}
	}
}

func TestSetFindsMistakes(t *testing.T) {
	t.Parallel()
	stepOf := func(context.Context, *dialog.Step[int, None]) (dialog.Action, error) { return dialog.Wait(), nil }
	for name, make := range map[string]func() error{
		"twice": func() error { _, err := dialog.NewSet(dialog.Config{}, city, dialog.Text("city")); return err },
		"nil":   func() error { _, err := dialog.NewSet(dialog.Config{}, nil); return err },
		"no id": func() error { _, err := dialog.NewSet(dialog.Config{}, dialog.Text("")); return err },
		"no steps": func() error {
			_, err := dialog.NewSet(dialog.Config{}, dialog.NewWaterfall[None, None]("x"))
			return err
		},
		"no object": func() error { _, err := dialog.NewSet(dialog.Config{}, dialog.NewWaterfall("x", stepOf)); return err },
		"start":     func() error { _, err := dialog.NewSet(dialog.Config{Start: book.Begin(booking{})}, city); return err },
		"start's data": func() error {
			_, err := dialog.NewSet(dialog.Config{Start: dialog.Begin("city", func() {})}, city)
			return err
		},
		"depth": func() error { _, err := dialog.NewSet(dialog.Config{MaxDepth: -1}, city); return err },
		"moves": func() error { _, err := dialog.NewSet(dialog.Config{MaxMoves: -1}, city); return err },
		"busy":  func() error { _, err := dialog.NewSet(dialog.Config{Busy: 1000}, city); return err },
		"inside": func() error {
			_, err := dialog.NewSet(dialog.Config{}, dialog.NewComponent("c", book, city, dialog.Text("city")))
			return err
		},
	} {
		if make() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSetIsNotUsedFromInside(t *testing.T) {
	t.Parallel()
	var set *dialog.Set
	w := dialog.NewWaterfall("book", func(ctx context.Context, s *step) (dialog.Action, error) {
		return dialog.Wait(), set.CancelAll(ctx, s.Turn)
	})
	chat, set := newChat(t, memory.New(), w)
	if _, err := chat.Say(t.Context(), "book"); err == nil || !strings.Contains(err.Error(), "return an Action") {
		t.Errorf("error %v", err)
	}
}

func TestVectorsOfOtherSDKs(t *testing.T) {
	t.Parallel()
	var file struct {
		Cases []struct {
			Name   string                    `json:"name"`
			Input  map[string]jsontext.Value `json:"input"`
			Active []string                  `json:"activePath"`
		} `json:"cases"`
	}
	readJSON(t, "testdata/dialog-state.json", &file)
	for _, c := range file.Cases {
		got, err := dialog.Path(c.Input["DialogState"])
		if err != nil || len(got) == 0 || got[len(got)-1] != c.Active[len(c.Active)-1] {
			t.Errorf("%s: the path is %v, error %v, want one that ends with %v", c.Name, got, err, c.Active)
		}
		for _, id := range c.Active { // which are active on each level, in their order
			if i := slices.Index(got, id); i < 0 {
				t.Errorf("%s: the path %v lacks %q", c.Name, got, id)
			} else {
				got = got[i+1:]
			}
		}
	}
	if len(file.Cases) < 3 {
		t.Errorf("there are %d cases", len(file.Cases))
	}
}

// TestConversationsOfOtherSDKsGoOn: the stack was stored by another SDK, in the middle of a booking.
func TestConversationsOfOtherSDKsGoOn(t *testing.T) {
	t.Parallel()
	inner := dialog.NewComponent("travel", book, city, guests, sure)
	for name, doc := range map[string]string{
		"JavaScript": `{"dialogState":{"dialogStack":[{"id":"travel","state":{"dialogs":{"dialogStack":[
			{"id":"book","state":{"options":{},"values":{"instanceId":"1b6f","city":"London"},"stepIndex":1}},
			{"id":"guests","state":{"options":{"prompt":"How many?","retryPrompt":"Again?"},"state":{}}}]}}}]},"eTag":"*"}`,
		".NET": `{"$type":"Dictionary","DialogState":{"$type":"DialogState","dialogStack":{"$type":"List","$values":[
			{"$type":"DialogInstance","id":"travel","StackIndex":null,"Version":null,"state":{"$type":"Dictionary","dialogs":{"$type":"DialogState","dialogStack":{"$type":"List","$values":[
				{"$type":"DialogInstance","id":"guests","state":{"$type":"Dictionary","options":{"$type":"PromptOptions","Prompt":{"$type":"Activity","text":"How many?"},"RetryPrompt":{"$type":"Activity","text":"Again?"}},"state":{"$type":"Dictionary","AttemptCount":1}}},
				{"$type":"DialogInstance","id":"book","state":{"$type":"Dictionary","options":{"$type":"Booking","City":"London"},"values":{"$type":"Dictionary","instanceId":"1b6f"},"stepIndex":1}}]}}}}]}}}`,
		"Python": `{"DialogState":{"py/object":"DialogState","_dialog_stack":[{"py/object":"DialogInstance","id":"travel","state":{"dialogs":{"py/object":"DialogState","_dialog_stack":[
			{"py/object":"DialogInstance","id":"guests","state":{"options":{"py/object":"PromptOptions","prompt":{"py/object":"Activity","text":"How many?"},"retry_prompt":"Again?"},"state":{}}},
			{"py/object":"DialogInstance","id":"book","state":{"options":{},"values":{"instanceId":"1b6f","city":"London"},"stepIndex":1}}]}}}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			w, err := state.Import("app", "", state.Foreign{Key: chatKey.Path, Body: jsontext.Value(doc)})
			if err != nil {
				t.Fatal(err)
			}
			if err := store.WriteState(t.Context(), []state.Write{w}); err != nil {
				t.Fatal(err)
			}
			chat, _ := newChat(t, store, inner)
			chat.Play(t, `
				> many
				< Again?
				> 2
				< London, is that right? (1) Yes or (2) No`)
			if doc := document(t, store); strings.Contains(doc, "$") || strings.Contains(doc, "py/") {
				t.Errorf("stored %s", doc)
			}
			chat.Play(t, "> yes\n< Booked.\n> hello\n< You said hello")
		})
	}
}

// ops remembers what turns commit.
type ops struct {
	headsup.Turns
	marks []headsup.Mark
}

func (o *ops) Commit(ctx context.Context, l headsup.Lease, list []headsup.Op) error {
	for _, op := range list {
		if m, ok := op.(headsup.Mark); ok {
			o.marks = append(o.marks, m)
		}
	}
	return o.Turns.Commit(ctx, l, list)
}

func TestConversationIsBusyWhileADialogRuns(t *testing.T) {
	t.Parallel()
	store, rec := memory.New(), &bottest.Recorder{}
	set, turns := newSet(t, dialog.Config{Busy: 3}, all()...), &ops{Turns: store}
	bot, err := headsup.New(headsup.Config{AppID: "app", Channel: rec, Turns: turns, Middleware: []headsup.Middleware{state.Middleware(store)}},
		set.Or(set.Handle(book.Begin(booking{}))))
	if err != nil {
		t.Fatal(err)
	}
	chat := &bottest.Chat{Bot: bot, Recorder: rec}
	for i, c := range []struct {
		says string
		want string // what the turn marks
	}{{"book", "book"}, {"Rome", ""}, {"x", ""}, {"2", ""}, {"yes", "free"}, {"book", "book"}} {
		turns.marks = nil
		if _, err := chat.Say(t.Context(), c.says); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range turns.marks {
			if m.Busy.By != headsup.BusyDialog || !m.Free && m.Busy.Priority != 3 {
				t.Errorf("marked %+v", m)
			}
			if got += m.Busy.Reason; m.Free {
				got += "free"
			}
		}
		if got != c.want {
			t.Errorf("message %d, %q, marks %q, want %q", i, c.says, got, c.want)
		}
	}
}

func TestGroupMembersHaveStacksOfTheirOwn(t *testing.T) {
	t.Parallel()
	store, rec := memory.New(), &bottest.Recorder{}
	set := newSet(t, dialog.Config{Scope: state.Private, Property: "talk"}, all()...)
	bot := newBot(t, store, rec, set)
	ann, ben := &bottest.Chat{Bot: bot, Recorder: rec, User: "ann"}, &bottest.Chat{Bot: bot, Recorder: rec, User: "ben"}
	ann.Play(t, "> book\n< Where to?")
	ben.Replies()
	ben.Play(t, "> Rome\n< You said Rome")
	ann.Replies()
	ann.Play(t, "> Rome\n< How many are you?")
	found, err := store.ReadState(t.Context(), []state.Key{{AppID: "app", Path: "test/conversations/chat/users/ann/"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		if !strings.HasPrefix(string(d.Value), `{"talk":`) {
			t.Errorf("stored %s", d.Value)
		}
	}
}

// TestEndedDialogsTellTheirResult: whoever runs a dialog from outside gets what it ends with.
func TestEndedDialogsTellTheirResult(t *testing.T) {
	t.Parallel()
	store, rec := memory.New(), &bottest.Recorder{}
	set := newSet(t, dialog.Config{}, all()...)
	var ended []booking
	h := headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		r, err := set.Continue(ctx, t)
		if r.Status == dialog.Empty {
			r, err = set.Run(ctx, t, book.Begin(booking{}))
		}
		if b, ok := book.Ended(r); ok {
			ended = append(ended, b)
		}
		return err
	})
	bot, err := headsup.New(headsup.Config{AppID: "app", Channel: rec, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)}}, h)
	if err != nil {
		t.Fatal(err)
	}
	(&bottest.Chat{Bot: bot, Recorder: rec, ChannelID: activity.ChannelWebChat}).Play(t, `
		> hi
		< Where to?
		> Oslo
		< How many are you?
		> 2
		< Oslo, is that right? [Yes] [No]
		> yes
		< Booked.`)
	if !slices.Equal(ended, []booking{{City: "Oslo", Guests: 2, Sure: true}}) {
		t.Errorf("ended with %+v", ended)
	}
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := testdata.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte(`{"dialogStack":[{"id":"a","state":{"dialogs":{"dialogStack":[{"id":"b"}]}}}]}`))
	f.Add([]byte(`{"$type":"T","dialogStack":{"$type":"L","$values":[null,{"id":"b","state":{"dialogs":null}}]}}`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_, _ = dialog.Path(raw) // must not panic
	})
}
