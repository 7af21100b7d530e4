package activity

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// ChannelAccount is a party of a conversation: a person or a bot. Rosters of Teams carry more members (email,
// userPrincipalName, givenName and others); they are found in Extra, see [Member].
type ChannelAccount struct {
	ID            AccountID `json:"id,omitzero"`
	Name          string    `json:"name,omitzero"`
	Role          Role      `json:"role,omitzero"`
	AADObjectID   string    `json:"aadObjectId,omitzero"`
	AgenticUserID string    `json:"agenticUserId,omitzero"`
	AgenticAppID  string    `json:"agenticAppId,omitzero"`
	TenantID      TenantID  `json:"tenantId,omitzero"`

	Extra jsontext.Value `json:",embed"`
}

// Clone returns a deep copy; nil gives nil.
func (c *ChannelAccount) Clone() *ChannelAccount {
	if c == nil {
		return nil
	}
	d := *c
	d.Extra = slices.Clone(c.Extra)
	return &d
}

// ConversationAccount is a conversation.
type ConversationAccount struct {
	ID   ConversationID `json:"id,omitzero"`
	Name string         `json:"name,omitzero"`
	// IsGroup is nil when the channel did not say; that means false.
	IsGroup          *bool            `json:"isGroup,omitzero"`
	ConversationType ConversationType `json:"conversationType,omitzero"`
	TenantID         TenantID         `json:"tenantId,omitzero"`
	AADObjectID      string           `json:"aadObjectId,omitzero"`
	Role             Role             `json:"role,omitzero"` // means nothing (A7512), kept for the round trip

	Extra jsontext.Value `json:",embed"`
}

// Group tells whether the conversation has, or may have, more than two parties. It trusts isGroup when present, else
// the conversation type.
func (c *ConversationAccount) Group() bool {
	switch {
	case c == nil:
		return false
	case c.IsGroup != nil:
		return *c.IsGroup
	}
	return c.ConversationType == ConversationGroupChat || c.ConversationType == ConversationChannel
}

// Clone returns a deep copy; nil gives nil.
func (c *ConversationAccount) Clone() *ConversationAccount {
	if c == nil {
		return nil
	}
	d := c.copy()
	return &d
}

func (c *ConversationAccount) copy() ConversationAccount {
	d := *c
	d.IsGroup = clonePointer(c.IsGroup)
	d.Extra = slices.Clone(c.Extra)
	return d
}

func (c ChannelAccount) copy() ChannelAccount {
	c.Extra = slices.Clone(c.Extra)
	return c
}
