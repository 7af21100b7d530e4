package proactive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/template"
)

// templateContent is of an attachment that refers to a template: what a message says is made of it for each recipient.
const templateContent = "application/vnd.headsup.template+json"

// templateRef is the content of such an attachment.
type templateRef struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Version int            `json:"version"`
	Data    jsontext.Value `json:"data,omitzero"`
	Each    jsontext.Value `json:"each,omitzero"`
}

// maxTries bounds how often a template is bound before a notification is accepted.
const maxTries = 20_000

// templated puts a reference to its template's version into a notification that has one, after it was tried whether it can
// be said in every language.
func (e *Engine) templated(ctx context.Context, n headsup.Notification) (headsup.Notification, error) {
	if n.Template == nil {
		return n, nil
	}
	use := *n.Template
	v, err := e.cfg.Store.Template(ctx, e.cfg.AppID, "", use.Name, use.Version)
	switch {
	case errors.Is(err, ErrNoTemplate):
		return n, noTemplate(use)
	case err != nil:
		return n, fmt.Errorf("proactive: look for the template: %w", err)
	}
	if n.Activity, err = e.refer(v, use, n.Locale); err != nil {
		return n, err
	}
	n.Template = nil
	return n, nil
}

// templatedAnew is templated for a change of what a message says, which stays with its version unless another template, or
// version, is named.
func (e *Engine) templatedAnew(ctx context.Context, n headsup.Notification, body jsontext.Value) (headsup.Notification, error) {
	if n.Template == nil || n.Template.Name != "" {
		return e.templated(ctx, n)
	}
	_, ref := referred(body)
	switch {
	case ref == nil:
		return n, &FieldError{"template.name", "is needed: the notification says no template"}
	case n.Template.Version != 0:
		return n, &FieldError{"template.version", "is of a template: give its name"}
	}
	id, err := template.IDOf(ref.ID)
	if err != nil {
		return n, fmt.Errorf("proactive: template %q: %w", ref.ID, err)
	}
	v, err := e.cfg.Store.TemplateByID(ctx, e.cfg.AppID, id)
	if err != nil {
		return n, fmt.Errorf("proactive: look for the template: %w", err)
	}
	n.Activity, err = e.refer(v, *n.Template, n.Locale)
	n.Template = nil
	return n, err
}

// refer makes the activity that refers to a version.
func (e *Engine) refer(v template.Version, use headsup.Templated, locale string) (*activity.Activity, error) {
	t, err := e.templates.parse(v)
	if err != nil {
		return nil, err
	}
	for _, raw := range [...]struct {
		field string
		value jsontext.Value
	}{{"template.data", use.Data}, {"template.each", use.Each}} {
		if err := checkJSON(raw.field, raw.value); err != nil {
			return nil, err
		}
	}
	data, err := t.ReadData(use.Data, use.Each)
	if err == nil {
		err = tryData(t, data)
	}
	if err != nil {
		return nil, templateError("template.", err)
	}
	content, err := json.Marshal(templateRef{v.ID.String(), v.Name, v.Number, use.Data, use.Each}, json.Deterministic(true))
	if err != nil {
		return nil, &FieldError{"template.data", err.Error()}
	}
	a := activity.Message("")
	a.Locale, a.Attachments = locale, []activity.Attachment{{ContentType: templateContent, Content: content}}
	return a, nil
}

// samples are recipients of whom nothing is known, and much.
var samples = []template.Recipient{{}, {Name: "Ann Berg", TimeZone: "Europe/Berlin", ExternalID: "employee-4711"}}

