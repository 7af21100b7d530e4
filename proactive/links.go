package proactive

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/outbox"
)

// Link is what a link of a mail stands for.
type Link struct {
	// Do is [card.Snooze], [card.Mute] or [card.OptOut], Topic what is muted: of a digest the names of several, separated by commas.
	Do    card.Do
	Topic string
	// To is whom it was sent to: an e-mail address, a telephone number, or a name; empty when none is known.
	To string
	// View has words for them.
	View card.View
	// Said is what they are told, once it is done.
	Said string
}

// LinkError says why a link does nothing: a word, and what whoever follows it is told.
type LinkError struct{ Reason, Said string }

func (e *LinkError) Error() string { return "proactive: link: " + e.Reason }

// Look tells what a link stands for, and does nothing: programs follow links before people do. The error is a [*LinkError] for a
// link that is not good.
func (e *Engine) Look(ctx context.Context, text string) (Link, error) {
	l, _, err := e.look(ctx, text)
	return l, err
}

// Follow does what a link stands for. It may be followed twice. Errors as for [Engine.Look].
func (e *Engine) Follow(ctx context.Context, text string) (Link, error) {
	l, p, err := e.look(ctx, text)
	if err != nil {
		return l, err
	}
	if err := e.clicked(ctx, p); err != nil {
		return l, err
	}
	if l.Do == card.Snooze {
		a, _ := e.kept(p)
		if a == nil {
			return l, e.dead(l.View, &denial{"purged", card.AnswerExpired}, "")
		}
		_, err := e.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(p.conversation.Reference), Activity: a, In: p.For, Topic: p.message.Topic, Value: p.message.Value,
			Key: "snooze:" + p.ID(),
		})
		if errors.Is(err, outbox.ErrKeyReused) { // it was followed before, and the notification was edited since
			err = nil
		}
		l.Said = l.View.Say(card.AnswerSnoozed, l.View.When(e.cfg.Now().Add(p.For)))
		return l, err
	}
	refused, err := e.optOut(ctx, p, "link")
	switch {
	case err != nil:
		return l, err
	case refused != nil:
		return l, e.dead(l.View, refused, e.titleOf(p.Topic))
	case l.Do == card.Mute:
		l.Said = l.View.Say(card.AnswerMuted, l.View.Topic)
	default:
		l.Said = l.View.Say(card.AnswerOptedOut, "")
	}
	return l, nil
}

func (e *Engine) look(ctx context.Context, text string) (l Link, p pressed, err error) {
	if e.signer == nil {
		return l, p, e.dead(l.View, &denial{"forged", card.AnswerInvalid}, "")
	}
	p.Ticket, err = e.signer.Verify(text, e.cfg.Now())
	switch {
	case errors.Is(err, ticket.ErrExpired):
		return l, p, e.dead(l.View, &denial{"expired", card.AnswerExpired}, "")
	case errors.Is(err, ticket.ErrForged):
		return l, p, e.dead(l.View, &denial{"forged", card.AnswerInvalid}, "")
	case err != nil:
		return l, p, e.dead(l.View, &denial{"malformed", card.AnswerInvalid}, "")
	case !slices.Contains([]card.Do{card.Snooze, card.Mute, card.OptOut}, card.Do(p.Do)):
		return l, p, e.dead(l.View, &denial{"other_purpose", card.AnswerInvalid}, "")
	}
	if p.conversation, err = e.conversationNamed(ctx, p.Conversation); err != nil {
		return l, p, err
	}
	if p.conversation.Row == 0 {
		return l, p, e.dead(l.View, &denial{"other_conversation", card.AnswerInvalid}, "")
	}
	if err := e.remember(ctx, &p); err != nil {
		return l, p, err
	}
	locale := ""
	if a, _ := e.kept(p); a != nil {
		locale = a.Locale
	}
	view := e.viewOf(locale, reader{conversation: p.conversation, delivery: p.delivery.ID, topic: p.Topic})
	names := p.topics()
	l = Link{Do: card.Do(p.Do), Topic: strings.Join(names, ", "), To: knownAs(p.conversation), View: view}
	for i, name := range names {
		names[i] = e.titleOf(name)
	}
	l.View.Topic = strings.Join(names, ", ")
	return l, p, nil
}

