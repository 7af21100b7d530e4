package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
)

// The ways of a notification with a fallback are deliveries of one message, in the order of their ids, made when it is
// accepted. All but the first are put aside until it is known whether they are needed: see needed.go.

// Way is what is kept of a [headsup.Fallback]. Ways stand in the order of their deliveries, those that were left out are not
// among them. Nothing personal is in it.
type Way struct {
	// Channel is the one that was asked for; empty for somebody else.
	Channel activity.ChannelID
	After   time.Duration
	Unless  headsup.Unless
}

// storedWay is a way as it is stored. Times are in microseconds.
type storedWay struct {
	Channel activity.ChannelID `json:"channel,omitzero"`
	After   int64              `json:"after"`
	Unless  headsup.Unless     `json:"unless"`
}

func encodeWays(all []Way) (string, error) {
	if len(all) == 0 {
		return "", nil
	}
	stored := make([]storedWay, 0, len(all))
	for _, w := range all {
		stored = append(stored, storedWay{w.Channel, w.After.Microseconds(), w.Unless})
	}
	raw, err := json.Marshal(stored)
	if err != nil {
		return "", fmt.Errorf("proactive: encode a fallback: %w", err)
	}
	return string(raw), nil
}

// WaysOf are the ways of a message besides the first; none for nearly all.
func WaysOf(m outbox.Message) ([]Way, error) {
	if m.Fallback == "" {
		return nil, nil
	}
	var stored []storedWay
	if err := json.Unmarshal([]byte(m.Fallback), &stored); err != nil {
		return nil, fmt.Errorf("proactive: decode a fallback: %w", err)
	}
	all := make([]Way, 0, len(stored))
	for _, w := range stored {
		all = append(all, Way{w.Channel, time.Duration(w.After) * time.Microsecond, w.Unless})
	}
	return all, nil
}

// askedWay is a way as it was asked for, to tell notifications apart.
type askedWay struct {
	Channel activity.ChannelID
	To      *headsup.Target
	After   int64
	Unless  headsup.Unless
}

func askedWays(all []headsup.Fallback) (asked []askedWay) {
	for _, f := range all {
		asked = append(asked, askedWay{f.Channel, f.To, int64(f.After), f.Unless})
	}
	return asked
}

// checkFallback finds what is wrong with a notification's fallback by itself.
func checkFallback(n headsup.Notification) error {
	switch {
	case len(n.Fallback) == 0:
		return nil
	case n.To.Tag != "" || n.To.Everyone:
		return &FieldError{"fallback", "is for a notification to one person or place: to names several"}
	case n.Window == headsup.WindowNew:
		return &FieldError{"fallback", "is not for a new conversation"}
	}
	return checkWays(n.Fallback)
}

// checkWays finds what is wrong with ways by themselves.
func checkWays(all []headsup.Fallback) error {
	if len(all) > headsup.MaxFallbacks {
		return &FieldError{"fallback", fmt.Sprintf("has more than %d", headsup.MaxFallbacks)}
	}
	for i, f := range all {
		if f.To != nil && f.To.Address != "" {
			if _, _, err := checkAddress(f.To.Address); err != nil {
				return inFallback(i, err)
			}
		}
		wrong := func(field, reason string) error { return &FieldError{fmt.Sprintf("fallback[%d]%s", i, field), reason} }
		switch {
		case (f.Channel == "") == (f.To == nil):
			return wrong("", "needs a channel or a target, not both")
		case f.To != nil && targets(*f.To) != 1:
			return wrong(".to", "name exactly one target")
		case f.To != nil && (f.To.Tag != "" || f.To.Everyone):
			return wrong(".to", "is for one person or place")
		case f.Unless != "" && f.Unless != headsup.UnlessDelivered && f.Unless != headsup.UnlessRead && f.Unless != headsup.UnlessAnswered:
			return wrong(".unless", "is none of delivered, read, answered")
		case f.After != 0 && (f.After < headsup.MinFallbackAfter || f.After > headsup.MaxFallbackAfter):
			return wrong(".after", "is not between 1 second and 7 days")
		}
		if err := checkName(fmt.Sprintf("fallback[%d].channel", i), string(f.Channel)); err != nil {
			return err
		}
	}
	return nil
}

