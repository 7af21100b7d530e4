package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/store/memory"
)

var admin = access.Identity{Kind: access.KindLocal, Scopes: access.ScopesOf(access.Admin)}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type ring struct {
	*access.Keyring
	t     *testing.T
	clock *clock
	store *memory.Store
}

func newRing(t *testing.T, change ...func(*access.Config)) ring {
	t.Helper()
	r := ring{t: t, clock: &clock{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}, store: memory.New()}
	cfg := access.Config{AppID: "app", Store: r.store, Now: r.clock.Now}
	for _, f := range change {
		f(&cfg)
	}
	k, err := access.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Keyring = k
	return r
}

func (r ring) create(want access.NewKey) (access.Key, string) {
	r.t.Helper()
	if want.Name == "" {
		want.Name = "test"
	}
	k, s, err := r.Create(r.t.Context(), admin, want)
	if err != nil {
		r.t.Fatal(err)
	}
	return k, s.Reveal()
}

// enter tries a key from an address.
func (r ring) enter(secret, from string) (access.Identity, *access.Refusal) {
	r.t.Helper()
	return r.call("/v1/x", from, "Bearer "+secret)
}

func (r ring) call(target, from string, authorization ...string) (access.Identity, *access.Refusal) {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, target, nil)
	req.RemoteAddr = from
	req.Header["Authorization"] = authorization
	who, err := r.Enter(req)
	if err == nil {
		return who, nil
	}
	refused, ok := errors.AsType[*access.Refusal](err)
	if !ok {
		r.t.Fatal(err)
	}
	if who != (access.Identity{}) {
		r.t.Errorf("refused as %+v", who)
	}
	return who, refused
}

const here, far = "127.0.0.1:1000", "192.0.2.7:1000"

