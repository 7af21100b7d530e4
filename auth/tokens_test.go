package auth_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest/fakelogin"
)

const (
	appID   = "2f7c1e0a-9d3b-4c55-8a10-b5d7f0e61234"
	service = "https://smba.trafficmanager.net/teams/"
	tenant  = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"
	agent   = "7e57ab1e-0000-4000-8000-00000000a9e7"
)

// Keys take long to make, and nothing changes them.
var (
	channelKey = sync.OnceValue(func() *fakelogin.Key { return fakelogin.NewKey("channel-1", "msteams", "webchat") })
	entraKey   = sync.OnceValue(func() *fakelogin.Key { return fakelogin.NewKey("entra-1") })
	otherKey   = sync.OnceValue(func() *fakelogin.Key { return fakelogin.NewKey("channel-1", "msteams", "webchat") })
	barrenKey  = sync.OnceValue(func() *fakelogin.Key { return fakelogin.NewKey("barren") })
)

func newLogin(t *testing.T) *fakelogin.Server {
	t.Helper()
	login, err := fakelogin.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = login.Close() })
	login.Channel.Publish(channelKey(), barrenKey())
	login.Entra.Publish(entraKey())
	return login
}

func newTokens(t *testing.T, login *fakelogin.Server, change func(*auth.Config)) *auth.Tokens {
	t.Helper()
	cfg := auth.Config{AppID: appID, Cloud: login.Cloud()}
	if change != nil {
		change(&cfg)
	}
	v, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// said is an activity as Teams sends it.
func said(change func(*activity.Activity)) *activity.Activity {
	a := activity.Message("hi")
	a.ChannelID, a.ServiceURL = activity.ChannelTeams, service
	a.Conversation = &activity.ConversationAccount{ID: "a:1", TenantID: tenant}
	a.ChannelData = []byte(`{"tenant":{"id":"` + tenant + `"}}`)
	if change != nil {
		change(a)
	}
	return a
}

// claims are those of a good token of a channel, with some replaced; a nil one is left out.
func claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	return with(map[string]any{
		"iss": "https://api.botframework.com", "aud": appID, "serviceurl": service, "nbf": now, "iat": now, "exp": now + 3600,
	}, changes)
}

// entraClaims are those of a good token of version 2.0 that an agent has got from Entra.
func entraClaims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	return with(map[string]any{
		"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "aud": appID, "tid": tenant, "ver": "2.0", "azp": agent,
		"nbf": now, "iat": now, "exp": now + 3600,
	}, changes)
}

func with(m, changes map[string]any) map[string]any {
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func header(changes map[string]any) map[string]any {
	return with(map[string]any{"alg": "RS256", "typ": "JWT", "kid": channelKey().ID}, changes)
}

func bearer(token string) []string { return []string{"Bearer " + token} }

// status is what a caller is answered for an error; 0 if there is none.
func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	refused, ok := errors.AsType[*auth.Error](err)
	if !ok {
		t.Fatalf("%v is no refusal", err)
	}
	return refused.Status
}

