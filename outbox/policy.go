package outbox

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
)

// Reasons of deliveries that are held, that are not any more, and that are suppressed, for what goes on in their
// conversation.
const (
	// ReasonBusy: the bot's flag says that something is going on. Also of what is suppressed.
	ReasonBusy = "busy"
	// ReasonDialog: a dialog is going on.
	ReasonDialog = "dialog"
	// ReasonQuestion: the person was asked something, and has not replied.
	ReasonQuestion = "question"
	// ReasonTalking: somebody has just said something.
	ReasonTalking = "talking"
	// ReasonFree and ReasonMaxWait: it is held no longer, since nothing goes on, or since it has waited long enough.
	ReasonFree    = "free"
	ReasonMaxWait = "max_wait"
)

// Situation is what is known of a delivery's conversation, and of the delivery, when it could be handed out.
type Situation struct {
	Busy        []headsup.Busy
	LastInbound time.Time
	// WantedAt is when the delivery was to be made at first. ExpiresAt is when it is too late for it; zero for never.
	WantedAt, ExpiresAt time.Time
	Now                 time.Time
}

// Judgement is what becomes of a delivery that could be handed out. The zero value has it said as it is.
type Judgement struct {
	// As is the policy that applies: interrupt or cancel are for whoever says it; empty has it said as it is.
	As headsup.PolicyName
	// Hold: it must not be said now. Until is when to judge again, at the latest.
	Hold  bool
	Until time.Time
	// Suppress: it must not be said at all.
	Suppress bool
	// Reason and Detail say why it is held or suppressed, or, of what was held, why it is not any more.
	Reason, Detail string
}

// Judge applies a policy. Every driver does so in the step that would hand a delivery out, while it has the conversation's
// lease, and for those that are held whenever something changes in their conversation, or at the time that Judge has told.
func Judge(p headsup.Policy, s Situation) Judgement {
	if p.IsZero() {
		return Judgement{}
	}
	if !s.ExpiresAt.IsZero() && !s.Now.Before(s.ExpiresAt) {
		return Judgement{Reason: ReasonExpired} // the claim ends it
	}
	going := goingOn(p, s)
	name, reason := p.Name, ReasonFree
	if name == headsup.PolicyWait && going.on {
		deadline := s.WantedAt.Add(cmp.Or(p.MaxWait, headsup.DefaultMaxWait))
		if s.Now.Before(deadline) {
			until := earliest(deadline, going.until, s.ExpiresAt)
			if soon := s.Now.Add(shortestHold); until.Before(soon) {
				until = soon
			}
			return Judgement{Hold: true, Until: until, Reason: going.reason, Detail: going.detail}
		}
		name, reason = cmp.Or(p.Then, headsup.PolicyAdHoc), ReasonMaxWait
	}
	switch {
	case name == headsup.PolicyInterrupt:
		return Judgement{As: name, Reason: reason}
	case name == headsup.PolicyCancel && going.on:
		return Judgement{As: name, Reason: reason}
	case name == headsup.PolicyDrop && going.on:
		return Judgement{Suppress: true, Reason: ReasonBusy, Detail: going.detail}
	}
	return Judgement{Reason: reason}
}

// shortestHold keeps a delivery from being judged again in the same moment, and is more than what times lose when they are
// stored.
const shortestHold = time.Millisecond

// going is what keeps a delivery from being said.
type going struct {
	on             bool
	until          time.Time // zero: it has no end
	reason, detail string
}

// goingOn is what goes on that is as pressing as the notification.
func goingOn(p headsup.Policy, s Situation) (g going) {
	endless := false
	if quiet := s.LastInbound.Add(p.Quiet); p.Quiet > 0 && !s.LastInbound.IsZero() && s.Now.Before(quiet) {
		g = going{on: true, until: quiet, reason: ReasonTalking}
	}
	for _, b := range s.Busy {
		if b.Over(s.Now) || b.Priority < p.Priority {
			continue
		}
		g.on, g.reason, g.detail = true, reasonOf(b), b.Reason
		switch {
		case b.Until.IsZero():
			endless = true
		case b.Until.After(g.until):
			g.until = b.Until
		}
	}
	if endless {
		g.until = time.Time{}
	}
	return g
}

