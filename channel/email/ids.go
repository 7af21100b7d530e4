package email

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"github.com/headsup-bot/headsup/activity"
)

// ids makes the ids of mails: what the key of a send is called, a seal that depends on the recipient, and the domain of the
// sender. Whoever answers a mail names its id, and nobody else can make one: it tells an answer from a mail that was made up.
type ids struct {
	secret []byte
	domain string
}

// sealSize is how many bytes of the seal are kept: more than anybody can try over the network.
const sealSize = 10

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// of is the id of the mail to an address under a key, without angle brackets.
func (i ids) of(key, to string) string {
	name := plain(key)
	return name + "." + i.seal(name, to) + "@" + i.domain
}

// thread is the id that the mails of one subject to an address answer. No mail has it: it keeps them together.
func (i ids) thread(subject, to string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(subject)))
	return i.of(threadPrefix+hex.EncodeToString(sum[:8]), to)
}

// ours reports whether an id is of a mail that was sent to an address.
func (i ids) ours(id activity.ID, to string) bool {
	local, found := strings.CutSuffix(string(id), "@"+i.domain)
	name, seal, sealed := cutLast(local, ".")
	return found && sealed && hmac.Equal([]byte(seal), []byte(i.seal(name, to)))
}

func (i ids) seal(name, to string) string {
	mac := hmac.New(sha256.New, i.secret)
	_, _ = mac.Write([]byte(name + "\x00" + strings.ToLower(to)))
	return lower.EncodeToString(mac.Sum(nil)[:sealSize])
}

// keyIn is the key in an id of ours; it may have been another that was not plain.
func keyIn(id activity.ID) string {
	local, _, _ := strings.Cut(string(id), "@")
	name, _, _ := cutLast(local, ".")
	if key, ordinal, ok := cutLast(name, "."); ok {
		return key + ":" + ordinal
	}
	return name
}

// plain is a key in characters that ids of mails have; a random one for an empty key.
func plain(key string) string {
	if key == "" {
		return strings.ToLower(rand.Text())
	}
	key = strings.ReplaceAll(key, ":", ".")
	if len(key) <= 100 && strings.Trim(key, ".") == key && !strings.Contains(key, "..") &&
		!strings.ContainsFunc(key, func(r rune) bool { return !letterOrDigit(r) && r != '_' && r != '-' && r != '.' }) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "key-" + hex.EncodeToString(sum[:12])
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// threadPrefix begins the ids that no mail has.
const threadPrefix = "thread-"
