package credential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/headsup-bot/headsup/internal/backoff"
)

const (
	fetchTime = 10 * time.Second
	// Another token is fetched when so much is left of one, or a tenth of its life if that is less.
	early = 5 * time.Minute
	// settled is how long a token has to be used before its refusal is news: tokens that are refused as soon as they are
	// fetched are wrong, and new ones will be as well.
	settled = 5 * time.Minute
)

// retries is how long to wait before the next fetch after one that failed, or whose token was refused.
var retries = backoff.Policy{Base: 2 * time.Second, Min: time.Second, Max: time.Minute}

// ErrRefused: the service that tokens are for has refused those that were just fetched. Others are fetched now and then.
var ErrRefused = errors.New("credential: the tokens are refused by the service that they are for")

// Source keeps a token. Make it with [New]; safe for concurrent use.
type Source struct {
	cfg     Config
	ask     func(ctx context.Context) (azcore.AccessToken, error)
	changed chan struct{} // has room for one: when the next fetch is due may have changed

	mu        sync.Mutex // guards all below
	token     string     // empty if there is none
	expires   time.Time
	refreshAt time.Time
	fetchedAt time.Time
	failures  int       // fetches in a row that failed
	refusals  int       // tokens in a row that were refused as soon as they were used
	retryAt   time.Time // no fetch before
	err       error     // of the last fetch
	flight    chan struct{}
}

// Token returns a token that is good for a while. Whoever needs one while there is none waits for it, all of them for the same;
// the error is an [*Error] if Entra gives none, [ErrRefused], or that of ctx.
func (s *Source) Token(ctx context.Context) (string, error) {
	token, wait, err := s.look()
	if wait == nil {
		return token, err
	}
	select {
	case <-wait:
	case <-ctx.Done():
		return "", fmt.Errorf("credential: wait for a token: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.problem()
}

// look returns the token that there is, or what to wait for.
func (s *Source) look() (token string, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.token != "" && !now.Before(s.expires) {
		s.token = ""
	}
	due := (s.token == "" || !now.Before(s.refreshAt)) && !now.Before(s.retryAt)
	if due && s.flight == nil {
		s.fetch()
	}
	if s.token == "" && s.flight != nil {
		return "", s.flight, nil
	}
	return s.token, nil, s.problem()
}

// problem is why there is no token; nil if there is one. s.mu is held.
func (s *Source) problem() error {
	switch {
	case s.token != "":
		return nil
	case s.err != nil:
		return s.err
	}
	return ErrRefused
}

// fetch begins to fetch a token, whoever waits for it. s.mu is held.
func (s *Source) fetch() {
	landed := make(chan struct{})
	s.flight = landed
	go func() {
		defer close(landed)
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		got, err := s.ask(ctx)
		if err == nil && got.Token == "" {
			err = errors.New("the answer has no token")
		}
		s.keep(got, err)
	}()
}

func (s *Source) keep(got azcore.AccessToken, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tell()
	s.flight = nil
	now := s.cfg.Now()
	if err != nil {
		s.failures++
		s.retryAt = now.Add(retries.Wait(s.failures))
		failed := explain(err)
		s.err = failed
		s.cfg.Logger.Warn("no token was fetched", "code", failed.Code, "error", failed.Error(), "failures", s.failures, "token_kept", s.token != "")
		return
	}
	s.token, s.expires, s.fetchedAt, s.err, s.retryAt = got.Token, got.ExpiresOn, now, nil, time.Time{}
	s.refreshAt = refreshAt(now, got.ExpiresOn)
	if s.failures > 0 {
		s.cfg.Logger.Info("a token was fetched", "after_failures", s.failures)
	}
	s.failures = 0
}

// refreshAt is when to fetch the next token. Many servers that were started together do not all come at once.
func refreshAt(now, expires time.Time) time.Time {
	before := min(early, expires.Sub(now)/10)
	if before <= 0 {
		return expires
	}
	return expires.Add(-before - rand.N(before))
}

// Invalidate says that the service which a token is for has refused it. It is not returned again, and another one is fetched
// at once, unless the one before was refused just as soon: then after a while that grows, since tokens of such a kind are of no
// use, and Entra stops answering those who ask too often.
func (s *Source) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == "" || token != s.token {
		return
	}
	s.token, s.err = "", nil
	now := s.cfg.Now()
	if now.Sub(s.fetchedAt) >= settled {
		s.refusals = 0
	} else if s.refusals++; s.refusals > 1 {
		s.retryAt = now.Add(retries.Wait(s.refusals - 1))
	}
	s.tell()
}

// tell has Run look again. s.mu is held.
func (s *Source) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run fetches tokens before they are needed, until ctx ends. Without it the first who need one wait.
func (s *Source) Run(ctx context.Context) {
	for {
		timer := time.NewTimer(s.next())
		select {
		case <-timer.C:
		case <-s.changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// next fetches a token if one is due, and returns how long nothing has to be done.
func (s *Source) next() time.Duration {
	const idle = time.Hour
	_, _, _ = s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return idle // its end tells
	}
	at := s.retryAt
	if s.token != "" && s.refreshAt.After(at) {
		at = s.refreshAt
	}
	return max(time.Millisecond, min(idle, at.Sub(s.cfg.Now())))
}

// Status is how a source is doing.
type Status struct {
	// Expires is when the token that there is ends; zero without one.
	Expires time.Time
	// Err is why the last fetch failed; nil if it did not.
	Err error
}

// Status says how the source is doing.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" {
		return Status{Err: s.err}
	}
	return Status{Expires: s.expires, Err: s.err}
}
