package proactive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/recur"
	"github.com/headsup-bot/headsup/outbox"
)

// Reasons of deliveries that are held, or suppressed, since somebody wants it so.
const (
	// ReasonOptedOut: nothing is wanted; ReasonMuted: nothing of this topic. Such a delivery is suppressed.
	ReasonOptedOut = "opted_out"
	ReasonMuted    = "muted"
	// ReasonQuietHours, ReasonDigest: it is held until the quiet hours are over, or until the next digest.
	ReasonQuietHours = "quiet_hours"
	ReasonDigest     = "digest"
	// ReasonCap: so many were said today. It is held until tomorrow, or suppressed.
	ReasonCap = "cap"
)

// TopicJobs is the topic of what jobs tell where they were started. Unless it is configured, it is mandatory: somebody has
// asked for it.
const TopicJobs = "job"

// Defaults are what goes for people who have not said otherwise.
type Defaults struct {
	// Quiet are quiet hours, Cap and Digest as in [book.Preferences].
	Quiet  []book.Quiet
	Cap    book.Cap
	Digest book.Digest
	// TimeZone is the IANA name of the zone of people of whom none is known; empty is UTC.
	TimeZone string
	// CapDrops has what is above a cap suppressed; otherwise it is held until the next day.
	CapDrops bool
	// MandatoryWaits has mandatory topics wait for quiet hours, digests and caps as all others do.
	MandatoryWaits bool
}

func (d Defaults) isZero() bool {
	return len(d.Quiet) == 0 && d.Cap == (book.Cap{}) && !digests(d.Digest)
}

func (d Defaults) validate() error {
	for _, err := range []error{book.ValidateQuiet(d.Quiet), d.Cap.Validate(), d.Digest.Validate()} {
		if wrong, ok := errors.AsType[*book.PreferenceError](err); ok {
			return &FieldError{wrong.Field, wrong.Reason}
		}
	}
	if _, err := recur.Zone(d.TimeZone); err != nil {
		return &FieldError{"time_zone", err.Error()}
	}
	return nil
}

// Validate reports what is wrong with defaults; a [*FieldError].
func (d Defaults) Validate() error { return d.validate() }

func digests(d book.Digest) bool { return d.Every == book.DigestHourly || d.Every == book.DigestDaily }

// topicOf is what goes for a topic.
func (e *Engine) topicOf(name string) Topic {
	t, configured := e.cfg.Topics[name]
	if !configured && name == TopicJobs {
		t.Mandatory = true
	}
	return t
}

// prefers holds or suppresses an attempt that whom it is for does not want, or not now. It is the last that is asked before
// something is said, since it counts that, which it reports.
func (s *sender) prefers(ctx context.Context, at *outbox.Attempt) (counted bool, err error) {
	p := &at.Conversation.Preferences
	if _, configured := s.cfg.Topics[at.Topic]; p.IsZero() && !configured && s.cfg.Preferences.isZero() { // as nearly always
		return false, nil
	}
	if at.Verb == outbox.VerbDelete {
		return false, nil
	}
	over, err := s.saidWithOthers(ctx, at)
	if over || err != nil {
		return false, err
	}
	topic := (*Engine)(s).topicOf(at.Topic)
	if err := s.unwanted(at, topic); err != nil {
		return false, err
	}
	if at.Verb != outbox.VerbSend || taken(at.Sends) > 0 || topic.Urgent || topic.Mandatory && !s.cfg.Preferences.MandatoryWaits {
		return false, nil
	}
	wants := s.wantsOf(*p, at, topic)
	if wants.any() {
		err = s.waits(ctx, at, wants)
	}
	return err == nil && wants.cap != book.Cap{}, err
}

