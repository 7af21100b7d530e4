package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// over are heads that are not to be sent any more, or later, for the same reason.
type over struct {
	to     outbox.State
	reason string
	detail string
	due    time.Time // of those that are scheduled
	list   []hot
}

// keepBack ends heads, or moves them to another time.
func (t *tx) keepBack(ctx context.Context, o over, now time.Time) error {
	c := outbox.Change{At: now, State: o.to, Reason: o.reason, Detail: o.detail}
	if o.to == outbox.StateScheduled {
		if len(o.list) == 0 {
			return nil
		}
		return t.delay(ctx, o.list, o.due, c)
	}
	return t.finish(ctx, o.list, func(h *hot) outbox.Change {
		c.Attempt = int(h.claims)
		return c
	})
}

// judge says what is to become of heads: which are handed out, with what those that revise something revise; which are held;
// and which end.
func (t *tx) judge(
	ctx context.Context, ids []outbox.DeliveryID, conversations []int64, heads map[outbox.DeliveryID]*head, now time.Time,
) (revise map[outbox.DeliveryID]activity.ID, hold []holding, stay []over, err error) {
	rows, err := t.Query(ctx, "SELECT "+candidateColumns+` FROM deliveries d JOIN messages m ON m.id = d.message
		WHERE d.id = ANY ($1) AND d.waits = 1 AND d.state = 2 AND d.conversation = ANY ($2) ORDER BY d.id`, numbers(ids), conversations)
	if err != nil {
		return nil, nil, nil, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*candidate, error) { return scanCandidate(r) })
	if err != nil {
		return nil, nil, nil, err
	}
	var revised []outbox.DeliveryID
	for _, c := range list {
		if c.verb != send {
			revised = append(revised, c.revises)
		}
	}
	said, err := utterances(ctx, t, revised)
	if err != nil {
		return nil, nil, nil, err
	}
	nothing, stopped, late := over{to: outbox.StateSuppressed, reason: outbox.ReasonNothingSent}, over{to: outbox.StateCancelled}, over{to: outbox.StateExpired}
	recalled := over{to: outbox.StateCancelled, reason: outbox.ReasonRecalled}
	revise = make(map[outbox.DeliveryID]activity.ID)
	for _, c := range list {
		switch keptBack := c.notBefore.After(now); {
		case keptBack && c.recalled && c.verb != remove:
			recalled.list = append(recalled.list, c.hot)
		case c.verb != send && said[c.revises].said:
			revise[c.id] = said[c.revises].id
		case c.verb != send:
			nothing.list = append(nothing.list, c.hot)
		case keptBack && !c.notBefore.Before(never):
			stopped.list = append(stopped.list, c.hot)
		case keptBack:
			stay = append(stay, over{to: outbox.StateScheduled, reason: outbox.ReasonRescheduled, due: c.notBefore, list: []hot{c.hot}})
		case !c.replayed && expiredAt(c.expiresAt, now):
			late.list = append(late.list, c.hot)
		case c.policy != "":
			_, j, err := c.judge(heads[c.id], now)
			switch {
			case err != nil:
				return nil, nil, nil, err
			case j.Hold:
				hold = append(hold, holding{c.hot, j})
			case j.Suppress:
				stay = append(stay, over{to: outbox.StateSuppressed, reason: j.Reason, detail: j.Detail, list: []hot{c.hot}})
			default:
				revise[c.id] = ""
			}
		}
	}
	return revise, hold, append(stay, nothing, stopped, recalled, late), nil
}