// waysBesides are the other ways of a notification: its own, or those of its topic, which are for one person or place, too.
func (e *Engine) waysBesides(n headsup.Notification) (all []headsup.Fallback, topics bool) {
	if len(n.Fallback) > 0 || n.To.Tag != "" || n.To.Everyone || n.Window == headsup.WindowNew {
		return n.Fallback, false
	}
	return e.cfg.Topics[n.Topic].Fallback, true
}

// fallsBack gives a submission a delivery for each way of a notification. When the first leads nowhere, the next that does is
// the first. A way of the topic's that leads nowhere is left out.
func (e *Engine) fallsBack(
	ctx context.Context, sub *outbox.Submission, n headsup.Notification, due time.Time, find resolver,
) ([]book.Conversation, error) {
	all, nobody := find(ctx, n.To)
	if nobody != nil && !errors.Is(nobody, ErrNoTarget) {
		return nil, nobody
	}
	besides, topics := e.waysBesides(n)
	their := theirs{e: e, to: n.To, first: all}
	if err := their.prefer(ctx, besides); err != nil {
		return nil, err
	}
	all = their.first
	var ways []Way
	for i, f := range besides {
		c, found, err := e.wayOf(ctx, f, &their)
		if topics && err != nil && refusal(err) {
			continue
		}
		if err != nil {
			return nil, inFallback(i, err)
		}
		if !found || slices.ContainsFunc(all, func(o book.Conversation) bool { return o.Row == c.Row }) {
			continue
		}
		if all = append(all, c); len(all) > 1 {
			ways = append(ways, Way{f.Channel, cmp.Or(f.After, headsup.DefaultFallbackAfter), cmp.Or(f.Unless, headsup.UnlessDelivered)})
		}
	}
	if len(all) == 0 {
		return nil, nobody
	}
	var err error
	if sub.Message.Fallback, err = encodeWays(ways); err != nil {
		return nil, err
	}
	deliver(sub, all, due)
	return all, nil
}

// inFallback is an error about a way's target, with its place.
func inFallback(i int, err error) error {
	field, ok := errors.AsType[*FieldError](err)
	switch {
	case ok:
		return &FieldError{fmt.Sprintf("fallback[%d].%s", i, field.Field), field.Reason}
	case errors.Is(err, ErrNoTarget):
		return &FieldError{fmt.Sprintf("fallback[%d].to", i), "is nobody in the reference book who can be reached"}
	}
	return err
}

// wayOf finds the conversation of a way; none if the person has none there.
func (e *Engine) wayOf(ctx context.Context, f headsup.Fallback, their *theirs) (c book.Conversation, found bool, err error) {
	if f.To != nil {
		all, err := e.resolve(ctx, *f.To)
		if err != nil {
			return c, false, err
		}
		return all[0], true, nil
	}
	all, err := their.conversations(ctx)
	if err != nil {
		return c, false, err
	}
	now := e.cfg.Now()
	for _, c := range all {
		if c.Key.Channel == f.Channel && c.Reachable(now) && c.Reach != book.ReachProspective {
			return c, true, nil
		}
	}
	if f.Channel != activity.ChannelEmail {
		return c, false, nil
	}
	return e.mailTo(ctx, their.emails)
}

// mailTo finds the conversation with the first of some e-mail addresses that can be written to.
func (e *Engine) mailTo(ctx context.Context, addresses []string) (c book.Conversation, found bool, err error) {
	for _, a := range addresses {
		all, err := e.resolve(ctx, headsup.Target{Address: "mailto:" + url.PathEscape(a)})
		switch _, wrong := errors.AsType[*FieldError](err); {
		case err == nil:
			return all[0], true, nil
		case !wrong && !errors.Is(err, ErrNoTarget):
			return c, false, err
		}
	}
	return c, false, nil
}

