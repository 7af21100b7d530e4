package auth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// TestRefreshForgetsWithdrawnKeysAtOnce (J17): also a moment after keys were fetched, and after a fetch that failed.
func TestRefreshForgetsWithdrawnKeysAtOnce(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	next := newKey("channel-2")
	w.login.Channel.Publish(next)
	if err := w.try(t, channelKey()); err != nil {
		t.Errorf("before anybody asks for it: %v", err)
	}
	w.login.Channel.Answer(serve(http.StatusBadGateway, "no"), nil)
	if all := w.Refresh(t.Context()); len(all) != 1 || all[0].Err == nil || all[0].Keys == 0 {
		t.Errorf("with the issuer away: %+v", all)
	}
	if err := w.try(t, channelKey()); err != nil {
		t.Errorf("with the issuer away: %v", err)
	}
	w.login.Channel.Answer(nil, nil)
	all := w.Refresh(t.Context())
	if len(all) != 1 || all[0].Err != nil || all[0].Keys != 1 || all[0].Entra || all[0].Metadata != w.login.Cloud().ChannelMetadata {
		t.Errorf("refreshed %+v", all)
	}
	if err := w.try(t, channelKey()); status(t, err) != http.StatusUnauthorized {
		t.Errorf("a key that was withdrawn: %v", err)
	}
	if err := w.try(t, next); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// TestRefreshThatFailedIsTriedAgain with the next calls, when the pause after the failure is over.
func TestRefreshThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	if err := w.try(t, channelKey()); err != nil {
		t.Fatal(err)
	}
	w.login.Channel.Publish(newKey("channel-2"))
	w.login.Channel.Answer(serve(http.StatusBadGateway, "no"), nil)
	w.Refresh(t.Context())
	w.login.Channel.Answer(nil, nil)
	w.clock.advance(time.Minute)
	settles(t, "the key that was withdrawn is refused", func() bool { return w.try(t, channelKey()) != nil })
}

// TestRefreshDoesNotRestOnAFetchThatBeganBefore: what that reads may be from before the key was withdrawn.
func TestRefreshDoesNotRestOnAFetchThatBeganBefore(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	w.login.Channel.Answer(nil, func(rw http.ResponseWriter, r *http.Request) {
		close(asked)
		<-goOn
		fakelogin.JSON(map[string]any{"keys": []any{channelKey().Published()}})(rw, r) // as it was when it was asked for
	})
	let := make(chan error, 1)
	go func() { let <- w.try(t, channelKey()) }()
	<-asked
	w.login.Channel.Answer(nil, nil)
	w.login.Channel.Publish(newKey("channel-2"))
	done := make(chan []auth.Published, 1)
	go func() { done <- w.Refresh(t.Context()) }()
	close(goOn)
	t.Log(<-let) // in by the keys of before, or not by those of after
	if all := <-done; len(all) != 1 || all[0].Err != nil {
		t.Errorf("refreshed %+v", all)
	}
	if err := w.try(t, channelKey()); status(t, err) != http.StatusUnauthorized {
		t.Errorf("a key that was withdrawn: %v", err)
	}
}

// TestBotsKeysAreRefreshed on the channel's side.
func TestBotsKeysAreRefreshed(t *testing.T) {
	t.Parallel()
	login := newLogin(t)
	entra := newKey("entra-1")
	login.Entra.Publish(entra)
	bots, err := auth.NewBots(auth.BotsConfig{Apps: []string{appID}, Tenants: []string{tenant}, Cloud: login.Cloud()})
	if err != nil {
		t.Fatal(err)
	}
	all := bots.Refresh(t.Context())
	if len(all) != 1 || all[0].Err != nil || all[0].Keys != 1 || !all[0].Entra {
		t.Errorf("refreshed %+v", all)
	}
	if n := login.Channel.Fetches(); n != (fakelogin.Fetches{}) {
		t.Errorf("the channels' keys were fetched, too: %+v", n)
	}
}
