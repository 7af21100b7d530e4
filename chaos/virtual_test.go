package chaos_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// TestHalfAnHourWithoutTheChannel has it answer 503 to everybody for 30 minutes of virtual time while notifications go on
// being accepted (F12). All are delivered in the end, none twice; nobody gives up; and once the channel is back there are
// few more requests than messages.
func TestHalfAnHourWithoutTheChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const conversations, outage, after = 50, 30 * time.Minute, 30 * time.Minute
		ch, err := fakechannel.New(fakechannel.Config{InMemory: true, Delay: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		transport := ch.Transport()
		client, err := connector.New(connector.Config{AllowLoopback: true, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		engine, err := proactive.New(proactive.Config{Store: memory.New(), Channel: headsup.NewConnectorChannel(client)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- engine.Run(ctx) }()
		var ids []headsup.NotificationID
		notify := func() {
			n := len(ids)
			a, err := engine.Notify(ctx, headsup.Notification{Text: fmt.Sprint("n", n), To: headsup.ToConversation(activity.Reference{
				ChannelID: "test", ServiceURL: ch.ServiceURL("t"), Bot: &activity.ChannelAccount{ID: "bot"},
				Conversation: activity.ConversationAccount{ID: activity.ConversationID(fmt.Sprint("c", n%conversations))},
			})})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, a.ID)
		}
		for range conversations {
			notify()
		}
		time.Sleep(time.Second)
		if err := ch.SetRules(fakechannel.Rule{Status: 503}); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); time.Since(began) < outage; time.Sleep(time.Second) {
			notify()
		}
		during := ch.Report()
		if err := ch.SetRules(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		r := ch.Report()
		if r.Distinct != len(ids) || r.Duplicates != 0 {
			t.Errorf("%d of %d messages were said, %d twice", r.Distinct, len(ids), r.Duplicates)
		}
		if left := len(ids) - during.Distinct; r.Requests-during.Requests > left*11/10 {
			t.Errorf("%d requests for the %d messages that were left", r.Requests-during.Requests, left)
		}
		for _, id := range ids {
			status, err := engine.Status(ctx, id)
			if err != nil || status.Deliveries[0].State != outbox.StateDelivered {
				t.Errorf("%+v, %v", status, err)
			}
		}
		t.Logf("%d requests in the outage, %d for the %d messages after it", during.Requests-conversations, r.Requests-during.Requests, len(ids)-during.Distinct)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	})
}
