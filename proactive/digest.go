package proactive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/outbox"
)

// Limits of a digest: more than that are several.
const (
	// MaxDigest is how many notifications one digest says.
	MaxDigest = 50
	// MaxDigestText is the size of all their texts in bytes.
	MaxDigestText = 16 << 10
)

// Reasons of what is said in a digest.
const (
	// ReasonDigestUnknown: it was said in a digest of which nobody knows whether it has arrived.
	ReasonDigestUnknown = "digest_unknown"
	// ReasonDigestPurged: the digest cannot be written anew, since what others in it have said is not kept any more.
	ReasonDigestPurged = "digest_purged"
)

// inDigest says an attempt as a part of a digest, if it is one or the first of some that wait.
func (s *sender) inDigest(ctx context.Context, at *outbox.Attempt) (id activity.ID, done bool, err error) {
	joined := len(at.Sends) > 0 && at.Sends[0].With != 0
	if !mayJoin(at) || at.Policy.Release != headsup.ReleaseDigest && !joined && !s.digested(at) {
		return "", false, nil
	}
	switch {
	case len(at.Sends) == 0 && at.MayHaveArrived: // said by itself, perhaps
		return "", false, nil
	case len(at.Sends) == 0:
		joined, err := s.gather(ctx, at)
		if err != nil {
			at.Permit.Cancel()
		}
		if err != nil || !joined {
			return "", err != nil, err
		}
	case at.Sends[0].With != at.Delivery:
		return s.wasSaidWith(ctx, at)
	}
	return s.sayDigest(ctx, at)
}

// gather writes down which of those that wait behind an attempt are said with it, if there are some.
func (s *sender) gather(ctx context.Context, at *outbox.Attempt) (joined bool, err error) {
	behind, err := s.cfg.Store.Behind(ctx, at.Delivery, 2*MaxDigest)
	if err != nil || len(behind) == 0 {
		return false, notRead(err)
	}
	m, err := s.cfg.Store.Message(ctx, at.Message)
	if err == nil {
		m, err = s.bound(ctx, at, m)
	}
	if err != nil {
		return false, notRead(err)
	}
	wish, fits := m.Policy.Release != headsup.ReleaseDigest || s.digested(at), plainText
	if wish {
		fits = s.hasLine
	}
	size, may := fits(m)
	if !may {
		return false, nil
	}
	now := s.cfg.Now()
	with := []outbox.Part{{Delivery: at.Delivery}}
	for _, p := range behind {
		if !p.Message.ExpiresAt.IsZero() && !now.Before(p.Message.ExpiresAt) || !wish && p.Message.Topic != m.Topic ||
			wish && s.keptApart(at, p.Message.Topic) {
			continue
		}
		if wanted, err := s.isNeeded(ctx, p); err != nil || !wanted {
			if err != nil {
				return false, notRead(err)
			}
			continue // it finds that out by itself
		}
		if p.Message, err = s.bound(ctx, at, p.Message); err != nil {
			return false, notRead(err)
		}
		n, may := fits(p.Message)
		if size += n; !may || size > MaxDigestText || len(with) == MaxDigest {
			break // what follows it comes after it
		}
		with = append(with, p)
	}
	if len(with) == 1 {
		return false, nil
	}
	return true, s.join(ctx, at, with)
}

// join writes down what an attempt says together; its own delivery is the first.
func (s *sender) join(ctx context.Context, at *outbox.Attempt, parts []outbox.Part) error {
	j := outbox.Joining{Lead: at.Delivery, Fence: at.Fence, At: s.cfg.Now()}
	for _, p := range parts[1:] {
		j.Others = append(j.Others, p.Delivery)
	}
	if err := s.cfg.Store.Join(ctx, j); err != nil {
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_recorded", Err: err}
	}
	at.Sends = []outbox.Send{{Delivery: at.Delivery, Fence: at.Fence, With: at.Delivery, At: j.At}}
	return nil
}

func notRead(err error) error {
	if err == nil {
		return nil
	}
	return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_read", Err: err}
}

// plainText reports whether a message is a text and nothing else, so that it may stand in a list, and how long that is.
func plainText(m outbox.Message) (size int, yes bool) {
	if m.Policy.Release != headsup.ReleaseDigest || m.Handler != "" || m.Policy.Expects.Wanted || m.Window == headsup.WindowNew {
		return 0, false
	}
	var members map[string]any
	if json.Unmarshal(m.Body, &members) != nil {
		return 0, false
	}
	if n := digestible(m); n != nil {
		return len(n.Line(card.View{Locale: fmt.Sprint(members["locale"])})), true
	}
	for name := range members {
		if !slices.Contains([]string{"type", "text", "textFormat", "locale", "summary"}, name) {
			return 0, false
		}
	}
	text, _ := members["text"].(string)
	format, _ := members["textFormat"].(string)
	return len(text), members["type"] == string(activity.TypeMessage) && text != "" && format != string(activity.TextXML)
}

// digestible is the notice of a message that has nothing else; nil for others.
func digestible(m outbox.Message) *card.Notice {
	var a activity.Activity
	if !mayHaveNotice(m.Body) || json.Unmarshal(m.Body, &a) != nil {
		return nil
	}
	n, err := noticeOf(&a)
	if err != nil {
		return nil
	}
	return n
}

