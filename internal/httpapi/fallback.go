package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// fallbackOf reads the other ways of a notification, and refuses those whose targets the caller may not speak to.
func fallbackOf(ctx context.Context, all []api.Fallback) (out []headsup.Fallback, err error) {
	for i, f := range all {
		way := headsup.Fallback{Channel: activity.ChannelID(f.Channel), Unless: headsup.Unless(f.Unless)}
		at := fmt.Sprintf("fallback[%d]", i)
		if f.To != nil {
			if err := permitTarget(ctx, "body."+at+".to", *f.To); err != nil {
				return nil, err
			}
			to, err := targetOf(*f.To)
			if err != nil {
				return nil, inside(at, err)
			}
			way.To = &to
		}
		if f.After != "" {
			if way.After, err = decodeDuration(f.After); err != nil {
				return nil, &proactive.FieldError{Field: at + ".after", Reason: "is not a duration such as 90s or 1h30m"}
			}
			if way.After == 0 {
				return nil, &proactive.FieldError{Field: at + ".after", Reason: "is not between 1 second and 7 days"}
			}
		}
		out = append(out, way)
	}
	return out, nil
}

// wayAsked is a way as a request has it. Topics have channels and addresses only.
func wayAsked(f headsup.Fallback) api.Fallback {
	way := api.Fallback{
		Channel: string(f.Channel), After: cmp.Or(f.After, headsup.DefaultFallbackAfter).String(),
		Unless: string(cmp.Or(f.Unless, headsup.UnlessDelivered)),
	}
	if f.To != nil {
		way.To = new(api.AtAddress(f.To.Address))
	}
	return way
}

// waysOf are the other ways of a notification with their deliveries, as far as these are shown.
func waysOf(s proactive.Status) (out []api.Way) {
	ways, err := proactive.WaysOf(s.Message)
	if err != nil {
		return nil // of a later version of the program
	}
	said := slices.Clone(s.Deliveries)
	said = slices.DeleteFunc(said, func(d outbox.Delivery) bool { return d.Verb != outbox.VerbSend })
	for i, w := range ways {
		way := api.Way{Channel: string(w.Channel), After: w.After.String(), Unless: string(w.Unless)}
		if i+1 < len(said) {
			way.Delivery = proactive.DeliveryText(said[i+1].ID)
		}
		out = append(out, way)
	}
	return out
}

// inside is an error about a member of something that is at a place.
func inside(at string, err error) error {
	if wrong, ok := errors.AsType[*proactive.FieldError](err); ok {
		return &proactive.FieldError{Field: at + "." + wrong.Field, Reason: wrong.Reason}
	}
	return err
}
