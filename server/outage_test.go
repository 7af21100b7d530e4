package server_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// TestRotatedKeysRefuseNobody: the channel changes the key that it signs with, twice, while calls come all the time. Each key is
// published before the first token of it comes, and until the last has come.
func TestRotatedKeysRefuseNobody(t *testing.T) {
	t.Parallel()
	b := besiege(t, nil)
	keys := make([]*fakelogin.Key, 3)
	for i := range keys {
		keys[i] = b.named(fmt.Sprint("rotated-", i))
		keys[i].Endorsements = b.forger.Channel.Endorsements
	}
	b.azure.login.Channel.Publish(keys[0])
	var now atomic.Pointer[fakelogin.Key]
	var sent, number atomic.Int64
	var stop atomic.Bool
	now.Store(keys[0])
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for !stop.Load() {
				if status := b.sentWith(now.Load(), fmt.Sprint("load-", number.Add(1))); status/100 != 2 {
					t.Errorf("a valid call is answered %d", status)
				}
				sent.Add(1)
			}
		})
	}
	more := func() {
		from := sent.Load()
		eventually(t, func() string { return "calls come to a halt" }, func() bool { return sent.Load() > from+50 })
	}
	more()
	for i, next := range keys[1:] {
		b.azure.login.Channel.Publish(keys[i], next)
		more()
		now.Store(next)
		more()
	}
	b.azure.login.Channel.Publish(keys[2])
	more()
	stop.Store(true)
	all.Wait()
	if n := b.counted("headsup_auth_refusals_total"); n != 0 {
		t.Errorf("%d of %d calls were refused", n, sent.Load())
	}
	t.Logf("%d calls, keys fetched %+v", sent.Load(), b.azure.login.Channel.Fetches())
}

// TestWithoutTokensNothingIsLost: the place that gives tokens fails in the middle of a broadcast, until the token that there was
// has run out and a while longer. What was to be said is said afterwards, and once.
func TestWithoutTokensNothingIsLost(t *testing.T) {
	t.Parallel()
	const people = 300
	a := newAzure(t)
	channel, err := fakechannel.New(fakechannel.Config{
		TLS: true, RequireToken: true, AppID: azureApp, AppSecret: azureSecret, TokenTime: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.Close() })
	a.channel, a.roots = channel, filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(a.roots, channel.AuthorityPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	b := besiegeAt(t, a, nil)
	for i := range people {
		if status := b.sentWith(b.forger.Channel, fmt.Sprint("person-", i)); status/100 != 2 {
			t.Fatal(status)
		}
	}
	if status, answer := b.api(b.key, http.MethodPost, "/v1/notifications", `{"to":{"everyone":true},"text":"to all"}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	await := func(what string, ok func(r fakechannel.Report) bool) {
		t.Helper()
		if err := channel.Ledger().AwaitFunc(ctx, ok); err != nil {
			t.Fatalf("%s: %v; %+v", what, err, channel.Report())
		}
	}
	await("the broadcast does not begin", func(r fakechannel.Report) bool { return r.Distinct >= 20 })
	if err := channel.SetRules(fakechannel.Rule{Op: fakechannel.OpToken, Status: http.StatusServiceUnavailable}); err != nil {
		t.Fatal(err)
	}
	await("nobody asks for a token", func(r fakechannel.Report) bool { return r.Faults[fakechannel.Answer] >= 3 })
	during := channel.Report().Distinct
	if err := channel.SetRules(); err != nil {
		t.Fatal(err)
	}
	await("not all is said", func(r fakechannel.Report) bool { return r.Distinct >= people })
	if r := channel.Report(); r.Messages != people || r.Duplicates != 0 {
		t.Errorf("said %d, of which %d twice", r.Messages, r.Duplicates)
	}
	if during >= people {
		t.Error("all was said before; nothing is shown by this")
	}
	t.Logf("%d were said when tokens were given again; %d calls came with a token that had run out", during, channel.Report().Unauthorized)
}
