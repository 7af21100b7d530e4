package proactive_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// TestNobodyIsWrittenToAfterTheirOptOut has people opt out while everybody is told several things, and asks the channel when
// what arrived.
func TestNobodyIsWrittenToAfterTheirOptOut(t *testing.T) {
	t.Parallel()
	t.Run("one node", func(t *testing.T) {
		t.Parallel()
		s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		optOutsRace(t, optOutRace, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("two nodes", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Shared(t).Database(t)
		var stores []proactive.Store
		for range 2 {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			stores = append(stores, s)
		}
		optOutsRace(t, optOutRaceOfNodes, stores...)
	})
}

func optOutsRace(t *testing.T, people int, stores ...proactive.Store) {
	t.Helper()
	const rounds, leavers = 3, 24
	channel, err := fakechannel.New(fakechannel.Config{Delay: 4 * time.Millisecond, Jitter: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.Close() })
	client, err := connector.New(connector.Config{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	var running sync.WaitGroup
	var nodes []*proactive.Engine
	for _, s := range stores {
		e, err := proactive.New(proactive.Config{AppID: "app", Store: s, Channel: headsup.NewConnectorChannel(client), Slots: 64})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, e)
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer running.Wait()
	defer stop()
	keys := make([]headsup.ConversationKey, people)
	for i := range keys {
		ref := activity.Reference{
			ChannelID: "test", ServiceURL: channel.ServiceURL(""), Bot: &activity.ChannelAccount{ID: "bot"},
			User:         &activity.ChannelAccount{ID: activity.AccountID(fmt.Sprint("u", i))},
			Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", i))},
		}
		keys[i] = headsup.KeyOf("app", ref)
		if _, err := stores[0].Sight(ctx, book.Sighting{
			Key: keys[i], Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, At: time.Now(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []headsup.NotificationID
	for n := range rounds {
		accepted, err := nodes[n%len(nodes)].Notify(ctx, headsup.Notification{To: headsup.Target{Everyone: true}, Text: fmt.Sprint("message ", n)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, accepted.ID)
	}

	acknowledged := make([]time.Time, people)
	leaving := rand.Perm(people)[:people/4]
	var left sync.WaitGroup
	for w := range leavers {
		left.Go(func() {
			for i := w; i < len(leaving); i += leavers {
				who := leaving[i]
				if _, err := nodes[i%len(nodes)].Prefer(ctx, keys[who], proactive.PreferenceChange{OptedOut: new(true)}); err != nil {
					t.Error(err)
					return
				}
				acknowledged[who] = time.Now()
			}
		})
	}
	left.Wait()
	for _, id := range ids {
		settled(ctx, t, nodes[0], id)
	}

	late, spared, reached := 0, 0, 0
	for i, key := range keys {
		got := channel.Ledger().Conversation(string(key.Conversation)).Messages
		for _, m := range got {
			if at := acknowledged[i]; !at.IsZero() && m.At.After(at) {
				late++
			}
		}
		switch {
		case acknowledged[i].IsZero() && len(got) != rounds:
			t.Errorf("%s got %d messages, want %d", key.Conversation, len(got), rounds)
		case !acknowledged[i].IsZero() && len(got) < rounds:
			spared++
		case !acknowledged[i].IsZero():
			reached++
		}
	}
	if late > 0 {
		t.Errorf("%d messages arrived after their opt-outs were acknowledged", late)
	}
	if spared == 0 {
		t.Errorf("nobody of %d was spared: the opt-outs came too late to show anything", len(leaving))
	}
	t.Logf("%d people, %d opt-outs: %d were spared something, %d had got everything before", people, len(leaving), spared, reached)
}

// settled waits until nothing of a notification is left to do.
func settled(ctx context.Context, t *testing.T, e *proactive.Engine, id headsup.NotificationID) {
	t.Helper()
	for ctx.Err() == nil {
		s, err := e.StatusWith(ctx, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if s.Settled() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it did not come to an end")
}
