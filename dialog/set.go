package dialog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/state"
)

// Config makes a [Set].
type Config struct {
	// Property is the member of the state's document that holds the stack. Empty means "DialogState"; then "dialogState",
	// which bots in JavaScript often have, is used if it is there.
	Property string

	// Scope says whose the stack is. Empty means [state.Conversation]; with [state.Private] each person in a group has one.
	// Others are refused: a stack makes the conversation busy in which it stands. Sets of one bot have a Property each.
	Scope state.Scope

	// Start begins when somebody says something to the set's handler and no dialog is running. The zero value is nothing.
	Start Action

	// Locale is what language people speak if neither activity nor conversation says. Empty means "en".
	Locale string

	// Zone is where people are if their activities do not say. Nil means UTC.
	Zone *time.Location

	// Lost is called when a conversation cannot go on where it stood, after its dialogs have been ended. Nil says so in the
	// person's language.
	Lost func(ctx context.Context, t *headsup.Turn, lost *LostError) error

	// MaxDepth is how many dialogs may be on the stack, those inside components included. Zero means 32.
	MaxDepth int

	// MaxMoves is how often dialogs may begin, end and go on in one turn. Zero means 200.
	MaxMoves int

	// Busy is how pressing a dialog is: a notification whose policy has a greater priority does not wait for it.
	Busy int

	// Logger receives structured logs. Nil discards them.
	Logger *slog.Logger

	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

const (
	defaultProperty = "DialogState"
	otherProperty   = "dialogState"
)

func (c Config) withDefaults() Config {
	c.Scope = cmp.Or(c.Scope, state.Conversation)
	c.Locale = cmp.Or(c.Locale, "en")
	c.MaxDepth = cmp.Or(c.MaxDepth, 32)
	c.MaxMoves = cmp.Or(c.MaxMoves, 200)
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Lost == nil {
		c.Lost = apologise
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Scope != state.Conversation && c.Scope != state.Private:
		return fmt.Errorf("Scope is %q; dialogs belong to a conversation, or to a person in one", c.Scope)
	case c.MaxDepth < 1:
		return fmt.Errorf("MaxDepth is %d; it must be positive", c.MaxDepth)
	case c.MaxMoves < 1:
		return fmt.Errorf("MaxMoves is %d; it must be positive", c.MaxMoves)
	case c.Busy < -headsup.MaxBusyPriority || c.Busy > headsup.MaxBusyPriority:
		return fmt.Errorf("Busy is %d; it must be between %d and %[2]d", c.Busy, headsup.MaxBusyPriority)
	}
	return nil
}

// Set is the dialogs of a bot, and what runs them. It is a [headsup.Handler]. Safe for concurrent use; its methods that have a
// turn are called by one goroutine of the turn at a time, and not from inside a dialog, which returns an [Action] instead.
// The bot needs state.Middleware.
type Set struct {
	cfg     Config
	dialogs map[string]Dialog
	kept    []state.Property[jsontext.Value] // by name, in the order in which they are looked for
}

// NewSet makes a set of the dialogs that may begin each other, prompts included.
func NewSet(cfg Config, dialogs ...Dialog) (*Set, error) {
	s := &Set{}
	for _, name := range propertyNames(cfg.Property) {
		s.kept = append(s.kept, state.NewProperty[jsontext.Value](cmp.Or(cfg.Scope, state.Conversation), name))
	}
	s.cfg = cfg.withDefaults()
	if err := s.cfg.validate(); err != nil {
		return nil, fmt.Errorf("dialog: config: %w", err)
	}
	var err error
	if s.dialogs, err = byID(dialogs); err != nil {
		return nil, fmt.Errorf("dialog: %w", err)
	}
	if start := s.cfg.Start; start.kind == actBegin {
		if start.failed != nil {
			return nil, fmt.Errorf("dialog: config: Start: %w", start.failed)
		}
		if s.dialogs[start.dialog] == nil {
			return nil, fmt.Errorf("dialog: config: Start: %w", &UnknownError{Dialog: start.dialog})
		}
	}
	return s, nil
}

func propertyNames(name string) []string {
	if name == "" {
		return []string{defaultProperty, otherProperty}
	}
	return []string{name}
}

// checked is a dialog that knows what is wrong with itself.
type checked interface{ check() error }

// byID makes a map of dialogs and finds what is wrong with them.
func byID(dialogs []Dialog) (map[string]Dialog, error) {
	m := make(map[string]Dialog, len(dialogs))
	for _, d := range dialogs {
		if d == nil {
			return nil, errors.New("a dialog is nil")
		}
		id := d.ID()
		if id == "" {
			return nil, errors.New("a dialog has no id")
		}
		if _, taken := m[id]; taken {
			return nil, fmt.Errorf("two dialogs have the id %q", id)
		}
		if c, ok := d.(checked); ok {
			if err := c.check(); err != nil {
				return nil, fmt.Errorf("%q: %w", id, err)
			}
		}
		m[id] = d
	}
	return m, nil
}

// Status is how far the dialogs of a conversation have come in a turn.
type Status string

const (
	Empty     Status = "empty"     // no dialog was running, and none has begun
	Waiting   Status = "waiting"   // a dialog waits for the person
	Complete  Status = "complete"  // the last dialog on the stack has ended
	Cancelled Status = "cancelled" // all dialogs were cancelled
	Lost      Status = "lost"      // the conversation could not go on where it stood; the person was told
)

// Result is what became of the dialogs of a conversation in a turn.
type Result struct {
	Status Status
	// Dialog is the dialog that has ended last, if Status is Complete.
	Dialog string
	// Value is what it has ended with.
	Value any
	// Lost is why, if Status is Lost.
	Lost *LostError
}

// endedWith is the result of a dialog, if that is what has ended.
func endedWith[T any](r Result, dialog string) (v T, ok bool) {
	if r.Status != Complete || r.Dialog != dialog {
		return v, false
	}
	v, ok = r.Value.(T)
	return v, ok
}

// HandleTurn implements [headsup.Handler]: the running dialog hears what has arrived; if none runs and it is a message,
// [Config.Start] begins.
func (s *Set) HandleTurn(ctx context.Context, t *headsup.Turn) error {
	r, err := s.Continue(ctx, t)
	if err != nil || r.Status != Empty || t.Activity().Type != activity.TypeMessage || s.cfg.Start.kind != actBegin {
		return err
	}
	_, err = s.Run(ctx, t, s.cfg.Start)
	return err
}

// Or is a handler for what the running dialog hears; if none runs, other handles the turn. It goes where a [headsup.Mux] has
// messages of any text: what the mux knows by its text then interrupts the dialog.
func (s *Set) Or(other headsup.HandlerFunc) headsup.HandlerFunc {
	return func(ctx context.Context, t *headsup.Turn) error {
		r, err := s.Continue(ctx, t)
		if err != nil || r.Status != Empty {
			return err
		}
		return other(ctx, t)
	}
}

// Handle is a handler that does one thing: begins a dialog, or cancels all.
func (s *Set) Handle(a Action) headsup.HandlerFunc {
	return func(ctx context.Context, t *headsup.Turn) error {
		_, err := s.Run(ctx, t, a)
		return err
	}
}

// Continue has the running dialog hear what has arrived. Waterfalls and prompts hear messages only, so in a turn that nobody
// asked for they stay where they are.
func (s *Set) Continue(ctx context.Context, t *headsup.Turn) (Result, error) {
	return s.do(ctx, t, func(r *run, l *level) (done, error) { return r.hear(ctx, l) })
}

// ErrTooDeep: another dialog was to begin from outside, and there are as many on the stack as may be. Nothing has changed.
var ErrTooDeep = errors.New("dialog: there are too many dialogs on the stack")

// Run does what an action says, as if the running dialog had wanted it. A dialog that begins while another one runs puts it
// aside: when it has ended, the other one asks again. One that the set does not have is an [*UnknownError].
func (s *Set) Run(ctx context.Context, t *headsup.Turn, a Action) (Result, error) {
	if (a.kind == actBegin || a.kind == actReplace) && !s.Knows(a.dialog) {
		return Result{}, &UnknownError{Dialog: a.dialog}
	}
	return s.do(ctx, t, func(r *run, l *level) (done, error) {
		if top := l.stack.top(); top != nil && a.kind == actBegin {
			if l.depth() >= s.cfg.MaxDepth {
				return done{}, ErrTooDeep
			}
			next, err := r.push(ctx, l, a, true)
			if err != nil {
				return done{}, err
			}
			return r.apply(ctx, l, next)
		}
		if l.stack.top() == nil && a.kind != actBegin && a.kind != actReplace {
			return done{status: Empty}, nil
		}
		return r.apply(ctx, l, a)
	})
}

// Knows reports whether the set has a dialog with an id.
func (s *Set) Knows(dialog string) bool { return s.dialogs[dialog] != nil }

// Interrupt begins a dialog on top of whatever runs; when it has ended, that asks again. Options is JSON, or empty. A dialog
// that the set does not have is an [*UnknownError]; when there are too many already it is [ErrTooDeep].
func (s *Set) Interrupt(ctx context.Context, t *headsup.Turn, dialog string, options jsontext.Value) error {
	a := Action{kind: actBegin, dialog: dialog}
	if len(options) > 0 {
		a.options = options
	}
	_, err := s.Run(ctx, t, a)
	return err
}

// Resume has the running dialog ask again, after something else was said. If none runs, nothing happens.
func (s *Set) Resume(ctx context.Context, t *headsup.Turn) error {
	_, err := s.do(ctx, t, func(r *run, l *level) (done, error) { return done{status: Waiting}, r.again(ctx, l) })
	return err
}

// CancelAll ends all dialogs. It says nothing to the person.
func (s *Set) CancelAll(ctx context.Context, t *headsup.Turn) error {
	_, err := s.Run(ctx, t, CancelAll())
	return err
}

// Active are the ids of the dialogs that are running, from the outermost to the one that waits; none if the conversation is
// free.
func (s *Set) Active(ctx context.Context, t *headsup.Turn) ([]string, error) {
	_, raw, err := s.load(ctx, t)
	if err != nil {
		return nil, err
	}
	return Path(raw)
}

// Path are the ids of the dialogs on a stored stack, whoever wrote it, from the outermost to the one that waits.
func Path(stored jsontext.Value) ([]string, error) {
	st, _, err := readStack(stored)
	if err != nil {
		return nil, fmt.Errorf("dialog: read the stack: %w", err)
	}
	return st.path(), nil
}

type runningKey struct{ set *Set }

var errInside = errors.New("dialog: a dialog of this set is running in the turn; return an Action from it instead")

// do loads the stack, does something with it and keeps it.
func (s *Set) do(ctx context.Context, t *headsup.Turn, what func(*run, *level) (done, error)) (Result, error) {
	if inside, _ := t.Value(runningKey{s}).(bool); inside {
		return Result{}, errInside
	}
	t.SetValue(runningKey{s}, true)
	defer t.SetValue(runningKey{s}, false)

	r := &run{set: s, turn: t}
	kept, raw, err := s.load(ctx, t)
	if err != nil {
		return Result{}, err
	}
	l := &level{dialogs: s.dialogs}
	var foreign bool
	if l.stack, foreign, err = readStack(raw); err != nil {
		l.stack = new(stack)
		return s.lose(ctx, r, l, kept, unknown, &LostError{Loss: LostState, Err: err})
	}
	before := l.stack.outermost()
	if foreign {
		before = unknown
	}
	d, err := what(r, l)
	if lost, ok := errors.AsType[*LostError](err); ok {
		return s.lose(ctx, r, l, kept, before, lost)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Status: d.status, Dialog: d.dialog, Value: d.result}, s.keep(ctx, t, kept, l.stack, before)
}

// load finds the stored stack, and which property holds it.
func (s *Set) load(ctx context.Context, t *headsup.Turn) (state.Property[jsontext.Value], jsontext.Value, error) {
	for _, p := range s.kept {
		raw, err := p.Load(ctx, t)
		if err != nil || len(raw) > 0 {
			return p, raw, err
		}
	}
	return s.kept[0], nil, nil
}

// unknown is what a conversation was busy with before, when that was not this library's to say. It is no id.
const unknown = "\x00"

// keep stores the stack, and says whether the conversation is busy if that has changed.
func (s *Set) keep(
	ctx context.Context, t *headsup.Turn, kept state.Property[jsontext.Value], st *stack, before string,
) error {
	if now := st.outermost(); now != before {
		if err := s.mark(t, now); err != nil {
			return err
		}
	}
	if len(st.Dialogs) == 0 {
		return kept.Clear(ctx, t)
	}
	st.Ours = true
	raw, err := json.Marshal(st, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("dialog: encode the stack: %w", err)
	}
	return kept.Set(ctx, t, raw)
}

// outermost is the id of the dialog that has begun it all; empty if there is none.
func (s *stack) outermost() string {
	if len(s.Dialogs) == 0 {
		return ""
	}
	return s.Dialogs[0].ID
}

// mark says that the conversation is busy with a dialog, or free of all. It is committed with the stack.
func (s *Set) mark(t *headsup.Turn, dialog string) error {
	by := s.BusyName(t)
	if dialog == "" {
		return t.Free(by)
	}
	return t.Busy(headsup.Busy{By: by, Reason: shorten(dialog, 255), Priority: s.cfg.Busy})
}

// BusyName is under which name the set's dialogs make the turn's conversation busy.
func (s *Set) BusyName(t *headsup.Turn) string {
	user := activity.AccountID("")
	if ref := t.Reference(); ref.User != nil {
		user = ref.User.ID
	}
	return state.BusyName(s.cfg.Scope, s.cfg.Property, user)
}

// lose ends all dialogs because they cannot go on, and tells the person.
func (s *Set) lose(
	ctx context.Context, r *run, l *level, kept state.Property[jsontext.Value], before string, lost *LostError,
) (Result, error) {
	s.cfg.Logger.ErrorContext(ctx, "dialogs cannot go on and were ended",
		"dialog", lost.Dialog, "path", lost.Path, "loss", string(lost.Loss), "error", lost.Err)
	if err := r.cancel(ctx, l); err != nil { // whoever wanted to know cannot be told
		s.cfg.Logger.WarnContext(ctx, "dialog does not want to end", "error", err)
		l.stack.Dialogs = nil
	}
	if err := s.keep(ctx, r.turn, kept, l.stack, before); err != nil {
		return Result{}, err
	}
	return Result{Status: Lost, Lost: lost}, s.cfg.Lost(ctx, r.turn, lost)
}
