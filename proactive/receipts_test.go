package proactive_test

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
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/teams"
)

// naming is a channel that gives messages their texts as ids.
type naming struct{ *bottest.Recorder }

func (c naming) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	_, err := c.Recorder.Send(ctx, out)
	return activity.ResourceResponse{ID: activity.ID(out.Activity.Text)}, err
}

// readUpTo is what a channel tells when somebody has read everything up to a message.
func readUpTo(conversation, user, last string) *activity.Activity {
	a := inbound("read-"+user+last, conversation, user, "")
	a.Type, a.Name, a.Value = activity.TypeEvent, teams.EventReadReceipt, jsontext.Value(fmt.Sprintf(`{"lastReadMessageId":%q}`, last))
	return a
}

func reaction(conversation, user, to string, added, removed activity.ReactionType) *activity.Activity {
	a := inbound(fmt.Sprintf("react-%s-%s-%s-%s", user, to, added, removed), conversation, user, "")
	a.Type, a.ReplyToID = activity.TypeMessageReaction, activity.ID(to)
	if added != "" {
		a.ReactionsAdded = []activity.Reaction{{Type: added}}
	}
	if removed != "" {
		a.ReactionsRemoved = []activity.Reaction{{Type: removed}}
	}
	return a
}

// became is what became of a notification's deliveries: their receipts, one after the other.
func (f fixture) became(t *testing.T, id headsup.NotificationID) string {
	t.Helper()
	var all []string
	for _, d := range f.status(t, id).Deliveries {
		for _, r := range d.Receipts {
			all = append(all, strings.TrimSpace(fmt.Sprint(r.Kind, " ", r.By, " ", r.Detail)))
		}
	}
	return strings.Join(all, ", ")
}

// TestReceiptsOfTheChannel: what a channel tells of messages is kept with their deliveries. Ids compare as numbers.
func TestReceiptsOfTheChannel(t *testing.T) {
	ids := []string{"1700000000009", "1700000000010", "17000000000100", "line|0000009", "line|0000010", "other|1", "x"}
	for name, test := range map[string]struct {
		happens []*activity.Activity
		want    map[string]string // by id
	}{
		"nothing":        {},
		"read the first": {[]*activity.Activity{readUpTo("c", "ann", ids[0])}, map[string]string{ids[0]: "read ann"}},
		"read up to one": {[]*activity.Activity{readUpTo("c", "ann", ids[1])}, map[string]string{ids[0]: "read ann", ids[1]: "read ann"}},
		"read up to what was not said by the bot": {
			[]*activity.Activity{readUpTo("c", "ann", "1700000000999")}, map[string]string{ids[0]: "read ann", ids[1]: "read ann"},
		},
		"read in the embedded channel": {
			[]*activity.Activity{readUpTo("c", "ann", "line|0000010")}, map[string]string{ids[3]: "read ann", ids[4]: "read ann"},
		},
		"read what has no number": {[]*activity.Activity{readUpTo("c", "ann", "x")}, map[string]string{"x": "read ann"}},
		"read twice, by two": {
			[]*activity.Activity{readUpTo("c", "ann", ids[0]), readUpTo("c", "ann", ids[0]), readUpTo("c", "ben", ids[0])},
			map[string]string{ids[0]: "read ann, read ben"},
		},
		"read elsewhere": {[]*activity.Activity{readUpTo("d", "ann", ids[2])}, nil},
		"a like":         {[]*activity.Activity{reaction("c", "ann", ids[1], "like", "")}, map[string]string{ids[1]: "reacted ann like"}},
		"a like that becomes a heart": {
			[]*activity.Activity{reaction("c", "ann", ids[1], "like", ""), reaction("c", "ann", ids[1], "heart", "like")},
			map[string]string{ids[1]: "reacted ann heart"},
		},
		"a like that was never there is taken back": {[]*activity.Activity{reaction("c", "ann", ids[1], "", "like")}, nil},
		"likes of two, one taken back": {
			[]*activity.Activity{reaction("c", "ann", "x", "like", ""), reaction("c", "ben", "x", "like", ""), reaction("c", "ann", "x", "", "like")},
			map[string]string{"x": "reacted ben like"},
		},
		"a like of something else": {[]*activity.Activity{reaction("c", "ann", "y", "like", "")}, nil},
		"a like from the thread":   {[]*activity.Activity{reaction("c;messageid=1700000000010", "ann", ids[1], "like", "")}, map[string]string{ids[1]: "reacted ann like"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &bottest.Recorder{}
			withinOn(t, r, naming{r}, silent, func(t *testing.T, f fixture) {
				f.hear(t, inbound("1", "c", "ann", "hi"))
				said := make(map[string]headsup.NotificationID)
				for _, id := range ids {
					said[id] = f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c"}, Text: id}).ID
					time.Sleep(time.Second)
				}
				for _, a := range test.happens {
					f.hear(t, a)
				}
				for id, n := range said {
					if got := f.became(t, n); got != test.want[id] {
						t.Errorf("of %s there is %q, want %q", id, got, test.want[id])
					}
				}
			})
		})
	}
}

