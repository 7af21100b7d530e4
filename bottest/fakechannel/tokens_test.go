package fakechannel_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

func TestTokensLetInUntilTheyAreRevoked(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{RequireToken: true, AppID: "app", AppSecret: "secret"})
	client := clientOf(t, s, true)
	ask := func(form url.Values) (status int, token string) {
		t.Helper()
		resp, err := client.PostForm(s.TokenURL("botframework.com"), form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			Type    string `json:"token_type"`
			Token   string `json:"access_token"`
			Expires int    `json:"expires_in"`
		}
		if err := json.UnmarshalRead(resp.Body, &answer); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == http.StatusOK && (answer.Type != "Bearer" || answer.Expires != 3600) {
			t.Errorf("answer %+v", answer)
		}
		return resp.StatusCode, answer.Token
	}
	good := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"https://api.botframework.com/.default"},
		"client_id": {"app"}, "client_secret": {"secret"},
	}
	for name, want := range map[string]int{"grant_type": 400, "scope": 400, "client_id": 400, "client_secret": 401} {
		bad := url.Values{}
		for k, v := range good {
			bad[k] = v
		}
		bad.Set(name, "")
		if status, _ := ask(bad); status != want {
			t.Errorf("without %s: status %d", name, status)
		}
	}
	status, token := ask(good)
	if status != 200 || !strings.HasPrefix(token, fakechannel.TokenMark) {
		t.Fatalf("status %d, token %q", status, token)
	}
	send := func(token string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v3/conversations/c/activities", strings.NewReader(`{"type":"message","text":"hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if a, b, c := send(""), send("other"), send(token); a != 401 || b != 401 || c != 201 {
		t.Error(a, b, c)
	}
	s.Revoke()
	if status := send(token); status != 401 {
		t.Errorf("status %d with a revoked token", status)
	}
	if r := s.Report(); r.Tokens != 1 || r.Unauthorized != 3 || r.Messages != 1 {
		t.Errorf("report %+v", r)
	}
	if err := s.SetRules(fakechannel.Rule{Op: fakechannel.OpToken, Status: 503}); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(good); status != 503 {
		t.Errorf("status %d of a token endpoint that is down", status)
	}
}

func TestTokensOfTheChannelAreSignedWithThePublishedKey(t *testing.T) {
	t.Parallel()
	s := open(t, fakechannel.Config{})
	client := clientOf(t, s, true)
	get := func(url string, into any) {
		t.Helper()
		status, _, body, err := do(t.Context(), t, client, http.MethodGet, url, "")
		if err != nil || status != 200 {
			t.Fatal(status, err)
		}
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}
	check := func(token string) bool {
		t.Helper()
		var metadata struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		get(s.MetadataURL(), &metadata)
		var set struct {
			Keys []struct {
				ID           string   `json:"kid"`
				N            string   `json:"n"`
				E            string   `json:"e"`
				Endorsements []string `json:"endorsements"`
			} `json:"keys"`
		}
		get(metadata.Keys, &set)
		if metadata.Issuer != fakechannel.ChannelIssuer || len(set.Keys) != 1 || len(set.Keys[0].Endorsements) == 0 {
			t.Fatalf("metadata %+v, keys %+v", metadata, set)
		}
		number := func(text string) *big.Int {
			b, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			return new(big.Int).SetBytes(b)
		}
		key := &rsa.PublicKey{N: number(set.Keys[0].N), E: int(number(set.Keys[0].E).Int64())}
		signed, signature, _ := strings.Cut(token[strings.Index(token, ".")+1:], ".")
		signed = token[:strings.Index(token, ".")+1] + signed
		raw, err := base64.RawURLEncoding.DecodeString(signature)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(signed))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
	}
	token, err := s.Token("app", s.ServiceURL("t"))
	if err != nil {
		t.Fatal(err)
	}
	if !check(token) {
		t.Error("the signature is not that of the published key")
	}
	if err := s.RotateKey(); err != nil {
		t.Fatal(err)
	}
	if check(token) {
		t.Error("the key was not replaced")
	}
}