func TestWhatScopesImply(t *testing.T) {
	t.Parallel()
	cases := map[access.Scope]string{
		access.Send: "send", access.Read: "read", access.Broadcast: "send broadcast", access.Manage: "read manage",
		access.Admin: "send read broadcast manage admin",
	}
	for granted, want := range cases {
		var got []string
		for _, s := range access.AllScopes {
			if access.ScopesOf(granted).Has(s) {
				got = append(got, string(s))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s grants %v, want %s", granted, got, want)
		}
	}
	if (access.Scopes{}).Has(access.Send) || access.ScopesOf(access.AllScopes...).Has("other") || access.ScopesOf("").Has("") {
		t.Error("nothing grants something, or something grants what is no scope")
	}
	if access.ScopesOf(access.Manage).Covers(access.ScopesOf(access.Send)) || !access.ScopesOf(access.Admin).Covers(access.ScopesOf(access.AllScopes...)) ||
		!access.ScopesOf(access.Broadcast).Covers(access.ScopesOf(access.Send)) {
		t.Error("sets are not compared by what they grant")
	}
	for _, s := range access.AllScopes {
		if set, err := access.ParseScopes([]string{string(s)}); err != nil || set != access.ScopesOf(s) {
			t.Errorf("%s is read as %v, %v", s, set, err)
		}
	}
	if _, err := access.ParseScopes([]string{"read", "Admin"}); err == nil || !strings.Contains(err.Error(), `"Admin"`) {
		t.Errorf("reads Admin: %v", err)
	}
}

func TestGoodKeysComeIn(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	k, secret := r.create(access.NewKey{Name: "builds", Scopes: access.ScopesOf(access.Read)})
	if !strings.HasPrefix(secret, "hup_"+k.ID+"_") || len(secret) != len("hup_")+12+1+40 || strings.Contains(fmt.Sprintf("%+v", k), secret) {
		t.Errorf("the key is %q", secret)
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER "} {
		who, refused := r.call("/v1/x", far, scheme+secret)
		want := access.Identity{Kind: access.KindKey, KeyID: k.ID, Name: "builds", Scopes: access.ScopesOf(access.Read)}
		if refused != nil || who != want {
			t.Errorf("%s: %+v, %v", scheme, who, refused)
		}
	}
	if least, _ := r.create(access.NewKey{}); least.Scopes != access.ScopesOf(access.Send) {
		t.Errorf("a key without scopes gets %s", least.Scopes)
	}
}

func TestOthersStayOut(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	k, secret := r.create(access.NewKey{})
	_, revoked := r.create(access.NewKey{})
	_, expired := r.create(access.NewKey{ExpiresAt: r.clock.Now().Add(time.Minute)})
	r.clock.add(time.Minute)
	id := strings.Split(revoked, "_")[1]
	if _, err := r.Revoke(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	other, err := access.New(access.Config{AppID: "other", Store: r.store})
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := other.Create(t.Context(), admin, access.NewKey{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	wrong := secret[:len(secret)-1] + string('0'+(secret[len(secret)-1]+1)%2)
	for name, headers := range map[string][]string{
		"wrong secret":    {"Bearer " + wrong},
		"unknown id":      {"Bearer hup_000000000000_" + secret[len(secret)-40:]},
		"other key's id":  {"Bearer hup_" + id + secret[16:]},
		"revoked":         {"Bearer " + revoked},
		"expired":         {"Bearer " + expired},
		"another app's":   {"Bearer " + foreign.Reveal()},
		"upper case":      {"Bearer " + strings.ToUpper(secret)},
		"id alone":        {"Bearer hup_" + k.ID + "_"},
		"local secret":    {"Bearer " + access.NewLocal().Reveal()},
		"basic":           {"Basic " + secret},
		"no scheme":       {secret},
		"nothing after":   {"Bearer"},
		"two spaces":      {"Bearer  " + secret},
		"empty":           {""},
		"two headers":     {"Bearer " + secret, "Bearer " + secret},
		"comma":           {"Bearer " + secret + ", Bearer " + secret},
		"with a zero":     {"Bearer " + secret + "\x00"},
		"something large": {"Bearer " + strings.Repeat("x", 50_000)},
	} {
		_, refused := r.call("/v1/x", far, headers...)
		if refused == nil || !refused.Invalid || refused.Limited() || strings.Contains(refused.Reason, "hup_") {
			t.Errorf("%s: %+v", name, refused)
		}
	}
	if _, refused := r.call("/v1/x", far); refused == nil || refused.Invalid {
		t.Errorf("no key: %+v", refused)
	}
	if _, err := (*access.Keyring)(nil).Enter(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)); err == nil {
		t.Error("nobody's keyring lets everybody in")
	}
}

func TestKeysInTheURLAreRefused(t *testing.T) {
	t.Parallel()
	r := newRing(t, func(c *access.Config) { c.Open = true })
	_, secret := r.create(access.NewKey{})
	for i, query := range []string{
		"key=" + secret, "x=y&" + secret, secret + "=1", "key=%68up_" + secret[4:], "access_token=x", "api_key=", "a=1;b=" + secret,
		"key=" + strings.ReplaceAll(secret, "_", "%5F"), "q=hup_hup_" + secret,
	} {
		from := fmt.Sprintf("192.0.2.%d:1", i+1)
		for _, header := range [][]string{nil, {"Bearer " + secret}} {
			if who, refused := r.call("/v1/x?"+query, from, header...); refused == nil || !refused.Invalid {
				t.Errorf("%s: let in as %+v", query, who)
			}
		}
	}
	for _, query := range []string{"limit=5&cursor=hup_", "q=hup_short_x"} {
		if _, refused := r.call("/v1/x?"+query, far, "Bearer "+secret); refused != nil {
			t.Errorf("%s: %v", query, refused)
		}
	}
}

func TestOpenHoldsAKeyToItsScopes(t *testing.T) {
	t.Parallel()
	r := newRing(t, func(c *access.Config) { c.Open = true })
	if who, refused := r.call("/v1/x", here); refused != nil || who.Kind != access.KindDevelopment || !who.Scopes.Has(access.Admin) {
		t.Errorf("without a key: %+v, %v", who, refused)
	}
	_, secret := r.create(access.NewKey{})
	if who, refused := r.enter(secret, here); refused != nil || who.Kind != access.KindKey || who.Scopes.Has(access.Read) {
		t.Errorf("with one: %+v, %v", who, refused)
	}
	if who, refused := r.enter("hup_wrong", here); refused == nil {
		t.Errorf("with a wrong one: %+v", who)
	}
}

func TestLocalSecretIsGoodOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	local := access.NewLocal()
	r := newRing(t, func(c *access.Config) { c.Local = local.Hash() })
	for _, from := range []string{here, "[::1]:1", "[::ffff:127.0.0.1]:1"} {
		if who, refused := r.enter(local.Reveal(), from); refused != nil || who.Kind != access.KindLocal || !who.Scopes.Has(access.Admin) {
			t.Errorf("%s: %+v, %v", from, who, refused)
		}
	}
	for _, from := range []string{far, "[2001:db8::1]:1", "", "@"} {
		if who, refused := r.enter(local.Reveal(), from); refused == nil {
			t.Errorf("%s: let in as %+v", from, who)
		}
	}
	// A server that listens on one address only sees callers on its machine come from that address.
	req := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey,
		net.Addr(&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 443})), http.MethodGet, "/", nil)
	req.RemoteAddr = far
	req.Header.Set("Authorization", "Bearer "+local.Reveal())
	if _, err := r.Enter(req); err != nil {
		t.Error(err)
	}
	req.RemoteAddr = "192.0.2.8:1"
	if _, err := r.Enter(req); err == nil {
		t.Error("a neighbour is taken for this machine")
	}
	if _, refused := newRing(t).enter("", here); refused == nil {
		t.Error("no secret is as good as none")
	}
}

