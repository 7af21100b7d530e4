package proactive

import (
	"bytes"
	"context"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/outbox"
)

// mayHaveParts reports, without reading it, whether a body may have a text and attachments.
func mayHaveParts(ref activity.Reference, body jsontext.Value) bool {
	return ref.ChannelID == activity.ChannelTeams && bytes.Contains(body, []byte(`"attachments"`)) && bytes.Contains(body, []byte(`"text"`))
}

// partsOf takes a message apart. Of one with a text and attachments Microsoft Teams makes two and tells no id of them, so
// that neither could be changed or removed any more: here each is sent by itself, the text first.
func partsOf(ref activity.Reference, a *activity.Activity) []*activity.Activity {
	if ref.ChannelID != activity.ChannelTeams || a.Type != activity.TypeMessage || a.Text == "" || len(a.Attachments) == 0 {
		return []*activity.Activity{a}
	}
	text, rest := a.Clone(), a.Clone()
	text.Attachments, text.AttachmentLayout, text.SuggestedActions = nil, "", nil
	rest.Text, rest.TextFormat, rest.Speak = "", "", nil
	rest.Entities = slices.DeleteFunc(rest.Entities, func(e activity.Entity) bool { return e.Type == activity.EntityMention })
	rest.ChannelData = quiet(rest.ChannelData)
	return []*activity.Activity{text, rest}
}

// quiet is channel data without the entry in the activity feed that the other part makes.
func quiet(data jsontext.Value) jsontext.Value {
	var members map[string]jsontext.Value
	if data.Kind() != jsontext.KindBeginObject || json.Unmarshal(data, &members) != nil || members["notification"] == nil {
		return data
	}
	delete(members, "notification")
	raw, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return data
	}
	return raw
}

// sayParts sends parts one after the other, and writes down each, as for a handler: an attempt that was cut off goes on with
// what was not taken, and a recall removes all.
func (s *sender) sayParts(ctx context.Context, at *outbox.Attempt, out headsup.Outgoing, parts []*activity.Activity) (activity.ID, error) {
	log := &sendLog{sender: s, attempt: at}
	var first activity.ID
	for n, part := range parts {
		if i := slices.IndexFunc(at.Sends, func(o outbox.Send) bool { return o.Ordinal == n && o.Taken }); i >= 0 {
			if n == 0 {
				first = at.Sends[i].Activity
			}
			continue
		}
		key, err := log.Begin(ctx, n)
		if err != nil {
			return first, err
		}
		out.Activity, out.Key = part, key
		sent, err := s.cfg.Channel.Send(ctx, out)
		if err != nil {
			if failure := headsup.MeaningOf(err); n > 0 && failure.Meaning == headsup.MeaningPermanent {
				return first, partial(n, err)
			}
			return first, err
		}
		if n == 0 {
			first = sent.ID
		}
		if err := log.Sent(ctx, n, sent.ID); err != nil {
			return first, err
		}
	}
	return first, nil
}

// reviseParts changes what was said in several parts. What there is too much of is removed; a part that is not there any
// more goes with the first one.
func (s *sender) reviseParts(ctx context.Context, at *outbox.Attempt, ref activity.Reference, a *activity.Activity) (activity.ID, error) {
	stand := slices.DeleteFunc(slices.Clone(at.Sends), func(o outbox.Send) bool { return o.Activity == "" })
	parts := partsOf(ref, a)
	update := func(id activity.ID, part *activity.Activity) error {
		part.ID = id
		_, err := s.cfg.Channel.Update(ctx, headsup.Outgoing{Reference: ref, Activity: part})
		return revisionError(at, false, err)
	}
	for n, sent := range stand {
		var err error
		switch {
		case n < len(parts):
			err = update(sent.Activity, parts[n])
			if failure := headsup.MeaningOf(err); n > 0 && failure != nil && failure.Reason == headsup.ReasonNotFound {
				err = update(stand[0].Activity, a)
			}
		default:
			err = revisionError(at, true, s.cfg.Channel.Delete(ctx, ref, sent.Activity))
			if failure := headsup.MeaningOf(err); failure != nil && failure.Reason == headsup.ReasonNotFound {
				err = nil // an earlier change has removed it
			}
		}
		if err != nil {
			return "", err
		}
	}
	return stand[0].Activity, nil
}