// uncount takes back that an attempt was counted of which it is certain that nothing was said. The next one is counted again.
func (s *sender) uncount(ctx context.Context, at *outbox.Attempt, failed error) {
	failure := headsup.MeaningOf(failed)
	if failure == nil || failure.Meaning == headsup.MeaningUnknown || at.MayHaveArrived || at.Handler != "" || takesPart(at) ||
		mayHaveParts(at.Conversation.Reference, at.Body) {
		return
	}
	if err := s.cfg.Store.Uncount(ctx, at.Delivery, at.Conversation.Row); err != nil {
		s.cfg.Logger.WarnContext(ctx, "delivery counted though nothing was said", "delivery_id", int64(at.Delivery), "error", err.Error())
	}
}

// refuses has an attempt suppressed that is not wanted at all, and is for one that says nothing itself.
func (s *sender) refuses(at *outbox.Attempt) error {
	return s.unwanted(at, (*Engine)(s).topicOf(at.Topic))
}

// unwanted is the error for an attempt that is not wanted at all.
func (s *sender) unwanted(at *outbox.Attempt, topic Topic) error {
	reason, detail := whyNot(at.Conversation, at.Topic, topic)
	if reason == "" || at.Verb == outbox.VerbDelete {
		return nil
	}
	if n := taken(at.Sends); n > 0 && at.Verb == outbox.VerbSend {
		if !mayHaveParts(at.Conversation.Reference, at.Body) {
			return nil // it was said before
		}
		at.Permit.Cancel()
		return partial(n, errors.New(detail))
	}
	at.Permit.Cancel()
	return &outbox.Unwanted{Reason: reason, Detail: detail}
}

// whyNot is why a topic is not wanted in a conversation; empty if it is.
func whyNot(c book.Conversation, name string, topic Topic) (reason, detail string) {
	p := &c.Preferences
	if slices.Contains(p.Stopped, c.Key.Channel) {
		return ReasonOptedOut, fmt.Sprintf("they want nothing by %s any more", c.Key.Channel)
	}
	if topic.Mandatory {
		return "", ""
	}
	if p.OptedOut {
		return ReasonOptedOut, "they want nothing any more"
	}
	wanted, said := p.Topics[name]
	switch {
	case !said && topic.Off:
		return ReasonMuted, "they have not asked for the topic"
	case said && !wanted:
		return ReasonMuted, "they do not want the topic"
	}
	return "", ""
}

// saidWithOthers reports whether an attempt's delivery was said in the digest of another one, or may have been, so that it
// is not said again.
func (s *sender) saidWithOthers(ctx context.Context, at *outbox.Attempt) (bool, error) {
	if at.Verb != outbox.VerbSend || len(at.Sends) == 0 || at.Sends[0].With == 0 || at.Sends[0].With == at.Delivery {
		return false, nil
	}
	lead, err := s.cfg.Store.DeliveryRecord(ctx, at.Sends[0].With)
	switch {
	case errors.Is(err, outbox.ErrNoDelivery):
		return false, nil
	case err != nil:
		at.Permit.Cancel()
		return false, notRead(err)
	}
	return lead.State == outbox.StateDelivered || lead.State == outbox.StateUnknown || lead.MayHaveArrived, nil
}

// wants is what keeps an attempt from being made now.
type wants struct {
	quiet  []book.Quiet
	digest book.Digest
	cap    book.Cap
	zone   string // empty: look
}

func (w wants) any() bool { return len(w.quiet) > 0 || digests(w.digest) || w.cap != book.Cap{} }

func (s *sender) wantsOf(p book.Preferences, at *outbox.Attempt, topic Topic) wants {
	d := s.cfg.Preferences
	w := wants{quiet: d.Quiet, digest: d.Digest, cap: d.Cap, zone: p.TimeZone}
	if p.Quiet != nil {
		w.quiet = p.Quiet
	}
	if p.Cap != nil {
		w.cap = *p.Cap
	}
	if p.Digest != nil {
		w.digest = *p.Digest
	}
	if topic.Mandatory || !mayJoin(at) {
		w.digest = book.Digest{}
	}
	return w
}