func TestChannelWithAGoodTokenIsLetIn(t *testing.T) {
	t.Parallel()
	v := newTokens(t, newLogin(t), nil)
	for name, c := range map[string]struct {
		header []string
		a      *activity.Activity
	}{
		"as it is":                  {bearer(channelKey().Sign(claims(nil))), said(nil)},
		"scheme in lower case":      {[]string{"bearer " + channelKey().Sign(claims(nil))}, said(nil)},
		"app id in upper case":      {bearer(channelKey().Sign(claims(map[string]any{"aud": strings.ToUpper(appID)}))), said(nil)},
		"audience in a list of one": {bearer(channelKey().Sign(claims(map[string]any{"aud": []string{appID}}))), said(nil)},
		"no type":                   {bearer(channelKey().SignWith(header(map[string]any{"typ": nil}), claims(nil))), said(nil)},
		"thumbprint in the header":  {bearer(channelKey().SignWith(header(map[string]any{"x5t": "abc"}), claims(nil))), said(nil)},
		"another channel": {
			bearer(channelKey().Sign(claims(map[string]any{"serviceurl": "https://webchat.botframework.com/"}))),
			said(func(a *activity.Activity) {
				a.ChannelID, a.ServiceURL = activity.ChannelWebChat, "https://webchat.botframework.com/"
			}),
		},
		"host in another case, no slash at the end": {
			bearer(channelKey().Sign(claims(map[string]any{"serviceurl": "https://SMBA.trafficmanager.net/teams"}))), said(nil),
		},
		"claims that nobody asks for": {
			bearer(channelKey().Sign(claims(map[string]any{"roles": []string{"x"}, "uti": "1"}))), said(nil),
		},
	} {
		id, err := v.Verify(t.Context(), c.header, c.a)
		if err != nil || id.Kind != auth.KindChannel || !id.Verified() || id.ServiceURL == "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// TestCallersAreRefused has the rows J01 to J51 of the attacks on a bot's endpoint, and what is near them.
func TestCallersAreRefused(t *testing.T) {
	t.Parallel()
	login := newLogin(t)
	v := newTokens(t, login, nil)
	good := channelKey().Sign(claims(nil))
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	sign := func(changes map[string]any) []string { return bearer(channelKey().Sign(claims(changes))) }
	head := func(changes map[string]any) []string {
		return bearer(channelKey().SignWith(header(changes), claims(nil)))
	}
	raw := func(claims string) []string { return bearer(channelKey().SignWith(header(nil), claims)) }
	body := func(change func(*activity.Activity)) *activity.Activity { return said(change) }
	urls := func(claim string) []string { return sign(map[string]any{"serviceurl": claim}) }
	ourKey := x509.MarshalPKCS1PublicKey(&channelKey().Private.PublicKey)
	spki, err := x509.MarshalPKIXPublicKey(&channelKey().Private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}

	type attack struct {
		header []string
		a      *activity.Activity
		status int
	}
	cases := map[string]attack{
		"J01 no header":          {header: nil, status: 401},
		"J02 nothing":            {header: []string{"Bearer"}, status: 401},
		"J02 empty":              {header: []string{"Bearer "}, status: 401},
		"J02 only spaces":        {header: []string{"Bearer   "}, status: 401},
		"J02 two spaces":         {header: []string{"Bearer  " + good}, status: 401},
		"J02 comma":              {header: []string{"Bearer " + good + ","}, status: 401},
		"J03 no scheme":          {header: []string{good}, status: 401},
		"J03 basic":              {header: []string{"Basic " + good}, status: 401},
		"J04 two headers":        {header: []string{"Bearer " + good, "Bearer " + good}, status: 401},
		"J04 folded":             {header: []string{"Bearer " + good[:20] + "\r\n " + good[20:]}, status: 401},
		"J06 one part":           {header: bearer("abc"), status: 401},
		"J06 two parts":          {header: bearer(good[:strings.LastIndex(good, ".")]), status: 401},
		"J06 four parts":         {header: bearer(good + ".x"), status: 401},
		"J06 dots":               {header: bearer(strings.Repeat(".", 100_000)), status: 401},
		"J07 encrypted":          {header: bearer("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"), status: 401},
		"J07 compressed":         {header: head(map[string]any{"zip": "DEF"}), status: 401},
		"J07 encryption":         {header: head(map[string]any{"enc": "A256GCM"}), status: 401},
		"J08 9 kB":               {header: sign(map[string]any{"pad": strings.Repeat("x", 9<<10)}), status: 401},
		"J08 1 MB":               {header: sign(map[string]any{"pad": strings.Repeat("x", 1<<20)}), status: 401},
		"J09 number":             {header: head(map[string]any{"alg": 256}), status: 401},
		"J09 missing":            {header: head(map[string]any{"alg": nil}), status: 401},
		"J11 another key":        {header: bearer(otherKey().Sign(claims(nil))), status: 401},
		"J13 signature":          {header: bearer(flipped(good, len(good)-10)), status: 401},
		"J13 claims":             {header: bearer(flipped(good, strings.Index(good, ".")+30)), status: 401},
		"J13 no signature":       {header: bearer(good[:strings.LastIndex(good, ".")+1]), status: 401},
		"J14 trailing bits":      {header: bearer(trailing(good)), status: 401},
		"J14 padding":            {header: bearer(good + "=="), status: 401},
		"J14 newline":            {header: bearer(good[:len(good)-5] + "\n" + good[len(good)-5:]), status: 401},
		"J15 no kid":             {header: head(map[string]any{"kid": nil}), status: 401},
		"J15 unknown kid":        {header: head(map[string]any{"kid": "nobody"}), status: 401},
		"J19 path":               {header: head(map[string]any{"kid": "../../etc/passwd"}), status: 401},
		"J19 quotes":             {header: head(map[string]any{"kid": "' OR 1=1"}), status: 401},
		"J19 line":               {header: head(map[string]any{"kid": "a\r\nb\x1b[31m"}), status: 401},
		"J19 long":               {header: head(map[string]any{"kid": strings.Repeat("k", 5<<10)}), status: 401},
		"J20 number":             {header: head(map[string]any{"kid": 1}), status: 401},
		"J20 list":               {header: head(map[string]any{"kid": []string{channelKey().ID}}), status: 401},
		"J20 twice":              {header: bearer(channelKey().SignWith(`{"alg":"RS256","kid":"x","kid":"channel-1"}`, claims(nil))), status: 401},
		"J21 jku":                {header: head(map[string]any{"jku": login.Cloud().EntraMetadata}), status: 401},
		"J21 x5u":                {header: head(map[string]any{"x5u": login.Cloud().EntraMetadata}), status: 401},
		"J21 jwk":                {header: bearer(otherKey().SignWith(header(map[string]any{"jwk": otherKey().Published()}), claims(nil))), status: 401},
		"J21 x5c":                {header: head(map[string]any{"x5c": []string{"MIIB"}}), status: 401},
		"J22 crit":               {header: head(map[string]any{"crit": []string{"b64"}, "b64": false}), status: 401},
		"J22 unknown crit":       {header: head(map[string]any{"crit": []string{"x"}, "x": 1}), status: 401},
		"J22 b64":                {header: head(map[string]any{"b64": false}), status: 401},
		"J23 cty":                {header: head(map[string]any{"cty": "JWT"}), status: 401},
		"J24 no issuer":          {header: sign(map[string]any{"iss": nil}), status: 401},
		"J24 list":               {header: sign(map[string]any{"iss": []string{"https://api.botframework.com"}}), status: 401},
		"J24 slash":              {header: sign(map[string]any{"iss": "https://api.botframework.com/"}), status: 401},
		"J24 case":               {header: sign(map[string]any{"iss": "https://API.botframework.com"}), status: 401},
		"J24 look-alike":         {header: sign(map[string]any{"iss": "https://api.botframew\u043erk.com"}), status: 401},
		"J24 government":         {header: sign(map[string]any{"iss": "https://api.botframework.us"}), status: 401},
		"J25 Entra's key":        {header: bearer(entraKey().Sign(claims(nil))), status: 401},
		"J26 no audience":        {header: sign(map[string]any{"aud": nil}), status: 401},
		"J26 empty":              {header: sign(map[string]any{"aud": ""}), status: 401},
		"J26 another app":        {header: sign(map[string]any{"aud": agent}), status: 401},
		"J26 prefix":             {header: sign(map[string]any{"aud": appID[:30]}), status: 401},
		"J26 suffix":             {header: sign(map[string]any{"aud": appID + "0"}), status: 401},
		"J27 others too":         {header: sign(map[string]any{"aud": []string{agent, appID}}), status: 401},
		"J27 empty list":         {header: sign(map[string]any{"aud": []string{}}), status: 401},
		"J27 object":             {header: sign(map[string]any{"aud": map[string]any{"x": appID}}), status: 401},
		"J27 number":             {header: sign(map[string]any{"aud": 7}), status: 401},
		"J27 twice":              {header: raw(`{"iss":"https://api.botframework.com","aud":"x","aud":"` + appID + `","exp":` + fmt.Sprint(at(time.Hour)) + `}`), status: 401},
		"J28 our own, sent back": {header: bearer(entraKey().Sign(entraClaims(map[string]any{"aud": "https://api.botframework.com", "azp": appID}))), status: 401},
		"J30 no expiry":          {header: sign(map[string]any{"exp": nil}), status: 401},
		"J30 zero":               {header: sign(map[string]any{"exp": 0}), status: 401},
		"J30 null":               {header: raw(`{"iss":"https://api.botframework.com","aud":"` + appID + `","exp":null}`), status: 401},
		"J31 too late":           {header: sign(map[string]any{"exp": at(-5*time.Minute - 2*time.Second)}), status: 401},
		"J31 ten years":          {header: sign(map[string]any{"exp": at(10 * 365 * 24 * time.Hour)}), status: 401},
		"J32 string":             {header: sign(map[string]any{"exp": fmt.Sprint(at(time.Hour))}), status: 401},
		"J32 fraction":           {header: sign(map[string]any{"exp": float64(at(time.Hour)) + 0.5}), status: 401},
		"J32 large":              {header: sign(map[string]any{"exp": 1e300}), status: 401},
		"J32 negative":           {header: sign(map[string]any{"exp": -1}), status: 401},
		"J32 beyond":             {header: sign(map[string]any{"exp": uint64(math.MaxInt64) + 1}), status: 401},
		"J32 NaN":                {header: raw(`{"iss":"https://api.botframework.com","aud":"` + appID + `","exp":NaN}`), status: 401},
		"J33 too early":          {header: sign(map[string]any{"nbf": at(5*time.Minute + 20*time.Second)}), status: 401},
		"J33 string":             {header: sign(map[string]any{"nbf": "1"}), status: 401},
		"J34 from the future":    {header: sign(map[string]any{"iat": at(48 * time.Hour)}), status: 401},
		"J35 no service URL":     {header: sign(map[string]any{"serviceurl": nil}), status: 403},
		"J36 host":               {header: urls("https://evil.example/teams/"), status: 403},
		"J36 scheme":             {header: urls("http://smba.trafficmanager.net/teams/"), status: 403},
		"J36 port":               {header: urls("https://smba.trafficmanager.net:8443/teams/"), status: 403},
		"J36 path":               {header: urls("https://smba.trafficmanager.net/amer/"), status: 403},
		"J36 case of the path":   {header: urls("https://smba.trafficmanager.net/Teams/"), status: 403},
		"J36 user":               {header: urls("https://x@smba.trafficmanager.net/teams/"), status: 403},
		"J36 query":              {header: urls("https://smba.trafficmanager.net/teams/?x"), status: 403},
		"J37 two claims":         {header: sign(map[string]any{"serviceUrl": "https://evil.example/"}), status: 403},
		"J37 two audiences":      {header: sign(map[string]any{"AUD": agent}), status: 401},
		"J39 no service URL in the activity": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ServiceURL = "" }), status: 400,
		},
		"J40 not endorsed": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ChannelID = activity.ChannelSlack }), status: 403,
		},
		"J41 no endorsements": {header: bearer(barrenKey().Sign(claims(nil))), status: 403},
		"J42 no channel": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ChannelID = "" }), status: 400,
		},
		"J42 blank channel": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ChannelID = " " }), status: 400,
		},
		"J42 channel in another case": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ChannelID = "MSTeams" }), status: 403,
		},
		"J43 emulator": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.ChannelID = activity.ChannelEmulator }), status: 403,
		},
		"J43 emulator's token": {
			header: bearer(entraKey().Sign(entraClaims(map[string]any{"azp": appID}))), status: 403,
		},
		"J46 an agent's token": {header: bearer(entraKey().Sign(entraClaims(nil))), status: 403},
		"J49 two tenants": {
			header: bearer(good), a: body(func(a *activity.Activity) { a.Conversation.TenantID = "another" }), status: 403,
		},
		"J58 invalid UTF-8": {header: raw("{\"iss\":\"\xff\"}"), status: 401},
		"J58 escaped name": {
			header: raw(`{"iss":"https://api.botframework.com","\u0061ud":"x","aud":"` + appID + `"}`), status: 401,
		},
		"J58 deep":      {header: raw(`{"x":` + strings.Repeat("[", 2500) + strings.Repeat("]", 2500) + `}`), status: 401},
		"J58 no object": {header: raw(`["` + appID + `"]`), status: 401},
		"J58 two":       {header: raw(`{}{}`), status: 401},
		"J58 null":      {header: raw(`null`), status: 401},
	}
	for _, alg := range []string{"none", "None", "nOnE", "", "rs256"} {
		token := channelKey().SignWith(header(map[string]any{"alg": alg}), claims(nil))
		cases["J09 "+alg] = attack{header: bearer(token), status: 401}
		cases["J09 unsigned "+alg] = attack{header: bearer(token[:strings.LastIndex(token, ".")+1]), status: 401}
	}
	for _, alg := range []string{"RS384", "RS512", "PS256", "ES256", "EdDSA"} {
		cases["J12 "+alg] = attack{header: head(map[string]any{"alg": alg}), status: 401}
	}
	for name, secret := range map[string][]byte{
		"DER": ourKey, "modulus": channelKey().Private.N.Bytes(), "SPKI": spki,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}),
	} {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			token := channelKey().SignWith(header(map[string]any{"alg": alg}), claims(nil))
			cases["J10 "+alg+" "+name] = attack{header: bearer(mac(token, alg, secret)), status: 401}
		}
	}
	for _, typ := range []string{"at+jwt", "dpop+jwt", "secevent+jwt"} {
		cases["J23 "+typ] = attack{header: head(map[string]any{"typ": typ}), status: 401}
	}

	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		a := c.a
		if a == nil {
			a = said(nil)
		}
		id, err := v.Verify(t.Context(), c.header, a)
		if id.Verified() || id != (auth.Identity{}) || status(t, err) != c.status {
			t.Errorf("%s: %+v, %v; want %d", name, id, err, c.status)
		}
	}
	if n := login.Entra.Fetches(); n != (fakelogin.Fetches{}) {
		t.Errorf("addresses in tokens were asked: %+v", n)
	}
	if n := login.Channel.Fetches(); n.Keys > 3 {
		t.Errorf("keys were fetched %d times", n.Keys)
	}
}

