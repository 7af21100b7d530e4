package state

import (
	"fmt"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Scope says whose a document is.
type Scope string

const (
	// Conversation is shared by everybody in a conversation.
	Conversation Scope = "conversation"
	// User follows a person through all conversations on a channel.
	User Scope = "user"
	// Private is one person's in one conversation.
	Private Scope = "private"
)

const namedPrefix = "named:"

// Named is a document of the bot's own, whoever is spoken to: there is one for each app id. Its name is the document's
// path, as other SDKs name theirs ("ProactiveBot.JobState"). It must not be empty nor have a slash, which the other scopes'
// paths have; using such a scope is an error.
//
// Turns of different conversations that change it at the same time conflict, and all but one run again: it suits what
// changes now and then.
func Named(name string) Scope { return Scope(namedPrefix + name) }

// KeyFor names a scope's document in a turn.
func KeyFor(t *headsup.Turn, s Scope) (Key, error) {
	key := t.Key()
	if name, named := strings.CutPrefix(string(s), namedPrefix); named {
		if name == "" || strings.Contains(name, "/") {
			return Key{}, fmt.Errorf("state: %q is no name for a scope", name)
		}
		return Key{AppID: key.AppID, Path: name}, nil
	}
	ref, user := t.Reference(), activity.AccountID("")
	if ref.User != nil {
		user = ref.User.ID
	}
	path := ""
	switch s {
	case Conversation:
		path = ConversationPath(key)
	case User:
		path = UserPath(key.Channel, user)
	case Private:
		path = PrivatePrefix(key) + string(user) + "/"
	default:
		return Key{}, fmt.Errorf("state: unknown scope %q", s)
	}
	if s != Conversation && user == "" {
		return Key{}, ErrMissingID
	}
	return Key{AppID: key.AppID, Tenant: key.Tenant, Path: path}, nil
}

// ConversationPath is the path of what is remembered of a conversation.
func ConversationPath(key headsup.ConversationKey) string {
	return fmt.Sprintf("%s/conversations/%s/", key.Channel, key.Conversation)
}

// PrivatePrefix begins the paths of what is remembered of each person in a conversation.
func PrivatePrefix(key headsup.ConversationKey) string { return ConversationPath(key) + "users/" }

// UserPath is the path of what is remembered of a person in all conversations of a channel.
func UserPath(channel activity.ChannelID, user activity.AccountID) string {
	return fmt.Sprintf("%s/users/%s/", channel, user)
}
