package proactive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/book"
)

// Interrupter puts aside what goes on in a conversation, and ends it. Package dialog implements it. All but Knows are called
// in a running turn, with its context, and change nothing but the turn's state.
type Interrupter interface {
	// Knows reports whether there is a dialog of that name.
	Knows(name string) bool
	// Interrupt begins a dialog on top of whatever goes on, with a value, which may be empty. When the dialog ends, what was
	// interrupted asks again. An error means that nothing was begun.
	Interrupt(ctx context.Context, t *headsup.Turn, name string, value jsontext.Value) error
	// Resume has the dialog that goes on ask again, since something else was said; without one it does nothing.
	Resume(ctx context.Context, t *headsup.Turn) error
	// CancelAll ends all dialogs, and says nothing.
	CancelAll(ctx context.Context, t *headsup.Turn) error
}

// talk is the bot whose conversations notifications take part in.
type talk struct {
	bot         *headsup.Bot // nil for none
	interrupter Interrupter  // never nil when there is a bot
}

// Converse lets notifications take part in a bot's conversations: interrupt what goes on there, cancel it, and ask for a
// reply. i stands for the bot's dialogs; nil if it has none. The bot has [Engine.Replies] as its innermost middleware, if
// notifications are to be replied to. Call it before the engine runs.
func (e *Engine) Converse(bot *headsup.Bot, i Interrupter) error {
	switch {
	case bot == nil:
		return errors.New("proactive: converse: a bot is required")
	case e.talk.bot != nil:
		return errors.New("proactive: converse: there is a bot already")
	case i == nil:
		i = noDialogs{}
	}
	e.talk = talk{bot, i}
	return nil
}

// named is an [Interrupter] that may have several stacks of dialogs, and says under which name that of a turn keeps the
// conversation busy. Without it that is [headsup.BusyDialog].
type named interface {
	BusyName(t *headsup.Turn) string
}

// noDialogs is for a bot without dialogs.
type noDialogs struct{}

func (noDialogs) Knows(string) bool { return false }

func (noDialogs) Interrupt(_ context.Context, _ *headsup.Turn, name string, _ jsontext.Value) error {
	return fmt.Errorf("proactive: there is no dialog %q", name)
}

func (noDialogs) Resume(context.Context, *headsup.Turn) error    { return nil }
func (noDialogs) CancelAll(context.Context, *headsup.Turn) error { return nil }

// silent reports whether a notification says nothing by itself: whoever interrupts does.
func silent(n headsup.Notification) bool {
	return n.Policy.Name == headsup.PolicyInterrupt && n.Policy.With != "" && contentOf(n).IsZero()
}

// checkPolicy finds what is wrong with a notification's policy, here and now.
func (e *Engine) checkPolicy(n headsup.Notification) error {
	if err := checkTerms(n.Policy); err != nil {
		return err
	}
	p := e.policyOf(n)
	turn := p.Name == headsup.PolicyInterrupt || p.Then == headsup.PolicyInterrupt || p.Expects.Wanted
	cancels := p.Name == headsup.PolicyCancel || p.Then == headsup.PolicyCancel
	switch {
	case turn && e.talk.bot == nil && p.Expects.Wanted:
		return &FieldError{"expects", "needs a bot that takes part in its conversations here"}
	case turn && e.talk.bot == nil:
		return &FieldError{"policy", "needs a bot that takes part in its conversations here"}
	case (turn || cancels) && n.Window == headsup.WindowNew:
		return &FieldError{"conversation", "is new; this takes part in one that is known"}
	case p.With != "" && n.Handler != "":
		return &FieldError{"with", "is not for a notification that a handler says"}
	case p.With != "" && p.Expects.Wanted:
		return &FieldError{"expects", "is for whoever interrupts to say"}
	case p.With != "" && !e.interrupts(p.With):
		return &FieldError{"with", "is neither a dialog nor a handler"}
	case p.Expects.To != "":
		if _, known := e.speakers[p.Expects.To]; !known {
			return &FieldError{"reply_to", "is no handler"}
		}
	}
	return nil
}