// mayJoin reports whether an attempt may be said in a digest, as far as it is known without its body.
func mayJoin(at *outbox.Attempt) bool {
	return at.Verb == outbox.VerbSend && at.Handler == "" && !takesPart(at) && at.Window != headsup.WindowNew
}

// waits puts an attempt aside whose time has not come, and counts one whose time has.
func (s *sender) waits(ctx context.Context, at *outbox.Attempt, w wants) error {
	zone, err := s.zoneOf(ctx, at, w.zone)
	if err != nil {
		at.Permit.Cancel()
		return err
	}
	now := s.cfg.Now()
	if until, quiet := recur.Until(book.Spans(w.quiet), now, zone); quiet {
		return aside(at, until, zone, ReasonQuietHours)
	}
	if said := nextDigest(w.digest, at.WantedAt, zone); now.Before(said) {
		return aside(at, said, zone, ReasonDigest)
	}
	if w.cap == (book.Cap{}) {
		return nil
	}
	begin, end := recur.Day(now, zone)
	within, err := s.cfg.Store.Count(ctx, outbox.Counting{
		Delivery: at.Delivery, Conversation: at.Conversation.Row, Topic: at.Topic, Cap: w.cap, Since: begin, At: now,
	})
	switch {
	case err != nil:
		at.Permit.Cancel()
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_recorded", Err: err}
	case within:
		return nil
	case s.cfg.Preferences.CapDrops:
		at.Permit.Cancel()
		return &outbox.Unwanted{Reason: ReasonCap, Detail: "enough was said today"}
	}
	return aside(at, end, zone, ReasonCap)
}

// aside puts an attempt aside, and gives its permit back.
func aside(at *outbox.Attempt, until time.Time, zone *time.Location, reason string) error {
	at.Permit.Cancel()
	return &outbox.Aside{Until: until, Reason: reason, Detail: "until " + until.In(zone).Format("Mon 2 Jan 15:04 MST")}
}

// nextDigest is when something is said that was to be said at a time: at once unless there are digests.
func nextDigest(d book.Digest, wanted time.Time, zone *time.Location) time.Time {
	switch d.Every {
	case book.DigestHourly:
		return recur.NextHour(wanted, zone)
	case book.DigestDaily:
		return recur.NextDaily(wanted, int(d.At), zone)
	case book.DigestOff:
	}
	return time.Time{}
}

// zoneOf is the zone that an attempt's person lives by: their own word, what the channel has told, what another channel has
// told of the same human, or the operator's.
func (s *sender) zoneOf(ctx context.Context, at *outbox.Attempt, own string) (*time.Location, error) {
	for _, name := range []string{own, at.Conversation.TimeZone} {
		if zone, err := recur.Zone(name); name != "" && err == nil {
			return zone, nil
		}
	}
	people, err := s.humanIn(ctx, at.Conversation)
	if err != nil {
		return nil, notRead(err)
	}
	for _, p := range people {
		if zone, err := recur.Zone(p.TimeZone); p.TimeZone != "" && err == nil {
			return zone, nil
		}
	}
	zone, err := recur.Zone(s.cfg.Preferences.TimeZone)
	if err != nil {
		return time.UTC, nil //nolint:nilerr // it was looked at when the engine was made
	}
	return zone, nil
}

// humanIn lists the people who are the human whom a conversation is with; none for others.
func (s *sender) humanIn(ctx context.Context, c book.Conversation) ([]book.Person, error) {
	who := c.Person()
	if who == "" {
		return nil, nil
	}
	found, err := s.cfg.Store.ListPeople(ctx, c.Key.AppID, book.PeopleFilter{
		Channel: c.Key.Channel, Tenant: c.Key.Tenant, PersonKey: book.PersonKey{User: who},
	}, 0, 1)
	if err != nil || len(found) == 0 || found[0].Human == 0 {
		return found, err
	}
	return s.cfg.Store.Human(ctx, c.Key.AppID, found[0].Row)
}
