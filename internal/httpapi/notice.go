package httpapi

import (
	stdjson "encoding/json"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/proactive"
)

// noticeOf reads a notice. Whether it is right is for the engine to check.
func noticeOf(in *api.Notice) (*card.Notice, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // most requests have none
	}
	n := &card.Notice{What: in.What, Text: in.Text, Severity: card.Severity(in.Severity)}
	if in.Item != nil {
		n.Item = new(card.Item(*in.Item))
	}
	if in.Actor != nil {
		n.Actor = new(card.Actor(*in.Actor))
	}
	if in.When != nil {
		n.When = *in.When
	}
	if in.Picture != nil {
		n.Picture = new(card.Picture(*in.Picture))
	}
	for _, f := range in.Facts {
		n.Facts = append(n.Facts, card.Fact(f))
	}
	for i, a := range in.Actions {
		action := card.Action{Do: card.Do(a.Do), Title: a.Title, URL: a.URL, Name: a.Name}
		if given(a.Value) {
			action.Value = []byte(a.Value)
		}
		if a.For != "" {
			var err error
			if action.For, err = time.ParseDuration(a.For); err != nil {
				return nil, &proactive.FieldError{Field: fmt.Sprintf("notice.actions[%d].for", i), Reason: "is not a duration such as 90s or 1h30m"}
			}
		}
		n.Actions = append(n.Actions, action)
	}
	return n, nil
}

// renderNotice is a notice as it was given.
func renderNotice(n *card.Notice) *api.Notice {
	if n == nil {
		return nil
	}
	out := &api.Notice{What: n.What, Text: n.Text, Severity: string(n.Severity), When: optional(n.When)}
	if n.Item != nil {
		out.Item = new(api.NoticeItem(*n.Item))
	}
	if n.Actor != nil {
		out.Actor = new(api.NoticeActor(*n.Actor))
	}
	if n.Picture != nil {
		out.Picture = new(api.NoticePicture(*n.Picture))
	}
	for _, f := range n.Facts {
		out.Facts = append(out.Facts, api.NoticeFact(f))
	}
	for _, a := range n.Actions {
		action := api.NoticeAction{Do: string(a.Do), Title: a.Title, URL: a.URL, Name: a.Name, Value: stdjson.RawMessage(a.Value)}
		if a.For != 0 {
			action.For = a.For.String()
		}
		out.Actions = append(out.Actions, action)
	}
	return out
}
