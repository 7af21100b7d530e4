package directline

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headsup-bot/headsup/activity"
)

// Conversation ids are 26 letters and digits, which hold 130 random bits, and a suffix by which they are recognised and
// which tells what the conversation is. Clients put them into URLs as they are.
const (
	idText   = 26
	idSuffix = "-hu"
	// Groups and channels.
	idGroup   = "-hg"
	idChannel = "-hc"
)

func newConversationID() activity.ConversationID {
	return activity.ConversationID(rand.Text() + idSuffix)
}

func newIDOf(k Kind) activity.ConversationID {
	return activity.ConversationID(rand.Text() + suffixOf(k))
}

func suffixOf(k Kind) string {
	switch k {
	case KindGroup:
		return idGroup
	case KindChannel:
		return idChannel
	case KindPersonal:
	}
	return idSuffix
}

// kindOf reads what a conversation is out of its id, which may be a thread's.
func kindOf(id activity.ConversationID) Kind {
	base, _ := split(id)
	switch {
	case strings.HasSuffix(string(base), idGroup):
		return KindGroup
	case strings.HasSuffix(string(base), idChannel):
		return KindChannel
	}
	return KindPersonal
}

// minted reports whether a conversation id has the form of those made here.
func minted(id activity.ConversationID) bool {
	text, ok := strings.CutSuffix(string(id), suffixOf(kindOf(id)))
	return ok && isRandomText(text)
}

// isRandomText reports whether s looks like rand.Text.
func isRandomText(s string) bool {
	if len(s) != idText {
		return false
	}
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '2' || r > '7') {
			return false
		}
	}
	return true
}

// conversationID names the conversation that a bot opens under a key, so that a repeat finds it.
func (k keys) conversationID(appID string, user activity.AccountID, key, suffix string) activity.ConversationID {
	mac := hmac.New(sha256.New, k.conversation)
	for _, part := range []string{appID, string(user), key} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	text := base32.StdEncoding.EncodeToString(mac.Sum(nil))
	return activity.ConversationID(text[:idText] + suffix)
}

// activityID is the id of the activity with a number: ids order as watermarks do. In a channel it is a plain number, since
// it names a thread if it is the first there, and SDKs take only numbers for that (see [threadID]).
func activityID(id activity.ConversationID, seq int64) activity.ID {
	if kindOf(id) == KindChannel {
		return activity.ID(strconv.FormatInt(channelIDs+seq, 10))
	}
	return activity.ID(fmt.Sprintf("%s|%07d", id, seq))
}

// inHistory reports whether an id may be that of an activity of a conversation's history.
func inHistory(conversation activity.ConversationID, id activity.ID) bool {
	if kindOf(conversation) == KindChannel {
		_, ok := seqIn(id)
		return ok
	}
	number, ok := strings.CutPrefix(string(id), string(conversation)+"|")
	_, err := strconv.ParseUint(number, 10, 63)
	return ok && err == nil
}

// passingID is an id for something that is not kept.
func passingID(id activity.ConversationID) activity.ID {
	return activity.ID(string(id) + "|" + rand.Text())
}

// watermark reads what a client sends. What was not made here counts as none, which is the start.
func watermark(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0
	}
	return int64(n)
}

// userPrefix starts the user ids that only a server can give out in a token (bot-docs, "Direct Line enhanced
// authentication").
const userPrefix = "dl_"

func checkUserID(id activity.AccountID) error {
	switch {
	case id == "":
		return errors.New("the user has no id")
	case !utf8.ValidString(string(id)):
		return errors.New("the user's id is not valid UTF-8")
	case utf8.RuneCountInString(string(id)) > 256:
		return errors.New("the user's id is longer than 256 characters")
	case strings.ContainsFunc(string(id), unicode.IsControl):
		return errors.New("the user's id contains control characters")
	}
	return nil
}
