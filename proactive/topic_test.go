package proactive_test

import (
	"errors"
	"testing"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// TestUrgentTopicIsSaidWhateverGoesOn, and before what is not urgent; a policy that does not give way stays as it is.
func TestUrgentTopicIsSaidWhateverGoesOn(t *testing.T) {
	conversing(t, &bottest.Recorder{}, func(t *testing.T, f fixture) {
		f.hear(t, inbound("1", "c", "ann", "book"))
		for _, c := range []struct {
			policy, want headsup.PolicyName
		}{
			{"", ""}, {headsup.PolicyWait, ""}, {headsup.PolicyDrop, ""}, {headsup.PolicyInterrupt, headsup.PolicyInterrupt},
		} {
			id := f.notify(t, headsup.Notification{To: toAnnAlone(), Topic: "alarm", Text: "out " + string(c.policy), Policy: headsup.Policy{Name: c.policy}}).ID
			s := f.status(t, id)
			if s.Message.Policy.Name != c.want || s.Message.Lane != outbox.LaneUrgent {
				t.Errorf("%q became %q in lane %d", c.policy, s.Message.Policy.Name, s.Message.Lane)
			}
		}
		f.saidAll(t, "out ", "out wait", "out drop", "out interrupt", "booking asks again")
	})
}

func TestTopicThatCannotBe(t *testing.T) {
	t.Parallel()
	wrong := proactive.Topic{Urgent: true, Policy: headsup.Policy{Name: headsup.PolicyWait, MaxWait: -1, Priority: 101}}
	fields := make(map[string]bool)
	for _, err := range wrong.Validate().(interface{ Unwrap() []error }).Unwrap() { //nolint:errorlint // that is what is promised
		if field, ok := errors.AsType[*proactive.FieldError](err); ok {
			fields[field.Field] = true
		}
	}
	if len(fields) != 3 || !fields["max_wait"] || !fields["priority"] || !fields["urgent"] {
		t.Errorf("wrong are %v", fields)
	}
	topics := map[string]proactive.Topic{"a": {Policy: headsup.Policy{Name: headsup.PolicyInterrupt, With: "nobody"}}, "b": {Urgent: true}}
	e, err := proactive.New(proactive.Config{Store: memory.New(), Channel: &bottest.Recorder{}, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	topic, ok := errors.AsType[*proactive.TopicError](e.CheckTopics())
	if !ok || topic.Topic != "a" || topic.Field != "policy" {
		t.Errorf("a topic that needs a bot: %v", topic)
	}
}
