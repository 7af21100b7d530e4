package schedule

import (
	"context"
	"time"

	"github.com/headsup-bot/headsup/internal/recur"
	"github.com/headsup-bot/headsup/outbox"
)

// maxCounted is how many missed occurrences are counted.
const maxCounted = 1000

// line is a rule on one clock.
type line struct {
	rule *recur.Rule
	loc  *time.Location
}

func (l line) after(t time.Time) time.Time {
	next, _ := l.rule.Next(t, l.loc) // zero for none
	return next
}

// upTo lists the occurrences from first to end, at most n.
func (l line) upTo(first, end time.Time, n int) []time.Time {
	var all []time.Time
	for t := first; !t.IsZero() && !t.After(end) && len(all) < n; t = l.after(t) {
		all = append(all, t)
	}
	return all
}

// lastUpTo lists the last n occurrences from first to end, of which there is one at least.
func (l line) lastUpTo(first, end time.Time, n int) []time.Time {
	var found []time.Time
	for len(found) < n && !end.Before(first) {
		last := l.last(first, end)
		begin := last.Add(-time.Duration(n) * min(l.rule.Closest(), 24*time.Hour)) // as many as are wanted, if they are close
		if begin.Before(first) {
			begin = first
		}
		some := l.upTo(l.after(begin.Add(-1)), last, 2*n+2)
		found = append(some, found...)
		end = begin.Add(-1)
	}
	return found[max(0, len(found)-n):]
}

// last is the last occurrence from first to end, found by halves.
func (l line) last(first, end time.Time) time.Time {
	found, beyond := first, end // the occurrence after beyond is after the end
	for from := first; beyond.Sub(from) > time.Millisecond; {
		middle := from.Add(beyond.Sub(from) / 2)
		if t := l.after(middle); t.IsZero() || t.After(end) {
			beyond = middle
		} else {
			found, from = t, middle
			if t.After(from) {
				from = t
			}
		}
	}
	return found
}

// plan says what becomes of a clock that is due.
func (r *Runner) plan(ctx context.Context, d DueClock) (step, error) {
	s, now := d.Schedule, r.cfg.Now()
	out := step{schedule: s, firing: Firing{Schedule: s.ID, Revision: s.Revision, Clock: d.Clock}}
	rule, err := s.Rule.parse()
	loc, zoneErr := recur.Zone(d.Clock.Zone)
	if err != nil || zoneErr != nil { // it was read before; a zone may be gone from the database
		out.firing.Occurrences = []Occurrence{{
			Zone: d.Clock.Zone, At: d.Clock.NextAt, Result: Skipped, Reason: ReasonInvalid, FiredAt: now,
		}}
		return out, nil
	}
	l := line{rule, loc}
	first := d.Clock.NextAt
	if is := l.after(first.Add(-1)); !is.Equal(first) { // the zone's rules were changed since
		out.firing.Next = is
		return out, nil
	}
	fire, skipped, next := l.choose(s, first, now)
	for i := range skipped {
		skipped[i].Zone, skipped[i].FiredAt = d.Clock.Zone, now
	}
	out.firing.Occurrences, out.firing.Next = skipped, next
	if fire.At.IsZero() {
		return out, nil
	}
	fire.Zone, fire.FiredAt = d.Clock.Zone, now
	tell, reason, err := r.cfg.Teller.Tell(ctx, s, fire)
	if err != nil {
		return step{}, err
	}
	return out.tells(fire, tell, reason), nil
}

// tells adds an occurrence with what it tells, or why it tells nothing.
func (s step) tells(o Occurrence, tell *outbox.Submission, reason string) step {
	if tell == nil {
		if s.schedule.Rule.PerRecipient() && reason == ReasonNobody {
			// Nobody lives there any more, or yet: what is not told to anybody there is no occurrence.
			if o.Zone != s.schedule.Rule.BaseZone() {
				s.firing.Next = time.Time{}
			}
			return s
		}
		o.Result, o.Reason = Skipped, reason
	}
	s.firing.Tell, s.firing.Occurrences = tell, append(s.firing.Occurrences, o)
	return s
}

// choose says which occurrence is told now, if one is, which are not told, and when the clock is due next. The first is
// due at now or before.
func (l line) choose(s Schedule, first, now time.Time) (fire Occurrence, skipped []Occurrence, next time.Time) {
	fire = Occurrence{At: first, Result: Fired}
	missed := now.Add(-s.Grace) // what was due before is missed
	if !first.Before(missed) {
		return fire, nil, l.after(first)
	}
	switch s.Missed {
	case Skip:
		n := len(l.upTo(first, missed.Add(-1), maxCounted))
		skipped = []Occurrence{{At: first, Result: Skipped, Reason: ReasonMissed, Others: n - 1}}
		return Occurrence{}, skipped, l.after(missed.Add(-1))
	case Coalesce:
		last := l.lastUpTo(first, now, 1)
		fire.At = last[0]
		if n := len(l.upTo(first, now, maxCounted)); n > 1 {
			fire.Reason, fire.Others = ReasonCoalesced, n-1
		}
		return fire, nil, l.after(now)
	case FireLate:
	}
	if late := l.upTo(first, now, MaxCatchUp+1); len(late) > MaxCatchUp {
		kept := l.lastUpTo(first, now, MaxCatchUp)
		n := len(l.upTo(first, kept[0].Add(-1), maxCounted))
		skipped = []Occurrence{{At: first, Result: Skipped, Reason: ReasonMissed, Others: n - 1}}
		return Occurrence{}, skipped, kept[0]
	}
	return fire, nil, l.after(first)
}
