package dialog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/store/memory"
)

// asking is a person who is asked one question; the bot says what it has understood.
func asking[T any](t testing.TB, p *dialog.Prompt[T], q dialog.Question) *bottest.Chat {
	t.Helper()
	w := dialog.NewWaterfall("book",
		func(context.Context, *dialog.Step[None, None]) (dialog.Action, error) { return p.AskWith(q), nil },
		func(ctx context.Context, s *dialog.Step[None, None]) (dialog.Action, error) {
			text := "no answer"
			if v := p.Answer(s); s.Answered() {
				text = fmt.Sprintf("%+v", v)
			}
			_, err := s.Turn.Say(ctx, text)
			return dialog.End(nil), err
		})
	rec, store := &bottest.Recorder{}, memory.New()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	set := newSet(t, dialog.Config{Zone: berlin, Now: func() time.Time { return time.Date(2026, 11, 18, 9, 30, 0, 0, time.UTC) }}, w, p)
	return &bottest.Chat{Bot: newBot(t, store, rec, set), Recorder: rec}
}

func TestPromptsInLanguages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		locale string
		chat   *bottest.Chat
		script string
	}{
		{"en", asking(t, dialog.Number("n"), dialog.Question{Text: "N?"}), "< N?\n> x\n< N?\n> twenty and a half\n< N?\n> twenty-one of us\n< 21"},
		{"de", asking(t, dialog.Number("n"), dialog.Question{Text: "N?"}), "< N?\n> 1.234,5\n< 1234.5"},
		{"fr", asking(t, dialog.Integer("n"), dialog.Question{Text: "N?"}), "< N?\n> 1,5\n< N?\n> soixante-dix\n< 70"},
		{"en", asking(t, dialog.Integer("n"), dialog.Question{Text: "N?"}), "< N?\n> 90071992547409930\n< N?\n> -3\n< -3"},
		{"de", asking(t, dialog.Confirm("c"), dialog.Question{Text: "Ja?"}), "< Ja? (1) Ja oder (2) Nein\n> weiß nicht\n< Ja? (1) Ja oder (2) Nein\n> Klar!\n< true"},
		{"en", asking(t, dialog.Confirm("c"), dialog.Question{Text: "Ok?"}), "< Ok? (1) Yes or (2) No\n> no problem\n< Ok? (1) Yes or (2) No\n> no, thanks\n< false"},
		{"es", asking(t, dialog.Confirm("c"), dialog.Question{Text: "Si?"}), "< Si? (1) Sí o (2) No\n> 2\n< false"},
		{"fr", asking(t, dialog.Confirm("c"), dialog.Question{Text: "?", Choices: dialog.Choices("Garder", "Jeter")}), "< ? (1) Garder ou (2) Jeter\n> jeter\n< false"},
		{"en", asking(t, dialog.DateTime("d"), dialog.Question{Text: "When?", Retry: "When exactly?"}), "< When?\n> soon\n< When exactly?\n> tomorrow at 3pm\n< {Time:2026-11-19 15:00:00 +0100 CET HasDate:true HasClock:true}"},
		{"de", asking(t, dialog.DateTime("d"), dialog.Question{Text: "Wann?"}), "< Wann?\n> übermorgen\n< {Time:2026-11-20 00:00:00 +0100 CET HasDate:true HasClock:false}"},
	} {
		c.chat.Locale = c.locale
		c.chat.Play(t, "> book\n"+c.script)
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	colours := []dialog.Choice{
		{Value: "red", Synonyms: []string{"crimson"}}, {Value: "dark red"}, {Value: "green", Action: &activity.CardAction{Title: "Grün"}},
	}
	for text, want := range map[string]string{
		"red": "red 0", "Crimson!": "red 0", "I want GREEN please": "green 2", "grun": "green 2", "2": "dark red 1", "the third": "green 2",
		"last": "green 2", "the dark red one": "dark red 1", "red or green": "", "blue": "", "4": "", "0": "", "": "",
	} {
		chat := asking(t, dialog.Choose("c", colours...), dialog.Question{Text: "Which?"})
		chat.Play(t, "> book\n< Which? (1) red, (2) dark red, or (3) Grün")
		got, err := chat.Say(t.Context(), text)
		if want == "" {
			want = "Which? (1) red, (2) dark red, or (3) Grün"
		} else {
			value, index := want[:len(want)-2], want[len(want)-1:]
			want = "{Value:" + value + " Index:" + index + "}"
		}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, error %v, want %q", text, got, err, want)
		}
	}
}

func TestPressedButtonChooses(t *testing.T) {
	t.Parallel()
	chat := asking(t, dialog.Choose("c"), dialog.Question{Text: "Which?", Choices: []dialog.Choice{
		{Value: "one"}, {Value: "two", Action: &activity.CardAction{Type: activity.ActionMessageBack, Title: "Two", Value: jsontext.Value(`{"n":2}`)}},
	}})
	chat.Play(t, "> book\n< Which? (1) one or (2) Two")
	got, err := chat.Send(t.Context(), &activity.Activity{Type: activity.TypeMessage, Value: jsontext.Value(`{"n":2}`)})
	if err != nil || len(got) != 1 || got[0] != "{Value:two Index:1}" {
		t.Errorf("%q, error %v", got, err)
	}
}

