package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/proactive"
)

// validateTopics finds what is wrong with topics by themselves.
func (c Config) validateTopics() error {
	topics, err := c.topics()
	errs := []error{err}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		for _, err := range joined(topics[name].Validate()) {
			if field, ok := errors.AsType[*proactive.FieldError](err); ok {
				setting, below, inside := strings.Cut(field.Field, "[")
				if inside {
					below = "[" + below + " "
				}
				errs = append(errs, topicField(name, setting, below+field.Reason))
			}
		}
	}
	return errors.Join(errs...)
}

// topics are the topics as the engine takes them. Its errors are wrong settings.
func (c Config) topics() (map[string]proactive.Topic, error) {
	all := maps.Clone(c.Topics)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.TopicFallbacks)) {
		topic := all[name]
		for text := range strings.SplitSeq(c.TopicFallbacks[name], ",") {
			way, err := headsup.ParseFallback(text)
			if err != nil {
				errs = append(errs, topicField(name, "fallback", fmt.Sprintf("%q: %v", strings.TrimSpace(text), err)))
				continue
			}
			topic.Fallback = append(topic.Fallback, way)
		}
		if all == nil {
			all = make(map[string]proactive.Topic)
		}
		all[name] = topic
	}
	return all, errors.Join(errs...)
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