// knownAs is how somebody whom a conversation is with knows themselves: by their address, or else by their name.
func knownAs(c book.Conversation) string {
	if book.StopsItself(c.Key.Channel) {
		return string(c.Key.Conversation)
	}
	if c.Reference.User != nil {
		return c.Reference.User.Name
	}
	return ""
}

func (e *Engine) dead(v card.View, r *denial, about string) error {
	if e.cfg.ButtonRefused != nil {
		e.cfg.ButtonRefused(r.reason)
	}
	return &LinkError{r.reason, v.Say(r.answer, about)}
}

// conversationNamed finds the conversation that a ticket names; zero if it is not in the book any more.
func (e *Engine) conversationNamed(ctx context.Context, name string) (book.Conversation, error) {
	row, ok := conversationRow(name)
	if !ok {
		return book.Conversation{}, nil
	}
	found, err := e.cfg.Store.Conversations(ctx, e.cfg.AppID, book.Filter{}, row-1, 1)
	if err != nil || len(found) == 0 || found[0].Row != row {
		return book.Conversation{}, err
	}
	return found[0], nil
}

// OptOutURL is the link by which whom a delivery goes to is told no more of its topic, or of all topics of the digest that it says, or of
// anything where there is none; for a mail that has no notice, which brings its own. It is empty where there is no such link: the topic is mandatory, the key is not
// one that a delivery was sent under ([headsup.Outgoing]), or the engine has no ActionURL.
func (e *Engine) OptOutURL(ctx context.Context, key string) (string, error) {
	if e.signer == nil || e.cfg.ActionURL == "" {
		return "", nil
	}
	id, _, _ := strings.Cut(key, ":")
	d, err := e.delivery(ctx, id)
	if errors.Is(err, ErrNoDelivery) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	m, err := e.cfg.Store.Message(ctx, d.Message)
	if err != nil {
		return "", err
	}
	c, err := e.cfg.Store.Conversation(ctx, d.Key)
	if err != nil {
		return "", err
	}
	to := reader{conversation: c, delivery: d.ID, topic: m.Topic}
	ways := e.waysOut(to)
	if len(ways) == 0 {
		return "", nil
	}
	parts, err := e.cfg.Store.Joined(ctx, d.ID)
	if err != nil {
		return "", err
	}
	signed, err := e.sign(wayOutOf(parts, ways[0]), to)
	if err != nil || signed == "" {
		return "", err
	}
	return e.cfg.ActionURL + signed, nil
}

// maxTopicsInLink is how large the topics of a digest may be in a link, which has to fit a line of a header.
const maxTopicsInLink = 300

// wayOutOf is the way out of a digest of several topics: to mute all of them; or, where one has no name, or they are too many,
// to opt out.
func wayOutOf(parts []outbox.Part, way card.Action) card.Action {
	var all []string
	for _, p := range parts {
		if !slices.Contains(all, p.Message.Topic) {
			all = append(all, p.Message.Topic)
		}
	}
	if len(all) < 2 {
		return way
	}
	names, err := json.Marshal(all)
	if err != nil || len(names) > maxTopicsInLink || slices.Contains(all, "") {
		return card.Action{Do: card.OptOut}
	}
	return card.Action{Do: card.Mute, Value: names}
}

// topics are those that a button or a link mutes.
func (p *pressed) topics() []string {
	var all []string
	if card.Do(p.Do) == card.Mute && len(p.Value) > 0 && json.Unmarshal(p.Value, &all) == nil && len(all) > 0 {
		return all
	}
	return []string{p.Topic}
}
