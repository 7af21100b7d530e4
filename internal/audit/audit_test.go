package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/store/memory"
)

func newKey(t *testing.T, text string) *audit.Key {
	t.Helper()
	k, err := audit.NewKey(strings.Repeat(text, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// chain is a log of n entries.
func chain(n int, key *audit.Key) (log []audit.Entry) {
	var last audit.Mark
	for i := range n {
		a := audit.Act{
			AppID: "app", Action: audit.KeyCreate, Actor: "local", From: "192.0.2.1", Object: fmt.Sprint(i), Key: key,
			Detail: audit.Detail{"n": i},
		}
		e := a.Follow(last, time.Date(2026, 11, 20, 1, 2, i, 3000, time.UTC))
		log, last = append(log, e), e.Mark()
	}
	return log
}

// check verifies a log that is said to end with head.
func check(v *audit.Verifier, log []audit.Entry, head audit.Mark) error {
	for _, e := range log {
		if err := v.Add(e); err != nil {
			return err
		}
	}
	return v.End(head)
}

func TestWhatWasTamperedWithIsNamed(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, "k"), newKey(t, "o")
	for _, with := range []*audit.Key{nil, key} {
		whole := chain(10, with)
		head := whole[9].Mark()
		if err := check(audit.NewVerifier(audit.Mark{}, with), whole, head); err != nil {
			t.Fatalf("the log is whole: %v", err)
		}
		remade := func(from int, key *audit.Key) func([]audit.Entry) []audit.Entry {
			return func(log []audit.Entry) []audit.Entry {
				for i := from; i < len(log); i++ {
					a := audit.Act{AppID: "app", Action: audit.KeyRevoke, Object: "made up", Key: key}
					log[i] = a.Follow(log[i-1].Mark(), log[i].At)
				}
				return log
			}
		}
		for name, c := range map[string]struct {
			tamper func([]audit.Entry) []audit.Entry
			want   int64
		}{
			"action":    {func(l []audit.Entry) []audit.Entry { l[4].Action = audit.KeyRevoke; return l }, 5},
			"actor":     {func(l []audit.Entry) []audit.Entry { l[4].Actor = "key:x"; return l }, 5},
			"address":   {func(l []audit.Entry) []audit.Entry { l[4].From = ""; return l }, 5},
			"object":    {func(l []audit.Entry) []audit.Entry { l[4].Object += "x"; return l }, 5},
			"detail":    {func(l []audit.Entry) []audit.Entry { l[4].Detail = ""; return l }, 5},
			"trace":     {func(l []audit.Entry) []audit.Entry { l[4].Trace = "x"; return l }, 5},
			"time":      {func(l []audit.Entry) []audit.Entry { l[4].At = l[4].At.Add(time.Microsecond); return l }, 5},
			"app":       {func(l []audit.Entry) []audit.Entry { l[4].AppID = "b"; return l }, 5},
			"seal":      {func(l []audit.Entry) []audit.Entry { l[4].Sealed = other.Seal(); return l }, 5},
			"a shift":   {func(l []audit.Entry) []audit.Entry { l[4].From, l[4].Object = l[4].Object, l[4].From; return l }, 5},
			"hash":      {func(l []audit.Entry) []audit.Entry { l[4].Hash[3]++; return l }, 5},
			"link":      {func(l []audit.Entry) []audit.Entry { l[4].Prev[3]++; return l }, 5},
			"deleted":   {func(l []audit.Entry) []audit.Entry { return slices.Delete(l, 4, 5) }, 5},
			"inserted":  {func(l []audit.Entry) []audit.Entry { return slices.Insert(l, 4, l[3]) }, 4},
			"reordered": {func(l []audit.Entry) []audit.Entry { l[4], l[5] = l[5], l[4]; return l }, 5},
			"swapped":   {func(l []audit.Entry) []audit.Entry { l[4].Object, l[5].Object = l[5].Object, l[4].Object; return l }, 5},
			"first":     {func(l []audit.Entry) []audit.Entry { return l[1:] }, 1},
			"truncated": {func(l []audit.Entry) []audit.Entry { return l[:7] }, 8},
			"all gone":  {func([]audit.Entry) []audit.Entry { return nil }, 1},
			"resealed": {func(l []audit.Entry) []audit.Entry {
				a := audit.Act{AppID: "app", Action: audit.KeyCreate, Object: "made up", Key: with}
				l[4] = a.Follow(l[3].Mark(), l[4].At)
				return l
			}, 6},
			"the end made anew": {remade(7, with), 10},
		} {
			err := check(audit.NewVerifier(audit.Mark{}, with), c.tamper(slices.Clone(whole)), head)
			if broken, ok := errors.AsType[*audit.Broken](err); !ok || broken.Number != c.want || broken.Reason == "" {
				t.Errorf("%s, %v: %v, want entry %d to be named", name, with, err, c.want)
			}
		}
	}
}

// TestWhatEachAnchorProves: whoever can write the database can make a plain log anew, with its end, unless a hash was kept
// elsewhere; one that is sealed with a key he cannot.
func TestWhatEachAnchorProves(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	plain, sealed := chain(10, nil), chain(10, key)
	forged := chain(8, nil)
	end := forged[7].Mark()
	if err := check(audit.NewVerifier(audit.Mark{}), forged, end); err != nil {
		t.Errorf("a plain log that was made anew is whole in itself: %v", err)
	}
	v := audit.NewVerifier(audit.Mark{})
	v.Expect(plain[9].Hash)
	if err := check(v, forged, end); err == nil {
		t.Error("a log without the entry that was noted elsewhere passes")
	}
	v = audit.NewVerifier(audit.Mark{})
	v.Expect(plain[6].Hash)
	if err := check(v, plain, plain[9].Mark()); err != nil {
		t.Errorf("with the entry that was noted: %v", err)
	}
	if err := check(audit.NewVerifier(audit.Mark{}, key), forged, end); err == nil {
		t.Error("a log without seals passes for one with")
	}
	var made []audit.Entry
	made = append(made, sealed[:7]...)
	a := audit.Act{AppID: "app", Action: audit.ServerStop}
	made = append(made, a.Follow(made[6].Mark(), made[6].At))
	if err := check(audit.NewVerifier(audit.Mark{}, key), made, made[7].Mark()); err == nil {
		t.Error("an end that is not sealed passes after a beginning that is")
	}
	if err := check(audit.NewVerifier(audit.Mark{}), sealed, sealed[9].Mark()); err == nil {
		t.Error("seals pass that nobody could check")
	}
	mixed := chain(3, nil)
	a.Key = key
	mixed = append(mixed, a.Follow(mixed[2].Mark(), mixed[2].At))
	for through, good := range map[int64]bool{0: false, 2: false, 3: true, 9: true} {
		v = audit.NewVerifier(audit.Mark{}, key, newKey(t, "o"))
		v.PlainThrough(through)
		if err := check(v, mixed, mixed[3].Mark()); (err == nil) != good {
			t.Errorf("a log that was given a key after entry 3, plain through %d: %v", through, err)
		}
	}
}

func TestACutThatTheLogDoesNotTellOfIsFound(t *testing.T) {
	t.Parallel()
	log := chain(10, nil)
	foot := log[3].Mark()
	note := func(through int64, hash string) []audit.Entry {
		a := audit.Act{AppID: "app", Action: audit.LogCut, Detail: audit.Detail{"through": through, "hash": hash}}
		return append(slices.Clone(log[4:]), a.Follow(log[9].Mark(), log[9].At))
	}
	for name, c := range map[string]struct {
		log  []audit.Entry
		good bool
	}{
		"told":         {note(4, foot.Hash.String()), true},
		"not told":     {log[4:], false},
		"less told":    {note(3, foot.Hash.String()), false},
		"another told": {note(4, log[2].Hash.String()), false},
	} {
		if err := check(audit.NewVerifier(foot), c.log, c.log[len(c.log)-1].Mark()); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := check(audit.NewPartVerifier(), log[4:8], audit.Mark{}); err != nil {
		t.Errorf("a part is whole in itself: %v", err)
	}
}

func TestKeysAreNotTold(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s3cr3t", 8)
	k, err := audit.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{k, *k, struct{ K *audit.Key }{k}, audit.Act{Key: k}} {
			if said := fmt.Sprintf(verb, v); strings.Contains(said, secret) || strings.Contains(said, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T says %s", verb, v, said)
			}
		}
	}
	if _, err := audit.NewKey("short"); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a short key: %v", err)
	}
	if k.Seal() == newKey(t, "x").Seal() || !strings.HasPrefix(k.Seal(), "hmac-sha256:") {
		t.Errorf("the seal is %s", k.Seal())
	}
}

func newLog(t *testing.T, cfg audit.Config) *audit.Log {
	t.Helper()
	cfg.AppID, cfg.People = "app", []byte(strings.Repeat("p", 32))
	log, err := audit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func entries(t *testing.T, store audit.Store) []audit.Entry {
	t.Helper()
	found, err := store.AuditEntries(t.Context(), audit.Filter{AppID: "app", Oldest: true, Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRefusalsAreCountedNotWrittenOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		log := newLog(t, audit.Config{Store: store})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); log.Run(ctx) }()
		for range 1000 {
			log.Refused(audit.KeyRefused, "wrong", "", netip.MustParseAddr("192.0.2.1"))
			log.Refused(audit.KeyRefused, "wrong", "", netip.MustParseAddr("2001:db8::1"))
			log.Refused(audit.KeyRefused, "wrong", "", netip.MustParseAddr("2001:db8::2"))
		}
		log.Refused(audit.ScopeDenied, "admin", "key:k", netip.MustParseAddr("192.0.2.1"))
		if n := len(entries(t, store)); n != 0 {
			t.Errorf("%d entries at once", n)
		}
		time.Sleep(61 * time.Second)
		var got []string
		for _, e := range entries(t, store) {
			count := regexp.MustCompile(`"count":\d+`).FindString(e.Detail)
			got = append(got, fmt.Sprint(e.Action, " ", e.Actor, " ", e.From, " ", count))
		}
		want := []string{
			`refused.key  192.0.2.1 "count":1000`, `refused.key  2001:db8::/64 "count":2000`, `refused.scope key:k 192.0.2.1 "count":1`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("written: %q, want %q", got, want)
		}
		log.Refused(audit.TokenRefused, "expired", "", netip.Addr{})
		stop()
		<-done
		if all := entries(t, store); len(all) != 4 || all[3].Action != audit.TokenRefused || all[3].From != "" {
			t.Errorf("at the end: %+v", all)
		}
	})
}