func reasonOf(b headsup.Busy) string {
	switch {
	case headsup.DialogBusy(b.By):
		return ReasonDialog
	case strings.HasPrefix(b.By, headsup.BusyQuestion):
		return ReasonQuestion
	}
	return ReasonBusy
}

// earliest is the first of some times, zero ones left out.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Held is the change by which a delivery is held.
func (j Judgement) Held(at time.Time, attempt int) Change {
	return Change{At: at, State: StateHeld, Attempt: attempt, Reason: j.Reason, Detail: j.Detail, RetryAt: j.Until}
}

// Released is the change by which one that was held becomes ready, to take its place.
func (j Judgement) Released(at time.Time, attempt int) Change {
	return Change{At: at, State: StateReady, Attempt: attempt, Reason: cmp.Or(j.Reason, ReasonFree)}
}

// Suppressed is the change by which a delivery ends that must not be said.
func (j Judgement) Suppressed(at time.Time, attempt int) Change {
	return Change{At: at, State: StateSuppressed, Attempt: attempt, Reason: j.Reason, Detail: j.Detail}
}

// storedPolicy is a policy as it is stored. Times are in microseconds.
type storedPolicy struct {
	Name     headsup.PolicyName `json:"name"`
	MaxWait  int64              `json:"max_wait,omitzero"`
	Then     headsup.PolicyName `json:"then,omitzero"`
	With     string             `json:"with,omitzero"`
	Quiet    int64              `json:"quiet,omitzero"`
	Priority int                `json:"priority,omitzero"`
	Reply    bool               `json:"reply,omitzero"`
	Release  headsup.Release    `json:"release,omitzero"`
	ReplyTo  string             `json:"reply_to,omitzero"`
	Within   int64              `json:"within,omitzero"`
}

// EncodePolicy writes a policy for a store; empty for one that says everything at once.
func EncodePolicy(p headsup.Policy) (string, error) {
	if p.IsZero() {
		return "", nil
	}
	raw, err := json.Marshal(storedPolicy{
		Name: p.Name, MaxWait: p.MaxWait.Microseconds(), Then: p.Then, With: p.With, Quiet: p.Quiet.Microseconds(),
		Priority: p.Priority, Release: p.Release,
		Reply: p.Expects.Wanted, ReplyTo: p.Expects.To, Within: p.Expects.Within.Microseconds(),
	})
	if err != nil {
		return "", fmt.Errorf("outbox: encode a policy: %w", err)
	}
	return string(raw), nil
}

// DecodePolicy reads what EncodePolicy has written.
func DecodePolicy(text string) (headsup.Policy, error) {
	if text == "" {
		return headsup.Policy{}, nil
	}
	var p storedPolicy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return headsup.Policy{}, fmt.Errorf("outbox: decode a policy: %w", err)
	}
	return headsup.Policy{
		Name: p.Name, MaxWait: time.Duration(p.MaxWait) * time.Microsecond, Then: p.Then, With: p.With,
		Quiet: time.Duration(p.Quiet) * time.Microsecond, Priority: p.Priority, Release: p.Release,
		Expects: headsup.Reply{Wanted: p.Reply, To: p.ReplyTo, Within: time.Duration(p.Within) * time.Microsecond},
	}, nil
}

// EncodeBusy writes what is said of a conversation for a store; empty for nothing.
func EncodeBusy(all []headsup.Busy) (string, error) {
	if len(all) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("outbox: encode what goes on: %w", err)
	}
	return string(raw), nil
}

// DecodeBusy reads what EncodeBusy has written.
func DecodeBusy(text string) (all []headsup.Busy, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("outbox: decode what goes on: %w", err)
	}
	return all, nil
}
