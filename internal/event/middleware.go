package event

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

// Wanting tells what somebody wants to know.
type Wanting interface {
	// Wanted reports whether anybody wants one of these types of an app's events now. It is cheap.
	Wanted(appID string, types ...Type) bool
}

// Middleware has every turn in which a person says something tell of it when it commits, if anybody wants to know. What
// is told is the activity as it arrived, whatever handlers make of it.
func Middleware(wanting Wanting, now func() time.Time) headsup.Middleware {
	return func(next headsup.Handler) headsup.Handler {
		return headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
			if !t.Proactive() && said(t.Activity()) && wanting.Wanted(t.Key().AppID, MessageReceived, NotificationAnswered) {
				heard, err := hear(t, now())
				if err != nil {
					return err
				}
				t.Stage(heard)
			}
			return next.HandleTurn(ctx, t)
		})
	}
}

// said reports whether an activity is what a person said.
func said(a *activity.Activity) bool {
	return a.Type == activity.TypeMessage && a.From != nil && a.From.ID != "" && a.From.Role != activity.RoleBot &&
		(a.Recipient == nil || a.Recipient.ID != a.From.ID)
}

func hear(t *headsup.Turn, now time.Time) (Heard, error) {
	a, key := t.Activity(), t.Key()
	raw, err := activity.Encode(a)
	if err != nil {
		return Heard{}, fmt.Errorf("tell of a message: %w", err)
	}
	return Heard{
		Message: api.MessageEvent{
			Channel: string(key.Channel), Conversation: string(key.Conversation), Tenant: string(key.Tenant),
			Kind: string(book.KindOf(t.Reference().Conversation)), Person: personOf(a.From), Text: a.Text, Activity: raw,
		},
		ReplyTo: a.ReplyToID, At: now,
	}, nil
}
