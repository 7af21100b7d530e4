package proactive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/outbox"
)

// ActionKey is a secret that buttons of notices are signed with. Its id is no secret: letters, digits, '-' and '_'.
type ActionKey struct {
	ID     string
	Secret []byte
}

// How long buttons of notices may be pressed, from when they were sent. Ways out are good longer.
const (
	ActionLife = 30 * 24 * time.Hour
	OptOutLife = ticket.MaxLife
)

// signerOf makes the signer of an engine; nil when it has no keys.
func signerOf(keys func() []ActionKey) *ticket.Signer {
	if keys == nil {
		return nil
	}
	return ticket.NewSigner(func() []ticket.Key {
		var all []ticket.Key
		for _, k := range keys() {
			all = append(all, ticket.Key(k))
		}
		return all
	})
}

// wrongNotice is what is wrong with a notice as what is wrong with a notification.
func wrongNotice(err error) error {
	if bad, ok := errors.AsType[*card.FieldError](err); ok {
		return &FieldError{bad.Field, bad.Reason}
	}
	return err
}

// checkNotice checks a notice, and that others can take what its actions bring back.
func checkNotice(n *card.Notice) error {
	if err := wrongNotice(n.Validate()); err != nil {
		return err
	}
	for i, a := range n.Actions {
		if err := checkJSON(fmt.Sprintf("notice.actions[%d].value", i), a.Value); err != nil {
			return err
		}
	}
	return nil
}

// noticesIn checks notices among the attachments of an activity that somebody else has put together: there is one at most,
// and nothing besides.
func noticesIn(a *activity.Activity) error {
	i := slices.IndexFunc(a.Attachments, func(at activity.Attachment) bool { return at.ContentType == card.ContentType })
	if i < 0 {
		return nil
	}
	if len(a.Attachments) != 1 || a.Text != "" {
		return &FieldError{"activity.attachments", "have a notice, which is neither beside others nor beside a text"}
	}
	_, err := card.Decode(a.Attachments[0].Content)
	return err
}

// mayHaveNotice reports, without reading it, whether a body may have a notice.
func mayHaveNotice(body jsontext.Value) bool { return bytes.Contains(body, []byte(card.ContentType)) }

// noticeOf is the notice of an activity; nil when it has none.
func noticeOf(a *activity.Activity) (*card.Notice, error) {
	if a.Type != activity.TypeMessage || len(a.Attachments) != 1 || a.Attachments[0].ContentType != card.ContentType {
		return nil, nil //nolint:nilnil // most have none
	}
	return card.Decode(a.Attachments[0].Content)
}

// renders puts in the place of a notice what the conversation's channel takes.
func (s *sender) renders(at *outbox.Attempt) error {
	if !mayHaveNotice(at.Body) {
		return nil
	}
	var a activity.Activity
	if err := json.Unmarshal(at.Body, &a); err != nil {
		return unshown(err)
	}
	said := at.Delivery
	if at.Verb != outbox.VerbSend {
		said = at.Revises
	}
	shown, err := (*Engine)(s).show(&a, reader{conversation: at.Conversation, delivery: said, topic: at.Topic})
	if err != nil || !shown {
		return err
	}
	body, err := activity.Encode(&a)
	if err != nil {
		return unshown(err)
	}
	at.Body = body
	return nil
}

func unshown(err error) error {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "bad_body", Err: err}
}

// reader is for whom a notice is shown, and in which delivery.
type reader struct {
	conversation book.Conversation
	delivery     outbox.DeliveryID
	topic        string
	// turn names the turn in which a handler says the notice itself, so that it is not kept. Empty for others.
	turn string
}

// source names what has the buttons.
func (r reader) source() string {
	if r.delivery == 0 {
		return r.turn
	}
	return keyOf(r.delivery)
}

// show puts in the place of an activity's notice what a reader's channel takes, and reports whether there was one.
func (e *Engine) show(a *activity.Activity, to reader) (bool, error) {
	n, err := noticeOf(a)
	if err != nil {
		return false, unshown(err)
	}
	if n == nil {
		return false, nil
	}
	if err := dress(a, n, e.viewOf(a.Locale, to), to.conversation.Key.Channel); err != nil {
		return false, unshown(err)
	}
	return true, nil
}

// viewOf is how a notice is shown to a reader. Our own words are in the language of the message, or else in the person's.
func (e *Engine) viewOf(locale string, to reader) card.View {
	v := card.View{
		Locale: cmp.Or(locale, to.conversation.Reference.Locale), Topic: e.titleOf(to.topic), OptOut: e.waysOut(to),
		Execute: to.conversation.Key.Channel == activity.ChannelTeams,
	}
	if zone, err := time.LoadLocation(to.conversation.TimeZone); err == nil {
		v.Zone = zone
	}
	if e.signer == nil {
		return v
	}
	v.Ticket = func(a card.Action) (string, error) { return e.sign(a, to) }
	if e.cfg.ActionURL != "" {
		v.Link = func(ticket string) string { return e.cfg.ActionURL + ticket }
	}
	return v
}

