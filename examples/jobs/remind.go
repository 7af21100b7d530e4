package jobs

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
)

// reminder is "me in 10 seconds to stretch", after the word remind.
var reminder = regexp.MustCompile(`(?i)^me in (\d{1,9}) (second|minute|hour|day)s? to (.+)$`)

var units = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
}

// longest is as far ahead as reminders are taken.
const longest = 365 * 24 * time.Hour

// remind accepts a notification to this conversation for later, in the commit of the turn that promises it.
func (b *bot) remind(ctx context.Context, t *headsup.Turn, args string) error {
	m := reminder.FindStringSubmatch(strings.Join(strings.Fields(args), " "))
	if m == nil {
		return say(ctx, t, `Say it like this: "remind me in 10 seconds to stretch".`)
	}
	n, err := strconv.Atoi(m[1])
	unit := strings.ToLower(m[2])
	if err != nil || n < 1 || time.Duration(n) > longest/units[unit] {
		return say(ctx, t, "I can remember things for a year at most, and from one second on.")
	}
	_, err = t.Notify(ctx, headsup.Notification{
		To: headsup.ToConversation(t.Reference()), Text: "Reminder: " + m[3], In: time.Duration(n) * units[unit],
	})
	if err != nil {
		return err
	}
	if n != 1 {
		unit += "s"
	}
	return say(ctx, t, fmt.Sprintf("I'll remind you in %d %s.", n, unit))
}
