package book

import (
	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// A prospect is somebody whom the bot has not met, but is to write to. The book has an entry for them which is like that of a
// personal conversation, so that what is to be said has a place to wait, but stands as [ReachProspective]: nothing can be
// sent there. What waits goes on in the real conversation once there is one. The entry stays, with how far the search for the
// person has come as its cause.

// prospectPrefix begins the ids of prospects. No channel gives such ids.
const prospectPrefix = "prospect:"

// Prospect is the key of the entry for a prospect, who is known by an object id, user principal name or e-mail address.
func Prospect(appID string, channel activity.ChannelID, tenant activity.TenantID, bot activity.AccountID, person string) headsup.ConversationKey {
	return headsup.ConversationKey{
		AppID: appID, Channel: channel, Tenant: tenant, Bot: bot, Conversation: activity.ConversationID(prospectPrefix + Fold(person)),
	}
}
