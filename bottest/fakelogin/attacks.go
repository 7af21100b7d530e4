package fakelogin

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/activity"
)

// Attack is a call that the endpoint of a bot refuses, with nothing kept of it.
type Attack struct {
	// Name begins with the row of docs/security.md: "J24 no issuer".
	Name string
	// Authorization are the headers of that name.
	Authorization []string
	// Status is the answer: 401 when nothing is proven, 403 when who it is may not do this, 400 when the activity does not say what
	// its token is checked against.
	Status int
	// Activity is the body.
	Activity *activity.Activity
}

// Attacks are those on a bot that knows the channel and nobody else: rows J01 to J58, as far as one call is all of the attack. Some
// of the tokens name elsewhere as the place of their key; nobody may go there.
func (f *Forger) Attacks(elsewhere string) []Attack {
	all := slices.Concat(f.onHeader(), f.onShape(), f.onSecrets(), f.onTokenHeader(elsewhere), f.onIssuerAndAudience(), f.onTimes(),
		f.onService(), f.onActivity(), f.onJSON())
	for i := range all {
		if all[i].Activity == nil {
			all[i].Activity = f.Activity(nil)
		}
	}
	return all
}

// signed is the header of a good token with some claims replaced.
func (f *Forger) signed(changes map[string]any) []string {
	return Bearer(f.Channel.Sign(f.Claims(changes)))
}

// headed is that of a token with something in its header replaced.
func (f *Forger) headed(changes map[string]any) []string {
	return Bearer(f.Channel.SignWith(f.Header(changes), f.Claims(nil)))
}

// raw is that of a token whose claims are a text.
func (f *Forger) raw(claims string) []string {
	return Bearer(f.Channel.SignWith(f.Header(nil), claims))
}

func (f *Forger) onHeader() []Attack {
	good := f.Good()
	return []Attack{
		{"J01 no header", nil, 401, nil},
		{"J02 nothing", []string{"Bearer"}, 401, nil},
		{"J02 empty", []string{"Bearer "}, 401, nil},
		{"J02 only spaces", []string{"Bearer   "}, 401, nil},
		{"J02 two spaces", []string{"Bearer  " + good}, 401, nil},
		{"J02 comma", []string{"Bearer " + good + ","}, 401, nil},
		{"J03 no scheme", []string{good}, 401, nil},
		{"J03 basic", []string{"Basic " + good}, 401, nil},
		{"J04 two headers", []string{"Bearer " + good, "Bearer " + good}, 401, nil},
		{"J04 folded", []string{"Bearer " + good[:20] + "\r\n " + good[20:]}, 401, nil},
	}
}

func (f *Forger) onShape() []Attack {
	good := f.Good()
	return []Attack{
		{"J06 one part", Bearer("abc"), 401, nil},
		{"J06 two parts", Bearer(good[:strings.LastIndex(good, ".")]), 401, nil},
		{"J06 four parts", Bearer(good + ".x"), 401, nil},
		{"J06 dots", Bearer(strings.Repeat(".", 50_000)), 401, nil},
		{"J07 encrypted", Bearer("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"), 401, nil},
		{"J07 compressed", f.headed(map[string]any{"zip": "DEF"}), 401, nil},
		{"J07 encryption", f.headed(map[string]any{"enc": "A256GCM"}), 401, nil},
		{"J08 9 kB", f.signed(map[string]any{"pad": strings.Repeat("x", 9<<10)}), 401, nil},
		{"J08 1 MB", f.signed(map[string]any{"pad": strings.Repeat("x", 1<<20)}), 401, nil},
		{"J11 another key", Bearer(f.Stranger.Sign(f.Claims(nil))), 401, nil},
		{"J13 signature", Bearer(flipped(good, len(good)-10)), 401, nil},
		{"J13 claims", Bearer(flipped(good, strings.Index(good, ".")+30)), 401, nil},
		{"J13 no signature", Bearer(good[:strings.LastIndex(good, ".")+1]), 401, nil},
		{"J14 trailing bits", Bearer(trailing(good)), 401, nil},
		{"J14 padding", Bearer(good + "=="), 401, nil},
		{"J14 other alphabet", Bearer(good[:len(good)-5] + "+" + good[len(good)-4:]), 401, nil},
		{"J14 newline", Bearer(good[:len(good)-5] + "\n" + good[len(good)-5:]), 401, nil},
	}
}

