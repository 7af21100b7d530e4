package storetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/outbox"
)

// policy draws a message's policy; most have none.
func (m *model) policy(t *rapid.T) headsup.Policy {
	p := headsup.Policy{Name: rapid.SampledFrom([]headsup.PolicyName{
		"", "", headsup.PolicyWait, headsup.PolicyWait, headsup.PolicyDrop, headsup.PolicyCancel, headsup.PolicyInterrupt,
	}).Draw(t, "policy")}
	if p.Name == headsup.PolicyWait {
		p.MaxWait = time.Duration(rapid.IntRange(1, 60).Draw(t, "max wait")) * time.Second
		p.Then = rapid.SampledFrom(append(headsup.Policies()[2:], "")).Draw(t, "then")
	}
	if p.Name != "" {
		p.Priority = rapid.IntRange(0, 2).Draw(t, "priority")
	}
	return p
}

// owners are those who say in a model that a conversation is busy.
var owners = []string{headsup.BusyFlag, headsup.BusyDialog}

// busy says that something goes on in a conversation.
func (m *model) busy(t *rapid.T) {
	b := headsup.Busy{
		By: rapid.SampledFrom(owners).Draw(t, "by"), Priority: rapid.IntRange(0, 2).Draw(t, "priority"),
	}
	if rapid.Bool().Draw(t, "ends") {
		b.Until = m.seconds(t, "until")
	}
	m.say(t, m.somewhere(t), headsup.Mark{Busy: b})
}

// holds has several that wait held in a conversation, and perhaps more to be said there.
func (m *model) holds(t *rapid.T) {
	i := m.somewhere(t)
	m.say(t, i, headsup.Mark{Busy: headsup.Busy{By: rapid.SampledFrom(owners).Draw(t, "by"), Priority: 2}})
	for range rapid.IntRange(1, 4).Draw(t, "several") {
		s, ds := m.drawn(t)
		s.Message.Key, s.Message.Fingerprint = "", nil
		s.Message.Policy = headsup.Policy{Name: headsup.PolicyWait, MaxWait: time.Minute}
		s.Deliveries = s.Deliveries[:1]
		ds[0].policy, ds[0].single, ds[0].conversation, s.Deliveries[0].Conversation = s.Message.Policy, true, i, m.conversations[i].Row
		_, err := m.store.SubmitMessage(m.w.ctx, s, false)
		ok(t, err)
		m.accepted(s, ds[:1])
	}
	m.claims(t, 5)
}

// unbusy takes it back, most often where something goes on.
func (m *model) unbusy(t *rapid.T) {
	b := headsup.Busy{By: rapid.SampledFrom(owners).Draw(t, "by")}
	at := m.somewhere(t)
	for i := range conversationsOfModel {
		if len(m.queue.going[at]) == 0 {
			at = i
		}
	}
	m.say(t, at, headsup.Mark{Busy: b, Free: true, All: rapid.Bool().Draw(t, "all")})
}

func (m *model) somewhere(t *rapid.T) int {
	return rapid.IntRange(0, conversationsOfModel-1).Draw(t, "conversation")
}

// say marks a conversation, in the commit of the turn that runs there, if there is one.
func (m *model) say(t *rapid.T, conversation int, mark headsup.Mark) {
	mark.At = m.now
	if l := m.turns[conversation]; l != nil {
		ok(t, m.store.Commit(m.w.ctx, l, []headsup.Op{mark}))
	} else {
		_, err := m.store.Mark(m.w.ctx, m.conversations[conversation].Key, mark)
		ok(t, err)
	}
	m.queue.going[conversation] = mark.Apply(m.queue.going[conversation])
	m.queue.judgeHeld(conversation, m.now)
}

// followPolicy finds what a claim has held or suppressed for what goes on. It looks at no more heads than it needs, so the
// model follows where that is right.
func (m *model) followPolicy(t *rapid.T) {
	may := m.queue.which(func(d *expected) bool {
		j := m.queue.judge(d, m.now)
		return d.state == outbox.StateReady && (j.Hold || j.Suppress)
	})
	for d, got := range m.stored(t, may) {
		switch j := m.queue.judge(d, m.now); {
		case got.State == outbox.StateHeld && j.Hold:
			d.to(outbox.StateHeld)
			d.due, d.place = j.Until, 0
		case got.State == d.ending(outbox.StateSuppressed) && j.Suppress:
			d.to(outbox.StateSuppressed)
		}
	}
}
