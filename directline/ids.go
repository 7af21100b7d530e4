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

// Conversation ids are 26 letters and digits, which hold 130 random bits, and a suffix by which they are recognised.
// Clients put them into URLs as they are.
const (
	idText   = 26
	idSuffix = "-hu"
)

func newConversationID() activity.ConversationID {
	return activity.ConversationID(rand.Text() + idSuffix)
}

// minted reports whether a conversation id has the form of those made here.
func minted(id activity.ConversationID) bool {
	text, ok := strings.CutSuffix(string(id), idSuffix)
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
func (k keys) conversationID(appID string, user activity.AccountID, key string) activity.ConversationID {
	mac := hmac.New(sha256.New, k.conversation)
	for _, part := range []string{appID, string(user), key} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	text := base32.StdEncoding.EncodeToString(mac.Sum(nil))
	return activity.ConversationID(text[:idText] + idSuffix)
}

// activityID is the id of the activity with a number: ids order as watermarks do.
func activityID(id activity.ConversationID, seq int64) activity.ID {
	return activity.ID(fmt.Sprintf("%s|%07d", id, seq))
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
