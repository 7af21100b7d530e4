package ticket_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/internal/ticket"
)

var (
	now  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	old  = ticket.Key{ID: "sgn_old", Secret: []byte("the old secret")}
	key  = ticket.Key{ID: "sgn_new", Secret: []byte("the new secret")}
	mute = ticket.Ticket{
		Do: "mute", Conversation: "cnv_1", Person: "dl_ann", Delivery: "dlv_1", Topic: "deals", Name: "Größe",
		Value: jsontext.Value(`{"b":9007199254740993,"a":1}`), For: time.Hour, Expires: now.Add(time.Hour),
	}
)

func signer(keys ...ticket.Key) *ticket.Signer {
	return ticket.NewSigner(func() []ticket.Key { return keys })
}

func sign(t *testing.T, s *ticket.Signer, of ticket.Ticket) string {
	t.Helper()
	text, err := s.Sign(of)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestATicketComesBackAsItWasSigned(t *testing.T) {
	t.Parallel()
	s := signer(key)
	text := sign(t, s, mute)
	if i := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
	}); i >= 0 {
		t.Errorf("%q cannot stand in a URL", text)
	}
	got, err := s.Verify(text, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Do != mute.Do || got.Conversation != mute.Conversation || got.Person != mute.Person || got.Delivery != mute.Delivery ||
		got.Topic != mute.Topic || got.Name != mute.Name || string(got.Value) != string(mute.Value) || got.For != mute.For ||
		!got.Expires.Equal(mute.Expires) {
		t.Errorf("%+v came back, not %+v", got, mute)
	}
	if got.ID() != mute.ID() {
		t.Error("its id is another one than when it was signed")
	}
}

func TestTheIDIsOfWhatIsDone(t *testing.T) {
	t.Parallel()
	later, spaced := mute, mute
	later.Expires = now.Add(48 * time.Hour)
	spaced.Value = jsontext.Value(` { "b" : 9007199254740993, "a" : 1 } `)
	if later.ID() != mute.ID() || spaced.ID() != mute.ID() {
		t.Error("signed again it has another id")
	}
	for what, change := range map[string]func(*ticket.Ticket){
		"do":           func(o *ticket.Ticket) { o.Do = "opt_out" },
		"conversation": func(o *ticket.Ticket) { o.Conversation = "cnv_2" },
		"delivery":     func(o *ticket.Ticket) { o.Delivery = "dlv_2" },
		"value":        func(o *ticket.Ticket) { o.Value = jsontext.Value(`2`) },
	} {
		other := mute
		change(&other)
		if other.ID() == mute.ID() {
			t.Errorf("with another %s it has the same id", what)
		}
	}
}

func TestOldKeysVerifyUntilTheyAreGone(t *testing.T) {
	t.Parallel()
	text := sign(t, signer(old), mute)
	if _, err := signer(key, old).Verify(text, now); err != nil {
		t.Errorf("with the key before: %v", err)
	}
	if _, err := signer(key).Verify(text, now); !errors.Is(err, ticket.ErrForged) {
		t.Errorf("when that is gone: %v", err)
	}
	if text := sign(t, signer(key, old), mute); !strings.HasPrefix(text, key.ID+".") {
		t.Errorf("%q is not signed with the first key", text)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	good := sign(t, signer(key), mute)
	part := strings.Split(good, ".")
	flip := func(s string, i int) string {
		c := byte('A')
		if s[i] == c {
			c = 'B'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "deals", "bills", 1)))
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", ticket.ErrMalformed},
		"two parts":            {part[0] + "." + part[1], ticket.ErrMalformed},
		"cut off":              {good[:len(good)-1], ticket.ErrMalformed},
		"a part more":          {good + ".", ticket.ErrMalformed},
		"no signature":         {part[0] + "." + part[1] + ".", ticket.ErrMalformed},
		"line break":           {good + "\n", ticket.ErrMalformed},
		"padding":              {good + "=", ticket.ErrMalformed},
		"unused bits":          {good[:len(good)-1] + "_", ticket.ErrMalformed},
		"another signature":    {flip(good, len(part[0])+len(part[1])+3), ticket.ErrForged},
		"another payload":      {part[0] + "." + forged + "." + part[2], ticket.ErrForged},
		"a key nobody has":     {"sgn_none." + part[1] + "." + part[2], ticket.ErrForged},
		"no key":               {"." + part[1] + "." + part[2], ticket.ErrForged},
		"the other key's name": {old.ID + "." + part[1] + "." + part[2], ticket.ErrForged},
		"signed by others":     {sign(t, signer(ticket.Key{ID: key.ID, Secret: []byte("guessed")}), mute), ticket.ErrForged},
		"too long":             {good + strings.Repeat("A", ticket.MaxText), ticket.ErrTooLong},
	} {
		if got, err := signer(key, old).Verify(c.text, now); !errors.Is(err, c.want) || got.Do != "" {
			t.Errorf("%s: %v, %+v; want %v", name, err, got, c.want)
		}
	}
	if got, err := signer(key).Verify(good, mute.Expires); !errors.Is(err, ticket.ErrExpired) || got.Do != "mute" {
		t.Errorf("when it ends: %v, %+v", err, got)
	}
	if _, err := signer(key).Verify(good, mute.Expires.Add(-time.Second)); err != nil {
		t.Errorf("a second before it ends: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	large := mute
	large.Value = jsontext.Value(`"` + strings.Repeat("x", ticket.MaxValue) + `"`)
	wide := mute
	wide.Topic = strings.Repeat("x", ticket.MaxText)
	for name, o := range map[string]ticket.Ticket{"value": large, "topic": wide} {
		if text, err := signer(key).Sign(o); !errors.Is(err, ticket.ErrTooLong) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	broken := mute
	broken.Value = jsontext.Value(`{`)
	for name, o := range map[string]ticket.Ticket{"no end": {Do: "mute"}, "nothing to do": {Expires: now}, "value": broken} {
		if text, err := signer(key).Sign(o); err == nil {
			t.Errorf("%s: signed as %q", name, text)
		}
	}
	if _, err := signer().Sign(mute); err == nil {
		t.Error("signed without a key")
	}
}

func FuzzVerify(f *testing.F) {
	s := signer(key, old)
	good, err := s.Sign(mute)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add("..")
	f.Add("sgn_new.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Verify(text, now)
		if err == nil && text != good {
			t.Errorf("%q is taken for %+v", text, got)
		}
	})
}