// TestReceiptsAreReceived: whoever learns what became of a delivery tells it; a repeat is no news.
func TestReceiptsAreReceived(t *testing.T) {
	within(t, &bottest.Recorder{}, silent, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "hi"))
		n := f.notify(t, headsup.Notification{To: headsup.Target{Conversation: "c"}, Text: "hello"})
		time.Sleep(time.Second)
		id := proactive.DeliveryText(f.status(t, n.ID).Deliveries[0].ID)
		clicked := proactive.Receipt{Delivery: id, Kind: outbox.ReceiptClicked, By: "ann", Detail: "approve"}
		for i, r := range []proactive.Receipt{
			clicked, clicked, {Delivery: id + ":0", Kind: outbox.ReceiptArrived, At: time.Now().Add(time.Second)}, {Delivery: id, Kind: outbox.ReceiptArrived},
		} {
			if news, err := f.engine.Receive(t.Context(), r); err != nil || news != (i%2 == 0) {
				t.Errorf("receipt %d is news: %v, %v", i, news, err)
			}
		}
		if got := f.became(t, n.ID); got != "clicked ann approve, arrived" {
			t.Errorf("the receipts are %q", got)
		}
		s := f.status(t, n.ID)
		if want := map[outbox.ReceiptKind]int64{outbox.ReceiptClicked: 1, outbox.ReceiptArrived: 1}; fmt.Sprint(s.Receipts) != fmt.Sprint(want) {
			t.Errorf("counted are %v", s.Receipts)
		}
		page, err := f.engine.Notifications(t.Context(), proactive.NotificationFilter{Limit: 10})
		if err != nil || len(page.Notifications) != 1 || page.Notifications[0].Receipts[outbox.ReceiptClicked] != 1 {
			t.Errorf("listed: %+v, %v", page, err)
		}
		deliveries, err := f.engine.Deliveries(t.Context(), proactive.DeliveryFilter{Limit: 10})
		if err != nil || len(deliveries.Deliveries) != 1 || len(deliveries.Deliveries[0].Receipts) != 2 {
			t.Errorf("listed: %+v, %v", deliveries, err)
		}
		if d, err := f.engine.Delivery(t.Context(), id); err != nil || len(d.Receipts) != 2 {
			t.Errorf("the delivery is %+v, %v", d, err)
		}
		if _, err := f.engine.Recall(t.Context(), n.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		removal := proactive.DeliveryText(f.status(t, n.ID).Deliveries[1].ID)
		for name, wrong := range map[string]proactive.Receipt{
			"kind":   {Delivery: id, Kind: "sneezed"},
			"detail": {Delivery: id, Kind: outbox.ReceiptClicked, Detail: strings.Repeat("x", proactive.MaxReceiptDetail+1)},
			"by":     {Delivery: id, Kind: outbox.ReceiptClicked, By: "a\x00"},
			"":       {Delivery: removal, Kind: outbox.ReceiptRead},
			"-":      {Delivery: "dlv_0", Kind: outbox.ReceiptRead},
		} {
			_, err := f.engine.Receive(t.Context(), wrong)
			field, isField := errors.AsType[*proactive.FieldError](err)
			if isField && field.Field != name || !isField && !errors.Is(err, proactive.ErrNoDelivery) {
				t.Errorf("%q: %v", name, err)
			}
		}
		bound := f.engine.Bound("elsewhere")
		if _, err := bound.Receive(t.Context(), clicked); !errors.Is(err, proactive.ErrNoDelivery) {
			t.Errorf("another tenant's: %v", err)
		}
	})
}