// flipped is a token with one letter changed.
func flipped(token string, at int) string {
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

// trailing is a token whose last letter carries bits that no byte has: 256 bytes leave two of its six over.
func trailing(token string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, token[len(token)-1])
	return token[:len(token)-1] + string(letters[last|1])
}

// mac is a token that is signed with what everybody knows.
func mac(token, alg string, secret []byte) string {
	kind := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}[alg]
	signed := token[:strings.LastIndex(token, ".")]
	h := hmac.New(sha256.New, secret)
	if kind != crypto.SHA256 {
		h = hmac.New(sha512.New, secret)
		if kind == crypto.SHA384 {
			h = hmac.New(sha512.New384, secret)
		}
	}
	h.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// TestClocksMayDifferByFiveMinutes (J31, J33).
func TestClocksMayDifferByFiveMinutes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	v := newTokens(t, newLogin(t), func(c *auth.Config) { c.Now = func() time.Time { return now } })
	for name, c := range map[string]struct {
		claim string
		at    time.Duration
		in    bool
	}{
		"just expired":     {"exp", -5*time.Minute + time.Second, true},
		"expired":          {"exp", -5*time.Minute - time.Second, false},
		"good for a day":   {"exp", 24 * time.Hour, true},
		"for longer":       {"exp", 24*time.Hour + 6*time.Minute, false},
		"valid soon":       {"nbf", 5*time.Minute - time.Second, true},
		"valid later":      {"nbf", 5*time.Minute + time.Second, false},
		"just issued":      {"iat", 5*time.Minute - time.Second, true},
		"not yet issued":   {"iat", 5*time.Minute + time.Second, false},
		"issued years ago": {"iat", -1000 * 24 * time.Hour, true},
	} {
		token := channelKey().Sign(claims(map[string]any{
			"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(), c.claim: now.Add(c.at).Unix(),
		}))
		if _, err := v.Verify(t.Context(), bearer(token), said(nil)); (err == nil) != c.in {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTenantsOfTheListAreHeard(t *testing.T) {
	t.Parallel()
	v := newTokens(t, newLogin(t), func(c *auth.Config) { c.Tenants = []activity.TenantID{activity.TenantID(strings.ToUpper(tenant))} })
	for name, c := range map[string]struct {
		change func(*activity.Activity)
		status int
	}{
		"on it":                        {nil, 0},
		"only in the channel data":     {func(a *activity.Activity) { a.Conversation.TenantID = "" }, 0},
		"no tenant":                    {func(a *activity.Activity) { a.Conversation.TenantID, a.ChannelData = "", nil }, 403},
		"another in the channel data":  {func(a *activity.Activity) { a.ChannelData = []byte(`{"tenant":{"id":"x"}}`) }, 403},
		"another one":                  {func(a *activity.Activity) { a.Conversation.TenantID, a.ChannelData = "x", nil }, 403},
		"another in the conversation":  {func(a *activity.Activity) { a.Conversation.TenantID = "x" }, 403},
		"channel data of another kind": {func(a *activity.Activity) { a.ChannelData = []byte(`[1]`) }, 0},
	} {
		_, err := v.Verify(t.Context(), bearer(channelKey().Sign(claims(nil))), said(c.change))
		if status(t, err) != c.status {
			t.Errorf("%s: %v; want %d", name, err, c.status)
		}
	}
}

// TestCallersFromEntra has J43 to J48.
func TestCallersFromEntra(t *testing.T) {
	t.Parallel()
	const framework = "d6d49420-f39b-4df7-a1dc-d59a935871db"
	all := auth.Entra{Emulator: true, Callers: []string{strings.ToUpper(agent)}, Tenants: []string{tenant}}
	anybody := auth.Entra{Callers: []string{"*"}, Tenants: []string{tenant}}
	v1 := func(tid string) map[string]any {
		return map[string]any{"iss": "https://sts.windows.net/" + tid + "/", "tid": tid, "ver": "1.0", "azp": nil, "appid": agent}
	}
	for name, c := range map[string]struct {
		entra   auth.Entra
		claims  map[string]any
		kind    auth.Kind
		app     string
		refused int
	}{
		"agent":                        {all, nil, auth.KindAgent, agent, 0},
		"agent, version 1.0":           {all, v1(tenant), auth.KindAgent, agent, 0},
		"any agent":                    {anybody, map[string]any{"azp": "someone"}, auth.KindAgent, "someone", 0},
		"emulator":                     {all, with(v1(framework), map[string]any{"appid": appID}), auth.KindEmulator, appID, 0},
		"emulator of the bot's tenant": {all, map[string]any{"azp": appID}, auth.KindEmulator, appID, 0},
		"J43 no emulator":              {anybody, map[string]any{"azp": appID}, "", "", 403},
		"J44 no version":               {all, map[string]any{"ver": nil}, "", "", 401},
		"J44 version 3.0":              {all, map[string]any{"ver": "3.0"}, "", "", 401},
		"J44 versions crossed":         {all, map[string]any{"ver": "1.0", "appid": agent}, "", "", 401},
		"J44 no appid":                 {all, with(v1(tenant), map[string]any{"appid": nil, "azp": agent}), "", "", 401},
		"J44 no azp":                   {all, map[string]any{"azp": nil, "appid": agent}, "", "", 401},
		"J44 another bot":              {all, with(v1(framework), map[string]any{"appid": agent}), "", "", 403},
		"J45 another tid":              {all, map[string]any{"tid": framework}, "", "", 401},
		"J45 no tid":                   {all, map[string]any{"tid": nil}, "", "", 401},
		"J45 blank tid":                {all, map[string]any{"tid": " "}, "", "", 401},
		"J45 a stranger's tenant": {
			all, map[string]any{"iss": "https://login.microsoftonline.com/evil/v2.0", "tid": "evil"}, "", "", 401,
		},
		"J45 a placeholder":   {all, map[string]any{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}, "", "", 401},
		"J47 anonymous":       {anybody, map[string]any{"azp": "AnonymousSkill"}, "", "", 401},
		"J48 not on the list": {all, map[string]any{"azp": "someone"}, "", "", 403},
		"another audience":    {all, map[string]any{"aud": agent}, "", "", 401},
		"expired":             {all, map[string]any{"exp": 1}, "", "", 401},
	} {
		v := newTokens(t, newLogin(t), func(cfg *auth.Config) { cfg.Entra = &c.entra })
		id, err := v.Verify(t.Context(), bearer(entraKey().Sign(entraClaims(c.claims))), said(nil))
		if id.Kind != c.kind || id.App != c.app || id.ServiceURL != "" || status(t, err) != c.refused {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}

	// J25: the issuer that a token names and the key that it is signed with belong together.
	v := newTokens(t, newLogin(t), func(cfg *auth.Config) { cfg.Entra = &all })
	for name, token := range map[string]string{
		"a channel's key for Entra": channelKey().Sign(entraClaims(nil)),
		"the same with Entra's kid": channelKey().SignWith(header(map[string]any{"kid": entraKey().ID}), entraClaims(nil)),
		"Entra's key for a channel": entraKey().SignWith(header(map[string]any{"kid": channelKey().ID}), claims(nil)),
	} {
		if id, err := v.Verify(t.Context(), bearer(token), said(nil)); status(t, err) != http.StatusUnauthorized {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// TestNobodyIsLetInByConfiguration (J52): what would let in everybody, or nobody knows whom, makes no verifier.
func TestNobodyIsLetInByConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  auth.Config
		want string
	}{
		"no app id":        {auth.Config{}, "AppID"},
		"blank app id":     {auth.Config{AppID: " "}, "AppID"},
		"nobody":           {auth.Config{AppID: appID, Entra: &auth.Entra{}}, "lets in nobody"},
		"no tenants":       {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{"*"}}}, "Tenants"},
		"star and others":  {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{"*", agent}, Tenants: []string{tenant}}}, `"*"`},
		"empty caller":     {auth.Config{AppID: appID, Entra: &auth.Entra{Callers: []string{""}, Tenants: []string{tenant}}}, "empty"},
		"metadata by http": {auth.Config{AppID: appID, Cloud: auth.Cloud{ChannelMetadata: "http://login.example/x"}}, "https"},
		"metadata nowhere": {auth.Config{AppID: appID, Cloud: auth.Cloud{ChannelMetadata: "https:///x"}}, "https"},
		"metadata of a file": {
			auth.Config{AppID: appID, Cloud: auth.Cloud{EntraMetadata: "file:///x"}, Entra: &auth.Entra{Emulator: true}}, "https",
		},
	} {
		if _, err := auth.New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
