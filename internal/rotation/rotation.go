// Package rotation keeps secrets that sign, and replaces them without refusing anything that they have signed.
//
// [Ring] is what all nodes share of one kind of secret: one signs, the one before is good for checking until the last thing
// that it has signed has ended, and a new one is known everywhere before it signs. [Ring.Rotate] replaces, [Ring.Run] hears
// of what other nodes have done. What a secret is, and how it signs, is its user's affair.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/internal/ident"
)

// Store keeps a setting that all nodes share.
type Store interface {
	// SetSettingOnce stores a setting unless there is one with that name, and returns the one that is stored.
	SetSettingOnce(ctx context.Context, name, value string) (stored string, err error)
	// SwapSetting replaces a setting that is as it was, and reports whether it did. It returns when that is on disk.
	SwapSetting(ctx context.Context, name, was, value string) (swapped bool, err error)
	// Setting returns a stored setting and whether there is one.
	Setting(ctx context.Context, name string) (value string, found bool, err error)
}

// Config makes a [Ring].
type Config struct {
	// Store and Name say where the secrets are kept. Required.
	Store Store
	Name  string
	// Make makes a secret. Required.
	Make func() (string, error)
	// Life is how long what was signed is good. Required.
	Life time.Duration
	// Lead is how long a secret is known before it signs: longer than [Poll], with what the clocks of nodes may differ. Zero is
	// two minutes.
	Lead time.Duration
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

const (
	// Poll is how often a node looks what others have done.
	Poll = 2 * time.Second
	// skew is how far the clocks of two nodes may be apart.
	skew = time.Minute
	// defaultLead is Config.Lead when it is not given.
	defaultLead = 2 * time.Minute
)

// ErrUnderWay: a secret was replaced a moment ago, and does not sign yet.
var ErrUnderWay = errors.New("rotation: a replacement is under way")

// Secret is one of a ring's.
type Secret struct {
	// ID names it, and is no secret.
	ID string `json:"id"`
	// Text is the secret.
	Text string `json:"text"`
	// From is since when it signs; the zero time of the first one.
	From time.Time `json:"from,omitzero"`
}

// String tells which one it is, not what.
func (s Secret) String() string { return s.ID }

// GoString is as String.
func (s Secret) GoString() string { return s.ID }

// kept is how a ring is stored: oldest first.
type kept struct {
	Secrets []Secret `json:"secrets"`
}

// Ring is the secrets of one kind. Safe for concurrent use.
type Ring struct {
	cfg Config
	now atomic.Pointer[known]
}

type known struct {
	stored  string
	secrets []Secret // oldest first
}

// Open reads the ring, or makes its first secret.
func Open(ctx context.Context, cfg Config) (*Ring, error) {
	if cfg.Store == nil || cfg.Name == "" || cfg.Make == nil || cfg.Life <= 0 {
		return nil, errors.New("rotation: config: Store, Name, Make and Life are required")
	}
	if cfg.Lead == 0 {
		cfg.Lead = defaultLead
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Ring{cfg: cfg}
	found, err := r.look(ctx)
	if err != nil || found {
		return r, err
	}
	first, err := r.made(time.Time{})
	if err != nil {
		return nil, err
	}
	text, err := encode([]Secret{first})
	if err != nil {
		return nil, err
	}
	if text, err = cfg.Store.SetSettingOnce(ctx, cfg.Name, text); err != nil {
		return nil, fmt.Errorf("rotation: %s: %w", cfg.Name, err)
	}
	return r, r.keep(text)
}

func (r *Ring) made(from time.Time) (Secret, error) {
	text, err := r.cfg.Make()
	if err != nil {
		return Secret{}, fmt.Errorf("rotation: make %s: %w", r.cfg.Name, err)
	}
	return Secret{ID: ident.Text("sgn", ident.New()), Text: text, From: from}, nil
}

func encode(secrets []Secret) (string, error) {
	raw, err := json.Marshal(kept{secrets})
	if err != nil {
		return "", fmt.Errorf("rotation: %w", err)
	}
	return string(raw), nil
}

// look reads what is stored.
func (r *Ring) look(ctx context.Context) (found bool, err error) {
	text, found, err := r.cfg.Store.Setting(ctx, r.cfg.Name)
	if err != nil || !found {
		return false, err
	}
	return true, r.keep(text)
}

func (r *Ring) keep(text string) error {
	if before := r.now.Load(); before != nil && before.stored == text {
		return nil
	}
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil || len(k.Secrets) == 0 {
		return fmt.Errorf("rotation: %s: what is stored are no secrets", r.cfg.Name)
	}
	r.now.Store(&known{text, k.Secrets})
	return nil
}

// Secrets are those that are good now: the one that signs first, then the others, the newest first.
func (r *Ring) Secrets() []Secret {
	all, now := r.now.Load().secrets, r.cfg.Now()
	signs := signing(all, now)
	good := []Secret{all[signs]}
	for i, s := range slices.Backward(all) {
		if i != signs && (i > signs || now.Before(r.until(all, i))) {
			good = append(good, s)
		}
	}
	return good
}

// signing is the place of the newest secret whose time has come.
func signing(all []Secret, now time.Time) int {
	for i, s := range slices.Backward(all) {
		if !s.From.After(now) {
			return i
		}
	}
	return 0
}

// until is when the last thing ends that a secret has signed: it signs until the next one does.
func (r *Ring) until(all []Secret, i int) time.Time { return all[i+1].From.Add(r.cfg.Life + skew) }

// State is where a secret stands.
type State struct {
	Secret
	// Signs: it is the one. Otherwise it will from From on or, if Until is set, is good for checking until then.
	Signs bool
	Until time.Time
}

// States lists the secrets that are kept, the newest first.
func (r *Ring) States() (list []State) {
	all, now := r.now.Load().secrets, r.cfg.Now()
	signs := signing(all, now)
	for i, s := range slices.Backward(all) {
		state := State{Secret: s, Signs: i == signs}
		if i < signs {
			if state.Until = r.until(all, i); !now.Before(state.Until) {
				continue
			}
		}
		list = append(list, state)
	}
	return list
}

// Rotate makes a new secret, and returns its id. It signs when every node knows it; what the old one has signed stays good. At
// once, it signs now and nothing else is good any more: for a secret that others know. [ErrUnderWay] while another one
// has yet to sign, unless it is at once.
func (r *Ring) Rotate(ctx context.Context, atOnce bool) (id string, err error) {
	for {
		if _, err := r.look(ctx); err != nil {
			return "", err
		}
		before, now := r.now.Load(), r.cfg.Now()
		next, err := r.made(now.Add(r.cfg.Lead))
		if err != nil {
			return "", err
		}
		var all []Secret
		if atOnce {
			next.From = time.Time{}
		} else {
			signs := signing(before.secrets, now)
			if signs != len(before.secrets)-1 {
				return "", ErrUnderWay
			}
			all = r.left(before.secrets, now)
		}
		text, err := encode(append(all, next))
		if err != nil {
			return "", err
		}
		swapped, err := r.cfg.Store.SwapSetting(ctx, r.cfg.Name, before.stored, text)
		if err != nil {
			return "", fmt.Errorf("rotation: %s: %w", r.cfg.Name, err)
		}
		if swapped {
			return next.ID, r.keep(text)
		}
	}
}

// left is all without those that are good for nothing.
func (r *Ring) left(all []Secret, now time.Time) []Secret {
	signs := signing(all, now)
	var left []Secret
	for i, s := range all {
		if i >= signs || now.Before(r.until(all, i)) {
			left = append(left, s)
		}
	}
	return left
}

// Run hears of what other nodes have done, and forgets secrets that are good for nothing, until ctx ends. failed hears of
// errors of the store; nil hears of none.
func (r *Ring) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.tidy(ctx); err != nil && ctx.Err() == nil && failed != nil {
			failed(err)
		}
	}
}

func (r *Ring) tidy(ctx context.Context) error {
	if _, err := r.look(ctx); err != nil {
		return err
	}
	before := r.now.Load()
	left := r.left(before.secrets, r.cfg.Now())
	if len(left) == len(before.secrets) {
		return nil
	}
	text, err := encode(left)
	if err != nil {
		return err
	}
	swapped, err := r.cfg.Store.SwapSetting(ctx, r.cfg.Name, before.stored, text)
	if err != nil || !swapped {
		return err // another node was faster
	}
	return r.keep(text)
}