// sayDigest says what an attempt has joined, or what is left of it. A repeat that says something else than the attempt
// before is treated like that of a message that was edited.
func (s *sender) sayDigest(ctx context.Context, at *outbox.Attempt) (id activity.ID, done bool, err error) {
	parts, err := s.cfg.Store.Joined(ctx, at.Delivery)
	if err != nil {
		at.Permit.Cancel()
		return "", true, notRead(err)
	}
	left := slices.DeleteFunc(slices.Clone(parts), func(p outbox.Part) bool { return p.Delivery != at.Delivery && p.State != outbox.StateReady })
	for _, p := range parts {
		at.Edited = at.Edited || p.Message.EditedAt.After(at.Sends[0].At)
	}
	if len(left) < len(parts) {
		at.Edited = true
		if err := s.join(ctx, at, left); err != nil {
			at.Permit.Cancel()
			return "", true, err
		}
	}
	if len(left) == 1 { // as it is
		return "", false, nil
	}
	a, err := s.digestOf(ctx, at, left)
	if err != nil {
		at.Permit.Cancel()
		return "", true, err
	}
	ref := at.Conversation.Reference
	ref.Outgoing(a)
	id, err = s.say(ctx, at, headsup.Outgoing{Reference: ref, Activity: a, Key: keyOf(at.Delivery) + firstOrdinal})
	return id, true, err
}

// wasSaidWith finds what became of the digest that an attempt's delivery is in. What was not said in it is said by itself.
func (s *sender) wasSaidWith(ctx context.Context, at *outbox.Attempt) (id activity.ID, done bool, err error) {
	lead, err := s.cfg.Store.DeliveryRecord(ctx, at.Sends[0].With)
	switch {
	case errors.Is(err, outbox.ErrNoDelivery):
		return "", false, nil
	case err != nil:
		at.Permit.Cancel()
		return "", true, notRead(err)
	case lead.State == outbox.StateUnknown || lead.MayHaveArrived:
		at.Permit.Cancel()
		return "", true, &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonDigestUnknown,
			Err: fmt.Errorf("it was said with %s, and nobody knows whether that has arrived", DeliveryText(lead.ID))}
	case lead.State != outbox.StateDelivered:
		return "", false, nil
	}
	m, err := s.cfg.Store.Message(ctx, at.Message)
	if err != nil {
		at.Permit.Cancel()
		return "", true, notRead(err)
	}
	if !m.EditedAt.After(at.Sends[0].At) {
		at.Permit.Cancel()
		return lead.Activity, true, nil
	}
	id, _, err = s.reviseDigest(ctx, at) // it was edited while the digest was said
	return id, true, err
}

// reviseDigest writes a digest anew, as its parts are now; or removes it, when none is left. It is not done for what was
// not said in one.
func (s *sender) reviseDigest(ctx context.Context, at *outbox.Attempt) (id activity.ID, done bool, err error) {
	if len(at.Sends) == 0 || at.Sends[0].With == 0 {
		return "", false, nil
	}
	parts, err := s.cfg.Store.Joined(ctx, at.Sends[0].With)
	if err != nil {
		return "", true, notRead(err)
	}
	if len(parts) == 0 || parts[0].Activity == "" || at.Sent != "" && at.Sent != parts[0].Activity {
		return "", false, nil // the digest was not said, and this by itself
	}
	if parts[0].Delivery != at.Sends[0].With {
		return "", true, digestPurged() // the lead's own text is gone with its record
	}
	id = parts[0].Activity
	left := slices.DeleteFunc(parts, func(p outbox.Part) bool {
		said := p.State == outbox.StateDelivered && p.Activity == id || p.State == outbox.StateReady || p.State == outbox.StateSending
		return !said || !p.Message.RecalledAt.IsZero()
	})
	ref := at.Conversation.Reference
	able := s.cfg.Channel.Capabilities(ref)
	if len(left) > 0 && !able.Update || len(left) == 0 && !able.Delete {
		return "", true, &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: ReasonNotSupported}
	}
	if len(left) == 0 {
		err = s.cfg.Channel.Delete(ctx, ref, id)
	} else {
		var a *activity.Activity
		if a, err = s.digestOf(ctx, at, left); err != nil {
			return "", true, err
		}
		ref.Outgoing(a)
		a.ID = id
		_, err = s.cfg.Channel.Update(ctx, headsup.Outgoing{Reference: ref, Activity: a})
	}
	if err = revisionError(at, len(left) == 0, err); err != nil {
		return "", true, err
	}
	return id, true, nil
}

func digestPurged() error {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonDigestPurged,
		Err: errors.New("what others in the digest have said is not kept any more")}
}

var (
	// ownLink is a link, and unescape a mark that is not to be read (CommonMark, "Links" and "Backslash escapes").
	ownLink  = regexp.MustCompile(`\[((?:[^\]\\]|\\.)*)\]\(<?([^)>]*)>?\)`)
	unescape = regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`)
)
