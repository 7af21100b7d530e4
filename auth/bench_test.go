package auth_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

// BenchmarkVerify is a token of a channel, the keys being known.
func BenchmarkVerify(b *testing.B) {
	login, err := fakelogin.New()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = login.Close() }()
	login.Channel.Publish(channelKey())
	v, err := auth.New(auth.Config{AppID: appID, Cloud: login.Cloud()})
	if err != nil {
		b.Fatal(err)
	}
	header, a := bearer(channelKey().Sign(claims(nil))), said(nil)
	for b.Loop() {
		if _, err := v.Verify(b.Context(), header, a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareSignature is what no verifier can do without: RS256 of the same token.
func BenchmarkBareSignature(b *testing.B) {
	token := channelKey().Sign(claims(nil))
	dot := strings.LastIndexByte(token, '.')
	for b.Loop() {
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256([]byte(token[:dot]))
		if err := rsa.VerifyPKCS1v15(&channelKey().Private.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