// onSecrets signs with what everybody knows, or not at all.
func (f *Forger) onSecrets() (all []Attack) {
	for _, alg := range []string{"none", "None", "nOnE", "", "rs256"} {
		token := f.Channel.SignWith(f.Header(map[string]any{"alg": alg}), f.Claims(nil))
		all = append(all, Attack{"J09 alg " + alg, Bearer(token), 401, nil},
			Attack{"J09 unsigned " + alg, Bearer(token[:strings.LastIndex(token, ".")+1]), 401, nil})
	}
	all = append(all, Attack{"J09 number", f.headed(map[string]any{"alg": 256}), 401, nil},
		Attack{"J09 missing", f.headed(map[string]any{"alg": nil}), 401, nil})
	public := &f.Channel.Private.PublicKey
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err) // RSA keys can be encoded
	}
	for name, secret := range map[string][]byte{
		"DER": x509.MarshalPKCS1PublicKey(public), "modulus": public.N.Bytes(), "SPKI": spki,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}),
	} {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			token := f.Channel.SignWith(f.Header(map[string]any{"alg": alg}), f.Claims(nil))
			all = append(all, Attack{"J10 " + alg + " " + name, Bearer(mac(token, alg, secret)), 401, nil})
		}
	}
	for _, alg := range []string{"RS384", "RS512", "PS256", "ES256", "EdDSA"} {
		all = append(all, Attack{"J12 " + alg, f.headed(map[string]any{"alg": alg}), 401, nil})
	}
	return all
}

func (f *Forger) onTokenHeader(elsewhere string) []Attack {
	all := []Attack{
		{"J15 no kid", f.headed(map[string]any{"kid": nil}), 401, nil},
		{"J15 unknown kid", f.headed(map[string]any{"kid": "nobody"}), 401, nil},
		{"J19 path", f.headed(map[string]any{"kid": "../../etc/passwd"}), 401, nil},
		{"J19 quotes", f.headed(map[string]any{"kid": "' OR 1=1"}), 401, nil},
		{"J19 line", f.headed(map[string]any{"kid": "a\r\nb\x1b[31m"}), 401, nil},
		{"J19 long", f.headed(map[string]any{"kid": strings.Repeat("k", 5<<10)}), 401, nil},
		{"J20 number", f.headed(map[string]any{"kid": 1}), 401, nil},
		{"J20 null", Bearer(f.Channel.SignWith(`{"alg":"RS256","kid":null}`, f.Claims(nil))), 401, nil},
		{"J20 list", f.headed(map[string]any{"kid": []string{f.Channel.ID}}), 401, nil},
		{"J20 twice", Bearer(f.Channel.SignWith(`{"alg":"RS256","kid":"x","kid":"`+f.Channel.ID+`"}`, f.Claims(nil))), 401, nil},
		{"J21 jku", f.headed(map[string]any{"jku": elsewhere}), 401, nil},
		{"J21 x5u", f.headed(map[string]any{"x5u": elsewhere}), 401, nil},
		{"J21 jwk", Bearer(f.Stranger.SignWith(f.Header(map[string]any{"jwk": f.Stranger.Published()}), f.Claims(nil))), 401, nil},
		{"J21 x5c", f.headed(map[string]any{"x5c": []string{"MIIB"}}), 401, nil},
		{"J22 crit", f.headed(map[string]any{"crit": []string{"b64"}, "b64": false}), 401, nil},
		{"J22 unknown crit", f.headed(map[string]any{"crit": []string{"x"}, "x": 1}), 401, nil},
		{"J22 b64", f.headed(map[string]any{"b64": false}), 401, nil},
		{"J23 cty", f.headed(map[string]any{"cty": "JWT"}), 401, nil},
	}
	for _, typ := range []string{"at+jwt", "dpop+jwt", "secevent+jwt"} {
		all = append(all, Attack{"J23 " + typ, f.headed(map[string]any{"typ": typ}), 401, nil})
	}
	return all
}

func (f *Forger) onIssuerAndAudience() []Attack {
	issuer := func(v any) []string { return f.signed(map[string]any{"iss": v}) }
	audience := func(v any) []string { return f.signed(map[string]any{"aud": v}) }
	return []Attack{
		{"J24 no issuer", issuer(nil), 401, nil},
		{"J24 list", issuer([]string{"https://api.botframework.com"}), 401, nil},
		{"J24 slash", issuer("https://api.botframework.com/"), 401, nil},
		{"J24 case", issuer("https://API.botframework.com"), 401, nil},
		{"J24 look-alike", issuer("https://api.botframew\u043erk.com"), 401, nil},
		{"J24 government", issuer("https://api.botframework.us"), 401, nil},
		{"J25 Entra's key", Bearer(f.Entra.Sign(f.Claims(nil))), 401, nil},
		{"J26 no audience", audience(nil), 401, nil},
		{"J26 empty", audience(""), 401, nil},
		{"J26 prefix", audience(f.AppID[:30]), 401, nil},
		{"J26 suffix", audience(f.AppID + "0"), 401, nil},
		{"J27 others too", audience([]string{Agent, f.AppID}), 401, nil},
		{"J27 empty list", audience([]string{}), 401, nil},
		{"J27 object", audience(map[string]any{"x": f.AppID}), 401, nil},
		{"J27 number", audience(7), 401, nil},
		{"J27 twice", f.raw(`{"iss":"https://api.botframework.com","aud":"x","aud":"` + f.AppID + `","exp":` + fmt.Sprint(in(time.Hour)) + `}`), 401, nil},
		{"J28 our own, sent back", Bearer(f.Entra.Sign(f.EntraClaims(map[string]any{"aud": "https://api.botframework.com", "azp": f.AppID}))), 401, nil},
		{"J29 another bot", audience(Agent), 401, nil},
	}
}

