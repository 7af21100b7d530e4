package directline

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
)

// Errors of stores.
var (
	// ErrNotFound: there is no such conversation, activity or attachment.
	ErrNotFound = errors.New("directline: not found")
	// ErrEnded: the conversation has ended; nothing is added to it any more.
	ErrEnded = errors.New("directline: the conversation has ended")
)

// Kind is what a conversation is.
type Kind string

const (
	// KindPersonal: one person and the bot. An empty kind is this one.
	KindPersonal Kind = "personal"
	// KindGroup: several people and the bot.
	KindGroup Kind = "group"
	// KindChannel: several people and the bot, who talk in threads.
	KindChannel Kind = "channel"
)

// Conversation is one conversation of the channel.
type Conversation struct {
	ID activity.ConversationID
	// AppID is the bot's.
	AppID string
	// Kind is what it is; empty is personal.
	Kind Kind
	// Name is what people call it; empty for most.
	Name string
	// User is who the conversation was opened for, or by in a group or a channel; its id is empty while nobody is known.
	User activity.ChannelAccount
	// Members are the people in a group or a channel, in the order in which they came. A personal conversation has none
	// but its user.
	Members []activity.ChannelAccount
	// Uninstalled: the bot was taken out of it. It hears nothing from here and says nothing until it is back.
	Uninstalled bool
	// ByBot: the bot opened it, not the user.
	ByBot bool
	// Started: a client has started it; before, only its token exists.
	Started   bool
	Ended     bool
	CreatedAt time.Time
}

// Stored is an activity in a conversation's history.
type Stored struct {
	// Seq counts from 1 without gaps in the order of the conversation. It is the watermark after this activity, and the
	// number in its id.
	Seq int64
	// Body is the activity as JSON, without its id.
	Body jsontext.Value
	// Again is the number of the activity that this one is once more, because it has changed; 0 when it is one of its own.
	Again int64
}

// Attachment is a file that somebody put into a conversation.
type Attachment struct {
	ID           string
	Conversation activity.ConversationID
	Name         string
	ContentType  string
	Data         []byte
	CreatedAt    time.Time
}

// Store keeps conversations, their history and their files. Methods are atomic and durable when they return, and safe
// for concurrent use.
type Store interface {
	// OpenConversation adds c unless there is one with its id, and returns the stored one and whether it was added.
	OpenConversation(ctx context.Context, c Conversation) (Conversation, bool, error)
	// DirectLineConversation returns a conversation, or ErrNotFound.
	DirectLineConversation(ctx context.Context, id activity.ConversationID) (Conversation, error)
	// DirectLineConversations lists the personal conversations that were opened for a user id and the groups and
	// channels that it is a member of, or all when it is empty, oldest first, at most limit.
	DirectLineConversations(ctx context.Context, appID string, user activity.AccountID, limit int) ([]Conversation, error)
	// NameUser makes somebody the user of a personal conversation that has none and was not started, and returns it as it is
	// then; any other is returned as it is. ErrNotFound.
	NameUser(ctx context.Context, id activity.ConversationID, user activity.ChannelAccount) (Conversation, error)
	// StartConversation marks it started and reports whether it was not before. ErrNotFound, ErrEnded.
	StartConversation(ctx context.Context, id activity.ConversationID) (bool, error)
	// EndConversation marks it ended. Ending twice is not an error. ErrNotFound.
	EndConversation(ctx context.Context, id activity.ConversationID) error

	// AddMembers puts people into a group or a channel and returns those who were not in it before, in the order given.
	// ErrNotFound, ErrEnded.
	AddMembers(ctx context.Context, id activity.ConversationID, people []activity.ChannelAccount) ([]activity.ChannelAccount, error)
	// RemoveMember takes somebody out of a group or a channel and reports whether they were in it. ErrNotFound.
	RemoveMember(ctx context.Context, id activity.ConversationID, user activity.AccountID) (bool, error)
	// RenameUser gives a person another name in all conversations of a bot that have them as user or member. That there
	// is none is not an error.
	RenameUser(ctx context.Context, appID string, user activity.AccountID, name string) error
	// SetInstalled notes whether the bot is in a conversation and reports whether that is new. ErrNotFound, ErrEnded.
	SetInstalled(ctx context.Context, id activity.ConversationID, installed bool) (bool, error)

	// Append adds an activity to the end of the history and returns its number. A key that was used in this conversation
	// before adds nothing: the earlier number is returned with added false. An empty key is never a repeat.
	// A repeat is one even after the conversation has ended. ErrNotFound, ErrEnded.
	Append(ctx context.Context, id activity.ConversationID, key string, body jsontext.Value, at time.Time) (seq int64, added bool, err error)
	// Replace puts body in the place of the activity with a number, and adds it to the end of the history once more, with
	// Again, so that those who have seen it hear of the change; it returns the number there. What is added so is always
	// the latest body. ErrNotFound when there is no such activity of its own, ErrEnded.
	Replace(ctx context.Context, id activity.ConversationID, seq int64, body jsontext.Value, at time.Time) (again int64, err error)
	// History returns up to limit activities with numbers greater than after, in order. An unknown conversation has none.
	History(ctx context.Context, id activity.ConversationID, after int64, limit int) ([]Stored, error)

	// SaveAttachment keeps a file; LoadAttachment returns it, or ErrNotFound.
	SaveAttachment(ctx context.Context, a Attachment) error
	LoadAttachment(ctx context.Context, id string) (Attachment, error)
}
