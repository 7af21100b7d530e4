package server

import (
	"errors"
	"maps"
	"slices"

	"github.com/headsup-bot/headsup/proactive"
)

// validateTopics finds what is wrong with topics by themselves.
func (c Config) validateTopics() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		for _, err := range joined(c.Topics[name].Validate()) {
			if field, ok := errors.AsType[*proactive.FieldError](err); ok {
				errs = append(errs, topicField(name, field.Field, field.Reason))
			}
		}
	}
	return errors.Join(errs...)
}

// topicErrors are what the engine finds wrong with topics, for whoever configures them.
func topicErrors(err error) error {
	var errs []error
	for _, err := range joined(err) {
		topic, ok := errors.AsType[*proactive.TopicError](err)
		if !ok {
			return err
		}
		errs = append(errs, topicField(topic.Topic, topic.Field, topic.Reason))
	}
	return errors.Join(errs...)
}

func topicField(topic, field, reason string) error {
	return wrong("topics."+topic+"."+field, "%s", reason)
}

// joined takes joined errors apart.
func joined(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