func (f *Forger) onTimes() []Attack {
	expires := func(v any) []string { return f.signed(map[string]any{"exp": v}) }
	return []Attack{
		{"J30 no expiry", expires(nil), 401, nil},
		{"J30 zero", expires(0), 401, nil},
		{"J30 null", f.raw(`{"iss":"https://api.botframework.com","aud":"` + f.AppID + `","exp":null}`), 401, nil},
		{"J31 too late", expires(in(-5*time.Minute - 2*time.Second)), 401, nil},
		{"J31 ten years", expires(in(10 * 365 * 24 * time.Hour)), 401, nil},
		{"J32 string", expires(fmt.Sprint(in(time.Hour))), 401, nil},
		{"J32 fraction", expires(float64(in(time.Hour)) + 0.5), 401, nil},
		{"J32 large", expires(1e300), 401, nil},
		{"J32 negative", expires(-1), 401, nil},
		{"J32 beyond", expires(uint64(math.MaxInt64) + 1), 401, nil},
		{"J32 NaN", f.raw(`{"iss":"https://api.botframework.com","aud":"` + f.AppID + `","exp":NaN}`), 401, nil},
		{"J33 too early", f.signed(map[string]any{"nbf": in(10 * time.Minute)}), 401, nil},
		{"J33 string", f.signed(map[string]any{"nbf": "1"}), 401, nil},
		{"J34 from the future", f.signed(map[string]any{"iat": in(48 * time.Hour)}), 401, nil},
	}
}

func (f *Forger) onService() []Attack {
	claim := func(v any) []string { return f.signed(map[string]any{"serviceurl": v}) }
	changed := func(change func(*url.URL)) []string {
		u, err := url.Parse(f.Service)
		if err != nil {
			panic(err) // tests use good ones
		}
		change(u)
		return claim(u.String())
	}
	return []Attack{
		{"J35 no service URL", claim(nil), 403, nil},
		{"J36 host", changed(func(u *url.URL) { u.Host = "evil.example" }), 403, nil},
		{"J36 scheme", changed(func(u *url.URL) { u.Scheme = "http" }), 403, nil},
		{"J36 port", changed(func(u *url.URL) { u.Host = u.Hostname() + ":8443" }), 403, nil},
		{"J36 path", changed(func(u *url.URL) { u.Path += "amer/" }), 403, nil},
		{"J36 case of the path", changed(func(u *url.URL) { u.Path = strings.ToUpper(u.Path) }), 403, nil},
		{"J36 user", changed(func(u *url.URL) { u.User = url.User("x") }), 403, nil},
		{"J36 query", changed(func(u *url.URL) { u.RawQuery = "x" }), 403, nil},
		{"J37 two claims", f.signed(map[string]any{"serviceUrl": "https://evil.example/"}), 403, nil},
		{"J37 two audiences", f.signed(map[string]any{"AUD": Agent}), 401, nil},
	}
}

func (f *Forger) onActivity() []Attack {
	good := Bearer(f.Good())
	about := f.Activity
	channel := func(c activity.ChannelID) *activity.Activity {
		return about(func(a *activity.Activity) { a.ChannelID = c })
	}
	return []Attack{
		{"J39 no service URL in the activity", good, 400, about(func(a *activity.Activity) { a.ServiceURL = "" })},
		{"J40 not endorsed", good, 403, channel(activity.ChannelSlack)},
		{"J41 no endorsements", Bearer(f.Barren.Sign(f.Claims(nil))), 403, nil},
		{"J42 no channel", good, 400, channel("")},
		{"J42 blank channel", good, 400, channel(" ")},
		{"J42 channel in another case", good, 403, channel("MSTeams")},
		{"J43 emulator", good, 403, channel(activity.ChannelEmulator)},
		{"J43 emulator's token", Bearer(f.Entra.Sign(f.EntraClaims(map[string]any{"azp": f.AppID}))), 403, nil},
		{"J46 an agent's token", Bearer(f.Entra.Sign(f.EntraClaims(nil))), 403, nil},
		{"J49 two tenants", good, 403, about(func(a *activity.Activity) { a.Conversation.TenantID = "another" })},
	}
}

func (f *Forger) onJSON() []Attack {
	return []Attack{
		{"J58 invalid UTF-8", f.raw("{\"iss\":\"\xff\"}"), 401, nil},
		{"J58 NUL", f.raw(`{"iss":"https://api.botframework.com\u0000","aud":"` + f.AppID + `"}`), 401, nil},
		{"J58 escaped name", f.raw(`{"iss":"https://api.botframework.com","\u0061ud":"x","aud":"` + f.AppID + `"}`), 401, nil},
		{"J58 deep", f.raw(`{"x":` + strings.Repeat("[", 2500) + strings.Repeat("]", 2500) + `}`), 401, nil},
		{"J58 no object", f.raw(`["` + f.AppID + `"]`), 401, nil},
		{"J58 two", f.raw(`{}{}`), 401, nil},
		{"J58 null", f.raw(`null`), 401, nil},
	}
}
