package book_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/store/memory"
)

// listener is a bot with a book.
type listener struct {
	t     *testing.T
	bot   *headsup.Bot
	store *memory.Store
}

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func listen(t *testing.T, h headsup.HandlerFunc) listener {
	t.Helper()
	l := listener{t: t, store: memory.New()}
	bot, err := headsup.New(headsup.Config{
		AppID: "app", Channel: &bottest.Recorder{}, Turns: l.store,
		Middleware: []headsup.Middleware{book.Middleware(l.store, func() time.Time { return now })},
	}, h)
	if err != nil {
		t.Fatal(err)
	}
	l.bot = bot
	return l
}

func silent(context.Context, *headsup.Turn) error { return nil }

func inbound(kind activity.Type) *activity.Activity {
	return &activity.Activity{
		Type: kind, ChannelID: "test", ServiceURL: "https://c.example.net", Locale: "de-CH",
		From: &activity.ChannelAccount{ID: "ann"}, Recipient: &activity.ChannelAccount{ID: "bot"},
		Conversation: &activity.ConversationAccount{ID: "c"},
	}
}

// hear gives the bot an activity and returns what the book knows of the conversation then.
func (l listener) hear(kind auth.Kind, a *activity.Activity) book.Conversation {
	l.t.Helper()
	if _, err := l.bot.Process(l.t.Context(), auth.Identity{Kind: kind}, a); err != nil {
		l.t.Fatal(err)
	}
	return l.known()
}

func (l listener) known() book.Conversation {
	l.t.Helper()
	c, err := l.store.Conversation(l.t.Context(), headsup.ConversationKey{AppID: "app", Channel: "test", Bot: "bot", Conversation: "c"})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func TestEveryActivityIsNoted(t *testing.T) {
	t.Parallel()
	l := listen(t, silent)
	a := inbound(activity.TypeConversationUpdate)
	a.ID, a.LocalTimezone = "1", "Europe/Zurich"
	a.MembersAdded = []activity.ChannelAccount{{ID: "bot"}, {ID: "ann"}, {ID: "ben"}}
	c := l.hear(auth.KindDevelopment, a)
	if c.Reference.ActivityID != "" || c.Reference.User.ID != "ann" || c.Reference.Locale != "de-CH" || c.TimeZone != "Europe/Zurich" ||
		c.Kind != book.KindPersonal || c.Reach != book.ReachActive {
		t.Errorf("noted %+v", c)
	}
	for user, want := range map[activity.AccountID]int{"ann": 1, "ben": 1, "bot": 0} {
		if found, err := l.store.ConversationsByUser(t.Context(), "app", user); err != nil || len(found) != want {
			t.Errorf("%s takes part in %d conversations, %v; want %d", user, len(found), err, want)
		}
	}
}

func TestOnlyAnAuthenticatedSenderMakesAClaim(t *testing.T) {
	t.Parallel()
	for kind, want := range map[auth.Kind]book.Source{
		auth.KindDevelopment: book.SourceDev, auth.KindChannel: book.SourceClaim, auth.KindEmbedded: book.SourceConfig,
		"something new": book.SourceDev, auth.KindAgent: book.SourceCaller, auth.KindEmulator: book.SourceCaller,
	} {
		c := listen(t, silent).hear(kind, inbound(activity.TypeMessage))
		if c.Source != want || c.VerifiedAt.IsZero() != (want == book.SourceDev || want == book.SourceCaller) {
			t.Errorf("%s: source %s, verified at %v; want %s", kind, c.Source, c.VerifiedAt, want)
		}
	}
}

func TestKindIsKeptWhenAnActivityDoesNotTell(t *testing.T) {
	t.Parallel()
	l := listen(t, silent)
	group := inbound(activity.TypeMessage)
	group.Conversation.IsGroup = new(true)
	l.hear(auth.KindDevelopment, group)
	quiet := inbound(activity.TypeMessageReaction)
	quiet.Locale, quiet.From = "", &activity.ChannelAccount{ID: "bot"}
	if c := l.hear(auth.KindDevelopment, quiet); c.Kind != book.KindGroup || c.Reference.User == nil || c.Reference.Locale != "de-CH" {
		t.Errorf("kind %q, user %v, locale %q", c.Kind, c.Reference.User, c.Reference.Locale)
	}
}

func TestConversationsAreStruckOut(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*activity.Activity)
		cause string // empty: it stays
	}{
		"uninstalled": {func(a *activity.Activity) {
			a.Type, a.Action = activity.TypeInstallationUpdate, activity.UpdateRemove
		}, "uninstalled"},
		"upgraded":  {func(a *activity.Activity) { a.Type, a.Action = activity.TypeInstallationUpdate, "remove-upgrade" }, "upgrading"},
		"installed": {func(a *activity.Activity) { a.Type, a.Action = activity.TypeInstallationUpdate, activity.UpdateAdd }, ""},
		"removed from contacts": {func(a *activity.Activity) {
			a.Type, a.Action = activity.TypeContactRelationUpdate, activity.UpdateRemove
		}, "contact_removed"},
		"bot removed":      {func(a *activity.Activity) { a.MembersRemoved = []activity.ChannelAccount{{ID: "x"}, {ID: "bot"}} }, "bot_removed"},
		"somebody removed": {func(a *activity.Activity) { a.MembersRemoved = []activity.ChannelAccount{{ID: "x"}} }, ""},
		"handler has failed": {func(a *activity.Activity) {
			a.Type, a.Action, a.Text = activity.TypeInstallationUpdate, activity.UpdateRemove, "fail"
		}, "uninstalled"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, func(_ context.Context, t *headsup.Turn) error {
				if t.Activity().Text == "fail" {
					return errors.New("no")
				}
				return nil
			})
			l.hear(auth.KindDevelopment, inbound(activity.TypeMessage))
			a := inbound(activity.TypeConversationUpdate)
			c.spoil(a)
			_, err := l.bot.Process(t.Context(), auth.Identity{Kind: auth.KindDevelopment}, a)
			if (err != nil) != (a.Text == "fail") {
				t.Fatal(err)
			}
			got := l.known()
			if (got.Reach == book.ReachActive) != (c.cause == "") || c.cause != "" && got.Cause != c.cause {
				t.Errorf("%s because of %q, want cause %q", got.Reach, got.Cause, c.cause)
			}
		})
	}
}