// waysOut are offered with every notice to a person alone: to mute its topic, unless it is mandatory, or else to opt out of
// everything.
func (e *Engine) waysOut(to reader) []card.Action {
	switch {
	case to.conversation.Kind != book.KindPersonal, e.topicOf(to.topic).Mandatory:
		return nil
	case to.topic != "":
		return []card.Action{{Do: card.Mute}}
	}
	return []card.Action{{Do: card.OptOut}}
}

// sign makes the proof that an action was offered to a reader; none for one that could do nothing.
func (e *Engine) sign(a card.Action, to reader) (string, error) {
	t := ticket.Ticket{
		Do: string(a.Do), Conversation: conversationName(to.conversation.Row), Person: string(to.conversation.Person()),
		Delivery: to.source(), Name: a.Name, Value: a.Value, Expires: e.cfg.Now().Add(ActionLife),
	}
	switch a.Do {
	case card.Mute:
		if to.topic == "" || e.topicOf(to.topic).Mandatory {
			return "", nil
		}
		t.Topic, t.Expires = to.topic, e.cfg.Now().Add(OptOutLife)
	case card.OptOut:
		t.Expires = e.cfg.Now().Add(OptOutLife)
	case card.Snooze:
		if to.turn != "" {
			return "", nil // there is nothing that could be said again
		}
		t.For = cmp.Or(a.For, time.Hour)
	case card.Call, card.Open:
	}
	return e.signer.Sign(t)
}

// conversationName names a conversation in a ticket.
func conversationName(row book.Row) string { return ident.Text("cnv", int64(row)) }

// dress makes an activity what a channel takes in place of a notice.
func dress(a *activity.Activity, n *card.Notice, v card.View, channel activity.ChannelID) (err error) {
	a.Attachments = nil
	a.Summary = cmp.Or(a.Summary, n.Summary(v))
	if a.Importance == "" && n.Severity == card.Critical {
		a.Importance = activity.ImportanceHigh
	}
	switch channel {
	case activity.ChannelTeams, activity.ChannelWebChat, activity.ChannelDirectLine, activity.ChannelEmulator, activity.ChannelTest,
		activity.ChannelOutlook, activity.ChannelM365Extensions, activity.ChannelOmnichannel, activity.ChannelPVAStudio:
		var made jsontext.Value
		if made, err = n.AdaptiveCard(v); err == nil {
			a.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: made}}
		}
	case activity.ChannelEmail:
		err = mailed(a, n, v)
	case activity.ChannelSMS, activity.ChannelTwilioSMS:
		a.Text, a.TextFormat, a.Summary = n.SMS(v).Text, activity.TextPlain, ""
	case activity.ChannelFacebook, activity.ChannelLine, activity.ChannelKik, activity.ChannelGroupMe, activity.ChannelAlexa,
		activity.ChannelTelephony:
		a.TextFormat = activity.TextPlain
		a.Text, err = n.Plain(v)
	default:
		a.TextFormat = activity.TextMarkdown
		a.Text, err = n.Markdown(v)
	}
	return err
}

// mailed makes an activity a mail: with the text for those who read no HTML, and what Microsoft's e-mail channel takes for the
// rest (bot-docs, "Implement channel-specific functionality", e-mail). listUnsubscribe is ours.
func mailed(a *activity.Activity, n *card.Notice, v card.View) error {
	text, err := n.Plain(v)
	if err != nil {
		return err
	}
	a.Text, a.TextFormat, a.Summary = text, activity.TextPlain, ""
	data := make(map[string]any)
	if len(a.ChannelData) > 0 {
		if err := json.Unmarshal(a.ChannelData, &data); err != nil {
			return fmt.Errorf("channelData: %w", err)
		}
	}
	page, err := n.HTML(v)
	if err != nil {
		return err
	}
	add := func(name, value string) {
		if _, given := data[name]; !given && value != "" {
			data[name] = value
		}
	}
	add("subject", n.Subject(v))
	add("htmlBody", page)
	importance := "normal"
	if a.Importance == activity.ImportanceHigh {
		importance = "high"
	}
	add("importance", importance)
	if v.Link != nil && len(v.OptOut) > 0 {
		out, err := v.Ticket(v.OptOut[0])
		if err != nil {
			return err
		}
		if link := v.Link(out); strings.HasPrefix(link, "https:") { // mail programs post to no other (RFC 8058, 3.1)
			add("listUnsubscribe", link)
		}
	}
	a.ChannelData, err = json.Marshal(data, json.Deterministic(true))
	return err
}

// conversationRow reads what conversationName has written.
func conversationRow(name string) (book.Row, bool) {
	n, err := ident.Parse("cnv", name)
	return book.Row(n), err == nil
}
