package recur_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/recur"
)

func parse(t *testing.T, s recur.Spec) *recur.Rule {
	t.Helper()
	r, err := recur.Parse(s)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return r
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// next lists occurrences on the rule's own clock.
func next(r *recur.Rule, after time.Time, n int) []string {
	var all []string
	for range n {
		at, ok := r.Next(after, r.Zone())
		if !ok {
			break
		}
		all = append(all, at.In(r.Zone()).Format("2006-01-02T15:04:05Z07:00"))
		after = at
	}
	return all
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spec  recur.Spec
		after string
		want  string
	}{
		{
			"an instant", recur.Spec{At: "2026-12-24T18:00:00+01:00"}, "2026-01-01T00:00:00Z", "2026-12-24T17:00:00Z",
		},
		{
			"an instant is over", recur.Spec{At: "2026-12-24T18:00:00Z"}, "2026-12-24T18:00:00Z", "",
		},
		{
			"a local time", recur.Spec{At: "2026-12-24T18:00", Zone: "Europe/Berlin"}, "2026-01-01T00:00:00Z", "2026-12-24T18:00:00+01:00",
		},
		{
			"working days by name", recur.Spec{Cron: "30 9 * * MON-FRI", Zone: "Europe/Berlin"}, "2026-11-20T12:00:00Z",
			"2026-11-23T09:30:00+01:00 2026-11-24T09:30:00+01:00",
		},
		{
			"seconds", recur.Spec{Cron: "15,45 0 9 * * *"}, "2026-11-20T09:00:15Z", "2026-11-20T09:00:45Z 2026-11-21T09:00:15Z",
		},
		{
			"the last day of a month", recur.Spec{Cron: "0 12 L * *"}, "2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z 2028-03-31T12:00:00Z",
		},
		{
			"the working day nearest to the 15th", recur.Spec{Cron: "0 12 15W * *"}, "2026-08-01T00:00:00Z",
			"2026-08-14T12:00:00Z 2026-09-15T12:00:00Z",
		},
		{
			"the second Tuesday", recur.Spec{Cron: "0 12 * * TUE#2"}, "2026-11-01T00:00:00Z", "2026-11-10T12:00:00Z 2026-12-08T12:00:00Z",
		},
		{
			"the last Friday", recur.Spec{Cron: "0 12 * * 5L"}, "2026-11-01T00:00:00Z", "2026-11-27T12:00:00Z 2026-12-25T12:00:00Z",
		},
		{
			"either field of days is enough when both are restricted", recur.Spec{Cron: "0 0 13 * FRI"}, "2026-11-06T00:00:00Z",
			"2026-11-13T00:00:00Z 2026-11-20T00:00:00Z 2026-11-27T00:00:00Z 2026-12-04T00:00:00Z 2026-12-11T00:00:00Z 2026-12-13T00:00:00Z",
		},
		{
			"Sunday is 7 too", recur.Spec{Cron: "0 0 * * 7"}, "2026-11-20T00:00:00Z", "2026-11-22T00:00:00Z",
		},
		{
			"a nickname", recur.Spec{Cron: "@daily"}, "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z",
		},
		{
			"leap days, over the year that has none", recur.Spec{Cron: "0 0 29 2 *"}, "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z",
		},
		{
			"a start and an end", recur.Spec{Cron: "0 9 * * *", Start: "2026-11-21T09:00", Until: "2026-11-22T09:00", Zone: "Asia/Tokyo"},
			"2026-01-01T00:00:00Z", "2026-11-21T09:00:00+09:00 2026-11-22T09:00:00+09:00",
		},
		{
			"exceptions", recur.Spec{Cron: "0 9,17 * * *", Except: []string{"2026-11-21T17:00", "2026-11-22", "2026-11-23T09:00:00Z"}},
			"2026-11-21T00:00:00Z", "2026-11-21T09:00:00Z 2026-11-23T17:00:00Z",
		},
		{
			"every other week", recur.Spec{RRule: "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", Start: "2026-11-05T10:00"}, "2026-11-01T00:00:00Z",
			"2026-11-05T10:00:00Z 2026-11-16T10:00:00Z 2026-11-19T10:00:00Z 2026-11-30T10:00:00Z",
		},
		{
			// RFC 5545, section 3.3.10, the example of WKST.
			"the week begins on Monday", recur.Spec{RRule: "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", Start: "1997-08-05T09:00"},
			"1997-01-01T00:00:00Z", "1997-08-05T09:00:00Z 1997-08-10T09:00:00Z 1997-08-19T09:00:00Z 1997-08-24T09:00:00Z",
		},
		{
			"the week begins on Sunday", recur.Spec{RRule: "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", Start: "1997-08-05T09:00"},
			"1997-01-01T00:00:00Z", "1997-08-05T09:00:00Z 1997-08-17T09:00:00Z 1997-08-19T09:00:00Z 1997-08-31T09:00:00Z",
		},
		{
			"the last working day of the month", recur.Spec{RRule: "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", Start: "2026-01-01T16:00"},
			"2026-10-01T00:00:00Z", "2026-10-30T16:00:00Z 2026-11-30T16:00:00Z",
		},
		{
			// RFC 5545, section 3.3.10: an invalid date is left out.
			"the 31st", recur.Spec{RRule: "FREQ=MONTHLY", Start: "2026-01-31T08:00"}, "2026-01-31T08:00:00Z",
			"2026-03-31T08:00:00Z 2026-05-31T08:00:00Z",
		},
		{
			"Thanksgiving", recur.Spec{RRule: "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", Start: "2020-01-01T12:00"}, "2026-01-01T00:00:00Z",
			"2026-11-26T12:00:00Z 2027-11-25T12:00:00Z",
		},
		{
			"Monday of week 20", recur.Spec{RRule: "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", Start: "1997-05-12T09:00"}, "1997-01-01T00:00:00Z",
			"1997-05-12T09:00:00Z 1998-05-11T09:00:00Z 1999-05-17T09:00:00Z",
		},
		{
			"counted from the start", recur.Spec{RRule: "FREQ=DAILY;COUNT=3", Start: "2026-11-20T08:00"}, "2026-11-21T08:00:00Z",
			"2026-11-22T08:00:00Z",
		},
		{
			"until, on the local clock", recur.Spec{RRule: "FREQ=DAILY;UNTIL=20261122T080000", Start: "2026-11-20T08:00", Zone: "America/New_York"},
			"2026-11-21T12:00:00Z", "2026-11-21T08:00:00-05:00 2026-11-22T08:00:00-05:00",
		},
		{
			"until a day", recur.Spec{RRule: "FREQ=DAILY;UNTIL=20261122", Start: "2026-11-20T08:00"},
			"2026-11-21T12:00:00Z", "2026-11-22T08:00:00Z",
		},
		{
			"lines of a calendar", recur.Spec{RRule: "DTSTART;TZID=Europe/Berlin:20261120T080000\r\nRRULE:FREQ=DAILY;\r\n COUNT=3\r\nEXDATE;TZID=Europe/Berlin:20261121T080000\r\n"},
			"2026-11-01T00:00:00Z", "2026-11-20T08:00:00+01:00 2026-11-22T08:00:00+01:00",
		},
		{
			"every 90 minutes", recur.Spec{RRule: "FREQ=MINUTELY;INTERVAL=90", Start: "2026-11-20T08:00"}, "2026-11-20T08:00:00Z",
			"2026-11-20T09:30:00Z 2026-11-20T11:00:00Z",
		},
		{
			"at minutes of every hour in the office", recur.Spec{RRule: "FREQ=HOURLY;BYHOUR=9,10;BYMINUTE=0,30;BYDAY=MO", Start: "2026-11-20T00:00"},
			"2026-11-20T08:00:00Z", "2026-11-23T09:00:00Z 2026-11-23T09:30:00Z 2026-11-23T10:00:00Z 2026-11-23T10:30:00Z 2026-11-30T09:00:00Z",
		},

		// Clocks that are changed.
		{
			"a time in the gap, in Berlin", recur.Spec{Cron: "30 2 * * *", Zone: "Europe/Berlin"}, "2026-03-28T00:00:00Z",
			"2026-03-28T02:30:00+01:00 2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00",
		},
		{
			"two times in the gap are one", recur.Spec{Cron: "0,30 2 * * *", Zone: "Europe/Berlin"}, "2026-03-29T00:00:00Z",
			"2026-03-29T03:00:00+02:00 2026-03-30T02:00:00+02:00",
		},
		{
			"a time that is shown twice, in Berlin", recur.Spec{Cron: "30 2 * * *", Zone: "Europe/Berlin"}, "2026-10-24T12:00:00Z",
			"2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00",
		},
		{
			"every half hour goes by the time that passes", recur.Spec{Cron: "*/30 * * * *", Zone: "America/New_York"}, "2026-11-01T05:00:00Z",
			"2026-11-01T01:30:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00 2026-11-01T02:00:00-05:00",
		},
		{
			"hours that are named one by one are an interval all the same", recur.Spec{Cron: "0 0-23 * * *", Zone: "America/New_York"}, "2026-11-01T05:00:00Z",
			"2026-11-01T01:00:00-05:00 2026-11-01T02:00:00-05:00",
		},
		{
			"half an hour is left out on Lord Howe Island", recur.Spec{Cron: "15 2 * * *", Zone: "Australia/Lord_Howe"}, "2026-10-03T00:00:00Z",
			"2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00",
		},
		{
			"half an hour is shown twice on Lord Howe Island", recur.Spec{Cron: "45 1 * * *", Zone: "Australia/Lord_Howe"}, "2026-04-04T12:00:00Z",
			"2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30",
		},
		{
			"a day that Samoa never had", recur.Spec{Cron: "0 9 * * *", Zone: "Pacific/Apia"}, "2011-12-29T00:00:00Z",
			"2011-12-29T09:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T09:00:00+14:00",
		},
		{
			"a day that Samoa never had, by rrule", recur.Spec{RRule: "FREQ=DAILY", Start: "2011-12-29T09:00", Zone: "Pacific/Apia"}, "2011-12-29T00:00:00Z",
			"2011-12-29T09:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T09:00:00+14:00",
		},
		{
			"an hourly rrule goes by the time that passes", recur.Spec{RRule: "FREQ=HOURLY;INTERVAL=12", Start: "2026-10-24T12:00", Zone: "Europe/Berlin"},
			"2026-10-24T10:00:00Z", "2026-10-25T00:00:00+02:00 2026-10-25T11:00:00+01:00",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := strings.Fields(tt.want)
			r := parse(t, tt.spec)
			got := next(r, instant(t, tt.after), max(1, len(want)))
			if tt.name == "an instant" {
				want = []string{instant(t, want[0]).UTC().Format("2006-01-02T15:04:05Z07:00")}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v after %s:\n got %v\nwant %v", tt.spec, tt.after, got, want)
			}
		})
	}
}

