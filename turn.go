package headsup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/card"
)

// Turn is one activity being handled: what arrived, who sent it, and the means to answer. A Turn is used by the handler
// that received it and not after the handler has returned. Its methods may be called from several goroutines.
type Turn struct {
	bot      *Bot
	activity *activity.Activity
	identity auth.Identity
	ref      activity.Reference
	// nobodyAsked is set on proactive turns.
	nobodyAsked bool
	// replyTo is the activity that sent activities answer; empty when there is none to answer.
	replyTo activity.ID
	work    *unit
	// outer is the turn that this one nests in, if any.
	outer *Turn

	mu     sync.Mutex // guards all below
	invoke *InvokeResponse
	sent   int
	named  int // sends that have a key
	ops    []Op
	over   bool // the handler has returned: nothing is staged any more
}

// unit is what a turn shares with those that nest in it.
type unit struct {
	lease   Lease
	buffers bool // what is sent is kept for the answer
	log     SendLog

	mu       sync.Mutex
	logged   int                  // guarded by mu; sends that log was told of
	called   bool                 // guarded by mu; the channel was called: the turn cannot be taken back
	buffered []*activity.Activity // guarded by mu
	values   map[any]any          // guarded by mu
}

// calls notes that the channel is called.
func (u *unit) calls() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.called = true
}

func (u *unit) hasCalled() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.called
}

// InvokeResponse is what a handler answers to an invoke activity.
type InvokeResponse struct {
	// Status is the HTTP status. Zero means 200.
	Status int
	// Body is anything that encodes to JSON. Nil is no body.
	Body any
}

// Activity is what arrived. In a proactive turn it is the ContinueConversation or CreateConversation event. The handler
// may change it for those after it.
func (t *Turn) Activity() *activity.Activity { return t.activity }

// Identity tells who sent the activity.
func (t *Turn) Identity() auth.Identity { return t.identity }

// Reference is where this conversation can be continued later.
func (t *Turn) Reference() activity.Reference { return t.ref.Clone() }

// Key names the conversation.
func (t *Turn) Key() ConversationKey { return t.work.lease.Key() }

// Proactive reports whether nobody asked for this turn.
func (t *Turn) Proactive() bool { return t.nobodyAsked }

// Responded reports whether the turn has sent anything.
func (t *Turn) Responded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent > 0
}

// Say sends a text message.
func (t *Turn) Say(ctx context.Context, text string) (activity.ResourceResponse, error) {
	rs, err := t.Send(ctx, activity.Message(text))
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	return rs[0], nil
}

// SendNotice sends a notice in the form that the channel shows best, with buttons that come back signed. It is a part of what the
// bot says here and now: [Turn.Notify] with a notice is kept, tried again, and can be said again later. The error is a
// [*card.FieldError] for a notice that is wrong. It takes a [Notifier] that is a [NoticeShower].
func (t *Turn) SendNotice(ctx context.Context, n *card.Notice) (activity.ResourceResponse, error) {
	if n == nil {
		return activity.ResourceResponse{}, errors.New("headsup: send: nil notice")
	}
	raw, err := n.Encode()
	if err != nil {
		return activity.ResourceResponse{}, fmt.Errorf("headsup: send: %w", err)
	}
	a := activity.Message("")
	a.Attachments = []activity.Attachment{{ContentType: card.ContentType, Content: raw}}
	rs, err := t.Send(ctx, a)
	if err != nil {
		return activity.ResourceResponse{}, err
	}
	return rs[0], nil
}

