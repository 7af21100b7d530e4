package proactive

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/card"
	"github.com/headsup-bot/headsup/internal/ticket"
	"github.com/headsup-bot/headsup/state"
)

const (
	// doSettings is what the ticket of the settings' card is good for; settingsLife for how long.
	doSettings   = "settings"
	settingsLife = 7 * 24 * time.Hour
	// mostToggles bounds how many topics the card shows.
	mostToggles = 40
)

// Ids of the inputs of the settings' card. Topics have theirs by their place in the order of their names, as the ticket has them.
const (
	inputAll    = "headsup_all"
	inputTopic  = "headsup_topic_"
	inputQuiet  = "headsup_quiet"
	inputDigest = "headsup_digest"
)

// What can be chosen: the values of choices.
const (
	choiceAsNow   = "now"
	choiceDefault = "default"
	choiceNone    = "none"
)

// quietChoices are the spans that the card offers, besides none and the operator's.
var quietChoices = []string{"22:00-07:00", "20:00-08:00"}

const digestAt book.TimeOfDay = 9 * 60

// chosenTopics are the topics that somebody can choose among: those that are configured, and those that they have muted, so that
// a button that was pressed by mistake can be undone.
func (e *Engine) chosenTopics(p book.Preferences) []string {
	all := slices.Collect(maps.Keys(e.cfg.Topics))
	for name, wanted := range p.Topics {
		if _, known := e.cfg.Topics[name]; !known && !wanted {
			all = append(all, name)
		}
	}
	all = slices.DeleteFunc(all, func(name string) bool { return e.cfg.Topics[name].Mandatory })
	slices.Sort(all)
	return all[:min(len(all), mostToggles)]
}

// shown is what a card shows. Its ticket has it, so that what somebody leaves as it was stays, whatever it has become since.
type shown struct {
	All    bool     `json:"all"`
	Topics []string `json:"topics,omitempty"`
	On     []bool   `json:"on,omitempty"` // of the topics
	Quiet  string   `json:"quiet"`
	Digest string   `json:"digest"`
}

func (e *Engine) shownTo(p book.Preferences) shown {
	s := shown{All: !p.OptedOut, Topics: e.chosenTopics(p), Quiet: choiceDefault, Digest: choiceDefault}
	for _, name := range s.Topics {
		s.On = append(s.On, e.wanted(name, p))
	}
	switch {
	case p.Quiet == nil:
	case len(p.Quiet) == 0:
		s.Quiet = choiceNone
	default:
		s.Quiet = choiceAsNow
		if q := p.Quiet[0]; len(p.Quiet) == 1 && len(q.Days) == 0 && slices.Contains(quietChoices, q.From.String()+"-"+q.To.String()) {
			s.Quiet = q.From.String() + "-" + q.To.String()
		}
	}
	if d := p.Digest; d != nil {
		s.Digest = string(d.Every)
		if d.Every == book.DigestDaily && d.At != digestAt {
			s.Digest = choiceAsNow
		}
	}
	return s
}

// lastSaved is what the card shows that was saved last, by its ticket: it stays as somebody has set it.
var lastSaved = state.NewProperty[savedCard](state.Conversation, "headsup.settings")

type savedCard struct {
	Ticket string `json:"ticket"`
	Shows  shown  `json:"shows"`
}

// showSettings sends a card by which somebody changes what they want to be told; words, where nothing can be signed or shown.
func (e *Engine) showSettings(ctx context.Context, t *headsup.Turn, c book.Conversation) error {
	said := wordsOf(cmp.Or(t.Activity().Locale, c.Reference.Locale))
	if e.signer == nil || book.StopsItself(c.Key.Channel) {
		_, err := t.Say(ctx, e.settingsText(c.Preferences, said))
		return err
	}
	now := e.shownTo(c.Preferences)
	value, err := json.Marshal(now)
	if err != nil {
		return err
	}
	signed, err := e.signer.Sign(ticket.Ticket{
		Do: doSettings, Conversation: conversationName(c.Row), Person: string(c.Person()), Value: value, Expires: e.cfg.Now().Add(settingsLife),
	})
	if err != nil { // there are too many topics for a ticket
		_, err := t.Say(ctx, e.settingsText(c.Preferences, said))
		return err
	}
	made, err := json.Marshal(e.settingsCard(now, c.Preferences, said, signed), json.Deterministic(true))
	if err != nil {
		return err
	}
	a := &activity.Activity{Type: activity.TypeMessage, Summary: said.settings}
	a.Attachments = []activity.Attachment{{ContentType: activity.ContentAdaptiveCard, Content: made}}
	_, err = t.Send(ctx, a)
	return err
}

// settingsText is what somebody wants, in words.
func (e *Engine) settingsText(p book.Preferences, said phrases) string {
	var b strings.Builder
	mark := func(on bool) string {
		if on {
			return "✓ "
		}
		return "– "
	}
	b.WriteString(mark(!p.OptedOut) + said.settings)
	for _, name := range e.chosenTopics(p) {
		b.WriteString("\n" + mark(e.wanted(name, p)) + e.titleOf(name))
	}
	return b.String() + "\n\n" + said.byWord
}

// wanted reports whether a topic is wanted, as far as that was said of it.
func (e *Engine) wanted(name string, p book.Preferences) bool {
	wanted, told := p.Topics[name]
	return told && wanted || !told && !e.cfg.Topics[name].Off
}

type part = map[string]any

