package headsup

import (
	"fmt"

	"github.com/headsup-bot/headsup/activity"
)

// ConversationKey names one conversation of one bot, whatever the channel. A conversation id alone is not enough: an SMS
// conversation is named by the person's number, so two bot numbers share it (Bot Framework identifiers guide).
// It is comparable.
type ConversationKey struct {
	// AppID is the bot's application id.
	AppID string
	// Tenant is the Entra tenant; empty on channels without tenants.
	Tenant activity.TenantID
	// Channel, Bot and Conversation are as on the wire.
	Channel      activity.ChannelID
	Bot          activity.AccountID
	Conversation activity.ConversationID
}

// KeyOf names the conversation of a reference.
func KeyOf(appID string, ref activity.Reference) ConversationKey {
	key := ConversationKey{
		AppID:        appID,
		Tenant:       ref.Conversation.TenantID,
		Channel:      ref.ChannelID,
		Conversation: ref.Conversation.ID,
	}
	if ref.Bot != nil {
		key.Bot = ref.Bot.ID
	}
	return key
}

// ReferenceOf is the reference of an inbound activity, with the tenant written into its conversation even where the
// channel only told it in its channel data, so that every reference to a conversation has the same key.
func ReferenceOf(a *activity.Activity) activity.Reference {
	ref := a.Reference()
	if ref.Conversation.TenantID == "" {
		ref.Conversation.TenantID = a.TenantID()
	}
	return ref
}

// String is for logs and errors.
func (k ConversationKey) String() string {
	return fmt.Sprintf("%s/%s", k.Channel, k.Conversation)
}
