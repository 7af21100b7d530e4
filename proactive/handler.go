package proactive

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/outbox"
)

// Reasons of deliveries that a handler makes.
const (
	// ReasonNoHandler: no handler has that name any more.
	ReasonNoHandler = "no_handler"
	// ReasonHandlerFailed: the handler returned an error before it had said anything; it is tried again.
	ReasonHandlerFailed = "handler_failed"
)

// speaker says notifications by running a turn.
type speaker struct {
	bot     *headsup.Bot
	handler headsup.Handler
}

// Handle has notifications with this handler's name said by h, in a proactive turn of the bot: through its middleware,
// with the conversation's state, while nothing else happens in the conversation. The turn's activity is an event named
// ContinueConversation with the notification's value. A nil h is the bot's own handler. Call it before the engine runs.
//
// The turn's state and the delivery's outcome commit together. What h sends is written down before it leaves, so a
// delivery that was cut off after the channel has taken something is not repeated, and ends as failed with
// [outbox.ReasonPartial]; one whose handler sends nothing is suppressed with [outbox.ReasonNothingSaid]. When h fails before it has
// sent anything, it is tried again later.
func (e *Engine) Handle(name string, bot *headsup.Bot, h headsup.Handler) error {
	if name == "" || bot == nil {
		return errors.New("proactive: handle: a name and a bot are required")
	}
	if _, taken := e.speakers[name]; taken {
		return fmt.Errorf("proactive: handle: there is a handler %q already", name)
	}
	e.speakers[name] = speaker{bot, h}
	return nil
}

// checkHandler finds what is wrong with a notification that a handler says.
func (e *Engine) checkHandler(n headsup.Notification) error {
	if err := e.checkPolicy(n); err != nil || n.Handler == "" {
		return err
	}
	if err := checkName("handler", n.Handler); err != nil {
		return err
	}
	if _, known := e.speakers[n.Handler]; !known {
		return &FieldError{"handler", "is none that the engine knows"}
	}
	switch c := contentOf(n); {
	case !c.IsZero():
		return &FieldError{"handler", "says it: give neither text, markdown, activity, card, notice nor summary"}
	case n.Window == headsup.WindowNew:
		return &FieldError{"conversation", "is new; a handler continues one that is known"}
	}
	return nil
}

// eventOf is what a handler is told.
func eventOf(n headsup.Notification) *activity.Activity {
	return &activity.Activity{Type: activity.TypeEvent, Name: activity.EventContinueConversation, Value: n.Value, Locale: n.Locale}
}

// perform has a handler say it.
func (s *sender) perform(ctx context.Context, at *outbox.Attempt, value jsontext.Value) (activity.ID, error) {
	if at.Verb == outbox.VerbDelete {
		return s.takeBack(ctx, at)
	}
	if at.Verb != outbox.VerbSend {
		return "", &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: ReasonNotSupported}
	}
	by, known := s.speakers[at.Handler]
	if !known {
		return "", &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonNoHandler,
			Err: fmt.Errorf("no handler is named %q", at.Handler)}
	}
	if n := taken(at.Sends); n > 0 {
		return "", partial(n, errors.New("the process stopped"))
	}
	log := &sendLog{sender: s, attempt: at}
	var ended outbox.Outcome
	err := by.bot.ContinueHeld(context.WithValue(ctx, performed{}, at), at.Lease, at.Conversation.Reference, by.handler,
		headsup.WithValue(value), headsup.WithSendLog(log), headsup.WithCommit(func() []headsup.Op {
			ended = log.outcome()
			return []headsup.Op{outbox.Conclude{Outcome: ended}}
		}))
	if err == nil {
		return ended.Activity, &outbox.Recorded{Outcome: ended}
	}
	return "", log.failure(err)
}

// takeBack removes everything that a handler has sent.
func (s *sender) takeBack(ctx context.Context, at *outbox.Attempt) (activity.ID, error) {
	ref := at.Conversation.Reference
	if !s.cfg.Channel.Capabilities(ref).Delete {
		return "", &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: ReasonNotSupported}
	}
	found := false
	for _, sent := range at.Sends {
		if sent.Activity == "" {
			continue
		}
		found = true
		failure := headsup.MeaningOf(s.cfg.Channel.Delete(ctx, ref, sent.Activity))
		if failure != nil && (failure.Meaning != headsup.MeaningPermanent || failure.Reason != "not_found") {
			return "", failure
		}
	}
	if !found {
		return "", noID()
	}
	return at.Sent, nil
}

func taken(sends []outbox.Send) (n int) {
	for _, s := range sends {
		if s.Taken {
			n++
		}
	}
	return n
}

func partial(n int, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: outbox.ReasonPartial,
		Err: fmt.Errorf("after %d of its activities were sent: %w", n, err)}
}

// sendLog writes down what a handler sends.
type sendLog struct {
	sender  *sender
	attempt *outbox.Attempt
	before  int // activities that were sent in earlier attempts, and are not sent again

	mu    sync.Mutex
	open  int // sends whose answer has not come
	taken int
	first activity.ID
}

// Begin implements [headsup.SendLog].
func (l *sendLog) Begin(ctx context.Context, n int) (key string, err error) {
	n += l.before
	if err := l.note(ctx, outbox.Send{Ordinal: n}); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	return fmt.Sprintf("%s:%d", ident.Text("dlv", int64(l.attempt.Delivery)), n), nil
}

// Sent implements [headsup.SendLog].
func (l *sendLog) Sent(ctx context.Context, n int, id activity.ID) error {
	n += l.before
	l.mu.Lock()
	l.open--
	if l.taken++; l.first == "" {
		l.first = id
	}
	l.mu.Unlock()
	return l.note(ctx, outbox.Send{Ordinal: n, Taken: true, Activity: id})
}

func (l *sendLog) note(ctx context.Context, s outbox.Send) error {
	s.Delivery, s.Fence, s.At = l.attempt.Delivery, l.attempt.Fence, l.sender.cfg.Now()
	if err := l.sender.cfg.Store.RecordSend(ctx, s); err != nil {
		return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "not_recorded", Err: err}
	}
	return nil
}

// outcome is that of a handler which came to its end.
func (l *sendLog) outcome() outbox.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := outbox.Outcome{
		Delivery: l.attempt.Delivery, Fence: l.attempt.Fence, State: outbox.StateDelivered, Activity: l.first,
		At: l.sender.cfg.Now(),
	}
	switch {
	case l.taken > 0:
	case l.open > 0 || len(l.attempt.Sends) > 0: // the handler was content with an answer that was lost
		o.State, o.Reason = outbox.StateUnknown, ReasonHandlerFailed
	default:
		o.State, o.Reason = outbox.StateSuppressed, outbox.ReasonNothingSaid
	}
	return o
}

// failure says what the error of a handler, or of its commit, means for the delivery.
func (l *sendLog) failure(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken > 0 {
		return partial(l.taken, err)
	}
	if told, ok := errors.AsType[*headsup.SendError](err); ok && (l.open > 0 || told.Meaning != headsup.MeaningUnknown) {
		return told
	}
	if l.open > 0 {
		return &headsup.SendError{Meaning: headsup.MeaningUnknown, Reason: ReasonHandlerFailed, Err: err}
	}
	return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: ReasonHandlerFailed, Err: err}
}
