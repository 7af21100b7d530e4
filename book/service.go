package book

import "github.com/headsup-bot/headsup/activity"

// Service is a service URL that conversations of the book are at, with one of them. It is for looking at an installation from
// outside.
type Service struct {
	// URL is the service URL, and Source how it was learnt.
	URL    string
	Source Source
	// Conversations is how many there are at it.
	Conversations int64
	// Channel, Conversation and Tenant are those of one of them.
	Channel      activity.ChannelID
	Conversation activity.ConversationID
	Tenant       activity.TenantID
}
