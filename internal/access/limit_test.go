package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/access"
)

func TestWrongKeysAreLimitedPerAddress(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, good := r.create(access.NewKey{})
	wrong := func(from string) *access.Refusal {
		t.Helper()
		_, refused := r.enter("hup_wrong", from)
		if refused == nil {
			t.Fatal("a wrong key is let in")
		}
		return refused
	}
	for i := range 10_000 {
		if refused := wrong(fmt.Sprintf("192.0.2.7:%d", i+1)); refused.Limited() != (i >= 30) {
			t.Fatalf("try %d: %+v", i+1, refused)
		}
	}
	if wait := wrong(far).RetryAfter; wait <= 0 || wait > time.Minute {
		t.Errorf("is to wait %v", wait)
	}
	for _, from := range []string{far, "192.0.2.8:1"} {
		if _, refused := r.enter(good, from); refused != nil {
			t.Errorf("a good key from %s: %v", from, refused)
		}
	}
	if wrong("192.0.2.8:1").Limited() || wrong("[::ffff:192.0.2.9]:1").Limited() {
		t.Error("another address waits too")
	}
	if !wrong("[::ffff:192.0.2.7]:1").Limited() {
		t.Error("the address in another notation may go on")
	}
	r.clock.add(time.Minute)
	if wrong(far).Limited() || !wrong(far).Limited() {
		t.Error("a minute is not good for one more try")
	}
	r.clock.add(24 * time.Hour)
	for i := range 31 {
		if refused := wrong(far); refused.Limited() != (i >= 30) {
			t.Fatalf("try %d after a day: %+v", i+1, refused)
		}
	}
	for i := range 31 { // one after another in one /64
		if refused := wrong(fmt.Sprintf("[2001:db8:0:1::%x]:1", i+1)); refused.Limited() != (i >= 30) {
			t.Fatalf("try %d by IPv6: %+v", i+1, refused)
		}
	}
	if wrong("[2001:db8:0:2::1]:1").Limited() {
		t.Error("another network waits too")
	}
}

func TestManyAddressesAreNotRememberedForEver(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	for i := range 25_000 {
		if _, refused := r.enter("hup_wrong", fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)); refused == nil || refused.Limited() {
			t.Fatalf("address %d: %+v", i, refused)
		}
	}
}

func TestRatePerKey(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, slow := r.create(access.NewKey{RatePerMinute: 6})
	_, other := r.create(access.NewKey{RatePerMinute: 6})
	for i := range 6 {
		if _, refused := r.enter(slow, far); refused != nil {
			t.Fatalf("request %d: %v", i+1, refused)
		}
	}
	_, refused := r.enter(slow, "192.0.2.8:1")
	if refused == nil || !refused.Limited() || refused.Invalid || refused.RetryAfter > 10*time.Second {
		t.Fatalf("the seventh in a minute: %+v", refused)
	}
	if _, refused := r.enter(other, far); refused != nil {
		t.Errorf("another key: %v", refused)
	}
	r.clock.add(refused.RetryAfter)
	if _, refused := r.enter(slow, far); refused != nil {
		t.Errorf("after the wait: %v", refused)
	}
}