// tryData binds a template in every language, for everybody and for each recipient with values of their own, and checks
// what is said.
func tryData(t *template.Template, data template.Data) error {
	who := append([]string{""}, data.Recipients()...)
	languages := t.Languages()
	if len(who)*len(languages)*len(samples) > maxTries {
		return &template.Error{Field: "each", Reason: fmt.Sprintf("has too many recipients for a template of %d languages; say it in several", len(languages))}
	}
	for _, name := range who {
		in := template.Input{Data: data.For(name)}
		for _, l := range languages {
			for _, in.Recipient = range samples {
				in.Recipient.Locale = l
				said, err := t.BindIn(l, in)
				if err == nil {
					_, err = saying(said)
				}
				if wrong, ok := errors.AsType[*FieldError](err); ok {
					err = &template.Error{Field: "languages." + l + "." + wrong.Field, Reason: wrong.Reason}
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// saying is the activity that says what was bound, or a [*FieldError].
func saying(b template.Bound) (*activity.Activity, error) {
	c := Content{Text: b.Text, Markdown: b.Markdown, Card: b.Card, Summary: b.Summary}
	if len(b.Notice) > 0 {
		var err error
		if c.Notice, err = card.Decode(b.Notice); err != nil {
			return nil, wrongNotice(err)
		}
	}
	return c.Message()
}

func refersToTemplate(a *activity.Activity) bool {
	for i := range a.Attachments {
		if a.Attachments[i].ContentType == templateContent {
			return true
		}
	}
	return false
}

// forgone is the submission of a notification whose template there is no more: it may be a repeat of one that was accepted.
func (e *Engine) forgone(n headsup.Notification) (sub outbox.Submission) {
	if mark, err := fingerprint(n, nil); err == nil && n.Key != "" {
		sub.Message.AppID, sub.Message.Key, sub.Message.Fingerprint = e.cfg.AppID, n.Key, mark
	}
	return sub
}

// referred reads the reference to a template in a body; nil if there is none.
func referred(body jsontext.Value) (*activity.Activity, *templateRef) {
	if !bytes.Contains(body, []byte(templateContent)) {
		return nil, nil
	}
	var a activity.Activity
	var ref templateRef
	if json.Unmarshal(body, &a) != nil || len(a.Attachments) != 1 || a.Attachments[0].ContentType != templateContent ||
		json.Unmarshal(a.Attachments[0].Content, &ref) != nil {
		return nil, nil
	}
	return &a, &ref
}

// ReasonTemplate: what the template says cannot be said, or the template is there no more.
const ReasonTemplate = "template"

// binds has an attempt say what its template says to the recipient. It is known that it can be said, as far as that can be
// known without the recipient.
func (s *sender) binds(ctx context.Context, at *outbox.Attempt) error {
	a, ref := referred(at.Body)
	if ref == nil || at.Verb == outbox.VerbDelete && at.Sent != "" {
		return nil
	}
	body, err := (*Engine)(s).bind(ctx, a, ref, at)
	if wrong, ok := errors.AsType[*template.Error](err); ok {
		err = &FieldError{"template", wrong.Error()}
	}
	if _, wrong := errors.AsType[*FieldError](err); wrong || errors.Is(err, ErrNoTemplate) {
		return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonTemplate, Err: err}
	}
	if err != nil {
		return notRead(err)
	}
	at.Body = body
	return nil
}

// bound is a message of an attempt's conversation with what its template says there. One of which that cannot be said stays
// as it is.
func (s *sender) bound(ctx context.Context, at *outbox.Attempt, m outbox.Message) (outbox.Message, error) {
	a, ref := referred(m.Body)
	if ref == nil {
		return m, nil
	}
	body, err := (*Engine)(s).bind(ctx, a, ref, &outbox.Attempt{Conversation: at.Conversation, Message: m.ID, Topic: m.Topic})
	_, wrong := errors.AsType[*FieldError](err)
	_, unbound := errors.AsType[*template.Error](err)
	switch {
	case wrong || unbound || errors.Is(err, ErrNoTemplate):
		return m, nil
	case err != nil:
		return m, err
	}
	m.Body = body
	return m, nil
}

func (e *Engine) bind(ctx context.Context, a *activity.Activity, ref *templateRef, at *outbox.Attempt) (jsontext.Value, error) {
	id, err := template.IDOf(ref.ID)
	if err != nil {
		return nil, ErrNoTemplate
	}
	t := e.templates.find(id)
	if t == nil {
		v, err := e.cfg.Store.TemplateByID(ctx, e.cfg.AppID, id)
		if err == nil {
			t, err = e.templates.parse(v)
		}
		if err != nil {
			return nil, err
		}
	}
	p, err := e.recipient(ctx, at.Conversation, len(ref.Each) > 0 || t.UsesExternalID())
	if err != nil {
		return nil, err
	}
	in := template.Input{
		Recipient: template.Recipient{
			Name: p.Name, Locale: cmp.Or(a.Locale, p.Locale), TimeZone: p.TimeZone, ExternalID: p.ExternalID,
		},
		Notification: template.Notification{ID: string(notificationID(at.Message)), Topic: at.Topic},
	}
	if in.Data, err = template.ReadFor(ref.Data, ref.Each, func(name string) bool {
		return name == p.ExternalID || name == string(p.ID) || p.Email != "" && book.Fold(name) == p.Email
	}); err != nil {
		return nil, err
	}
	bound, err := t.Bind(in)
	if err != nil {
		return nil, err
	}
	said, err := saying(bound)
	if err != nil {
		return nil, err
	}
	said.Locale = cmp.Or(a.Locale, bound.Language)
	raw, err := activity.Encode(said)
	if err != nil {
		return nil, &FieldError{"template", err.Error()}
	}
	return raw, nil
}

// recipient is whom a conversation is with, as far as that is known: nobody in particular where several take part. What the
// book knows of the person beside the conversation is looked up only if it is needed.
func (e *Engine) recipient(ctx context.Context, c book.Conversation, needed bool) (p book.Person, err error) {
	p.Locale, p.TimeZone = c.Reference.Locale, c.TimeZone
	if c.Person() == "" {
		return p, nil
	}
	p.ID, p.Name = c.Person(), c.Reference.User.Name
	if !needed && p.Name != "" && p.Locale != "" && p.TimeZone != "" {
		return p, nil
	}
	all, err := e.cfg.Store.Details(ctx, []book.Row{c.Row})
	if err != nil {
		return p, fmt.Errorf("proactive: look in the book: %w", err)
	}
	for _, known := range all[c.Row].People {
		if known.ID == p.ID {
			p.ExternalID, p.Email = known.ExternalID, known.Email
			p.Name, p.Locale, p.TimeZone = cmp.Or(p.Name, known.Name), cmp.Or(p.Locale, known.Locale), cmp.Or(p.TimeZone, known.TimeZone)
		}
	}
	return p, nil
}