func (e *Engine) settingsCard(now shown, p book.Preferences, said phrases, signed string) part {
	on := func(is bool) string { return strconv.FormatBool(is) }
	body := []part{
		{"type": "TextBlock", "text": said.settings, "weight": "bolder", "size": "medium", "wrap": true, "style": "heading"},
		{"type": "Input.Toggle", "id": inputAll, "title": said.all, "value": on(now.All), "wrap": true},
		{"type": "TextBlock", "text": said.allDetail, "isSubtle": true, "wrap": true, "spacing": "none"},
	}
	for i, name := range now.Topics {
		topic := e.cfg.Topics[name]
		body = append(body, part{
			"type": "Input.Toggle", "id": inputTopic + strconv.Itoa(i), "title": e.titleOf(name), "value": on(now.On[i]), "wrap": true,
		})
		if topic.Description != "" {
			body = append(body, part{"type": "TextBlock", "text": topic.Description, "isSubtle": true, "wrap": true, "spacing": "none"})
		}
	}
	quiet := []part{{"title": said.usual, "value": choiceDefault}, {"title": said.none, "value": choiceNone}}
	for _, span := range quietChoices {
		quiet = append(quiet, part{"title": strings.Replace(span, "-", " – ", 1), "value": span})
	}
	if now.Quiet == choiceAsNow {
		quiet = append(quiet, part{"title": said.asNow, "value": choiceAsNow})
	}
	digest := []part{
		{"title": said.usual, "value": choiceDefault}, {"title": said.atOnce, "value": string(book.DigestOff)},
		{"title": said.hourly, "value": string(book.DigestHourly)},
		{"title": fmt.Sprintf(said.daily, digestAt), "value": string(book.DigestDaily)},
	}
	if now.Digest == choiceAsNow {
		digest = append(digest, part{"title": fmt.Sprintf(said.daily, p.Digest.At), "value": choiceAsNow})
	}
	body = append(body,
		part{"type": "Input.ChoiceSet", "id": inputDigest, "label": said.digest, "value": now.Digest, "choices": digest},
		part{"type": "Input.ChoiceSet", "id": inputQuiet, "label": said.quiet, "value": now.Quiet, "choices": quiet},
	)
	return part{
		"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.5", "body": body,
		"actions": []part{{"type": "Action.Submit", "title": said.save, "data": part{"headsup": part{"ticket": signed}}}},
	}
}

// malformed is why a card is not understood that has a good ticket.
var malformed = &denial{"malformed", card.AnswerInvalid}

// saveSettings does what somebody has chosen on the card. What they were not shown, or have left as it was, stays.
func (e *Engine) saveSettings(ctx context.Context, t *headsup.Turn, p pressed) error {
	var inputs map[string]jsontext.Value
	var was shown
	if json.Unmarshal(t.Activity().Value, &inputs) != nil || json.Unmarshal(p.Value, &was) != nil || len(was.On) != len(was.Topics) {
		return e.refuse(ctx, t, p, malformed)
	}
	last, err := lastSaved.Load(ctx, t)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	this := savedCard{Ticket: fmt.Sprint(p.ID(), ".", p.Expires.Unix())}
	if last.Ticket == this.Ticket {
		was = last.Shows
	}
	chosen := func(id string) (value string, given bool) {
		var text string
		if json.Unmarshal(inputs[id], &text) == nil {
			return text, inputs[id] != nil
		}
		var is bool
		if json.Unmarshal(inputs[id], &is) == nil {
			return strconv.FormatBool(is), inputs[id] != nil
		}
		return "", false
	}
	change := PreferenceChange{By: "card"}
	if value, given := chosen(inputAll); given && (value == "true") != was.All {
		was.All = value == "true"
		change.OptedOut = new(!was.All)
	}
	for i, name := range was.Topics {
		if value, given := chosen(inputTopic + strconv.Itoa(i)); given && (value == "true") != was.On[i] {
			was.On[i] = value == "true"
			if change.Topics == nil {
				change.Topics = make(map[string]*bool)
			}
			change.Topics[name] = new(value == "true")
		}
	}
	quiet, given := chosen(inputQuiet)
	switch {
	case !given || quiet == was.Quiet || quiet == choiceAsNow:
	case quiet == choiceDefault:
		change.DefaultQuiet = true
	case quiet == choiceNone:
		change.Quiet = []book.Quiet{}
	case slices.Contains(quietChoices, quiet):
		q := book.Quiet{}
		from, to, _ := strings.Cut(quiet, "-")
		q.From, _ = book.ParseTimeOfDay(from)
		q.To, _ = book.ParseTimeOfDay(to)
		change.Quiet = []book.Quiet{q}
	}
	was.Quiet = cmp.Or(quiet, was.Quiet)
	digest, given := chosen(inputDigest)
	switch {
	case !given || digest == was.Digest || digest == choiceAsNow:
	case digest == choiceDefault:
		change.Digest = &book.Digest{}
	default:
		change.Digest = &book.Digest{Every: book.DigestEvery(digest)}
		if change.Digest.Every == book.DigestDaily {
			change.Digest.At = digestAt
		}
	}
	was.Digest = cmp.Or(digest, was.Digest)
	if change.Validate() != nil {
		return e.refuse(ctx, t, p, malformed)
	}
	if _, err := e.Prefer(ctx, p.conversation.Key, change); err != nil {
		return err
	}
	this.Shows = was
	if err := lastSaved.Set(ctx, t, this); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	_, err = t.Say(ctx, wordsOf(cmp.Or(t.Activity().Locale, p.conversation.Reference.Locale)).saved)
	return err
}
