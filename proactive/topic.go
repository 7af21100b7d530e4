package proactive

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

// Topic is what goes for the notifications of a topic that do not say so themselves.
type Topic struct {
	// Policy is for when their conversations are busy. Expects is not used.
	Policy headsup.Policy
	// Urgent: nothing of the topic is held or left unsaid, but to those who do not want it. All of it goes in the urgent lane, and Policy, which must be
	// neither wait nor drop, is in place of a notification's own that is one of these.
	Urgent bool
	// Off: it goes only to those who have asked for it. Mandatory: nobody can mute it, or opt out of it.
	Off, Mandatory bool
	// Title and Description are for people who choose among topics. An empty title is the topic's name.
	Title, Description string
	// Fallback is for notifications to one person or place. What leads nowhere is left out.
	Fallback []headsup.Fallback
}

// Validate reports everything that is wrong with a topic by itself: [*FieldError] values, joined.
func (t Topic) Validate() error {
	wrong := terms(t.Policy)
	if t.Policy.Expects != (headsup.Reply{}) {
		wrong = append(wrong, &FieldError{"expects", "is for a notification to say"})
	}
	if t.Urgent && yields(t.Policy) {
		wrong = append(wrong, &FieldError{"urgent", "is not for a topic that waits, or is dropped"})
	}
	if err := checkWays(t.Fallback); err != nil {
		wrong = append(wrong, err)
	}
	switch {
	case t.Off && t.Mandatory:
		wrong = append(wrong, &FieldError{"mandatory", "is not for a topic that is off by default"})
	case len(t.Title) > MaxTitle:
		wrong = append(wrong, &FieldError{"title", fmt.Sprintf("is longer than %d bytes", MaxTitle)})
	case len(t.Description) > MaxDescription:
		wrong = append(wrong, &FieldError{"description", fmt.Sprintf("is longer than %d bytes", MaxDescription)})
	}
	return errors.Join(wrong...)
}

// Limits of what topics are called.
const (
	MaxTitle       = 80
	MaxDescription = 300
)

// yields reports whether a policy gives way to what goes on.
func yields(p headsup.Policy) bool {
	return p.Name == headsup.PolicyWait || p.Name == headsup.PolicyDrop
}

// Topics returns what was configured for topics, by their names.
func (e *Engine) Topics() map[string]Topic { return maps.Clone(e.cfg.Topics) }

// titleOf is what people know a topic as.
func (e *Engine) titleOf(name string) string { return cmp.Or(e.cfg.Topics[name].Title, name) }

// CheckTopics reports topics that nothing could be said under here: those that need a bot, or interrupt with a dialog or a
// handler that there is not. It is called when [Engine.Converse] and [Engine.Handle] have been. It reports all of them:
// [*TopicError] values, joined.
func (e *Engine) CheckTopics() error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Topics)) {
		err := e.checkPolicy(headsup.Notification{Policy: e.cfg.Topics[name].Policy})
		if field, ok := errors.AsType[*FieldError](err); ok {
			wrong = append(wrong, &TopicError{name, *field})
		}
	}
	return errors.Join(wrong...)
}

// TopicError says what is wrong with a topic.
type TopicError struct {
	Topic string
	FieldError
}

func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %q: %s", e.Topic, e.FieldError.Error())
}

// policyOf is a notification's policy, or that of its topic.
func (e *Engine) policyOf(n headsup.Notification) headsup.Policy {
	p, topic := n.Policy, e.cfg.Topics[n.Topic]
	if p.Name == "" || topic.Urgent && yields(p) {
		p = topic.Policy
	}
	if p.Name == headsup.PolicyAdHoc {
		p.Name = ""
	}
	p.Expects = n.Policy.Expects
	return p
}

// laneOf is a notification's lane, or that of its topic.
func (e *Engine) laneOf(n headsup.Notification) outbox.Lane {
	if e.cfg.Topics[n.Topic].Urgent {
		return outbox.LaneUrgent
	}
	return laneOf(n.Lane)
}