// Send sends activities in order and returns the ids that the channel gave them, as far as it tells. It stops at the
// first failure and returns the responses up to it. An activity without a type is a message; the activities are not
// changed. Activities of type "delay" wait here for as many milliseconds as their value says (one second if it says
// none); trace activities only leave on the emulator channel; one of type "invokeResponse" is not sent but given to
// [Turn.Respond], with the status and body in its value. A notice among the attachments is sent as [Turn.SendNotice] does.
func (t *Turn) Send(ctx context.Context, as ...*activity.Activity) ([]activity.ResourceResponse, error) {
	rs := make([]activity.ResourceResponse, 0, len(as))
	for _, a := range as {
		r, err := t.sendOne(ctx, a)
		if err != nil {
			return rs, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func (t *Turn) sendOne(ctx context.Context, a *activity.Activity) (activity.ResourceResponse, error) {
	if a == nil {
		return activity.ResourceResponse{}, errors.New("headsup: send: nil activity")
	}
	switch {
	case a.Type == activity.TypeDelay:
		return activity.ResourceResponse{}, pause(ctx, a.Value)
	case a.Type == activity.TypeInvokeResponse:
		return activity.ResourceResponse{}, t.respond(a.Value)
	case a.Type == activity.TypeTrace && t.ref.ChannelID != activity.ChannelEmulator:
		return activity.ResourceResponse{}, nil
	}
	out := t.address(a)
	shown, err := t.show(ctx, out)
	if err != nil {
		return activity.ResourceResponse{}, fmt.Errorf("send to %s: %w", t.Key(), err)
	}
	var r activity.ResourceResponse
	if t.work.buffers {
		t.work.mu.Lock()
		t.work.buffered = append(t.work.buffered, shown)
		t.work.mu.Unlock()
	} else {
		if r, err = t.dispatch(ctx, out, shown); err != nil {
			return r, fmt.Errorf("send to %s: %w", t.Key(), err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	return r, nil
}

// show is an activity as the channel takes it: a copy in which a notice is shown, if it has one.
func (t *Turn) show(ctx context.Context, out *activity.Activity) (*activity.Activity, error) {
	if !slices.ContainsFunc(out.Attachments, func(at activity.Attachment) bool { return at.ContentType == card.ContentType }) {
		return out, nil
	}
	shower, ok := t.bot.cfg.Notifier.(NoticeShower)
	if !ok {
		return nil, errors.New("the bot has no Notifier that shows notices")
	}
	shown := out.Clone()
	return shown, shower.ShowNotice(ctx, t, shown)
}

// dispatch hands an activity, which was shown so, to the channel, and tells the log of it before and after. A notice is shown
// in other words each time, since its buttons are good from then on: what was to be said names the send.
func (t *Turn) dispatch(ctx context.Context, out, shown *activity.Activity) (r activity.ResourceResponse, err error) {
	n, key := 0, ""
	if t.work.log != nil {
		t.work.mu.Lock()
		n = t.work.logged
		t.work.logged++
		t.work.mu.Unlock()
		key, err = t.work.log.Begin(ctx, n)
	} else {
		key, err = t.sendKey(out)
	}
	if err != nil {
		return r, err
	}
	t.work.calls()
	if r, err = t.bot.cfg.Channel.Send(ctx, Outgoing{Reference: t.ref, Activity: shown, Key: key}); err != nil {
		return activity.ResourceResponse{}, err
	}
	if t.work.log != nil {
		err = t.work.log.Sent(ctx, n, r.ID)
	}
	return r, err
}

// Said notes that something was said in this turn by other means than [Turn.Send], and under which id: by a bot in another
// process, which calls the channel itself. In a turn that a notification runs it counts as what the notification has said.
func (t *Turn) Said(ctx context.Context, id activity.ID) error {
	t.work.calls()
	if t.work.log != nil {
		t.work.mu.Lock()
		n := t.work.logged
		t.work.logged++
		t.work.mu.Unlock()
		if _, err := t.work.log.Begin(ctx, n); err != nil {
			return err
		}
		if err := t.work.log.Sent(ctx, n, id); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	return nil
}

// sendKey names a send for channels that store a repeat once: by the activity that is being handled, by how many sends
// came before, and by what is said. A turn that runs again, because its end was lost, says nothing twice there; if it
// comes to say something else, that is said.
func (t *Turn) sendKey(out *activity.Activity) (string, error) {
	if t.nobodyAsked || t.activity.ID == "" || !t.bot.cfg.Channel.Capabilities(t.ref).Once {
		return "", nil
	}
	said := *out
	said.ServiceURL = "" // it may be another one when the turn runs again
	raw, err := activity.Encode(&said)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.named++
	return fmt.Sprintf("turn:%s:%d:%x", t.activity.ID, t.named, sum[:8]), nil
}

// address returns a copy of a that is addressed to this conversation. A bot sends neither an id nor a timestamp, and
// does not expect replies of a channel (Activity specification, A2031, A2041 and A3116).
func (t *Turn) address(a *activity.Activity) *activity.Activity {
	out := a.Clone()
	if out.Type == "" {
		out.Type = activity.TypeMessage
	}
	out.ID, out.Timestamp = "", activity.Time{}
	if out.DeliveryMode == activity.DeliveryExpectReplies {
		out.DeliveryMode = ""
	}
	ref := t.ref
	ref.ActivityID = t.replyTo
	ref.Outgoing(out)
	return out
}

// Update replaces an activity that the bot has sent; a.ID names it.
func (t *Turn) Update(ctx context.Context, a *activity.Activity) (activity.ResourceResponse, error) {
	if a == nil || a.ID == "" {
		return activity.ResourceResponse{}, errors.New("headsup: update: the activity has no id")
	}
	out, err := t.show(ctx, t.address(a))
	if err != nil {
		return activity.ResourceResponse{}, fmt.Errorf("update in %s: %w", t.Key(), err)
	}
	out.ID = a.ID
	t.work.calls()
	r, err := t.bot.cfg.Channel.Update(ctx, Outgoing{Reference: t.ref, Activity: out})
	if err != nil {
		return r, fmt.Errorf("update in %s: %w", t.Key(), err)
	}
	return r, nil
}

// Delete removes an activity that the bot has sent.
func (t *Turn) Delete(ctx context.Context, id activity.ID) error {
	t.work.calls()
	if err := t.bot.cfg.Channel.Delete(ctx, t.ref, id); err != nil {
		return fmt.Errorf("delete in %s: %w", t.Key(), err)
	}
	return nil
}

// Typing shows that the bot is busy with an answer. Clients show it for about three seconds.
func (t *Turn) Typing(ctx context.Context) error {
	_, err := t.Send(ctx, &activity.Activity{Type: activity.TypeTyping})
	return err
}

// Notify accepts a notification together with everything else that the turn commits: if the turn fails, there is no
// notification. It is delivered after the turn, to this conversation or any other. When the turn has ended it is
// [ErrTurnEnded].
func (t *Turn) Notify(ctx context.Context, n Notification) (NotificationID, error) {
	if t.bot.cfg.Notifier == nil {
		return "", errors.New("headsup: notify: the bot has no Notifier")
	}
	id, op, err := t.bot.cfg.Notifier.Prepare(ctx, n)
	if err != nil {
		return "", err
	}
	if err := t.stage(op); err != nil {
		return "", err
	}
	return id, nil
}

// Respond sets the answer to an invoke activity. The last call counts.
func (t *Turn) Respond(r InvokeResponse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invoke = &r
}

// respond answers an invoke with the value of an activity of type invokeResponse.
func (t *Turn) respond(value jsontext.Value) error {
	var r struct {
		Status int            `json:"status"`
		Body   jsontext.Value `json:"body"`
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("headsup: send: the value of an invokeResponse: %w", err)
	}
	response := InvokeResponse{Status: r.Status}
	if len(r.Body) > 0 {
		response.Body = r.Body
	}
	t.Respond(response)
	return nil
}

// Stage adds an op to what is committed when the turn succeeds. It does nothing when the turn has ended.
func (t *Turn) Stage(op Op) { _ = t.stage(op) }

func (t *Turn) stage(ops ...Op) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return ErrTurnEnded
	}
	t.ops = append(t.ops, ops...)
	return nil
}

// end returns what the turn has staged and lets nothing more be staged.
func (t *Turn) end() []Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return t.ops
}

func (t *Turn) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

// Value returns what [Turn.SetValue] kept under key, or nil. Turns that nest share their values.
func (t *Turn) Value(key any) any {
	t.work.mu.Lock()
	defer t.work.mu.Unlock()
	return t.work.values[key]
}

// SetValue keeps something for the rest of the turn, for middleware. Keys are compared as in context values.
func (t *Turn) SetValue(key, value any) {
	t.work.mu.Lock()
	defer t.work.mu.Unlock()
	if t.work.values == nil {
		t.work.values = make(map[any]any)
	}
	t.work.values[key] = value
}

// pause waits for a delay activity: its value is in milliseconds (botbuilder-js, CloudAdapterBase).
func pause(ctx context.Context, value jsontext.Value) error {
	ms := 1000.0
	if len(value) > 0 {
		if err := json.Unmarshal(value, &ms); err != nil || ms < 0 {
			ms = 1000
		}
	}
	timer := time.NewTimer(time.Duration(ms * float64(time.Millisecond)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
