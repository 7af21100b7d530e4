package recur_test

import (
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/recur"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestQuietHoursEndExactly(t *testing.T) {
	t.Parallel()
	night := recur.Span{From: 22 * 60, To: 7 * 60}
	weekend := recur.Span{From: 0, To: 24 * 60, Days: []time.Weekday{time.Saturday, time.Sunday}}
	noon := recur.Span{From: 12 * 60, To: 13 * 60}
	for _, c := range []struct {
		name, zone string
		spans      []recur.Span
		now, until string // empty: not quiet
	}{
		{"before", "Europe/Berlin", []recur.Span{night}, "2026-01-12T21:59:59+01:00", ""},
		{"the first instant is quiet", "Europe/Berlin", []recur.Span{night}, "2026-01-12T22:00:00+01:00", "2026-01-13T07:00:00+01:00"},
		{"after midnight", "Europe/Berlin", []recur.Span{night}, "2026-01-13T03:00:00+01:00", "2026-01-13T07:00:00+01:00"},
		{"the end is not", "Europe/Berlin", []recur.Span{night}, "2026-01-13T07:00:00+01:00", ""},
		{"another zone", "Asia/Kolkata", []recur.Span{night}, "2026-01-13T02:00:00+01:00", "2026-01-13T07:00:00+05:30"},
		{"clocks go forward in it", "Europe/Berlin", []recur.Span{night}, "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"},
		{"clocks go back in it", "Europe/Berlin", []recur.Span{night}, "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"},
		{"its end is left out", "Europe/Berlin", []recur.Span{{From: 60, To: 150}}, "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"its beginning is left out", "Europe/Berlin", []recur.Span{{From: 150, To: 240}}, "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		{"all of it is left out", "Europe/Berlin", []recur.Span{{From: 130, To: 170}}, "2026-03-29T03:00:00+02:00", ""},
		{"its end comes twice", "Europe/Berlin", []recur.Span{{From: 60, To: 150}}, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"half an hour is left out", "Australia/Lord_Howe", []recur.Span{{From: 60, To: 135}}, "2026-10-04T01:30:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"on days", "Europe/Berlin", []recur.Span{{From: 22 * 60, To: 7 * 60, Days: []time.Weekday{time.Friday}}}, "2026-01-17T05:00:00+01:00", "2026-01-17T07:00:00+01:00"},
		{"not on other days", "Europe/Berlin", []recur.Span{{From: 22 * 60, To: 7 * 60, Days: []time.Weekday{time.Friday}}}, "2026-01-16T05:00:00+01:00", ""},
		{"one after the other", "Europe/Berlin", []recur.Span{night, weekend}, "2026-01-16T23:00:00+01:00", "2026-01-19T07:00:00+01:00"},
		{"several", "Europe/Berlin", []recur.Span{night, noon}, "2026-01-16T12:59:00+01:00", "2026-01-16T13:00:00+01:00"},
		{"a whole day is the day", "Europe/Berlin", []recur.Span{{From: 0, To: 0, Days: []time.Weekday{time.Sunday}}}, "2026-03-29T12:00:00+02:00", "2026-03-30T00:00:00+02:00"},
		{"a day that was left out", "Pacific/Apia", []recur.Span{{From: 22 * 60, To: 7 * 60}}, "2011-12-29T23:00:00-10:00", "2011-12-31T07:00:00+14:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			zone, err := recur.Zone(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			until, quiet := recur.Until(c.spans, at(t, c.now), zone)
			switch {
			case quiet != (c.until != ""):
				t.Errorf("quiet: %v until %v", quiet, until.In(zone))
			case quiet && !until.Equal(at(t, c.until)):
				t.Errorf("until %v, want %s", until.In(zone), c.until)
			}
		})
	}
}

func TestDaysAndDigestsGoByTheLocalClock(t *testing.T) {
	t.Parallel()
	berlin, err := recur.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	kolkata, err := recur.Zone("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := recur.Day(at(t, "2026-03-29T12:00:00+02:00"), berlin)
	if !begin.Equal(at(t, "2026-03-29T00:00:00+01:00")) || end.Sub(begin) != 23*time.Hour {
		t.Errorf("the day is %v to %v", begin, end)
	}
	begin, end = recur.Day(at(t, "2026-10-25T23:59:59+01:00"), berlin)
	if !begin.Equal(at(t, "2026-10-25T00:00:00+02:00")) || end.Sub(begin) != 25*time.Hour {
		t.Errorf("the day is %v to %v", begin, end)
	}
	for _, c := range []struct {
		got  time.Time
		want string
	}{
		{recur.NextHour(at(t, "2026-01-01T10:20:00+05:30"), kolkata), "2026-01-01T11:00:00+05:30"},
		{recur.NextHour(at(t, "2026-01-01T10:00:00+05:30"), kolkata), "2026-01-01T11:00:00+05:30"},
		{recur.NextHour(at(t, "2026-10-25T02:30:00+02:00"), berlin), "2026-10-25T02:00:00+01:00"},
		{recur.NextDaily(at(t, "2026-01-01T08:59:00+01:00"), 9*60, berlin), "2026-01-01T09:00:00+01:00"},
		{recur.NextDaily(at(t, "2026-01-01T09:00:00+01:00"), 9*60, berlin), "2026-01-02T09:00:00+01:00"},
		{recur.NextDaily(at(t, "2026-03-28T10:00:00+01:00"), 9*60, berlin), "2026-03-29T09:00:00+02:00"},
		{recur.NextDaily(at(t, "2026-03-28T10:00:00+01:00"), 150, berlin), "2026-03-29T03:00:00+02:00"},
		{recur.NextDaily(at(t, "2026-10-25T02:30:00+02:00"), 150, berlin), "2026-10-26T02:30:00+01:00"},
	} {
		if !c.got.Equal(at(t, c.want)) {
			t.Errorf("%v, want %s", c.got, c.want)
		}
	}
}
