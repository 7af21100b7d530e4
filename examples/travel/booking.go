package travel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/dialog"
)

// Trip is what a booking asks for.
type Trip struct {
	City   string    `json:"city"`
	Day    time.Time `json:"day,omitzero"`
	Nights int64     `json:"nights,omitzero"`
	Hotel  string    `json:"hotel,omitzero"`
}

type bookingStep = dialog.Step[Trip, dialog.None]

var (
	city   = dialog.Text("city")
	day    = dialog.DateTime("day").Retry(`I did not get that. A day such as "tomorrow", "next Friday" or "24 December", please.`)
	nights = dialog.Integer("nights").Retry("How many nights is that? A number, please.").Validate(fewNights)
	hotel  = dialog.Choose("hotel", dialog.Choices("The Regent", "Park Inn", "Riverside")...).Retry("I know these three.")
	sure   = dialog.Confirm("sure")

	booking = dialog.NewWaterfall("booking",
		func(_ context.Context, s *bookingStep) (dialog.Action, error) {
			if s.Data.City != "" {
				return city.Skip(s.Data.City), nil
			}
			return city.Ask("Where do you want to go?"), nil
		},
		func(_ context.Context, s *bookingStep) (dialog.Action, error) {
			s.Data.City = city.Answer(s)
			return day.Ask("When do you arrive in " + s.Data.City + "?"), nil
		},
		func(_ context.Context, s *bookingStep) (dialog.Action, error) {
			s.Data.Day = day.Answer(s).Time
			return nights.Ask("How many nights do you stay?"), nil
		},
		func(_ context.Context, s *bookingStep) (dialog.Action, error) {
			s.Data.Nights = nights.Answer(s)
			return hotel.Ask("Which hotel?"), nil
		},
		func(_ context.Context, s *bookingStep) (dialog.Action, error) {
			s.Data.Hotel = hotel.Answer(s).Value
			return sure.Ask(s.Data.String() + ". Shall I book that?"), nil
		},
		func(ctx context.Context, s *bookingStep) (dialog.Action, error) {
			text := "All right, I have not booked it."
			if sure.Answer(s) {
				text = "It is booked: " + s.Data.String() + ". Have a good trip!"
			}
			return s.End(dialog.None{}), say(ctx, s.Turn, text)
		})
)

// maxNights is how long one may stay.
const maxNights = 30

func fewNights(_ context.Context, _ *headsup.Turn, n int64) error {
	if n < 1 || n > maxNights {
		return dialog.Invalid(fmt.Sprintf("Between 1 and %d nights, please. How many?", maxNights))
	}
	return nil
}

func (t Trip) String() string {
	unit := "nights"
	if t.Nights == 1 {
		unit = "night"
	}
	return fmt.Sprintf("%s in %s, %d %s from %s", t.Hotel, strings.TrimSpace(t.City), t.Nights, unit, t.Day.Format("2 January 2006"))
}
