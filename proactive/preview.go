package proactive

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/template"
)

// Sample is something to look at before it is said.
type Sample struct {
	Content
	// Draft is a template that is not kept; Template has data for it, and no name.
	Draft *template.Source
	// Topic is of the notification.
	Topic string
	// Recipient is whom it is shown for. Of data for a template without any, the parameters' examples are taken.
	Recipient template.Recipient
}

// Shown is what would be said.
type Shown struct {
	// Language is the one of a template's that the recipient is spoken to in; empty without a template.
	Language string
	// Activities are what would be sent, by channel; see [Previewed].
	Activities map[activity.ChannelID]*activity.Activity
}

// Previewed are the channels that stand for a form each: cards as Microsoft Teams and Web Chat have them, Markdown, plain
// text, mail and text messages.
var Previewed = []activity.ChannelID{
	activity.ChannelTeams, activity.ChannelWebChat, activity.ChannelSlack, activity.ChannelFacebook, activity.ChannelEmail, activity.ChannelSMS,
}

// Preview makes what would be said, and sends nothing. Buttons in it do nothing. What is wrong gives a [*FieldError].
func (e *Engine) Preview(ctx context.Context, s Sample) (Shown, error) {
	var out Shown
	said, err := e.sampled(ctx, s, &out)
	if err != nil {
		return Shown{}, err
	}
	if said.Locale == "" {
		said.Locale = cmp.Or(out.Language, s.Recipient.Locale)
	}
	notice, err := noticeOf(said)
	if err != nil {
		return Shown{}, wrongNotice(err)
	}
	out.Activities = make(map[activity.ChannelID]*activity.Activity, len(Previewed))
	for _, channel := range Previewed {
		a := said.Clone()
		if notice != nil {
			if err := dress(a, notice, e.sampleView(s, said.Locale, channel), channel); err != nil {
				return Shown{}, &FieldError{"notice", err.Error()}
			}
		}
		out.Activities[channel] = a
	}
	return out, nil
}

// sampled is what is said to the sample's recipient.
func (e *Engine) sampled(ctx context.Context, s Sample, out *Shown) (*activity.Activity, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Template == nil {
		return s.Message()
	}
	t, src, err := e.sampleTemplate(ctx, s)
	if err != nil {
		return nil, err
	}
	use, written := *s.Template, "template." // where the template stands in a request
	if s.Draft != nil {
		written = "draft."
	}
	if len(use.Data) == 0 {
		use.Data = src.Example()
	}
	if err := checkJSON("template.data", use.Data); err != nil {
		return nil, err
	}
	data, err := t.ReadData(use.Data, nil)
	if err != nil {
		return nil, templateError("template.", err)
	}
	bound, err := t.Bind(template.Input{
		Data: data.For(""), Recipient: s.Recipient, Notification: template.Notification{ID: "ntf_0000000000000", Topic: s.Topic},
	})
	if err != nil {
		return nil, templateError(written, err)
	}
	out.Language = bound.Language
	a, err := saying(bound)
	if wrong, ok := errors.AsType[*FieldError](err); ok {
		return nil, &FieldError{written + "languages." + bound.Language + "." + wrong.Field, wrong.Reason}
	}
	return a, err
}

// sampleTemplate is the sample's own template, or the one that it names.
func (e *Engine) sampleTemplate(ctx context.Context, s Sample) (*template.Template, template.Source, error) {
	if s.Draft != nil {
		t, err := template.Compile(*s.Draft)
		return t, *s.Draft, templateError("draft.", err)
	}
	kept, err := e.FindTemplate(ctx, s.Template.Name, s.Template.Version)
	switch {
	case errors.Is(err, ErrNoTemplate):
		return nil, template.Source{}, noTemplate(*s.Template)
	case err != nil:
		return nil, template.Source{}, err
	}
	t, err := e.templates.parse(kept.Version)
	return t, kept.Written, err
}

// noTemplate says that a template, or its version, is not there.
func noTemplate(use headsup.Templated) error {
	if use.Version != 0 {
		return &FieldError{"template.version", "is none of the template, or there is no such template"}
	}
	return &FieldError{"template.name", "is no template"}
}

// sampleView is how a notice is shown to the sample's recipient.
func (e *Engine) sampleView(s Sample, locale string, channel activity.ChannelID) card.View {
	nobody := reader{conversation: book.Conversation{Kind: book.KindPersonal}, topic: s.Topic}
	v := card.View{
		Locale: locale, Topic: e.titleOf(s.Topic), OptOut: e.waysOut(nobody), Execute: channel == activity.ChannelTeams,
		Ticket: func(card.Action) (string, error) { return "preview", nil },
		Link:   func(string) string { return cmp.Or(e.cfg.ActionURL, "https://headsup.example/") + "preview" },
	}
	if zone, err := time.LoadLocation(s.Recipient.TimeZone); err == nil {
		v.Zone = zone
	}
	return v
}