func TestRecipientsClock(t *testing.T) {
	t.Parallel()
	r := parse(t, recur.Spec{Cron: "0 9 * * *", Zone: recur.Recipient, Fallback: "Europe/Lisbon"})
	if !r.PerRecipient() || r.Zone().String() != "Europe/Lisbon" {
		t.Errorf("per recipient %v, fallback %v", r.PerRecipient(), r.Zone())
	}
	tokyo, err := recur.Zone("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := r.Next(instant(t, "2026-11-20T12:00:00Z"), tokyo)
	if want := instant(t, "2026-11-21T00:00:00Z"); !ok || !got.Equal(want) {
		t.Errorf("in Tokyo: %v, %v; want %v", got, ok, want)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("2026-12-24,", recur.MaxExcept+1)
	for _, tt := range []struct {
		field string
		spec  recur.Spec
	}{
		{"cron", recur.Spec{}},
		{"cron", recur.Spec{Cron: "* * * * *", At: "2026-12-24T18:00:00Z"}},
		{"cron", recur.Spec{Cron: "* * * *"}},
		{"cron", recur.Spec{Cron: "* * * * * * *"}},
		{"cron", recur.Spec{Cron: "0 0 1 1 * 2027"}},
		{"cron", recur.Spec{Cron: "60 * * * *"}},
		{"cron", recur.Spec{Cron: "5,60 * * * *"}},
		{"cron", recur.Spec{Cron: "*/0 * * * *"}},
		{"cron", recur.Spec{Cron: "*/90 * * * *"}},
		{"cron", recur.Spec{Cron: "5-1 * * * *"}},
		{"cron", recur.Spec{Cron: "1-5-9 * * * *"}},
		{"cron", recur.Spec{Cron: "+1 * * * *"}},
		{"cron", recur.Spec{Cron: "? * * * *"}},
		{"cron", recur.Spec{Cron: "L * * * *"}},
		{"cron", recur.Spec{Cron: "0 0 0 * *"}},
		{"cron", recur.Spec{Cron: "0 0 32W * *"}},
		{"cron", recur.Spec{Cron: "0 0 * * L"}},
		{"cron", recur.Spec{Cron: "0 0 * * MON#6"}},
		{"cron", recur.Spec{Cron: "0 0 * * MONDAY"}},
		{"cron", recur.Spec{Cron: "0 0 * MON *"}},
		{"cron", recur.Spec{Cron: "0 0 * * JAN"}},
		{"cron", recur.Spec{Cron: "@reboot"}},
		{"cron", recur.Spec{Cron: strings.Repeat("1,", recur.MaxText) + "1 * * * *"}},
		{"at", recur.Spec{At: "tomorrow"}},
		{"at", recur.Spec{At: "9999-12-31T00:00:00Z"}},
		{"at", recur.Spec{At: "2026-12-24T18:00:00Z", Until: "2027-12-24T18:00:00Z"}},
		{"start", recur.Spec{RRule: "FREQ=DAILY"}},
		{"start", recur.Spec{Cron: "@daily", Start: "2026-13-01T00:00"}},
		{"until", recur.Spec{Cron: "@daily", Until: "soon"}},
		{"except", recur.Spec{Cron: "@daily", Except: strings.Split(strings.Trim(long, ","), ",")}},
		{"except.1", recur.Spec{Cron: "@daily", Except: []string{"2026-12-24", "Christmas"}}},
		{"zone", recur.Spec{Cron: "@daily", Zone: "Europe/Atlantis"}},
		{"zone", recur.Spec{Cron: "@daily", Zone: "Local"}},
		{"zone", recur.Spec{Cron: "@daily", Zone: "../../etc/passwd"}},
		{"zone", recur.Spec{Cron: "@daily", Zone: "posixrules"}},
		{"zone", recur.Spec{Cron: "@daily", Zone: "right/Europe/Berlin"}},
		{"fallback_zone", recur.Spec{Cron: "@daily", Fallback: "Europe/Berlin"}},
		{"fallback_zone", recur.Spec{Cron: "@daily", Zone: recur.Recipient, Fallback: recur.Recipient}},
		{"rrule", recur.Spec{RRule: "BYDAY=MO", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=SOMETIMES", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;FREQ=DAILY", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;COLOUR=RED", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=YEARLY;BYEASTER=0", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;COUNT=1000000000", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;COUNT=0", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;COUNT=-1", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;COUNT=2;UNTIL=20270101", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;UNTIL=99991231T000000Z", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;INTERVAL=0", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;INTERVAL=100000", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=DAILY;BYHOUR=24", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=WEEKLY;BYDAY=2MO", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=MONTHLY;BYDAY=53MO", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=MONTHLY;BYWEEKNO=1", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=MONTHLY;BYSETPOS=1", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=HOURLY;BYSECOND=1,2", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=YEARLY;BYSECOND=" + numbers(60) + ";BYMINUTE=" + numbers(60), Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=" + numbers(24), Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "RRULE:FREQ=DAILY\nRDATE:20260101T000000Z", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "DTSTART:20260101T000000\nFREQ=DAILY", Start: "2026-01-01T00:00"}},
		{"rrule", recur.Spec{RRule: "DTSTART;TZID=Asia/Tokyo:20260101T000000\nFREQ=DAILY", Zone: "Europe/Berlin"}},
	} {
		_, err := recur.Parse(tt.spec)
		wrong, ok := errors.AsType[*recur.Error](err)
		if !ok || wrong.Field != tt.field {
			t.Errorf("%.200v: the error is %v, want one of %s", tt.spec, err, tt.field)
		}
		if ok && len(wrong.Reason) > 200 {
			t.Errorf("a reason has %d bytes: %s", len(wrong.Reason), wrong.Reason)
		}
	}
}

func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, strings.TrimLeft(time.Date(0, 1, 1, 0, 0, i, 0, time.UTC).Format("5"), " "))
	}
	return strings.Join(list, ",")
}

func TestClosest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec recur.Spec
		want time.Duration
	}{
		{recur.Spec{Cron: "* * * * * *"}, time.Second},
		{recur.Spec{Cron: "*/5 * * * *"}, 5 * time.Minute},
		{recur.Spec{Cron: "0,58 9 * * *"}, 58 * time.Minute},
		{recur.Spec{Cron: "0,55 59 23 * * *"}, 55 * time.Second},
		{recur.Spec{Cron: "0 0 9 * * *"}, 24 * time.Hour},
		{recur.Spec{Cron: "0 0,23 * * *"}, time.Hour},
		{recur.Spec{RRule: "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0,5", Start: "2026-01-01T00:00"}, 5 * time.Second},
		{recur.Spec{RRule: "FREQ=DAILY", Start: "2026-01-01T00:00"}, 24 * time.Hour},
		{recur.Spec{RRule: "FREQ=SECONDLY;INTERVAL=7", Start: "2026-01-01T00:00"}, 7 * time.Second},
		{recur.Spec{At: "2026-01-01T00:00"}, recur.Horizon},
	} {
		if got := parse(t, tt.spec).Closest(); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.spec, got, tt.want)
		}
	}
}

