package auth_test

import (
	"testing"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// FuzzVerify looks for tokens that are let in although nobody has signed them, and for what makes the verifier panic.
func FuzzVerify(f *testing.F) {
	login, err := fakelogin.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = login.Close() })
	login.Channel.Publish(channelKey())
	v, err := auth.New(auth.Config{AppID: appID, Cloud: login.Cloud()})
	if err != nil {
		f.Fatal(err)
	}
	good := claims(nil)
	f.Add("Bearer " + channelKey().SignWith(header(map[string]any{"alg": "none"}), good))
	f.Add("Bearer " + otherKey().Sign(good))
	f.Add("bearer e30.e30.e30")
	f.Add("Basic eDp5")
	f.Fuzz(func(t *testing.T, authorization string) {
		if id, err := v.Verify(t.Context(), []string{authorization}, said(nil)); err == nil {
			t.Errorf("%q was let in as %+v", authorization, id)
		}
	})
}