// interrupts reports whether a name is that of somebody who may interrupt.
func (e *Engine) interrupts(name string) bool {
	_, handler := e.speakers[name]
	return handler || e.talk.interrupter != nil && e.talk.interrupter.Knows(name)
}

// checkTerms finds what is wrong with a policy by itself; the first of it.
func checkTerms(p headsup.Policy) error {
	if p.IsZero() { // as nearly always
		return nil
	}
	if wrong := terms(p); len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}

// terms is everything that is wrong with a policy by itself.
func terms(p headsup.Policy) (wrong []error) {
	names := headsup.Policies()
	wait, interrupt := p.Name == headsup.PolicyWait, p.Name == headsup.PolicyInterrupt || p.Then == headsup.PolicyInterrupt
	adhoc := p.Name == "" || p.Name == headsup.PolicyAdHoc
	for _, rule := range []struct {
		broken        bool
		field, reason string
	}{
		{p.Name != "" && !slices.Contains(names, p.Name), "policy", "is none of adhoc, wait, interrupt, cancel, drop"},
		{!wait && p.MaxWait != 0, "max_wait", "is for wait"},
		{wait && (p.MaxWait < 0 || p.MaxWait > headsup.MaxWait), "max_wait", "is not between 0 and 30 days"},
		{!wait && p.Then != "", "then", "is for wait"},
		{wait && p.Then != "" && (p.Then == headsup.PolicyWait || !slices.Contains(names, p.Then)), "then", "is none of adhoc, interrupt, cancel, drop"},
		{!wait && p.Release != "", "release", "is for wait"},
		{wait && p.Release != "" && p.Release != headsup.ReleaseEach && p.Release != headsup.ReleaseDigest, "release", "is none of each, digest"},
		{p.With != "" && !interrupt, "with", "is for interrupt"},
		{adhoc && p.Quiet != 0, "quiet", "is not for adhoc"},
		{!adhoc && (p.Quiet < 0 || p.Quiet > headsup.MaxQuiet), "quiet", "is not between 0 and 1 hour"},
		{adhoc && p.Priority != 0, "priority", "is not for adhoc"},
		{!adhoc && (p.Priority < -headsup.MaxBusyPriority || p.Priority > headsup.MaxBusyPriority), "priority",
			fmt.Sprintf("is not between %d and %d", -headsup.MaxBusyPriority, headsup.MaxBusyPriority)},
		{!p.Expects.Wanted && p.Expects != headsup.Reply{}, "expects", "is not reply"},
		{p.Expects.Within < 0 || p.Expects.Within > headsup.MaxReplyWithin, "reply_within", "is not between 0 and 7 days"},
	} {
		if rule.broken {
			wrong = append(wrong, &FieldError{rule.field, rule.reason})
		}
	}
	for _, err := range []error{checkName("with", p.With), checkName("reply_to", p.Expects.To)} {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// SetBusy says, for the bot or its operator, that a conversation is in the middle of something, and returns its entry. What
// may wait is held there until [Engine.Free], or until it has run out. [book.ErrNotFound], and a [*FieldError].
func (e *Engine) SetBusy(ctx context.Context, key headsup.ConversationKey, b headsup.Busy) (book.Conversation, error) {
	if err := b.Validate(); err != nil {
		return book.Conversation{}, &FieldError{"busy", err.Error()}
	}
	return e.cfg.Store.Mark(ctx, key, headsup.Mark{Busy: b, At: e.cfg.Now()})
}

// Free takes back what somebody has said with [Engine.SetBusy] under a name; empty means [headsup.BusyFlag]. What is held
// for nothing else is ready when it returns.
func (e *Engine) Free(ctx context.Context, key headsup.ConversationKey, by string) (book.Conversation, error) {
	m := headsup.Mark{Busy: headsup.Busy{By: cmp.Or(by, headsup.BusyFlag)}, Free: true, At: e.cfg.Now()}
	return e.cfg.Store.Mark(ctx, key, m)
}