// TestAttackersDoNotFillTheDisk: a day of an attack from everywhere, with everything that can be refused.
func TestAttackersDoNotFillTheDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		log := newLog(t, audit.Config{Store: store})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); log.Run(ctx) }()
		sent := 0
		for i := range 24 * 60 {
			for k := range 500 {
				from := netip.AddrFrom4([4]byte{10, byte(i), byte(k >> 8), byte(k)})
				log.Refused([]audit.Action{audit.KeyRefused, audit.TokenRefused, audit.RateLimited}[k%3], fmt.Sprint("reason", k%400), "", from)
				sent++
			}
			time.Sleep(time.Minute)
		}
		stop()
		<-done
		all := entries(t, store)
		if len(all) > 24*400 || len(all) < 24*100 {
			t.Errorf("%d entries in a day", len(all))
		}
		counted := 0
		for _, e := range all {
			n := 0
			if _, err := fmt.Sscanf(regexp.MustCompile(`"count":\d+`).FindString(e.Detail), `"count":%d`, &n); err != nil {
				t.Fatal(err)
			}
			counted += n
		}
		if counted != sent {
			t.Errorf("%d were refused, and %d are in the log", sent, counted)
		}
	})
}

func TestOldEntriesAreCutOff(t *testing.T) {
	t.Parallel()
	store := memory.New()
	log := newLog(t, audit.Config{Store: store, Retention: 24 * time.Hour, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
	for range 5 {
		if err := log.Write(t.Context(), audit.Act{Action: audit.ServerStart, Actor: audit.Server}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	log.Run(ctx) // cuts when it begins
	all := entries(t, store)
	ends, err := log.Ends(t.Context())
	if err != nil || len(all) != 2 || ends.Foot.Number != 4 || all[1].Action != audit.LogCut {
		t.Fatalf("left: %+v, %+v, %v", all, ends, err)
	}
	if err := check(audit.NewVerifier(ends.Foot), all, ends.Head); err != nil {
		t.Error(err)
	}
}

func TestPeopleAreNamedByAKeyedHash(t *testing.T) {
	t.Parallel()
	log := newLog(t, audit.Config{Store: memory.New()})
	ann, again, bob := log.Person("person", "t", "ann"), log.Person("person", "t", "ann"), log.Person("person", "ta", "nn")
	if ann != again || ann == bob || strings.Contains(ann, "ann") || !strings.HasPrefix(ann, "person:") || len(ann) > 64 {
		t.Errorf("%s, %s, %s", ann, again, bob)
	}
}

// TestTheVocabularyIsDocumented holds docs/audit.md to the words.
func TestTheVocabularyIsDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, a := range audit.Actions() {
		known[string(a)] = true
		if !strings.Contains(string(raw), "`"+string(a)+"`") {
			t.Errorf("docs/audit.md does not tell of %s", a)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z_]+)` \\|").FindAllStringSubmatch(string(raw), -1) {
		if !known[row[1]] {
			t.Errorf("docs/audit.md tells of %s, which is none", row[1])
		}
	}
}

func TestANilLogDoesNothing(t *testing.T) {
	t.Parallel()
	var log *audit.Log
	ctx, p := log.Begin(t.Context(), audit.Act{Action: audit.KeyCreate})
	audit.FromContext(ctx).About("x")
	p.Want()
	log.Refused(audit.KeyRefused, "x", "", netip.Addr{})
	if err := errors.Join(log.Finish(ctx, p), log.Write(ctx, audit.Act{})); err != nil || p.Open() {
		t.Errorf("%v, open %v", err, p.Open())
	}
}