func TestKeysEndInTime(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, short := r.create(access.NewKey{ExpiresAt: r.clock.Now().Add(time.Second)})
	k, secret := r.create(access.NewKey{})
	for _, s := range []string{short, secret} {
		if _, refused := r.enter(s, far); refused != nil {
			t.Fatal(refused)
		}
	}
	r.clock.add(time.Second)
	if _, refused := r.enter(short, far); refused == nil || !strings.Contains(refused.Reason, "expired") {
		t.Errorf("an expired key: %v", refused)
	}
	if _, err := r.Revoke(t.Context(), admin, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, refused := r.enter(secret, far); refused == nil || !strings.Contains(refused.Reason, "revoked") {
		t.Errorf("a key that was revoked this moment: %v", refused)
	}
	if _, err := r.Revoke(t.Context(), admin, "none"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("revoking none: %v", err)
	}
}

func TestNobodyGivesWhatTheyDoNotHave(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	until := r.clock.Now().Add(time.Hour)
	cases := map[string]struct {
		by      access.Scopes
		until   time.Time
		want    access.NewKey
		missing access.Scope
		ok      bool
	}{
		"the same":        {by: access.ScopesOf(access.Read), want: access.NewKey{Scopes: access.ScopesOf(access.Read)}, ok: true},
		"what it implies": {by: access.ScopesOf(access.Broadcast), want: access.NewKey{Scopes: access.ScopesOf(access.Send)}, ok: true},
		"all by admin":    {by: access.ScopesOf(access.Admin), want: access.NewKey{Scopes: access.ScopesOf(access.AllScopes...)}, ok: true},
		"more":            {by: access.ScopesOf(access.Read), want: access.NewKey{Scopes: access.ScopesOf(access.Read, access.Admin)}, missing: access.Send},
		"all but admin":   {by: access.ScopesOf(access.Broadcast, access.Manage), want: access.NewKey{Scopes: access.ScopesOf(access.Admin)}, missing: access.Admin},
		"the least":       {by: access.ScopesOf(access.Read), want: access.NewKey{}, missing: access.Send},
		"nobody":          {want: access.NewKey{}, missing: access.Send},
		"shorter":         {by: access.ScopesOf(access.Admin), until: until, want: access.NewKey{ExpiresAt: until.Add(-time.Minute)}, ok: true},
		"as long":         {by: access.ScopesOf(access.Admin), until: until, want: access.NewKey{}, ok: true},
		"longer":          {by: access.ScopesOf(access.Admin), until: until, want: access.NewKey{ExpiresAt: until.Add(time.Minute)}},
	}
	if k, _, err := r.Create(t.Context(), admin, access.NewKey{Name: "of this machine"}); err != nil || k.CreatedBy != "local" {
		t.Errorf("made by an operator on this machine: %q, %v", k.CreatedBy, err)
	}
	for name, c := range cases {
		c.want.Name = name
		k, _, err := r.Create(t.Context(), access.Identity{Kind: access.KindKey, KeyID: "parent", Scopes: c.by, Until: c.until}, c.want)
		if c.ok {
			if err != nil || k.CreatedBy != "parent" || k.ExpiresAt.IsZero() != c.until.IsZero() || k.ExpiresAt.After(c.until) && !c.until.IsZero() {
				t.Errorf("%s: %+v, %v", name, k, err)
			}
			continue
		}
		if escalation, ok := errors.AsType[*access.EscalationError](err); !ok || escalation.Missing != c.missing {
			t.Errorf("%s: %+v, %v, want an escalation by %q", name, k, err, c.missing)
		}
	}
}

func TestWishesThatCannotBe(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, secret := r.create(access.NewKey{})
	for field, wants := range map[string][]access.NewKey{
		"name": {
			{}, {Name: " "}, {Name: strings.Repeat("é", 101)}, {Name: "a\nb"}, {Name: "\xff"}, {Name: "my " + secret},
		},
		"expires_at":      {{Name: "x", ExpiresAt: r.clock.Now()}, {Name: "x", ExpiresAt: r.clock.Now().Add(-time.Hour)}},
		"rate_per_minute": {{Name: "x", RatePerMinute: -1}, {Name: "x", RatePerMinute: 1_000_001}},
	} {
		for _, want := range wants {
			_, _, err := r.Create(t.Context(), admin, want)
			if wrong, ok := errors.AsType[*access.FieldError](err); !ok || wrong.Field != field {
				t.Errorf("%+v: %v, want an error about %s", want, err, field)
			}
		}
	}
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	t.Parallel()
	_, secret, err := newRing(t).Create(t.Context(), admin, access.NewKey{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	type outer struct {
		Shown  access.Secret
		hidden access.Secret
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "outer", outer{secret, secret})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "outer", outer{secret, secret})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+" "+verb+"\n", secret, outer{secret, secret})
	}
	plain := secret.Reveal()[len(secret.Reveal())-40:]
	if strings.Contains(log.String(), plain) || strings.Contains(log.String(), fmt.Sprintf("%x", plain)) {
		t.Errorf("printed:\n%s", &log)
	}
	if !strings.Contains(secret.String(), "REDACTED") || (access.Secret{}).String() != "REDACTED" {
		t.Errorf("shown as %s", secret)
	}
	if again, err := access.ParseSecret(" " + secret.Reveal() + "\n"); err != nil || again.Hash() != secret.Hash() {
		t.Errorf("read as %v, %v", again, err)
	}
	if _, err := access.ParseSecret("hup_x"); err == nil || strings.Contains(err.Error(), "hup_x") {
		t.Errorf("reads anything: %v", err)
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Bearer hup_000000000000_0000000000000000000000000000000000000000", "a=b")
	f.Add("bearer x", "access_token=1")
	f.Add("", "%zz")
	f.Fuzz(func(t *testing.T, header, query string) {
		r := newRing(t)
		_, secret := r.create(access.NewKey{})
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.URL.RawQuery = query
		req.Header["Authorization"] = []string{header}
		if who, err := r.Enter(req); err == nil && !strings.Contains(header, secret) {
			t.Errorf("%q lets in %+v", header, who)
		}
	})
}
