package credential_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/credential"
)

const appID, secret, tenant = "2f7c1e0a-9d3b-4c55-8a10-b5d7f0e61234", "S3cret~value", "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"

// clock is moved by hand.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

type rig struct {
	*credential.Source
	entra *fakechannel.Server
	clock *clock
}

func newRig(t *testing.T, change func(*credential.Config)) rig {
	t.Helper()
	r := rig{clock: new(clock)}
	var err error
	if r.entra, err = fakechannel.New(fakechannel.Config{TLS: true, AppID: appID, AppSecret: secret, TokenTime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.entra.Close() })
	cfg := credential.Config{
		AppID: appID, Tenant: tenant, Proof: credential.Secret(secret), RootCAs: r.entra.RootCAs(), AllowLoopback: true,
		Cloud: credential.Cloud{Login: r.entra.URL() + "/", Scope: "https://api.botframework.com/.default"}, Now: r.clock.now,
	}
	if change != nil {
		change(&cfg)
	}
	if r.Source, err = credential.New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r rig) token(t *testing.T) string {
	t.Helper()
	token, err := r.Token(t.Context())
	if err != nil || !strings.HasPrefix(token, fakechannel.TokenMark) {
		t.Fatalf("%q, %v", token, err)
	}
	return token
}

func (r rig) rules(t *testing.T, list ...fakechannel.Rule) {
	t.Helper()
	if err := r.entra.SetRules(list...); err != nil {
		t.Fatal(err)
	}
}

func (r rig) asked() int64 { return int64(r.entra.Report().Tokens) }

// TestManyWhoWaitShareOneFetch, and keep its token.
func TestManyWhoWaitShareOneFetch(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.token(t)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if token, err := r.Token(t.Context()); token != first || err != nil {
				t.Errorf("%q, %v", token, err)
			}
		})
	}
	all.Wait()
	fresh := newRig(t, nil)
	for range 100 {
		all.Go(func() { _, _ = fresh.Token(t.Context()) })
	}
	all.Wait()
	if r.asked() != 1 || fresh.asked() != 1 {
		t.Errorf("%d and %d tokens were asked for", r.asked(), fresh.asked())
	}
}

// TestTokensAreReplacedBeforeTheyEnd: nobody waits for it, and nothing is sent with one that has ended.
func TestTokensAreReplacedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.token(t)
	r.clock.advance(49 * time.Minute)
	if r.token(t) != first || r.asked() != 1 {
		t.Error("it was replaced too early")
	}
	r.clock.advance(6*time.Minute + 30*time.Second)
	if r.token(t) != first {
		t.Error("somebody waited for the next one")
	}
	settles(t, func() bool { return r.token(t) != first })
	r.clock.advance(2 * time.Hour)
	second := r.token(t) // there is none, so it waits
	if second == first || r.asked() != 3 {
		t.Errorf("after %d tokens it is %q", r.asked(), second)
	}
}

func settles(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
	}
}

// TestATokenOutlivesAnOutage of the place that it comes from, and nobody hammers that.
func TestATokenOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.token(t)
	r.rules(t, fakechannel.Rule{Op: fakechannel.OpToken, Do: fakechannel.Answer, Status: 503})
	r.clock.advance(56 * time.Minute)
	for range 100 {
		if r.token(t) != first {
			t.Fatal("the token was given up before its end")
		}
	}
	r.clock.advance(10 * time.Minute)
	for range 100 {
		if token, err := r.Token(t.Context()); err == nil {
			t.Fatalf("%q is a token that has ended", token)
		}
	}
	if n := r.entra.Report().Faults[fakechannel.Answer]; n < 1 || n > 4 {
		t.Errorf("in the outage tokens were asked for %d times", n)
	}
	r.rules(t)
	r.clock.advance(2 * time.Minute)
	if r.token(t) == first {
		t.Error("the old token came back")
	}
}

func TestRefusedTokensAreReplacedOnceAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.token(t)
	r.Invalidate("another")
	if r.token(t) != first {
		t.Error("somebody else's token was taken away")
	}
	r.Invalidate(first)
	r.Invalidate(first)
	second := r.token(t)
	if second == first {
		t.Error("the refused one came back")
	}
	r.Invalidate(second)
	if _, err := r.Token(t.Context()); !errors.Is(err, credential.ErrRefused) {
		t.Errorf("after two refusals: %v", err)
	}
	r.clock.advance(5 * time.Second)
	third := r.token(t)
	r.clock.advance(10 * time.Minute)
	r.Invalidate(third)
	if r.token(t) == third {
		t.Error("one that was good for minutes is replaced at once")
	}
}

func TestRunHasATokenReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	settles(t, func() bool { return !r.Status().Expires.IsZero() })
	first := r.token(t)
	r.Invalidate(first)
	settles(t, func() bool { return !r.Status().Expires.IsZero() })
	if r.token(t) == first || r.asked() != 2 {
		t.Errorf("%d tokens were asked for", r.asked())
	}
	stop()
	<-done
}

// TestWhatEntraSaysIsExplained, and no secret with it.
func TestWhatEntraSaysIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*credential.Config)
		code   string
		advice string
	}{
		"wrong secret": {func(c *credential.Config) { c.Proof = credential.Secret("Wr0ng~secret") }, "AADSTS7000215", "value, not its id"},
		"wrong app":    {func(c *credential.Config) { c.AppID = tenant }, "AADSTS700016", "not known in this tenant"},
	} {
		r := newRig(t, c.change)
		_, err := r.Token(t.Context())
		failed, ok := errors.AsType[*credential.Error](err)
		if !ok || failed.Code != c.code || !strings.Contains(failed.Error(), c.advice) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(err.Error(), "Wr0ng") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v has the secret", name, err)
		}
		if _, err := r.Token(t.Context()); err == nil {
			t.Errorf("%s: there is a token", name)
		}
	}
	r := newRig(t, nil)
	r.rules(t, fakechannel.Rule{Op: fakechannel.OpToken, Do: fakechannel.Answer, Status: http.StatusBadGateway})
	if _, err := r.Token(t.Context()); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("an outage: %v", err)
	}
}

func TestProofsOfOtherKinds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("somebody.elses.token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pair := newCertificate(t)
	cert, err := credential.Certificate(pair, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, proof := range map[string]credential.Proof{"token file": credential.TokenFile(file), "certificate": cert} {
		r := newRig(t, func(c *credential.Config) { c.Proof = proof })
		if r.token(t); r.asked() != 1 {
			t.Errorf("%s: %d tokens were asked for", name, r.asked())
		}
	}
	r := newRig(t, func(c *credential.Config) { c.Proof = credential.TokenFile(file + ".none") })
	if _, err := r.Token(t.Context()); err == nil {
		t.Error("a token without a file")
	}
	if _, err := credential.Certificate([]byte("nonsense"), nil, false); err == nil {
		t.Error("nonsense is a certificate")
	}
}

func TestMistakesInConfigurationAreNamed(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]credential.Config{
		"AppID":       {Proof: credential.Secret("x")},
		"Proof":       {AppID: appID},
		"Cloud.Login": {AppID: appID, Proof: credential.Secret("x"), Cloud: credential.Cloud{Login: "http://login.example/", Scope: "x"}},
		"Cloud.Scope": {AppID: appID, Proof: credential.Secret("x"), Cloud: credential.Cloud{Login: "https://login.example/"}},
		"Tenant":      {AppID: appID, Proof: credential.Secret("x"), Cloud: credential.ChinaCloud},
		"secret":      {AppID: appID, Tenant: tenant, Proof: credential.Secret("")},
		"tenant":      {AppID: appID, Tenant: "a tenant?", Proof: credential.Secret("x")},
	} {
		if _, err := credential.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestWhyEntraIsNotReachedIsInOneLine(t *testing.T) {
	t.Parallel()
	for cause, want := range map[string]string{
		"unable to resolve an endpoint: server response error:\n dial tcp 192.0.2.1:443: connect: refused": "unable to resolve an endpoint: server response error: dial tcp 192.0.2.1:443: connect: refused",
		"first:\n\n second:\n third\nfourth": "first: second: third",
		"only this\nand a whole answer":      "only this",
		"nothing follows:\n":                 "nothing follows:",
	} {
		err := &credential.Error{Err: errors.New(cause)}
		if got := err.Error(); got != "credential: no token: "+want {
			t.Errorf("%q", got)
		}
	}
}
