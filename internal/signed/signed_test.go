package signed_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/signed"
)

// The vector of the reference libraries of Standard Webhooks (libraries/*/test, "sign function works").
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func secret(t *testing.T, text string) signed.Secret {
	t.Helper()
	s, err := signed.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignatureIsTheSpecifications(t *testing.T) {
	t.Parallel()
	h := make(http.Header)
	signed.Headers(h, []signed.Secret{secret(t, vectorSecret)}, vectorID, time.Unix(vectorTime, 999), []byte(vectorBody))
	for name, want := range map[string]string{
		"webhook-id": vectorID, "webhook-timestamp": fmt.Sprint(vectorTime), "webhook-signature": vectorSignature,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestVerify walks the cases of the reference libraries, and more.
func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Unix(vectorTime, 0)
	const wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	for name, c := range map[string]struct {
		change func(h http.Header)
		now    time.Time
		body   string
		secret string
		want   error
	}{
		"as it was signed":      {},
		"id is missing":         {change: func(h http.Header) { h.Del("webhook-id") }, want: signed.ErrHeaders},
		"time is missing":       {change: func(h http.Header) { h.Del("webhook-timestamp") }, want: signed.ErrHeaders},
		"signature is missing":  {change: func(h http.Header) { h.Del("webhook-signature") }, want: signed.ErrHeaders},
		"id with a full stop":   {change: func(h http.Header) { h.Set("webhook-id", "msg.1") }, want: signed.ErrHeaders},
		"time is no number":     {change: func(h http.Header) { h.Set("webhook-timestamp", "now") }, want: signed.ErrHeaders},
		"time is huge":          {change: func(h http.Header) { h.Set("webhook-timestamp", "99999999999999") }, want: signed.ErrTime},
		"other id":              {change: func(h http.Header) { h.Set("webhook-id", "msg_x") }, want: signed.ErrSignature},
		"other time":            {change: func(h http.Header) { h.Set("webhook-timestamp", "1614265331") }, want: signed.ErrSignature},
		"other body":            {body: `{"test":2432232314}`, want: signed.ErrSignature},
		"other secret":          {secret: signed.NewSecret().Text(), want: signed.ErrSignature},
		"wrong signature":       {change: func(h http.Header) { h.Set("webhook-signature", wrong) }, want: signed.ErrSignature},
		"version is missing":    {change: func(h http.Header) { h.Set("webhook-signature", vectorSignature[3:]) }, want: signed.ErrSignature},
		"unknown version":       {change: func(h http.Header) { h.Set("webhook-signature", "v2"+vectorSignature[2:]) }, want: signed.ErrSignature},
		"prefix of a signature": {change: func(h http.Header) { h.Set("webhook-signature", vectorSignature[:20]) }, want: signed.ErrSignature},
		"loose trailing bits": {change: func(h http.Header) {
			h.Set("webhook-signature", strings.Replace(vectorSignature, "1OE=", "1OF=", 1))
		}, want: signed.ErrSignature},
		"among others": {change: func(h http.Header) {
			h.Set("webhook-signature", wrong+" v2,AAAA "+vectorSignature+" "+wrong)
		}},
		"5 minutes old":      {now: now.Add(signed.Tolerance)},
		"more than that":     {now: now.Add(signed.Tolerance + time.Second), want: signed.ErrTime},
		"5 minutes early":    {now: now.Add(-signed.Tolerance)},
		"earlier than that":  {now: now.Add(-signed.Tolerance - time.Second), want: signed.ErrTime},
		"without the prefix": {secret: strings.TrimPrefix(vectorSecret, "whsec_")},
	} {
		h := http.Header{"Webhook-Id": {vectorID}, "Webhook-Timestamp": {fmt.Sprint(vectorTime)}, "Webhook-Signature": {vectorSignature}}
		if c.change != nil {
			c.change(h)
		}
		at, body, key := c.now, c.body, c.secret
		if at.IsZero() {
			at = now
		}
		if body == "" {
			body = vectorBody
		}
		if key == "" {
			key = vectorSecret
		}
		id, err := signed.Verify([]signed.Secret{secret(t, key)}, h, []byte(body), at)
		if !errors.Is(err, c.want) || (err == nil) != (id == vectorID) {
			t.Errorf("%s: %q, %v, want %v", name, id, err, c.want)
		}
	}
}

func TestRotationSignsTwice(t *testing.T) {
	t.Parallel()
	before, after := signed.NewSecret(), signed.NewSecret()
	h, now := make(http.Header), time.Unix(vectorTime, 0)
	signed.Headers(h, []signed.Secret{after, before}, "evt_1", now, []byte("{}"))
	for _, s := range []signed.Secret{before, after} {
		if _, err := signed.Verify([]signed.Secret{signed.NewSecret(), s}, h, []byte("{}"), now); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func TestSecretsAreLongAndDoNotShow(t *testing.T) {
	t.Parallel()
	s := signed.NewSecret()
	if again := secret(t, s.Text()); again.Text() != s.Text() || !strings.HasPrefix(s.Text(), "whsec_") {
		t.Errorf("read back as %q", again.Text())
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, struct{ S signed.Secret }{s}); strings.Contains(text, strings.TrimPrefix(s.Text(), "whsec_")) {
			t.Errorf("%s shows %s", format, text)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_" + strings.Repeat("A", 88), "whsec_!" + vectorSecret[7:], vectorSecret + "="} {
		if _, err := signed.ParseSecret(bad); !errors.Is(err, signed.ErrSecret) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