// theirs are the conversations of the human whom a target means.
type theirs struct {
	e     *Engine
	to    headsup.Target
	first []book.Conversation // what the target was resolved to

	looked bool
	found  []book.Conversation
	emails []string // that the book knows
}

func (t *theirs) conversations(ctx context.Context) ([]book.Conversation, error) {
	if t.looked {
		return t.found, nil
	}
	people, err := t.people(ctx)
	if err != nil {
		return nil, fmt.Errorf("proactive: look in the book: %w", err)
	}
	if err := t.add(t.e.cfg.Store.ConversationsOf(ctx, t.e.cfg.AppID, keyOfPerson(t.to))); err != nil {
		return nil, err
	}
	if t.to.Email != "" {
		t.emails = append(t.emails, book.Fold(t.to.Email))
	}
	for _, p := range people {
		if p.Email != "" && !slices.Contains(t.emails, p.Email) {
			t.emails = append(t.emails, p.Email)
		}
		own, err := t.e.cfg.Store.ConversationsByUser(ctx, t.e.cfg.AppID, p.ID)
		own = slices.DeleteFunc(own, func(c book.Conversation) bool {
			return c.Kind != book.KindPersonal || c.Key.Channel != p.Channel || c.Key.Tenant != p.Tenant
		})
		if err := t.add(own, err); err != nil {
			return nil, err
		}
		for _, k := range []book.PersonKey{{ExternalID: p.ExternalID}, {ObjectID: p.ObjectID}, {UPN: p.UPN}, {Email: p.Email}} {
			if err := t.add(t.e.cfg.Store.ConversationsOf(ctx, t.e.cfg.AppID, k)); err != nil {
				return nil, err
			}
		}
	}
	t.looked = true
	return t.found, nil
}

// prefer has the first way of a person, who may be anywhere, not be one of those that come later.
func (t *theirs) prefer(ctx context.Context, later []headsup.Fallback) error {
	comes := func(c book.Conversation) bool {
		return slices.ContainsFunc(later, func(f headsup.Fallback) bool { return f.Channel == c.Key.Channel })
	}
	if keyOfPerson(t.to) == (book.PersonKey{}) || len(t.first) != 1 || !comes(t.first[0]) {
		return nil
	}
	all, err := t.conversations(ctx)
	now := t.e.cfg.Now()
	for _, c := range all {
		if !comes(c) && c.Reachable(now) && c.Reach != book.ReachProspective {
			t.first = []book.Conversation{c}
			break
		}
	}
	return err
}

// add adds conversations that were not found before.
func (t *theirs) add(more []book.Conversation, err error) error {
	if err != nil {
		return fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, c := range more {
		if !slices.ContainsFunc(t.found, func(o book.Conversation) bool { return o.Row == c.Row }) {
			t.found = append(t.found, c)
		}
	}
	return nil
}

// people are those who were merged into the human, as each channel knows them.
func (t *theirs) people(ctx context.Context) (all []book.Person, err error) {
	f := book.PeopleFilter{PersonKey: keyOfPerson(t.to)}
	if f.PersonKey == (book.PersonKey{}) {
		if len(t.first) != 1 || t.first[0].Kind != book.KindPersonal || t.first[0].Person() == "" {
			return nil, nil // a place, of nobody alone
		}
		key := t.first[0].Key
		f = book.PeopleFilter{Channel: key.Channel, Tenant: key.Tenant, PersonKey: book.PersonKey{User: t.first[0].Person()}}
	}
	named, err := t.e.cfg.Store.ListPeople(ctx, t.e.cfg.AppID, f, 0, book.MaxMerged)
	if err != nil {
		return nil, err
	}
	for _, p := range named {
		if slices.ContainsFunc(all, func(o book.Person) bool { return o.Row == p.Row }) {
			continue
		}
		merged, err := t.e.cfg.Store.Human(ctx, t.e.cfg.AppID, p.Row)
		if err != nil && !errors.Is(err, book.ErrNobody) {
			return nil, err
		}
		all = append(all, merged...)
	}
	return all, nil
}
