package httpapi

import (
	"cmp"
	"context"
	stdjson "encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/channel/email"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/cardtext"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/template"
)

type previewOfRequest struct{ Body api.PreviewRequest }

type previewOfAnswer struct{ Body api.Preview }

func (s *service) previews(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "create-preview", Method: http.MethodPost, Path: "/v1/previews",
		Summary: "See how it would be shown",
		Description: "Makes of a content what each channel would be sent, side by side, with sizes and what is too large. Nothing is sent or " +
			"kept, and buttons in it do nothing.",
		Tags: []string{"templates"}, Security: needs(access.Send), MaxBodyBytes: maxBody, Errors: []int{400, 413, 415, 422, 503},
	}, s.preview)
}

func (s *service) preview(ctx context.Context, r *previewOfRequest) (*previewOfAnswer, error) {
	sample, err := sampleOf(r.Body)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	shown, err := s.engine(ctx).Preview(ctx, sample)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	out := api.Preview{Language: shown.Language}
	for _, form := range []func(map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error){
		cardForm("teams", activity.ChannelTeams, card.MaxCard), cardForm("webchat", activity.ChannelWebChat, proactive.MaxCard),
		textForm("markdown", activity.ChannelSlack), textForm("plain", activity.ChannelFacebook), mailForm, smsForm,
	} {
		f, err := form(shown.Activities)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		f.TooLarge = f.Size > f.Limit
		out.Forms = append(out.Forms, f)
	}
	first := shown.Activities[activity.ChannelTeams]
	out.Summary = cmp.Or(first.Summary, firstCharacters(cardtext.Of(first), card.MaxSummary))
	return &previewOfAnswer{Body: out}, nil
}

func firstCharacters(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// sampleOf reads a request.
func sampleOf(b api.PreviewRequest) (s proactive.Sample, err error) {
	s.Topic, s.Recipient.Locale = b.Topic, b.Locale
	if p := b.Recipient; p != nil {
		s.Recipient = template.Recipient{Name: p.Name, Locale: b.Locale, TimeZone: p.TimeZone, ExternalID: p.ExternalID}
	}
	s.Content, err = content{
		text: b.Text, markdown: b.Markdown, summary: b.Summary, activity: b.Activity, card: b.Card, notice: b.Notice, template: b.Template,
	}.decode()
	if err != nil || b.Draft == nil {
		return s, err
	}
	draft := sourceOf(*b.Draft)
	s.Draft = &draft
	switch {
	case s.Template == nil:
		s.Template = &headsup.Templated{}
	case s.Template.Name != "" || s.Template.Version != 0:
		err = &proactive.FieldError{Field: "template.name", Reason: "is of another template than draft"}
	}
	return s, err
}

// cardForm is what a channel with cards is sent. Where there is a card its size counts, else that of the whole.
func cardForm(name string, channel activity.ChannelID, limit int) func(map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
	return func(all map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
		a := all[channel]
		raw, err := activity.Encode(a)
		f := api.PreviewForm{Form: name, Activity: stdjson.RawMessage(raw), Size: len(raw), Limit: limit}
		if len(a.Attachments) == 1 {
			f.Size = len(a.Attachments[0].Content)
		}
		return f, err
	}
}

func textForm(name string, channel activity.ChannelID) func(map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
	return func(all map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
		text := cardtext.Of(all[channel])
		return api.PreviewForm{Form: name, Text: text, Size: len(text), Limit: proactive.MaxText}, nil
	}
}

func mailForm(all map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
	m := email.DraftOf(all[activity.ChannelEmail])
	return api.PreviewForm{Form: "email", Subject: m.Subject, HTML: m.HTML, Text: m.Text, Size: len(m.HTML), Limit: card.MaxHTML}, nil
}

func smsForm(all map[activity.ChannelID]*activity.Activity) (api.PreviewForm, error) {
	text := cardtext.Of(all[activity.ChannelSMS])
	segments, unicode := card.Segments(text)
	f := api.PreviewForm{Form: "sms", Text: text, Segments: segments, Encoding: "gsm7", Size: utf8.RuneCountInString(text), Limit: card.MaxSMS}
	if unicode {
		f.Encoding = "ucs2"
	}
	return f, nil
}
