package proactive_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/pace"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// places is a channel of addresses which takes those with an @.
func places(address string) (activity.Reference, error) {
	if !strings.Contains(address, "@") {
		return activity.Reference{}, errors.New("has no @")
	}
	address = strings.ToLower(address)
	return activity.Reference{
		ChannelID: "email", ServiceURL: "smtp://mail.example.com:587", Bot: &activity.ChannelAccount{ID: "bot@example.com"},
		User:         &activity.ChannelAccount{ID: activity.AccountID(address), Extra: []byte(`{"email":"` + address + `"}`)},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(address), ConversationType: activity.ConversationPersonal},
	}, nil
}

// atAddresses runs a test with an engine that has a channel of addresses.
func atAddresses(t *testing.T, ch *bottest.Recorder, change func(*proactive.Config), test func(t *testing.T, f fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{channel: ch, store: memory.New()}
		cfg := proactive.Config{
			AppID: "app", Store: f.store, Channel: ch,
			Addresses: map[activity.ChannelID]func(string) (activity.Reference, error){"email": places},
		}
		if change != nil {
			change(&cfg)
		}
		var err error
		if f.engine, err = proactive.New(cfg); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- f.engine.Run(ctx) }()
		synctest.Wait()
		test(t, f)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAnAddressIsWrittenTo(t *testing.T) {
	t.Parallel()
	atAddresses(t, &bottest.Recorder{}, nil, func(t *testing.T, f fixture) {
		f.notify(t, headsup.Notification{To: headsup.Target{Address: "mailto:Ann%2Bdeals@Example.com"}, Text: "first"})
		f.notify(t, headsup.Notification{To: headsup.Target{Address: "MAILTO:ann+deals@example.com"}, Text: "second"})
		synctest.Wait()
		if got := f.channel.Texts("ann+deals@example.com"); len(got) != 2 {
			t.Errorf("said %q", got)
		}
		found, err := f.store.ConversationsOf(t.Context(), "app", book.PersonKey{Email: "ann+deals@example.com"})
		if err != nil || len(found) != 1 || found[0].Source != book.SourceConfig || found[0].Kind != book.KindPersonal {
			t.Errorf("the book has %+v, %v", found, err)
		}
		// Whoever has the address is told by it too.
		f.notify(t, headsup.Notification{To: headsup.Target{Email: "Ann+Deals@example.com"}, Text: "third"})
		synctest.Wait()
		if got := f.channel.Texts("ann+deals@example.com"); len(got) != 3 {
			t.Errorf("said %q", got)
		}
	})
}

func TestAddressesAreRefusedWithACode(t *testing.T) {
	t.Parallel()
	code := func(err error) string {
		if why, ok := errors.AsType[*proactive.NoTargetError](err); ok {
			return why.Code()
		}
		if field, ok := errors.AsType[*proactive.FieldError](err); ok {
			return field.Field
		}
		return ""
	}
	never := func(c *proactive.Config) {
		c.Profiles = pace.Profiles{"email": {FirstContact: pace.FirstContactNever}}
	}
	for name, c := range map[string]struct {
		change  func(*proactive.Config)
		address string
		want    string
	}{
		"no such channel": {nil, "sms:+15551234567", "first_contact_free"},
		"not allowed":     {never, "mailto:ann@example.com", "first_contact_never"},
		"no URI":          {nil, "ann@example.com", "to.address"},
		"another scheme":  {nil, "tel:+15551234567", "to.address"},
		"no address":      {nil, "mailto:ann", "to.address"},
		"nothing":         {nil, "mailto:", "to.address"},
		"two":             {nil, "mailto:ann@example.com,eve@example.net", "to.address"},
		"with more":       {nil, "mailto:ann@example.com?bcc=eve@example.net", "to.address"},
		"a host":          {nil, "mailto://ann@example.com", "to.address"},
		"bad escape":      {nil, "mailto:%zz@example.com", "to.address"},
		"too long":        {nil, "mailto:" + strings.Repeat("a", 1100) + "@example.com", "to.address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAddresses(t, &bottest.Recorder{}, c.change, func(t *testing.T, f fixture) {
				_, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{Address: c.address}, Text: "x"})
				if got := code(err); got != c.want {
					t.Errorf("%v: code %q; want %q", err, got, c.want)
				}
				if n, _, err := f.store.Extent(t.Context(), "app", book.Filter{}); n != 0 || err != nil {
					t.Errorf("%d conversations in the book, %v", n, err)
				}
			})
		})
	}
	t.Run("two targets", func(t *testing.T) {
		t.Parallel()
		atAddresses(t, &bottest.Recorder{}, nil, func(t *testing.T, f fixture) {
			_, err := f.engine.Notify(t.Context(), headsup.Notification{To: headsup.Target{Address: "mailto:ann@example.com", User: "ann"}, Text: "x"})
			if code(err) != "to" {
				t.Errorf("%v", err)
			}
		})
	})
	t.Run("a tenant's key", func(t *testing.T) {
		t.Parallel()
		atAddresses(t, &bottest.Recorder{}, nil, func(t *testing.T, f fixture) {
			_, err := f.engine.Bound("t1").Notify(t.Context(), headsup.Notification{To: headsup.Target{Address: "mailto:ann@example.com"}, Text: "x"})
			if code(err) != "to.address" {
				t.Errorf("%v", err)
			}
		})
	})
}

// TestAnAddressWhereNobodyIsIsStruckOut: the next notification is refused at once, until somebody writes from there.
func TestAnAddressWhereNobodyIsIsStruckOut(t *testing.T) {
	t.Parallel()
	ch := &bottest.Recorder{Fail: func(context.Context, headsup.Outgoing) error {
		return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "mailbox_unknown", Scope: pace.LevelConversation, Suspends: true}
	}}
	atAddresses(t, ch, nil, func(t *testing.T, f fixture) {
		to := headsup.Target{Address: "mailto:ann@example.com"}
		accepted := f.notify(t, headsup.Notification{To: to, Text: "x"})
		time.Sleep(time.Second)
		if d := f.status(t, accepted.ID).Deliveries[0]; d.Reason != "mailbox_unknown" {
			t.Errorf("it is %s, %s", d.State, d.Reason)
		}
		_, err := f.engine.Notify(t.Context(), headsup.Notification{To: to, Text: "y"})
		why, _ := errors.AsType[*proactive.NoTargetError](err)
		if why == nil || why.Code() != "target_blocked" || why.Standing.Cause != "mailbox_unknown" {
			t.Errorf("%v", err)
		}
	})
}