// bombs are rules that would take long if they could.
var bombs = []recur.Spec{
	{Cron: "* * * * * *"},
	{Cron: "0 0 30 2 *"},
	{Cron: "59 59 23 31 12 SUN#5"},
	{Cron: "0 0 31W 2 *", Zone: "Europe/Berlin"},
	{Cron: "*/7 * 30 2 *", Zone: "Africa/Casablanca"},
	{RRule: "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=DAILY;COUNT=1000;BYMONTH=2;BYMONTHDAY=29", Start: "2016-01-01T00:00"},
	{RRule: "FREQ=DAILY;INTERVAL=7;BYDAY=TU", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=WEEKLY;BYDAY=MO;BYHOUR=" + numbers(12) + ";BYMINUTE=" + numbers(24) + ";BYSECOND=0", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4,6;BYHOUR=" + numbers(12) + ";BYMINUTE=" + numbers(6), Start: "1970-01-01T00:00"},
	{RRule: "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=2MO", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=YEARLY;BYYEARDAY=1;BYMONTH=12", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=YEARLY;COUNT=1000;BYYEARDAY=366;BYDAY=MO", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=YEARLY;BYWEEKNO=53,-53,1,-1;BYDAY=SU", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=YEARLY;BYDAY=53MO,-53SU", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", Start: "1970-01-01T00:00"},
	{RRule: "FREQ=SECONDLY;INTERVAL=9973;BYHOUR=3;BYMINUTE=3;BYDAY=MO", Start: "1970-01-01T00:00:01"},
	{RRule: "FREQ=HOURLY;INTERVAL=24;BYHOUR=5", Start: "1970-01-01T04:00"},
	{RRule: "FREQ=MINUTELY;COUNT=1000;BYMONTH=1", Start: "2026-02-01T00:00"},
}

func TestBombs(t *testing.T) {
	t.Parallel()
	after := instant(t, "2026-11-21T08:00:00Z")
	for _, spec := range bombs {
		r, err := recur.Parse(spec)
		if err != nil {
			t.Errorf("%+v: %v", spec, err)
			continue
		}
		best := time.Hour
		for range 5 { // whatever else the machine does
			began := time.Now()
			r.Next(after, r.Zone())
			best = min(best, time.Since(began))
		}
		if best > time.Second { // a bomb that goes off takes minutes; who counts milliseconds reads the log
			t.Errorf("%+v takes %v", spec, best)
		}
		t.Logf("%8v %.120v", best, spec)
	}
}

func BenchmarkNext(b *testing.B) {
	after := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for _, spec := range append(bombs, recur.Spec{Cron: "0 9 * * MON-FRI", Zone: "Europe/Berlin"}) {
		r, err := recur.Parse(spec)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(spec.Cron+spec.RRule, func(b *testing.B) {
			for b.Loop() {
				r.Next(after, r.Zone())
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range bombs {
		f.Add(s.Cron, s.RRule, s.Start)
	}
	f.Add("0 9 * * MON-FRI", "", "")
	f.Add("", "DTSTART;TZID=Europe/Berlin:20261120T080000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261121T080000", "")
	f.Fuzz(func(t *testing.T, cron, rrule, start string) {
		r, err := recur.Parse(recur.Spec{Cron: cron, RRule: rrule, Start: start})
		if err != nil {
			return
		}
		after := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
		for range 3 {
			at, ok := r.Next(after, r.Zone())
			if !ok {
				return
			}
			if !at.After(after) {
				t.Fatalf("%q %q %q: %v is not after %v", cron, rrule, start, at, after)
			}
			after = at
		}
	})
}
