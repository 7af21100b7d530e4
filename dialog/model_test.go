package dialog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/memory"
)

// node is a dialog that does what it is told.
type node string

func (n node) ID() string { return string(n) }

func (n node) OnBegin(context.Context, *dialog.Frame, jsontext.Value) (dialog.Action, error) {
	return dialog.Wait(), nil
}

func (n node) OnContinue(_ context.Context, f *dialog.Frame) (dialog.Action, error) {
	verb, id, _ := strings.Cut(f.Turn().Activity().Text, " ")
	switch verb {
	case "begin":
		return dialog.Begin(id, nil), nil
	case "replace":
		return dialog.Replace(id, nil), nil
	case "end":
		return dialog.End(string(n)), nil
	case "cancel":
		return dialog.CancelAll(), nil
	default:
		return dialog.Wait(), nil
	}
}

func (n node) OnResume(ctx context.Context, f *dialog.Frame, ended dialog.Ended) (dialog.Action, error) {
	_, err := f.Turn().Say(ctx, fmt.Sprintf("%s after %s", n, ended.Dialog))
	return dialog.Wait(), err
}

func (n node) OnReprompt(ctx context.Context, f *dialog.Frame) error {
	_, err := f.Turn().Say(ctx, string(n)+" again")
	return err
}

// nodes are two plain ones and a component whose waterfall begins one of them.
func nodes() []dialog.Dialog {
	start := dialog.NewWaterfall("start", func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) {
		return dialog.Begin("in", nil), nil
	})
	return []dialog.Dialog{node("a"), node("b"), dialog.NewComponent("comp", start, node("in"))}
}

// place is an instance in the model.
type place struct {
	id         string
	interrupts bool
	inner      []*place // of comp
}

// model says what should be on the stack, and what should be said.
type model struct {
	root []*place
	said []string
}

const modelDepth = 9

// levels are the stacks from the outermost to the one that is active.
func (m *model) levels() []*[]*place {
	levels := []*[]*place{&m.root}
	for {
		stack := *levels[len(levels)-1]
		if len(stack) == 0 || stack[len(stack)-1].id != "comp" {
			return levels
		}
		levels = append(levels, &stack[len(stack)-1].inner)
	}
}

func (m *model) path() []string {
	var ids []string
	for _, level := range m.levels() {
		for _, p := range *level {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// begin puts a dialog on a level; if it is too deep, everything is lost.
func (m *model) begin(level *[]*place, id string, interrupts bool) {
	p := &place{id: id, interrupts: interrupts}
	if *level = append(*level, p); id == "comp" {
		p.inner = []*place{{id: "start"}, {id: "in"}}
	}
	if len(m.path()) > modelDepth {
		m.root, m.said = nil, append(m.said, "lost")
	}
}

// end takes the last dialog from a level.
func (m *model) end(levels []*[]*place) {
	level := levels[len(levels)-1]
	stack := *level
	gone := stack[len(stack)-1]
	*level = stack[:len(stack)-1]
	switch {
	case len(*level) == 0 && len(levels) == 1:
	case len(*level) == 0:
		m.end(levels[:len(levels)-1])
	case gone.interrupts:
		m.again()
	default:
		below := (*level)[len(*level)-1]
		if below.id == "start" {
			m.end(levels)
		} else {
			m.said = append(m.said, below.id+" after "+gone.id)
		}
	}
}

// again has the active one ask again.
func (m *model) again() {
	if path := m.path(); len(path) > 0 {
		m.said = append(m.said, path[len(path)-1]+" again")
	}
}

// hear does what a person says.
func (m *model) hear(text string) {
	levels := m.levels()
	level := levels[len(levels)-1]
	if len(m.root) == 0 {
		return
	}
	verb, id, _ := strings.Cut(text, " ")
	switch verb {
	case "begin":
		m.begin(level, id, false)
	case "replace":
		stack := *level
		gone := stack[len(stack)-1]
		*level = stack[:len(stack)-1]
		m.begin(level, id, gone.interrupts)
	case "end":
		m.end(levels)
	case "cancel":
		m.root = nil
	}
}

// TestStackIsWhatTheModelSays: whatever people, dialogs and interruptions do, on a set that is another one each time.
func TestStackIsWhatTheModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store, rec, m := memory.New(), &bottest.Recorder{}, &model{}
		chat := &bottest.Chat{Recorder: rec}
		for range rapid.IntRange(1, 40).Draw(t, "turns") {
			set, err := dialog.NewSet(dialog.Config{MaxDepth: modelDepth, Lost: func(ctx context.Context, t *headsup.Turn, _ *dialog.LostError) error {
				_, err := t.Say(ctx, "lost")
				return err
			}}, nodes()...)
			if err != nil {
				t.Fatal(err)
			}
			if chat.Bot, err = headsup.New(headsup.Config{
				AppID: "app", Channel: rec, Turns: store, Middleware: []headsup.Middleware{state.Middleware(store)},
			}, set); err != nil {
				t.Fatal(err)
			}
			verb := rapid.SampledFrom([]string{"begin", "begin", "replace", "end", "end", "wait", "cancel", "interrupt", "interrupt", "resume", "cancel all"}).Draw(t, "verb")
			id := rapid.SampledFrom([]string{"a", "b", "comp"}).Draw(t, "id")
			m.said = nil
			var path, replies []string
			look := func(ctx context.Context, turn *headsup.Turn) (err error) {
				path, err = set.Active(ctx, turn)
				return err
			}
			turn := func(h headsup.HandlerFunc) error { return chat.Bot.Continue(context.Background(), chat.Reference(), h) }
			switch verb {
			case "interrupt":
				err = turn(interrupt(set, id, ""))
				if len(m.root) >= modelDepth {
					if !errors.Is(err, dialog.ErrTooDeep) {
						t.Fatalf("one too many: error %v", err)
					}
					err = nil
				} else {
					m.begin(&m.root, id, len(m.root) > 0)
				}
			case "resume":
				err = turn(set.Resume)
				m.again()
			case "cancel all":
				err = turn(set.CancelAll)
				m.root = nil
			default:
				replies, err = chat.Say(context.Background(), verb+" "+id)
				m.hear(verb + " " + id)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := turn(look); err != nil {
				t.Fatal(err)
			}
			if got := append(replies, chat.Replies()...); !slices.Equal(got, m.said) {
				t.Fatalf("%s %s: says %q, want %q", verb, id, got, m.said)
			}
			if want := m.path(); !slices.Equal(path, want) {
				t.Fatalf("%s %s: on the stack are %v, want %v", verb, id, path, want)
			}
		}
	})
}