func TestChoicesAreShownAsTheChannelCan(t *testing.T) {
	t.Parallel()
	three, many := dialog.Choices("a", "b", "c"), dialog.Choices(strings.Fields(strings.Repeat("x ", 14))...)
	long := dialog.Choices("a", "something that is longer than a button", "c")
	for _, c := range []struct {
		channel activity.ChannelID
		choices []dialog.Choice
		style   dialog.Style
		want    string
	}{
		{"webchat", three, "", "Q? [a] [b] [c]"}, {"msteams", three, "", "Q? [a] [b] [c]"}, {"sms", three, "", "Q? (1) a, (2) b, or (3) c"},
		{"line", many, "", "Q?" + strings.Repeat(" [x]", 14)}, {"sms", dialog.Choices("a", "b", "c", "d"), "", "Q? 1. a 2. b 3. c 4. d"},
		{"webchat", long, "", "Q? 1. a 2. something that is longer than a button 3. c"},
		{"webchat", three, dialog.StyleNone, "Q?"}, {"webchat", three, dialog.StyleInline, "Q? (1) a, (2) b, or (3) c"},
		{"sms", three, dialog.StyleList, "Q? 1. a 2. b 3. c"}, {"sms", three, dialog.StyleButtons, "Q? [a] [b] [c]"}, {"sms", three, dialog.StyleCard, "Q? [a] [b] [c]"},
	} {
		chat := asking(t, dialog.Choose("c"), dialog.Question{Text: "Q?", Choices: c.choices, Style: c.style})
		chat.ChannelID = c.channel
		chat.Play(t, "> book\n< "+c.want+"\n> nothing of this\n< "+c.want)
		if hint := chat.Recorder.Sent()[0].Activity.InputHint; hint != activity.InputExpecting {
			t.Errorf("the input hint is %q", hint)
		}
	}
}

func TestRetriesEndTheQuestion(t *testing.T) {
	t.Parallel()
	chat := asking(t, dialog.Number("n").Retries(2).Retry("A number!"), dialog.Question{Text: "N?"})
	chat.Play(t, "> book\n< N?\n> a1b2\n< A number!\n> y\n< A number!\n> z\n< no answer\n> 5\n< You said 5")
}

func TestCheckThatFailsFailsTheTurn(t *testing.T) {
	t.Parallel()
	broken := errors.New("no database")
	p := dialog.Text("n").Validate(func(context.Context, *headsup.Turn, string) error { return broken })
	chat := asking(t, p, dialog.Question{Text: "Name?"})
	chat.Play(t, "> book\n< Name?")
	if _, err := chat.Say(t.Context(), "Ann"); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	p.Validate(func(context.Context, *headsup.Turn, string) error { return dialog.Invalid("") })
	chat.Play(t, "> Ann\n< Name?")
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	chat := asking(t, dialog.Attachments("f"), dialog.Question{Activity: &activity.Activity{Text: "Your photo?", InputHint: activity.InputAccepting}})
	chat.Play(t, "> book\n< Your photo?\n> here\n< Your photo?")
	html := activity.Attachment{ContentType: "text/html", Content: jsontext.Value(`"<p>here</p>"`)}
	photo := activity.Attachment{ContentType: "image/png", ContentURL: "https://files.example.net/1.png"}
	for _, c := range []struct {
		files []activity.Attachment
		want  string
	}{{[]activity.Attachment{html}, "Your photo?"}, {[]activity.Attachment{html, photo}, "image/png"}} {
		got, err := chat.Send(t.Context(), &activity.Activity{Type: activity.TypeMessage, Text: "here", Attachments: c.files})
		if err != nil || len(got) != 1 || !strings.Contains(got[0], c.want) || strings.Contains(got[0], "html") {
			t.Errorf("%q, error %v, want %q", got, err, c.want)
		}
	}
	if hint := chat.Recorder.Sent()[0].Activity.InputHint; hint != activity.InputAccepting {
		t.Errorf("the input hint is %q", hint)
	}
}

func TestPromptOfOnesOwn(t *testing.T) {
	t.Parallel()
	p := dialog.NewPrompt("colour", func(t *headsup.Turn) (string, bool) { return "#" + t.Activity().Text, len(t.Activity().Text) == 6 })
	asking(t, p, dialog.Question{Text: "Colour?"}).Play(t, "> book\n< Colour?\n> red\n< Colour?\n> ff0000\n< #ff0000")
}

func TestMentionOfTheBotIsNoPartOfTheAnswer(t *testing.T) {
	t.Parallel()
	chat := asking(t, dialog.Text("n"), dialog.Question{Text: "Name?"})
	chat.Play(t, "> book\n< Name?")
	a := activity.Message("<at>Bot</at> Ann")
	a.Entities = []activity.Entity{{Type: activity.EntityMention, Extra: jsontext.Value(`{"mentioned":{"id":"bot"},"text":"<at>Bot</at>"}`)}}
	if got, err := chat.Send(t.Context(), a); err != nil || len(got) != 1 || got[0] != "Ann" {
		t.Errorf("%q, error %v", got, err)
	}
}

func TestPersonsOwnZoneCounts(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]*activity.Activity{
		"2026-11-19 00:00:00 -0500 EST":    {LocalTimezone: "America/New_York"},
		"2026-11-19 00:00:00 +0900 +0900":  {LocalTimestamp: activity.LocalTimeOf(time.Date(2026, 11, 18, 18, 30, 0, 0, time.FixedZone("", 9*3600)))},
		"2026-11-19 00:00:00 +0100 CET":    {LocalTimezone: "Nowhere/Land"},
		"2026-11-19 00:00:00 +0530 IST Ha": {LocalTimezone: "Asia/Kolkata"},
	} {
		chat := asking(t, dialog.DateTime("d"), dialog.Question{Text: "When?"})
		chat.Play(t, "> book\n< When?")
		a.Type, a.Text = activity.TypeMessage, "tomorrow"
		if got, err := chat.Send(t.Context(), a); err != nil || len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q, error %v, want %q", got, err, want)
		}
	}
}
